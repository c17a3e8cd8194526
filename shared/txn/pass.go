package txn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const (
	// planChunk is how many actions are planned at a time: enough to fill a pool
	// window of several batches, few enough that a queue of thousands costs no
	// more per block than what can be sent in it.
	planChunk = 256
	// closeBy is how near a hard deadline, in seconds of block time, has to be
	// for a drain to stay with what is in flight or waits for its price instead
	// of leaving it to the next doorbell.
	closeBy = 120
)

// pass reads everything, looks after what is in flight and sends what is due.
// next is the block time for which it is worth waiting, zero if there is none.
func (r *drain) pass(ctx context.Context) (next swap.ChainTime, err error) {
	r.conflict, r.unsure, r.done.Waiting, r.done.Held = false, false, 0, 0
	r.rehearsals.Store(maxRehearsals)
	r.cases, r.views, r.touched = map[swap.OrderID]swap.Case{}, nil, map[uint64]bool{}
	r.need, r.spent = nil, map[swap.ActionKey]bool{}
	if err := r.open(ctx); err != nil {
		return 0, err
	}
	flying, busy, err := r.flying(ctx)
	errs := []error{err}
	works, err := r.sendable(ctx, busy)
	errs = append(errs, err)
	r.left = r.left && err != nil // until it can be read again, it is there
	slices.SortFunc(works, byUrgency)
	first := works[:min(len(works), planChunk)]
	errs = append(errs, r.decide(ctx, flying, first))
	r.tellUndone()

	stop := func() (swap.ChainTime, error) { return 0, errors.Join(append(errs, r.hold.Check())...) }
	for _, f := range flying {
		if err := r.tend(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("nonce %d: %w", f.Nonce, err))
		}
		if r.stopped() {
			return stop()
		}
	}
	for len(first) > 0 {
		soon, err := r.sendAll(ctx, first)
		errs = append(errs, err)
		next = earliest(next, soon)
		if r.stopped() {
			return stop()
		}
		works = works[len(first):]
		if r.room() <= 0 {
			break
		}
		if first = works[:min(len(works), planChunk)]; len(first) > 0 {
			errs = append(errs, r.decide(ctx, nil, first))
		}
	}
	next = earliest(next, r.unplanned(works))
	errs = append(errs, r.fillGap(ctx), r.lift(ctx))
	if r.stopped() {
		return stop()
	}
	r.stuck()
	if r.left || r.watched() {
		next = earliest(next, r.head.Time+1)
	}
	return next, errors.Join(errs...)
}

func earliest(a, b swap.ChainTime) swap.ChainTime {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// unplanned counts the work that is due and was not even planned, since nothing
// more can be sent in this block, and notes how soon the rest is. That its turn
// comes after its hard deadline is told now.
func (r *drain) unplanned(works []swap.Work) (next swap.ChainTime) {
	place := r.inPool() + r.done.Waiting
	for _, w := range works {
		r.done.Waiting++
		switch ahead := r.sendAt(w.From).Sub(r.head.Time); {
		case ahead <= 0:
			r.left = true
			if w.Path != swap.PathResolver {
				if !r.reaches(w.Action, place) {
					r.find(swap.DeadlineLost, swap.Critical, w.Action, cannotReach)
				}
				place++
			}
		case ahead <= waitAhead:
			next = earliest(next, r.sendAt(w.From))
		}
	}
	return next
}

// watched reports whether something in flight is so near its hard deadline that
// it is looked after with every block.
func (r *drain) watched() bool {
	for _, e := range r.entries {
		for _, act := range e.Acts {
			c, ok := r.cases[act.Order]
			if a, wanted := c.Decision.Wanted(act.Action); ok && wanted && e.Nonce >= r.state.Latest && a.Hard != 0 && a.Hard.Sub(r.head.Time) < closeBy {
				return true
			}
		}
	}
	return false
}

// sendable lists the account's live work that has no transaction in flight.
func (r *drain) sendable(ctx context.Context, busy map[swap.ActionKey]bool) ([]swap.Work, error) {
	works, err := r.live(ctx, r.Account)
	r.tellSpent(works)
	free := func(w swap.Work) bool {
		dead, known := busy[w.Key()]
		if w.State == swap.WorkSubmitted {
			return known && dead
		}
		return w.Sendable(r.head.Time) && (!known || dead)
	}
	return slices.DeleteFunc(works, func(w swap.Work) bool {
		if !free(w) {
			return true
		}
		held := r.paused(w.Action)
		if held {
			r.done.Held++
		}
		return held
	}), err
}

// tellSpent says which work is not sent again although none of its transactions
// did it.
func (r *drain) tellSpent(works []swap.Work) {
	for _, w := range works {
		if !r.spent[w.Key()] {
			continue
		}
		severity := swap.Warning
		if w.Hard != 0 {
			severity = swap.Critical
		}
		r.find(swap.TxReverted, severity, w.Action, fmt.Sprintf("reverted %d times although it was rehearsed each time: sent again only when the first is final", maxReverts))
	}
}

// decide plans the orders of what is in flight and of some work that waits to be
// sent. The head of the plan is the one that is judged by from here on.
func (r *drain) decide(ctx context.Context, flying []flying, works []swap.Work) error {
	ids := map[swap.OrderID]bool{}
	for _, f := range flying {
		for _, a := range f.Acts {
			ids[a.Order] = true
		}
	}
	for _, w := range works {
		ids[w.Order] = true
	}
	if len(ids) == 0 {
		return nil
	}
	cases, views, err := r.Decide(ctx, slices.Collect(maps.Keys(ids)))
	maps.Copy(r.cases, cases)
	r.views = views
	if view, ok := r.views[r.ChainID]; ok {
		r.head = view.Head
	}
	return err
}

// decided returns the case of an order, if it was planned on a reading of every
// chain that it touches: what a plan does not want because a chain could not be
// read may still be right.
func (r *drain) decided(id swap.OrderID) (c swap.Case, whole, ok bool) {
	if c, ok = r.cases[id]; !ok {
		return c, false, false
	}
	dst := c.State.DstChainID()
	_, read := r.views[dst]
	_, configured := r.Policy.Chains[dst]
	return c, read || !configured, true
}

// due takes the fresh plan for the work, and ends what it does not want.
func (r *drain) due(ctx context.Context, works []swap.Work) (out []ready, err error) {
	if _, ok := r.views[r.ChainID]; !ok && len(works) > 0 {
		r.left = r.left || slices.ContainsFunc(works, func(w swap.Work) bool { return r.near(w.Action) })
		return nil, fmt.Errorf("no view of chain %d", r.ChainID)
	}
	var errs []error
	for _, w := range works {
		c, ok := r.cases[w.Order]
		if !ok {
			r.left = r.left || r.near(w.Action)
			continue // its source chain could not be read
		}
		switch a, wanted := c.Decision.Wanted(w.Key()); {
		case wanted && a.Signer == r.Account.Signer:
			w.Action = a
			out = append(out, ready{w, c})
		case wanted: // of another key now, which a sweep writes down
		default: // Diff leaves alone what only waits, and what is submitted
			if err := r.hold.Check(); err != nil {
				return nil, errors.Join(append(errs, err)...)
			}
			for _, ended := range swap.Diff(c.State, c.Decision, []swap.Work{w}) {
				if ended.Key() == w.Key() {
					errs = append(errs, r.save(ctx, ended))
					r.done.Obsolete++
				}
			}
		}
	}
	return out, errors.Join(errs...)
}
