package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/tally/tallytest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// metered is the same tables seen through a client that adds up what it costs.
func (s aside) metered(t testing.TB, m *meter) aside {
	t.Helper()
	other, err := New(newClient(t, m.measure), s.tables, Live)
	if err != nil {
		t.Fatal(err)
	}
	other.now = s.clock.get
	return aside{other, s.clock}
}

func (s aside) aggregator() *tally.Aggregator {
	return &tally.Aggregator{Feed: s.Feed(), Hours: s.Tallies(), Latest: s.Tallies(), Runs: s.Runs().Since, Jobs: tallytest.Jobs}
}

// swaps stores so many swaps that were created in the course of ten days up to
// two hours ago, with their rows in the feed and what was counted of them.
func (s aside) swaps(t testing.TB, n int) {
	t.Helper()
	var orders []item
	o, _ := tallytest.Order(tallytest.Epoch)
	for i := range n {
		o.Src.Escrow = watchtest.Address()
		o.ID.Escrow = o.Src.Escrow
		o.Src.Created.Time = swap.ChainTime(tallytest.Epoch.Add(-time.Duration(2+i%240) * time.Hour).Unix())
		it, _, err := s.Orders().orderItem(o)
		if err != nil {
			t.Fatal(err)
		}
		orders = append(orders, it, feedItems(t, s.Store, o)[0])
	}
	load(t, s.Store, s.tables.Orders, orders)
	for h := range tally.Hour(240) {
		stored := tally.Stored{Hour: tally.HourAt(tallytest.Epoch) - 2 - h}
		stored.Swaps = map[int]*tally.Counts{0: {Created: uint64(n / 240)}}
		if err := s.Tallies().Put(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
	}
}

// happen lets some new swaps be created in an hour of its own.
func (s aside) happen(t testing.TB, hour, swaps int) (now time.Time) {
	t.Helper()
	at := tallytest.Epoch.Add(time.Duration(hour) * time.Hour)
	s.clock.set(at.Add(10 * time.Minute))
	for range swaps {
		o, _ := tallytest.Order(at)
		if err := s.Orders().Save(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	return s.clock.get()
}

// What a pass costs depends on what has happened, not on what is stored.
func TestPassCostsWhatHappened(t *testing.T) {
	cost := map[int]float64{}
	for _, stored := range []int{240, 4_800} {
		s := apart(t)
		var m meter
		metered := s.metered(t, &m)
		s.swaps(t, stored)
		if _, err := s.aggregator().Pass(t.Context(), tallytest.Epoch.Add(50*time.Minute)); err != nil {
			t.Fatal(err)
		}
		now := s.happen(t, 1, 20)
		m.reset()
		res, err := metered.aggregator().Pass(t.Context(), now)
		if err != nil || res.Marks != 20 || res.Sums.Hour.Swaps.Created != 20 {
			t.Fatalf("%d marks, %d created, %v", res.Marks, res.Sums.Hour.Swaps.Created, err)
		}
		cost[stored] = m.reads + m.writes
	}
	if cost[240] == 0 || cost[4_800] > 1.3*cost[240] {
		t.Errorf("with 240 stored: %.1f units, with 4800: %.1f", cost[240], cost[4_800])
	}
}

// What a pass of the aggregator costs with 50 swaps created since the last one,
// with many and few stored: the ratio is what counts.
func BenchmarkTally(b *testing.B) {
	const active = 50
	units := map[int]float64{}
	sizes := []int{1_000, 100_000}
	for _, stored := range sizes {
		b.Run(fmt.Sprintf("new=%d/stored=%d", active, stored), func(b *testing.B) {
			s := apart(b)
			var m, total meter
			metered := s.metered(b, &m)
			s.swaps(b, stored)
			_, err := s.aggregator().Pass(context.Background(), tallytest.Epoch.Add(50*time.Minute))
			must(b, err)
			hour := 0
			for b.Loop() {
				b.StopTimer()
				hour++
				now := s.happen(b, hour, active)
				m.reset()
				b.StartTimer()
				res, err := metered.aggregator().Pass(context.Background(), now)
				must(b, err)
				if res.Marks != active {
					b.Fatalf("%d marks", res.Marks)
				}
				total.requests, total.reads, total.writes = total.requests+m.requests, total.reads+m.reads, total.writes+m.writes
			}
			total.report(b)
			units[stored] = (total.reads + total.writes) / float64(b.N)
		})
	}
	b.Run("ratio", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(units[sizes[1]]/units[sizes[0]], "units-ratio")
	})
	b.Run("idle", func(b *testing.B) {
		s := apart(b)
		var m meter
		metered := s.metered(b, &m)
		_, err := s.aggregator().Pass(context.Background(), tallytest.Epoch)
		must(b, err)
		m.run(b, "pass", func(b *testing.B) {
			_, err := metered.aggregator().Pass(context.Background(), tallytest.Epoch)
			must(b, err)
		})
	})
}

// The life of one swap, with what its events cost beside it and without: created,
// paid, claimed.
func BenchmarkFeed(b *testing.B) {
	var m meter
	s := apart(b).metered(b, &m)
	ctx := context.Background()
	for _, c := range []struct {
		name string
		now  time.Time
	}{{"with its events", tallytest.Epoch}, {"too old for events", tallytest.Epoch.Add(2 * tally.KeepEvents)}} {
		s.clock.set(c.now)
		for _, steps := range []string{"one by one", "paid and claimed at once"} {
			m.run(b, c.name+"/"+steps, func(b *testing.B) {
				o, secret := tallytest.Order(tallytest.Epoch)
				must(b, s.Orders().Save(ctx, o))
				o.Version++
				tallytest.End(&o, &o.Dsts[0], swap.Withdrawn, tallytest.Epoch.Add(time.Minute), secret)
				if steps == "one by one" {
					must(b, s.Orders().Save(ctx, o))
					o.Version++
				}
				tallytest.End(&o, &o.Src, swap.Withdrawn, tallytest.Epoch.Add(2*time.Minute), secret)
				must(b, s.Orders().Save(ctx, o))
			})
		}
	}
}

// BenchmarkMonthOfEvents shows what daily-report reads to find the swaps that are open: a month of the
// feed, with some ten swaps a day in ten days of it.
func BenchmarkMonthOfEvents(b *testing.B) {
	var m meter
	s := apart(b)
	s.swaps(b, 100)
	metered := s.metered(b, &m)
	last := tally.HourAt(tallytest.Epoch)
	for _, way := range []string{"in ranges", "hour by hour"} {
		m.run(b, way, func(b *testing.B) {
			n, first := 0, last-31*24+1
			step := tally.Hour(31 * 24)
			if way == "hour by hour" {
				step = 1
			}
			for h := first; h <= last; h += step {
				events, err := metered.Feed().Between(context.Background(), h, h+step-1)
				must(b, err)
				n += len(events)
			}
			if n != 100 {
				b.Fatalf("%d events", n)
			}
		})
	}
}
