package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

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
	Sharing Sharing
	Actions Actions
	Ringer  Ringer
	Report  Report
	// Probe is asked before a person is woken because of the time, nil: nobody
	// is. State-sync needs none: it has just read the logs.
	Probe  Probe
	Policy swap.Policy
	Log    *slog.Logger // each decision that was stored; nil: none
}

// decided are the log messages of stored decisions.
var decided = map[swap.WorkState]string{
	swap.WorkPlanned: "planned", swap.WorkRefused: "planned", swap.WorkObsolete: "obsolete", swap.WorkByOther: "done by other",
}

// save stores a decision and says so.
func (p *Planner) save(ctx context.Context, w swap.Work) error {
	if err := p.Actions.Save(ctx, w); err != nil || p.Log == nil {
		return err
	}
	p.Log.InfoContext(ctx, decided[w.State], "order", w.Order.String(), "chain", w.ChainID, "escrow", w.Escrow.Hex(),
		"action", w.Call.String(), "path", w.Path.String(), "from", w.From.String(), "hard", w.Hard.String(), "reason", string(w.Why))
	return nil
}

// Result counts what a pass did.
type Result struct {
	Orders    int // looked at
	Saved     int // work items written
	Rung      int // doorbells sent
	Findings  int // reported
	Overdue   int // orders with work that should have been done, critically; see Sweeper.unseen
	AtRisk    int // orders with a critical finding
	Conflicts int // writes left to somebody faster
}

// Replan plans the orders with the given facts and views, writes the work that
// changed, rings for what is due and reports the findings. Every order is
// taken through even if another fails; the errors are joined. A conflict is
// not an error: whoever was faster has planned on newer facts, and the next
// tick looks again.
//
// Work is stored once it is within the horizon: an order usually ends before
// any call of ours is due, and then costs no item. It is written before it is
// rung for, and the wake times last, only for orders of which everything else
// succeeded: a crash or an error in between leaves the order due. Of a chain
// without a view nothing is written: what is not seen is no reason to change.
func (p *Planner) Replan(ctx context.Context, orders []swap.Order, facts map[uint64]swap.Provisional, views swap.Views) (Result, error) {
	return p.replan(ctx, orders, facts, views, nil, nil)
}

// replan is Replan with findings of the caller's, to be told with the others, and orders
// that are overdue whatever is found.
func (p *Planner) replan(ctx context.Context, orders []swap.Order, facts map[uint64]swap.Provisional, views swap.Views, more []swap.Finding, unseen []swap.OrderID) (Result, error) {
	res := Result{Orders: len(orders)}
	decided, err := p.decide(ctx, orders, facts, views)
	errs := []error{err}
	cases := make([]plannedCase, 0, len(decided))
	for _, c := range decided {
		cases = append(cases, plannedCase{Case: c})
	}
	live, err := p.live(ctx, cases)
	errs = append(errs, err)

	var out []Ring
	var changes, creations []write
	for i := range cases {
		c := &cases[i]
		out = append(out, rings(c.Decision, live.byKey, views, p.Policy.Horizon)...)
		c.failed = !live.read(c) // what is wanted is stored all the same: a store keeps what it has
		for _, w := range swap.Diff(c.State, c.Decision, live.byOrder[c.State.ID]) {
			v, ok := views[w.ChainID]
			if !ok || w.Version == 0 && w.From.Sub(v.Head.Time) > p.Policy.Horizon {
				continue
			}
			if w.Version != 0 {
				changes = append(changes, write{c, func(ctx context.Context) error { return p.save(ctx, w) }})
				continue
			}
			w.Stored = v.Head.Time
			creations = append(creations, write{c, func(ctx context.Context) error { return p.save(ctx, w) }})
		}
	}
	// Of two orders with one dst leg, one may give up what the other wants.
	for _, writes := range [][]write{changes, creations} {
		saved, conflicts, err := run(ctx, writes)
		res.Saved, res.Conflicts = res.Saved+saved, res.Conflicts+conflicts
		errs = append(errs, err)
	}

	told := true
	if out = distinct(out); len(out) > 0 {
		err := p.Ringer.Ring(ctx, out)
		told = err == nil
		errs = append(errs, err)
	}
	findings := append(p.news(ctx, cases, live, views), more...)
	if len(findings) > 0 {
		err := p.Report(ctx, findings)
		told = told && err == nil
		errs = append(errs, err)
	}
	late, atRisk := map[swap.OrderID]bool{}, map[swap.OrderID]bool{}
	for _, id := range unseen {
		late[id] = true
	}
	for _, f := range findings {
		if f.Severity != swap.Critical {
			continue // as what was sent and may wait for a better price
		}
		if f.Code == swap.ActionOverdue {
			late[f.Order] = true
		}
		if f.Order != (swap.OrderID{}) {
			atRisk[f.Order] = true
		}
	}
	res.Overdue, res.AtRisk = len(late), len(atRisk)
	res.Rung, res.Findings = len(out), len(findings)
	if !told {
		return res, errors.Join(errs...)
	}

	var writes []write
	for i := range cases {
		c := &cases[i]
		wakes := c.Decision.Wakes
		if _, ok := views[c.State.DstChainID()]; !ok && !c.Decision.Finished {
			wakes.Dst = c.State.Wakes.Dst
		}
		if !c.failed && wakes != c.State.Wakes {
			writes = append(writes, write{c, func(ctx context.Context) error {
				return p.Orders.SetWakes(ctx, c.State.Order, wakes)
			}})
		}
	}
	_, conflicts, err := run(ctx, writes)
	res.Conflicts += conflicts
	return res, errors.Join(append(errs, err)...)
}

