// Package alerttest holds what proves an implementation of package alert's storage interface: a
// conformance suite for any of them, and an in-memory one that can fail.
package alerttest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// many is above every limit on the number of entries the suite leaves waiting in a shared store.
const many = 100_000

// entry is a full one, under a key that no other test uses.
func entry(version int64) alert.Entry {
	return alert.Entry{
		Alert: alert.Alert{Kind: alert.DstPaidSrcExpired, Severity: alert.Critical, Chain: 8453,
			Order: "order-" + rand.Text(), Escrow: "0xabc", Account: "taker", Level: 5 * time.Minute,
			What: "what \"quoted\" ☂", AtStake: "1.5 USDC", UntilWhen: "12:05 UTC", WhatToDo: "rescue"},
		State: alert.Open, Version: version, Write: rand.Text(),
		OpenedAt: epoch, RaisedAt: epoch.Add(time.Second), QuietUntil: epoch.Add(10 * time.Minute),
		ExpiresAt: epoch.Add(24 * time.Hour), Repeats: 2, Count: 3, Proof: "withdrawn in 0x1",
	}
}

// TestStore runs the guarantees of alert.Store against an implementation. open is called once per
// subtest; what it returns may share one store.
func TestStore(t *testing.T, open func(t *testing.T) alert.Store) {
	load := func(t *testing.T, s alert.Store, key string) alert.Entry {
		t.Helper()
		e, err := s.Load(t.Context(), key)
		if err != nil {
			t.Fatalf("load: %v", err)
		}
		return e
	}
	save := func(t *testing.T, s alert.Store, e alert.Entry) alert.Entry {
		t.Helper()
		if err := s.Save(t.Context(), e); err != nil {
			t.Fatalf("save: %v", err)
		}
		e.Version++
		return e
	}
	pending := func(t *testing.T, s alert.Store, key string) bool {
		t.Helper()
		list, err := s.Pending(t.Context(), many)
		if err != nil {
			t.Fatalf("pending: %v", err)
		}
		for _, e := range list {
			if !e.NotifiedAt.IsZero() {
				t.Errorf("pending returned the notified %s", e.Key())
			}
			if e.Key() == key {
				return true
			}
		}
		return false
	}

	t.Run("an absent entry is zero", func(t *testing.T) {
		if e := load(t, open(t), entry(0).Key()); e != (alert.Entry{}) {
			t.Errorf("got %+v", e)
		}
	})

	t.Run("an entry reads back as written, by key and as pending", func(t *testing.T) {
		s := open(t)
		want := save(t, s, entry(0))
		if diff := cmp.Diff(want, load(t, s, want.Key())); diff != "" {
			t.Errorf("load (-want +got):\n%s", diff)
		}
		list, err := s.Pending(t.Context(), many)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.Key() == want.Key() {
				if diff := cmp.Diff(want, e); diff != "" {
					t.Errorf("pending (-want +got):\n%s", diff)
				}
				return
			}
		}
		t.Error("not among the pending")
	})

	t.Run("a save needs the version it was read at", func(t *testing.T) {
		s := open(t)
		first := save(t, s, entry(0))
		for _, version := range []int64{0, first.Version + 1} {
			e := first
			e.Version, e.Write, e.What = version, rand.Text(), "must not be stored"
			if err := s.Save(t.Context(), e); !errors.Is(err, alert.ErrConflict) {
				t.Errorf("save at version %d over %d: %v, want ErrConflict", version, first.Version, err)
			}
		}
		absent := entry(3)
		if err := s.Save(t.Context(), absent); !errors.Is(err, alert.ErrConflict) {
			t.Errorf("save at version 3 of nothing: %v, want ErrConflict", err)
		}
		if diff := cmp.Diff(first, load(t, s, first.Key())); diff != "" {
			t.Errorf("after conflicts (-want +got):\n%s", diff)
		}
	})

	t.Run("our own write whose answer was lost is success", func(t *testing.T) {
		s := open(t)
		e := entry(0)
		save(t, s, e)
		stored := save(t, s, e) // the same again
		e2 := stored
		e2.Write, e2.State = rand.Text(), alert.Escalated
		save(t, s, e2)
		stored = save(t, s, e2)
		if diff := cmp.Diff(stored, load(t, s, e.Key())); diff != "" {
			t.Errorf("after repetition (-want +got):\n%s", diff)
		}
		if err := s.Save(t.Context(), e); !errors.Is(err, alert.ErrConflict) {
			t.Errorf("a write that was overwritten: %v, want ErrConflict", err)
		}
	})

	t.Run("pending until notified, and again when raised or resolved anew", func(t *testing.T) {
		s := open(t)
		e := save(t, s, entry(0))
		steps := []struct {
			state    alert.State
			notified time.Time
		}{
			{alert.Open, epoch.Add(time.Minute)}, {alert.Escalated, time.Time{}}, {alert.Escalated, epoch.Add(2 * time.Minute)},
			{alert.Resolved, time.Time{}}, {alert.Resolved, epoch.Add(3 * time.Minute)},
		}
		if !pending(t, s, e.Key()) {
			t.Error("a new entry is not pending")
		}
		for _, step := range steps {
			e.State, e.NotifiedAt, e.Write = step.state, step.notified, rand.Text()
			e = save(t, s, e)
			if got, want := pending(t, s, e.Key()), step.notified.IsZero(); got != want {
				t.Errorf("%s, notified %s: pending %v, want %v", step.state, step.notified, got, want)
			}
			if got := load(t, s, e.Key()); !got.NotifiedAt.Equal(step.notified) {
				t.Errorf("notified at %s, want %s", got.NotifiedAt, step.notified)
			}
		}
	})

	t.Run("an entry past its expiry is still read", func(t *testing.T) {
		s := open(t)
		e := entry(0)
		e.ExpiresAt = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		e = save(t, s, e)
		if got := load(t, s, e.Key()); got.Version != e.Version {
			t.Errorf("got version %d, want %d", got.Version, e.Version)
		}
	})

	t.Run("pending crosses pages and keeps to the limit", func(t *testing.T) {
		s := open(t)
		const n = 60
		long := strings.Repeat("ü", 12_000) // 24 KB each: more than a page of 1 MB in all
		want := map[string]bool{}
		for range n {
			e := entry(0)
			e.What = long
			want[save(t, s, e).Key()] = true
		}
		list, err := s.Pending(t.Context(), many)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			delete(want, e.Key())
		}
		if len(want) != 0 {
			t.Errorf("%d of %d pending entries not found", len(want), n)
		}
		for _, limit := range []int{1, 7} {
			if list, err = s.Pending(t.Context(), limit); err != nil || len(list) != limit {
				t.Errorf("limit %d: %d entries, %v", limit, len(list), err)
			}
		}
	})

	t.Run("of many concurrent writers one wins each version", func(t *testing.T) {
		s := open(t)
		base := entry(0)
		for version := range int64(4) {
			var wins atomic.Int64
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					e := base
					e.Version, e.Write, e.What = version, rand.Text(), fmt.Sprint(i)
					switch err := s.Save(t.Context(), e); {
					case err == nil:
						wins.Add(1)
					case !errors.Is(err, alert.ErrConflict):
						t.Errorf("save: %v", err)
					}
				})
			}
			wg.Wait()
			if wins.Load() != 1 {
				t.Fatalf("version %d: %d winners", version, wins.Load())
			}
			if got := load(t, s, base.Key()).Version; got != version+1 {
				t.Fatalf("stored version %d, want %d", got, version+1)
			}
		}
	})

	t.Run("dedup: of many concurrent raises one announces, and again only after the quiet time", func(t *testing.T) {
		s := open(t)
		a := alert.Alert{Kind: alert.DeadlineNear, Chain: 10, Order: rand.Text(), Level: 10 * time.Minute}
		raise := func(a alert.Alert, now time.Time) int64 {
			var announced atomic.Int64
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					_, ok, err := alert.Raise(t.Context(), s, a, now)
					if err != nil {
						t.Errorf("raise: %v", err)
					}
					if ok {
						announced.Add(1)
					}
				})
			}
			wg.Wait()
			return announced.Load()
		}
		tight := a
		tight.Level = time.Minute
		steps := []struct {
			name string
			a    alert.Alert
			at   time.Duration
			want int64
		}{
			{"new", a, 0, 1},
			{"within the quiet time", a, alert.QuietTime - time.Millisecond, 0},
			{"after the quiet time", a, alert.QuietTime, 1},
			{"tighter level", tight, alert.QuietTime + time.Second, 1},
			{"tighter level again", tight, alert.QuietTime + 2*time.Second, 0},
			{"back to the looser level", a, alert.QuietTime + 3*time.Second, 0},
		}
		for _, step := range steps {
			if got := raise(step.a, epoch.Add(step.at)); got != step.want {
				t.Errorf("%s: %d announced, want %d", step.name, got, step.want)
			}
		}
	})
}
