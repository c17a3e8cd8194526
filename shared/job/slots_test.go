package job_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// chore is a deferrable job of a minute, with 48 s for each run, that works for so
// long.
func chore(name string, takes time.Duration) job.Task {
	return job.Task{Name: name, Exclusive: true, Deferrable: true, Period: time.Minute, Timeout: 50 * time.Second, Margin: 2 * time.Second,
		Run: func(ctx context.Context, r *job.Run) error {
			time.Sleep(takes)
			return r.Check(time.Now())
		}}
}

// occupy takes all slots until then.
func (b *bench) occupy(until time.Time) {
	b.t.Helper()
	for i := range job.Slots {
		if _, err := b.Acquire(b.t.Context(), job.Claim{Key: job.SlotKey(i), Token: fmt.Sprint(i), Job: "other", Tick: now(), Now: time.Now(), Until: until}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// A dozen deferrable jobs that are due at once never work more than Slots at a time,
// and all of them come to their end.
func TestNoMoreThanSlotsWorkAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		var working, most, ended atomic.Int32
		var wg sync.WaitGroup
		for i := range 12 {
			task := chore(fmt.Sprintf("chore-%d", i), 0)
			task.Run = func(context.Context, *job.Run) error {
				n := working.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				time.Sleep(6 * time.Second)
				working.Add(-1)
				ended.Add(1)
				return nil
			}
			wg.Go(func() {
				if err := b.invoke(task, tick); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most.Load() != job.Slots || ended.Load() != 12 {
			t.Errorf("%d at once, %d ended; want %d and 12", most.Load(), ended.Load(), job.Slots)
		}
		if n := len(b.lines("run ended")); n != 12 {
			t.Errorf("%d log lines", n)
		}
		for i := range job.Slots {
			if held, _, _, _ := b.Lease(job.SlotKey(i)); held {
				t.Errorf("slot %d is not given back", i)
			}
		}
	})
}

// Who finds no slot waits for half of its time, and is put off: counted, logged,
// with no error and no run item, and free to come again.
func TestDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		b.occupy(time.Now().Add(time.Hour))
		task, start := chore("chore", 0), time.Now()
		task.Run = func(context.Context, *job.Run) error { t.Error("it works"); return nil }
		if err := b.invoke(task, tick); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited < 20*time.Second || waited > 24*time.Second {
			t.Errorf("waited %s, want most of the half of 48 s", waited)
		}
		line := b.lastLine()
		if line["outcome"] != "dropped" || line["reason"] != "deferred" || line["level"] != "INFO" || line["waited_ms"].(float64) < 20_000 {
			t.Errorf("log line %v", line)
		}
		if _, ok := b.Run("chore", tick); ok {
			t.Error("a run item of a run that was none")
		}
		if held, _, _, _ := b.Lease(job.JobKey("chore")); held {
			t.Error("its own lease is not given back")
		}
	})
}

// A slot that comes free, or whose lease runs out, is taken within seconds.
func TestASlotComesFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.occupy(time.Now().Add(7 * time.Second))
		start := time.Now()
		if err := b.invoke(chore("chore", time.Second), now()); err != nil {
			t.Fatal(err)
		}
		if line := b.lastLine(); line["outcome"] != "done" || time.Since(start) > 13*time.Second {
			t.Errorf("after %s: %v", time.Since(start), line)
		}
	})
}

// held are the ends of the slots that are taken.
func (b *bench) held() (ends []time.Time) {
	for i := range job.Slots {
		if held, _, _, until := b.Lease(job.SlotKey(i)); held {
			ends = append(ends, until)
		}
	}
	return ends
}

