package watch

import (
	"context"
	"errors"
	"fmt"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
)

// writers bounds the writes under way at once: enough to hide the latency of
// the store, few enough not to be throttled.
const writers = 16

// Planner plans orders anew and makes the stored work agree. It is safe for
// concurrent use if its parts are.
type Planner struct {
	Orders  Orders
	Actions Actions
	Ringer  Ringer
	Report  Report
	Policy  swap.Policy
}

// Result counts what a pass did.
type Result struct {
	Orders    int // looked at
	Saved     int // work items written
	Rung      int // doorbells sent
	Findings  int // reported
	Overdue   int // findings of work that should have been done
	Conflicts int // writes left to somebody faster
}

// Replan plans the orders with the given facts and views, writes the work that
// changed, rings for what is due and reports the findings. Every order is
// taken through even if another fails; the errors are joined. A conflict is
// not an error: whoever was faster has planned on newer facts, and the next
// tick looks again.
//
// The work is written before it is rung for, and the wake times last: a crash
// in between leaves the order due.
func (p *Planner) Replan(ctx context.Context, orders []swap.Order, facts map[uint64]swap.Provisional, views swap.Views) (Result, error) {
	res := Result{Orders: len(orders)}
	var errs []error
	cases := make([]swap.Case, 0, len(orders))
	for _, o := range orders {
		s := swap.Fold(o, facts)
		d, err := swap.Plan(s, views, p.Policy)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		cases = append(cases, swap.Case{State: s, Decision: d})
	}
	live, err := p.live(ctx, cases)
	if err != nil {
		return res, errors.Join(append(errs, err)...)
	}

	var out []Ring
	var findings []swap.Finding
	var writes []func(context.Context) error
	for _, c := range cases {
		findings = append(findings, c.Decision.Findings...)
		out = append(out, rings(c.Decision, live.byKey, views, p.Policy.Horizon)...)
		for _, w := range swap.Diff(c.State, c.Decision, live.byOrder[c.State.ID]) {
			writes = append(writes, func(ctx context.Context) error { return p.Actions.Save(ctx, w) })
		}
	}
	saved, conflicts, err := run(ctx, writes)
	errs = append(errs, err)
	res.Saved, res.Conflicts = saved, conflicts

	if out = distinct(out); len(out) > 0 {
		errs = append(errs, p.Ringer.Ring(ctx, out))
	}
	if len(findings) > 0 {
		errs = append(errs, p.Report(ctx, findings))
	}
	for _, f := range findings {
		if f.Code == swap.ActionOverdue {
			res.Overdue++
		}
	}
	res.Rung, res.Findings = len(out), len(findings)

	writes = nil
	for _, c := range cases {
		if c.Decision.Wakes != c.State.Wakes {
			writes = append(writes, func(ctx context.Context) error {
				return p.Orders.SetWakes(ctx, c.State.Order, c.Decision.Wakes)
			})
		}
	}
	_, conflicts, err = run(ctx, writes)
	res.Conflicts += conflicts
	return res, errors.Join(append(errs, err)...)
}

type liveWork struct {
	byKey   map[swap.ActionKey]swap.Work
	byOrder map[swap.OrderID][]swap.Work
}

// live reads the work of every taker that the cases name, once each.
func (p *Planner) live(ctx context.Context, cases []swap.Case) (liveWork, error) {
	type account struct {
		chain uint64
		taker common.Address
	}
	l := liveWork{map[swap.ActionKey]swap.Work{}, map[swap.OrderID][]swap.Work{}}
	seen := map[account]bool{}
	for _, c := range cases {
		for _, leg := range append([]swap.LegState{c.State.Src}, c.State.Dsts...) {
			a := account{leg.ChainID, leg.Immutables.TakerAddress()}
			if seen[a] {
				continue
			}
			seen[a] = true
			work, err := p.Actions.Live(ctx, a.chain, a.taker)
			if err != nil {
				return l, fmt.Errorf("read live work of %s on chain %d: %w", a.taker, a.chain, err)
			}
			for _, w := range work {
				l.byKey[w.Key()] = w
				l.byOrder[w.Order] = append(l.byOrder[w.Order], w)
			}
		}
	}
	return l, nil
}

// run does the writes, some at a time, all of them whatever happens to others.
func run(ctx context.Context, writes []func(context.Context) error) (done, conflicts int, err error) {
	var g errgroup.Group
	g.SetLimit(writers)
	results := make([]error, len(writes))
	for i, w := range writes {
		g.Go(func() error { results[i] = w(ctx); return nil })
	}
	_ = g.Wait() // the results are in the slice
	for i, e := range results {
		switch {
		case e == nil:
			done++
		case errors.Is(e, swap.ErrConflict):
			conflicts++
			results[i] = nil
		}
	}
	return done, conflicts, errors.Join(results...)
}
