package swap

import (
	"cmp"
	"slices"
)

// LegStatus says where the money of a leg is.
type LegStatus uint8

const (
	LegAbsent    LegStatus = iota // not on the chain: never created, or its block was reorganised away
	LegOpen                       // the escrow holds token and deposit
	LegWithdrawn                  // token went to the taker (src) or the maker (dst); the secret is public
	LegCancelled                  // token went back: to the maker (src) or the taker (dst)
)

func (s LegStatus) String() string {
	switch s {
	case LegOpen:
		return "open"
	case LegWithdrawn:
		return "withdrawn"
	case LegCancelled:
		return "cancelled"
	}
	return "absent"
}

// LegState is a leg as the chain shows it now.
type LegState struct {
	LegRecord
	Status LegStatus
	Final  bool          // Status can no longer be undone (for LegOpen: the creation is final)
	Ended  Position      // where it was withdrawn or cancelled
	Rescue []EscrowEvent // FundsRescued events, in order
}

// State is an order with its final and provisional facts joined: what Plan sees.
type State struct {
	Order
	Src  LegState
	Dsts []LegState
}

// Fold joins an order's stored facts with the provisional facts of its chains.
//
// An escrow keeps no state; its first withdrawal or cancellation event ends
// it. Later ones can only come from somebody who funded the escrow again and
// change nothing of ours. Provisional facts never unlearn a final one, and a
// provisional secret is taken at once: revealing cannot be undone by a reorg.
func Fold(o Order, provisional map[uint64]Provisional) State {
	s := State{Order: o}
	events := slices.Clone(o.Events)
	finals := len(events)
	for _, e := range o.Escrows() {
		for _, ev := range provisional[e.ChainID].Events {
			if ev.ChainID == e.ChainID && ev.Escrow == e.Escrow {
				events = append(events, ev)
			}
		}
	}
	for _, ev := range events {
		if s.Secret == nil && ev.Kind == Withdrawn && o.Opens(ev.Secret) {
			secret := ev.Secret
			s.Secret = &secret
		}
	}
	s.Src = foldLeg(o.Src, events, finals, provisional[o.Src.ChainID])
	for _, d := range o.Dsts {
		s.Dsts = append(s.Dsts, foldLeg(d, events, finals, provisional[d.ChainID]))
	}
	return s
}

func foldLeg(r LegRecord, events []EscrowEvent, finals int, p Provisional) LegState {
	s := LegState{LegRecord: r, Final: r.Final}
	if r.Final || p.Created(r.ChainID, r.Escrow) {
		s.Status = LegOpen
	}
	type seen struct {
		EscrowEvent
		final bool
	}
	var mine []seen
	for i, ev := range events {
		if ev.ChainID == r.ChainID && ev.Escrow == r.Escrow {
			mine = append(mine, seen{ev, i < finals})
		}
	}
	slices.SortStableFunc(mine, func(a, b seen) int {
		return cmp.Or(cmp.Compare(a.At.Block, b.At.Block), cmp.Compare(a.At.Index, b.At.Index))
	})
	for _, ev := range mine {
		switch {
		case len(s.Rescue) > 0 && s.Rescue[len(s.Rescue)-1].At == ev.At:
			// Read twice: stored as final, and still in the provisional facts.
		case ev.Kind == Rescued:
			s.Rescue = append(s.Rescue, ev.EscrowEvent)
		case s.Status == LegWithdrawn || s.Status == LegCancelled:
			// The leg has ended before.
		case ev.Kind == Withdrawn:
			s.Status, s.Final, s.Ended = LegWithdrawn, ev.final, ev.At
		case ev.Kind == Cancelled:
			s.Status, s.Final, s.Ended = LegCancelled, ev.final, ev.At
		}
	}
	return s
}

// open, ended: where the leg stands, for readers of Plan.
func (l LegState) open() bool  { return l.Status == LegOpen }
func (l LegState) ended() bool { return l.Status == LegWithdrawn || l.Status == LegCancelled }

// paid reports whether any dst leg has been withdrawn: the maker has his money
// and the secret is public.
func (s State) paid() (LegState, bool) {
	for _, d := range s.Dsts {
		if d.Status == LegWithdrawn {
			return d, true
		}
	}
	return LegState{}, false
}
