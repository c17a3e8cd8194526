package watch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
	"github.com/ethereum/go-ethereum/common"
)

// One chain that does not answer hides no order of another.
func TestSweepWithAChainDown(t *testing.T) {
	for _, c := range []struct {
		broken string
		orders int    // looked at
		want   string // state of the work
	}{
		{"head 10", 1, "src withdraw"},
		{"facts 10", 1, "src withdraw"},
		{"head 1", 0, ""},
		{"facts 1", 0, ""},
	} {
		r := newRig()
		o := r.put(t, paid)
		r.at(210)
		r.broken[c.broken] = true
		res, err := r.Sweep(t.Context(), watch.Upcoming)
		if err == nil || res.Orders != c.orders {
			t.Errorf("%s: %+v, %v", c.broken, res, err)
		}
		var got []string
		for _, w := range r.actions.All() {
			got = append(got, fmt.Sprint(w.Side, " ", w.Call))
		}
		if strings.Join(got, ",") != c.want {
			t.Errorf("%s: %v, want %s", c.broken, got, c.want)
		}
		if w := r.load(t, o.ID).Wakes; w.Src == 0 || w.Src > epoch+210 {
			t.Errorf("%s: the order is not due any more: %+v", c.broken, w)
		}
	}
}

// stalled is a chain of which no head comes before the caller gives up.
type stalled struct {
	watch.Heads
	chain uint64
}

func (s stalled) Head(ctx context.Context, chain uint64) (swap.Block, time.Duration, error) {
	if chain != s.chain {
		return s.Heads.Head(ctx, chain)
	}
	<-ctx.Done()
	return swap.Block{}, 0, context.Cause(ctx)
}

// A chain whose endpoints keep everybody waiting leaves the others the time to
// be looked after, in a sweep as before a signature.
func TestAStalledChainLeavesTimeForTheOthers(t *testing.T) {
	for _, c := range []struct{ whole, most time.Duration }{{9 * time.Second, 5 * time.Second}, {time.Minute, 6 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			o := r.put(t, paid)
			r.at(210)
			r.Heads = stalled{r, dstChain}
			ctx, cancel := context.WithTimeout(t.Context(), c.whole)
			defer cancel()
			start := time.Now()
			cases, _, err := r.Decide(ctx, []swap.OrderID{o.ID})
			if took := time.Since(start); err == nil || len(cases) != 1 || took > c.most {
				t.Errorf("%d cases, %v, after %s", len(cases), err, took)
			}
			res, err := r.Sweep(ctx, watch.Upcoming)
			if err == nil || res.Orders != 1 || len(r.actions.All()) != 1 || ctx.Err() != nil {
				t.Errorf("%+v, %v, work %v", res, err, r.actions.All())
			}
		})
	}
}

