package follow

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
)

// parkers bounds the parking under way at once.
const parkers = 16

// commit changes the orders, then stores: who is sought, what is parked, the
// orders, the marks. Whatever the marks have passed is thus in the store, and
// whatever a stored order still lacks is noted.
func (in *intake) commit(ctx context.Context) error {
	for _, o := range in.freshOrders() {
		in.orders[o.ID] = o
		in.res.Adopted++
		for i, e := range o.Escrows() {
			side := swap.Dst
			if i == 0 {
				side = swap.Src
			}
			in.watch(o, e, side)
		}
		if c := in.chains[o.DstChainID()]; c != nil && c.read == nil && !slices.Contains(c.stored.Sync.Seek, o.ID) {
			in.seek[c.id] = append(in.seek[c.id], o.ID)
		}
	}
	in.adopt()
	next := map[*chainPass]swap.Provisional{}
	for _, c := range in.reads() {
		if err := in.creations(ctx, c); err != nil {
			return err
		}
		n, err := in.facts(ctx, c)
		if err != nil {
			return err
		}
		next[c] = n
	}
	if err := in.noteSought(ctx); err != nil {
		return err
	}
	if err := in.park(ctx); err != nil {
		return err
	}
	if err := in.save(ctx); err != nil {
		return err
	}
	in.report(ctx)
	for _, c := range in.reads() {
		n := next[c]
		if unchanged(c.stored, n) {
			c.facts = c.stored
		} else if err := in.replace(ctx, c, n); err != nil {
			return err
		}
		in.passed(ctx, c)
	}
	return nil
}