// Runs that are killed at work give no slot back: all are free again LeaseTime after
// their last renewal, though the killed invocations had far longer to go, and
// whoever comes then is not put off.
func TestAKilledRunsSlotExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Fail(func(op string) faulttest.Fault { // nothing is released
			if op == "release" {
				return faulttest.Refused
			}
			return faulttest.OK
		})
		start := time.Now()
		for i := range job.Slots {
			if err := b.invoke(chore(fmt.Sprintf("chore-%d", i), 5*time.Second), now()); !errors.Is(err, faulttest.ErrInjected) {
				t.Fatal(err)
			}
			// Renewed once, at four seconds of its five.
			if ends, want := b.held(), time.Since(start)-time.Second+job.LeaseTime; i == 0 && (len(ends) != 1 || ends[0].Sub(start) != want) {
				t.Fatalf("taken until %v, want %s after %s", ends, want, start)
			}
		}
		b.Fail(nil)
		last, killed := chore("last", time.Second), time.Now()
		if err := b.invoke(last, now()); err != nil {
			t.Fatal(err)
		}
		if line := b.lastLine(); line["outcome"] != "done" || time.Since(killed) > job.LeaseTime+4*time.Second {
			t.Errorf("after %s: %v", time.Since(killed), line)
		}
	})
}

// A slot is its run's for as long as the run works, however long that is, and no
// longer than the invocation can last.
func TestAWorkingRunKeepsItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, start := newBench(t), time.Now()
		b.occupy(start.Add(time.Hour))
		if _, err := b.Release(t.Context(), job.Lease{Key: job.SlotKey(2), Token: "2", Fence: 1}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := b.invoke(chore("long", 47*time.Second), now()); err != nil {
				t.Error(err)
			}
		})
		// Long after a lease would have ended that nobody renews; the other one waits for less than the rest.
		time.Sleep(time.Until(start.Add(20 * time.Second)))
		if err := b.invoke(chore("other", 0), now()); err != nil || b.lastLine()["reason"] != "deferred" {
			t.Errorf("%v, %v", err, b.lastLine())
		}
		time.Sleep(time.Until(start.Add(46 * time.Second)))
		if _, _, _, until := b.Lease(job.SlotKey(2)); until.Sub(start) != 50*time.Second+job.Skew {
			t.Errorf("taken until %s after the start", until.Sub(start))
		}
		wg.Wait()
		if n := len(b.held()); n != job.Slots-1 {
			t.Errorf("%d slots are held", n)
		}
	})
}

// A run whose slot another one takes, by a clock that is far off, works on and ends
// well: its own lease is what it needs.
func TestARunThatLosesItsSlotWorksOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick, stolen := newBench(t), now(), 0
		task := chore("chore", 0)
		task.Run = func(_ context.Context, r *job.Run) error {
			for i := range job.Slots {
				if held, _, _, _ := b.Lease(job.SlotKey(i)); held {
					stolen++
					if _, err := b.Acquire(t.Context(), job.Claim{Key: job.SlotKey(i), Token: "thief", Job: "other", Tick: tick,
						Now: time.Now().Add(time.Hour), Until: time.Now().Add(2 * time.Hour)}); err != nil {
						return err
					}
				}
			}
			time.Sleep(30 * time.Second)
			return r.Check(time.Now())
		}
		if err := b.invoke(task, tick); err != nil || stolen != 1 {
			t.Fatalf("%d stolen, %v", stolen, err)
		}
		if rec, _ := b.Run("chore", tick); rec.State != job.Done {
			t.Errorf("record %+v", rec)
		}
		if n := len(b.held()); n != 1 {
			t.Errorf("%d slots are held, want the thief's", n)
		}
	})
}

// Each request about slots fails, applied or not: a run takes one slot at most and
// leaves none behind, unless giving it back is what failed twice.
func TestSlotsUnderFaults(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for _, fault := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
			synctest.Test(t, func(t *testing.T) {
				b, asked := newBench(t), 0
				b.Fail(func(op string) faulttest.Fault {
					if op == "acquire" || op == "release" {
						if asked++; asked == n {
							return fault
						}
					}
					return faulttest.OK
				})
				if err := b.invoke(chore("chore", time.Second), now()); err != nil {
					t.Errorf("request %d, fault %d: %v", n, fault, err)
				}
				for i := range job.Slots {
					if held, _, _, _ := b.Lease(job.SlotKey(i)); held {
						t.Errorf("request %d, fault %d: slot %d is held", n, fault, i)
					}
				}
			})
		}
	}
}