func TestSweepSelections(t *testing.T) {
	r := newRig()
	o := r.put(t, func(o *swap.Order) { o.Wakes = swap.Wakes{Src: epoch + 300, Dst: epoch + 250} })
	for _, c := range []struct {
		at              int64
		upcoming, after int // orders seen
	}{{189, 0, 0}, {190, 1, 0}, {249, 1, 0}, {250, 1, 1}} {
		r.at(c.at)
		for sel, want := range map[watch.Selection]int{watch.Upcoming: c.upcoming, watch.Overdue: c.after} {
			res, err := r.Sweep(t.Context(), sel)
			if err != nil || res.Orders != want {
				t.Errorf("at %d selection %d: %+v, %v", c.at, sel, res, err)
			}
			cur := r.load(t, o.ID)
			cur.Wakes = swap.Wakes{Src: epoch + 300, Dst: epoch + 250}
			if err := r.orders.Save(t.Context(), cur); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An order found in a history that is still being read is not planned, even if
// an index shows it or somebody asks.
func TestSweepLeavesHeldOrdersAlone(t *testing.T) {
	r := newRig()
	o := r.put(t, func(o *swap.Order) { paid(o); o.Held = true })
	r.at(210)
	if res := r.sweep(t); res.Orders != 0 || len(r.actions.All()) != 0 || len(r.rung) != 0 {
		t.Errorf("%+v", res)
	}
	if cases, _, err := r.Decide(t.Context(), []swap.OrderID{o.ID}); err != nil || len(cases) != 0 {
		t.Errorf("%v, %v", cases, err)
	}
}

func TestDecide(t *testing.T) {
	r := newRig()
	o := r.put(t, paid)
	r.at(210)
	missing := swap.OrderID{ChainID: srcChain, Escrow: common.Address{9}}
	cases, views, err := r.Decide(t.Context(), []swap.OrderID{o.ID, missing})
	if err != nil || len(cases) != 1 || len(views) != 2 || cases[o.ID].Decision.Actions[0].Call != swap.Withdraw {
		t.Errorf("%v, %v", cases, err)
	}
	for _, write := range []string{"actions.save", "orders.wakes", "orders.save", "ring", "report"} {
		if n := r.faults.Calls(write); n != map[string]int{"orders.save": 1}[write] {
			t.Errorf("deciding calls %s %d times", write, n)
		}
	}
	r.broken["head 10"] = true // the dst view is Plan's business
	if cases, views, err = r.Decide(t.Context(), []swap.OrderID{o.ID}); err == nil || len(cases) != 1 || len(views) != 1 {
		t.Errorf("%v, %v", cases, err)
	}
	r.broken["head 1"] = true
	if cases, _, err = r.Decide(t.Context(), []swap.OrderID{o.ID}); err == nil || len(cases) != 0 {
		t.Errorf("decided without the source chain: %v, %v", cases, err)
	}
	r.broken = map[string]bool{}
	r.faults.Fail(func(op string) faulttest.Fault {
		return map[string]faulttest.Fault{"orders.load": faulttest.Refused}[op]
	})
	if cases, _, err = r.Decide(t.Context(), []swap.OrderID{o.ID}); err == nil || len(cases) != 0 {
		t.Errorf("decided without the order: %v, %v", cases, err)
	}
}

// One order that cannot be read is not taken as gone, and does not keep the
// others from being swept and sent.
func TestOneOrderCannotBeRead(t *testing.T) {
	r := newRig()
	bad, good := r.put(t, paid), r.put(t, paid)
	r.orders.Damage(func(id swap.OrderID) bool { return id == bad.ID })
	r.at(210)
	cases, _, err := r.Decide(t.Context(), []swap.OrderID{bad.ID, good.ID})
	if _, ok := cases[good.ID]; !errors.Is(err, watchtest.ErrDamaged) || !ok || len(cases) != 1 {
		t.Errorf("decided %v, %v", cases, err)
	}
	res, err := r.Sweep(t.Context(), watch.Upcoming)
	if !errors.Is(err, watchtest.ErrDamaged) || res.Orders != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	live := r.actions.All()
	if len(live) != 1 || live[0].Order != good.ID || len(r.rung) == 0 {
		t.Errorf("work %+v, rung %v", live, r.rung)
	}
	r.orders.Damage(nil)
	if o := r.load(t, bad.ID); o.Version != bad.Version || o.Wakes != bad.Wakes {
		t.Errorf("the order that could not be read was written: %+v", o)
	}
	// Work stored of it earlier stays as it is.
	r.sweep(t)
	r.orders.Damage(func(id swap.OrderID) bool { return id == bad.ID })
	if _, err := r.Sweep(t.Context(), watch.Upcoming); !errors.Is(err, watchtest.ErrDamaged) {
		t.Error(err)
	}
	if live := r.actions.All(); len(live) != 2 || live[0].State != swap.WorkPlanned || live[1].State != swap.WorkPlanned {
		t.Errorf("work %+v", live)
	}
}

// A sweep that is told to stop stops.
func TestSweepHonoursItsContext(t *testing.T) {
	r := newRig()
	r.put(t, paid)
	r.at(210)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Sweep(ctx, watch.Upcoming); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if len(r.actions.All()) != 0 {
		t.Error("wrote after it was told to stop")
	}
}
