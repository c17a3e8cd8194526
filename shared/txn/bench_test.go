package txn_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// perAction says how many calls to the outside each action took.
func (w *world) perAction(b *testing.B, runs, actions int) {
	count := map[string]int{}
	for _, op := range w.calls {
		room, _, _ := strings.Cut(op, ".")
		count[room]++
	}
	for _, room := range []string{"backend", "journal", "works", "decide", "sign"} {
		b.ReportMetric(float64(count[room])/float64(runs*actions), room+"/action")
	}
}

// BenchmarkDrain sends claims that are all due: time and calls per action.
func BenchmarkDrain(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		b.Run(fmt.Sprint("actions=", n), func(b *testing.B) {
			var calls []string
			runs := 0
			for b.Loop() {
				b.StopTimer()
				w := newWorld(b, 1)
				w.claims(n)
				b.StartTimer()
				if res, err, _ := w.drain(context.Background(), srcChain); err != nil || res.Sent != n {
					b.Fatalf("%+v, %v", res, err)
				}
				b.StopTimer()
				runs++
				calls = append(calls, w.calls...)
				b.StartTimer()
			}
			(&world{calls: calls}).perAction(b, runs, n)
		})
	}
}

// BenchmarkDrainInFlight looks after transactions that wait in the pool.
func BenchmarkDrainInFlight(b *testing.B) {
	w := newWorld(b, 1)
	w.claims(16)
	w.sent()
	w.calls = nil
	runs := 0
	for b.Loop() {
		runs++
		if _, err, _ := w.drain(context.Background(), srcChain); err != nil {
			b.Fatal(err)
		}
	}
	w.perAction(b, runs, 1)
}

// BenchmarkTrack settles sixteen claims at once.
func BenchmarkTrack(b *testing.B) {
	var calls []string
	runs := 0
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, 1)
		w.claims(16)
		w.sent()
		for range confirmations + 2 {
			w.chains[srcChain].mine(2)
		}
		w.syncAll()
		w.calls = nil
		b.StartTimer()
		if res, err, _ := w.track(context.Background(), srcChain); err != nil || res.Confirmed != 16 {
			b.Fatalf("%+v, %v", res, err)
		}
		b.StopTimer()
		runs++
		calls = append(calls, w.calls...)
		b.StartTimer()
	}
	(&world{calls: calls}).perAction(b, runs, 16)
}

// BenchmarkGuard is the last look before a signature.
func BenchmarkGuard(b *testing.B) {
	for _, path := range []swap.Path{swap.PathEOA, swap.PathResolver} {
		b.Run(path.String(), func(b *testing.B) {
			g := newGuarded(b, swap.OneInchV11, swap.Dst, swap.Withdraw, path)
			b.ReportAllocs()
			for b.Loop() {
				if err := g.check(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
