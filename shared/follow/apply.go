package follow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
)

// savers bounds the order writes under way at once.
const savers = 16

// apply brings what the round has read into the orders, stores them, and then
// moves the marks. If it fails or dies before that, the next pass reads the
// same blocks again.
func (p *pass) apply(ctx context.Context) error {
	var fresh []swap.OrderID // escrows to scan back
	next := map[uint64]*swap.Provisional{}
	for id, c := range p.chains {
		if c.read != nil {
			next[id] = &swap.Provisional{ChainID: id, From: c.read.final, To: c.read.seen}
		}
	}
	// Sources first, on all chains: a dst leg can only be judged by its source.
	for _, c := range p.chains {
		if c.read != nil {
			adopted, err := p.adoptSources(ctx, c)
			if err != nil {
				return err
			}
			fresh = append(fresh, adopted...)
		}
	}
	for _, c := range p.chains {
		if c.read != nil {
			adopted, err := p.adoptDestinations(ctx, c)
			if err != nil {
				return err
			}
			fresh = append(fresh, adopted...)
		}
	}
	adopted, err := p.adoptParked(ctx)
	if err != nil {
		return err
	}
	if err := p.scanBack(ctx, append(fresh, adopted...)); err != nil {
		return err
	}
	for _, c := range p.chains {
		if c.read == nil {
			continue
		}
		if err := p.recallSeen(ctx, c); err != nil {
			return err
		}
		if err := p.applyCreations(ctx, c, next[c.id]); err != nil {
			return err
		}
		if err := p.applyEvents(ctx, c, next[c.id]); err != nil {
			return err
		}
	}
	if err := p.save(ctx); err != nil {
		return err
	}
	for id, n := range next {
		c := p.chains[id]
		if n.From == c.facts.From && n.To == c.facts.To && len(n.Events)+len(n.Legs)+len(c.facts.Events)+len(c.facts.Legs) == 0 {
			continue // the chain has not moved
		}
		if err := p.Facts.Replace(ctx, c.facts, *n); err != nil {
			return fmt.Errorf("move marks of chain %d: %w", id, err)
		}
		c.facts = *n
	}
	return nil
}

// applyCreations confirms the legs that this reading saw created.
func (p *pass) applyCreations(ctx context.Context, c *chainPass, next *swap.Provisional) error {
	confirm := func(escrow common.Address, at swap.Position, final bool) error {
		rows := c.book[escrow]
		if len(rows) == 0 {
			return nil
		}
		if !final {
			next.Legs = append(next.Legs, swap.OrderID{ChainID: c.id, Escrow: escrow})
		}
		if err := p.load(ctx, orderIDs(rows)); err != nil {
			return err
		}
		for _, w := range rows {
			if o := p.orders[w.Order]; o != nil && o.Confirm(c.id, escrow, at, final) {
				o.dirty, o.touched = true, true
			}
		}
		return nil
	}
	for _, s := range c.read.srcs {
		if err := confirm(s.what.Leg.Escrow, s.what.Leg.Created, s.final); err != nil {
			return err
		}
	}
	for _, d := range c.read.dsts {
		if err := confirm(d.what.Escrow, d.what.At, d.final); err != nil {
			return err
		}
	}
	return nil
}

// applyEvents stores final events in their orders and provisional ones in the
// chain's item, and learns every secret from either.
func (p *pass) applyEvents(ctx context.Context, c *chainPass, next *swap.Provisional) error {
	for _, ev := range c.read.event {
		rows := c.book[ev.Escrow]
		if len(rows) == 0 {
			continue // not an escrow of ours: a look-alike
		}
		if !ev.final && !slices.Contains(next.Events, ev.EscrowEvent) {
			next.Events = append(next.Events, ev.EscrowEvent)
		}
		// A secret opens every order with its hashlock, wherever it was shown.
		ids := orderIDs(rows)
		if ev.Kind == swap.Withdrawn {
			maps.Copy(ids, p.byHashlock[rows[0].Hashlock])
		}
		if err := p.load(ctx, ids); err != nil {
			return err
		}
		for id := range ids {
			o := p.orders[id]
			if o == nil {
				continue
			}
			o.touched = true
			if ev.Kind == swap.Withdrawn && o.Learn(ev.Secret) {
				o.dirty = true
				p.res.Secrets++
			}
			if ev.final && o.AddEvent(ev.EscrowEvent) {
				o.dirty = true
				p.res.Events++
			}
		}
	}
	return nil
}

