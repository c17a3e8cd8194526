package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// report prints what one operation cost, on average.
func (m *meter) report(b *testing.B) {
	n := float64(b.N)
	b.ReportMetric(m.requests/n, "requests/op")
	b.ReportMetric(m.reads/n, "RCU/op")
	b.ReportMetric(m.writes/n, "WCU/op")
}

// run benchmarks op and returns the read units and time of one.
func (m *meter) run(b *testing.B, name string, op func(b *testing.B)) (reads float64, took time.Duration) {
	b.Run(name, func(b *testing.B) {
		m.reset()
		for b.Loop() {
			op(b)
		}
		m.report(b)
		reads, took = m.reads/float64(b.N), b.Elapsed()/time.Duration(b.N)
	})
	return reads, took
}

func must(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// What a sweep reads: the ratio is what counts.
func BenchmarkSweep(b *testing.B) {
	var m meter
	plain, s := newStore(b), newStore(b, m.measure)
	const due = 50
	reads, took := map[int]float64{}, map[int]time.Duration{}
	sizes := []int{1_000, 100_000}
	for _, open := range sizes {
		src, dst, now := openOrders(b, plain, open, due)
		reads[open], took[open] = m.run(b, fmt.Sprintf("due=%d/open=%d", due, open), func(b *testing.B) { sweep(b, s, src, dst, now, due) })
	}
	b.Run("ratio", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(reads[sizes[1]]/reads[sizes[0]], "RCU-ratio")
		b.ReportMetric(float64(took[sizes[1]])/float64(took[sizes[0]]), "time-ratio")
	})
	src, dst, now := openOrders(b, plain, 1_000, 0)
	m.run(b, "due=0/open=1000", func(b *testing.B) { sweep(b, s, src, dst, now, 0) })
}

func BenchmarkWatched(b *testing.B) {
	var m meter
	plain, s := newStore(b), newStore(b, m.measure)
	for _, n := range []int{10, 1_000, 10_000} {
		chain := watchtest.Chain()
		o, _ := watchtest.Order(chain, watchtest.Chain())
		o.Dsts = nil
		var rows []item
		for range n {
			o.Src.Escrow = watchtest.Address()
			o.ID.Escrow = o.Src.Escrow
			rows = append(rows, rowsOf(o)...)
		}
		load(b, plain, testTables.Orders, rows)
		m.run(b, fmt.Sprintf("escrows=%d", n), func(b *testing.B) {
			got, err := s.Orders().Watched(context.Background(), chain)
			must(b, err)
			if len(got) != n {
				b.Fatalf("%d rows, want %d", len(got), n)
			}
		})
	}
}

// What a run costs before it does anything: lease, look whether it has been
// done, release, record.
func BenchmarkIdleRun(b *testing.B) {
	var m meter
	s := newStore(b, m.measure)
	ctx, n := context.Background(), 0
	name := watchtest.Word().Hex()
	m.run(b, "lease+record", func(b *testing.B) {
		n++
		at := epoch.Add(time.Duration(n) * time.Minute)
		l, err := s.Leases().Acquire(ctx, job.Claim{Key: job.JobKey(name), Token: fmt.Sprint(n), Job: name, Tick: at, Now: at, Until: at.Add(12 * time.Second)})
		must(b, err)
		_, err = s.Runs().Finished(ctx, name, at)
		must(b, err)
		_, err = s.Leases().Release(ctx, l)
		must(b, err)
		must(b, s.Runs().Record(ctx, job.Record{Job: name, Scheduled: at, State: job.Done, Token: l.Token, Fence: l.Fence, Started: at, Ended: at.Add(time.Second), Attempts: 1}))
	})
}

// What a pass of state-sync without news reads and writes of two chains.
func BenchmarkIdleSync(b *testing.B) {
	var m meter
	s := newStore(b, m.measure)
	ctx := context.Background()
	chains := []uint64{watchtest.Chain(), watchtest.Chain()}
	n := uint64(0)
	m.run(b, "chains=2", func(b *testing.B) {
		n++
		for _, chain := range chains {
			prev, err := s.Facts().Provisional(ctx, chain)
			must(b, err)
			_, err = s.Orders().Watched(ctx, chain)
			must(b, err)
			next := swap.Provisional{ChainID: chain, From: prev.From, To: swap.Block{Number: n, Time: swap.ChainTime(n), Hash: watchtest.Word()}}
			must(b, s.Facts().Replace(ctx, prev, next))
		}
	})
}

