package watchtest

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

// ActionsFixture is an implementation and the read that lets the suite see
// what became of finished work.
type ActionsFixture struct {
	watch.Actions
	History func(t *testing.T, id swap.OrderID) []swap.Work // of the order, oldest first
}

// TestActions runs the guarantees of watch.Actions, which are those of
// txn.Works too, against an implementation. open is called once per subtest;
// what it returns may share one store.
func TestActions(t *testing.T, open func(t *testing.T) ActionsFixture) {
	save := func(t *testing.T, s ActionsFixture, w swap.Work) {
		t.Helper()
		if err := s.Save(t.Context(), w); err != nil {
			t.Fatalf("save %s at version %d: %v", w.State, w.Version, err)
		}
	}
	live := func(t *testing.T, s ActionsFixture, chain uint64, taker common.Address) []swap.Work {
		t.Helper()
		got, err := s.Live(t.Context(), chain, taker)
		if err != nil {
			t.Fatalf("live: %v", err)
		}
		slices.SortFunc(got, func(a, b swap.Work) int { return cmp.Compare(a.Key().String(), b.Key().String()) })
		return got
	}
	// stored reads the one live work item of w's taker.
	stored := func(t *testing.T, s ActionsFixture, w swap.Work) swap.Work {
		t.Helper()
		got := live(t, s, w.ChainID, w.Taker)
		if len(got) != 1 {
			t.Fatalf("%d live work items, want 1", len(got))
		}
		return got[0]
	}

	t.Run("work reads back as written", func(t *testing.T) {
		s, chain, taker := open(t), Chain(), Address()
		if got := live(t, s, chain, taker); len(got) != 0 {
			t.Fatalf("live before any: %v", got)
		}
		a, b, c := Work(chain, taker), Work(chain, taker), Work(chain, taker)
		b.Call, b.Token, b.Amount, b.Priceless = swap.RescueFunds, Address(), *uint256.NewInt(77), true
		c.State, c.RetryAt, c.Why = swap.WorkRefused, epoch+30, swap.Unfunded
		save(t, s, a)
		save(t, s, b)
		save(t, s, c)
		save(t, s, Work(Chain(), taker))
		save(t, s, Work(chain, Address()))
		got := live(t, s, chain, taker)
		for i := range got {
			if got[i].Version == 0 {
				t.Error("stored work has version 0")
			}
			got[i].Version = 0
		}
		want := []swap.Work{a, b, c}
		slices.SortFunc(want, func(a, b swap.Work) int { return cmp.Compare(a.Key().String(), b.Key().String()) })
		Equal(t, "live", want, got)
	})

	t.Run("the same call on one escrow is two items only for two rescued tokens", func(t *testing.T) {
		s, chain, taker := open(t), Chain(), Address()
		a := Work(chain, taker)
		a.Call, a.Token = swap.RescueFunds, Address()
		b := a
		b.Token = Address()
		save(t, s, a)
		save(t, s, b)
		if n := len(live(t, s, chain, taker)); n != 2 {
			t.Errorf("%d items, want 2", n)
		}
	})

	t.Run("a creation or change that was repeated is success, one by another is not", func(t *testing.T) {
		s := open(t)
		w := Work(Chain(), Address())
		save(t, s, w)
		save(t, s, w)
		other := w
		other.FeeCap = *uint256.NewInt(1)
		if err := s.Save(t.Context(), other); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("second creation: %v, want a conflict", err)
		}
		first := stored(t, s, w)
		next := first
		next.State, next.RetryAt = swap.WorkRefused, epoch+9
		save(t, s, next)
		save(t, s, next)
		if got := stored(t, s, w); got.Version != first.Version+1 || got.State != swap.WorkRefused {
			t.Errorf("after one change: version %d %s, want %d refused", got.Version, got.State, first.Version+1)
		}
		stale := first
		stale.Attempt = 2
		if err := s.Save(t.Context(), stale); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("change of an old version: %v, want a conflict", err)
		}
		absent := Work(w.ChainID, w.Taker)
		absent.Version = first.Version
		if err := s.Save(t.Context(), absent); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("change of nothing: %v, want a conflict", err)
		}
	})

	for _, end := range []swap.WorkState{swap.WorkConfirmed, swap.WorkObsolete, swap.WorkByOther} {
		t.Run(string(end)+" work moves to the order's history", func(t *testing.T) {
			s := open(t)
			w := Work(Chain(), Address())
			save(t, s, w)
			done := stored(t, s, w)
			done.State, done.Why = end, swap.DstPaid
			save(t, s, done)
			save(t, s, done) // the answer was lost
			if got := live(t, s, w.ChainID, w.Taker); len(got) != 0 {
				t.Errorf("still live: %v", got)
			}
			want := done
			want.Version++
			Equal(t, "history", []swap.Work{want}, s.History(t, w.Order))
			late := done
			late.State = swap.WorkPlanned
			if err := s.Save(t.Context(), late); !errors.Is(err, swap.ErrConflict) {
				t.Errorf("change after the end: %v, want a conflict", err)
			}
		})
	}

	t.Run("work wanted again is new work, which nothing of its former life touches", func(t *testing.T) {
		s := open(t)
		w := Work(Chain(), Address())
		save(t, s, w)
		first := stored(t, s, w)
		gone := first
		gone.State = swap.WorkObsolete
		save(t, s, gone)
		save(t, s, w) // same content as before
		second := stored(t, s, w)
		for name, stale := range map[string]swap.Work{"change": first, "end": gone} {
			stale.Attempt = 2
			if err := s.Save(t.Context(), stale); !errors.Is(err, swap.ErrConflict) {
				t.Errorf("%s from the former life: %v, want a conflict", name, err)
			}
		}
		second.State, second.Why = swap.WorkByOther, ""
		save(t, s, second)
		if got := s.History(t, w.Order); len(got) != 2 || got[0].State != swap.WorkObsolete || got[1].State != swap.WorkByOther {
			t.Errorf("history %+v, want obsolete, then done by other", got)
		}
	})

	t.Run("live reads more than a page", func(t *testing.T) {
		s, chain, taker := open(t), Chain(), Address()
		const n = 60
		long := swap.Reason(strings.Repeat(rawText(), 300)) // incompressible in parts, about 20 KB
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				w := Work(chain, taker)
				w.State, w.Why = swap.WorkRefused, swap.Reason(rawText())+long
				if err := s.Save(t.Context(), w); err != nil {
					t.Errorf("save: %v", err)
				}
			})
		}
		wg.Wait()
		if got := len(live(t, s, chain, taker)); got != n {
			t.Errorf("%d live, want %d", got, n)
		}
	})

	t.Run("of many concurrent creators and writers one wins", func(t *testing.T) {
		s := open(t)
		w := Work(Chain(), Address())
		for round := range 5 { // round 0 creates, the last one ends it
			var wins atomic.Int64
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					mine := w
					mine.FeeCap = *uint256.NewInt(uint64(100*round + i + 1))
					if round == 4 {
						mine.State = swap.WorkConfirmed
					}
					switch err := s.Save(t.Context(), mine); {
					case err == nil:
						wins.Add(1)
					case !errors.Is(err, swap.ErrConflict):
						t.Errorf("save: %v", err)
					}
				})
			}
			wg.Wait()
			if wins.Load() != 1 {
				t.Fatalf("round %d: %d winners", round, wins.Load())
			}
			if round < 4 {
				w = stored(t, s, w)
			}
		}
		if got := s.History(t, w.Order); len(got) != 1 {
			t.Errorf("%d history rows, want 1", len(got))
		}
	})
}

// rawText returns a text that does not compress.
func rawText() string { return Word().Hex() + Word().Hex() }
