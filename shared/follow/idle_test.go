package follow_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// A pass with nothing new costs the same few calls whatever is open, and one
// write a chain: the marks.
func TestIdlePass(t *testing.T) {
	w, tr := started(t, swap.OneInchV1)
	w.pass()
	for range 3 {
		w.later(36)
		before := map[string]int{}
		for _, op := range w.Log() {
			before[op]++
		}
		w.pass()
		want := map[string]int{"facts.read": 2, "facts.replace": 2, "orders.watched": 2, "orders.due": 4}
		for _, chain := range []string{"1", "2"} {
			want["rpc.head."+chain], want["rpc.block."+chain], want["rpc.logs."+chain] = 1, 1, 2
		}
		got := map[string]int{}
		for _, op := range w.Log() {
			got[op]++
		}
		for op, n := range before {
			if got[op] -= n; got[op] == 0 {
				delete(got, op)
			}
		}
		if d := diff(want, got); d != "" {
			t.Errorf("calls (-want +got):\n%s", d)
		}
	}
	w.want(tr, swap.LegOpen, swap.LegOpen)
}

// idle is chains on which nothing happens and a store full of open swaps. It
// copies nothing, so that what is measured is the pass.
type idle struct {
	mu    sync.Mutex // of what a pass changes; it reads its chains at once
	head  uint64
	rows  map[uint64][]follow.Watched
	facts map[uint64]swap.Provisional
	// calls counts what a reader with this address chunk sends for logs.
	calls, chunk int
	writes       int
}

func (i *idle) at(chain, number uint64) swap.Block {
	return swap.Block{Number: number, Time: simEpoch + swap.ChainTime(2*number), Hash: hashOf(fmt.Sprint(chain, number))}
}

func (i *idle) called(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls += n
}

func (i *idle) Head(_ context.Context, chain uint64) (swap.Block, time.Duration, error) {
	i.called(1)
	return i.at(chain, i.head), 0, nil
}

func (i *idle) Block(_ context.Context, chain, number uint64) (swap.Block, error) {
	i.called(1)
	return i.at(chain, number), nil
}

func (i *idle) Logs(_ context.Context, q follow.Query) (follow.Span, error) {
	chunks := func(n int) int { return (n + i.chunk - 1) / i.chunk }
	i.called(2 + chunks(len(q.Factories)) + chunks(len(q.Escrows)))
	return follow.Span{End: i.at(q.ChainID, q.To)}, nil
}

func (i *idle) Load(context.Context, []swap.OrderID) ([]swap.Order, error) { return nil, nil }
func (i *idle) Save(context.Context, swap.Order) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.writes++
	return nil
}
func (i *idle) Due(context.Context, uint64, swap.Side, swap.ChainTime) ([]swap.OrderID, error) {
	return nil, nil
}
func (i *idle) Watched(_ context.Context, chain uint64) ([]follow.Watched, error) {
	return i.rows[chain], nil
}
func (i *idle) Provisional(_ context.Context, chain uint64) (swap.Provisional, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.facts[chain], nil
}
func (i *idle) Replace(_ context.Context, _, next swap.Provisional) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.writes++
	i.facts[next.ChainID] = next
	return nil
}

// idleWith has so many open swaps, each with an escrow on either chain.
func idleWith(t testing.TB, swaps int) (*idle, *follow.Follower) {
	w := newWorld(t)
	i := &idle{head: 1000, chunk: 1000, rows: map[uint64][]follow.Watched{}, facts: map[uint64]swap.Provisional{}}
	for n := range swaps {
		src, dst := named(fmt.Sprint("src", n)), named(fmt.Sprint("dst", n))
		id := swap.OrderID{ChainID: chainA, Escrow: src}
		i.rows[chainA] = append(i.rows[chainA], follow.Watched{Escrow: src, Order: id, Hashlock: hashOf(fmt.Sprint("lock", n)), Side: swap.Src})
		i.rows[chainB] = append(i.rows[chainB], follow.Watched{Escrow: dst, Order: id, Hashlock: hashOf(fmt.Sprint("lock", n)), Side: swap.Dst})
	}
	f := w.follower()
	f.Chain, f.Probe, f.Orders, f.Facts, f.Parked = i, nil, i, i, nil
	for _, id := range []uint64{chainA, chainB} {
		i.facts[id] = swap.Provisional{ChainID: id}
	}
	if _, err := f.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	return i, f
}

func BenchmarkIdlePass(b *testing.B) {
	for _, swaps := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint(swaps, " swaps"), func(b *testing.B) {
			i, f := idleWith(b, swaps)
			i.calls, i.writes = 0, 0
			b.ReportAllocs()
			for b.Loop() {
				i.head += 30
				if res, err := f.Pass(b.Context()); err != nil || !res.Complete {
					b.Fatal(res, err)
				}
			}
			b.ReportMetric(float64(i.calls)/2/float64(b.N), "calls/chain")
			b.ReportMetric(float64(i.writes)/2/float64(b.N), "writes/chain")
		})
	}
}

// The JSON-RPC calls of an idle pass are c + 2⌈escrows/chunk⌉ per chain.
func TestIdleCalls(t *testing.T) {
	const c = 8
	for _, swaps := range []int{0, 10, 1_000, 1_001, 10_000} {
		i, f := idleWith(t, swaps)
		i.calls, i.writes, i.head = 0, 0, i.head+40
		if _, err := f.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := 2 * (c + 2*((swaps+i.chunk-1)/i.chunk)); i.calls != want || i.writes != 2 {
			t.Errorf("%d swaps: %d calls, want %d; %d writes", swaps, i.calls, want, i.writes)
		}
	}
}
