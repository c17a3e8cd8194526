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

// reading is what one round has read of one chain, decoded.
type reading struct {
	final swap.Block // last block read as final
	seen  swap.Block // last block read at all
	srcs  []creation[*swap.SrcCreated]
	dsts  []creation[*swap.DstCreated]
	event []occurrence
}

type creation[T any] struct {
	what    T
	factory swap.Factory
	final   bool
}

type occurrence struct {
	swap.EscrowEvent
	final bool
}

// checkMark compares the final block that the marks name with the chain's own.
// If it was replaced, facts taken as final may be false: a person is told, the
// marks go back, and the orders forget what lay above.
func (p *pass) checkMark(ctx context.Context, c *chainPass) error {
	if c.facts.From.Number > c.head.Number {
		return nil // a head behind the mark proves nothing: the node lags
	}
	b, err := p.Chain.Block(ctx, c.id, c.facts.From.Number)
	if err != nil || b.Hash == c.facts.From.Hash {
		return err
	}
	p.find(swap.Finding{Code: swap.FinalityMismatch, Severity: swap.Critical, ChainID: c.id,
		Detail: "a block taken as final was replaced; reading again from further back"})
	back, err := p.Chain.Block(ctx, c.id, c.facts.From.Number-min(c.Rewind, c.facts.From.Number))
	if err != nil {
		return fmt.Errorf("read block to rewind to: %w", err)
	}
	ids := map[swap.OrderID]bool{}
	for _, rows := range c.book {
		for _, w := range rows {
			ids[w.Order] = true
		}
	}
	if err := p.load(ctx, ids); err != nil {
		return err
	}
	for id := range ids {
		if o := p.orders[id]; o != nil && o.Rewind(c.id, back.Number) {
			o.dirty, o.touched = true, true
		}
	}
	if err := p.save(ctx); err != nil {
		return err
	}
	next := swap.Provisional{ChainID: c.id, From: back, To: back}
	if err := p.Facts.Replace(ctx, c.facts, next); err != nil {
		return fmt.Errorf("rewind marks: %w", err)
	}
	c.facts = next
	return nil
}

// round reads one span of every chain, stores what it says and moves the
// marks. more is true if some chain has blocks left to read.
func (p *pass) round(ctx context.Context) (more bool, err error) {
	var g errgroup.Group
	for _, c := range p.chains {
		if c.failed || c.complete() && c.read != nil {
			c.read = nil
			continue
		}
		g.Go(func() error {
			var err error
			if c.read, err = p.readChain(ctx, c); err != nil {
				c.failed, c.read = true, nil
				return fmt.Errorf("read logs of chain %d: %w", c.id, err)
			}
			return nil
		})
	}
	errRead := g.Wait()
	if err := p.apply(ctx); err != nil {
		return false, errors.Join(errRead, err)
	}
	for _, c := range p.chains {
		more = more || !c.failed && !c.complete()
		if c.read != nil && !c.complete() && p.Log != nil {
			p.Log.InfoContext(ctx, "reading history", "chain", c.id, "block", c.facts.From.Number, "target", c.finalTarget())
		}
	}
	return more, errRead
}

// readChain reads the next final span, from another endpoint than the one that
// saw the blocks first, and the provisional rest if the final part is done.
func (p *pass) readChain(ctx context.Context, c *chainPass) (*reading, error) {
	r := &reading{final: c.facts.From, seen: c.facts.From}
	escrows := slices.SortedFunc(maps.Keys(c.book), common.Address.Cmp)
	if to := c.finalTarget(); to > c.facts.From.Number {
		span, err := p.Chain.Logs(ctx, c.query(c.facts.From.Number+1, to, escrows, true))
		if err != nil {
			return nil, err
		}
		if span.End.Number > c.facts.From.Number {
			r.final, r.seen = span.End, span.End
		}
		p.decode(c, r, span.Logs, true)
		if span.End.Number < to {
			return r, nil
		}
	}
	for r.seen.Number < c.head.Number {
		span, err := p.Chain.Logs(ctx, c.query(r.seen.Number+1, c.head.Number, escrows, false))
		if err != nil {
			return nil, err
		}
		if span.End.Number <= r.seen.Number {
			return nil, fmt.Errorf("no block after %d could be read", r.seen.Number)
		}
		r.seen = span.End
		p.decode(c, r, span.Logs, false)
	}
	return r, nil
}

func (c *chainPass) query(from, to uint64, escrows []common.Address, again bool) Query {
	q := Query{ChainID: c.id, From: from, To: to, Escrows: escrows, Again: again}
	for _, f := range c.Factories {
		q.Factories = append(q.Factories, f.Address)
		for _, t := range swap.FactoryTopics(f.Family) {
			if !slices.Contains(q.Topics, t) {
				q.Topics = append(q.Topics, t)
			}
		}
	}
	return q
}

// decode sorts logs into what they say. A log that does not decode is a
// finding and nothing more: it stops nobody else's.
func (p *pass) decode(c *chainPass, r *reading, logs []swap.Log, final bool) {
	for _, l := range logs {
		i := slices.IndexFunc(c.Factories, func(f swap.Factory) bool { return f.Address == l.Address })
		if i < 0 {
			ev, ok, err := swap.DecodeEscrow(l)
			if err != nil {
				p.hostile(c, l, err)
			} else if ok {
				r.event = append(r.event, occurrence{ev, final})
			}
			continue
		}
		f := c.Factories[i]
		ev, err := f.Decode(l)
		if err != nil {
			p.hostile(c, l, err)
			continue
		}
		switch ev := ev.(type) {
		case *swap.SrcCreated:
			r.srcs = append(r.srcs, creation[*swap.SrcCreated]{ev, f, final})
		case *swap.DstCreated:
			r.dsts = append(r.dsts, creation[*swap.DstCreated]{ev, f, final})
		}
	}
}
