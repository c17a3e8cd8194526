package follow

import (
	"context"
	"fmt"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// adoptSources takes up the source legs that name one of our takers.
func (p *pass) adoptSources(ctx context.Context, c *chainPass) (fresh []swap.OrderID, err error) {
	policy := p.Policy.Chains[c.id]
	var doubtful []common.Hash
	ids := map[swap.OrderID]bool{}
	for _, s := range c.read.srcs {
		if _, ours := policy.Takers[s.what.Leg.Immutables.TakerAddress()]; ours {
			ids[swap.OrderID{ChainID: c.id, Escrow: s.what.Leg.Escrow}] = true
			if !p.sure(s.what.Leg) {
				doubtful = append(doubtful, s.what.Leg.Created.Tx)
			}
		}
	}
	if err := p.load(ctx, ids); err != nil {
		return nil, err
	}
	txs, err := p.transactions(ctx, c, doubtful)
	if err != nil {
		return nil, err
	}
	for _, s := range c.read.srcs {
		leg := s.what.Leg
		id := swap.OrderID{ChainID: c.id, Escrow: leg.Escrow}
		if !ids[id] || p.orders[id] != nil {
			continue
		}
		if !p.sure(leg) && !policy.Ours(txs[leg.Created.Tx].From) {
			p.res.Refused++
			p.find(swap.Finding{Code: swap.Worthless, Severity: swap.Info, Order: id, ChainID: c.id, Escrow: leg.Escrow,
				Detail: "src created by somebody else, no listed token and a deposit below the fee"})
			continue
		}
		o := &tracked{Order: swap.NewOrder(*s.what), dirty: true, touched: true}
		p.orders[id] = o
		p.res.Adopted++
		p.watch(c, leg.Escrow, o, swap.Src)
		fresh = append(fresh, id)
	}
	return fresh, nil
}

// sure reports whether a src leg is certainly somebody's real order: those of
// the 1inch factories come from an order fill only, others may be made by
// anyone and count if they are worth a call.
func (p *pass) sure(l swap.Leg) bool { return l.Family != swap.BMNv4 || p.Policy.Worth(l) }

// adoptDestinations judges the dst escrows that name one of our takers.
func (p *pass) adoptDestinations(ctx context.Context, c *chainPass) (fresh []swap.OrderID, err error) {
	policy := p.Policy.Chains[c.id]
	var ours []swap.DstCreated
	var txs []common.Hash
	for _, d := range c.read.dsts {
		if _, ok := policy.Takers[d.what.Taker]; ok {
			ours = append(ours, *d.what)
		}
	}
	for _, d := range ours {
		if err := p.load(ctx, p.byHashlock[d.Hashlock]); err != nil {
			return nil, err
		}
		if p.worthLookup(c, d) {
			txs = append(txs, d.At.Tx)
		}
	}
	if _, err := p.transactions(ctx, c, txs); err != nil {
		return nil, err
	}
	for _, d := range ours {
		matched := false
		for id := range p.byHashlock[d.Hashlock] {
			o := p.orders[id]
			if o == nil || o.DstChainID() != c.id || o.Src.Immutables.TakerAddress() != d.Taker {
				continue
			}
			matched = true
			adopted, err := p.judge(ctx, c, d, o)
			if err != nil {
				return nil, err
			}
			if adopted {
				fresh = append(fresh, swap.OrderID{ChainID: c.id, Escrow: d.Escrow})
			}
		}
		if matched {
			continue
		}
		room, err := p.Parked.Park(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("park dst escrow %s: %w", d.Escrow, err)
		}
		detail := "names our taker, no src with its hashlock is known"
		severity := swap.Warning
		if !room {
			detail, severity = "names our taker, and no room is left to keep it", swap.Critical
		}
		p.find(swap.Finding{Code: swap.ParkedDst, Severity: severity, ChainID: c.id, Detail: detail})
	}
	return fresh, nil
}

// adoptParked looks, for every order in memory that has no dst leg, whether one
// was seen before its source was: on a chain that was read ahead of the
// other's, that is the usual case.
func (p *pass) adoptParked(ctx context.Context) (fresh []swap.OrderID, err error) {
	for _, o := range p.orders {
		c := p.chains[o.DstChainID()]
		if o.unparked || o.Closed || len(o.Dsts) > 0 || c == nil || c.read == nil {
			continue
		}
		o.unparked = true
		parked, err := p.Parked.Parked(ctx, c.id, o.Hashlock())
		if err != nil {
			return nil, fmt.Errorf("read parked dst escrows of chain %d: %w", c.id, err)
		}
		for _, d := range parked {
			if d.Taker != o.Src.Immutables.TakerAddress() || d.At.Block > c.read.final.Number {
				continue // not ours, or this round's own reading has it
			}
			b, err := p.Chain.Block(ctx, c.id, d.At.Block)
			if err != nil {
				return nil, fmt.Errorf("read block of a parked dst escrow: %w", err)
			}
			if b.Hash != d.At.BlockHash {
				continue // reorganised away
			}
			adopted, err := p.judge(ctx, c, d, o)
			if err != nil {
				return nil, err
			}
			if adopted {
				o.Confirm(c.id, d.Escrow, d.At, true)
				fresh = append(fresh, swap.OrderID{ChainID: c.id, Escrow: d.Escrow})
			}
		}
	}
	return fresh, nil
}

// worthLookup reports whether the creating transaction of a dst escrow has to
// be read: always while some order of its hashlock has no proven dst leg, and
// else up to a bound, since what comes then is an extra of ours or a decoy.
func (p *pass) worthLookup(c *chainPass, d swap.DstCreated) bool {
	known := false
	for id := range p.byHashlock[d.Hashlock] {
		o := p.orders[id]
		if o == nil || o.DstChainID() != c.id {
			continue
		}
		if known = true; len(o.Dsts) == 0 {
			return true
		}
	}
	if known {
		c.extras++
	}
	return known && c.extras <= maxExtras
}

// judge decides what a dst escrow is to an order: its true leg, a decoy, or a
// candidate of which nothing can be proven. It reports whether its events have
// to be read from now on.
func (p *pass) judge(ctx context.Context, c *chainPass, d swap.DstCreated, o *tracked) (bool, error) {
	for _, e := range o.Escrows() {
		if e.ChainID == d.ChainID && e.Escrow == d.Escrow {
			return false, nil
		}
	}
	factory, ok := c.factory(d.Factory)
	if !ok {
		return false, nil // parked under a factory that is no longer configured
	}
	if len(o.Dsts) == 0 {
		if _, err := p.transactions(ctx, c, []common.Hash{d.At.Tx}); err != nil {
			return false, err
		}
	}
	tx, looked := c.txs[d.At.Tx]
	ours := p.Policy.Chains[c.id].Ours(tx.From)
	leg, proven := factory.PredictDst(swap.SrcCreated{Leg: o.Src.Leg, Expect: o.Expect}, d.At.Time)
	if !proven || leg.Escrow != d.Escrow {
		if !looked {
			p.res.Decoys++
			p.find(swap.Finding{Code: swap.DecoyDst, Severity: swap.Warning, Order: o.ID, ChainID: c.id, Escrow: d.Escrow,
				Detail: "one of very many beside a proven leg, not looked at"})
			return false, nil
		}
		im, found := factory.FindImmutables(swap.Dst, tx.Input, d.Escrow, d.Hashlock, d.At.Time, [][]byte{o.Expect.Parameters})
		if !found {
			if o.AddCandidate(d) {
				o.dirty, o.touched = true, true
				p.watch(c, d.Escrow, o, swap.Dst)
				p.find(swap.Finding{Code: swap.UnprovenDst, Severity: swap.Warning, Order: o.ID, ChainID: c.id, Escrow: d.Escrow,
					Detail: "its immutables are neither predicted nor in the creating calldata"})
				return true, nil
			}
			return false, nil
		}
		leg = factory.Leg(swap.Dst, im, d.At)
	}
	leg.Created = d.At
	if wrong := o.Matches(leg); wrong != "" {
		p.res.Decoys++
		f := swap.Finding{Code: swap.DecoyDst, Severity: swap.Warning, Order: o.ID, ChainID: c.id, Escrow: d.Escrow,
			Detail: "not what the maker expects: " + wrong}
		if ours {
			f.Severity, f.Detail = swap.Critical, "created by an account of ours, and not what the maker expects: "+wrong
		}
		p.find(f)
		return false, nil
	}
	if !o.AddDst(leg, ours) {
		p.find(swap.Finding{Code: swap.ParkedDst, Severity: swap.Critical, Order: o.ID, ChainID: c.id, Escrow: d.Escrow,
			Detail: "the order has no room for another dst leg"})
		return false, nil
	}
	o.dirty, o.touched = true, true
	p.res.Adopted++
	p.watch(c, d.Escrow, o, swap.Dst)
	return true, nil
}

// watch enters an escrow into the book of this pass; Save stores it.
func (p *pass) watch(c *chainPass, escrow common.Address, o *tracked, side swap.Side) {
	p.enter(c, Watched{Escrow: escrow, Order: o.ID, Hashlock: o.Hashlock(), Side: side})
}

func (p *pass) enter(c *chainPass, w Watched) {
	c.book[w.Escrow] = append(c.book[w.Escrow], w)
	if w.Side != swap.Src {
		return
	}
	if p.byHashlock[w.Hashlock] == nil {
		p.byHashlock[w.Hashlock] = map[swap.OrderID]bool{}
	}
	p.byHashlock[w.Hashlock][w.Order] = true
}

func (c *chainPass) factory(a common.Address) (swap.Factory, bool) {
	for _, f := range c.Factories {
		if f.Address == a {
			return f, true
		}
	}
	return swap.Factory{}, false
}

// transactions reads creating transactions once per pass.
func (p *pass) transactions(ctx context.Context, c *chainPass, hashes []common.Hash) (map[common.Hash]Transaction, error) {
	var missing []common.Hash
	asked := map[common.Hash]bool{}
	for _, h := range hashes {
		if _, ok := c.txs[h]; !ok && !asked[h] {
			asked[h] = true
			missing = append(missing, h)
		}
	}
	for len(missing) > 0 {
		n := min(len(missing), maxLookups)
		txs, err := p.Probe.Transactions(ctx, c.id, missing[:n])
		if err != nil {
			return nil, fmt.Errorf("read creating transactions on chain %d: %w", c.id, err)
		}
		for i, h := range missing[:n] {
			c.txs[h] = txs[i]
		}
		missing = missing[n:]
	}
	return c.txs, nil
}
