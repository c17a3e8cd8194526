package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Selection says which orders a sweep looks at.
type Selection uint8

const (
	// Upcoming: whatever falls due within the policy's horizon.
	Upcoming Selection = iota
	// Overdue: whatever should have been looked at by now.
	Overdue
)

// Sweeper finds the orders whose time has come. It is safe for concurrent use
// if its parts are.
type Sweeper struct {
	Planner
	Heads Heads
	Facts Facts
}

// Sweep takes one look at every configured chain. A chain that cannot be read
// does not hide the others, nor does an order: what cannot be read is left out,
// the rest is done, and the error is returned.
func (s *Sweeper) Sweep(ctx context.Context, sel Selection) (Result, error) {
	views, facts, errView := s.Look(ctx)
	ids := map[swap.OrderID]bool{}
	errs := []error{errView}
	for chain, v := range views {
		upTo := v.Head.Time
		if sel == Upcoming {
			upTo = upTo.Add(s.Policy.Horizon)
		}
		for _, side := range []swap.Side{swap.Src, swap.Dst} {
			due, err := s.Orders.Due(ctx, chain, side, upTo)
			if err != nil {
				errs = append(errs, fmt.Errorf("list %s orders due on chain %d: %w", side, chain, err))
			}
			for _, id := range due {
				ids[id] = true
			}
		}
	}
	orders, err := s.Orders.Load(ctx, slices.Collect(maps.Keys(ids)))
	if err != nil { // of some: it must not stop the others
		errs = append(errs, fmt.Errorf("load due orders: %w", err))
	}
	// An order needs its source chain's view; a missing dst view is Plan's
	// business and makes it cautious. The index may still show an order that
	// has no wake times any more.
	orders = slices.DeleteFunc(orders, func(o swap.Order) bool {
		_, ok := views[o.ID.ChainID]
		return !ok || o.Closed || o.Held
	})
	res, err := s.Replan(ctx, orders, facts, views)
	return res, errors.Join(append(errs, err)...)
}

// Decide plans the named orders on fresh heads and facts, writing nothing: what
// the executor asks before it sends. An order that cannot be read, or whose
// source chain cannot, is left out: nothing is known of it then.
func (s *Sweeper) Decide(ctx context.Context, ids []swap.OrderID) (map[swap.OrderID]swap.Case, swap.Views, error) {
	views, facts, err := s.Look(ctx)
	errs := []error{err}
	orders, err := s.Orders.Load(ctx, ids)
	if err != nil {
		errs = append(errs, fmt.Errorf("load orders: %w", err))
	}
	orders = slices.DeleteFunc(orders, func(o swap.Order) bool { _, ok := views[o.ID.ChainID]; return !ok })
	cases, err := s.decide(ctx, orders, facts, views)
	out := make(map[swap.OrderID]swap.Case, len(cases))
	for _, c := range cases {
		out[c.State.ID] = c
	}
	return out, views, errors.Join(append(errs, err)...)
}

// Look takes one snapshot of every configured chain: its facts first, then its
// head, so that the logs read never reach beyond the head judged against.
func (s *Sweeper) Look(ctx context.Context) (swap.Views, map[uint64]swap.Provisional, error) {
	chains := slices.Sorted(maps.Keys(s.Policy.Chains))
	type look struct {
		view swap.ChainView
		fact swap.Provisional
		err  error
	}
	looks := make([]look, len(chains))
	var wg sync.WaitGroup
	for i, chain := range chains {
		wg.Go(func() {
			l := &looks[i]
			if l.fact, l.err = s.Facts.Provisional(ctx, chain); l.err != nil {
				l.err = fmt.Errorf("read facts of chain %d: %w", chain, l.err)
				return
			}
			head, age, err := s.Heads.Head(ctx, chain)
			if err != nil {
				l.err = fmt.Errorf("read head of chain %d: %w", chain, err)
				return
			}
			l.view = swap.ChainView{ChainID: chain, Head: head, HeadAge: age}
			l.view.SyncedTo, l.view.Final = l.fact.Marks()
		})
	}
	wg.Wait()
	views, facts := swap.Views{}, map[uint64]swap.Provisional{}
	var errs []error
	for i, chain := range chains {
		if looks[i].err != nil {
			errs = append(errs, looks[i].err)
			continue
		}
		views[chain], facts[chain] = looks[i].view, looks[i].fact
	}
	return views, facts, errors.Join(errs...)
}
