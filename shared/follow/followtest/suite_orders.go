package followtest

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// TestOrders runs the guarantees of follow.Orders against an implementation.
// open is called once per subtest; what it returns may share one store.
func TestOrders(t *testing.T, open func(t *testing.T) follow.Orders) {
	save := func(t *testing.T, s follow.Orders, o swap.Order) swap.Order {
		t.Helper()
		if err := s.Save(t.Context(), o); err != nil {
			t.Fatalf("save at version %d: %v", o.Version, err)
		}
		o.Version++
		return o
	}
	load := func(t *testing.T, s follow.Orders, id swap.OrderID) []swap.Order {
		t.Helper()
		got, err := s.Load(t.Context(), []swap.OrderID{id})
		if err != nil {
			t.Fatalf("load: %v", err)
		}
		return got
	}
	book := func(t *testing.T, s follow.Orders, chain uint64, want ...follow.Watched) {
		t.Helper()
		got, err := s.Watched(t.Context(), chain)
		if err != nil {
			t.Fatalf("watched: %v", err)
		}
		slices.SortFunc(got, byEscrow)
		slices.SortFunc(want, byEscrow)
		watchtest.Equal(t, "watch book", want, got)
	}

	t.Run("an order reads back as written, at the next version", func(t *testing.T) {
		s, src, dst := open(t), watchtest.Chain(), watchtest.Chain()
		o, secret := watchtest.Order(src, dst)
		o = save(t, s, o)
		watchtest.Equal(t, "new", []swap.Order{o}, load(t, s, o.ID))

		o.Secret = &secret
		o.Events = append(o.Events, watchtest.Withdrawn(o.Dsts[0].Leg, secret),
			swap.EscrowEvent{ChainID: src, Escrow: o.ID.Escrow, Kind: swap.Cancelled, At: watchtest.Position(12)})
		o.Dsts[0].Immutables.Parameters = make([]byte, 128)
		o.Candidates = []swap.Candidate{{ChainID: dst, Escrow: watchtest.Address(), Created: watchtest.Position(8), Balance: o.Src.Balance}}
		o.Wakes = swap.Wakes{}
		o = save(t, s, o)
		watchtest.Equal(t, "changed", []swap.Order{o}, load(t, s, o.ID))

		o.Closed = true
		o = save(t, s, o)
		watchtest.Equal(t, "closed", []swap.Order{o}, load(t, s, o.ID))
	})

	t.Run("a dst chain that is no chain id is kept as it is", func(t *testing.T) {
		s, src := open(t), watchtest.Chain()
		o, _ := watchtest.Order(src, watchtest.Chain())
		o.Dsts, o.Expect.ChainID = nil, watchtest.Word()
		o.Wakes = swap.Wakes{Src: 5, Dst: 6}
		o = save(t, s, o)
		watchtest.Equal(t, "stored", []swap.Order{o}, load(t, s, o.ID))
	})

	t.Run("a save needs the version it was read at", func(t *testing.T) {
		s, src, dst := open(t), watchtest.Chain(), watchtest.Chain()
		o, _ := watchtest.Order(src, dst)
		first := save(t, s, o)
		save(t, s, o) // repeated: its answer was lost
		second := first
		second.Wakes.Src++
		second = save(t, s, second)
		repeated := second
		repeated.Version--
		save(t, s, repeated)

		for name, version := range map[string]uint64{"creation": 0, "change of an old version": first.Version, "change of a later version": second.Version + 1} {
			late := first
			late.Version, late.Wakes.Src = version, 77
			late.Dsts = append(slices.Clone(late.Dsts), swap.LegRecord{Leg: watchtest.Dst(o)})
			if err := s.Save(t.Context(), late); !errors.Is(err, swap.ErrConflict) {
				t.Errorf("%s: %v, want a conflict", name, err)
			}
		}
		absent, _ := watchtest.Order(src, dst)
		absent.Version = 3
		if err := s.Save(t.Context(), absent); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("change of no order: %v, want a conflict", err)
		}
		watchtest.Equal(t, "after conflicts", []swap.Order{second}, load(t, s, o.ID))
		book(t, s, src, rowsOf(second, src)...)
		book(t, s, dst, rowsOf(second, dst)...)
	})

	t.Run("the watch book holds the escrows of open orders, chain by chain", func(t *testing.T) {
		s, src, dst := open(t), watchtest.Chain(), watchtest.Chain()
		book(t, s, src)
		a, _ := watchtest.Order(src, dst)
		b, _ := watchtest.Order(src, dst)
		b.Dsts[0] = a.Dsts[0] // an escrow of two orders has a row for each
		a, b = save(t, s, a), save(t, s, b)
		book(t, s, src, append(rowsOf(a, src), rowsOf(b, src)...)...)
		book(t, s, dst, append(rowsOf(a, dst), rowsOf(b, dst)...)...)

		candidate := swap.Candidate{ChainID: dst, Escrow: watchtest.Address(), Created: watchtest.Position(8)}
		a.Candidates = []swap.Candidate{candidate}
		a.Dsts = append(slices.Clone(a.Dsts), swap.LegRecord{Leg: watchtest.Dst(a)})
		a = save(t, s, a)
		book(t, s, dst, append(rowsOf(a, dst), rowsOf(b, dst)...)...)

		a.Candidates = nil // it was looked at and is none
		a = save(t, s, a)
		book(t, s, dst, append(rowsOf(a, dst), rowsOf(b, dst)...)...)

		a.Closed = true
		a = save(t, s, a)
		book(t, s, src, rowsOf(b, src)...)
		book(t, s, dst, rowsOf(b, dst)...)

		a.Closed = false // a final block was not: the order is open again
		a = save(t, s, a)
		book(t, s, src, append(rowsOf(a, src), rowsOf(b, src)...)...)
	})

	t.Run("an order with all the escrows it may have", func(t *testing.T) {
		s, src, dst := open(t), watchtest.Chain(), watchtest.Chain()
		o, _ := watchtest.Order(src, dst)
		for len(o.Dsts) < swap.MaxDstLegs {
			o.Dsts = append(o.Dsts, swap.LegRecord{Leg: watchtest.Dst(o)})
		}
		for len(o.Candidates) < swap.MaxCandidates {
			o.Candidates = append(o.Candidates, swap.Candidate{ChainID: dst, Escrow: watchtest.Address(), Created: watchtest.Position(8)})
		}
		o = save(t, s, o)
		book(t, s, dst, rowsOf(o, dst)...)
		o.Dsts, o.Candidates = o.Dsts[:1:1], nil
		for range swap.MaxCandidates {
			o.Candidates = append(o.Candidates, swap.Candidate{ChainID: dst, Escrow: watchtest.Address(), Created: watchtest.Position(9)})
		}
		o = save(t, s, o)
		watchtest.Equal(t, "stored", []swap.Order{o}, load(t, s, o.ID))
		book(t, s, dst, rowsOf(o, dst)...)
	})

	t.Run("of many concurrent writers one wins each version, with its rows", func(t *testing.T) {
		s, src, dst := open(t), watchtest.Chain(), watchtest.Chain()
		o, _ := watchtest.Order(src, dst)
		for round := range 4 { // round 0 creates
			var wins atomic.Int64
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					mine := o
					mine.Wakes = swap.Wakes{Src: swap.ChainTime(100*round + i + 1)}
					mine.Dsts = []swap.LegRecord{{Leg: watchtest.Dst(o)}}
					switch err := s.Save(t.Context(), mine); {
					case err == nil:
						wins.Add(1)
					case !errors.Is(err, swap.ErrConflict):
						t.Errorf("save: %v", err)
					}
				})
			}
			wg.Wait()
			got := load(t, s, o.ID)
			if wins.Load() != 1 || len(got) != 1 || got[0].Version != o.Version+1 {
				t.Fatalf("round %d: %d winners, stored %+v", round, wins.Load(), got)
			}
			o = got[0]
			book(t, s, dst, rowsOf(o, dst)...)
		}
	})
}

func byEscrow(a, b follow.Watched) int {
	return cmp.Or(a.Escrow.Cmp(b.Escrow), a.Order.Escrow.Cmp(b.Order.Escrow))
}
