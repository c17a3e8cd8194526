// Package watchdogtest holds what proves an implementation of package watchdog's
// storage interfaces: conformance suites for any of them, and an in-memory one that
// can fail.
package watchdogtest

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
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return epoch.Add(d) }

// RunsFixture is an implementation beside the ones that write what it reads.
type RunsFixture struct {
	watchdog.Runs
	Recorder job.Recorder
	Locker   job.Locker
}

// TestRuns runs the guarantees of watchdog.Runs against an implementation. open is
// called once per subtest; what it returns may share one store.
func TestRuns(t *testing.T, open func(t *testing.T) RunsFixture) {
	record := func(t *testing.T, f RunsFixture, r job.Record) {
		t.Helper()
		if err := f.Recorder.Record(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, tick time.Time, s job.State) job.Record {
		return job.Record{Job: name, Scheduled: tick, State: s, Token: "a", Fence: 7, Started: tick.Add(time.Second),
			Ended: tick.Add(1250 * time.Millisecond), Attempts: 2, Reason: "what \"quoted\" ☂"}
	}

	t.Run("since reads what is after, as it was written", func(t *testing.T) {
		f, name := open(t), rand.Text()
		var want []job.Record
		for i, s := range []job.State{job.Done, job.Failed, job.Abandoned} {
			r := run(name, at(time.Duration(i)*time.Minute+time.Duration(i)), s) // nanoseconds count
			record(t, f, r)
			want = append(want, r)
		}
		record(t, f, run(name+"-other", at(time.Minute), job.Done))
		for i, after := range []time.Time{at(-time.Hour), at(0), at(time.Minute + 1), at(2*time.Minute + 2)} {
			got, err := f.Since(t.Context(), name, after)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(got, func(a, b job.Record) int { return a.Scheduled.Compare(b.Scheduled) })
			if diff := cmp.Diff(want[i:], got, cmp.Comparer(time.Time.Equal)); diff != "" && len(want[i:])+len(got) > 0 {
				t.Errorf("since %s (-want +got):\n%s", after, diff)
			}
		}
		if got, err := f.Since(t.Context(), rand.Text(), at(-time.Hour)); err != nil || len(got) != 0 {
			t.Errorf("of an unknown job: %v, %v", got, err)
		}
	})

	t.Run("since sees what was just written, across pages", func(t *testing.T) {
		f, name := open(t), rand.Text()
		const n = 1500 // more than a page of 1 MB
		var wg sync.WaitGroup
		for i := range n {
			if i%50 == 0 {
				wg.Wait()
			}
			wg.Go(func() {
				r := run(name, at(time.Duration(i)*time.Second), job.Failed)
				r.Reason = strings.Repeat("x", job.MaxReason)
				if err := f.Recorder.Record(t.Context(), r); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := f.Since(t.Context(), name, at(-time.Second))
		if err != nil || len(got) != n {
			t.Errorf("%d runs, %v; want %d", len(got), err, n)
		}
	})

	t.Run("a lease as it stands", func(t *testing.T) {
		f, key := open(t), job.JobKey(rand.Text())
		holding := func() watchdog.Holding {
			t.Helper()
			h, err := f.Holding(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		if h := holding(); h != (watchdog.Holding{}) {
			t.Errorf("never taken: %+v", h)
		}
		claim := job.Claim{Key: key, Token: "a", Job: "sweep", Tick: at(-time.Second), Now: at(0), Until: at(12 * time.Second)}
		l, err := f.Locker.Acquire(t.Context(), claim)
		if err != nil {
			t.Fatal(err)
		}
		if h := holding(); !h.Held || h.Token != "a" || !h.Tick.Equal(claim.Tick) || !h.Ends.Equal(claim.Until) {
			t.Errorf("taken: %+v", h)
		}
		if err := f.Locker.Renew(t.Context(), l, at(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if h := holding(); !h.Held || !h.Ends.Equal(at(time.Minute)) {
			t.Errorf("renewed: %+v", h)
		}
		claim.Token, claim.Tick, claim.Now, claim.Until = "b", at(time.Minute), at(time.Minute), at(72*time.Second)
		if l, err = f.Locker.Acquire(t.Context(), claim); err != nil {
			t.Fatal(err)
		}
		if h := holding(); !h.Held || h.Token != "b" || !h.Tick.Equal(claim.Tick) {
			t.Errorf("taken over: %+v", h)
		}
		if _, err := f.Locker.Release(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if h := holding(); h.Held {
			t.Errorf("released: %+v", h)
		}
	})
}

// book is a full one.
func book(version uint64, n int) watchdog.Book {
	lapses := []watchdog.Lapse{{Tick: at(time.Minute), Late: true}, {Tick: at(2 * time.Minute), Died: true}}
	return watchdog.Book{At: at(time.Duration(n) * time.Second), Version: version, Pages: map[string]watchdog.Page{
		"sweep": {Since: at(-time.Hour), Period: time.Minute, Open: map[alert.Kind]time.Time{alert.JobHung: at(1)}, Told: []time.Time{at(0), at(time.Minute)},
			Health: watchdog.Health{Job: "sweep", Critical: true, State: watchdog.Hung, At: at(2), Hanging: at(1), LastDone: at(0), Runs: 20, Done: 19, InARow: 1,
				Lapses: lapses, Usual: time.Second, Lately: time.Second + 1, Budget: time.Minute,
				Last: job.Record{Job: "sweep", Scheduled: at(0), State: job.Done, Token: "a", Fence: 3, Started: at(1), Ended: at(2), Attempts: 1}}},
		"new": {Since: at(0), Period: 10 * time.Second},
	}}
}

// TestBooks runs the guarantees of watchdog.Books against an implementation. open
// is called once per subtest and has to return an empty one; again opens it once
// more, as another process would.
func TestBooks(t *testing.T, open func(t *testing.T) (s watchdog.Books, again func() watchdog.Books)) {
	load := func(t *testing.T, s watchdog.Books) watchdog.Book {
		t.Helper()
		b, err := s.Book(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	save := func(t *testing.T, s watchdog.Books, b watchdog.Book) {
		t.Helper()
		if err := s.SaveBook(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("before the first pass it is zero", func(t *testing.T) {
		s, _ := open(t)
		if diff := cmp.Diff(watchdog.Book{}, load(t, s)); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("it reads back as written", func(t *testing.T) {
		s, again := open(t)
		save(t, s, book(0, 1))
		got := load(t, again())
		if diff := cmp.Diff(book(got.Version, 1), got, cmp.Comparer(time.Time.Equal)); diff != "" || got.Version == 0 {
			t.Errorf("version %d (-want +got):\n%s", got.Version, diff)
		}
	})

	t.Run("a save needs the version it was read at", func(t *testing.T) {
		s, again := open(t)
		if err := s.SaveBook(t.Context(), book(3, 0)); !errors.Is(err, watchdog.ErrConflict) {
			t.Errorf("of version 3 of nothing: %v", err)
		}
		save(t, s, book(0, 1))
		first := load(t, s)
		for _, version := range []uint64{0, first.Version + 1} {
			if err := again().SaveBook(t.Context(), book(version, 2)); !errors.Is(err, watchdog.ErrConflict) {
				t.Errorf("at version %d over %d: %v", version, first.Version, err)
			}
		}
		if got := load(t, s); !got.At.Equal(first.At) || got.Version != first.Version {
			t.Errorf("a conflict changed it: %+v", got)
		}
	})

	t.Run("our own write whose answer was lost is success", func(t *testing.T) {
		s, _ := open(t)
		save(t, s, book(0, 1))
		save(t, s, book(0, 1))
		first := load(t, s)
		save(t, s, book(first.Version, 2))
		save(t, s, book(first.Version, 2))
		if err := s.SaveBook(t.Context(), book(0, 1)); !errors.Is(err, watchdog.ErrConflict) {
			t.Errorf("a write that was overwritten: %v", err)
		}
		if got := load(t, s); !got.At.Equal(at(2 * time.Second)) {
			t.Errorf("stored %s", got.At)
		}
	})

	t.Run("of many concurrent writers one wins each version", func(t *testing.T) {
		s, again := open(t)
		for round := range 4 {
			old := load(t, s)
			var wins atomic.Int64
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					b := book(old.Version, 100*round+i)
					switch err := again().SaveBook(t.Context(), b); {
					case err == nil:
						wins.Add(1)
					case !errors.Is(err, watchdog.ErrConflict):
						t.Errorf("save: %v", err)
					}
				})
			}
			wg.Wait()
			if wins.Load() != 1 {
				t.Fatalf("round %d: %d winners", round, wins.Load())
			}
		}
	})

	t.Run("a book of all jobs at their worst fits", func(t *testing.T) {
		s, _ := open(t)
		b := watchdog.Book{At: at(0), Pages: map[string]watchdog.Page{}}
		for i := range 30 {
			p := book(0, 0).Pages["sweep"]
			p.Health.Last.Reason = strings.Repeat("☂", job.MaxReason/3)
			for n := range 90 {
				tick := at(time.Duration(n) * 10 * time.Second)
				p.Told = append(p.Told, tick)
				p.Health.Lapses = append(p.Health.Lapses, watchdog.Lapse{Tick: tick, Late: true})
			}
			b.Pages[fmt.Sprintf("job-%d", i)] = p
		}
		save(t, s, b)
		if got := load(t, s); len(got.Pages) != 30 || len(got.Pages["job-7"].Told) != 92 {
			t.Errorf("%d pages", len(got.Pages))
		}
	})
}
