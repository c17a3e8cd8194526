package follow

import (
	"context"
	"errors"
	"fmt"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// plan reads the balances that are wanted, closes what is finished and has the
// rest planned: the orders that this pass touched and those whose time comes.
func (p *pass) plan(ctx context.Context) error {
	views, facts := p.views(), p.allFacts()
	if err := p.balances(ctx, views, facts); err != nil {
		return err
	}
	var orders []swap.Order
	var errs []error
	for _, o := range p.orders {
		if o.Closed || !o.touched && !p.due[o.ID] {
			continue
		}
		d, err := swap.Plan(swap.Fold(o.Order, facts), views, p.Policy)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if d.Finished {
			o.Closed, o.Wakes, o.dirty = true, swap.Wakes{}, true
			p.res.Closed++
		}
		orders = append(orders, o.Order)
	}
	errs = append(errs, p.save(ctx))
	for i := range orders {
		orders[i].Version = p.orders[orders[i].ID].Version
	}
	if len(orders) > 0 {
		errs = append(errs, p.Replan(ctx, orders, facts, views))
	}
	return errors.Join(errs...)
}

// balances reads what Plan wants to know of the orders in memory, batched per
// chain and at the pass's own heads.
func (p *pass) balances(ctx context.Context, views swap.Views, facts map[uint64]swap.Provisional) error {
	type wanted struct {
		of     []Holding
		owners []*tracked
	}
	asked := map[uint64]*wanted{}
	for _, o := range p.orders {
		if o.Closed {
			continue
		}
		s := swap.Fold(o.Order, facts)
		for _, e := range s.WantBalances(views) {
			if p.chains[e.ChainID] == nil {
				continue
			}
			w := asked[e.ChainID]
			if w == nil {
				w = &wanted{}
				asked[e.ChainID] = w
			}
			w.of = append(w.of, Holding{e.Escrow, o.TokenAt(e.ChainID, e.Escrow)})
			w.owners = append(w.owners, o)
		}
	}
	for id, w := range asked {
		got, err := p.Probe.Balances(ctx, id, p.chains[id].head, w.of)
		if err != nil {
			return fmt.Errorf("read escrow balances on chain %d: %w", id, err)
		}
		for i, b := range got {
			o := w.owners[i]
			o.SetBalance(id, w.of[i].Escrow, b)
			o.dirty, o.touched = true, true
		}
	}
	return nil
}