// The life of one order: bytes and units of each write.
func BenchmarkOrder(b *testing.B) {
	var m meter
	s := newStore(b, m.measure)
	ctx := context.Background()
	size := func(b *testing.B, o swap.Order) {
		it, _, err := s.Orders().orderItem(o)
		must(b, err)
		b.ReportMetric(float64(bytesOf(it)), "item-bytes")
	}
	var o swap.Order
	b.Run("create", func(b *testing.B) {
		m.reset()
		for b.Loop() {
			o, _ = watchtest.Order(8453, 10)
			must(b, s.Orders().Save(ctx, o))
			o.Version++
		}
		m.report(b)
		size(b, o)
	})
	b.Run("set-wakes", func(b *testing.B) {
		m.reset()
		for b.Loop() {
			o.Wakes.Src++
			o.Wakes.Dst++
			must(b, s.Orders().SetWakes(ctx, o, o.Wakes))
			o.Version++
		}
		m.report(b)
	})
	b.Run("add-event", func(b *testing.B) {
		m.reset()
		for b.Loop() {
			o.Events = []swap.EscrowEvent{watchtest.Withdrawn(o.Dsts[0].Leg, watchtest.Word()), watchtest.Withdrawn(o.Src.Leg, watchtest.Word())}
			must(b, s.Orders().Save(ctx, o))
			o.Version++
		}
		m.report(b)
		size(b, o)
	})
	b.Run("close", func(b *testing.B) {
		m.reset()
		for b.Loop() {
			o.Closed = !o.Closed // and open again
			must(b, s.Orders().Save(ctx, o))
			o.Version++
		}
		m.report(b)
	})
}

// The life of one action: created, sent, settled.
func BenchmarkAction(b *testing.B) {
	var m meter
	s := newStore(b, m.measure)
	ctx := context.Background()
	a := txntest.Account()
	got, err := s.Leases().Acquire(ctx, job.Claim{Key: "signer", Token: "a", Now: epoch, Until: epoch.Add(12 * time.Second)})
	must(b, err)
	fence := txn.Fence{Lease: "signer", Owner: "a", Generation: uint64(got.Fence)}
	nonce := uint64(0)
	for _, step := range []string{"save", "record", "settle"} {
		b.Run(step, func(b *testing.B) {
			m.reset()
			var costs meter
			for b.Loop() {
				note := func(name string, do func() error) {
					m.reset()
					must(b, do())
					if name == step {
						costs.requests, costs.reads, costs.writes = costs.requests+m.requests, costs.reads+m.reads, costs.writes+m.writes
					}
				}
				w := watchtest.Work(a.ChainID, watchtest.Address())
				note("save", func() error { return s.Actions().Save(ctx, w) })
				live, err := s.Actions().Live(ctx, w.ChainID, w.Taker)
				must(b, err)
				e, sent := txntest.Entry(a, nonce, live[0])
				nonce++
				note("record", func() error { return s.Journal().Record(ctx, fence, e, sent) })
				e.Version, e.State = 1, txn.Mined
				sent[0].Version++
				sent[0].State = swap.WorkConfirmed
				note("settle", func() error { return s.Journal().Settle(ctx, e, sent) })
			}
			costs.report(b)
		})
	}
	// However much was settled, the open entries cost the same to read.
	m.run(b, fmt.Sprintf("entries/open=0/settled=%d", nonce), func(b *testing.B) {
		open, next, err := s.Journal().Entries(ctx, a)
		must(b, err)
		if len(open) != 0 || next != nonce {
			b.Fatalf("%d open, next %d", len(open), next)
		}
	})
}

func BenchmarkLive(b *testing.B) {
	var m meter
	s := newStore(b, m.measure)
	ctx := context.Background()
	for _, n := range []int{1, 50, 500} {
		chain, taker := watchtest.Chain(), watchtest.Address()
		for range n {
			must(b, s.Actions().Save(ctx, watchtest.Work(chain, taker)))
		}
		m.run(b, fmt.Sprintf("work=%d", n), func(b *testing.B) {
			got, err := s.Actions().Live(ctx, chain, taker)
			must(b, err)
			if len(got) != n {
				b.Fatalf("%d, want %d", len(got), n)
			}
		})
	}
}

// bytesOf is the size of an item as capacity counts it.
func bytesOf(it item) int {
	n := 0
	for name := range it {
		n += len(name) + len(it.text(name)) + len(it.blob(name))
		if it.int(name) != 0 {
			n += len(fmt.Sprint(it.int(name)))/2 + 2
		}
	}
	return n
}

// What a pass of the watchdog over all jobs costs when each has run at every tick
// within sight and nothing is wrong.
func BenchmarkWatchdogPass(b *testing.B) {
	var m meter
	table := ownJobs(b)
	plain, s := newStore(b).over(table), newStore(b, m.measure).over(table)
	for _, p := range []job.Profile{job.Test, job.Mainnet} {
		end := epoch
		if p == job.Mainnet {
			end = end.Add(30 * 24 * time.Hour)
		}
		for _, spec := range job.Table {
			c := spec.Cadence(p)
			if c.Period == 0 {
				continue
			}
			for at := end.Add(-watchdog.Sight(c)); at.Before(end); at = at.Add(c.Period) {
				must(b, plain.Runs().Record(b.Context(), job.Record{Job: spec.Name, Scheduled: at, State: job.Done, Token: rand.Text(), Fence: 1000,
					Started: at, Ended: at.Add(time.Second), Attempts: 1}))
			}
		}
		w := watchdog.Watchdog{Runs: s.Runs(), Books: s.Runs(), Jobs: job.Table, Profile: p, Log: slog.New(slog.DiscardHandler)}
		m.run(b, string(p), func(b *testing.B) {
			_, err := w.Round(b.Context(), alert.NewDesk(s.Alerts(), nil, w.Log), end)
			must(b, err)
		})
	}
}