// noteSought notes the new orders with the chains that cannot be read now, on
// which their dst legs have yet to be looked for among those parked. Only an
// order's first pass looks there by itself, so this comes before the order: if
// we die in between, one is sought that is not there, and nothing follows from
// that; the other way round its dst leg would be looked for by nobody.
func (in *intake) noteSought(ctx context.Context) error {
	for _, c := range in.sorted() {
		if ids := in.seek[c.id]; len(ids) > 0 {
			n := c.stored
			n.Sync.Seek = append(slices.Clone(n.Sync.Seek), ids...)
			if err := in.replace(ctx, c, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// passed notes how far a chain has come with the round.
func (p *pass) passed(ctx context.Context, c *chainPass) {
	r := c.read
	c.rounds++
	c.done = c.facts.From.Number >= c.finalTarget() && c.facts.To.Number >= c.head.Number
	c.known = max(c.known, r.through)
	c.read = nil
	if p.Log != nil && (!c.done || c.behind()) {
		p.Log.InfoContext(ctx, "reading history", "chain", c.id, "block", c.facts.From.Number, "target", c.finalTarget(),
			"trail", c.facts.Sync.Trail.Number)
	}
}

// watch enters an escrow into the book of this pass; saving the order stores
// it.
func (p *pass) watch(o *tracked, e swap.OrderID, side swap.Side) {
	w := Watched{Escrow: e.Escrow, Order: o.ID, Hashlock: o.Hashlock(), Side: side}
	p.list(w)
	if c := p.chains[e.ChainID]; c != nil && !slices.Contains(c.book[e.Escrow], w) {
		c.book[e.Escrow] = append(c.book[e.Escrow], w)
	}
}

// adopt gives the orders their dst legs.
func (in *intake) adopt() {
	for _, a := range in.legs {
		o, c, d := a.order, a.chain, a.dst.DstCreated
		switch {
		case record(&o.Order, c.id, d.Escrow) != nil:
			continue // inherited
		case a.leg == nil && o.edit(func(o *swap.Order) bool { return o.AddCandidate(d) }):
		case a.leg != nil && o.edit(func(o *swap.Order) bool { return o.AddDst(*a.leg, a.ours) }):
			in.res.Adopted++
		default:
			in.noRoom(a)
			continue
		}
		in.watch(o, swap.OrderID{ChainID: c.id, Escrow: d.Escrow}, swap.Dst)
		if a.sure {
			o.edit(func(o *swap.Order) bool { return o.Confirm(c.id, d.Escrow, d.At, true) })
		}
	}
	for _, m := range in.makers {
		m.order.edit(func(o *swap.Order) bool {
			changed := o.Src.Ours != m.ours
			o.Src.Ours = m.ours
			return changed
		})
	}
	for _, a := range in.mine {
		a.order.edit(func(o *swap.Order) bool {
			r := record(o, a.chain.id, a.dst.Escrow)
			changed := r != nil && !r.Ours
			if changed {
				r.Ours = true
			}
			return changed
		})
	}
}

// creations confirms the legs that this reading saw created.
func (in *intake) creations(ctx context.Context, c *chainPass) error {
	seen := make([]struct {
		creation
		final  bool
		expect *swap.Complement
	}, 0, len(c.read.srcs)+len(c.read.dsts)+len(c.read.confirmed))
	add := func(k creation, final bool, expect *swap.Complement) {
		if len(c.book[k.escrow]) > 0 {
			seen = append(seen, struct {
				creation
				final  bool
				expect *swap.Complement
			}{k, final, expect})
		}
	}
	for _, s := range c.read.srcs {
		add(creation{s.Leg.Escrow, s.Leg.Created}, s.window != loose, &s.Expect)
	}
	for _, d := range c.read.dsts {
		add(creation{d.Escrow, d.At}, d.window != loose, nil)
	}
	for _, k := range c.read.confirmed {
		add(k, true, nil)
	}
	ids := map[swap.OrderID]bool{}
	for _, k := range seen {
		for id := range orderIDs(c.book[k.escrow]) {
			ids[id] = true
		}
	}
	if err := in.load(ctx, ids); err != nil {
		return err
	}
	for _, k := range seen {
		for id := range orderIDs(c.book[k.escrow]) {
			o := in.orders[id]
			if o == nil {
				continue
			}
			o.touched = o.touched || !k.final
			if k.expect != nil && o.ID.Escrow == k.escrow && o.ID.ChainID == c.id && !o.Src.Final && !sameComplement(o.Expect, *k.expect) {
				// The complement is no part of the address: after a
				// reorganisation it may be another.
				o.edit(func(o *swap.Order) bool { o.Expect = *k.expect; return true })
			}
			o.edit(func(o *swap.Order) bool { return o.Confirm(c.id, k.escrow, k.at, k.final) })
		}
	}
	return nil
}

func sameComplement(a, b swap.Complement) bool {
	return a.Maker == b.Maker && a.Amount == b.Amount && a.Token == b.Token && a.SafetyDeposit == b.SafetyDeposit &&
		a.ChainID == b.ChainID && slices.Equal(a.Parameters, b.Parameters)
}

// facts stores final events in their orders, learns every secret, and returns
// the chain's next item with the provisional facts.
func (in *intake) facts(ctx context.Context, c *chainPass) (swap.Provisional, error) {
	r, old := c.read, c.facts
	next := swap.Provisional{ChainID: c.id, From: r.final, To: r.seen, Sync: old.Sync}
	next.Sync.Seek = nil
	if r.trail != (swap.Block{}) {
		next.Sync.Trail = r.trail
	}
	events := append(slices.Clone(r.events), in.events[c]...)
	for _, ev := range old.Events {
		if ev.At.Block > r.above {
			events = append(events, occurrence{ev, loose})
		}
	}
	if err := in.loadFor(ctx, c, events); err != nil {
		return next, err
	}
	for _, ev := range events {
		rows := c.book[ev.Escrow]
		if len(rows) == 0 {
			continue // of an order closed meanwhile
		}
		in.learn(rows[0], ev.EscrowEvent)
		if ev.window == loose {
			if ev.At.Block <= r.seen.Number {
				next.AddEvent(ev.EscrowEvent)
			}
			continue
		}
		for _, w := range rows {
			if o := in.orders[w.Order]; o != nil && o.edit(func(o *swap.Order) bool { return o.AddEvent(ev.EscrowEvent) }) {
				in.res.Events++
			}
		}
	}
	slices.SortStableFunc(next.Events, func(a, b swap.EscrowEvent) int {
		switch {
		case a.At.Less(b.At):
			return -1
		case b.At.Less(a.At):
			return 1
		}
		return 0
	})
	for _, ev := range next.Events {
		in.touch(c, ev.Escrow)
	}
	return next, in.provisional(ctx, c, &next)
}

// provisional completes the provisional facts by the creations, and makes the
// orders due whose facts have vanished: what they were planned on is gone.
func (in *intake) provisional(ctx context.Context, c *chainPass, next *swap.Provisional) error {
	r, old := c.read, c.facts
	add := func(escrow common.Address, at swap.Position, w window) {
		id := swap.OrderID{ChainID: c.id, Escrow: escrow}
		if w == loose && at.Block <= r.seen.Number && len(c.book[escrow]) > 0 && !slices.Contains(next.Legs, id) {
			next.Legs = append(next.Legs, id)
		}
	}
	for _, s := range r.srcs {
		add(s.Leg.Escrow, s.Leg.Created, s.window)
	}
	for _, d := range r.dsts {
		add(d.Escrow, d.At, d.window)
	}
	ids := map[swap.OrderID]bool{}
	for _, id := range old.Legs {
		maps.Copy(ids, orderIDs(c.book[id.Escrow]))
	}
	for _, ev := range old.Events {
		maps.Copy(ids, orderIDs(c.book[ev.Escrow]))
	}
	if err := in.load(ctx, ids); err != nil {
		return err
	}
	for _, id := range old.Legs {
		for _, w := range c.book[id.Escrow] {
			if o := in.orders[w.Order]; o != nil {
				if at, ok := o.CreatedAt(c.id, id.Escrow); ok && at.Block > r.above {
					add(id.Escrow, at, loose)
				}
			}
		}
	}
	for _, id := range next.Legs {
		in.touch(c, id.Escrow)
	}
	for _, id := range old.Legs {
		if !slices.Contains(next.Legs, id) {
			in.vanished(c, id.Escrow, func(o *tracked) bool {
				k := record(&o.Order, c.id, id.Escrow)
				return k != nil && k.Final
			})
		}
	}
	stands := make(map[swap.EscrowEvent]bool, len(next.Events))
	for _, ev := range next.Events {
		stands[ev] = true
	}
	for _, ev := range old.Events {
		if !stands[ev] {
			in.vanished(c, ev.Escrow, func(o *tracked) bool { return slices.Contains(o.Events, ev) })
		}
	}
	return nil
}

// vanished makes the orders of an escrow due at once, but those that have the
// fact for good.
func (p *pass) vanished(c *chainPass, escrow common.Address, stays func(*tracked) bool) {
	for _, w := range c.book[escrow] {
		if o := p.orders[w.Order]; o != nil && !o.Closed && !stays(o) {
			o.edit(func(*swap.Order) bool { return true })
		}
	}
}

// touch has the orders of an escrow planned in this pass.
func (p *pass) touch(c *chainPass, escrow common.Address) {
	for _, w := range c.book[escrow] {
		if o := p.orders[w.Order]; o != nil {
			o.touched = true
		}
	}
}

// loadFor brings the orders into memory that the events concern.
func (p *pass) loadFor(ctx context.Context, c *chainPass, events []occurrence) error {
	ids := map[swap.OrderID]bool{}
	for _, ev := range events {
		for _, w := range c.book[ev.Escrow] {
			ids[w.Order] = true
			if ev.Kind == swap.Withdrawn {
				maps.Copy(ids, p.byHashlock[w.Hashlock])
			}
		}
	}
	return p.load(ctx, ids)
}

// learn takes the secret that a withdrawal shows into every order with that
// hashlock, wherever it was shown.
func (p *pass) learn(w Watched, ev swap.EscrowEvent) {
	if ev.Kind != swap.Withdrawn {
		return
	}
	for _, id := range sortedIDs(p.byHashlock[w.Hashlock]) {
		if o := p.orders[id]; o != nil && o.edit(func(o *swap.Order) bool { return o.Learn(ev.Secret) }) {
			p.res.Secrets++
		}
	}
}

// park keeps the final dst escrows that fit no order, until there is no room.
func (in *intake) park(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(parkers)
	var full sync.Map // by chain
	for _, d := range in.parks {
		g.Go(func() error {
			if _, no := full.Load(d.ChainID); no {
				return nil
			}
			room, err := in.Parked.Park(ctx, d)
			if err != nil {
				return fmt.Errorf("park dst escrow %s of chain %d: %w", d.Escrow, d.ChainID, err)
			}
			if !room {
				full.Store(d.ChainID, true)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, d := range in.parks {
		f := swap.Finding{Code: swap.ParkedDst, Severity: swap.Warning, ChainID: d.ChainID, Detail: "names our taker, no src with its hashlock is known"}
		if in.lost[d.Escrow] {
			f.Severity, f.Escrow, f.Detail = swap.Critical, d.Escrow, "created by an account of ours, and no open src with its hashlock is known"
		} else if _, no := full.Load(d.ChainID); no {
			f.Severity, f.Detail = swap.Critical, "names our taker, and no room is left to keep it"
		}
		in.find(f)
	}
	return nil
}
