// Package alerttest holds what proves an implementation of package alert's storage interface: a
// conformance suite for any of them, and an in-memory one that can fail.
package alerttest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
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
		SeenAt: epoch.Add(time.Minute), AgeFrom: epoch.Add(-time.Minute), AckedAt: epoch.Add(2 * time.Second), AckedBy: "somebody", AckNote: "I look",
	}
}

// Listed is what one implementation is: a store that can be listed.
type Listed interface {
	alert.Store
	alert.List
}

// TestStore runs the guarantees of alert.Store and alert.List against an implementation. open is called once per
// subtest; what it returns may share one store.
func TestStore(t *testing.T, open func(t *testing.T) Listed) {
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
		list, err := s.Due(t.Context(), many, time.Time{}, 0)
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
		list, err := s.Due(t.Context(), many, time.Time{}, 0)
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
		list, err := s.Due(t.Context(), many, time.Time{}, 0)
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
			if list, err = s.Due(t.Context(), limit, time.Time{}, 0); err != nil || len(list) != limit {
				t.Errorf("limit %d: %d entries, %v", limit, len(list), err)
			}
		}
	})

	t.Run("pending: the most severe first, then the longest due", func(t *testing.T) {
		s := open(t)
		var want []string
		for _, c := range []struct {
			severity alert.Severity
			due      time.Duration // before everything else the suite leaves waiting
		}{{alert.Critical, -9}, {alert.Critical, -7}, {alert.Warning, -8}, {alert.Info, -9}} {
			e := entry(0)
			e.Severity, e.RaisedAt = c.severity, epoch.Add(c.due*time.Hour)
			want = append(want, save(t, s, e).Key())
		}
		list, err := s.Due(t.Context(), many, time.Time{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			if slices.Contains(want, e.Key()) {
				got = append(got, e.Key())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("order %q\nwant  %q", got, want)
		}
		for _, limit := range []int{1, len(list) - 1} {
			if first, err := s.Due(t.Context(), limit, time.Time{}, 0); err != nil || !cmp.Equal(first, list[:limit]) {
				t.Errorf("the first %d are others, %v", limit, err)
			}
		}
	})

	t.Run("due: what was raised long before, or says it will be long after", func(t *testing.T) {
		s := open(t)
		var keys []string
		const age = 1000 * time.Hour // farther than everything else that the suite leaves waiting
		for _, after := range []time.Duration{-age - time.Millisecond, -age, age, -age + time.Microsecond, age - time.Millisecond, 0} {
			e := entry(0)
			e.RaisedAt = epoch.Add(after)
			e = save(t, s, e)
			keys = append(keys, e.Key())
			defer func() { // the others are not to find it waiting
				e.NotifiedAt, e.Write = epoch, rand.Text()
				save(t, s, e)
			}()
		}
		for limit, want := range map[int][]string{many: keys[:3], 1: keys[:1]} {
			list, err := s.Due(t.Context(), limit, epoch, age)
			var got []string
			for _, e := range list {
				got = append(got, e.Key())
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("at most %d: %q, %v; want %q", limit, got, err, want)
			}
		}
	})

	t.Run("a list of what is open and of what was resolved within a day", func(t *testing.T) {
		s := open(t)
		e := entry(0)
		at := func(state alert.State, raised, expires time.Duration) {
			e.State, e.RaisedAt, e.ExpiresAt, e.Write = state, epoch.Add(raised), epoch.Add(expires), rand.Text()
			e = save(t, s, e)
		}
		find := func(list []alert.Entry, err error) bool {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(list, func(o alert.Entry) bool { return o.Key() == e.Key() })
			if i >= 0 {
				if diff := cmp.Diff(e, list[i]); diff != "" {
					t.Errorf("listed (-want +got):\n%s", diff)
				}
			}
			return i >= 0
		}
		opened := func(now time.Duration) bool { return find(s.Open(t.Context(), epoch.Add(now))) }
		resolved := func(since, now time.Duration) bool {
			return find(s.Resolved(t.Context(), epoch.Add(since), epoch.Add(now)))
		}
		for _, state := range []alert.State{alert.Open, alert.Escalated, alert.Acknowledged} {
			at(state, 0, 48*time.Hour)
			if !opened(48*time.Hour - time.Second) {
				t.Errorf("%s is not listed as open", state)
			}
			if opened(48 * time.Hour) {
				t.Errorf("%s is listed though it has expired", state)
			}
			if resolved(0, time.Hour) {
				t.Errorf("%s is listed as resolved", state)
			}
		}
		at(alert.Suspected, 0, 48*time.Hour)
		if opened(time.Hour) {
			t.Error("suspected is listed as open")
		}
		at(alert.Resolved, time.Hour, 24*time.Hour*7)
		if opened(2 * time.Hour) {
			t.Error("resolved is listed as open")
		}
		for _, c := range []struct {
			since, now time.Duration
			want       bool
		}{
			{time.Hour, 2 * time.Hour, true}, {time.Hour + time.Millisecond, 2 * time.Hour, false},
			{0, time.Hour + alert.Listed, true}, {0, time.Hour + alert.Listed + time.Millisecond, false},
		} {
			if got := resolved(c.since, c.now); got != c.want {
				t.Errorf("resolved since %s at %s: %t, want %t", c.since, c.now, got, c.want)
			}
		}
		// Open again, it is listed with the life that has ended, as it ended.
		first := e
		at(alert.Open, 2*time.Hour, 48*time.Hour)
		second := e
		if e = first; !resolved(0, 3*time.Hour) {
			t.Error("open again, its former life is not listed")
		}
		if e = second; !opened(3 * time.Hour) {
			t.Error("open again is not listed as open")
		}
		at(alert.Resolved, 3*time.Hour, 48*time.Hour)
		list, err := s.Resolved(t.Context(), epoch, epoch.Add(4*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		list = slices.DeleteFunc(list, func(o alert.Entry) bool { return o.Key() != e.Key() })
		if diff := cmp.Diff([]alert.Entry{first, e}, list); diff != "" {
			t.Errorf("its lives (-want +got):\n%s", diff)
		}
		// What is changed of a life that has ended, as its delivery, is no further one.
		e.NotifiedAt, e.Write = epoch.Add(3*time.Hour+time.Minute), rand.Text()
		e = save(t, s, e)
		list, err = s.Resolved(t.Context(), epoch.Add(2*time.Hour), epoch.Add(4*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		list = slices.DeleteFunc(list, func(o alert.Entry) bool { return o.Key() != e.Key() })
		if diff := cmp.Diff([]alert.Entry{e}, list); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
	})

	t.Run("how much is undelivered, and since when", func(t *testing.T) {
		s := open(t)
		before, _, err := s.Undelivered(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e := entry(0)
		e.RaisedAt = epoch.Add(-2000 * time.Hour) // before all that the suite leaves waiting
		e = save(t, s, e)
		n, oldest, err := s.Undelivered(t.Context())
		if err != nil || n != before+1 || !oldest.Equal(e.RaisedAt) {
			t.Errorf("%d undelivered since %s, %v; want %d since %s", n, oldest, err, before+1, e.RaisedAt)
		}
		e.NotifiedAt, e.Write = epoch, rand.Text()
		save(t, s, e)
		if n, oldest, err = s.Undelivered(t.Context()); err != nil || n != before || oldest.Equal(e.RaisedAt) {
			t.Errorf("after its delivery %d since %s, %v", n, oldest, err)
		}
	})

	t.Run("no more places than there are, whoever asks", func(t *testing.T) {
		s := open(t)
		name, until := rand.Text(), epoch.Add(time.Hour)
		book := func(n, limit int) bool {
			ok, err := s.Book(t.Context(), name, n, limit, until)
			if err != nil {
				t.Errorf("book: %v", err)
			}
			return ok
		}
		if book(3, 2) {
			t.Error("three of two places")
		}
		var got atomic.Int64
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if book(1, 5) {
					got.Add(1)
				}
			})
		}
		wg.Wait()
		if got.Load() != 5 {
			t.Errorf("%d of 5 places", got.Load())
		}
		if book(1, 5) || !book(2, 7) || book(1, 7) {
			t.Error("of two more places, not two were free")
		}
		if !book(-1, 0) || !book(1, 7) || book(1, 7) {
			t.Error("a place that was given back is not free, or two are")
		}
		for range 9 {
			book(-1, 0)
		}
		if book(2, 1) {
			t.Error("more was given back than was taken")
		}
		if ok, err := s.Book(t.Context(), rand.Text(), -1, 0, until); err != nil {
			t.Errorf("give back what nobody took: %t, %v", ok, err)
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
