package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// chainLag is how a chain is followed, by what a sweep has seen of it.
type chainLag struct {
	swap.Lag
	detail string
	fact   swap.Provisional
	view   swap.ChainView
}

// lags judges the chains. One whose head cannot be read is judged by the last
// block that state-sync has read: that is where the chain stands as far as
// anybody can see, and its age says for how long. A chain whose facts cannot be
// read is left out; that is the store's trouble and none of the chain's.
func (s *Sweeper) lags(looks []look) map[uint64]chainLag {
	out := map[uint64]chainLag{}
	for _, l := range looks {
		if !l.known {
			continue
		}
		c := chainLag{fact: l.fact, view: l.view}
		if l.err != nil {
			c.view = lastSeen(l)
		}
		c.Lag, c.detail = s.Policy.Lag(c.view)
		if l.err != nil && c.Lag == swap.Fresh {
			c.Lag = swap.Slack // not to be called over by what was seen last
		}
		out[l.chain] = c
	}
	return out
}

// lastSeen is the view of a chain whose head cannot be read.
func lastSeen(l look) swap.ChainView {
	v := swap.ChainView{ChainID: l.chain}
	v.SyncedTo, v.Final = l.fact.Marks()
	v.Head = v.SyncedTo
	v.HeadAge = max(0, time.Since(time.Unix(int64(v.Head.Time), 0)))
	return v
}

// troubled reports whether any chain may be missing something.
func troubled(lags map[uint64]chainLag) bool {
	for _, c := range lags {
		if c.Lag == swap.Behind || c.Lag == swap.Unread {
			return true
		}
	}
	return false
}

// upTo is how far ahead orders of a chain are looked at: as the selection says,
// and while any chain is in trouble as far as the first warning, so that nothing
// near a deadline is overlooked. Of a chain without a head the time is taken that
// it would show if it went on.
func (s *Sweeper) upTo(l look, lags map[uint64]chainLag, sel Selection) (swap.ChainTime, bool) {
	ahead := int64(0)
	if sel == Upcoming {
		ahead = s.Policy.Horizon
	}
	if troubled(lags) && len(s.Policy.WarnLevels) > 0 {
		ahead = max(ahead, s.Policy.WarnLevels[0])
	}
	if l.err == nil {
		return l.view.Head.Time.Add(ahead), true
	}
	c, known := lags[l.chain]
	if !known {
		return 0, false
	}
	return c.view.Head.Time.Add(int64(c.view.HeadAge/time.Second) + ahead), true
}

// behind are the findings about chains that are not followed closely: critical
// where an order waits for the chain near a deadline. A chain of which nothing
// has ever been read is told only then: it may be about to be.
func (s *Sweeper) behind(lags map[uint64]chainLag, orders []swap.Order) []swap.Finding {
	if !troubled(lags) {
		return nil
	}
	facts, views := map[uint64]swap.Provisional{}, swap.Views{}
	for chain, c := range lags {
		facts[chain], views[chain] = c.fact, c.view
	}
	found := map[uint64]swap.Finding{}
	for chain, c := range lags {
		if c.Lag == swap.Behind {
			found[chain] = swap.Finding{Code: swap.ChainBehind, Severity: swap.Warning, ChainID: chain, Detail: c.detail}
		}
	}
	for _, o := range orders {
		st := swap.Fold(o, facts)
		d, err := swap.Plan(st, views, s.Policy)
		if err != nil {
			continue // its facts cannot be read, which is an error of its own
		}
		for chain, risk := range swap.Waiting(swap.Case{State: st, Decision: d}, views, s.Policy) {
			c, known := lags[chain]
			if !known || c.Lag != swap.Behind && c.Lag != swap.Unread {
				continue
			}
			f := found[chain]
			f.Code, f.Severity, f.ChainID = swap.ChainBehind, swap.Critical, chain
			f.Detail = "orders near a deadline wait for it: " + c.detail
			if _, overflow := f.AtRisk.AddOverflow(&f.AtRisk, &risk); overflow {
				f.AtRisk.SetAllOne()
			}
			found[chain] = f
		}
	}
	out := make([]swap.Finding, 0, len(found))
	for _, chain := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[chain])
	}
	return out
}

// unseen lists the orders with an action that should have been done by the wall clock, on a chain
// whose head cannot be read. Nobody can say whether it was, so it is no finding about the order;
// but what counts what is overdue must not fall because a chain is out of sight.
func (s *Sweeper) unseen(looks []look, lags map[uint64]chainLag, orders []swap.Order) []swap.OrderID {
	facts, views, blind := map[uint64]swap.Provisional{}, swap.Views{}, []uint64(nil)
	for _, l := range looks {
		c, known := lags[l.chain]
		if !known {
			continue
		}
		facts[l.chain], views[l.chain] = c.fact, c.view
		if l.err != nil {
			blind = append(blind, l.chain)
		}
	}
	if len(blind) == 0 {
		return nil
	}
	var out []swap.OrderID
	for _, o := range orders {
		st := swap.Fold(o, facts)
		d, err := swap.Plan(st, views, s.Policy)
		if err != nil {
			continue // its facts cannot be read, which is an error of its own
		}
		if slices.ContainsFunc(blind, func(chain uint64) bool {
			return swap.Past(swap.Case{State: st, Decision: d}, chain, views[chain], s.Policy)
		}) {
			out = append(out, o.ID)
		}
	}
	return out
}

// recovered takes back what was told of chains that are followed closely again.
func (s *Sweeper) recovered(ctx context.Context, lags map[uint64]chainLag) error {
	if s.Over == nil {
		return nil
	}
	var errs []error
	for _, chain := range slices.Sorted(maps.Keys(lags)) {
		if c := lags[chain]; c.Lag == swap.Fresh {
			proof := fmt.Sprintf("head %d, logs read to %d, final to %d", c.view.Head.Number, c.view.SyncedTo.Number, c.view.Final.Number)
			errs = append(errs, s.Over(ctx, swap.ChainBehind, chain, proof))
		}
	}
	return errors.Join(errs...)
}
