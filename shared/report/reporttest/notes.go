// Package reporttest holds what every implementation of the report's interfaces
// has to do.
package reporttest

import (
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/report"
)

// TestNotes runs the guarantees of report.Notes against an implementation; open
// returns an empty one.
func TestNotes(t *testing.T, open func(t *testing.T) report.Notes) {
	now := time.Unix(1_790_000_000, 0)
	told := func(t *testing.T, n report.Notes, key string, at time.Time) bool {
		t.Helper()
		ok, err := n.Told(t.Context(), key, at)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	note := func(t *testing.T, n report.Notes, key string, at time.Time) {
		t.Helper()
		if err := n.Note(t.Context(), key, at); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("each page by itself", func(t *testing.T) {
		n := open(t)
		if told(t, n, "a", now) {
			t.Error("told before it was noted")
		}
		note(t, n, "a", now)
		if !told(t, n, "a", now) || told(t, n, "b", now) {
			t.Error("not told, or another one is")
		}
	})
	t.Run("noted again", func(t *testing.T) {
		n := open(t)
		for _, d := range []time.Duration{0, 0, time.Hour, -time.Hour} { // clocks differ
			note(t, n, "a", now.Add(d))
		}
		if !told(t, n, "a", now.Add(report.NoteTTL+time.Hour-time.Second)) {
			t.Error("an earlier note took back a later one")
		}
	})
	t.Run("forgotten in time, deleted or not", func(t *testing.T) {
		n := open(t)
		note(t, n, "a", now)
		if !told(t, n, "a", now.Add(report.NoteTTL-time.Second)) {
			t.Error("forgotten too early")
		}
		if told(t, n, "a", now.Add(report.NoteTTL)) {
			t.Error("never forgotten")
		}
		note(t, n, "a", now.Add(report.NoteTTL))
		if !told(t, n, "a", now.Add(report.NoteTTL)) {
			t.Error("not noted anew")
		}
	})
	t.Run("by many at once", func(t *testing.T) {
		n := open(t)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if err := n.Note(t.Context(), "a", now.Add(time.Duration(i)*time.Second)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if !told(t, n, "a", now) {
			t.Error("not told")
		}
	})
}
