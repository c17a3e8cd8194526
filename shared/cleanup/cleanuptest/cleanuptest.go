// Package cleanuptest has what package cleanup needs of the tables, in memory,
// and the suite that every implementation passes.
package cleanuptest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Tables is cleanup.Orders, cleanup.Batches and cleanup.Damages in memory. What goes in and out is
// copied. It is safe for concurrent use.
//
// Calls: "orders.due", "orders.read", "orders.remove", "batch.read",
// "batch.begin", "batch.end", "damaged.read", "damaged.set".
type Tables struct {
	*faulttest.Faults
	mu      sync.Mutex
	orders  map[swap.OrderID]cleanup.Finished
	history map[swap.OrderID][]cleanup.Item
	batch   *cleanup.Batch
	objects cleanup.Damaged
	damaged map[swap.OrderID]bool
	live    map[swap.OrderID]bool
}

// NewTables returns empty tables with the given faults; nil: their own.
func NewTables(f *faulttest.Faults) *Tables {
	if f == nil {
		f = new(faulttest.Faults)
	}
	return &Tables{Faults: f, orders: map[swap.OrderID]cleanup.Finished{}, history: map[swap.OrderID][]cleanup.Item{}, damaged: map[swap.OrderID]bool{}, live: map[swap.OrderID]bool{}}
}

// Save stores an order as it was at that time, open or closed, with its history.
func (s *Tables) Save(f cleanup.Finished) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history[f.Order.ID] = watchtest.Copy(f.History)
	f.History = nil
	s.orders[f.Order.ID] = watchtest.Copy(f)
}

// Damage makes an order unreadable.
func (s *Tables) Damage(id swap.OrderID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged[id] = true
}

// Live says whether work of an order is under way.
func (s *Tables) Live(id swap.OrderID, live bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[id] = live
}

// All returns the orders that are there, with their histories, in no order, and how many
// items of a history are without an order.
func (s *Tables) All() (out []cleanup.Finished, orphans int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.orders {
		f = watchtest.Copy(f)
		f.History = watchtest.Copy(s.history[f.Order.ID])
		out = append(out, f)
	}
	for id, items := range s.history {
		if _, ok := s.orders[id]; !ok {
			orphans += len(items)
		}
	}
	return out, orphans
}

func (s *Tables) do(ctx context.Context, op, about string, apply func() error) error {
	return s.DoAbout(ctx, op, about, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return apply()
	})
}

// Due implements cleanup.Orders.
func (s *Tables) Due(ctx context.Context, upTo time.Time, limit int) (due []cleanup.Due, err error) {
	err = s.do(ctx, "orders.due", "", func() error {
		for id, f := range s.orders {
			if f.Order.Closed && !f.ClosedAt.After(upTo) {
				due = append(due, cleanup.Due{Order: id, ClosedAt: f.ClosedAt})
			}
		}
		slices.SortFunc(due, func(a, b cleanup.Due) int {
			return cmp.Or(a.ClosedAt.Compare(b.ClosedAt), cmp.Compare(a.Order.String(), b.Order.String()))
		})
		due = due[:min(len(due), limit)]
		return nil
	})
	return due, err
}

// Read implements cleanup.Orders.
func (s *Tables) Read(ctx context.Context, d cleanup.Due) (f cleanup.Finished, ok bool, err error) {
	err = s.do(ctx, "orders.read", d.Order.String(), func() error {
		if s.damaged[d.Order] {
			return watchtest.ErrDamaged
		}
		there, known := s.orders[d.Order]
		if !known {
			return nil
		}
		if ok = there.Order.Closed && there.ClosedAt.Equal(d.ClosedAt); ok && s.live[d.Order] {
			return fmt.Errorf("withdraw is submitted: %w", cleanup.ErrUnsettled)
		}
		f = watchtest.Copy(there)
		f.History = watchtest.Copy(s.history[d.Order])
		return nil
	})
	return f, ok && err == nil, err
}

// Remove implements cleanup.Orders.
func (s *Tables) Remove(ctx context.Context, f cleanup.Finished) (removed bool, err error) {
	err = s.do(ctx, "orders.remove", f.Order.ID.String(), func() error {
		there, ok := s.orders[f.Order.ID]
		if ok && (there.Order.Version != f.Order.Version || !there.ClosedAt.Equal(f.ClosedAt) || !there.Order.Closed) {
			return nil
		}
		delete(s.orders, f.Order.ID)
		removed = true
		return nil
	})
	if err != nil || !removed {
		return false, err
	}
	// Apart, as a store may die between the two.
	err = s.do(ctx, "orders.remove", f.Order.ID.String()+" history", func() error {
		for _, h := range f.History {
			s.history[f.Order.ID] = slices.DeleteFunc(s.history[f.Order.ID], func(i cleanup.Item) bool { return i.Key == h.Key })
		}
		return nil
	})
	return err == nil, err
}

// Batch implements cleanup.Batches.
func (s *Tables) Batch(ctx context.Context) (b cleanup.Batch, ok bool, err error) {
	err = s.do(ctx, "batch.read", "", func() error {
		if s.batch != nil {
			b, ok = watchtest.Copy(*s.batch), true
		}
		return nil
	})
	return b, ok, err
}

