package swap

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Balance probes. A leg's events tell where its money went; balances tell when
// an event was missed, a deposit never came, or something was left behind.
const (
	// probeAhead: the balance of an open leg is read once more this many seconds
	// before its hard deadline, while a missed event could still be acted on.
	probeAhead = 300
	// probeAgain: a leg whose deposit was missing is read again this often, in
	// seconds of block time, since anybody may send it.
	probeAgain = 60
	// probeSeldom: the same for what is not ours or waits for a person, and for
	// tokens that give no balance, of which there may be any number, while no time
	// runs out.
	probeSeldom = 600
)

// WantBalances lists the escrows of an order whose balances should be read at the
// given views: new ones, ended ones whose end is final, open ones shortly
// before their deadline, and those found short. It is empty for an order that
// waits in the middle of its time, so an idle pass reads no balances.
func (s State) WantBalances(views Views) []OrderID {
	var out []OrderID
	if s.Src.wantBalance(views[s.Src.ChainID]) {
		out = append(out, OrderID{s.Src.ChainID, s.Src.Escrow})
	}
	for i := range s.Dsts {
		if d := &s.Dsts[i]; d.wantBalance(views[d.ChainID]) {
			out = append(out, OrderID{d.ChainID, d.Escrow})
		}
	}
	for i := range s.Unproven {
		c := &s.Unproven[i]
		head := views[c.ChainID].Head
		// One that holds the maker's due is looked at again: its creation may
		// have been reorganised away, or a cancellation may have moved nothing.
		pays := c.Status != LegWithdrawn && s.pays(c.Candidate)
		if head.Number != 0 && (!c.Balance.Read() || c.Balance.Mute && c.Balance.olderThan(head, probeSeldom) || pays && (c.Balance.olderThan(head, probeSeldom) || c.Final && c.readBeforeEnd())) {
			out = append(out, OrderID{c.ChainID, c.Escrow})
		}
	}
	return out
}

// Heard returns what is to be stored of a reading. That a token is silent says
// nothing against what it told before: as long as an escrow has not ended for good
// its tokens are those that were seen last, at the block where they were seen, and
// only the native coin is new. Nobody takes them for fresh, so they are asked for
// again, see WantBalances.
func (s *State) Heard(chain uint64, escrow common.Address, b Balance) Balance {
	var was Balance
	if l := s.legAt(chain, escrow); l != nil && !(l.ended() && l.Final) {
		was = l.Balance
	}
	for i := range s.Unproven {
		if c := &s.Unproven[i]; c.ChainID == chain && c.Escrow == escrow && !c.Final {
			was = c.Balance
		}
	}
	if !b.Mute || !was.Known() {
		return b
	}
	was.Native = b.Native
	return was
}

func (l *LegState) wantBalance(v ChainView) bool {
	head := v.Head
	if head.Number == 0 || l.Status == LegAbsent {
		return false
	}
	deadline := l.deadline()
	probe := deadline - probeAhead
	again := ChainTime(probeSeldom)
	if l.Side == Src || l.Ours {
		again = probeAgain
	}
	// While a rescue of what was left can still be undone, the empty escrow on
	// record would not be the one on the chain.
	var rescued uint64
	if n := len(l.Rescue); n > 0 {
		rescued = l.Rescue[n-1].At.Block
	}
	switch {
	case !l.Balance.Read() && !l.ended():
		return true
	case l.ended() && !l.readSince():
		// Once that is final; at once where the event may have moved nothing.
		return l.Final || l.doubtful()
	case l.Balance.Mute && l.Balance.olderThan(head, probeSeldom),
		l.Balance.Mute && head.Time < deadline && !l.ended() && head.Time >= probe && l.Balance.olderThan(head, probeAgain),
		l.Balance.Mute && head.Time < deadline && l.doubtful() && l.Balance.olderThan(head, again):
		return true
	case l.ended():
		return l.Final && !l.Balance.Mute && !l.empty() && rescued <= v.Final.Number && (l.Balance.Block.Number < rescued || l.Balance.olderThan(head, probeSeldom))
	case l.Balance.Block.Number < rescued:
		return true
	case l.short():
		return l.Balance.olderThan(head, again)
	}
	return head.Time >= probe && l.Balance.Block.Time < probe && probe > l.Created.Time
}

// deadline is the end of the leg's own withdrawal window.
func (l *LegState) deadline() ChainTime {
	if l.Side == Dst {
		return l.At(DstCancellation)
	}
	return l.At(SrcCancellation)
}

// doubtful reports whether the event that ended the leg may have moved nothing;
// see Fold.
func (l *LegState) doubtful() bool {
	return l.Family == BMNv4 && l.Side == Dst && l.Status == LegCancelled
}

// unprobed reports whether the leg's tokens have not been seen since its deadline
// came near, or never.
func (l *LegState) unprobed() bool {
	probe := l.deadline() - probeAhead
	return l.open() && (l.Balance.Mute || probe > l.Created.Time && l.Balance.Block.Time < probe)
}

// fetched reports that a token has been rescued since the balances were read.
func (l *LegState) fetched(token common.Address) bool {
	return slices.ContainsFunc(l.Rescue, func(e EscrowEvent) bool { return e.Token == token && e.At.Block > l.Balance.Block.Number })
}

func (b Balance) olderThan(head Block, seconds ChainTime) bool {
	return head.Time >= b.Block.Time+seconds
}

func (l *LegState) empty() bool { return l.Balance.Token.IsZero() && l.Balance.Native.IsZero() }

// short reports whether the balances read do not cover amount and deposit.
func (l *LegState) short() bool {
	return l.Balance.Known() && l.Balance.Token.Lt(ptr(l.Immutables.AmountInt())) || l.unfunded()
}

// unfunded reports whether the escrow cannot pay its safety deposit out, so
// that every withdraw and cancel reverts. Before a first reading it is false.
func (l *LegState) unfunded() bool {
	if !l.Balance.Read() {
		return false
	}
	need := l.Immutables.DepositInt()
	if l.IsNative() && l.Side == Dst {
		amount := l.Immutables.AmountInt()
		if _, overflow := need.AddOverflow(&need, &amount); overflow {
			return true
		}
	}
	return l.Balance.Native.Lt(&need)
}
