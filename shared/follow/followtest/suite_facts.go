package followtest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
	"github.com/ethereum/go-ethereum/common"
)

// facts makes provisional facts up to a block with that many events, each of
// which carries the block's number, so that a reader can tell a mix.
func facts(chain, to uint64, events int) swap.Provisional {
	p := swap.Provisional{ChainID: chain,
		From: swap.Block{Number: to / 2, Time: 5, Hash: watchtest.Word()}, To: swap.Block{Number: to, Time: 6, Hash: watchtest.Word()},
		Legs: []swap.OrderID{{ChainID: chain, Escrow: watchtest.Address()}}}
	for range events {
		p.Events = append(p.Events, swap.EscrowEvent{ChainID: chain, Escrow: watchtest.Address(), Kind: swap.Withdrawn,
			Secret: watchtest.Word(), At: watchtest.Position(to)})
	}
	return p
}

// TestFacts runs the guarantees of follow.Facts, and with them those of
// watch.Facts, against an implementation. Facts with that many events are too
// large for one item of the store, if it has such a bound. open is called once
// per subtest; what it returns may share one store.
func TestFacts(t *testing.T, manyEvents int, open func(t *testing.T) follow.Facts) {
	read := func(t *testing.T, s follow.Facts, chain uint64) swap.Provisional {
		t.Helper()
		p, err := s.Provisional(t.Context(), chain)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		return p
	}
	replace := func(t *testing.T, s follow.Facts, prev, next swap.Provisional) {
		t.Helper()
		if err := s.Replace(t.Context(), prev, next); err != nil {
			t.Fatalf("replace: %v", err)
		}
	}

	t.Run("a chain never read is zero with its id", func(t *testing.T) {
		s, chain := open(t), watchtest.Chain()
		watchtest.Equal(t, "facts", swap.Provisional{ChainID: chain}, read(t, s, chain))
	})

	t.Run("facts read back as written and are replaced whole", func(t *testing.T) {
		s, chain := open(t), watchtest.Chain()
		prev := swap.Provisional{ChainID: chain}
		for i, events := range []int{3, 0, 1, manyEvents, 2, manyEvents, manyEvents + 1, 0} {
			next := facts(chain, uint64(10*i+10), events)
			replace(t, s, prev, next)
			if got := read(t, s, chain); !reflect.DeepEqual(next, got) { // much faster than what tells where
				watchtest.Equal(t, "facts", next, got)
			}
			prev = next
		}
		watchtest.Equal(t, "of another chain", swap.Provisional{ChainID: chain + 2}, read(t, s, chain+2))
	})

	t.Run("a replacement needs the marks it was decided at", func(t *testing.T) {
		s, chain := open(t), watchtest.Chain()
		zero, a, b := swap.Provisional{ChainID: chain}, facts(chain, 10, 1), facts(chain, 20, 1)
		if err := s.Replace(t.Context(), a, b); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("of nothing: %v, want a conflict", err)
		}
		replace(t, s, zero, a)
		replace(t, s, zero, a) // its answer was lost
		for name, prev := range map[string]swap.Provisional{"zero": zero, "later": b, "same number, other hash": facts(chain, 10, 1)} {
			if err := s.Replace(t.Context(), prev, facts(chain, 30, 1)); !errors.Is(err, swap.ErrConflict) {
				t.Errorf("prev %s: %v, want a conflict", name, err)
			}
		}
		watchtest.Equal(t, "after conflicts", a, read(t, s, chain))
		later := a
		later.Sync.Revision = a.Sync.Revision + 1
		if err := s.Replace(t.Context(), later, facts(chain, 30, 1)); !errors.Is(err, swap.ErrConflict) {
			t.Errorf("prev of another revision: %v, want a conflict", err)
		}
		same := a
		same.Events = nil // the marks stay where they are
		same.Sync = swap.Sync{Revision: a.Sync.Revision + 1, Done: true, Covered: []common.Address{watchtest.Address()},
			Trail: a.From, Rewound: true, Seek: []swap.OrderID{{ChainID: chain, Escrow: watchtest.Address()}}}
		replace(t, s, a, same)
		watchtest.Equal(t, "same marks", same, read(t, s, chain))
	})

	for name, events := range map[string]int{"small": 2, "large": manyEvents} {
		t.Run("of many concurrent "+name+" replacements one wins, and readers never see a mix", func(t *testing.T) {
			s, chain := open(t), watchtest.Chain()
			prev := facts(chain, 10, events)
			replace(t, s, swap.Provisional{ChainID: chain}, prev)
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			var readers, writers sync.WaitGroup
			readers.Go(func() {
				for ctx.Err() == nil {
					p, err := s.Provisional(ctx, chain)
					if err != nil {
						if ctx.Err() == nil {
							t.Errorf("read: %v", err)
						}
						return
					}
					if len(p.Events) != events {
						t.Errorf("%d events at mark %d, want %d", len(p.Events), p.To.Number, events)
						return
					}
					for _, ev := range p.Events {
						if ev.At.Block != p.To.Number {
							t.Errorf("an event of block %d among facts up to %d", ev.At.Block, p.To.Number)
							return
						}
					}
				}
			})
			for round := range 3 {
				var wins atomic.Int64
				for i := range 4 {
					writers.Go(func() {
						switch err := s.Replace(ctx, prev, facts(chain, uint64(100*round+20+i), events)); {
						case err == nil:
							wins.Add(1)
						case !errors.Is(err, swap.ErrConflict):
							t.Errorf("replace: %v", err)
						}
					})
				}
				writers.Wait()
				if wins.Load() != 1 {
					t.Errorf("round %d: %d winners", round, wins.Load())
				}
				prev = read(t, s, chain)
			}
			stop()
			readers.Wait()
		})
	}
}