// Begin implements cleanup.Batches.
func (s *Tables) Begin(ctx context.Context, b cleanup.Batch) (ok bool, err error) {
	err = s.do(ctx, "batch.begin", "", func() error {
		if s.batch == nil {
			b := watchtest.Copy(b)
			s.batch = &b
		}
		ok = s.batch.Key == b.Key
		return nil
	})
	return ok, err
}

// End implements cleanup.Batches.
func (s *Tables) End(ctx context.Context, key string) error {
	return s.do(ctx, "batch.end", "", func() error {
		if s.batch != nil && s.batch.Key == key {
			s.batch = nil
		}
		return nil
	})
}

// Damaged implements cleanup.Damages.
func (s *Tables) Damaged(ctx context.Context) (d cleanup.Damaged, err error) {
	err = s.do(ctx, "damaged.read", "", func() error {
		d = cleanup.Damaged{Keys: slices.Clone(s.objects.Keys), Version: s.objects.Version}
		return nil
	})
	return d, err
}

// SetDamaged implements cleanup.Damages.
func (s *Tables) SetDamaged(ctx context.Context, d cleanup.Damaged) error {
	return s.do(ctx, "damaged.set", "", func() error {
		switch {
		case s.objects.Version == d.Version+1 && slices.Equal(s.objects.Keys, d.Keys):
			return nil // ours, whose answer was lost
		case s.objects.Version != d.Version:
			return cleanup.ErrConflict
		}
		s.objects = cleanup.Damaged{Keys: slices.Clone(d.Keys), Version: d.Version + 1}
		return nil
	})
}

// Finished returns a closed order, not stored yet, with as many items of history.
func Finished(at time.Time, history int) cleanup.Finished {
	o, secret := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	o.Closed, o.Secret, o.Version, o.Wakes = true, &secret, 1, swap.Wakes{}
	f := cleanup.Finished{Order: o, ClosedAt: at.UTC().Truncate(time.Second)}
	for i := range history {
		f.History = append(f.History, cleanup.Item{Key: fmt.Sprintf("hist#work#%020d#live", i), Version: uint64(i + 1), Body: json.RawMessage(fmt.Sprintf(`{"attempt":%d}`, i))})
	}
	return f
}

// Fixture is tables and how they are filled.
type Fixture struct {
	cleanup.Orders
	cleanup.Batches
	cleanup.Damages
	// Close stores a closed order with its history, and returns it as it is then.
	Close func(t *testing.T, f cleanup.Finished) cleanup.Finished
	// Write writes a stored order once more: open again or still closed. It returns
	// it as it is then.
	Write func(t *testing.T, f cleanup.Finished, closed bool) cleanup.Finished
	// Work stores live work of the order's source leg, or ends it, by which it moves
	// to the history.
	Work func(t *testing.T, o swap.Order, live bool)
}

