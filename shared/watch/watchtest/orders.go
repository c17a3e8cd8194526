package watchtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Orders keeps orders in memory: watch.Orders and the writing half that
// package follow has. What goes in and out is copied, so nothing is shared
// with a caller. It is safe for concurrent use, and panics when a caller does
// what no caller may.
//
// Calls: "orders.due", "orders.load", "orders.sharing", "orders.wakes", "orders.save".
type Orders struct {
	*faulttest.Faults
	mu      sync.Mutex
	orders  map[swap.OrderID]swap.Order
	hidden  func(swap.OrderID) bool
	damaged func(swap.OrderID) bool
}

// NewOrders returns an empty store with the given faults; nil: its own.
func NewOrders(f *faulttest.Faults) *Orders {
	if f == nil {
		f = new(faulttest.Faults)
	}
	return &Orders{Faults: f, orders: map[swap.OrderID]swap.Order{}}
}

// Forget takes an order out, as its archiving does.
func (s *Orders) Forget(id swap.OrderID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.orders, id)
}

// HideFromIndex makes Due leave out orders, as an index does that lags behind.
// nil ends it. f must not call the store.
func (s *Orders) HideFromIndex(f func(swap.OrderID) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = f
}

// Damage makes Load fail for orders, beside those that it reads, as an item
// does that does not decode. nil ends it. f must not call the store.
func (s *Orders) Damage(f func(swap.OrderID) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged = f
}

// ErrDamaged is why a damaged order is not read.
var ErrDamaged = errors.New("damaged")

// All returns every order, in no order.
func (s *Orders) All() []swap.Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []swap.Order
	for _, o := range s.orders {
		out = append(out, Copy(o))
	}
	return out
}

// Each shows every order to f, in no order and without a copy: f must neither
// keep nor change it, nor call the store.
func (s *Orders) Each(f func(o *swap.Order)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.orders {
		o := s.orders[id]
		f(&o)
	}
}

// Due implements watch.Orders.
func (s *Orders) Due(ctx context.Context, chain uint64, side swap.Side, upTo swap.ChainTime) (due []swap.OrderID, err error) {
	err = s.DoAbout(ctx, "orders.due", fmt.Sprint(chain, side), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for id, o := range s.orders {
			on, wake := id.ChainID, o.Wakes.Src
			switch side {
			case swap.Src:
			case swap.Dst:
				on, wake = o.DstChainID(), o.Wakes.Dst
			default:
				panic(fmt.Sprintf("orders due on %s", side))
			}
			if on == chain && wake > 0 && wake <= upTo && !o.Closed && (s.hidden == nil || !s.hidden(id)) {
				due = append(due, id)
			}
		}
		return nil
	})
	return due, err
}

// named lists orders, whatever their order.
func named(ids []swap.OrderID) string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		out = append(out, id.String())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Load implements watch.Orders.
func (s *Orders) Load(ctx context.Context, ids []swap.OrderID) (out []swap.Order, err error) {
	err = s.DoAbout(ctx, "orders.load", named(ids), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		var errs []error
		seen := map[swap.OrderID]bool{}
		for _, id := range ids {
			o, ok := s.orders[id]
			switch {
			case !ok || seen[id]:
			case s.damaged != nil && s.damaged(id):
				errs = append(errs, fmt.Errorf("order %s: %w", id, ErrDamaged))
			default:
				seen[id] = true
				out = append(out, Copy(o))
			}
		}
		return errors.Join(errs...)
	})
	return out, err
}

// Sharing is a watch.Sharing.
func (s *Orders) Sharing(ctx context.Context, chain uint64, escrow common.Address) (ids []swap.OrderID, err error) {
	err = s.DoAbout(ctx, "orders.sharing", fmt.Sprint(chain, escrow), func() error {
		s.Each(func(o *swap.Order) {
			if !o.Closed && slices.Contains(o.Escrows(), swap.OrderID{ChainID: chain, Escrow: escrow}) {
				ids = append(ids, o.ID)
			}
		})
		return nil
	})
	return ids, err
}

// SetWakes implements watch.Orders.
func (s *Orders) SetWakes(ctx context.Context, o swap.Order, w swap.Wakes) error {
	return s.DoAbout(ctx, "orders.wakes", o.ID.String(), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if w.Src < 0 || w.Dst < 0 {
			panic(fmt.Sprintf("order %s: wakes before the epoch: %+v", o.ID, w))
		}
		old, ok := s.orders[o.ID]
		switch {
		case ok && old.Version == o.Version:
			old.Wakes = w
			old.Version++
			s.orders[o.ID] = old
			return nil
		case ok && old.Version == o.Version+1 && old.Wakes == w:
			return nil // this very write, whose answer was lost
		}
		return swap.ErrConflict
	})
}

// Save creates or replaces an order; see follow.Orders.
func (s *Orders) Save(ctx context.Context, o swap.Order) error {
	return s.DoAbout(ctx, "orders.save", o.ID.String(), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		old, ok := s.orders[o.ID]
		police(old, o)
		next := Copy(o)
		next.Version++
		switch {
		case old.Version == o.Version:
			s.orders[o.ID] = next
			return nil
		case ok && Same(old, next):
			return nil // this very write, whose answer was lost
		}
		return swap.ErrConflict
	})
}

// police panics at what no writer of an order may do.
func police(old, next swap.Order) {
	bad := ""
	switch {
	case next.ID.ChainID == 0 || next.ID != (swap.OrderID{ChainID: next.Src.ChainID, Escrow: next.Src.Escrow}):
		bad = "its id is not its source leg"
	case len(next.Dsts) > swap.MaxDstLegs:
		bad = "too many dst legs"
	case len(next.Candidates) > swap.MaxCandidates:
		bad = "too many candidates"
	case next.Secret != nil && !next.Opens(*next.Secret):
		bad = "its secret does not open its hashlock"
	case next.Wakes.Src < 0 || next.Wakes.Dst < 0:
		bad = "it wakes before the epoch"
	case old.Version == next.Version && old.Secret != nil && next.Secret == nil:
		bad = "its secret was unlearned"
	}
	if bad != "" {
		panic(fmt.Sprintf("order %s: %s", next.ID, bad))
	}
}

// Copy returns a deep copy, by way of what a store writes.
func Copy[T any](v T) T {
	b, err := json.Marshal(&v) // a pointer: the methods of uint256 need it
	if err != nil {
		panic(fmt.Sprintf("%T does not encode: %v", v, err))
	}
	var out T
	if err := json.Unmarshal(b, &out); err != nil {
		panic(fmt.Sprintf("%T does not decode: %v", v, err))
	}
	return out
}

// Same compares two values by what a store writes of them.
func Same[T any](a, b T) bool {
	x, errX := json.Marshal(&a)
	y, errY := json.Marshal(&b)
	return errX == nil && errY == nil && string(x) == string(y)
}
