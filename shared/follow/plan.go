package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// balanceBatch is how many escrows are asked for at once.
const balanceBatch = 500

// release ends the histories that have been read to the marks, and lets go the
// orders found in them, unless their other chain still has a history to read.
func (p *pass) release(ctx context.Context) error {
	var ends []*chainPass
	ending := map[uint64]bool{}
	for _, c := range p.sorted() {
		if !c.out && c.done && !c.behind() && (!c.stored.Sync.Done || c.stored.Sync.Trail != (swap.Block{})) {
			ends = append(ends, c)
			ending[c.id] = true
		}
	}
	if len(ends) == 0 {
		return nil
	}
	ids := map[swap.OrderID]bool{}
	for _, c := range p.chains {
		for _, rows := range c.book {
			for _, w := range rows {
				ids[w.Order] = true
			}
		}
	}
	if err := p.load(ctx, ids); err != nil {
		return err
	}
	known := func(chain uint64) bool {
		c := p.chains[chain]
		return c == nil || ending[chain] || c.stored.Sync.Done && c.stored.Sync.Trail == (swap.Block{})
	}
	for _, o := range p.inOrder() {
		if o.Held && !o.Closed && known(o.ID.ChainID) && known(o.DstChainID()) {
			o.edit(func(o *swap.Order) bool { o.Held = false; return true })
		}
	}
	if err := p.save(ctx); err != nil {
		return err
	}
	for _, c := range ends {
		next := c.stored
		next.Sync.Done, next.Sync.Trail = true, swap.Block{}
		if err := p.replace(ctx, c, next); err != nil {
			return err
		}
	}
	return nil
}

// plan reads the balances and payouts that are wanted, closes what is finished and
// has the rest planned: the orders that this pass touched and those whose time comes.
// An order whose source chain has no head waits: it stays due.
func (p *pass) plan(ctx context.Context) error {
	views, facts := p.views(), p.allFacts()
	var wanted []*tracked
	for _, o := range p.inOrder() {
		if _, ok := views[o.ID.ChainID]; ok && !o.Closed && (o.touched || p.due[o.ID]) && (!o.Held || over(swap.Fold(o.Order, facts))) {
			wanted = append(wanted, o)
		}
	}
	errs := []error{p.balances(ctx, wanted, views, facts), p.traces(ctx, wanted, facts), p.loadKin(ctx, wanted)}
	held := map[*tracked]bool{}
	for _, o := range wanted {
		held[o] = o.Held
		s := swap.Fold(o.Order, facts)
		if !p.addKin(&s, facts) {
			continue // not closed before it is known who else has its dst legs
		}
		d, err := swap.Plan(s, views, p.Policy)
		if err != nil {
			errs = append(errs, err)
		} else if d.Finished && p.closable(s) {
			for _, f := range d.Findings {
				if f.Severity == swap.Critical { // of what was learned just now; nobody plans it again
					p.find(f)
				}
			}
			if err := p.close(ctx, o, s); err != nil {
				return errors.Join(append(errs, err)...)
			}
		}
	}
	if err := p.save(ctx); err != nil {
		return errors.Join(append(errs, err)...)
	}
	var orders []swap.Order
	for _, o := range wanted {
		if !held[o] {
			orders = append(orders, o.Order)
		}
	}
	if len(orders) > 0 {
		errs = append(errs, p.Replan(ctx, orders, facts, views))
	}
	return errors.Join(errs...)
}

// loadKin brings the other orders into memory that have a dst leg of these.
func (p *pass) loadKin(ctx context.Context, orders []*tracked) error {
	ids := map[swap.OrderID]bool{}
	for _, o := range orders {
		for _, d := range o.Dsts {
			if c := p.chains[d.ChainID]; c != nil {
				maps.Copy(ids, orderIDs(c.book[d.Escrow]))
			}
		}
	}
	return p.load(ctx, ids)
}

// addKin completes an order's state by the others that have a dst leg of it;
// false if one of them could not be read.
func (p *pass) addKin(s *swap.State, facts map[uint64]swap.Provisional) bool {
	ids := map[swap.OrderID]bool{}
	for _, d := range s.Dsts {
		if c := p.chains[d.ChainID]; c != nil {
			maps.Copy(ids, orderIDs(c.book[d.Escrow]))
		}
	}
	delete(ids, s.ID)
	for _, id := range sortedIDs(ids) {
		k := p.orders[id]
		if k == nil {
			return false
		}
		if !k.Closed {
			s.Kin = append(s.Kin, swap.Fold(k.Order, facts))
		}
	}
	return true
}

// over reports whether all that is known of an order has ended for good on
// both sides: one from a history can then be closed without planning it.
func over(s swap.State) bool {
	ended := func(l swap.LegState) bool {
		return l.Final && l.Status != swap.LegAbsent && l.Status != swap.LegOpen
	}
	return len(s.Dsts) > 0 && ended(s.Src) && !slices.ContainsFunc(s.Dsts, func(l swap.LegState) bool { return !ended(l) })
}

// closable reports whether a finished order's end lies so deep that the marks
// will not go back behind it: what is closed is not watched any more.
func (p *pass) closable(s swap.State) bool {
	for _, l := range append([]swap.LegState{s.Src}, s.Dsts...) {
		c := p.chains[l.ChainID]
		last := max(l.Ended.Block, l.Created.Block)
		for _, r := range l.Rescue {
			last = max(last, r.At.Block)
		}
		if c == nil || c.stored.From.Number < last+c.Rewind {
			return false
		}
	}
	return true
}

