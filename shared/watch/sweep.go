package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

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
	// Over takes back what a sweep told of a chain; nil: nobody does.
	Over Over
}

// Sweep takes one look at every configured chain. A chain that cannot be read
// does not hide the others, nor does an order: what cannot be read is left out,
// the rest is done, and the error is returned. Each sweep also tells of chains
// that are not followed as they should be: state-sync, which follows them, may be
// what stands still.
func (s *Sweeper) Sweep(ctx context.Context, sel Selection) (Result, error) {
	looks := s.look(ctx)
	views, facts, errView := together(looks)
	lags := s.lags(looks)
	errs := []error{errView}
	ids := map[swap.OrderID]bool{}
	for _, l := range looks {
		upTo, ok := s.upTo(l, lags, sel)
		if !ok {
			continue
		}
		for _, side := range []swap.Side{swap.Src, swap.Dst} {
			due, err := s.Orders.Due(ctx, l.chain, side, upTo)
			if err != nil {
				errs = append(errs, fmt.Errorf("list %s orders due on chain %d: %w", side, l.chain, err))
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
	orders = slices.DeleteFunc(orders, func(o swap.Order) bool { return o.Closed || o.Held })
	behind, unseen := s.behind(lags, orders), s.unseen(looks, lags, orders)
	// An order needs its source chain's view; a missing dst view is Plan's
	// business and makes it cautious. The index may still show an order that
	// has no wake times any more.
	orders = slices.DeleteFunc(orders, func(o swap.Order) bool {
		_, ok := views[o.ID.ChainID]
		return !ok
	})
	res, err := s.replan(ctx, orders, facts, views, behind, unseen)
	return res, errors.Join(append(errs, err, s.recovered(ctx, lags))...)
}

// Decide plans the named orders on fresh heads and facts, writing nothing: what
// the executor asks before it sends. An order that cannot be read, or whose
// source chain cannot, or that is held back while its history is read, is left
// out: nothing is known of it then.
func (s *Sweeper) Decide(ctx context.Context, ids []swap.OrderID) (map[swap.OrderID]swap.Case, swap.Views, error) {
	views, facts, err := s.Look(ctx)
	errs := []error{err}
	orders, err := s.Orders.Load(ctx, ids)
	if err != nil {
		errs = append(errs, fmt.Errorf("load orders: %w", err))
	}
	orders = slices.DeleteFunc(orders, func(o swap.Order) bool { _, ok := views[o.ID.ChainID]; return !ok || o.Held })
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
	return together(s.look(ctx))
}

// look is what was seen of one chain.
type look struct {
	chain uint64
	view  swap.ChainView
	fact  swap.Provisional
	known bool // the facts could be read
	err   error
}

func (s *Sweeper) look(ctx context.Context) []look {
	chains := slices.Sorted(maps.Keys(s.Policy.Chains))
	looks := make([]look, len(chains))
	var wg sync.WaitGroup
	for i, chain := range chains {
		wg.Go(func() {
			l := &looks[i]
			l.chain = chain
			if l.fact, l.err = s.Facts.Provisional(ctx, chain); l.err != nil {
				l.err = fmt.Errorf("read facts of chain %d: %w", chain, l.err)
				return
			}
			l.known = true
			limited, cancel := briefly(ctx)
			defer cancel()
			head, age, err := s.Heads.Head(limited, chain)
			if err != nil {
				l.err = fmt.Errorf("read head of chain %d: %w", chain, err)
				return
			}
			l.view = swap.ChainView{ChainID: chain, Head: head, HeadAge: age}
			l.view.SyncedTo, l.view.Final = l.fact.Marks()
		})
	}
	wg.Wait()
	return looks
}

// lookTime bounds how long a look waits for a chain's head: longer than one
// request to an endpoint that does not answer. Trying all of them again and again
// may take as long as the whole invocation has, and the other chains' deadlines
// do not wait for that.
const lookTime = 6 * time.Second

// briefly is a context of lookTime, and at most half of the time that is left.
func briefly(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := lookTime
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end)/2)
	}
	return context.WithTimeout(ctx, limit)
}

// together are the chains that could be read, and why the others could not.
func together(looks []look) (swap.Views, map[uint64]swap.Provisional, error) {
	views, facts := swap.Views{}, map[uint64]swap.Provisional{}
	var errs []error
	for _, l := range looks {
		if l.err != nil {
			errs = append(errs, l.err)
			continue
		}
		views[l.chain], facts[l.chain] = l.view, l.fact
	}
	return views, facts, errors.Join(errs...)
}
