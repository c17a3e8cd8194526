package store

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// metered opens the store's tables through a meter.
func metered(b *testing.B, s *Store, m *meter) *Store {
	b.Helper()
	out, err := New(newClient(b, m.measure), s.tables, Live)
	must(b, err)
	return out
}

// What order-cleanup reads and writes with the same number due, whatever is
// stored: the ratio is what counts.
func BenchmarkCleanup(b *testing.B) {
	const due = 50
	sizes := []int{1_000, 100_000}
	units := map[int]float64{}
	for _, stored := range sizes {
		plain := ownTables(b)
		var m, sum meter
		s := metered(b, plain, &m)
		now := finishedOrders(b, plain, stored, 0)
		b.Run(fmt.Sprintf("due=%d/stored=%d", due, stored), func(b *testing.B) {
			sum.reset()
			for b.Loop() {
				b.StopTimer()
				finishedOrders(b, plain, due, due)
				m.reset()
				b.StartTimer()
				clean(b, s, now, due)
				sum.requests, sum.reads, sum.writes = sum.requests+m.requests, sum.reads+m.reads, sum.writes+m.writes
			}
			sum.report(b)
			units[stored] = (sum.reads + sum.writes) / float64(b.N)
		})
		m.run(b, fmt.Sprintf("due=0/stored=%d", stored), func(b *testing.B) { clean(b, s, now, 0) })
	}
	b.Run("ratio", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(units[sizes[1]]/units[sizes[0]], "units-ratio")
	})
}

// openState stores so many open orders with their rows and a live work each.
func openState(b *testing.B, s *Store, open int) snapshot.Scope {
	b.Helper()
	sample := snapshottest.NewSample(1)
	for _, r := range sample.Records {
		_, err := s.Snapshots().Put(context.Background(), r)
		must(b, err)
	}
	var orders, works []item
	taker := watchtest.Address()
	for range open - 1 {
		o, secret := watchtest.Order(sample.Src, sample.Dst)
		o.Src.Immutables.Taker = swap.Word{}
		copy(o.Src.Immutables.Taker[12:], taker[:])
		o.Events = []swap.EscrowEvent{watchtest.Withdrawn(o.Dsts[0].Leg, secret)}
		o.Secret = &secret
		it, _, err := s.Orders().orderItem(o)
		must(b, err)
		orders = append(orders, it)
		saved := o
		saved.Version++
		tag, err := snapshot.TagOf(saved)
		must(b, err)
		orders = append(orders, tagged(rowsOf(o), tag, saved.Version)...)
		w := watchtest.Work(sample.Src, taker)
		w.Order, w.Signer = o.ID, sample.Account.Signer
		body, packed, err := packItem(&w)
		must(b, err)
		row := newItem(s.accountKey(w.ChainID, w.Taker), w.Key().String())
		row[attrVersion], row[attrWrite], row[attrBody] = number(1), blob(s.token(body)), blob(packed)
		works = append(works, row)
	}
	load(b, s, s.tables.Orders, orders)
	load(b, s, s.tables.Actions, works)
	return sample.Scope
}

// peak is the most memory in use while do runs, in bytes, beyond what was in use
// before.
func peak(do func()) float64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	runtime.GC()
	before := read()
	most := before
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				most = max(most, read())
			}
		}
	}()
	do()
	close(stop)
	<-done
	return float64(most - before)
}

// changing are so many of the open orders, each with something new.
func changing(b *testing.B, s *Store, scope snapshot.Scope, n int) []swap.Order {
	b.Helper()
	var ids []swap.OrderID
	for l, err := range s.query(context.Background(), partition(s.tables.Orders, bookKey(scope.Chains[0]), "")) {
		must(b, err)
		if row, err := readRow(l, scope.Chains[0]); err == nil && row.Side == swap.Src && len(ids) < n {
			ids = append(ids, row.Order)
		}
	}
	orders, err := s.Orders().Load(context.Background(), ids)
	must(b, err)
	for i := range orders {
		orders[i].Src.Ours = !orders[i].Src.Ours
	}
	return orders
}

// A snapshot of 10,000 open swaps, and its restore: seconds, memory, units. "take" reads
// all orders, as the first run of an hour does, "short" only those that have changed.
func BenchmarkSnapshot(b *testing.B) {
	for _, open := range []int{1_000, 10_000} {
		plain := ownTables(b)
		scope := openState(b, plain, open)
		var m meter
		s := metered(b, plain, &m)
		bucket := snapshottest.NewBucket(nil)
		at, most := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), 0.0
		var last snapshot.Taken
		b.Run(fmt.Sprintf("take/open=%d", open), func(b *testing.B) {
			m.reset()
			for b.Loop() {
				at = at.Add(2 * time.Hour) // always written
				most = max(most, peak(func() {
					got, err := keeper(s, bucket, scope).Take(context.Background(), at)
					must(b, err)
					last = got
				}))
			}
			if last.Counts.Orders != open || !last.Written {
				b.Fatalf("%+v", last)
			}
			m.report(b)
			b.ReportMetric(most/(1<<20), "peak-MB")
			b.ReportMetric(float64(last.Size), "snapshot-bytes")
		})
		for _, changed := range []int{0, 10, 100} {
			b.Run(fmt.Sprintf("short/open=%d/changed=%d", open, changed), func(b *testing.B) {
				var sum meter
				most := 0.0
				for b.Loop() {
					b.StopTimer()
					for _, o := range changing(b, plain, scope, changed) {
						must(b, plain.Orders().Save(context.Background(), o))
					}
					m.reset()
					at = at.Add(time.Second)
					b.StartTimer()
					most = max(most, peak(func() {
						got, err := keeper(s, bucket, scope).Take(context.Background(), at)
						must(b, err)
						if got.Read != changed || got.Written != (changed > 0) {
							b.Fatalf("%d read, written %t", got.Read, got.Written)
						}
					}))
					sum.requests, sum.reads, sum.writes = sum.requests+m.requests, sum.reads+m.reads, sum.writes+m.writes
				}
				sum.report(b)
				b.ReportMetric(most/(1<<20), "peak-MB")
			})
		}
		b.Run(fmt.Sprintf("restore/open=%d", open), func(b *testing.B) {
			most := 0.0
			for b.Loop() {
				b.StopTimer()
				into := ownTables(b)
				b.StartTimer()
				most = max(most, peak(func() {
					got, err := restorer(into, bucket).Restore(context.Background(), snapshot.Options{}, at)
					must(b, err)
					if got.Kept != 0 {
						b.Fatalf("%d kept", got.Kept)
					}
				}))
			}
			b.ReportMetric(most/(1<<20), "peak-MB")
		})
	}
}
