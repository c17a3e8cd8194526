package swap

import (
	"cmp"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// LegStatus says where the money of a leg is.
type LegStatus uint8

const (
	LegAbsent    LegStatus = iota // not on the chain: never created, or its block was reorganised away
	LegOpen                       // the escrow holds token and deposit
	LegWithdrawn                  // token went to the taker (src) or the maker (dst); the secret is public
	LegCancelled                  // token went back: to the maker (src) or the taker (dst)
	LegRescued                    // the taker took the whole amount after the rescue delay; the deposit still lies there
)

func (s LegStatus) String() string {
	switch s {
	case LegOpen:
		return "open"
	case LegWithdrawn:
		return "withdrawn"
	case LegCancelled:
		return "cancelled"
	case LegRescued:
		return "rescued"
	}
	return "absent"
}

// LegState is a leg as the chain shows it now.
type LegState struct {
	LegRecord
	Status LegStatus
	Final  bool          // Status can no longer be undone (for LegOpen: the creation is final)
	Ended  Position      // where it was withdrawn, cancelled or rescued
	Rescue []EscrowEvent // FundsRescued events, in order
	// Cancels are where the cancellations of a cancelled leg are reported, in
	// order, without those that demonstrably moved nothing.
	Cancels []Position
}

// CandidateState is an unproven dst escrow as the chain shows it now. All that
// its events prove is that its own money left it.
type CandidateState struct {
	Candidate
	Status LegStatus // LegOpen, LegWithdrawn (with the order's secret) or LegCancelled
	Final  bool      // of a status other than LegOpen: it can no longer be undone
	Ended  Position  // of such a status: the first event that says so
}

// State is an order with its final and provisional facts joined: what Plan sees.
type State struct {
	Order
	Src      LegState
	Dsts     []LegState
	Unproven []CandidateState
	// Kin are the other open orders that have one of the order's dst legs. Fold
	// leaves them out; whoever plans an order that AsksKin brings them in.
	Kin []State
}

// Fold joins an order's stored facts with the provisional facts of its chains.
// It does not depend on the order of events nor on how often one is named, and
// an event that is final outweighs every provisional one of its kind.
//
// An escrow keeps no state; its events tell where its money went. A withdrawal
// always counts: a second one, or one beside a cancellation, can only come
// from somebody who funded the escrow again. A cancellation counts unless the
// leg demonstrably still holds its amount: BMN's dst escrows cancel by any
// whitelisted resolver's signature without looking at the immutables they are
// sent, so that their event may report that nothing was moved. Provisional
// facts never unlearn a final one, and a provisional secret is taken at once:
// revealing cannot be undone by a reorg.
func Fold(o Order, provisional map[uint64]Provisional) State {
	s := State{Order: o}
	s.Src = foldLeg(&o, &o.Src, provisional[o.Src.ChainID])
	if len(o.Dsts) > 0 {
		s.Dsts = make([]LegState, len(o.Dsts))
		for i := range o.Dsts {
			s.Dsts[i] = foldLeg(&o, &o.Dsts[i], provisional[o.Dsts[i].ChainID])
		}
	}
	if len(o.Candidates) > 0 {
		s.Unproven = make([]CandidateState, len(o.Candidates))
		for i := range o.Candidates {
			s.Unproven[i] = foldCandidate(&o, o.Candidates[i], provisional[o.Candidates[i].ChainID])
		}
	}
	if s.Secret == nil {
		s.Secret = o.revealed(provisional)
	}
	return s
}

// revealed looks for the order's secret in the events of its escrows.
func (o *Order) revealed(provisional map[uint64]Provisional) *[32]byte {
	find := func(events []EscrowEvent) *[32]byte {
		for i := range events {
			ev := &events[i]
			if ev.Kind == Withdrawn && o.knows(ev.ChainID, ev.Escrow) && o.shows(ev.Secret) {
				secret := ev.Secret
				return &secret
			}
		}
		return nil
	}
	if secret := find(o.Events); secret != nil {
		return secret
	}
	if secret := find(provisional[o.ID.ChainID].Events); secret != nil {
		return secret
	}
	return find(provisional[o.DstChainID()].Events)
}

// facts visits the events of one escrow: the final ones, then the provisional
// ones that are not the same transaction read twice.
func (o *Order) facts(chain uint64, escrow common.Address, p Provisional, visit func(ev *EscrowEvent, final bool)) {
	for i := range o.Events {
		if ev := &o.Events[i]; ev.Escrow == escrow && ev.ChainID == chain {
			visit(ev, true)
		}
	}
	for i := range p.Events {
		ev := &p.Events[i]
		if ev.Escrow != escrow || ev.ChainID != chain {
			continue
		}
		twice := slices.ContainsFunc(o.Events, func(f EscrowEvent) bool {
			return f.Escrow == escrow && f.ChainID == chain && f.At.Tx == ev.At.Tx && f.Kind == ev.Kind
		})
		if !twice {
			visit(ev, false)
		}
	}
}

// end is the best known event of a kind: a final one before a provisional one,
// then the earliest. Final ones are noted first.
type end struct {
	at    Position
	known bool
	final bool
}

func (e *end) note(at Position, final bool) {
	if !e.known || final == e.final && at.Less(e.at) {
		*e = end{at, true, final}
	}
}

func foldLeg(o *Order, r *LegRecord, p Provisional) LegState {
	s := LegState{LegRecord: *r, Final: r.Final}
	if r.Final || p.Created(r.ChainID, r.Escrow) {
		s.Status = LegOpen
	}
	var withdrawn, cancelled, rescued end
	var rescue []rescueFact
	var cancels []Position
	o.facts(r.ChainID, r.Escrow, p, func(ev *EscrowEvent, final bool) {
		switch ev.Kind {
		case Withdrawn:
			if o.shows(ev.Secret) { // no escrow shows another one
				withdrawn.note(ev.At, final)
			}
		case Cancelled:
			if !r.stillHolds(ev.At) {
				cancelled.note(ev.At, final)
				cancels = append(cancels, ev.At)
			}
		case Rescued:
			rescue = append(rescue, rescueFact{*ev, final})
		}
	})
	s.Rescue, rescued = r.rescues(rescue)
	become := func(status LegStatus, e end) { s.Status, s.Final, s.Ended = status, e.final, e.at }
	switch {
	case withdrawn.known:
		become(LegWithdrawn, withdrawn)
	case cancelled.known && (!rescued.known || cancelled.at.Less(rescued.at)):
		become(LegCancelled, cancelled)
		slices.SortFunc(cancels, Position.compare)
		s.Cancels = slices.Compact(cancels)
	case rescued.known:
		become(LegRescued, rescued)
	}
	return s
}

// stillHolds reports whether a cancellation of this leg moved nothing: only on
// a BMN dst, and only if the amount was read there afterwards.
func (r *LegRecord) stillHolds(cancelled Position) bool {
	if r.Side != Dst || r.Family != BMNv4 || !r.Balance.Known() || r.Balance.Block.Number < cancelled.Block {
		return false
	}
	amount := r.Immutables.AmountInt()
	return !amount.IsZero() && !r.Balance.Token.Lt(&amount)
}

type rescueFact struct {
	EscrowEvent
	final bool
}

// rescues sorts the rescues and finds the one with which the leg's whole
// amount was gone.
func (r *LegRecord) rescues(facts []rescueFact) (out []EscrowEvent, whole end) {
	if len(facts) == 0 {
		return nil, end{}
	}
	slices.SortStableFunc(facts, func(a, b rescueFact) int {
		return cmp.Or(cmp.Compare(a.At.Block, b.At.Block), cmp.Compare(a.At.Index, b.At.Index))
	})
	amount, sum, final := r.Immutables.AmountInt(), uint256.Int{}, true
	for _, f := range facts {
		if len(out) > 0 && out[len(out)-1].At.Tx == f.At.Tx && out[len(out)-1].At.Index == f.At.Index {
			continue // the same log twice
		}
		out = append(out, f.EscrowEvent)
		if whole.known || f.Token != r.Immutables.TokenAddress() {
			continue
		}
		final = final && f.final
		if _, overflow := sum.AddOverflow(&sum, &f.Amount); overflow || !sum.Lt(&amount) && !amount.IsZero() {
			whole = end{f.At, true, final}
		}
	}
	return out, whole
}

func foldCandidate(o *Order, c Candidate, p Provisional) CandidateState {
	s := CandidateState{Candidate: c, Status: LegOpen}
	become := func(status LegStatus, at Position, final bool) {
		again := s.Status == status
		if !again || at.Less(s.Ended) {
			s.Ended = at
		}
		s.Status, s.Final = status, final || again && s.Final
	}
	o.facts(c.ChainID, c.Escrow, p, func(ev *EscrowEvent, final bool) {
		switch {
		case ev.Kind == Withdrawn && o.shows(ev.Secret):
			become(LegWithdrawn, ev.At, final)
		case ev.Kind == Cancelled && s.Status != LegWithdrawn:
			become(LegCancelled, ev.At, final)
		}
	})
	return s
}

// open, ended: where the leg stands, for readers of Plan.
func (l *LegState) open() bool { return l.Status == LegOpen }
func (l *LegState) ended() bool {
	return l.Status == LegWithdrawn || l.Status == LegCancelled || l.Status == LegRescued
}

// taken reports whether a src leg's tokens went to the taker: then the maker
// has to be paid, and dst is his.
func (l *LegState) taken() bool { return l.Status == LegWithdrawn || l.Status == LegRescued }

// readSince reports whether the escrow was looked at when the leg had ended.
func (l *LegState) readSince() bool {
	return l.Balance.Read() && l.Balance.Block.Number >= l.Ended.Block
}

// balanceSince reports whether it was then seen what it held.
func (l *LegState) balanceSince() bool { return l.readSince() && l.Balance.Known() }
