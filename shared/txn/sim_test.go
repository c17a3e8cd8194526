package txn_test

import (
	"testing"
	"testing/synctest"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// until mines blocks up to a time after the start of the world, the last few of
// them at their usual distance.
func (w *world) until(seconds int64) {
	for _, c := range w.chains {
		end := simStart.Add(seconds)
		if left := end - c.head().Time - (confirmations+1)*c.step; left > 0 {
			c.mine(left)
		}
		for c.head().Time < end {
			c.mine(min(c.step, end-c.head().Time))
		}
	}
}

// script is a short story with every kind of action: a claim whose secret was
// shown by a stranger, a swap that nobody completes, a src leg without dst.
func (w *world) script() {
	w.waits = true
	secret := [32]byte{1}
	claim := w.swapOf(w.signer, swap.OneInchV1, secret, false)
	w.swapOf(w.resolver, swap.OneInchV11, [32]byte{2}, false)
	w.swapOf(w.signer, swap.BMNv4, [32]byte{3}, true)
	w.until(22)
	w.chains[dstChain].strange(claim.Dsts[0].Leg, swap.PublicWithdraw, secret)
	w.until(25)
	w.around()
	w.until(38)
	w.around()
	w.until(76) // dst is cancellable at 80
	w.around()
	w.until(90)
	w.around()
	w.until(597) // src is cancellable at 600
	w.around()
	w.until(620)
	w.around()
}

// right checks the ends that the script has to come to.
func (w *world) right() {
	want := []struct{ src, dst swap.EventKind }{{swap.Withdrawn, swap.Withdrawn}, {swap.Cancelled, swap.Cancelled}, {swap.Cancelled, 0}}
	for i, id := range w.ids {
		o := w.orders[id]
		if got := w.ended(o.Src); got != want[i].src {
			w.fail("swap %d: src is %v, want %v", i, got, want[i].src)
		}
		if want[i].dst != 0 && w.ended(o.Dsts[0]) != want[i].dst {
			w.fail("swap %d: dst is %v, want %v", i, w.ended(o.Dsts[0]), want[i].dst)
		}
	}
}

func TestScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.script()
		w.heal()
		w.right()
		for _, l := range w.trace {
			t.Log(l)
		}
		for _, f := range w.findings {
			t.Errorf("finding %+v", f)
		}
	})
}

// Every call of the executor and the tracker to the outside fails once in every
// way; then the world goes on. Nothing is lost, nothing is done twice.
func TestEveryCallFailsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.script()
		w.heal()
		calls := w.calls
		t.Logf("%d calls", len(calls))
		for f := refuse; f < faults; f++ {
			for at, op := range calls {
				if (f == lose || f == killAfter) && !writes[op] {
					continue // the same as refuse and killFirst
				}
				if testing.Short() && (at+int(f))%5 != 0 {
					continue // slow with the race detector; without it, none is left out
				}
				w := newWorld(t, 1)
				w.fault = func(n int, op string) fault {
					if n == at {
						return f
					}
					return fine
				}
				w.onGoing = w.around
				w.note("%s at call %d, %s", f, at, op)
				w.script()
				w.heal()
				w.right()
			}
		}
	})
}

// writes are the calls that change something.
var writes = map[string]bool{"journal.record": true, "journal.settle": true, "journal.reopen": true, "works.save": true, "backend.send": true, "report": true, "ring": true}
