package watch_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
	"github.com/ethereum/go-ethereum/common"
)

const (
	srcChain = uint64(1)
	dstChain = uint64(10)
	horizon  = int64(60)
	epoch    = swap.ChainTime(1_750_000_000)
)

func TestReplan(t *testing.T) {
	r := newRig()
	o := r.put(t, paid)
	r.at(210)
	res := r.sweep(t)
	if res.Orders != 1 || res.Saved != 1 || res.Rung != 1 || res.Findings == 0 || res.Conflicts != 0 {
		t.Errorf("%+v", res)
	}
	work := r.actions.All()
	if len(work) != 1 || work[0].Call != swap.Withdraw || work[0].Order != o.ID || work[0].State != swap.WorkPlanned {
		t.Fatalf("%+v", work)
	}
	if got := r.load(t, o.ID).Wakes; got != (swap.Wakes{Src: epoch + 100}) {
		t.Errorf("wakes %+v", got)
	}
	// Looking again rings again and writes nothing.
	r.sweep(t)
	before := r.state()
	for range 3 {
		if res := r.sweep(t); res.Saved != 0 || res.Rung != 1 {
			t.Errorf("again: %+v", res)
		}
	}
	if got := r.state(); got != before || r.faults.Calls("orders.wakes") != 1 || r.faults.Calls("actions.save") != 1 {
		t.Errorf("looking writes: %d wakes, %d actions\n%s", r.faults.Calls("orders.wakes"), r.faults.Calls("actions.save"), got)
	}
	// Done: the work ends, and the order waits to be closed by who writes it.
	p := r.facts[srcChain]
	p.Events = []swap.EscrowEvent{{ChainID: srcChain, Escrow: o.ID.Escrow, Kind: swap.Withdrawn, Secret: [32]byte{1}, At: watchtest.Position(1205)}}
	r.facts[srcChain] = p
	if res := r.sweep(t); res.Saved != 1 || len(r.actions.All()) != 0 || r.actions.History(o.ID)[0].State != swap.WorkByOther {
		t.Errorf("%+v %v", res, r.actions.History(o.ID))
	}
	if got := r.load(t, o.ID).Wakes; got.Src == 0 {
		t.Error("an order that is not closed never wakes")
	}
}

// The order of effects: work, rings and findings, wakes. Whatever fails,
// whether it was applied or not, the next sweep finds the order and ends in the
// same state.
func TestReplanSurvivesEveryFailure(t *testing.T) {
	scene := func() *rig {
		r := newRig()
		r.put(t, paid)
		r.put(t, nil) // dst to be cancelled
		r.at(260)
		return r
	}
	clean := scene()
	prepared := len(clean.faults.Log())
	clean.sweep(t)
	calls := clean.faults.Log()[prepared:]
	clean.sweep(t) // as often as the others
	want := clean.state()
	if i, j := slices.Index(calls, "actions.save"), slices.Index(calls, "orders.wakes"); i < 0 || j < 0 || i > j ||
		j < slices.Index(calls, "ring") || j < slices.Index(calls, "report") {
		t.Fatalf("order of effects: %v", calls)
	}
	for n, call := range calls {
		for _, fault := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
			r, i := scene(), 0
			var mu sync.Mutex
			r.faults.Fail(func(string) faulttest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if i++; i == n+1 {
					return fault
				}
				return faulttest.OK
			})
			if _, err := r.Sweep(t.Context(), watch.Overdue); err == nil {
				t.Errorf("%s (call %d, fault %d): no error", call, n, fault)
			}
			r.faults.Fail(nil)
			r.sweep(t)
			r.sweep(t) // a delay is told of work that was stored before
			if got := r.state(); got != want {
				t.Errorf("%s (call %d, fault %d) leaves\n%s\nwant\n%s", call, n, fault, got, want)
			}
		}
	}
}

// Who was not told is told by the next sweep: the order stays due.
func TestReplanKeepsOrdersDueUntilAllIsTold(t *testing.T) {
	for _, op := range []string{"ring", "report", "actions.save"} {
		r := newRig()
		o := r.put(t, paid)
		r.at(210)
		r.faults.Fail(func(call string) faulttest.Fault { return map[string]faulttest.Fault{op: faulttest.Refused}[call] })
		if _, err := r.Sweep(t.Context(), watch.Upcoming); err == nil {
			t.Errorf("%s failed without an error", op)
		}
		if got := r.load(t, o.ID).Wakes; got != o.Wakes {
			t.Errorf("after %s failed the order wakes at %+v", op, got)
		}
	}
}

// What cannot be seen is no reason to give up what was decided on it.
func TestReplanLeavesUnreadChainsAlone(t *testing.T) {
	r := newRig()
	o := r.put(t, nil)
	r.at(260)
	r.sweep(t)
	before, wakes := r.state(), r.load(t, o.ID).Wakes
	if len(r.actions.All()) != 2 || wakes.Dst == 0 {
		t.Fatalf("%s", before)
	}
	r.broken["head 10"] = true
	for range 2 {
		if _, err := r.Sweep(t.Context(), watch.Upcoming); err == nil {
			t.Error("no error")
		}
	}
	if got := r.load(t, o.ID).Wakes; got.Dst != wakes.Dst {
		t.Errorf("dst wake moved from %d to %d", wakes.Dst, got.Dst)
	}
	if n := len(r.actions.All()); n != 2 {
		t.Errorf("%d items of work", n)
	}
	writes := r.faults.Calls("orders.wakes")
	delete(r.broken, "head 10")
	r.sweep(t)
	if got := r.state(); got != before || r.faults.Calls("orders.wakes") > writes+1 {
		t.Errorf("after the outage\n%s\nbefore\n%s", got, before)
	}
}

