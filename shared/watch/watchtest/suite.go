package watchtest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

// Equal compares what was read with what was written; a list that is empty and
// one that is nil are the same.
func Equal(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// OrdersFixture is an implementation and the writing half that lets the suite
// fill it.
type OrdersFixture interface {
	watch.Orders
	Sharing(ctx context.Context, chain uint64, escrow common.Address) ([]swap.OrderID, error) // a watch.Sharing
	Save(ctx context.Context, o swap.Order) error
}

// indexLag is how long an index may take to show what was written. Real
// indexes follow within a second.
const indexLag = 15 * time.Second

// TestOrders runs the guarantees of watch.Orders against an implementation.
// open is called once per subtest; what it returns may share one store.
func TestOrders(t *testing.T, open func(t *testing.T) OrdersFixture) {
	put := func(t *testing.T, s OrdersFixture, o swap.Order) swap.Order {
		t.Helper()
		if err := s.Save(t.Context(), o); err != nil {
			t.Fatalf("save: %v", err)
		}
		o.Version++
		return o
	}
	load := func(t *testing.T, s OrdersFixture, ids ...swap.OrderID) []swap.Order {
		t.Helper()
		got, err := s.Load(t.Context(), ids)
		if err != nil {
			t.Fatalf("load: %v", err)
		}
		return got
	}
	// due waits until the index shows exactly the wanted orders.
	due := func(t *testing.T, s OrdersFixture, chain uint64, side swap.Side, upTo swap.ChainTime, want ...swap.OrderID) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), indexLag)
		defer cancel()
		slices.SortFunc(want, byID)
		var got []swap.OrderID
		for ctx.Err() == nil {
			var err error
			if got, err = s.Due(ctx, chain, side, upTo); err != nil {
				t.Fatalf("due: %v", err)
			}
			slices.SortFunc(got, byID)
			if slices.Equal(got, want) {
				return
			}
		}
		t.Errorf("%s orders due on chain %d up to %d: %v, want %v", side, chain, upTo, got, want)
	}

	t.Run("an order is due on each side's chain from its wake time on", func(t *testing.T) {
		s, src, dst := open(t), Chain(), Chain()
		o, _ := Order(src, dst)
		o.Wakes = swap.Wakes{Src: 1000, Dst: 2000}
		put(t, s, o)
		due(t, s, src, swap.Src, 1000, o.ID)
		due(t, s, src, swap.Src, 999)
		due(t, s, dst, swap.Dst, 2000, o.ID)
		due(t, s, dst, swap.Dst, 1999)
		due(t, s, src, swap.Dst, 9999)
		due(t, s, dst, swap.Src, 9999)
	})

	t.Run("many orders are due, of all escrow addresses", func(t *testing.T) {
		s, src, dst := open(t), Chain(), Chain()
		var want []swap.OrderID
		for i := range 40 {
			o, _ := Order(src, dst)
			o.Wakes = swap.Wakes{Src: swap.ChainTime(1000 + i)}
			put(t, s, o)
			if i < 30 {
				want = append(want, o.ID)
			}
		}
		due(t, s, src, swap.Src, 1029, want...)
	})

	t.Run("no wake time and closed orders are never due", func(t *testing.T) {
		s, src, dst := open(t), Chain(), Chain()
		a, _ := Order(src, dst)
		a.Wakes = swap.Wakes{Dst: 5}
		put(t, s, a)
		b, _ := Order(src, dst)
		b = put(t, s, b)
		b.Closed = true // even if a wake time was left in it
		put(t, s, b)
		due(t, s, dst, swap.Dst, epoch*2, a.ID)
		due(t, s, src, swap.Src, epoch*2)
	})

	t.Run("load reads what is there, once each, beyond one batch", func(t *testing.T) {
		s, src, dst := open(t), Chain(), Chain()
		var ids []swap.OrderID
		want := map[swap.OrderID]swap.Order{}
		for range 60 { // and as many that are missing: more than the service reads in one batch
			o, _ := Order(src, dst)
			o = put(t, s, o)
			want[o.ID] = o
			ids = append(ids, o.ID, swap.OrderID{ChainID: src, Escrow: Address()})
		}
		ids = append(ids, ids[0], ids[2])
		got := load(t, s, ids...)
		if len(got) != len(want) {
			t.Fatalf("%d orders, want %d", len(got), len(want))
		}
		for _, o := range got {
			Equal(t, "order", want[o.ID], o)
		}
		if got := load(t, s); len(got) != 0 {
			t.Errorf("no ids: %v", got)
		}
	})

	t.Run("the open orders of an escrow are listed", func(t *testing.T) {
		s, src, dst := open(t), Chain(), Chain()
		sharing := func(chain uint64, escrow common.Address, want ...swap.OrderID) {
			t.Helper()
			got, err := s.Sharing(t.Context(), chain, escrow)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(got, byID)
			slices.SortFunc(want, byID)
			if !slices.Equal(got, want) {
				t.Errorf("orders of escrow %s on chain %d: %v, want %v", escrow, chain, got, want)
			}
		}
		a, _ := Order(src, dst)
		b, _ := Order(src, dst)
		c, _ := Order(src, dst)
		shared := a.Dsts[0].Escrow
		sharing(dst, shared)
		b.Dsts[0] = a.Dsts[0]
		b.Held = true
		a, b = put(t, s, a), put(t, s, b)
		put(t, s, c)
		sharing(dst, shared, a.ID, b.ID)
		sharing(src, shared)
		sharing(src, a.ID.Escrow, a.ID)
		sharing(dst, c.Dsts[0].Escrow, c.ID)
		a.Closed = true
		put(t, s, a)
		sharing(dst, shared, b.ID)
		sharing(src, a.ID.Escrow)
	})

	t.Run("wake times need the version they were decided at", func(t *testing.T) {
		s, src, dst := open(t), Chain(), Chain()
		o, _ := Order(src, dst)
		o = put(t, s, o)
		w := swap.Wakes{Src: 3000, Dst: 4000}
		for range 2 { // the second time as if the answer to the first had been lost
			if err := s.SetWakes(t.Context(), o, w); err != nil {
				t.Fatalf("set wakes: %v", err)
			}
		}
		want := o
		want.Wakes, want.Version = w, o.Version+1
		Equal(t, "after new wakes", []swap.Order{want}, load(t, s, o.ID))
		due(t, s, src, swap.Src, 3000, o.ID)
		due(t, s, dst, swap.Dst, 4000, o.ID)

		if err := s.SetWakes(t.Context(), o, swap.Wakes{Src: 1}); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("at an old version: %v, want a conflict", err)
		}
		if err := s.Save(t.Context(), o); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("save at the version before the wakes: %v, want a conflict", err)
		}
		absent, _ := Order(src, dst)
		absent.Version = 4
		if err := s.SetWakes(t.Context(), absent, w); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("of no order: %v, want a conflict", err)
		}
		Equal(t, "after conflicts", []swap.Order{want}, load(t, s, o.ID, absent.ID))
	})

	t.Run("a wake time of zero takes the order out of that side", func(t *testing.T) {
		s, src, dst := open(t), Chain(), Chain()
		o, _ := Order(src, dst)
		o = put(t, s, o)
		if err := s.SetWakes(t.Context(), o, swap.Wakes{Src: 7}); err != nil {
			t.Fatal(err)
		}
		due(t, s, src, swap.Src, epoch*2, o.ID)
		due(t, s, dst, swap.Dst, epoch*2)
	})

	t.Run("of many concurrent writers of wake times one wins each version", func(t *testing.T) {
		s, src, dst := open(t), Chain(), Chain()
		o, _ := Order(src, dst)
		o = put(t, s, o)
		for round := range 4 {
			var wins, won atomic.Int64
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					w := swap.Wakes{Src: swap.ChainTime(100*round + i + 1)}
					switch err := s.SetWakes(t.Context(), o, w); {
					case err == nil:
						wins.Add(1)
						won.Store(int64(w.Src))
					case !errors.Is(err, swap.ErrConflict):
						t.Errorf("set wakes: %v", err)
					}
				})
			}
			wg.Wait()
			got := load(t, s, o.ID)
			if wins.Load() != 1 || len(got) != 1 || got[0].Version != o.Version+1 || int64(got[0].Wakes.Src) != won.Load() {
				t.Fatalf("round %d: %d winners, stored %+v", round, wins.Load(), got)
			}
			o = got[0]
		}
	})
}

func byID(a, b swap.OrderID) int {
	return cmp.Or(cmp.Compare(a.ChainID, b.ChainID), a.Escrow.Cmp(b.Escrow))
}
