package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// Two processes that write the very same at the same time, as two sweeps with
// the same plan do, are two writers all the same: one is told that it has
// written, the others that somebody was faster.
func TestSameWriteByManyProcesses(t *testing.T) {
	clean := newStore(t)
	order, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	changed, _ := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	if err := clean.Orders().Save(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	changed.Version++
	a := txntest.Account()
	work := watchtest.Work(a.ChainID, watchtest.Address())
	fence := clean.grant(t, "signer#"+a.Signer.Hex(), "a")
	sent := watchtest.Work(a.ChainID, watchtest.Address())
	if err := clean.Actions().Save(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	live, err := clean.Actions().Live(t.Context(), a.ChainID, sent.Taker)
	if err != nil {
		t.Fatal(err)
	}
	entry, step := txntest.Entry(a, 3, live[0])
	mined, done := entry, step[0]
	mined.Version, mined.State = 1, txn.Mined
	done.Version, done.State = step[0].Version+1, swap.WorkConfirmed
	facts := someFacts(watchtest.Chain(), 5, 2)
	large := someFacts(watchtest.Chain(), 5, largeFacts)
	entryOfAlert := alert.Entry{Alert: alert.Alert{Kind: alert.DstPaidSrcExpired, Order: order.ID.String()}, State: alert.Open, ExpiresAt: epoch}

	book, err := clean.Runs().Book(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, w := range []struct {
		name  string
		write func(ctx context.Context, s *Store) error
	}{
		{"create an order", func(ctx context.Context, s *Store) error { return s.Orders().Save(ctx, order) }},
		{"change an order", func(ctx context.Context, s *Store) error { return s.Orders().Save(ctx, changed) }},
		{"set wake times", func(ctx context.Context, s *Store) error {
			o := changed
			o.Version++
			return s.Orders().SetWakes(ctx, o, swap.Wakes{Src: 4})
		}},
		{"create work", func(ctx context.Context, s *Store) error { return s.Actions().Save(ctx, work) }},
		{"record a nonce", func(ctx context.Context, s *Store) error { return s.Journal().Record(ctx, fence, entry, step) }},
		{"settle", func(ctx context.Context, s *Store) error { return s.Journal().Settle(ctx, mined, []swap.Work{done}) }},
		{"replace facts", func(ctx context.Context, s *Store) error {
			return s.Facts().Replace(ctx, swap.Provisional{ChainID: facts.ChainID}, facts)
		}},
		{"replace large facts", func(ctx context.Context, s *Store) error {
			return s.Facts().Replace(ctx, swap.Provisional{ChainID: large.ChainID}, large)
		}},
		{"write the watchdog's book", func(ctx context.Context, s *Store) error { return s.Runs().SaveBook(ctx, book) }},
		{"save an alert", func(ctx context.Context, s *Store) error {
			e := entryOfAlert
			e.Write = watchtest.Word().Hex()
			return s.Alerts().Save(ctx, e)
		}},
	} {
		t.Run(w.name, func(t *testing.T) {
			var wins atomic.Int64
			var wg sync.WaitGroup
			for range 6 {
				s := newStore(t)
				wg.Go(func() {
					switch err := w.write(t.Context(), s); {
					case err == nil:
						wins.Add(1)
					case !errors.Is(err, swap.ErrConflict) && !errors.Is(err, alert.ErrConflict) && !errors.Is(err, watchdog.ErrConflict):
						t.Errorf("write: %v", err)
					}
				})
			}
			wg.Wait()
			if wins.Load() != 1 {
				t.Errorf("%d processes were told that they wrote", wins.Load())
			}
		})
	}
}

// Reading what is open costs the same however much was settled before.
func TestEntriesCostWhatIsOpen(t *testing.T) {
	var m meter
	s, metered := newStore(t), newStore(t, m.measure)
	a := txntest.Account()
	fence := s.grant(t, "signer#"+a.Signer.Hex(), "a")
	var cost []float64
	for nonce := range uint64(40) {
		w := watchtest.Work(a.ChainID, watchtest.Address())
		if err := s.Actions().Save(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		live, err := s.Actions().Live(t.Context(), a.ChainID, w.Taker)
		if err != nil {
			t.Fatal(err)
		}
		e, step := txntest.Entry(a, nonce, live[0])
		if err := s.Journal().Record(t.Context(), fence, e, step); err != nil {
			t.Fatal(err)
		}
		m.reset()
		if open, _, err := metered.Journal().Entries(t.Context(), a); err != nil || len(open) != 1 {
			t.Fatalf("%d open, %v", len(open), err)
		}
		cost = append(cost, m.reads)
		e.Version, e.State = 1, txn.Mined
		if err := s.Journal().Settle(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	if first, last := cost[0], cost[len(cost)-1]; first == 0 || last != first {
		t.Errorf("one open entry: %.1f read units at first, %.1f after %d were settled", first, last, len(cost)-1)
	}
}
