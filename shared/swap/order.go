package swap

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Bounds of what one order may carry. Anyone can create look-alike dst
// escrows, so the room they can take in our memory and tables has an end;
// beyond it they stay parked outside the order and raise one alert a chain.
const (
	MaxDstLegs    = 8
	MaxCandidates = 16
)

// OrderID identifies a swap by its source escrow. Neither orderHash (partial
// fills) nor hashlock (reused secrets) is unique.
type OrderID struct {
	ChainID uint64         `json:"chain"`
	Escrow  common.Address `json:"escrow"`
}

// String is "<chain>:<0xescrow>", lower case, as used in keys and logs.
func (id OrderID) String() string {
	return strconv.FormatUint(id.ChainID, 10) + ":" + strings.ToLower(id.Escrow.Hex())
}

// ParseOrderID is the inverse of String. It accepts any case of the address.
func ParseOrderID(s string) (OrderID, error) {
	chain, escrow, ok := strings.Cut(s, ":")
	id, err := strconv.ParseUint(chain, 10, 64)
	if !ok || err != nil || id == 0 || !common.IsHexAddress(escrow) {
		return OrderID{}, fmt.Errorf("order id %q: want <chain>:<escrow>", s)
	}
	return OrderID{ChainID: id, Escrow: common.HexToAddress(escrow)}, nil
}

// Balance is what an escrow held at one block. The zero value means "never
// read".
type Balance struct {
	Block  Block       `json:"block"`
	Token  uint256.Int `json:"token"`  // base units of the leg's token; equals Native where the token is the native coin
	Native uint256.Int `json:"native"` // wei
	// Mute: the token gave no balance, nor did anybody asked know one: it may be
	// the token or the endpoints. Token is zero then and says nothing, and Native is
	// what was read.
	Mute bool `json:"mute,omitempty"`
}

// Read reports whether the escrow has ever been looked at.
func (b Balance) Read() bool { return b.Block.Number != 0 }

// Known reports whether it was then seen what the escrow held of its token. What
// a token does not tell is not zero.
func (b Balance) Known() bool { return b.Read() && !b.Mute }

// LegRecord is a leg as an order stores it.
type LegRecord struct {
	Leg
	Final bool `json:"final,omitempty"` // its creation has been read again once final
	// Ours: created by a transaction of one of our accounts. Of a dst leg: our
	// money is in it. Of a src leg it is looked up only where anyone can make
	// one, in the BMN family.
	Ours    bool    `json:"ours,omitempty"`
	Balance Balance `json:"balance"` // the latest reading
	// Traces tell of a dst leg where its cancellations moved its money, where
	// their events do not say it; see Trace.
	Traces []Trace `json:"traces,omitempty"`
}

// Candidate is a dst escrow that names our taker and this order's hashlock but
// whose immutables could not be rebuilt, so that nothing is proven of it.
// Its events still count as a source of the secret.
type Candidate struct {
	ChainID uint64         `json:"chain"`
	Escrow  common.Address `json:"escrow"`
	Created Position       `json:"created"`
	Balance Balance        `json:"balance"` // of the token that the maker expects
}

// Order is a swap as stored: final facts and learned secrets only. What is
// known but not final yet lives in Provisional; Fold joins the two.
type Order struct {
	ID         OrderID       `json:"id"`
	Src        LegRecord     `json:"src"`
	Expect     Complement    `json:"expect"`
	Dsts       []LegRecord   `json:"dsts,omitempty"` // proven to match Expect, oldest first
	Candidates []Candidate   `json:"candidates,omitempty"`
	Events     []EscrowEvent `json:"events,omitempty"` // final, of all legs, in order of discovery
	Secret     *[32]byte     `json:"secret,omitempty"` // public preimage of the hashlock; never unlearned
	Wakes      Wakes         `json:"wakes"`
	Closed     bool          `json:"closed,omitempty"` // nothing of it can hold funds any more, by final facts
	Held       bool          `json:"held,omitempty"`   // found in a history not yet read to its end: not to be planned, so without wake times
	Version    uint64        `json:"version"`          // opaque to all but the store: grows by one with each write
}

// Wakes are the block times, per side's chain, at which the order must be
// looked at again. Zero means never (a closed order).
type Wakes struct {
	Src ChainTime `json:"src"`
	Dst ChainTime `json:"dst"`
}

// DstChainID is the chain on which the maker expects to be paid; zero if the
// complement's word is not a chain id.
func (o *Order) DstChainID() uint64 {
	id, _ := o.Expect.Chain()
	return id
}

// Hashlock is keccak256 of the swap's secret.
func (o *Order) Hashlock() common.Hash { return o.Src.Immutables.Hashlock }