// A store that refuses all slots is an error in the end, not a deferral.
func TestSlotsThatCannotBeAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick, asked := newBench(t), now(), 0
		b.Fail(func(op string) faulttest.Fault {
			if op == "acquire" {
				if asked++; asked > 1 { // the first is the job's own lease
					return faulttest.Refused
				}
			}
			return faulttest.OK
		})
		if err := b.invoke(chore("chore", 0), tick); !errors.Is(err, faulttest.ErrInjected) || !strings.Contains(err.Error(), "slot#") {
			t.Error(err)
		}
		if rec, _ := b.Run("chore", tick); rec.State != job.Failed {
			t.Errorf("record %+v", rec)
		}
	})
}

// A run that works gives its slot back also when it fails or panics.
func TestASlotIsGivenBackWhateverHappens(t *testing.T) {
	for name, run := range map[string]func(context.Context, *job.Run) error{
		"error": func(context.Context, *job.Run) error { return errors.New("broken") },
		"panic": func(context.Context, *job.Run) error { panic("broken") },
		"budget": func(ctx context.Context, _ *job.Run) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, task := newBench(t), chore("chore", 0)
			task.Run = run
			func() {
				defer func() { _ = recover() }()
				if err := b.invoke(task, now()); err == nil {
					t.Errorf("%s: no error", name)
				}
			}()
			for i := range job.Slots {
				if held, _, _, _ := b.Lease(job.SlotKey(i)); held {
					t.Errorf("%s: slot %d is held", name, i)
				}
			}
		})
	}
}

// What a slot costs: one claim and one release, where it is free.
func TestASlotCostsTwoWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		if err := b.invoke(chore("chore", 0), now()); err != nil {
			t.Fatal(err)
		}
		for op, n := range map[string]int{"acquire": 2, "renew": 0, "finished": 1, "record": 1, "release": 2} {
			if b.Calls(op) != n {
				t.Errorf("%s called %d times, want %d", op, b.Calls(op), n)
			}
		}
	})
}

// The proposal put critical jobs off where memory or job slots were short. Here all
// slots are taken, for ever, and each critical job runs at once without asking; and
// memory is a matter of the collector alone (TestLimitMemory).
func TestMemoryAndJobLimitsDeferCriticalJobs(t *testing.T) {
	for _, s := range job.Table {
		synctest.Test(t, func(t *testing.T) {
			b, tick := newBench(t), now()
			b.occupy(time.Now().Add(time.Hour))
			before, ran := b.Calls("acquire"), false
			task, err := job.NewTask(s.Name, job.Test, func(context.Context, *job.Run) error { ran = true; return nil })
			if err != nil {
				t.Fatal(err)
			}
			if s.Critical != task.Critical || s.Critical && task.Deferrable {
				t.Errorf("%s: critical %v, deferrable %v", s.Name, task.Critical, task.Deferrable)
			}
			if task.Deferrable {
				return
			}
			start := time.Now()
			if err := b.invoke(task, tick); err != nil || !ran || time.Since(start) != 0 {
				t.Errorf("%s: ran %v after %s, %v", s.Name, ran, time.Since(start), err)
			}
			claims := 0
			if s.Exclusive {
				claims = 1
			}
			if n := b.Calls("acquire") - before; n != claims {
				t.Errorf("%s: %d claims, want %d", s.Name, n, claims)
			}
		})
	}
	critical := chore("chore", 0)
	critical.Critical = true
	if err := critical.Validate(); err == nil {
		t.Error("a task that is critical and deferrable")
	}
}
