package watch_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// copied makes another order of the dst leg of o, from a source that anyone can
// have made.
func copied(o swap.Order, edit func(*swap.Order)) func(*swap.Order) {
	return func(c *swap.Order) {
		c.Src.Family = swap.BMNv4
		c.Src.Immutables.Hashlock, c.Expect, c.Dsts = o.Hashlock(), o.Expect, o.Dsts
		c.Src.Immutables.Taker = o.Src.Immutables.Taker
		if edit != nil {
			edit(c)
		}
	}
}

// onDst lists the live work on dst legs.
func (r *rig) onDst() []swap.Work {
	return slices.DeleteFunc(r.actions.All(), func(w swap.Work) bool { return w.Side != swap.Dst })
}

// The order that is meant acts on the dst leg, whoever copied its source, and
// whoever came first.
func TestACopyHasNoSay(t *testing.T) {
	for _, first := range []string{"order", "copy"} {
		r := newRig()
		var c swap.Order
		o, _ := r.sample()
		put := map[string]func(){
			"order": func() { o = r.put(t, func(x *swap.Order) { *x = o }) },
			"copy":  func() { c = r.put(t, copied(o, nil)) },
		}
		put[first]()
		r.at(260)
		r.sweep(t)
		if live := r.onDst(); len(live) != 1 || live[0].Call != swap.Cancel {
			t.Fatalf("%s first: %+v", first, live)
		}
		delete(put, first)
		for _, second := range put {
			second()
		}
		r.sweep(t)
		live := r.onDst()
		if len(live) != 1 || live[0].Order != o.ID || live[0].State != swap.WorkPlanned {
			t.Errorf("%s first: %+v", first, live)
		}
		cases, _, err := r.Decide(t.Context(), []swap.OrderID{o.ID, c.ID})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := cases[o.ID].Decision.Wanted(live[0].Key()); !ok {
			t.Errorf("%s first: the order does not want its cancel: %+v", first, cases[o.ID].Decision.Actions)
		}
		if a, ok := cases[c.ID].Decision.Wanted(live[0].Key()); ok {
			t.Errorf("%s first: the copy wants %+v", first, a)
		}
	}
}

// While the maker of an order is owed, none takes the dst leg back that both
// have, be its source gone or of a stranger.
func TestOwedByAnother(t *testing.T) {
	for name, edit := range map[string]func(*swap.Order){
		"a copy":     nil,
		"a relation": func(x *swap.Order) { x.Src.Ours = true },
		"one whose source is gone": func(x *swap.Order) {
			x.Src.Ours, x.Src.Final = true, false
		},
	} {
		r := newRig()
		o, secret := r.sample()
		o.Learn(secret)
		o.AddEvent(swap.EscrowEvent{ChainID: o.ID.ChainID, Escrow: o.ID.Escrow, Kind: swap.Withdrawn, Secret: secret, At: watchtest.Position(1)})
		o = r.put(t, func(x *swap.Order) { *x = o })
		c := r.put(t, copied(o, func(x *swap.Order) {
			if edit != nil {
				edit(x)
			}
			x.AddEvent(swap.EscrowEvent{ChainID: x.ID.ChainID, Escrow: x.ID.Escrow, Kind: swap.Cancelled, At: watchtest.Position(2)})
			if !x.Src.Final {
				x.Events = nil
			}
		}))
		r.at(400)
		r.sweep(t)
		if live := r.onDst(); len(live) != 0 {
			t.Errorf("%s: %+v", name, live)
		}
		cases, _, err := r.Decide(t.Context(), []swap.OrderID{c.ID})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range cases[c.ID].Decision.Actions {
			if a.Side == swap.Dst && a.Refused == "" {
				t.Errorf("%s wants %s", name, a.Call)
			}
		}
	}
}

// If it cannot be told who else has a dst leg, nothing is decided about an
// order that would take it back; it stays due, and the others are planned.
func TestKinCannotBeRead(t *testing.T) {
	unread := errors.New("unread")
	for _, what := range []string{"who shares", "the other"} {
		r := newRig()
		o, _ := r.sample()
		o = r.put(t, func(x *swap.Order) { *x = o })
		relation := r.put(t, copied(o, func(x *swap.Order) { x.Src.Ours, x.Wakes = true, swap.Wakes{} }))
		other := r.put(t, paid)
		switch what {
		case "who shares":
			r.faults.Fail(func(op string) faulttest.Fault {
				return map[string]faulttest.Fault{"orders.sharing": faulttest.Refused}[op]
			})
			unread = faulttest.ErrInjected
		case "the other":
			r.orders.Damage(func(id swap.OrderID) bool { return id == relation.ID })
			unread = watchtest.ErrDamaged
		}
		r.at(260)
		if _, err := r.Sweep(t.Context(), watch.Upcoming); !errors.Is(err, unread) {
			t.Errorf("%s: %v", what, err)
		}
		if live := r.actions.All(); len(live) != 1 || live[0].Order != other.ID {
			t.Errorf("%s: %+v", what, live)
		}
		if cases, _, err := r.Decide(t.Context(), []swap.OrderID{o.ID, other.ID}); !errors.Is(err, unread) || len(cases) != 1 {
			t.Errorf("%s: decided %v, %v", what, cases, err)
		}
		r.faults.Fail(nil)
		r.orders.Damage(nil)
		if got := r.load(t, o.ID); got.Version != o.Version {
			t.Errorf("%s: the order was written", what)
		}
		r.sweep(t)
		if live := r.onDst(); len(live) != 1 || live[0].Order != o.ID {
			t.Errorf("%s: %+v", what, live)
		}
	}
}

// Most orders ask nobody.
func TestNobodyIsAskedForNothing(t *testing.T) {
	r := newRig()
	r.put(t, nil)
	r.put(t, paid)
	r.at(150)
	r.sweep(t)
	if n := r.faults.Calls("orders.sharing"); n != 0 {
		t.Errorf("%d calls", n)
	}
	r.at(260)
	r.sweep(t)
	if n := r.faults.Calls("orders.sharing"); n != 1 {
		t.Errorf("%d calls for one leg to be taken back", n)
	}
}
