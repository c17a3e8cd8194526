package swap

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Bounds of the events kept of one escrow. A leg has one end and few rescues,
// but some escrows can be made to repeat an event for the price of its gas: an
// empty decoy that is withdrawn again and again, a BMN dst leg that is
// cancelled by signature for nothing. Their noise must not crowd out the facts
// of others, nor the last cancellation of their own, which may be the real one.
const (
	maxEnds    = 4 // of each kind, withdrawal and cancellation
	maxRescues = 32
)

// NewOrder starts an order from its source leg, due at once.
func NewOrder(src SrcCreated) Order {
	o := Order{
		ID:     OrderID{src.Leg.ChainID, src.Leg.Escrow},
		Src:    LegRecord{Leg: src.Leg},
		Expect: src.Expect,
	}
	o.Touch()
	return o
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

// candidate finds an unproven dst escrow of the order.
func (o *Order) candidate(chain uint64, escrow common.Address) *Candidate {
	for i := range o.Candidates {
		if o.Candidates[i].ChainID == chain && o.Candidates[i].Escrow == escrow {
			return &o.Candidates[i]
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
// full. A candidate of that address is resolved by it. In a full order one of
// ours takes the room of a stranger's: legs that match and hold nothing can be
// made for the price of their gas.
func (o *Order) AddDst(l Leg, ours bool) bool {
	if o.leg(l.ChainID, l.Escrow) != nil {
		return false
	}
	room := len(o.Dsts)
	if room >= MaxDstLegs {
		if room = o.yields(); !ours || room < 0 {
			return false
		}
		o.Dsts = slices.Delete(o.Dsts, room, room+1)
	}
	o.Candidates = slices.DeleteFunc(o.Candidates, func(c Candidate) bool {
		return c.ChainID == l.ChainID && c.Escrow == l.Escrow
	})
	o.Dsts = append(o.Dsts, LegRecord{Leg: l, Ours: ours})
	return true
}

// yields finds the dst leg that matters least: the newest of a stranger that
// is known not to hold its amount, else the newest of a stranger; -1 if none.
func (o *Order) yields() int {
	newest := -1
	for i := len(o.Dsts) - 1; i >= 0; i-- {
		switch d := &o.Dsts[i]; {
		case d.Ours || slices.ContainsFunc(o.Events, func(e EscrowEvent) bool { return e.ChainID == d.ChainID && e.Escrow == d.Escrow }):
		case d.Balance.Known() && d.Balance.Token.Lt(ptr(d.Immutables.AmountInt())):
			return i
		case newest < 0:
			newest = i
		}
	}
	return newest
}

// AddCandidate adds an unproven dst escrow; false if it is known already or
// the order is full. A full order makes room by forgetting one that is known
// to hold less than the maker expects: nobody was paid by it.
func (o *Order) AddCandidate(d DstCreated) bool {
	if o.knows(d.ChainID, d.Escrow) {
		return false
	}
	if len(o.Candidates) >= MaxCandidates {
		empty := slices.IndexFunc(o.Candidates, func(c Candidate) bool {
			return c.Balance.Known() && !o.pays(c) && !slices.ContainsFunc(o.Events, func(e EscrowEvent) bool { return e.ChainID == c.ChainID && e.Escrow == c.Escrow })
		})
		if empty < 0 {
			return false
		}
		o.Candidates = slices.Delete(o.Candidates, empty, empty+1)
	}
	o.Candidates = append(o.Candidates, Candidate{ChainID: d.ChainID, Escrow: d.Escrow, Created: d.At})
	return true
}

// pays reports whether an unproven dst escrow held what the maker expects when
// it was last read. The deposit does not count: a leg pays as well with another
// one, and one that lacks it pays as soon as anybody sends it.
func (o *Order) pays(c Candidate) bool {
	want := intOf(o.Expect.Amount)
	return !want.IsZero() && c.Balance.Known() && !c.Balance.Token.Lt(&want)
}

// AddEvent stores a final event of one of the order's escrows, once, and makes
// the order due at once. It reports whether the order changed.
func (o *Order) AddEvent(ev EscrowEvent) (added bool) {
	if !o.knows(ev.ChainID, ev.Escrow) || ev.Kind == Withdrawn && !o.shows(ev.Secret) {
		return false
	}
	if o.Events, added = addEvent(o.Events, ev); added {
		o.Touch()
	}
	return added
}

// addEvent appends an event that is not there yet, within the bounds of one
// escrow. Beyond them a newer cancellation replaces the newest one kept.
func addEvent(events []EscrowEvent, ev EscrowEvent) ([]EscrowEvent, bool) {
	alike, newest := 0, -1
	for i := range events {
		e := &events[i]
		if e.ChainID != ev.ChainID {
			continue
		}
		if e.At.Tx == ev.At.Tx && e.At.Index == ev.At.Index {
			return events, false
		}
		if e.Escrow == ev.Escrow && e.Kind == ev.Kind {
			alike++
			if newest < 0 || events[newest].At.Less(e.At) {
				newest = i
			}
		}
	}
	limit := maxEnds
	if ev.Kind == Rescued {
		limit = maxRescues
	}
	switch {
	case alike < limit:
		return append(events, ev), true
	case ev.Kind == Cancelled && events[newest].At.Less(ev.At):
		events = slices.Clone(events) // another copy of the order may share it
		events[newest] = ev
		return events, true
	}
	return events, false
}

// Learn takes a revealed secret if it opens the order's hashlock and none is
// known yet, and makes the order due at once. A secret is never unlearned.
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
	o.Wakes.Src = max(1, o.Src.Created.Time)
}

// SetBalance stores a reading of one of the order's escrows, and reports whether
// it is another one than was there. A reading of a token that gave none goes
// through State.Heard first.
func (o *Order) SetBalance(chain uint64, escrow common.Address, b Balance) (changed bool) {
	if r := o.leg(chain, escrow); r != nil {
		changed, r.Balance = r.Balance != b, b
	} else if c := o.candidate(chain, escrow); c != nil {
		changed, c.Balance = c.Balance != b, b
	}
	return changed
}

// Rewind forgets every final fact of the chain after the given block: what was
// taken as final was not. The secret stays. It reports whether anything was
// forgotten.
func (o *Order) Rewind(chain, to uint64) bool {
	events := len(o.Events)
	o.Events = slices.DeleteFunc(slices.Clone(o.Events), func(e EscrowEvent) bool { return e.ChainID == chain && e.At.Block > to })
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
	if c := o.candidate(chain, escrow); c != nil {
		return c.Created, true
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
