package jobtest

import (
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// RecorderFixture is an implementation and the reads that let the suite see what it stored.
type RecorderFixture struct {
	job.Recorder
	Read  func(t *testing.T, job string, scheduled time.Time) (job.Record, bool) // false: no such item
	Stats func(t *testing.T, job string) job.Stats                               // zero for an unknown job
}

func record(name string, tick time.Time, s job.State, token string) job.Record {
	r := job.Record{Job: name, Scheduled: tick, State: s, Token: token, Fence: 7,
		Started: tick.Add(time.Second), Ended: tick.Add(1250 * time.Millisecond), Attempts: 1}
	if s != job.Done {
		r.Reason = "read head of chain 8453: \"quoted\" ☂\n{}"
		r.Class = job.ClassTimeout
		r.RPC = job.RPC{Calls: 40, Failed: 5, TimedOut: 3, Throttled: 1, Busy: 2 * time.Second, Slowest: 750 * time.Millisecond}
	}
	return r
}

// TestRecorder runs the guarantees of job.Recorder against an implementation. open is called once
// per subtest; what it returns may share one store, since every subtest uses a job name of its own.
func TestRecorder(t *testing.T, open func(t *testing.T) RecorderFixture) {
	put := func(t *testing.T, f RecorderFixture, r job.Record) {
		t.Helper()
		if err := f.Record(t.Context(), r); err != nil {
			t.Fatalf("record %s: %v", r.State, err)
		}
	}
	finished := func(t *testing.T, f RecorderFixture, name string, tick time.Time) bool {
		t.Helper()
		done, err := f.Finished(t.Context(), name, tick)
		if err != nil {
			t.Fatalf("finished: %v", err)
		}
		return done
	}

	t.Run("only done blocks a repeat", func(t *testing.T) {
		f, name := open(t), rand.Text()
		if finished(t, f, name, at(0)) {
			t.Error("a tick that never ran is finished")
		}
		for i, s := range []job.State{job.Abandoned, job.Failed, job.Done} {
			tick := at(time.Duration(i) * time.Minute)
			put(t, f, record(name, tick, s, "a"))
			if got, want := finished(t, f, name, tick), s == job.Done; got != want {
				t.Errorf("finished after %s: %v, want %v", s, got, want)
			}
		}
		if finished(t, f, name+"-other", at(2*time.Minute)) {
			t.Error("another job's tick is finished")
		}
		if !finished(t, f, name, at(2*time.Minute).In(time.FixedZone("", 3600))) {
			t.Error("the same instant in another location is another tick")
		}
		if finished(t, f, name, at(2*time.Minute).Add(1)) {
			t.Error("the tick one nanosecond later is finished")
		}
	})

	t.Run("a record reads back as written", func(t *testing.T) {
		f, name := open(t), rand.Text()
		want := record(name, at(0), job.Failed, "a")
		want.Attempts, want.Cause = 3, job.Cause{Queued: true, SentBy: "x y"}
		put(t, f, want)
		got, ok := f.Read(t, name, at(0))
		if !ok {
			t.Fatal("no record")
		}
		if !got.Scheduled.Equal(want.Scheduled) || !got.Started.Equal(want.Started) || !got.Ended.Equal(want.Ended) {
			t.Errorf("times: got %+v, want %+v", got, want)
		}
		got.Scheduled, got.Started, got.Ended = want.Scheduled, want.Started, want.Ended
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})

	t.Run("a state is only replaced by a greater one", func(t *testing.T) {
		states := []job.State{job.Abandoned, job.Failed, job.Done}
		for _, first := range states {
			for _, second := range states {
				f, name := open(t), rand.Text()
				put(t, f, record(name, at(0), first, "a"))
				put(t, f, record(name, at(0), second, "b"))
				got, ok := f.Read(t, name, at(0))
				want, token := first, "a"
				if second > first {
					want, token = second, "b"
				}
				if !ok || got.State != want || got.Token != token {
					t.Errorf("%s then %s: stored %s of %q, want %s of %q", first, second, got.State, got.Token, want, token)
				}
				if s := f.Stats(t, name); s.Done+s.Failed+s.Abandoned != 1 {
					t.Errorf("%s then %s: counted %+v, want one", first, second, s)
				}
			}
		}
	})

	t.Run("repeating a record is success", func(t *testing.T) {
		f, name := open(t), rand.Text()
		for range 3 {
			put(t, f, record(name, at(0), job.Done, "a"))
		}
		if s := f.Stats(t, name); s.Done != 1 {
			t.Errorf("counted %+v, want one done", s)
		}
	})

	t.Run("statistics add up", func(t *testing.T) {
		f, name := open(t), rand.Text()
		if s := f.Stats(t, name); s != (job.Stats{}) {
			t.Fatalf("stats of an unknown job: %+v", s)
		}
		const each = 12
		var wg sync.WaitGroup
		for i := range each {
			for _, s := range []job.State{job.Abandoned, job.Failed, job.Done} {
				wg.Go(func() {
					tick := at(time.Duration(3*i+int(s)) * time.Minute)
					if err := f.Record(t.Context(), record(name, tick, s, fmt.Sprintf("%d-%s", i, s))); err != nil {
						t.Errorf("record: %v", err)
					}
				})
			}
		}
		wg.Wait()
		want := job.Stats{Done: each, Failed: each, Abandoned: each, Busy: 3 * each * 250 * time.Millisecond}
		if got := f.Stats(t, name); got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
	})

	t.Run("two runs of one tick: one is stored", func(t *testing.T) {
		f, name := open(t), rand.Text()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				s := job.Done
				if i%2 == 0 {
					s = job.Failed
				}
				if err := f.Record(t.Context(), record(name, at(0), s, fmt.Sprint(i))); err != nil {
					t.Errorf("record: %v", err)
				}
			})
		}
		wg.Wait()
		if got, _ := f.Read(t, name, at(0)); got.State != job.Done {
			t.Errorf("stored %s, want done", got.State)
		}
		if s := f.Stats(t, name); s.Done != 1 {
			t.Errorf("%d counted as done, want 1", s.Done)
		}
	})
}