// recallSeen looks for facts that an earlier pass saw and that the final
// reading of their block does not have. If the block was replaced, they never
// happened. If it was not, one endpoint keeps logs back: the fact stands, and
// a person is told.
func (p *pass) recallSeen(ctx context.Context, c *chainPass) error {
	read := c.read
	missing := func(ev swap.EscrowEvent) bool {
		return !slices.ContainsFunc(read.event, func(e occurrence) bool {
			return e.final && e.Escrow == ev.Escrow && e.At.Tx == ev.At.Tx && e.Kind == ev.Kind
		})
	}
	for _, ev := range c.facts.Events {
		if ev.At.Block > read.final.Number || !missing(ev) {
			continue
		}
		b, err := p.Chain.Block(ctx, c.id, ev.At.Block)
		if err != nil {
			return fmt.Errorf("read block of a seen event: %w", err)
		}
		if b.Hash != ev.At.BlockHash {
			// The order must be planned anew: what it was planned on is gone.
			if err := p.load(ctx, orderIDs(c.book[ev.Escrow])); err != nil {
				return err
			}
			for _, w := range c.book[ev.Escrow] {
				if o := p.orders[w.Order]; o != nil {
					o.touched = true
				}
			}
			continue
		}
		p.find(swap.Finding{Code: swap.FinalityMismatch, Severity: swap.Critical, ChainID: c.id, Escrow: ev.Escrow,
			Detail: "an endpoint does not return a log of a final block that another one returned"})
		read.event = append(read.event, occurrence{ev, true})
	}
	return nil
}

// scanBack reads the events of escrows that were adopted in this round, from
// their creation on: the round's own reading did not ask for them.
func (p *pass) scanBack(ctx context.Context, fresh []swap.OrderID) error {
	type group struct {
		escrows []common.Address
		from    uint64
	}
	groups := map[uint64]*group{}
	for _, e := range fresh {
		c := p.chains[e.ChainID]
		if c == nil || c.read == nil {
			continue
		}
		from := p.createdAt(c, e.Escrow)
		g := groups[e.ChainID]
		if g == nil {
			g = &group{from: from}
			groups[e.ChainID] = g
		}
		g.from = min(g.from, from)
		if !slices.Contains(g.escrows, e.Escrow) {
			g.escrows = append(g.escrows, e.Escrow)
		}
	}
	for id, g := range groups {
		c := p.chains[id]
		for from := g.from; from <= c.read.seen.Number; {
			span, err := p.Chain.Logs(ctx, Query{ChainID: id, From: from, To: c.read.seen.Number, Escrows: g.escrows})
			if err != nil {
				return fmt.Errorf("scan adopted escrows of chain %d back: %w", id, err)
			}
			if span.End.Number < from {
				return fmt.Errorf("scan adopted escrows of chain %d back: no block from %d on could be read", id, from)
			}
			for _, l := range span.Logs {
				ev, ok, err := swap.DecodeEscrow(l)
				if err != nil {
					p.hostile(c, l, err)
				} else if ok {
					c.read.event = append(c.read.event, occurrence{ev, l.At.Block <= c.read.final.Number})
				}
			}
			from = span.End.Number + 1
		}
	}
	return nil
}

// createdAt is the block in which an adopted escrow was created.
func (p *pass) createdAt(c *chainPass, escrow common.Address) uint64 {
	for _, w := range c.book[escrow] {
		if o := p.orders[w.Order]; o != nil {
			if at, ok := o.CreatedAt(c.id, escrow); ok {
				return at.Block
			}
		}
	}
	return c.read.final.Number + 1
}

// save writes the orders that differ from what is stored.
func (p *pass) save(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(savers)
	var dirty []*tracked
	for _, o := range p.orders {
		if o.dirty {
			dirty = append(dirty, o)
		}
	}
	errs := make([]error, len(dirty))
	for i, o := range dirty {
		g.Go(func() error {
			if err := p.Orders.Save(ctx, o.Order); err != nil {
				errs[i] = fmt.Errorf("save order %s: %w", o.ID, err)
				return nil
			}
			o.Version++
			o.dirty = false
			return nil
		})
	}
	_ = g.Wait() // the errors are in the slice
	p.res.Saved += len(dirty)
	return errors.Join(errs...)
}

// hostile records a log that does not decode or lies.
func (p *pass) hostile(c *chainPass, l swap.Log, err error) {
	p.find(swap.Finding{Code: swap.HostileLog, Severity: swap.Warning, ChainID: c.id, Escrow: l.Address, Detail: err.Error()})
}

func orderIDs(rows []Watched) map[swap.OrderID]bool {
	out := make(map[swap.OrderID]bool, len(rows))
	for _, w := range rows {
		out[w.Order] = true
	}
	return out
}
