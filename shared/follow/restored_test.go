package follow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/follow/followtest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// A system that is restored from a snapshot ends every swap that was open, also
// those that began after it: whatever it says, its marks are older than its
// orders, which were read after them, and both are older than the chains. In the
// end the orders are what they would be without the loss, but for those that the
// snapshot left out because they were closed.
func TestRestoredFromASnapshot(t *testing.T) {
	// Three swaps, each a stage behind the one before it.
	script := func(w *world) (steps []func()) {
		a, b := w.chains[chainA], w.chains[chainB]
		first, second, third := w.trade(swap.OneInchV1), w.trade(swap.OneInchV11), w.trade(swap.BMNv4)
		return []func(){
			func() { a.mine(first.createSrc(taker)) },
			func() { b.mine(first.createTrueDst(taker)) },
			func() { a.mine(second.createSrc(taker)) },
			func() { b.mine(first.withdraw("dst"), second.createTrueDst(taker)) },
			func() { w.later(12 * confirmations) },
			func() { a.mine(first.withdraw("src"), third.createSrc(taker)) },
			func() { b.mine(second.withdraw("dst"), third.createTrueDst(taker)) },
			func() { w.later(12 * confirmations) },
			func() { w.later(12 * rewindDepth) },
			func() { a.mine(second.withdraw("src")) },
			func() { b.mine(third.withdraw("dst")) },
			func() { a.mine(third.withdraw("src")) },
			func() { w.later(12 * confirmations) },
		}
	}
	n := len(script(newWorld(t)))
	left := 0
	for marksAt := range n {
		for ordersAt := marksAt; ordersAt < min(n, marksAt+3); ordersAt++ {
			w := newWorld(t)
			w.pass()
			var marks []swap.Provisional
			var orders []swap.Order
			closed := map[swap.OrderID]bool{}
			for i, step := range script(w) {
				step()
				w.pass()
				if i == marksAt {
					marks = []swap.Provisional{w.stored(chainA), w.stored(chainB)}
				}
				if i == ordersAt {
					w.orders.Each(func(o *swap.Order) { closed[o.ID] = o.Closed })
					orders = slices.DeleteFunc(w.orders.All(), func(o swap.Order) bool { return o.Closed })
				}
			}
			w.settle()
			want := w.snapshot()

			w.orders, w.facts, w.parked = followtest.NewOrders(w.Faults), followtest.NewFacts(w.Faults), followtest.NewParked(w.Faults, parkRoom, 24*time.Hour)
			w.actions = watchtest.NewActions(w.Faults)
			for _, o := range orders {
				o.Version = 0
				if err := w.orders.Save(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range marks {
				if err := w.facts.Replace(t.Context(), swap.Provisional{ChainID: p.ChainID}, p); err != nil {
					t.Fatal(err)
				}
			}
			w.settle()
			got := w.snapshot()
			for _, o := range got {
				if !o.Closed {
					t.Errorf("marks of step %d, orders of step %d: %s", marksAt, ordersAt, pretty(o))
				}
			}
			kept := slices.DeleteFunc(slices.Clone(want), func(o swap.Order) bool { return closed[o.ID] })
			left += len(want) - len(kept)
			if d := diff(kept, got); d != "" {
				t.Errorf("marks of step %d, orders of step %d:\n%s", marksAt, ordersAt, d)
			}
		}
	}
	if left == 0 {
		t.Error("no swap was closed before a snapshot: this proves less than it says")
	}
}