// Opens reports whether secret is the preimage of the order's hashlock.
func (o *Order) Opens(secret [32]byte) bool {
	return Unlocks(secret, o.Hashlock())
}

// shows is Opens for the events of an order whose own secret has been checked.
func (o *Order) shows(secret [32]byte) bool {
	return o.Secret != nil && *o.Secret == secret || o.Opens(secret)
}

// Escrows lists every escrow address of the order with its chain: src, dst
// legs, unproven candidates.
func (o *Order) Escrows() []OrderID {
	ids := []OrderID{{o.ID.ChainID, o.ID.Escrow}}
	for _, d := range o.Dsts {
		ids = append(ids, OrderID{d.ChainID, d.Escrow})
	}
	for _, c := range o.Candidates {
		ids = append(ids, OrderID{c.ChainID, c.Escrow})
	}
	return ids
}

// knows reports whether the escrow is one of Escrows.
func (o *Order) knows(chain uint64, escrow common.Address) bool {
	return o.leg(chain, escrow) != nil || o.candidate(chain, escrow) != nil
}

// Matches reports why the leg is not the dst leg that this order's maker
// expects, or "" if it is. createDstEscrow is open to anyone, so every field
// counts: only a leg that pays the maker what he signed for is the true one.
func (o *Order) Matches(dst Leg) string {
	want, have := o.Expect, dst.Immutables
	src := o.Src.Immutables
	switch {
	case dst.Side != Dst:
		return "side"
	case dst.ChainID != o.DstChainID():
		return "chain"
	case have.OrderHash != src.OrderHash:
		return "orderHash"
	case have.Hashlock != src.Hashlock:
		return "hashlock"
	case addressOf(have.Maker) != addressOf(want.Maker):
		return "maker"
	case have.TakerAddress() != src.TakerAddress():
		return "taker"
	case addressOf(have.Token) != addressOf(want.Token):
		return "token"
	case have.Amount != want.Amount:
		return "amount"
	case !sameOffsets(have.Timelocks, src.Timelocks):
		return "windows"
	}
	return ""
}

// SafetyGap is the time between the end of dst's withdrawal window and the end
// of src's, in seconds. Each is on its own chain's clock. A negative gap means
// that dst can still be paid out when src is already lost.
func (o *Order) SafetyGap(dst Leg) int64 {
	return int64(o.Src.Immutables.At(SrcCancellation) - dst.Immutables.At(DstCancellation))
}

// Provisional holds the facts of one chain between its final block and its
// head. It is replaced whole by every pass, so a reorganised fact disappears
// by not being there any more.
type Provisional struct {
	ChainID uint64        `json:"chain"`
	From    Block         `json:"from"`             // first block covered is From.Number+1 (From is the final cursor)
	To      Block         `json:"to"`               // last block covered
	Legs    []OrderID     `json:"legs,omitempty"`   // escrows created in the range
	Events  []EscrowEvent `json:"events,omitempty"` // of known escrows, in block order
	Sync    Sync          `json:"sync,omitzero"`
}

// Sync is what state-sync notes beside a chain's marks and facts, in the same
// item so that they move together. Nobody else needs it.
type Sync struct {
	// Revision grows by one with each write: the item's version.
	Revision uint64 `json:"revision,omitempty"`
	// Done: the chain's history has been read to the marks once, and the orders
	// found in it have been let go.
	Done bool `json:"done,omitempty"`
	// Covered are the factories and takers whose history has been read, or is
	// being read by the trail.
	Covered []common.Address `json:"covered,omitempty"`
	// Trail is how far a history has been read that lies behind From; zero when
	// there is none.
	Trail Block `json:"trail,omitzero"`
	// Rewound: the marks went back because a final block was replaced, and the
	// orders have not forgotten yet what they learned beyond From.
	Rewound bool `json:"rewound,omitempty"`
	// Seek are orders whose dst legs on this chain have yet to be looked for
	// among those parked.
	Seek []OrderID `json:"seek,omitempty"`
}

// AddEvent stores an event, once; false if it was known or the escrow has
// shown as many of its kind as can matter.
func (p *Provisional) AddEvent(ev EscrowEvent) (added bool) {
	p.Events, added = addEvent(p.Events, ev)
	return added
}

// Created reports whether the escrow's creation is among the facts.
func (p Provisional) Created(chain uint64, escrow common.Address) bool {
	return p.ChainID == chain && slices.Contains(p.Legs, OrderID{chain, escrow})
}

// sameOffsets compares the seven stage offsets; deployedAt (the top 32 bits)
// differs between the legs by nature.
func sameOffsets(a, b Word) bool { return [28]byte(a[4:]) == [28]byte(b[4:]) }

// ErrConflict is returned by stores when the item was written by somebody else
// after it was read. Nothing has been written; read again and decide again.
var ErrConflict = errors.New("changed since it was read")
