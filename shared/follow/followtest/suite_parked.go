package followtest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// ParkedFixture is an implementation with little room.
type ParkedFixture struct {
	follow.Parked
	Room    int                   // events per chain, at least 3 and at most 100
	Keep    time.Duration         // how long one is kept
	Advance func(d time.Duration) // moves the store's clock
}

// TestParked runs the guarantees of follow.Parked against an implementation.
// open is called once per subtest; what it returns may share one store.
func TestParked(t *testing.T, open func(t *testing.T) ParkedFixture) {
	created := func(chain uint64, hashlock swap.Word) swap.DstCreated {
		return swap.DstCreated{ChainID: chain, Factory: watchtest.Address(), Escrow: watchtest.Address(), Hashlock: hashlock,
			Taker: watchtest.Address(), At: watchtest.Position(4)}
	}
	park := func(t *testing.T, s ParkedFixture, d swap.DstCreated, want bool) {
		t.Helper()
		ok, err := s.Park(t.Context(), d)
		if err != nil {
			t.Fatalf("park: %v", err)
		}
		if ok != want {
			t.Errorf("park: %v, want %v", ok, want)
		}
	}
	list := func(t *testing.T, s ParkedFixture, chain uint64, hashlock swap.Word, want ...swap.DstCreated) {
		t.Helper()
		got, err := s.Parked.Parked(t.Context(), chain, hashlock)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		byKey := func(in []swap.DstCreated) map[swap.OrderID]swap.DstCreated {
			m := map[swap.OrderID]swap.DstCreated{}
			for _, d := range in {
				m[swap.OrderID{ChainID: d.ChainID, Escrow: d.Escrow}] = d
			}
			return m
		}
		if len(got) != len(want) {
			t.Errorf("%d parked, want %d", len(got), len(want))
		}
		watchtest.Equal(t, "parked", byKey(want), byKey(got))
	}

	t.Run("events are found by chain and hashlock", func(t *testing.T) {
		s, chain, lock := open(t), watchtest.Chain(), watchtest.Word()
		list(t, s, chain, lock)
		a, b, c := created(chain, lock), created(chain, lock), created(chain, watchtest.Word())
		for _, d := range []swap.DstCreated{a, b, c} {
			park(t, s, d, true)
		}
		list(t, s, chain, lock, a, b)
		list(t, s, chain, c.Hashlock, c)
		list(t, s, watchtest.Chain(), lock)
	})

	t.Run("parking again changes nothing and takes no room", func(t *testing.T) {
		s, chain, lock := open(t), watchtest.Chain(), watchtest.Word()
		d := created(chain, lock)
		for range 2 * s.Room {
			park(t, s, d, true)
		}
		list(t, s, chain, lock, d)
		park(t, s, created(chain, lock), true)
	})

	t.Run("room is bounded per chain", func(t *testing.T) {
		s, chain, other, lock := open(t), watchtest.Chain(), watchtest.Chain(), watchtest.Word()
		var all []swap.DstCreated
		for range s.Room {
			d := created(chain, lock)
			park(t, s, d, true)
			all = append(all, d)
		}
		park(t, s, created(chain, lock), false)
		park(t, s, created(chain, watchtest.Word()), false)
		park(t, s, all[0], true) // it is there
		list(t, s, chain, lock, all...)
		park(t, s, created(other, lock), true)
	})

	t.Run("what expired is not returned and gives its room back", func(t *testing.T) {
		s, chain, lock := open(t), watchtest.Chain(), watchtest.Word()
		var first []swap.DstCreated
		for range s.Room {
			d := created(chain, lock)
			park(t, s, d, true)
			first = append(first, d)
		}
		s.Advance(s.Keep - time.Second)
		list(t, s, chain, lock, first...)
		park(t, s, created(chain, lock), false)
		s.Advance(2 * time.Second)
		list(t, s, chain, lock)
		s.Advance(s.Keep) // a store may count coarser than it expires
		park(t, s, first[0], true)
		d := created(chain, lock)
		park(t, s, d, true)
		list(t, s, chain, lock, first[0], d)
	})

	t.Run("concurrent parking never exceeds the room", func(t *testing.T) {
		s, chain, lock := open(t), watchtest.Chain(), watchtest.Word()
		var parked atomic.Int64
		var wg sync.WaitGroup
		for range 2 * s.Room {
			wg.Go(func() {
				ok, err := s.Park(t.Context(), created(chain, lock))
				if err != nil {
					t.Errorf("park: %v", err)
				}
				if ok {
					parked.Add(1)
				}
			})
		}
		wg.Wait()
		got, err := s.Parked.Parked(t.Context(), chain, lock)
		if err != nil {
			t.Fatal(err)
		}
		if int(parked.Load()) != s.Room || len(got) != s.Room {
			t.Errorf("%d said to be parked, %d are; room for %d", parked.Load(), len(got), s.Room)
		}
	})
}