// close ends an order. One whose source vanished after its maker was paid
// leaves its dst legs to whoever finds the source again.
func (p *pass) close(ctx context.Context, o *tracked, s swap.State) error {
	for _, d := range s.Dsts {
		if s.Src.Status != swap.LegAbsent || d.Status != swap.LegWithdrawn {
			continue
		}
		_, err := p.Parked.Park(ctx, swap.DstCreated{ChainID: d.ChainID, Factory: d.Factory, Escrow: d.Escrow,
			Hashlock: d.Immutables.Hashlock, Taker: d.Immutables.TakerAddress(), At: d.Created})
		if err != nil {
			return fmt.Errorf("park dst escrow %s of a vanished source: %w", d.Escrow, err)
		}
	}
	o.note(func(o *swap.Order) bool { o.Closed, o.Held, o.Wakes = true, false, swap.Wakes{}; return true })
	p.res.Closed++
	return nil
}

// balances reads what Plan wants to know of the orders, batched per chain and
// at the pass's own heads. A chain that fails leaves its balances as they were.
func (p *pass) balances(ctx context.Context, orders []*tracked, views swap.Views, facts map[uint64]swap.Provisional) error {
	type wanted struct {
		of     []Holding
		owners []*tracked
	}
	asked := map[uint64]*wanted{}
	for _, o := range orders {
		s := swap.Fold(o.Order, facts)
		for _, e := range s.WantBalances(views) {
			w := asked[e.ChainID]
			if w == nil {
				w = &wanted{}
				asked[e.ChainID] = w
			}
			w.of = append(w.of, Holding{e.Escrow, o.TokenAt(e.ChainID, e.Escrow)})
			w.owners = append(w.owners, o)
		}
	}
	var errs []error
	for _, c := range p.sorted() {
		w := asked[c.id]
		if w == nil {
			continue
		}
		for len(w.of) > 0 {
			n := min(len(w.of), balanceBatch)
			if err := p.readBalances(ctx, c, w.of[:n], w.owners[:n], facts); err != nil {
				errs = append(errs, fmt.Errorf("read escrow balances on chain %d: %w", c.id, err))
				break
			}
			w.of, w.owners = w.of[n:], w.owners[n:]
		}
	}
	return errors.Join(errs...)
}

func (p *pass) readBalances(ctx context.Context, c *chainPass, of []Holding, owners []*tracked, facts map[uint64]swap.Provisional) error {
	rpc, cancel := half(ctx)
	defer cancel()
	got, err := p.Probe.Balances(rpc, c.id, c.head, of)
	if err != nil {
		return err
	}
	if len(got) != len(of) {
		return fmt.Errorf("%d balances of %d", len(got), len(of))
	}
	gone := map[common.Address]uint64{}
	for i, b := range got {
		o := owners[i]
		if from, ok := missing(o.Order, c.id, of[i].Escrow, b, facts); ok {
			gone[of[i].Escrow] = from
		}
		if b.Mute {
			s := swap.Fold(o.Order, facts)
			b = s.Heard(c.id, of[i].Escrow, b)
		}
		o.touched = true
		o.note(func(o *swap.Order) bool { return o.SetBalance(c.id, of[i].Escrow, b) })
	}
	return p.searchAgain(ctx, c, gone)
}

// missing reports whether the balance says that an open leg was emptied, which
// no event and no earlier balance has told, and from which block on to look.
func missing(o swap.Order, chain uint64, escrow common.Address, b swap.Balance, facts map[uint64]swap.Provisional) (from uint64, ok bool) {
	if !b.Known() {
		return 0, false // of what is not known nothing is missing
	}
	s := swap.Fold(o, facts)
	for _, l := range append([]swap.LegState{s.Src}, s.Dsts...) {
		amount := l.Immutables.AmountInt()
		if l.ChainID == chain && l.Escrow == escrow && l.Status == swap.LegOpen && b.Token.Lt(&amount) &&
			(!l.Balance.Known() || !l.Balance.Token.Lt(&amount)) {
			return l.Created.Block, true
		}
	}
	return 0, false
}

// searchAgain reads the events of escrows once more, from another endpoint:
// their money is gone, and the reading showed no reason.
func (p *pass) searchAgain(ctx context.Context, c *chainPass, gone map[common.Address]uint64) error {
	if len(gone) == 0 {
		return nil
	}
	escrows := slices.SortedFunc(maps.Keys(gone), common.Address.Cmp)
	from := slices.Min(slices.Collect(maps.Values(gone)))
	for to := c.stored.To.Number; from <= to; {
		rpc, cancel := half(ctx)
		span, err := p.Chain.Logs(rpc, Query{ChainID: c.id, From: from, To: to, Escrows: escrows, Again: true})
		cancel()
		if err != nil || span.End.Number < from {
			return fmt.Errorf("search for the end of %d escrows: %w", len(escrows), cmp.Or(err, errNoBlock))
		}
		var found []occurrence
		for _, l := range span.Logs {
			ev, ok, err := swap.DecodeEscrow(l)
			if err == nil && ok && len(c.book[l.Address]) > 0 && l.ChainID == c.id && !slices.Contains(c.stored.Events, ev) {
				found = append(found, occurrence{ev, firm})
			}
		}
		if err := p.loadFor(ctx, c, found); err != nil {
			return err
		}
		for _, f := range found {
			ev, rows := f.EscrowEvent, c.book[f.Escrow]
			p.learn(rows[0], ev)
			for _, w := range rows {
				o := p.orders[w.Order]
				if o == nil || slices.Contains(o.Events, ev) {
					continue
				}
				p.withheld(c, ev.Escrow)
				if ev.At.Block <= c.stored.From.Number {
					o.edit(func(o *swap.Order) bool { return o.AddEvent(ev) })
				}
			}
		}
		from = span.End.Number + 1
	}
	return nil
}

var errNoBlock = errors.New("no block could be read")

// half is a context with half of the time that is left.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}
