package followtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
	"github.com/ethereum/go-ethereum/common"
)

// Orders is follow.Orders and watch.Orders in memory; see watchtest.Orders.
//
// Calls: those of watchtest.Orders and "orders.watched".
type Orders struct{ *watchtest.Orders }

// NewOrders returns an empty store with the given faults; nil: its own.
func NewOrders(f *faulttest.Faults) Orders { return Orders{watchtest.NewOrders(f)} }

// Watched implements follow.Orders.
func (s Orders) Watched(ctx context.Context, chain uint64) (rows []follow.Watched, err error) {
	err = s.DoAbout(ctx, "orders.watched", fmt.Sprint(chain), func() error {
		s.Each(func(o *swap.Order) {
			if !o.Closed {
				rows = append(rows, rowsOf(*o, chain)...)
			}
		})
		return nil
	})
	return rows, err
}

// rowsOf lists the watch-book rows of an order on one chain.
func rowsOf(o swap.Order, chain uint64) (rows []follow.Watched) {
	for i, e := range o.Escrows() {
		if e.ChainID != chain {
			continue
		}
		side := swap.Dst
		if i == 0 {
			side = swap.Src
		}
		rows = append(rows, follow.Watched{Escrow: e.Escrow, Order: o.ID, Hashlock: o.Hashlock(), Side: side})
	}
	return rows
}

// Facts is follow.Facts and watch.Facts in memory. What goes in and out is
// copied. It is safe for concurrent use, and panics when marks go wrong.
//
// Calls: "facts.read", "facts.replace".
type Facts struct {
	*faulttest.Faults
	mu    sync.Mutex
	facts map[uint64]swap.Provisional
}

// NewFacts returns an empty store with the given faults; nil: its own.
func NewFacts(f *faulttest.Faults) *Facts {
	if f == nil {
		f = new(faulttest.Faults)
	}
	return &Facts{Faults: f, facts: map[uint64]swap.Provisional{}}
}

// Provisional implements follow.Facts.
func (s *Facts) Provisional(ctx context.Context, chain uint64) (p swap.Provisional, err error) {
	err = s.DoAbout(ctx, "facts.read", fmt.Sprint(chain), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		p = watchtest.Copy(s.facts[chain])
		p.ChainID = chain
		return nil
	})
	return p, err
}

// Replace implements follow.Facts.
func (s *Facts) Replace(ctx context.Context, prev, next swap.Provisional) error {
	return s.DoAbout(ctx, "facts.replace", fmt.Sprint(next.ChainID), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if bad := wrong(prev, next); bad != "" {
			panic(fmt.Sprintf("facts of chain %d: %s", next.ChainID, bad))
		}
		old := s.facts[next.ChainID]
		old.ChainID = next.ChainID
		if marks(old) != marks(prev) && !watchtest.Same(old, next) {
			return swap.ErrConflict
		}
		s.facts[next.ChainID] = watchtest.Copy(next)
		return nil
	})
}

type mark struct {
	from, to swap.Block
	revision uint64
}

func marks(p swap.Provisional) mark { return mark{p.From, p.To, p.Sync.Revision} }

func wrong(prev, next swap.Provisional) string {
	switch {
	case next.ChainID == 0 || prev.ChainID != next.ChainID:
		return fmt.Sprintf("replaced by those of chain %d", prev.ChainID)
	case next.To.Number < next.From.Number:
		return "seen less far than final"
	}
	for _, ev := range next.Events {
		if ev.ChainID != next.ChainID || ev.At.Block > next.To.Number {
			return fmt.Sprintf("event of escrow %s is not of their range", ev.Escrow)
		}
	}
	for _, l := range next.Legs {
		if l.ChainID != next.ChainID {
			return fmt.Sprintf("leg %s is of another chain", l)
		}
	}
	return ""
}

// Parked is follow.Parked in memory: room for a number of events per chain,
// each kept for a time. It is safe for concurrent use.
//
// Calls: "parked.park", "parked.list".
type Parked struct {
	*faulttest.Faults
	room   int
	keep   time.Duration
	mu     sync.Mutex
	now    time.Time
	parked map[swap.OrderID]parkedItem
}

type parkedItem struct {
	swap.DstCreated
	expires time.Time
}

// NewParked returns an empty store with the given faults; nil: its own. Its
// clock stands still but for Advance.
func NewParked(f *faulttest.Faults, room int, keep time.Duration) *Parked {
	if f == nil {
		f = new(faulttest.Faults)
	}
	return &Parked{Faults: f, room: room, keep: keep, now: time.Unix(1_750_000_000, 0), parked: map[swap.OrderID]parkedItem{}}
}

// Advance moves the clock.
func (s *Parked) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// Park implements follow.Parked.
func (s *Parked) Park(ctx context.Context, d swap.DstCreated) (ok bool, err error) {
	err = s.DoAbout(ctx, "parked.park", fmt.Sprint(d.ChainID, d.Escrow), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		key := swap.OrderID{ChainID: d.ChainID, Escrow: d.Escrow}
		if ok = s.now.Before(s.parked[key].expires); ok {
			return nil
		}
		used := 0
		for _, p := range s.parked {
			if p.ChainID == d.ChainID && s.now.Before(p.expires) {
				used++
			}
		}
		if ok = used < s.room; ok {
			s.parked[key] = parkedItem{d, s.now.Add(s.keep)}
		}
		return nil
	})
	return ok && err == nil, err
}

// Parked implements follow.Parked.
func (s *Parked) Parked(ctx context.Context, chain uint64, hashlock common.Hash) (out []swap.DstCreated, err error) {
	err = s.DoAbout(ctx, "parked.list", fmt.Sprint(chain, hashlock), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range s.parked {
			if p.ChainID == chain && p.Hashlock == hashlock && s.now.Before(p.expires) {
				out = append(out, p.DstCreated)
			}
		}
		return nil
	})
	return out, err
}
