package watchtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// firstVersion is the version of the first work item ever created. It is far
// from 1 because the number is the store's alone: whoever guesses it after a
// creation instead of reading guesses wrong.
const firstVersion = 1 << 40

// Actions keeps work in memory: watch.Actions, and txn.Works. What goes in and
// out is copied: work holds no pointers. It is safe for concurrent use, and panics when a caller does
// what no caller may.
//
// Calls: "actions.live", "actions.save".
type Actions struct {
	*faulttest.Faults
	mu      sync.Mutex
	live    map[swap.ActionKey]swap.Work
	history []swap.Work
	last    uint64
}

// NewActions returns an empty store with the given faults; nil: its own.
func NewActions(f *faulttest.Faults) *Actions {
	if f == nil {
		f = new(faulttest.Faults)
	}
	return &Actions{Faults: f, live: map[swap.ActionKey]swap.Work{}, last: firstVersion}
}

// History lists the work of an order that came to an end, oldest first.
func (s *Actions) History(id swap.OrderID) []swap.Work {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []swap.Work
	for _, w := range s.history {
		if w.Order == id {
			out = append(out, w)
		}
	}
	return out
}

// All returns the live work of everybody, by chain, taker and key.
func (s *Actions) All() []swap.Work {
	return s.list(func(swap.ActionKey) bool { return true })
}

func (s *Actions) list(want func(swap.ActionKey) bool) (out []swap.Work) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, w := range s.live {
		if want(k) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b swap.Work) int {
		return cmp.Or(cmp.Compare(a.ChainID, b.ChainID), a.Taker.Cmp(b.Taker), cmp.Compare(a.Key().String(), b.Key().String()))
	})
	return out
}

// Live implements watch.Actions.
func (s *Actions) Live(ctx context.Context, chain uint64, taker common.Address) (out []swap.Work, err error) {
	err = s.DoAbout(ctx, "actions.live", fmt.Sprint(chain, taker), func() error {
		out = s.list(func(k swap.ActionKey) bool { return k.ChainID == chain && k.Taker == taker })
		return nil
	})
	return out, err
}

// Save implements watch.Actions. Work becomes submitted in no other way than
// with its journal entry, so saving such a step panics.
func (s *Actions) Save(ctx context.Context, w swap.Work) error {
	return s.DoAbout(ctx, "actions.save", fmt.Sprint(w.ChainID, w.Key()), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if old, ok := s.live[w.Key()]; w.State == swap.WorkSubmitted && (!ok || old.State != swap.WorkSubmitted) {
			panic(fmt.Sprintf("work %s: submitted without a journal entry", w.Key()))
		}
		if s.repeated(w) {
			return nil
		}
		return s.write(w)
	})
}

// Together runs other in one transaction with writing the works, each of
// another key: if anything fails, nothing is applied. It is for the fakes of
// other packages; repeats are theirs to recognise.
func (s *Actions) Together(works []swap.Work, other func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range works {
		if err := s.check(w); err != nil {
			return err
		}
	}
	if err := other(); err != nil {
		return err
	}
	for _, w := range works {
		if err := s.write(w); err != nil {
			return err
		}
	}
	return nil
}

func (s *Actions) check(w swap.Work) error {
	old, ok := s.live[w.Key()]
	switch {
	case !slices.Contains([]swap.WorkState{swap.WorkPlanned, swap.WorkSubmitted, swap.WorkRefused,
		swap.WorkConfirmed, swap.WorkObsolete, swap.WorkByOther}, w.State):
		panic(fmt.Sprintf("work %s: state %q", w.Key(), w.State))
	case w.Version == 0 && !w.State.Live():
		panic(fmt.Sprintf("work %s: created %s", w.Key(), w.State))
	case w.Attempt < 1:
		panic(fmt.Sprintf("work %s: attempt %d", w.Key(), w.Attempt))
	case ok && w.Version == old.Version && w.Attempt < old.Attempt:
		panic(fmt.Sprintf("work %s: attempt %d after %d", w.Key(), w.Attempt, old.Attempt))
	case ok && w.Version == old.Version && w.Order != old.Order:
		panic(fmt.Sprintf("work %s: of order %s, was of %s", w.Key(), w.Order, old.Order))
	case old.Version != w.Version:
		return swap.ErrConflict
	}
	return nil
}

func (s *Actions) write(w swap.Work) error {
	if err := s.check(w); err != nil {
		return err
	}
	next := w
	if next.Version == 0 {
		next.Version = s.last
	}
	next.Version++
	s.last = max(s.last, next.Version+1)
	if next.State.Live() {
		s.live[w.Key()] = next
		return nil
	}
	delete(s.live, w.Key())
	s.history = append(s.history, next)
	return nil
}

// repeated reports whether w has just been written: its answer was lost.
func (s *Actions) repeated(w swap.Work) bool {
	is := func(stored swap.Work) bool {
		if w.Version != 0 && stored.Version != w.Version+1 {
			return false
		}
		stored.Version = w.Version
		return Same(stored, w)
	}
	if stored, ok := s.live[w.Key()]; ok {
		return stored.Version != w.Version && is(stored)
	}
	return w.Version != 0 && slices.ContainsFunc(s.history, is)
}