// TestTables is what every implementation passes. open returns empty tables.
func TestTables(t *testing.T, open func(t *testing.T) Fixture) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	due := func(t *testing.T, s Fixture, upTo time.Time, limit int) (ids []swap.OrderID) {
		t.Helper()
		got, err := s.Due(t.Context(), upTo, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range got {
			ids = append(ids, d.Order)
		}
		return ids
	}
	dueOf := func(f cleanup.Finished) cleanup.Due { return cleanup.Due{Order: f.Order.ID, ClosedAt: f.ClosedAt} }
	t.Run("due", func(t *testing.T) {
		s := open(t)
		first, second, third := s.Close(t, Finished(noon, 0)), s.Close(t, Finished(noon.Add(time.Second), 0)), s.Close(t, Finished(noon.Add(time.Minute), 0))
		ids := []swap.OrderID{first.Order.ID, second.Order.ID, third.Order.ID}
		for at, n := range map[time.Duration]int{-time.Second: 0, 0: 1, time.Second: 2, 59 * time.Second: 2, time.Minute: 3, time.Hour: 3} {
			if got := due(t, s, noon.Add(at), 10); !slices.Equal(got, ids[:n]) {
				t.Errorf("at %s: %v, want the first %d of %v", at, got, n, ids)
			}
		}
		if got := due(t, s, noon.Add(time.Hour), 2); !slices.Equal(got, ids[:2]) {
			t.Errorf("two at most: %v", got)
		}
	})
	t.Run("read and remove", func(t *testing.T) {
		s := open(t)
		want := s.Close(t, Finished(noon, 60))
		got, ok, err := s.Read(t.Context(), dueOf(want))
		if err != nil || !ok {
			t.Fatalf("read %t, %v", ok, err)
		}
		slices.SortFunc(got.History, func(a, b cleanup.Item) int { return cmp.Compare(a.Key, b.Key) })
		watchtest.Equal(t, "read", want, got)
		for range 2 { // the second time its answer was lost
			if ok, err := s.Remove(t.Context(), got); err != nil || !ok {
				t.Fatalf("removed %t, %v", ok, err)
			}
		}
		if got := due(t, s, noon.Add(time.Hour), 10); len(got) != 0 {
			t.Errorf("still due: %v", got)
		}
		if f, ok, err := s.Read(t.Context(), dueOf(want)); err != nil || ok || len(f.History) != 0 {
			t.Errorf("read %t with %d items of history, %v; want nothing", ok, len(f.History), err)
		}
	})
	t.Run("written meanwhile", func(t *testing.T) {
		for _, closed := range []bool{true, false} {
			s := open(t)
			before := s.Close(t, Finished(noon, 2))
			after := s.Write(t, before, closed)
			if ok, err := s.Remove(t.Context(), before); err != nil || ok {
				t.Errorf("closed %t: removed %t, %v; want neither", closed, ok, err)
			}
			f, ok, err := s.Read(t.Context(), dueOf(before))
			if err != nil || ok != closed || len(f.History) != 2 {
				t.Errorf("closed %t: read %t with %d items of history, %v", closed, ok, len(f.History), err)
			}
			if n := len(due(t, s, noon.Add(time.Hour), 10)); (n == 1) != closed {
				t.Errorf("closed %t: %d due", closed, n)
			}
			if !closed {
				continue
			}
			if f.Order.Version != after.Order.Version {
				t.Errorf("version %d, want %d", f.Order.Version, after.Order.Version)
			}
			if ok, err := s.Remove(t.Context(), f); err != nil || !ok {
				t.Errorf("the later version: removed %t, %v", ok, err)
			}
		}
	})
	t.Run("not settled", func(t *testing.T) {
		s := open(t)
		f, other := s.Close(t, Finished(noon, 1)), s.Close(t, Finished(noon, 1))
		s.Work(t, f.Order, true)
		if _, ok, err := s.Read(t.Context(), dueOf(f)); !errors.Is(err, cleanup.ErrUnsettled) || ok {
			t.Errorf("read %t, %v; want that it has not settled", ok, err)
		}
		if _, ok, err := s.Read(t.Context(), dueOf(other)); err != nil || !ok {
			t.Errorf("another: read %t, %v", ok, err)
		}
		s.Work(t, f.Order, false)
		got, ok, err := s.Read(t.Context(), dueOf(f))
		if err != nil || !ok || len(got.History) != 2 {
			t.Fatalf("settled: read %t with %d items of history, %v; want two", ok, len(got.History), err)
		}
		if ok, err := s.Remove(t.Context(), got); err != nil || !ok {
			t.Errorf("removed %t, %v", ok, err)
		}
	})
	t.Run("nothing there", func(t *testing.T) {
		s, f := open(t), Finished(noon, 1)
		if _, ok, err := s.Read(t.Context(), dueOf(f)); err != nil || ok {
			t.Errorf("read %t, %v", ok, err)
		}
	})
	t.Run("batches", func(t *testing.T) {
		s := open(t)
		if _, ok, err := s.Batch(t.Context()); err != nil || ok {
			t.Fatalf("a batch %t, %v; want none", ok, err)
		}
		a := cleanup.Batch{Key: "a", Orders: []cleanup.Due{dueOf(Finished(noon, 0)), dueOf(Finished(noon, 0))}}
		for range 2 { // the second time its answer was lost
			if ok, err := s.Begin(t.Context(), a); err != nil || !ok {
				t.Fatalf("begun %t, %v", ok, err)
			}
		}
		if ok, err := s.Begin(t.Context(), cleanup.Batch{Key: "b"}); err != nil || ok {
			t.Errorf("another was begun: %t, %v", ok, err)
		}
		if err := s.End(t.Context(), "b"); err != nil {
			t.Error(err)
		}
		got, ok, err := s.Batch(t.Context())
		if err != nil || !ok {
			t.Fatalf("a batch %t, %v", ok, err)
		}
		watchtest.Equal(t, "batch", a, got)
		for range 2 {
			if err := s.End(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}
		if _, ok, err := s.Batch(t.Context()); err != nil || ok {
			t.Errorf("a batch %t, %v; want none", ok, err)
		}
	})
	t.Run("damaged objects", func(t *testing.T) {
		s := open(t)
		read := func(want ...string) cleanup.Damaged {
			t.Helper()
			d, err := s.Damaged(t.Context())
			if err != nil || !slices.Equal(d.Keys, want) {
				t.Fatalf("%+v, %v; want %q", d, err, want)
			}
			return d
		}
		set := func(version uint64, want error, keys ...string) {
			t.Helper()
			if err := s.SetDamaged(t.Context(), cleanup.Damaged{Keys: keys, Version: version}); !errors.Is(err, want) {
				t.Errorf("set %q: %v, want %v", keys, err, want)
			}
		}
		none := read()
		set(none.Version, nil, "a")
		set(none.Version, nil, "a") // the answer was lost
		set(none.Version, cleanup.ErrConflict, "b")
		one := read("a")
		set(one.Version, nil, "a", "b")
		set(one.Version, cleanup.ErrConflict)
		two := read("a", "b")
		set(two.Version, nil)
		set(one.Version, cleanup.ErrConflict, "a", "b") // of long ago
		read()
	})
}
