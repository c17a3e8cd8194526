package txn_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// failFrom makes some calls fail, from the n-th of their kind on.
func (w *world) failFrom(op string, n, times int) {
	seen := 0
	w.fault = func(_ int, o string) fault {
		if o == op {
			seen++
		}
		if o == op && seen >= n && seen < n+times {
			return refuse
		}
		return fine
	}
}

// An error of the outside near a hard deadline costs a block, not the time until
// somebody rings again.
func TestErrorsNearADeadline(t *testing.T) {
	for op, times := range map[string]int{"backend.rehearse": 1, "backend.data": 1, "sign": 1, "decide": 1, "backend.send": 1} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.claims(1)
				w.until(540) // hard deadline at 600
				w.syncAll()
				w.failFrom(op, 1, times)
				w.waits = true
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				res, err, _ := w.drain(ctx, srcChain)
				if !errors.Is(err, errFault) || res.Sent != 1 {
					t.Errorf("%+v, %v", res, err)
				}
				if w.ended(w.orders[w.ids[0]].Src) != swap.Withdrawn {
					t.Error("not claimed")
				}
			})
		})
	}
}

// A journal that cannot be written, or an account that cannot be read, ends a
// drain; what it leaves is rung for.
func TestErrorsThatEndADrainRing(t *testing.T) {
	t.Run("journal", func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(1)
		w.until(540)
		w.syncAll()
		w.failFrom("journal.record", 1, 2)
		res, err, _ := w.drain(t.Context(), srcChain)
		if !errors.Is(err, errFault) || res.Sent != 0 || !w.rung[srcChain] {
			t.Errorf("%+v, %v, rung %v", res, err, w.rung)
		}
	})
	t.Run("account", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			w.claims(40)
			w.waits = true
			w.failFrom("backend.account", 2, 1)
			res, err, _ := w.drain(t.Context(), srcChain)
			if !errors.Is(err, errFault) || res.Sent != 16 || !w.rung[srcChain] {
				t.Errorf("%+v, %v, rung %v", res, err, w.rung)
			}
		})
	})
}

// A head that cannot be read once does not end the waiting.
func TestWaitingOutlastsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.alone(594)
		w.waits = true
		w.failFrom("backend.head", 1, 1)
		w.expect("drain", w.sent(), txn.Drained{Sent: 1})
	})
}
