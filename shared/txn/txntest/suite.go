package txntest

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Fixture is an implementation, the work store it writes to, and what lets the
// suite take leases and see what was settled.
type Fixture struct {
	txn.Journal
	txn.Works
	// Grant gives the lease to the owner in a new generation, as if it had been
	// free or had expired.
	Grant func(t *testing.T, lease, owner string) txn.Fence
	// Release ends the lease that f holds.
	Release func(t *testing.T, f txn.Fence)
	// Settled reads a settled entry.
	Settled func(t *testing.T, a txn.Account, nonce uint64) (txn.Entry, bool)
	History func(t *testing.T, id swap.OrderID) []swap.Work
}

// TestJournal runs the guarantees of txn.Journal against an implementation.
// open is called once per subtest; what it returns may share one store.
func TestJournal(t *testing.T, open func(t *testing.T) Fixture) {
	entries := func(t *testing.T, s Fixture, a txn.Account) ([]txn.Entry, uint64) {
		t.Helper()
		got, next, err := s.Entries(t.Context(), a)
		if err != nil {
			t.Fatalf("entries: %v", err)
		}
		return got, next
	}
	expect := func(t *testing.T, s Fixture, a txn.Account, next uint64, want ...txn.Entry) {
		t.Helper()
		got, n := entries(t, s, a)
		watchtest.Equal(t, "open entries", want, got)
		if n != next {
			t.Errorf("next nonce %d, want %d", n, next)
		}
	}
	// work creates a work item of the account's signer and reads it back.
	work := func(t *testing.T, s Fixture, a txn.Account) swap.Work {
		t.Helper()
		w := watchtest.Work(a.ChainID, watchtest.Address())
		w.Signer = a.Signer
		if err := s.Save(t.Context(), w); err != nil {
			t.Fatalf("save work: %v", err)
		}
		return live(t, s, w)
	}
	record := func(t *testing.T, s Fixture, f txn.Fence, e txn.Entry, w []swap.Work) txn.Entry {
		t.Helper()
		if err := s.Record(t.Context(), f, e, w); err != nil {
			t.Fatalf("record nonce %d at version %d: %v", e.Nonce, e.Version, err)
		}
		return reread(t, s, e)
	}
	conflict := func(t *testing.T, what string, err error) {
		t.Helper()
		if !errors.Is(err, swap.ErrConflict) {
			t.Errorf("%s: %v, want a conflict", what, err)
		}
	}

	t.Run("an entry stands in the journal when its work is submitted", func(t *testing.T) {
		s, a := open(t), Account()
		expect(t, s, a, 0)
		f := s.Grant(t, lease(a), "a")
		w := work(t, s, a)
		e, step := Entry(a, 5, w)
		stored := record(t, s, f, e, step)
		e.Version = stored.Version
		if e.Version == 0 {
			t.Error("stored entry has version 0")
		}
		expect(t, s, a, 6, e)
		if got := live(t, s, w); got.State != swap.WorkSubmitted || got.Version != w.Version+1 {
			t.Errorf("work is %s at version %d, want submitted at %d", got.State, got.Version, w.Version+1)
		}
		expect(t, s, Account(), 0)
	})

	t.Run("a repeated record is success", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		w := work(t, s, a)
		e, step := Entry(a, 5, w)
		record(t, s, f, e, step)
		stored := record(t, s, f, e, step)
		bump := stored
		bump.Txs = append(slices.Clone(stored.Txs), Tx())
		record(t, s, f, bump, nil)
		again := record(t, s, f, bump, nil)
		if len(again.Txs) != 2 {
			t.Errorf("%d transactions, want 2", len(again.Txs))
		}
	})

	t.Run("only the holder of the lease may record", func(t *testing.T) {
		s, a := open(t), Account()
		old := s.Grant(t, lease(a), "a")
		w := work(t, s, a)
		e, step := Entry(a, 0, w)
		cur := s.Grant(t, lease(a), "b")
		for name, f := range map[string]txn.Fence{
			"former holder":     old,
			"other owner":       {Lease: cur.Lease, Owner: "a", Generation: cur.Generation},
			"other generation":  {Lease: cur.Lease, Owner: cur.Owner, Generation: cur.Generation + 1},
			"a lease not taken": {Lease: lease(Account()), Owner: "b", Generation: 1},
			"no lease":          {},
		} {
			conflict(t, name, s.Record(t.Context(), f, e, step))
		}
		expect(t, s, a, 0)
		if got := live(t, s, w); got.State != swap.WorkPlanned || got.Version != w.Version {
			t.Errorf("work is %s at version %d after refused records", got.State, got.Version)
		}
		stored := record(t, s, cur, e, step)
		bump := stored
		bump.Txs = append(slices.Clone(stored.Txs), Tx())
		conflict(t, "bump by the former holder", s.Record(t.Context(), old, bump, nil))
		s.Release(t, cur)
		conflict(t, "bump after release", s.Record(t.Context(), cur, bump, nil))
		expect(t, s, a, 1, stored)
	})

	t.Run("a nonce is used once, also after it was settled", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		e, step := Entry(a, 3, work(t, s, a))
		stored := record(t, s, f, e, step)
		w := work(t, s, a)
		second, step2 := Entry(a, 3, w)
		conflict(t, "open nonce", s.Record(t.Context(), f, second, step2))
		stored.State = txn.Foreign
		if err := s.Settle(t.Context(), stored, nil); err != nil {
			t.Fatalf("settle: %v", err)
		}
		conflict(t, "settled nonce", s.Record(t.Context(), f, second, step2))
		if got := live(t, s, w); got.State != swap.WorkPlanned {
			t.Errorf("work is %s after refused records", got.State)
		}
		expect(t, s, a, 4)
	})

	t.Run("a record fails whole if its work has changed", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		w := work(t, s, a)
		e, step := Entry(a, 0, w)
		w.State, w.RetryAt = swap.WorkRefused, 9
		if err := s.Save(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		conflict(t, "record", s.Record(t.Context(), f, e, step))
		expect(t, s, a, 0)
	})

	t.Run("next stays the highest nonce ever plus one", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		var want []txn.Entry
		for _, n := range []uint64{9, 4, 10} { // 4: a nonce that was left out before
			e, step := Entry(a, n, work(t, s, a))
			want = append(want, record(t, s, f, e, step))
		}
		slices.SortFunc(want, func(a, b txn.Entry) int { return int(a.Nonce) - int(b.Nonce) })
		expect(t, s, a, 11, want...)
		for _, e := range want {
			e.State = txn.Mined
			if err := s.Settle(t.Context(), e, nil); err != nil {
				t.Fatalf("settle: %v", err)
			}
		}
		expect(t, s, a, 11)
	})

	t.Run("a bump needs the version it was decided at", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		e, step := Entry(a, 0, work(t, s, a))
		first := record(t, s, f, e, step)
		bump := first
		bump.Txs = append(slices.Clone(first.Txs), Tx())
		second := record(t, s, f, bump, nil)
		if second.Version != first.Version+1 || len(second.Txs) != 2 {
			t.Errorf("after a bump: version %d, %d transactions", second.Version, len(second.Txs))
		}
		late := first
		late.Txs = append(slices.Clone(first.Txs), Tx())
		conflict(t, "bump of an old version", s.Record(t.Context(), f, late, nil))
		absent := first
		absent.Nonce = 8
		conflict(t, "bump of nothing", s.Record(t.Context(), f, absent, nil))
		expect(t, s, a, 1, second)
	})

	// batch creates n works of one taker.
	batch := func(t *testing.T, s Fixture, a txn.Account, n int) (out []swap.Work) {
		t.Helper()
		taker := watchtest.Address()
		for range n {
			w := watchtest.Work(a.ChainID, taker)
			w.Signer = a.Signer
			if err := s.Save(t.Context(), w); err != nil {
				t.Fatalf("save work: %v", err)
			}
			out = append(out, live(t, s, w))
		}
		return out
	}

	t.Run("an entry of many actions is written and settled whole", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		works := batch(t, s, a, txn.MaxActs)
		e, steps := Entry(a, 7, works...)
		e.Txs[0].Acts = []int{0, 2}
		stored := record(t, s, f, e, steps)
		again := record(t, s, f, e, steps) // as if the answer had been lost
		e.Version = stored.Version
		watchtest.Equal(t, "entry", e, stored)
		watchtest.Equal(t, "entry recorded again", e, again)
		for _, w := range works {
			if got := live(t, s, w); got.State != swap.WorkSubmitted || got.Version != w.Version+1 {
				t.Fatalf("work is %s at version %d, want submitted at %d", got.State, got.Version, w.Version+1)
			}
		}
		bump := stored
		bump.Txs = append(slices.Clone(stored.Txs), Tx())
		stored = record(t, s, f, bump, nil)
		// All of them end: the most items that one transaction ever has.
		stored.State = txn.Mined
		var ends []swap.Work
		for _, w := range works {
			w = live(t, s, w)
			w.State = swap.WorkConfirmed
			ends = append(ends, w)
		}
		for range 2 {
			if err := s.Settle(t.Context(), stored, ends); err != nil {
				t.Fatalf("settle: %v", err)
			}
		}
		expect(t, s, a, 8)
		for _, w := range works {
			if h := s.History(t, w.Order); len(h) != 1 || h[0].State != swap.WorkConfirmed {
				t.Fatalf("history %+v", h)
			}
		}
	})

	t.Run("a record fails whole if the work of one of its actions has changed", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		works := batch(t, s, a, 3)
		e, steps := Entry(a, 0, works...)
		works[2].Attempt++
		if err := s.Save(t.Context(), works[2]); err != nil {
			t.Fatal(err)
		}
		conflict(t, "record", s.Record(t.Context(), f, e, steps))
		expect(t, s, a, 0)
		if got := live(t, s, works[0]); got.State != swap.WorkPlanned {
			t.Errorf("work is %s", got.State)
		}
	})

	t.Run("actions of one entry end in different ways, and some are left as they are", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		works := batch(t, s, a, 3)
		e, steps := Entry(a, 0, works...)
		e = record(t, s, f, e, steps)
		confirmed, opened, left := live(t, s, works[0]), live(t, s, works[1]), live(t, s, works[2])
		confirmed.State, opened.State, opened.Attempt = swap.WorkConfirmed, swap.WorkPlanned, opened.Attempt+1
		e.State = txn.Mined
		stale := opened
		stale.Version--
		conflict(t, "settle with old work", s.Settle(t.Context(), e, []swap.Work{confirmed, stale}))
		if got := live(t, s, works[0]); got.State != swap.WorkSubmitted {
			t.Errorf("work is %s after a refused settlement", got.State)
		}
		if err := s.Settle(t.Context(), e, []swap.Work{confirmed, opened}); err != nil {
			t.Fatalf("settle: %v", err)
		}
		if h := s.History(t, works[0].Order); len(h) != 1 {
			t.Errorf("history %+v", h)
		}
		if got := live(t, s, works[1]); got.State != swap.WorkPlanned || got.Attempt != 2 {
			t.Errorf("work %+v", got)
		}
		watchtest.Equal(t, "untouched work", left, live(t, s, works[2]))
	})

	t.Run("a gap is filled by an entry without an action", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		e, steps := Entry(a, 4)
		stored := record(t, s, f, e, steps)
		e.Version = stored.Version
		expect(t, s, a, 5, e)
		stored.State = txn.Mined
		if err := s.Settle(t.Context(), stored, nil); err != nil {
			t.Fatalf("settle: %v", err)
		}
		expect(t, s, a, 5)
	})

	t.Run("settling moves entry and work in one step and keeps both", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		for i, c := range []struct {
			state txn.EntryState
			work  swap.WorkState
		}{{txn.Mined, swap.WorkConfirmed}, {txn.Mined, swap.WorkByOther}, {txn.Foreign, swap.WorkPlanned}, {txn.Foreign, ""}} {
			w := work(t, s, a)
			e, step := Entry(a, uint64(i), w)
			e = record(t, s, f, e, step)
			w = live(t, s, w)
			e.State = c.state
			var to []swap.Work
			if c.work != "" {
				next := w
				next.State, next.Attempt = c.work, w.Attempt+1
				to = []swap.Work{next}
			}
			for range 2 { // the second time as if the answer to the first had been lost
				if err := s.Settle(t.Context(), e, to); err != nil {
					t.Fatalf("settle as %s: %v", c.state, err)
				}
			}
			expect(t, s, a, uint64(i)+1)
			got, ok := s.Settled(t, a, e.Nonce)
			if !ok || got.State != c.state || len(got.Txs) != 1 || got.Txs[0].Hash != e.Txs[0].Hash {
				t.Errorf("settled entry %+v, %v", got, ok)
			}
			left, err := s.Live(t.Context(), w.ChainID, w.Taker)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case to == nil:
				watchtest.Equal(t, "untouched work", []swap.Work{w}, left)
			case to[0].State.Live():
				if len(left) != 1 || left[0].State != to[0].State || left[0].Attempt != 2 {
					t.Errorf("live after settling as %s: %+v", c.state, left)
				}
			default:
				if h := s.History(t, w.Order); len(left) != 0 || len(h) != 1 || h[0].State != to[0].State {
					t.Errorf("live %+v, history %+v; want it in the history as %s", left, h, to[0].State)
				}
			}
		}
	})

	t.Run("settling fails whole if entry or work has changed", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		w := work(t, s, a)
		e, step := Entry(a, 0, w)
		e = record(t, s, f, e, step)
		w = live(t, s, w)
		bump := e
		bump.Txs = append(slices.Clone(e.Txs), Tx())
		cur := record(t, s, f, bump, nil)

		done := w
		done.State = swap.WorkConfirmed
		e.State = txn.Mined
		conflict(t, "settle an old version", s.Settle(t.Context(), e, []swap.Work{done}))
		stale := done
		stale.Version--
		mined := cur
		mined.State = txn.Mined
		conflict(t, "settle with old work", s.Settle(t.Context(), mined, []swap.Work{stale}))
		absent := mined
		absent.Nonce = 6
		conflict(t, "settle nothing", s.Settle(t.Context(), absent, nil))
		expect(t, s, a, 1, cur)
		watchtest.Equal(t, "work", w, live(t, s, w))
		if err := s.Settle(t.Context(), mined, []swap.Work{done}); err != nil {
			t.Fatalf("settle: %v", err)
		}
		other := mined
		other.State = txn.Foreign
		conflict(t, "settle again as another state", s.Settle(t.Context(), other, nil))
	})

	t.Run("settled entries are read from a nonce on, and can be opened again", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		done := func(from uint64, limit int, want ...txn.Entry) {
			t.Helper()
			got, err := s.Done(t.Context(), a, from, limit)
			if err != nil {
				t.Fatalf("done: %v", err)
			}
			watchtest.Equal(t, "settled entries", want, got)
		}
		var settled []txn.Entry
		for _, n := range []uint64{3, 9, 10, 11, 200} {
			e, steps := Entry(a, n, work(t, s, a))
			if n == 10 {
				e, steps = Entry(a, n, batch(t, s, a, 3)...)
			}
			e = record(t, s, f, e, steps)
			if n == 11 {
				continue // stays open
			}
			e.State, e.SettledAt = txn.Mined, swap.Block{Number: 500 + n, Time: 1_750_000_900, Hash: watchtest.Word()}
			if err := s.Settle(t.Context(), e, nil); err != nil {
				t.Fatalf("settle: %v", err)
			}
			e.Version++
			settled = append(settled, e)
		}
		done(0, 100, settled...)
		done(9, 100, settled[1:]...)
		done(10, 1, settled[2])
		done(12, 100, settled[3])
		done(201, 100)
		others, err := s.Done(t.Context(), Account(), 0, 100)
		if err != nil || len(others) != 0 {
			t.Errorf("of another account: %+v, %v", others, err)
		}

		back := settled[2]
		back.State, back.UndoneAt = txn.Open, swap.Block{Number: 900, Time: 1_750_001_800, Hash: watchtest.Word()}
		late := s.Grant(t, lease(a), "b")
		conflict(t, "opened by the former holder", s.Reopen(t.Context(), f, back))
		old := back
		old.Version--
		conflict(t, "opened at an old version", s.Reopen(t.Context(), late, old))
		absent := back
		absent.Nonce = 77
		conflict(t, "nothing opened", s.Reopen(t.Context(), late, absent))
		live, next := entries(t, s, a)
		if len(live) != 1 || next != 201 {
			t.Fatalf("%d open entries, next %d, after refusals", len(live), next)
		}
		for range 2 { // the second time as if the answer to the first had been lost
			if err := s.Reopen(t.Context(), late, back); err != nil {
				t.Fatalf("reopen: %v", err)
			}
		}
		back.Version++
		done(9, 100, settled[1], settled[3])
		expect(t, s, a, 201, back, live[0])

		// It is raised and settled like any other.
		bump := back
		bump.Txs = append(slices.Clone(back.Txs), Tx())
		bump = record(t, s, late, bump, nil)
		bump.State = txn.Mined
		if err := s.Settle(t.Context(), bump, nil); err != nil {
			t.Fatalf("settle again: %v", err)
		}
		bump.Version++
		done(10, 1, bump)
		expect(t, s, a, 201, live[0])
	})

	t.Run("of two holders racing for a nonce one records, and only while it holds the lease", func(t *testing.T) {
		s, a := open(t), Account()
		for round := range 6 {
			f := s.Grant(t, lease(a), "a")
			const writers = 8
			var works [writers]swap.Work
			for i := range works {
				works[i] = work(t, s, a)
			}
			var wins atomic.Int64
			var taken txn.Fence
			var wg sync.WaitGroup
			for i := range writers {
				wg.Go(func() {
					e, step := Entry(a, uint64(round), works[i])
					switch err := s.Record(t.Context(), f, e, step); {
					case err == nil:
						wins.Add(1)
					case !errors.Is(err, swap.ErrConflict):
						t.Errorf("record: %v", err)
					}
				})
			}
			wg.Go(func() { taken = s.Grant(t, lease(a), "b") })
			wg.Wait()
			open, _ := entries(t, s, a)
			submitted := 0
			for _, w := range works {
				if live(t, s, w).State == swap.WorkSubmitted {
					submitted++
				}
			}
			if int(wins.Load()) > 1 || len(open) != int(wins.Load()) || submitted != len(open) {
				t.Fatalf("round %d: %d winners, %d open entries, %d works submitted", round, wins.Load(), len(open), submitted)
			}
			if len(open) == 0 { // the lease was gone before the first of them: its new holder goes on
				e, step := Entry(a, uint64(round), works[0])
				open = append(open, record(t, s, taken, e, step))
			}
			open[0].State = txn.Mined
			if err := s.Settle(t.Context(), open[0], nil); err != nil {
				t.Fatalf("settle: %v", err)
			}
		}
	})

	t.Run("of many concurrent settlements one wins", func(t *testing.T) {
		s, a := open(t), Account()
		f := s.Grant(t, lease(a), "a")
		w := work(t, s, a)
		e, step := Entry(a, 0, w)
		e = record(t, s, f, e, step)
		w = live(t, s, w)
		var wins atomic.Int64
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				mine, done := e, w
				mine.State, done.State, done.Attempt = txn.Mined, swap.WorkConfirmed, i+2
				switch err := s.Settle(t.Context(), mine, []swap.Work{done}); {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, swap.ErrConflict):
					t.Errorf("settle: %v", err)
				}
			})
		}
		wg.Wait()
		if h := s.History(t, w.Order); wins.Load() != 1 || len(h) != 1 {
			t.Errorf("%d winners, %d history rows", wins.Load(), len(h))
		}
	})
}

// lease names the lease of an account as package job does.
func lease(a txn.Account) string { return "signer#" + a.Signer.Hex() }

// live reads the live work item with w's key.
func live(t *testing.T, s Fixture, w swap.Work) swap.Work {
	t.Helper()
	got, err := s.Live(t.Context(), w.ChainID, w.Taker)
	if err != nil {
		t.Fatalf("live: %v", err)
	}
	i := slices.IndexFunc(got, func(l swap.Work) bool { return l.Key() == w.Key() })
	if i < 0 {
		t.Fatalf("work %s is not live", w.Key())
	}
	return got[i]
}

// reread reads the open entry with e's nonce.
func reread(t *testing.T, s Fixture, e txn.Entry) txn.Entry {
	t.Helper()
	got, _, err := s.Entries(t.Context(), e.Account)
	if err != nil {
		t.Fatalf("entries: %v", err)
	}
	i := slices.IndexFunc(got, func(o txn.Entry) bool { return o.Nonce == e.Nonce })
	if i < 0 {
		t.Fatalf("nonce %d is not in the journal", e.Nonce)
	}
	return got[i]
}
