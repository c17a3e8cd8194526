package snapshottest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Storage is all that a snapshot is taken of and restored into.
type Storage interface {
	snapshot.Chains
	snapshot.Ledger
	snapshot.Progress
	snapshot.Tables
}

// TestState is what every Storage passes. open returns an empty one.
func TestState(t *testing.T, open func(t *testing.T) Storage) {
	put := func(t *testing.T, s Storage, r snapshot.Record, want bool) {
		t.Helper()
		if got, err := s.Put(t.Context(), r); err != nil || got != want {
			t.Fatalf("put %s: wrote %t, %v; want %t", describe(r), got, err, want)
		}
	}
	t.Run("round trip", func(t *testing.T) {
		s, sample := open(t), NewSample(4)
		if what, err := s.Occupied(t.Context()); err != nil || what != "" {
			t.Fatalf("occupied by %q, %v; want nothing", what, err)
		}
		for _, again := range []bool{false, true} { // its answer was lost, or all was restored before
			for _, r := range append(sample.Records, Flag()) {
				put(t, s, r, !again || r.Parked != nil)
			}
		}
		if what, err := s.Occupied(t.Context()); err != nil || what == "" {
			t.Errorf("occupied by nothing, %v", err)
		}
		for _, r := range sample.Records[:2] {
			facts, _, err := s.Chain(t.Context(), r.Chain.ChainID)
			if err != nil {
				t.Fatal(err)
			}
			watchtest.Equal(t, "facts", *r.Chain, facts)
		}
		_, parked, err := s.Chain(t.Context(), sample.Dst)
		if err != nil {
			t.Fatal(err)
		}
		watchtest.Equal(t, "parked", []swap.DstCreated{*sample.Records[len(sample.Records)-1].Parked}, parked)
		var ids []swap.OrderID
		for _, o := range sample.Orders {
			ids = append(ids, o.ID)
		}
		byID := func(a, b swap.OrderID) int { return cmp.Compare(a.String(), b.String()) }
		slices.SortFunc(ids, byID)
		for _, chain := range []uint64{sample.Src, sample.Dst} {
			listed, err := s.Open(t.Context(), chain)
			if err != nil {
				t.Fatal(err)
			}
			var there []swap.OrderID
			for _, l := range listed {
				there = append(there, l.ID)
				if (l.Tag != snapshot.Tag{}) != (l.ID.ChainID == chain) {
					t.Errorf("on chain %d order %s has the tag %x", chain, l.ID, l.Tag)
				}
			}
			slices.SortFunc(there, byID)
			watchtest.Equal(t, fmt.Sprintf("open on chain %d", chain), ids, slices.Compact(there))
		}
		orders, err := s.Load(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		for i := range orders {
			tagged(t, s, &orders[i])
		}
		slices.SortFunc(orders, func(a, b swap.Order) int { return cmp.Compare(a.Version, b.Version) })
		watchtest.Equal(t, "orders", sample.Orders, orders)
		for _, w := range sample.Works {
			live, err := s.Live(t.Context(), w.ChainID, w.Taker)
			if err != nil {
				t.Fatal(err)
			}
			watchtest.Equal(t, "work", []swap.Work{w}, live)
		}
		next, entries, err := s.Journal(t.Context(), sample.Account, 64)
		if err != nil || next != 8 {
			t.Errorf("next nonce %d, %v; want 8", next, err)
		}
		slices.SortFunc(entries, func(a, b txn.Entry) int { return cmp.Compare(a.Nonce, b.Nonce) })
		watchtest.Equal(t, "entries", sample.Entries, entries)
		flags, err := s.Control(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		watchtest.Equal(t, "flags", []snapshot.Item{*Flag().Control}, flags)
	})
	t.Run("tags", func(t *testing.T) {
		s, sample := open(t), NewSample(1)
		seen := map[snapshot.Tag]bool{}
		o := sample.Orders[0]
		for i, edit := range []func(){
			func() {},
			func() {},
			func() { o.Dsts[0].Final = true },
			func() { o.Dsts[0].Final = false }, // as it was, in a later version
			func() { o.Dsts = nil },
		} {
			o = watchtest.Copy(o)
			o.Version++
			edit()
			put(t, s, snapshot.Record{Order: &o}, true)
			if tag := tagged(t, s, &o); seen[tag] {
				t.Errorf("edit %d: the order has the tag of another version", i)
			} else {
				seen[tag] = true
			}
		}
	})
	t.Run("later versions stay", func(t *testing.T) {
		s, sample := open(t), NewSample(1)
		o, w, e := sample.Orders[0], sample.Works[0], sample.Entries[1]
		o.Version, w.Version, e.Version = 5, 50, 5
		for _, step := range []struct {
			delta int
			want  bool
		}{{0, true}, {-1, false}, {0, false}, {2, true}, {1, false}} {
			o, w, e := watchtest.Copy(o), w, e
			o.Version, w.Version, e.Version = uint64(5+step.delta), uint64(50+step.delta), txn.Version(5+step.delta)
			w.Attempt = 10 + step.delta
			put(t, s, snapshot.Record{Order: &o}, step.want)
			put(t, s, snapshot.Record{Work: &w}, step.want)
			put(t, s, snapshot.Record{Entry: &e}, step.want)
		}
		got, err := s.Load(t.Context(), []swap.OrderID{o.ID})
		if err != nil || len(got) != 1 || got[0].Version != 7 {
			t.Errorf("order %+v, %v; want version 7", got, err)
		}
		live, err := s.Live(t.Context(), w.ChainID, w.Taker)
		if err != nil || len(live) != 1 || live[0].Version != 52 || live[0].Attempt != 12 {
			t.Errorf("work %+v, %v; want version 52", live, err)
		}
	})
	t.Run("an escrow that an order lost", func(t *testing.T) {
		s, sample := open(t), NewSample(1)
		put(t, s, snapshot.Record{Order: &sample.Orders[0]}, true)
		o := watchtest.Copy(sample.Orders[0])
		o.Version++
		o.Dsts = nil
		put(t, s, snapshot.Record{Order: &o}, true)
		if ids, err := s.Open(t.Context(), sample.Dst); err != nil || len(ids) != 0 {
			t.Errorf("still listed on the dst chain: %v, %v", ids, err)
		}
	})
	t.Run("nonces never go back", func(t *testing.T) {
		s, a := open(t), txntest.Account()
		for _, step := range []struct {
			next uint64
			want bool
		}{{7, true}, {6, false}, {7, false}, {9, true}} {
			put(t, s, snapshot.Record{Account: &snapshot.Account{Account: a, Next: step.next}}, step.want)
		}
		if next, _, err := s.Journal(t.Context(), a, 64); err != nil || next != 9 {
			t.Errorf("next nonce %d, %v; want 9", next, err)
		}
	})
	t.Run("what was settled is not opened, and the other way round", func(t *testing.T) {
		s, a := open(t), txntest.Account()
		put(t, s, snapshot.Record{Account: &snapshot.Account{Account: a, Next: 2}}, true)
		for n, first := range []txn.EntryState{txn.Mined, txn.Open} {
			e, _ := txntest.Entry(a, uint64(n), watchtest.Work(a.ChainID, watchtest.Address()))
			e.Version, e.State = 1, first
			put(t, s, snapshot.Record{Entry: &e}, true)
			e.Version, e.State = 9, txn.Open
			if first == txn.Open {
				e.State = txn.Foreign
			}
			put(t, s, snapshot.Record{Entry: &e}, false)
			_, entries, err := s.Journal(t.Context(), a, 64)
			i := slices.IndexFunc(entries, func(e txn.Entry) bool { return e.Nonce == uint64(n) })
			if err != nil || i < 0 || entries[i].State != first {
				t.Errorf("nonce %d: %+v, %v; want %s", n, entries, err, first)
			}
		}
	})
	t.Run("settled entries of the last nonces only", func(t *testing.T) {
		s, a := open(t), txntest.Account()
		put(t, s, snapshot.Record{Account: &snapshot.Account{Account: a, Next: 10}}, true)
		for n := range uint64(10) {
			e, _ := txntest.Entry(a, n, watchtest.Work(a.ChainID, watchtest.Address()))
			e.Version, e.State = 1, txn.Mined
			if n == 0 || n == 9 {
				e.State = txn.Open
			}
			put(t, s, snapshot.Record{Entry: &e}, true)
		}
		for settled, want := range map[uint64][]uint64{0: {0, 9}, 3: {0, 7, 8, 9}, 64: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}} {
			_, entries, err := s.Journal(t.Context(), a, settled)
			var got []uint64
			for _, e := range entries {
				got = append(got, e.Nonce)
			}
			slices.Sort(got)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%d settled: nonces %v, %v; want %v", settled, got, err, want)
			}
		}
	})
	t.Run("of two marks the older one", func(t *testing.T) {
		s, chain := open(t), watchtest.Chain()
		for _, step := range []struct {
			from uint64
			want bool
		}{{100, true}, {101, false}, {100, false}, {90, true}, {95, false}} {
			at := swap.Block{Number: step.from, Time: 1, Hash: watchtest.Word()}
			put(t, s, snapshot.Record{Chain: &swap.Provisional{ChainID: chain, From: at, To: at, Sync: swap.Sync{Revision: 3}}}, step.want)
		}
		if p, _, err := s.Chain(t.Context(), chain); err != nil || p.From.Number != 90 {
			t.Errorf("marks at %d, %v; want 90", p.From.Number, err)
		}
	})
	t.Run("progress", func(t *testing.T) {
		s := open(t)
		if r, err := s.Restored(t.Context()); err != nil || r != (snapshot.Restore{}) {
			t.Errorf("%+v, %v; want none", r, err)
		}
		for _, r := range []snapshot.Restore{{Key: "a", SHA256: "b", Begun: time.Unix(5, 0).UTC()}, {Key: "c", SHA256: "d", Begun: time.Unix(6, 0).UTC(), Finished: time.Unix(7, 0).UTC()}} {
			if err := s.SetRestored(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Restored(t.Context()); err != nil || got != r {
				t.Errorf("%+v, %v; want %+v", got, err, r)
			}
		}
		if what, err := s.Occupied(t.Context()); err != nil || what != "" {
			t.Errorf("the note of a restore occupies the tables: %q, %v", what, err)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if _, err := open(t).Put(t.Context(), snapshot.Record{}); err == nil {
			t.Error("a record without content was put")
		}
	})
}

// tagged returns the tag under which an order is listed, which is that of what is read.
func tagged(t *testing.T, s Storage, o *swap.Order) snapshot.Tag {
	t.Helper()
	got, err := s.Load(t.Context(), []swap.OrderID{o.ID})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d orders, %v", len(got), err)
	}
	watchtest.Equal(t, "order", *o, got[0])
	want, err := snapshot.TagOf(got[0])
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Open(t.Context(), o.ID.ChainID)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(l snapshot.Listed) bool { return l.ID == o.ID })
	if i < 0 || list[i].Tag != want {
		t.Fatalf("listed %+v; want order %s with tag %x", list, o.ID, want)
	}
	return want
}
