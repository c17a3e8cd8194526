package follow

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// ready prepares the marks of a chain for this pass: sets them on first sight,
// takes them back if a final block was replaced, and starts a trail for what
// the configuration has and the marks do not cover. It returns errors of the
// store only.
func (p *pass) ready(ctx context.Context, c *chainPass) error {
	switch {
	case c.facts.From == (swap.Block{}):
		// Never read: the marks start at the head, and a trail reads what is
		// behind them.
		b, err := p.block(ctx, c, c.finalTarget())
		if err != nil {
			c.fail(fmt.Errorf("read the first mark of chain %d: %w", c.id, err))
			return nil
		}
		c.facts.From, c.facts.To, c.start = b, b, b.Number
	case c.facts.Sync.Rewound:
		if err := p.forget(ctx, c); err != nil {
			return err
		}
	case c.mark != (swap.Block{}) && c.mark.Hash != c.facts.From.Hash:
		// A head behind the mark proves nothing: then there is no c.mark.
		if err := p.rewind(ctx, c); err != nil || c.out {
			return err
		}
	}
	p.cover(ctx, c)
	return nil
}

// rewind takes the marks back: a final block was replaced, so that facts taken
// as final may be false. The orders forget what lay above, and if we die
// before they have, the next pass sees to it.
func (p *pass) rewind(ctx context.Context, c *chainPass) error {
	back, err := p.block(ctx, c, c.facts.From.Number-min(c.Rewind, c.facts.From.Number))
	if err != nil {
		c.fail(fmt.Errorf("read the block of chain %d to rewind to: %w", c.id, err))
		return nil
	}
	next := swap.Provisional{ChainID: c.id, From: back, To: back, Sync: c.facts.Sync}
	next.Sync.Rewound = true
	if next.Sync.Trail.Number > back.Number {
		next.Sync.Trail = back
	}
	if err := p.replace(ctx, c, next); err != nil {
		return err
	}
	return p.forget(ctx, c)
}

// forget lets the orders of a chain forget what they learned beyond its final
// mark.
func (p *pass) forget(ctx context.Context, c *chainPass) error {
	p.find(swap.Finding{Code: swap.FinalityMismatch, Severity: swap.Critical, ChainID: c.id,
		Detail: "a block taken as final was replaced; reading again from further back"})
	ids := map[swap.OrderID]bool{}
	for _, rows := range c.book {
		maps.Copy(ids, orderIDs(rows))
	}
	if err := p.load(ctx, ids); err != nil {
		return err
	}
	for id := range ids {
		if o := p.orders[id]; o != nil {
			o.edit(func(o *swap.Order) bool { return o.Rewind(c.id, c.facts.From.Number) })
		}
	}
	if err := p.save(ctx); err != nil {
		return err
	}
	c.facts.Sync.Rewound = false
	return nil
}

// cover starts a trail for factories and takers whose history has never been
// read, and notes those that are read from now on. One that leaves the
// configuration is forgotten: should it come back, its history has a gap.
func (p *pass) cover(ctx context.Context, c *chainPass) {
	want := slices.AppendSeq(make([]common.Address, 0, len(c.Factories)+len(c.takers)), maps.Keys(c.takers))
	for _, f := range c.Factories {
		want = append(want, f.Address)
	}
	slices.SortFunc(want, common.Address.Cmp)
	want = slices.Compact(want)
	sync := &c.facts.Sync
	if slices.Equal(want, sync.Covered) {
		return
	}
	unread := func(a common.Address) bool { return !slices.Contains(sync.Covered, a) }
	taker := slices.ContainsFunc(slices.Collect(maps.Keys(c.takers)), unread)
	first := c.facts.From.Number
	for _, f := range c.Factories {
		if taker || unread(f.Address) {
			first = min(first, max(f.FromBlock, 1)-1)
		}
	}
	if sync.Trail != (swap.Block{}) {
		first = min(first, sync.Trail.Number)
	}
	trail := sync.Trail
	if first < c.facts.From.Number && (trail == (swap.Block{}) || first != trail.Number) {
		b, err := p.block(ctx, c, first)
		if err != nil {
			c.fail(fmt.Errorf("read the block of chain %d where its history begins: %w", c.id, err))
			return
		}
		trail = b
	}
	sync.Covered, sync.Trail = want, trail
}

// replace stores the chain's item.
func (p *pass) replace(ctx context.Context, c *chainPass, next swap.Provisional) error {
	next.Sync.Revision = c.stored.Sync.Revision + 1
	if err := p.Facts.Replace(ctx, c.stored, next); err != nil {
		return fmt.Errorf("move the marks of chain %d: %w", c.id, err)
	}
	c.stored, c.facts = next, next
	return nil
}

// unchanged reports whether writing next would change nothing.
func unchanged(old, next swap.Provisional) bool {
	return old.From == next.From && old.To == next.To && slices.Equal(old.Legs, next.Legs) && slices.Equal(old.Events, next.Events) &&
		old.Sync.Done == next.Sync.Done && old.Sync.Trail == next.Sync.Trail && old.Sync.Rewound == next.Sync.Rewound &&
		slices.Equal(old.Sync.Covered, next.Sync.Covered) && slices.Equal(old.Sync.Seek, next.Sync.Seek)
}