// plannedCase is a case and whether something of it could not be written: then
// its wake times stay, so that it is looked at again.
type plannedCase struct {
	swap.Case
	failed bool
}

// write is one write for a case.
type write struct {
	of *plannedCase
	do func(context.Context) error
}

type account struct {
	chain uint64
	taker common.Address
}

type liveWork struct {
	byKey   map[swap.ActionKey]swap.Work
	byOrder map[swap.OrderID][]swap.Work
	ok      map[account]bool
}

// accounts visits the taker's accounts that a case's work belongs to.
func (c *plannedCase) accounts(visit func(account)) {
	visit(account{c.State.Src.ChainID, c.State.Src.Immutables.TakerAddress()})
	for i := range c.State.Dsts {
		d := &c.State.Dsts[i]
		visit(account{d.ChainID, d.Immutables.TakerAddress()})
	}
}

// read reports whether all live work of a case could be read.
func (l liveWork) read(c *plannedCase) bool {
	all := true
	c.accounts(func(a account) { all = all && l.ok[a] })
	return all
}

// live reads the work of every taker that the cases name, once each. Accounts of
// which something could not be read are not in ok.
func (p *Planner) live(ctx context.Context, cases []plannedCase) (liveWork, error) {
	l := liveWork{map[swap.ActionKey]swap.Work{}, map[swap.OrderID][]swap.Work{}, map[account]bool{}}
	var errs []error
	seen := map[account]bool{}
	for i := range cases {
		cases[i].accounts(func(a account) {
			if seen[a] {
				return
			}
			seen[a] = true
			work, err := p.Actions.Live(ctx, a.chain, a.taker)
			if err != nil {
				errs = append(errs, fmt.Errorf("read live work of %s on chain %d: %w", a.taker, a.chain, err))
			}
			l.ok[a] = err == nil
			for _, w := range work {
				l.byKey[w.Key()] = w
				l.byOrder[w.Order] = append(l.byOrder[w.Order], w)
			}
		})
	}
	return l, errors.Join(errs...)
}

// run does the writes, some at a time, all of them whatever happens to others.
// A case is marked as failed by any write of it that was not made.
func run(ctx context.Context, writes []write) (done, conflicts int, err error) {
	var g errgroup.Group
	g.SetLimit(writers)
	results := make([]error, len(writes))
	for i, w := range writes {
		g.Go(func() error { results[i] = w.do(ctx); return nil })
	}
	err = g.Wait()
	for i, e := range results {
		switch {
		case e == nil:
			done++
			continue
		case errors.Is(e, swap.ErrConflict):
			conflicts++
			results[i] = nil
		}
		writes[i].of.failed = true
	}
	return done, conflicts, errors.Join(append(results, err)...)
}
