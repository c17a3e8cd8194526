package txn_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// Costs of the outside for the benchmarks below, in time that passes in a bubble
// and not on the machine: a signature of a key service, a call to a node, a write
// to the journal.
const (
	signTime  = 30 * time.Millisecond
	callTime  = 10 * time.Millisecond
	writeTime = 15 * time.Millisecond
)

// far is the outside at a distance.
type far struct {
	seam
	signed, called, written int
}

func (f *far) wait(d time.Duration, count *int) {
	f.mu.Lock()
	*count++
	f.mu.Unlock()
	time.Sleep(d)
}

func (f *far) Sign(ctx context.Context, a common.Address, h common.Hash) ([65]byte, error) {
	f.wait(signTime, &f.signed)
	return f.seam.Sign(ctx, a, h)
}

func (f *far) Rehearse(ctx context.Context, c txn.Call, at swap.ChainTime) (txn.Rehearsal, error) {
	f.wait(callTime, &f.called)
	return f.seam.Rehearse(ctx, c, at)
}

func (f *far) Send(ctx context.Context, chain uint64, raw []byte) error {
	f.wait(callTime, &f.called)
	return f.seam.Send(ctx, chain, raw)
}

func (f *far) Account(ctx context.Context, a txn.Account, depth uint64) (txn.AccountState, error) {
	f.wait(callTime, &f.called)
	return f.seam.Account(ctx, a, depth)
}

func (f *far) Head(ctx context.Context, chain uint64) (swap.Block, time.Duration, error) {
	f.wait(callTime, &f.called)
	return f.seam.Head(ctx, chain)
}

func (f *far) Outcomes(ctx context.Context, chain uint64, hashes []common.Hash) ([]txn.Outcome, error) {
	if len(hashes) > 0 {
		f.wait(callTime, &f.called)
	}
	return f.seam.Outcomes(ctx, chain, hashes)
}

func (f *far) Record(ctx context.Context, fence txn.Fence, e txn.Entry, works []swap.Work) error {
	f.wait(writeTime, &f.written)
	return f.seam.Record(ctx, fence, e, works)
}

// BenchmarkRush sends 500 claims that fall due in the same block, with a key
// service, a node and a store at a distance: seconds to the last broadcast by
// the clock of the bubble, and what each action takes of the outside.
func BenchmarkRush(b *testing.B) {
	const actions = 500
	for _, c := range []struct {
		name  string
		claim func(*world, int)
	}{
		{"account", func(w *world, n int) { w.claims(n) }},
		{"contract", func(w *world, n int) { w.resolverClaims(n) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				synctest.Test(new(testing.T), func(t *testing.T) {
					w := newWorld(t, 1)
					c.claim(w, actions)
					w.parallel, w.waits = 8, true
					h := w.take(srcChain)
					f := &far{seam: seam{w, h}}
					d := w.drainer(h)
					d.Signer, d.Backend, d.Journal = f, f, f
					start := time.Now()
					b.StartTimer()
					res, err := d.Drain(t.Context(), w.account(srcChain), h)
					b.StopTimer()
					if err != nil || res.Sent != actions {
						b.Fatalf("%+v, %v", res, err)
					}
					b.ReportMetric(time.Since(start).Seconds(), "s-to-last")
					b.ReportMetric(float64(f.signed), "signatures")
					b.ReportMetric(float64(f.called)/actions, "rpc/action")
					b.ReportMetric(float64(f.written)/actions, "writes/action")
					gas := uint64(0)
					for _, e := range w.entries() {
						gas += e.Txs[0].Gas
					}
					b.ReportMetric(float64(gas)/actions, "gaslimit/action")
				})
				b.StartTimer()
			}
		})
	}
}

// queue makes n swaps whose src legs are to be cancelled now, and their work.
func (w *world) queue(n int) {
	for i := range n {
		w.swapOf(w.signer, swap.OneInchV1, [32]byte{7, byte(i), byte(i >> 8)}, true)
	}
	w.until(610)
	w.syncAll()
	views := w.views()
	for _, id := range w.ids {
		c, err := w.plan(id, views)
		if err != nil {
			w.fail("%v", err)
		}
		for _, next := range swap.Diff(c.State, c.Decision, nil) {
			if err := w.works.Save(context.Background(), next); err != nil {
				w.fail("%v", err)
			}
		}
	}
}

// BenchmarkQueue is one pass over 10,000 queued actions of an account: what a
// block costs however long the queue is, in time and memory.
func BenchmarkQueue(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint("queued=", n), func(b *testing.B) {
			w := newWorld(b, 1)
			w.queue(n)
			w.chains[srcChain].full = true
			w.sent() // the pool is full from here on
			w.calls = nil
			planned := 0
			w.planned = func(ids []swap.OrderID) { planned += len(ids) }
			runs := 0
			b.ReportAllocs()
			for b.Loop() {
				runs++
				if _, err, _ := w.drain(context.Background(), srcChain); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(planned)/float64(runs), "planned/pass")
		})
	}
}
