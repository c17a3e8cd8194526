package txn_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// alone makes a src leg that is cancelled at 600, the dst logs being read.
func (w *world) alone(seconds int64) {
	w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, true)
	w.until(seconds)
	for w.chains[dstChain].head().Time < simStart.Add(640) {
		w.chains[dstChain].mine(20)
	}
	w.syncAll()
	w.sweep()
}

// Where block times are fixed the transaction is out when the next block is
// the first legal one; where not, when the head itself is legal. It waits for
// that if it is a few seconds away.
func TestWaitingForTheFirstLegalBlock(t *testing.T) {
	for _, c := range []struct {
		name    string
		regular bool
		from    int64 // head time at the start
		sent    int64 // head time at which it is sent, 0: not in this drain
	}{
		{"regular, due", true, 598, 598},
		{"regular, past", true, 604, 604},
		{"regular, at the limit of waiting", true, 590, 598},
		{"regular, beyond it", true, 588, 0},
		{"irregular, due", false, 600, 600},
		{"irregular, one block early", false, 598, 600},
		{"irregular, at the limit of waiting", false, 592, 600},
		{"irregular, beyond it", false, 590, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.configs[srcChain] = txn.ChainConfig{Regular: c.regular, PoolCap: 16, Confirmations: confirmations}
				w.alone(c.from)
				w.waits = true
				res := w.sent()
				if c.sent == 0 {
					w.expect("drain", res, txn.Drained{Waiting: 1})
					return
				}
				w.expect("drain", res, txn.Drained{Sent: 1})
				if got := w.entries()[0].Txs[0].Head.Time; got != simStart.Add(c.sent) {
					t.Errorf("sent at %d, want %d", got-simStart, c.sent)
				}
			})
		})
	}
}

// Two actions whose times are a little apart are both waited for.
func TestWaitingForSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, true)
		w.chains[srcChain].mine(4)
		w.swapOf(w.signer, swap.OneInchV1, [32]byte{2}, true)
		w.alone(594)
		w.waits = true
		w.expect("drain", w.sent(), txn.Drained{Sent: 3})
		for i, want := range []int64{598, 602, 602} {
			if got := w.entries()[i].Txs[0].Head.Time; got != simStart.Add(want) {
				t.Errorf("%d sent at %d, want %d", i, got-simStart, want)
			}
		}
	})
}

func TestWaitingEnds(t *testing.T) {
	setup := func(t *testing.T) *world {
		w := newWorld(t, 1)
		w.alone(592)
		w.waits = true
		return w
	}
	t.Run("the chain stands still", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := setup(t)
			w.chains[srcChain].halted = true
			start := time.Now()
			w.expect("drain", w.sent(), txn.Drained{Waiting: 1})
			if d := time.Since(start); d < 20*time.Second || d > 25*time.Second {
				t.Errorf("waited %s", d)
			}
		})
	})
	t.Run("the deadline leaves a reserve", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := setup(t)
			w.chains[srcChain].halted = true
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			defer cancel()
			res, err, _ := w.drain(ctx, srcChain)
			if left, _ := ctx.Deadline(); err != nil || res.Waiting != 1 || time.Until(left) < 2*time.Second || time.Until(left) > 3*time.Second {
				t.Errorf("%+v, %v, %s left", res, err, time.Until(left))
			}
		})
	})
	t.Run("too little time to begin with", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := setup(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			start := time.Now()
			if res, err, _ := w.drain(ctx, srcChain); err != nil || res.Waiting != 1 || time.Since(start) != 0 {
				t.Errorf("%+v, %v, %s", res, err, time.Since(start))
			}
		})
	})
	t.Run("the work is cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := setup(t)
			w.chains[srcChain].halted = true
			lost := errors.New("lease lost")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(3*time.Second, func() { cancel(lost) })
			start := time.Now()
			if _, err, _ := w.drain(ctx, srcChain); !errors.Is(err, lost) || time.Since(start) != 3*time.Second {
				t.Errorf("%v after %s", err, time.Since(start))
			}
		})
	})
	t.Run("plans are made at an older head", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := setup(t)
			w.chains[srcChain].halted = true
			w.stale = func() uint64 { return 1 }
			w.expect("drain", w.sent(), txn.Drained{Waiting: 1})
			if n := len(slices.DeleteFunc(w.calls, func(op string) bool { return op != "decide" })); n != 2 {
				t.Errorf("planned %d times for one block", n)
			}
		})
	})
	t.Run("the head cannot be read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := setup(t)
			w.fault = func(_ int, op string) fault {
				if op == "backend.head" {
					return refuse
				}
				return fine
			}
			if res, err, _ := w.drain(t.Context(), srcChain); !errors.Is(err, errFault) || res.Sent != 0 {
				t.Errorf("%+v, %v", res, err)
			}
		})
	})
}
