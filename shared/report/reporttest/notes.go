// Package reporttest holds what every implementation of the report's interfaces
// has to do.
package reporttest

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"
)

// Notes is report.Notes, whose own tests use this package.
type Notes interface {
	Told(ctx context.Context, key string, now time.Time) (bool, error)
	Note(ctx context.Context, key string, now time.Time) error
}

// TestNotes runs the guarantees of report.Notes, which keep for ttl, against an
// implementation. What open returns may share one store: every subtest has a page of
// its own.
func TestNotes(t *testing.T, ttl time.Duration, open func(t *testing.T) Notes) {
	now := time.Unix(1_790_000_000, 0)
	told := func(t *testing.T, n Notes, key string, at time.Time) bool {
		t.Helper()
		ok, err := n.Told(t.Context(), key, at)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	note := func(t *testing.T, n Notes, key string, at time.Time) {
		t.Helper()
		if err := n.Note(t.Context(), key, at); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("each page by itself", func(t *testing.T) {
		n, page := open(t), rand.Text()
		if told(t, n, page, now) {
			t.Error("told before it was noted")
		}
		note(t, n, page, now)
		if !told(t, n, page, now) || told(t, n, page+"b", now) {
			t.Error("not told, or another one is")
		}
	})
	t.Run("noted again", func(t *testing.T) {
		n, page := open(t), rand.Text()
		for _, d := range []time.Duration{0, 0, time.Hour, -time.Hour} { // clocks differ
			note(t, n, page, now.Add(d))
		}
		if !told(t, n, page, now.Add(ttl+time.Hour-time.Second)) {
			t.Error("an earlier note took back a later one")
		}
	})
	t.Run("forgotten in time, deleted or not", func(t *testing.T) {
		n, page := open(t), rand.Text()
		note(t, n, page, now)
		if !told(t, n, page, now.Add(ttl-time.Second)) {
			t.Error("forgotten too early")
		}
		if told(t, n, page, now.Add(ttl)) {
			t.Error("never forgotten")
		}
		note(t, n, page, now.Add(ttl))
		if !told(t, n, page, now.Add(ttl)) {
			t.Error("not noted anew")
		}
	})
	t.Run("by many at once", func(t *testing.T) {
		n, page := open(t), rand.Text()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if err := n.Note(t.Context(), page, now.Add(time.Duration(i)*time.Second)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if !told(t, n, page, now) {
			t.Error("not told")
		}
	})
}
