package swap

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// maxEvents bounds the final events that an order keeps. A leg has one end and
// few rescues; only the taker can cause more.
const maxEvents = 64

// NewOrder starts an order from its source leg, due at once.
func NewOrder(src SrcCreated) Order {
	return Order{
		ID:     OrderID{src.Leg.ChainID, src.Leg.Escrow},
		Src:    LegRecord{Leg: src.Leg},
		Expect: src.Expect,
		Wakes:  Wakes{Src: src.Leg.Created.Time},
	}
}

// leg finds the record of an escrow of the order.
func (o *Order) leg(chain uint64, escrow common.Address) *LegRecord {
	if o.ID == (OrderID{chain, escrow}) {
		return &o.Src
	}
	for i := range o.Dsts {
		if o.Dsts[i].ChainID == chain && o.Dsts[i].Escrow == escrow {
			return &o.Dsts[i]
		}
	}
	return nil
}

// Confirm notes that an escrow's creation was read at the given position,
// finally or not. A final creation stands; a provisional one follows the block
// that the latest reading saw it in. It reports whether the order changed.
func (o *Order) Confirm(chain uint64, escrow common.Address, at Position, final bool) bool {
	r := o.leg(chain, escrow)
	if r == nil || r.Final || r.Created == at && !final {
		return false
	}
	r.Created, r.Final = at, final
	return true
}

// AddDst adds a proven dst leg; false if it is known already or the order is
// full. A candidate of that address is resolved by it.
func (o *Order) AddDst(l Leg, ours bool) bool {
	if o.leg(l.ChainID, l.Escrow) != nil || len(o.Dsts) >= MaxDstLegs {
		return false
	}
	o.Candidates = slices.DeleteFunc(o.Candidates, func(c Candidate) bool {
		return c.ChainID == l.ChainID && c.Escrow == l.Escrow
	})
	o.Dsts = append(o.Dsts, LegRecord{Leg: l, Ours: ours})
	return true
}

// AddCandidate adds an unproven dst escrow; false if it is known already or
// the order is full.
func (o *Order) AddCandidate(d DstCreated) bool {
	if o.leg(d.ChainID, d.Escrow) != nil || len(o.Candidates) >= MaxCandidates ||
		slices.ContainsFunc(o.Candidates, func(c Candidate) bool { return c.ChainID == d.ChainID && c.Escrow == d.Escrow }) {
		return false
	}
	o.Candidates = append(o.Candidates, Candidate{ChainID: d.ChainID, Escrow: d.Escrow, Created: d.At})
	return true
}

// AddEvent stores a final event of one of the order's escrows, once.
func (o *Order) AddEvent(ev EscrowEvent) bool {
	known := slices.Contains(o.Escrows(), OrderID{ev.ChainID, ev.Escrow})
	if !known || len(o.Events) >= maxEvents || slices.ContainsFunc(o.Events, func(e EscrowEvent) bool {
		return e.ChainID == ev.ChainID && e.At.Tx == ev.At.Tx && e.At.Index == ev.At.Index
	}) {
		return false
	}
	o.Events = append(o.Events, ev)
	return true
}

// Learn takes a revealed secret if it opens the order's hashlock and none is
// known yet, and makes the order due at once on both chains. A secret is never
// unlearned.
func (o *Order) Learn(secret [32]byte) bool {
	if o.Secret != nil || !o.Opens(secret) {
		return false
	}
	o.Secret = &secret
	o.Touch()
	return true
}

// Touch makes the order due in the very next sweep, so that whatever was just
// written is planned even if the writer dies before it plans.
func (o *Order) Touch() {
	o.Wakes.Src = o.Src.Created.Time
	if o.Wakes.Src == 0 {
		o.Wakes.Src = 1
	}
}

// SetBalance stores a reading of one of the order's escrows.
func (o *Order) SetBalance(chain uint64, escrow common.Address, b Balance) {
	if r := o.leg(chain, escrow); r != nil {
		r.Balance = b
		return
	}
	for i := range o.Candidates {
		if o.Candidates[i].ChainID == chain && o.Candidates[i].Escrow == escrow {
			o.Candidates[i].Balance = b
		}
	}
}

// Rewind forgets every final fact of the chain after the given block: what was
// taken as final was not. The secret stays. It reports whether anything was
// forgotten.
func (o *Order) Rewind(chain, to uint64) bool {
	events := len(o.Events)
	o.Events = slices.DeleteFunc(o.Events, func(e EscrowEvent) bool { return e.ChainID == chain && e.At.Block > to })
	changed := len(o.Events) != events
	for _, e := range o.Escrows() {
		if r := o.leg(e.ChainID, e.Escrow); r != nil && r.ChainID == chain && r.Final && r.Created.Block > to {
			r.Final, changed = false, true
		}
	}
	if changed {
		o.Touch()
	}
	return changed
}

// CreatedAt says where an escrow of the order was created.
func (o *Order) CreatedAt(chain uint64, escrow common.Address) (Position, bool) {
	if r := o.leg(chain, escrow); r != nil {
		return r.Created, true
	}
	for _, c := range o.Candidates {
		if c.ChainID == chain && c.Escrow == escrow {
			return c.Created, true
		}
	}
	return Position{}, false
}

// TokenAt is the token whose balance tells about an escrow of the order: the
// leg's own, or for an unproven candidate the one that the maker expects.
func (o *Order) TokenAt(chain uint64, escrow common.Address) common.Address {
	if r := o.leg(chain, escrow); r != nil {
		return r.Immutables.TokenAddress()
	}
	return addressOf(o.Expect.Token)
}