// An order that will most likely end before any call of ours is due costs no
// item of work until then.
func TestReplanStoresWithinTheHorizon(t *testing.T) {
	r := newRig()
	r.put(t, nil)
	for _, c := range []struct{ at, items int }{{10, 0}, {189, 0}, {190, 1}, {260, 2}} {
		r.at(int64(c.at))
		r.sweep(t)
		if n := len(r.actions.All()); n != c.items {
			t.Errorf("at %d: %d items, want %d", c.at, n, c.items)
		}
	}
}

// Somebody faster is not an error, and does not move the wake times.
func TestReplanConflicts(t *testing.T) {
	r := newRig()
	o := r.put(t, paid)
	r.at(210)
	r.Actions = faster{r.actions}
	res, err := r.Sweep(t.Context(), watch.Upcoming)
	if err != nil || res.Conflicts != 1 || res.Saved != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if got := r.load(t, o.ID); got.Wakes != o.Wakes {
		t.Errorf("wakes moved to %+v", got.Wakes)
	}
	r.Actions = r.actions
	r.Orders = fasterOrders{r.orders}
	if res, err = r.Sweep(t.Context(), watch.Upcoming); err != nil || res.Conflicts != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// faster writes every item before the caller does.
type faster struct{ *watchtest.Actions }

func (f faster) Save(ctx context.Context, w swap.Work) error {
	first := w
	first.AtRisk.AddUint64(&first.AtRisk, 1)
	if err := f.Actions.Save(ctx, first); err != nil {
		return err
	}
	return f.Actions.Save(ctx, w)
}

type fasterOrders struct{ *watchtest.Orders }

func (f fasterOrders) SetWakes(ctx context.Context, o swap.Order, w swap.Wakes) error {
	if err := f.Orders.SetWakes(ctx, o, swap.Wakes{Src: 1}); err != nil {
		return err
	}
	return f.Orders.SetWakes(ctx, o, w)
}

// A taker whose work cannot be read keeps his orders due. What they want is
// stored all the same, and what is stored already is left alone.
func TestReplanWithUnreadableWork(t *testing.T) {
	r := newRig()
	bad, good := r.put(t, paid), r.put(t, paid)
	r.at(210)
	r.Actions = unreadable{r.actions, bad.Src.Immutables.TakerAddress()}
	var stored []swap.Work
	for pass := range 2 {
		res, err := r.Sweep(t.Context(), watch.Upcoming)
		if err == nil || res.Rung == 0 {
			t.Errorf("pass %d: %+v, %v", pass, res, err)
		}
		all := r.actions.All()
		slices.SortFunc(all, func(a, b swap.Work) int { return a.Escrow.Cmp(b.Escrow) })
		if pass == 0 {
			stored = all
		}
		if len(all) != 2 || !reflect.DeepEqual(all, stored) {
			t.Errorf("pass %d: %+v, want two as they were stored first: %+v", pass, all, stored)
		}
		if r.load(t, bad.ID).Wakes != bad.Wakes {
			t.Errorf("pass %d: the order is not due any more", pass)
		}
	}
	if r.load(t, good.ID).Wakes == good.Wakes {
		t.Error("the other order waits too")
	}
}

type unreadable struct {
	*watchtest.Actions
	taker common.Address
}

func (u unreadable) Live(ctx context.Context, chain uint64, taker common.Address) ([]swap.Work, error) {
	if taker == u.taker {
		return nil, errors.New("throttled")
	}
	return u.Actions.Live(ctx, chain, taker)
}

// Work of a closed order is given up; closed orders are not swept.
func TestReplanClosedOrder(t *testing.T) {
	r := newRig()
	o := r.put(t, paid)
	r.at(210)
	r.sweep(t)
	o = r.load(t, o.ID)
	o.Closed, o.Wakes = true, swap.Wakes{}
	views, facts, err := r.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Replan(t.Context(), []swap.Order{o}, facts, views)
	if err != nil || res.Saved != 1 || len(r.actions.All()) != 0 || r.faults.Calls("orders.wakes") != 1 {
		t.Errorf("%+v, %v, %d items", res, err, len(r.actions.All()))
	}
}

// Many orders at once: all are written, several at a time and never too many.
func TestReplanBoundsItsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		const n = 60
		for range n {
			r.put(t, paid)
		}
		r.at(210)
		slow := &counting{Actions: r.actions}
		r.Actions = slow
		if res := r.sweep(t); res.Saved != n {
			t.Errorf("%+v", res)
		}
		if slow.most < 2 || slow.most > 16 {
			t.Errorf("%d writes at once", slow.most)
		}
	})
}

// counting takes a second of the bubble's time to write, in which whoever else
// writes is counted.
type counting struct {
	*watchtest.Actions
	mu        sync.Mutex
	now, most int
}

func (c *counting) Save(ctx context.Context, w swap.Work) error {
	c.mu.Lock()
	c.now++
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	time.Sleep(time.Second)
	err := c.Actions.Save(ctx, w)
	c.mu.Lock()
	c.now--
	c.mu.Unlock()
	return err
}
