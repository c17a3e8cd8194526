package watchtest_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

var (
	_ watch.Orders  = (*watchtest.Orders)(nil)
	_ watch.Actions = (*watchtest.Actions)(nil)
)

func TestOrders(t *testing.T) {
	watchtest.TestOrders(t, func(*testing.T) watchtest.OrdersFixture { return watchtest.NewOrders(nil) })
}

func TestActions(t *testing.T) {
	watchtest.TestActions(t, func(*testing.T) watchtest.ActionsFixture {
		s := watchtest.NewActions(nil)
		return watchtest.ActionsFixture{Actions: s, History: func(_ *testing.T, id swap.OrderID) []swap.Work { return s.History(id) }}
	})
}

func TestFakesPolice(t *testing.T) {
	panics := func(name string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		f()
	}
	orders, actions := watchtest.NewOrders(nil), watchtest.NewActions(nil)
	o, secret := watchtest.Order(1, 2)
	o.Secret = &secret
	if err := orders.Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Version++
	panics("unlearned secret", func() { o := o; o.Secret = nil; _ = orders.Save(t.Context(), o) })
	panics("foreign secret", func() { o := o; o.Secret = &[32]byte{1}; _ = orders.Save(t.Context(), o) })
	panics("foreign id", func() { o := o; o.ID.ChainID++; _ = orders.Save(t.Context(), o) })
	panics("too many legs", func() { o := o; o.Dsts = make([]swap.LegRecord, 9); _ = orders.Save(t.Context(), o) })
	w := watchtest.Work(1, watchtest.Address())
	panics("unknown state", func() { w := w; w.State = "?"; _ = actions.Save(t.Context(), w) })
	panics("created finished", func() { w := w; w.State = swap.WorkConfirmed; _ = actions.Save(t.Context(), w) })
	panics("submitted without journal", func() { w := w; w.State = swap.WorkSubmitted; _ = actions.Save(t.Context(), w) })
	panics("no attempt", func() { w := w; w.Attempt = 0; _ = actions.Save(t.Context(), w) })
}
