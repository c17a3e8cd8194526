package swap

import (
	"cmp"

	"github.com/ethereum/go-ethereum/common"
)

// Position says where on a chain something was seen. The zero value means
// nowhere yet.
type Position struct {
	Block     uint64
	BlockHash common.Hash
	Time      ChainTime // of the block
	Tx        common.Hash
	Index     uint // log index in the block
}

// Less orders positions on one chain: by block, then by log index.
func (p Position) Less(o Position) bool {
	if p.Block != o.Block {
		return p.Block < o.Block
	}
	return p.Index < o.Index
}

// compare is an order of all positions that agrees with Less.
func (p Position) compare(o Position) int {
	return cmp.Or(cmp.Compare(p.Block, o.Block), cmp.Compare(p.Index, o.Index), p.BlockHash.Cmp(o.BlockHash), p.Tx.Cmp(o.Tx))
}

// Log is a log entry as a node returned it: untrusted input. Position.Time is
// filled in by the reader, since a log carries no time of its own.
type Log struct {
	ChainID uint64
	Address common.Address
	Topics  []common.Hash
	Data    []byte
	At      Position
}

// Leg is one escrow of a swap. Its identity is (ChainID, Escrow): neither the
// order hash nor the hashlock is unique.
type Leg struct {
	ChainID         uint64
	Side            Side
	Family          Family
	Factory, Escrow common.Address
	Immutables      Immutables
	RescueDelay     uint64 // seconds after deployedAt
	Created         Position
}

// At returns when a stage starts by this leg's own deployedAt.
func (l Leg) At(s Stage) ChainTime { return l.Immutables.At(s) }

// RescueStart returns when rescueFunds opens; a delay beyond all time stays there.
func (l Leg) RescueStart() ChainTime { return rescueStart(l.Immutables.DeployedAt(), l.RescueDelay) }

// IsNative reports whether the leg holds the chain's native coin.
func (l Leg) IsNative() bool { return l.Immutables.TokenAddress() == common.Address{} }

// Window is a half-open span of block time: From is inside, Until is not.
type Window struct {
	From  ChainTime
	Until ChainTime // 0 = no end
}

// Contains reports whether a block at t lies inside.
func (w Window) Contains(t ChainTime) bool { return t >= w.From && (w.Until == 0 || t < w.Until) }

// Empty reports whether no time lies inside.
func (w Window) Empty() bool { return w.Until != 0 && w.Until <= w.From }

// Window returns when the contract accepts the call on this leg, by time
// alone. It reports false when the call does not exist there or can never
// succeed: withdrawTo and publicCancel on dst, calls by access token in the
// family that has none, signed calls in those that know none.
func (l Leg) Window(c Call) (Window, bool) {
	if !c.ExistsOn(l.Family, l.Side) {
		return Window{}, false
	}
	if c == RescueFunds {
		return Window{From: l.RescueStart()}, true
	}
	var w, wp, cn, cp = SrcWithdrawal, SrcPublicWithdrawal, SrcCancellation, SrcPublicCancellation
	if l.Side == Dst {
		// dst has no public cancellation stage; its signed public cancel opens
		// with the taker's own.
		w, wp, cn, cp = DstWithdrawal, DstPublicWithdrawal, DstCancellation, DstCancellation
	}
	switch c {
	case Withdraw, WithdrawTo:
		return between(l.At(w), l.At(cn)), true
	case PublicWithdraw, PublicWithdrawSigned:
		return between(l.At(wp), l.At(cn)), true
	case Cancel:
		return Window{From: l.At(cn)}, true
	case PublicCancel, PublicCancelSigned:
		return Window{From: l.At(cp)}, true
	}
	return Window{}, false
}

// between returns [from, until). An end at time zero (a hostile deployedAt)
// closes the window; it must not read as "no end".
func between(from, until ChainTime) Window {
	if until == 0 {
		return Window{From: 1, Until: 1}
	}
	return Window{From: from, Until: until}
}
