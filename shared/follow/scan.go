package follow

import (
	"context"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// cut ends a window of the reading before a block that was not taken through.
// What was read beyond it is read again in the next round.
func (in *intake) cut(ctx context.Context, c *chainPass, w window, block uint64) error {
	r := c.read
	last := r.seen.Number
	if w == past {
		last = r.trail.Number
	}
	if block > last {
		return nil // cut before it already
	}
	b, err := in.block(ctx, c, block-1)
	switch {
	case err != nil:
		return c.failed(err, "read block %d", block-1)
	case w == past:
		r.trail = b
	case b.Number < r.final.Number:
		r.final, r.seen, r.above = b, b, b.Number
		if c.facts.To.Number > b.Number {
			r.seen = c.facts.To
		}
	default:
		r.seen, r.above = b, b.Number
		if c.facts.To.Number > b.Number {
			r.seen = c.facts.To
		}
	}
	return nil
}

// recall looks for facts that an earlier pass saw and that the final reading
// of their block does not have. If the block was replaced, they never
// happened. If it was not, one endpoint keeps logs back: the fact stands, and
// a person is told. So is he if the final reading has what the earlier one
// should have seen.
func (p *pass) recall(ctx context.Context, c *chainPass) error {
	r := c.read
	if r.recalled {
		return nil
	}
	for _, l := range r.lies {
		if l.window != loose {
			p.hostile(c, l.Log, l.detail)
		}
	}
	for _, a := range r.withheld {
		p.withheld(c, a)
	}
	events, legs := map[place]bool{}, map[common.Address]bool{}
	for _, ev := range r.events {
		if ev.window == firm {
			events[placeOf(ev.EscrowEvent)] = true
		}
	}
	for _, s := range r.srcs {
		legs[s.Leg.Escrow] = legs[s.Leg.Escrow] || s.window == firm
	}
	for _, d := range r.dsts {
		legs[d.Escrow] = legs[d.Escrow] || d.window == firm
	}
	seen := map[place]bool{}
	for _, ev := range c.facts.Events {
		seen[placeOf(ev)] = true
		if ev.At.Block > r.final.Number || events[placeOf(ev)] {
			continue
		}
		if same, err := p.stands(ctx, c, ev.At); err != nil {
			return err
		} else if same {
			p.withheld(c, ev.Escrow)
			r.events = append(r.events, occurrence{ev, firm})
		}
	}
	for _, id := range c.facts.Legs {
		if err := p.recallLeg(ctx, c, id.Escrow, legs[id.Escrow]); err != nil {
			return err
		}
	}
	for _, ev := range r.events {
		// Blocks up to the former mark were read before, if they still are the same.
		if ev.window != firm || ev.At.Block > c.facts.To.Number || seen[placeOf(ev.EscrowEvent)] {
			continue
		}
		b, err := p.block(ctx, c, c.facts.To.Number)
		if err != nil {
			return c.failed(err, "read block %d", c.facts.To.Number)
		}
		if b.Hash == c.facts.To.Hash {
			p.withheld(c, ev.Escrow)
		}
	}
	r.recalled = true
	return nil
}

// recallLeg is recall for a creation.
func (p *pass) recallLeg(ctx context.Context, c *chainPass, escrow common.Address, confirmed bool) error {
	rows := c.book[escrow]
	if confirmed || len(rows) == 0 {
		return nil
	}
	if err := p.load(ctx, orderIDs(rows)); err != nil {
		return err
	}
	for _, w := range rows {
		o := p.orders[w.Order]
		if o == nil {
			continue
		}
		at, ok := o.CreatedAt(c.id, escrow)
		if r := record(&o.Order, c.id, escrow); !ok || at.Block > c.read.final.Number || r != nil && r.Final {
			continue
		}
		same, err := p.stands(ctx, c, at)
		if err != nil {
			return err
		}
		if same {
			p.withheld(c, escrow)
			c.read.confirmed = append(c.read.confirmed, creation{escrow, at})
		}
	}
	return nil
}

func (p *pass) stands(ctx context.Context, c *chainPass, at swap.Position) (bool, error) {
	b, err := p.block(ctx, c, at.Block)
	if err != nil {
		return false, c.failed(err, "read block %d", at.Block)
	}
	return b.Hash == at.BlockHash, nil
}

func (p *pass) withheld(c *chainPass, escrow common.Address) {
	p.find(swap.Finding{Code: swap.FinalityMismatch, Severity: swap.Critical, ChainID: c.id, Escrow: escrow,
		Detail: "an endpoint does not return a log that another one returned of the same block"})
}

// place identifies an event on its chain.
type place struct {
	block  common.Hash
	index  uint
	escrow common.Address
}

func placeOf(ev swap.EscrowEvent) place { return place{ev.At.BlockHash, ev.At.Index, ev.Escrow} }

// scan reads the events of the escrows that are taken up in this round, from
// their creation on: the round's own reading did not ask for them.
func (in *intake) scan(ctx context.Context) error {
	type span struct {
		chain *chainPass
		to    uint64
	}
	type group struct {
		from    uint64
		escrows []common.Address
	}
	groups := map[span]*group{}
	var spans []span
	add := func(c *chainPass, escrow common.Address, from uint64, w window) {
		if c == nil || c.read == nil {
			return
		}
		s := span{c, c.read.seen.Number}
		if t := c.read.trail; w == past && from <= t.Number && t.Number < c.facts.From.Number {
			s.to = t.Number // the history goes on from there, with this escrow
		} else if w == past && c.read.trail == (swap.Block{}) && c.behind() && from <= c.facts.Sync.Trail.Number {
			s.to = c.facts.Sync.Trail.Number
		}
		if from > s.to {
			return // beyond the cut: the next round has it
		}
		g := groups[s]
		if g == nil {
			g = &group{from: from}
			groups[s] = g
			spans = append(spans, s)
		}
		g.from = min(g.from, from)
		if !slices.Contains(g.escrows, escrow) {
			g.escrows = append(g.escrows, escrow)
		}
	}
	windows := map[swap.OrderID]window{}
	for _, c := range in.reads() {
		for _, s := range c.read.srcs {
			windows[idOf(s)] = s.window
		}
	}
	for _, o := range in.freshOrders() {
		add(in.chains[o.ID.ChainID], o.ID.Escrow, o.Src.Created.Block, windows[o.ID])
	}
	legs := in.legs[:0]
	for _, a := range in.legs {
		if a.sure {
			// What is parked was final: if its block is another now, it is gone.
			if same, err := in.stands(ctx, a.chain, a.dst.At); err != nil {
				return err
			} else if !same {
				continue
			}
		}
		legs = append(legs, a)
		add(a.chain, a.dst.Escrow, a.dst.At.Block, a.dst.window)
	}
	in.legs = legs
	for _, s := range spans {
		g := groups[s]
		if err := in.scanGroup(ctx, s.chain, g.escrows, g.from, s.to); err != nil {
			return s.chain.failed(err, "scan %d adopted escrows", len(g.escrows))
		}
	}
	return nil
}

func (in *intake) scanGroup(ctx context.Context, c *chainPass, escrows []common.Address, from, to uint64) error {
	for from <= to {
		q := Query{ChainID: c.id, From: from, To: to, Escrows: escrows}
		rpc, cancel := in.share(ctx, 2)
		logs, end, err := in.scanSpan(rpc, c, q)
		cancel()
		if err != nil {
			return err
		}
		for _, l := range logs {
			ev, ok, err := swap.DecodeEscrow(l)
			if err != nil {
				in.hostile(c, l, err.Error())
			} else if ok && slices.Contains(escrows, ev.Escrow) {
				w := firm
				if l.At.Block > c.read.final.Number {
					w = loose
				}
				in.events[c] = append(in.events[c], occurrence{ev, w})
			}
		}
		from = end.Number + 1
	}
	return nil
}

// scanSpan reads final blocks from two endpoints, others once: those are read
// again when they are final.
func (in *intake) scanSpan(ctx context.Context, c *chainPass, q Query) ([]swap.Log, swap.Block, error) {
	if q.From > c.read.final.Number {
		span, err := in.span(ctx, q)
		return span.Logs, span.End, err
	}
	q.To = min(q.To, c.read.final.Number)
	var r reading
	logs, end, err := in.readTwice(ctx, c, &r, q)
	for _, a := range r.withheld {
		in.withheld(c, a)
	}
	return logs, end, err
}
