package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"golang.org/x/sync/errgroup"
)

// decide plans orders. One that may not decide about its dst legs by itself is
// planned again in the knowledge of those that have them too; if they cannot be
// read, it is left out, and the error says so: what it wants could be wrong.
func (p *Planner) decide(ctx context.Context, orders []swap.Order, facts map[uint64]swap.Provisional, views swap.Views) ([]swap.Case, error) {
	var errs []error
	cases := make([]swap.Case, 0, len(orders))
	asked := map[swap.OrderID]sharers{} // by escrow
	for _, o := range orders {
		s := swap.Fold(o, facts)
		d, err := swap.Plan(s, views, p.Policy)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		cases = append(cases, swap.Case{State: s, Decision: d})
		for _, e := range swap.AsksKin(s, d, views, p.Policy) {
			asked[e] = sharers{}
		}
	}
	if len(asked) == 0 {
		return cases, errors.Join(errs...)
	}
	known := make(map[swap.OrderID]swap.Order, len(orders))
	for _, o := range orders {
		known[o.ID] = o
	}
	errs = append(errs, p.findSharers(ctx, asked, known))
	out := cases[:0]
	for _, c := range cases {
		kin, err := kinOf(c, swap.AsksKin(c.State, c.Decision, views, p.Policy), asked, known)
		if err == nil && len(kin) > 0 {
			for _, o := range kin {
				c.State.Kin = append(c.State.Kin, swap.Fold(o, facts))
			}
			c.Decision, err = swap.Plan(c.State, views, p.Policy)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, c)
	}
	return out, errors.Join(errs...)
}

// sharers are the orders that have an escrow.
type sharers struct {
	ids []swap.OrderID
	err error // they are not known
}

// findSharers finds the orders that have the escrows, and loads those that are
// not known yet. Those that are not known afterwards could not be read.
func (p *Planner) findSharers(ctx context.Context, asked map[swap.OrderID]sharers, known map[swap.OrderID]swap.Order) error {
	escrows := slices.Collect(maps.Keys(asked))
	found := make([]sharers, len(escrows))
	var g errgroup.Group
	g.SetLimit(writers)
	for i, e := range escrows {
		g.Go(func() error {
			found[i].ids, found[i].err = p.Sharing(ctx, e.ChainID, e.Escrow)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	ids := map[swap.OrderID]bool{}
	for i, e := range escrows {
		asked[e] = found[i]
		for _, id := range found[i].ids {
			if _, ok := known[id]; !ok {
				ids[id] = true
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	orders, err := p.Orders.Load(ctx, slices.Collect(maps.Keys(ids)))
	for _, o := range orders {
		known[o.ID] = o
	}
	if err != nil {
		return fmt.Errorf("load orders that share a dst escrow: %w", err)
	}
	return nil
}

// kinOf lists the other open orders that have one of a case's escrows.
func kinOf(c swap.Case, escrows []swap.OrderID, asked map[swap.OrderID]sharers, known map[swap.OrderID]swap.Order) ([]swap.Order, error) {
	var kin []swap.Order
	seen := map[swap.OrderID]bool{c.State.ID: true}
	for _, e := range escrows {
		if err := asked[e].err; err != nil {
			return nil, fmt.Errorf("plan order %s: list the orders of its dst escrow %s: %w", c.State.ID, e.Escrow, err)
		}
		for _, id := range asked[e].ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			o, ok := known[id]
			if !ok {
				return nil, fmt.Errorf("plan order %s: order %s, which has its dst escrow %s, was not read", c.State.ID, id, e.Escrow)
			}
			if !o.Closed {
				kin = append(kin, o)
			}
		}
	}
	return kin, nil
}
