package job_test

import (
	"bytes"
	"context"
	"encoding/json"
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
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// bench is a job's surroundings: its storage, its log, and invocations with a deadline.
type bench struct {
	*jobtest.Memory
	t   *testing.T
	mu  sync.Mutex
	log bytes.Buffer
}

func newBench(t *testing.T) *bench {
	return &bench{Memory: jobtest.NewMemory(), t: t}
}

func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *bench) deps() job.Deps {
	log, err := metrics.NewLogger(b, "")
	if err != nil {
		b.t.Fatal(err)
	}
	return job.Deps{Locker: b, Recorder: b, Log: log}
}

// lines are the log lines with that message. No line has a field twice: which of
// both a query finds is anybody's guess.
func (b *bench) lines(message string) []map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []map[string]any
	for raw := range strings.Lines(b.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(raw), &line); err != nil {
			b.t.Fatalf("log line %q: %v", raw, err)
		}
		for key := range line {
			if n := strings.Count(raw, fmt.Sprintf(",%q:", key)); n > 1 {
				b.t.Errorf("%q is %d times in %s", key, n, raw)
			}
		}
		if line["message"] == message {
			out = append(out, line)
		}
	}
	return out
}

// lastLine is the line that ends the latest run.
func (b *bench) lastLine() map[string]any {
	b.t.Helper()
	ends := b.lines("run ended")
	if len(ends) == 0 {
		b.t.Fatal("no run ended")
	}
	return ends[len(ends)-1]
}

func event(tick time.Time) []byte {
	return fmt.Appendf(nil, `{"version":"0","id":"e","detail-type":"Scheduled Event","source":"aws.events","account":"1","time":%q,"region":"eu-central-1","resources":["rule"],"detail":{}}`,
		tick.UTC().Format(time.RFC3339))
}

// task is exclusive, with a minute's period and 50 s for each run.
func task(run func(context.Context, *job.Run) error) job.Task {
	return job.Task{Name: "sweep", Critical: true, Exclusive: true, Retries: 2, Backoff: []time.Duration{2 * time.Second, 5 * time.Second},
		Period: time.Minute, Timeout: 50 * time.Second, Margin: 2 * time.Second, Run: run}
}

// invoke delivers the tick once, as Lambda does: with a deadline.
func (b *bench) invoke(t job.Task, tick time.Time) error {
	b.t.Helper()
	h, err := job.Scheduled(b.deps(), t)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), t.Timeout)
	defer cancel()
	_, err = h.Invoke(ctx, event(tick))
	return err
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func TestRunIsRecordedReleasedAndLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		var scheduled time.Time
		run := task(func(ctx context.Context, r *job.Run) error {
			scheduled = r.Scheduled
			r.Note("orders", 1)
			r.Note("orders", 3)
			r.Metrics.Put(metrics.Overdue, 2)
			time.Sleep(1500 * time.Millisecond)
			return r.Check(time.Now())
		})
		time.Sleep(250 * time.Millisecond)
		if err := b.invoke(run, tick); err != nil {
			t.Fatal(err)
		}
		if !scheduled.Equal(tick) {
			t.Errorf("scheduled %s, want %s", scheduled, tick)
		}
		rec, ok := b.Run("sweep", tick)
		if !ok || rec.State != job.Done || rec.Fence != 1 || rec.Attempts != 1 || rec.Ended.Sub(rec.Started) != 1500*time.Millisecond || rec.Reason != "" || rec.Cause.Queued {
			t.Errorf("record %+v", rec)
		}
		want := map[string]any{"level": "INFO", "job": "sweep", "outcome": "done", "lag_ms": 250.0, "duration_ms": 1500.0, "attempts": 1.0,
			"fence": 1.0, "orders": 3.0, "Overdue": 2.0, "Stack": "none"}
		line := b.lastLine()
		for k, v := range want {
			if line[k] != v {
				t.Errorf("log line: %s = %v, want %v", k, line[k], v)
			}
		}
		if line["_aws"] == nil || line["run"] != rec.Token {
			t.Errorf("log line %v lacks metrics or the run's token %s", line, rec.Token)
		}
		// An idle run costs three writes: the lease twice, and the run item.
		for op, n := range map[string]int{"acquire": 1, "renew": 0, "finished": 1, "record": 1, "release": 1} {
			if b.Calls(op) != n {
				t.Errorf("%s called %d times, want %d", op, b.Calls(op), n)
			}
		}
		lease, err := b.Acquire(t.Context(), job.Claim{Key: job.JobKey("sweep"), Token: "next", Now: time.Now(), Until: time.Now().Add(1)})
		if err != nil || lease.Orphan != nil {
			t.Errorf("lease after the run: %+v, %v; want it free", lease, err)
		}
	})
}

func TestStaleAndMalformedEvents(t *testing.T) {
	tests := []struct {
		name   string
		period time.Duration
		age    time.Duration
		runs   bool
		fails  bool
	}{
		{"fresh", time.Minute, 0, true, false},
		{"a minute old, ten-second job", 10 * time.Second, time.Minute, true, false},
		{"over a minute old, ten-second job", 10 * time.Second, time.Minute + time.Second, false, true},
		{"a period old", 2 * time.Minute, 2 * time.Minute, true, false},
		{"over a period old", 2 * time.Minute, 2*time.Minute + time.Second, false, true},
		{"an hour old", 2 * time.Minute, time.Hour, false, true},
		{"sent by hand", 2 * time.Minute, time.Hour + time.Second, false, false},
		{"over a long period old", 2 * time.Hour, 2*time.Hour + time.Second, false, false},
		{"a little ahead of our clock", time.Minute, -time.Minute, true, false},
		{"from the future", time.Minute, -time.Minute - time.Second, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, ran := newBench(t), false
				run := task(func(context.Context, *job.Run) error { ran = true; return nil })
				run.Period, run.Timeout, run.Retries, run.Backoff = tt.period, 9*time.Second, 0, nil
				err := b.invoke(run, now().Add(-tt.age))
				if ran != tt.runs || (err != nil) != tt.fails {
					t.Errorf("ran %v, error %v; want %v, %v", ran, err, tt.runs, tt.fails)
				}
				line := b.lastLine()
				if !tt.runs && tt.age > 0 && (line["outcome"] != "dropped" || line["reason"] != "stale" || (line["error"] != nil) != tt.fails) {
					t.Errorf("log line %v", line)
				}
				if !tt.runs && b.Calls("acquire")+b.Calls("record") != 0 {
					t.Error("a dropped event touched the store")
				}
			})
		})
	}
	for _, payload := range []string{``, `{}`, `[]`, `null`, `"x"`, `{"time":"yesterday"}`, `{"time":null}`, `{"Records":[]}`, `{"time":"0001-01-01T00:00:00Z"}`} {
		b := newBench(t)
		h, err := job.Scheduled(b.deps(), task(func(context.Context, *job.Run) error { t.Error("ran"); return nil }))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Invoke(t.Context(), []byte(payload)); err == nil || !strings.Contains(err.Error(), "scheduled event") {
			t.Errorf("payload %s: error %v, want one about the scheduled event", payload, err)
		}
		if line := b.lastLine(); line["outcome"] != "failed" || line["level"] != "ERROR" {
			t.Errorf("payload %s: log line %v", payload, line)
		}
	}
}

func TestOnlyDoneBlocksARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick, runs := newBench(t), now(), 0
		broken := fmt.Errorf("chain 10 is away: %w", endpoint("throttled"))
		run := task(func(_ context.Context, r *job.Run) error {
			runs++
			r.AddRPC(job.RPC{Calls: 2, Failed: 1, Throttled: 1, Busy: 30 * time.Millisecond, Slowest: time.Duration(20+runs) * time.Millisecond})
			if runs <= 3 { // all attempts of the first delivery
				return broken
			}
			return nil
		})
		if err := b.invoke(run, tick); !errors.Is(err, broken) {
			t.Fatalf("first delivery: %v", err)
		}
		if rec, _ := b.Run("sweep", tick); rec.State != job.Failed || rec.Attempts != 3 || !strings.Contains(rec.Reason, "chain 10 is away") ||
			rec.Class != job.ClassThrottled || rec.RPC != (job.RPC{Calls: 6, Failed: 3, Throttled: 3, Busy: 90 * time.Millisecond, Slowest: 23 * time.Millisecond}) {
			t.Errorf("record %+v", rec)
		}
		if line := b.lastLine(); line["level"] != "ERROR" || line["outcome"] != "failed" || line["error"] == nil {
			t.Errorf("log line %v", line)
		}
		for range 3 {
			if err := b.invoke(run, tick); err != nil {
				t.Fatal(err)
			}
		}
		if runs != 4 {
			t.Errorf("%d attempts, want 4: the second delivery runs, the others are duplicates", runs)
		}
		if line := b.lastLine(); line["reason"] != "duplicate" || line["outcome"] != "dropped" {
			t.Errorf("log line %v", line)
		}
		if err := b.invoke(run, tick.Add(time.Second)); err != nil || runs != 5 {
			t.Errorf("next tick: %v, %d attempts", err, runs)
		}
	})
}

func TestTwoContainersWithTheSameTick(t *testing.T) {
	for _, gap := range []time.Duration{0, time.Second, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b, tick := newBench(t), now()
			var running, runs atomic.Int32
			run := task(func(ctx context.Context, r *job.Run) error {
				if running.Add(1) != 1 {
					t.Error("two runs at once")
				}
				defer running.Add(-1)
				runs.Add(1)
				time.Sleep(20 * time.Second) // two beats of renewal and more
				return r.Check(time.Now())
			})
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * gap)
					if err := b.invoke(run, tick); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if runs.Load() != 1 || len(b.lines("run ended")) != 3 {
				t.Errorf("gap %s: ran %d times, %d log lines; want 1 and 3", gap, runs.Load(), len(b.lines("run ended")))
			}
			if s := b.Stats("sweep"); s.Done != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// What a run has left to be done afterwards is done again by itself, and makes the work be done again in no case.
func TestAfterwards(t *testing.T) {
	for _, c := range []struct {
		name           string
		workFails      int // so often, first
		afterwardFails int
		works, tells   int
		state          job.State
		fails          bool
		elapsed        time.Duration
	}{
		{"both succeed", 0, 0, 1, 1, job.Done, false, 0},
		{"the afterwards fails once", 0, 1, 1, 2, job.Done, false, 2 * time.Second},
		{"the afterwards fails to the last", 0, 9, 1, 3, job.Done, true, 7 * time.Second},
		{"the work fails once, and leaves nothing", 1, 0, 2, 1, job.Done, false, 2 * time.Second},
		{"the work fails, then the afterwards", 1, 1, 2, 2, job.Done, false, 4 * time.Second},
		{"the work fails to the last", 9, 0, 3, 0, job.Failed, true, 7 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, tick, began := newBench(t), now(), time.Now()
				broken, works, tells := errors.New("broken"), 0, 0
				err := b.invoke(task(func(_ context.Context, r *job.Run) error {
					works++
					r.Afterwards(func(context.Context) error {
						if tells++; tells <= c.afterwardFails {
							return broken
						}
						return nil
					})
					if works <= c.workFails {
						return broken
					}
					return nil
				}), tick)
				if works != c.works || tells != c.tells || errors.Is(err, broken) != c.fails || time.Since(began) != c.elapsed {
					t.Errorf("worked %d times, told %d times in %s: %v", works, tells, time.Since(began), err)
				}
				if rec, ok := b.Run("sweep", tick); !ok || rec.State != c.state || rec.Attempts != c.works {
					t.Errorf("recorded %+v", rec)
				}
				if line := b.lastLine(); (line["error"] != nil) != c.fails || line["level"] == "ERROR" != c.fails {
					t.Errorf("line %v", line)
				}
			})
		})
	}
}

// Whom another run's lease keeps away leaves in peace, but not if it was taken by a clock that is so far ahead that
// it would be kept away for long.
func TestALeaseOfAClockThatIsAhead(t *testing.T) {
	const most = job.LeaseTime + time.Minute
	for ends, want := range map[time.Duration]string{job.LeaseTime: "", most: "", most + time.Second: "acquire lease job#sweep: another run's ends in 1m13s", 24 * time.Hour: "a clock is wrong"} {
		synctest.Test(t, func(t *testing.T) {
			b, tick := newBench(t), now()
			for _, key := range []string{job.JobKey("sweep"), "signer"} {
				if _, err := b.Acquire(t.Context(), job.Claim{Key: key, Token: "ahead", Now: time.Now(), Until: time.Now().Add(ends)}); err != nil {
					t.Fatal(err)
				}
			}
			run := task(func(context.Context, *job.Run) error { t.Error("it ran"); return nil })
			run.Retries, run.Backoff = 0, nil
			tickErr := b.invoke(run, tick)
			ran, aloneErr := b.alone("signer", func(context.Context, *job.Hold) error { t.Error("it worked"); return nil })
			if ran {
				t.Error("it worked alone")
			}
			for _, err := range []error{tickErr, aloneErr} {
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "lease signer", "lease job#sweep"), want)) {
					t.Errorf("a lease of %s: %v", ends, err)
				}
			}
		})
	}
}

// A lease that is lost when the work is through undoes nothing of it.
func TestALeaseLostAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		err := b.invoke(task(func(_ context.Context, r *job.Run) error {
			r.Afterwards(func(ctx context.Context) error {
				b.Fail(func(op string) faulttest.Fault {
					if op == "renew" {
						return faulttest.Refused
					}
					return faulttest.OK
				})
				<-ctx.Done()
				if err := r.Check(time.Now()); !errors.Is(err, job.ErrLost) {
					t.Errorf("the lease: %v", err)
				}
				return nil
			})
			return nil
		}), tick)
		if rec, ok := b.Run("sweep", tick); !ok || rec.State != job.Done || rec.Attempts != 1 {
			t.Errorf("recorded %+v, %v", rec, err)
		}
	})
}

func TestRetriesStayInTheBudget(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name     string
		retries  int
		backoff  []time.Duration
		takes    time.Duration // each attempt
		attempts int
		elapsed  time.Duration
	}{
		{"no retries", 0, nil, time.Second, 1, time.Second},
		{"all of them, the last back-off again", 3, []time.Duration{2 * time.Second, 5 * time.Second}, time.Second, 4, 16 * time.Second},
		{"a wait that would not leave time is not begun", 2, []time.Duration{20 * time.Second, 20 * time.Second}, 16 * time.Second, 2, 52 * time.Second},
		{"an attempt that uses up the budget is the last", 2, []time.Duration{time.Second}, time.Hour, 1, 58 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, tick, n := newBench(t), now(), 0
				run := task(func(ctx context.Context, r *job.Run) error {
					n++
					select {
					case <-time.After(tt.takes):
						return broken
					case <-ctx.Done():
						return fmt.Errorf("%w: %w", broken, ctx.Err())
					}
				})
				run.Period, run.Timeout, run.Retries, run.Backoff = 2*time.Minute, time.Minute, tt.retries, tt.backoff
				start := time.Now()
				if err := b.invoke(run, tick); !errors.Is(err, broken) {
					t.Errorf("error %v, want the job's", err)
				}
				if n != tt.attempts || time.Since(start) != tt.elapsed {
					t.Errorf("%d attempts in %s, want %d in %s", n, time.Since(start), tt.attempts, tt.elapsed)
				}
				if rec, _ := b.Run("sweep", tick); rec.State != job.Failed || rec.Attempts != tt.attempts {
					t.Errorf("record %+v", rec)
				}
			})
		})
	}
}

// The store refused an effect because another run holds the lease: trying again would be refused too.
func TestALostLeaseIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := newBench(t), 0
		err := b.invoke(task(func(context.Context, *job.Run) error { n++; return fmt.Errorf("write order: %w", job.ErrLost) }), now())
		if n != 1 || !errors.Is(err, job.ErrLost) {
			t.Errorf("%d attempts, %v", n, err)
		}
	})
}

func TestARetryThatSucceedsIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick, n := newBench(t), now(), 0
		err := b.invoke(task(func(context.Context, *job.Run) error {
			if n++; n == 1 {
				return errors.New("once")
			}
			return nil
		}), tick)
		rec, _ := b.Run("sweep", tick)
		if err != nil || rec.State != job.Done || rec.Attempts != 2 {
			t.Errorf("%v, record %+v", err, rec)
		}
	})
}

func TestPanicIsRecordedAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		func() {
			defer func() {
				if v := recover(); v != "index out of luck" {
					t.Errorf("recovered %v", v)
				}
			}()
			_ = b.invoke(task(func(context.Context, *job.Run) error { panic("index out of luck") }), tick)
		}()
		if rec, _ := b.Run("sweep", tick); rec.State != job.Failed || rec.Attempts != 1 || rec.Reason != "panic: index out of luck" || rec.Class != job.ClassPanic {
			t.Errorf("record %+v", rec)
		}
		if line := b.lastLine(); line["outcome"] != "failed" || !strings.Contains(fmt.Sprint(line["stack"]), "handler_test.go") {
			t.Errorf("log line %v", line)
		}
		if err := b.invoke(task(func(context.Context, *job.Run) error { return nil }), tick.Add(time.Second)); err != nil {
			t.Errorf("after the panic: %v", err)
		}
		if line := b.lastLine(); line["outcome"] != "done" {
			t.Errorf("the panic kept the lease: %v", line)
		}
	})
}

func TestAJobThatIsNotExclusiveNeedsNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		run := task(func(_ context.Context, r *job.Run) error { return r.Check(time.Now().Add(time.Hour)) })
		run.Exclusive, run.Critical = false, false
		for range 2 {
			if err := b.invoke(run, tick); err != nil {
				t.Fatal(err)
			}
		}
		if b.Calls("acquire") != 0 || b.lastLine()["reason"] != "duplicate" {
			t.Errorf("%d leases; last line %v", b.Calls("acquire"), b.lastLine())
		}
		run.Run = func(context.Context, *job.Run) error { return errors.New("broken") }
		if err := b.invoke(run, tick.Add(time.Second)); err == nil || b.lastLine()["level"] != "WARN" {
			t.Errorf("error %v, line %v: want a returned error and a warning", err, b.lastLine())
		}
	})
}

// Every call to the store fails once, applied or not, in every place. Whatever happens, the run is
// not lost silently, no second run starts beside it, and after the lease's time the job works again.
func TestEveryStoreCallMayFail(t *testing.T) {
	for _, op := range []string{"acquire", "finished", "record", "renew", "release"} {
		for _, fault := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
			for nth := 1; nth <= 2; nth++ {
				for _, lasting := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s %d fault %d lasting %v", op, nth, fault, lasting), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							b, tick, n, worked := newBench(t), now(), 0, 0
							b.Fail(func(called string) faulttest.Fault {
								if called != op {
									return faulttest.OK
								}
								if n++; n == nth || lasting && n > nth {
									return fault
								}
								return faulttest.OK
							})
							run := task(func(ctx context.Context, r *job.Run) error {
								worked++
								select {
								case <-time.After(9 * time.Second): // renewed twice
								case <-ctx.Done():
									return context.Cause(ctx)
								}
								return r.Check(time.Now())
							})
							err := b.invoke(run, tick)
							rec, recorded := b.Run("sweep", tick)
							if err == nil && (!recorded || rec.State != job.Done) {
								t.Errorf("success, but recorded %v: %+v", recorded, rec)
							}
							// What can be asked again is, without anybody noticing.
							if leases := op == "acquire" || op == "renew" || op == "release"; leases && !lasting && err != nil {
								t.Errorf("one failed call ended the run: %v", err)
							}
							if err == nil && worked != 1 {
								t.Errorf("success, but worked %d times", worked)
							}
							b.Fail(nil)
							time.Sleep(job.LeaseTime)
							if err := b.invoke(run, now()); err != nil {
								t.Errorf("after the fault: %v", err)
							}
							if rec, _ := b.Run("sweep", now().Add(-9*time.Second)); rec.State != job.Done {
								t.Errorf("after the fault: record %+v", rec)
							}
						})
					})
				}
			}
		}
	}
}

func TestImpossibleTasksAreRefused(t *testing.T) {
	ok := task(func(context.Context, *job.Run) error { return nil })
	if err := ok.Validate(); err != nil {
		t.Fatalf("the valid task: %v", err)
	}
	tests := []struct {
		want   string
		mutate func(*job.Task)
	}{
		{"no name", func(x *job.Task) { x.Name = "" }},
		{"nothing to run", func(x *job.Task) { x.Run = nil }},
		{"period 0s", func(x *job.Task) { x.Period = 0 }},
		{"would meet itself", func(x *job.Task) { x.Period = x.Timeout }},
		{"whole seconds", func(x *job.Task) { x.Timeout = 49_500 * time.Millisecond }},
		{"whole seconds", func(x *job.Task) { x.Exclusive = false; x.Timeout = 16 * time.Minute }},
		{"below 500ms", func(x *job.Task) { x.Margin = 100 * time.Millisecond }},
		{"not below the timeout", func(x *job.Task) { x.Margin = x.Timeout }},
		{"retries -1", func(x *job.Task) { x.Retries = -1 }},
		{"0 back-offs for 2 retries", func(x *job.Task) { x.Backoff = nil }},
		{"2 back-offs for 1 retries", func(x *job.Task) { x.Retries = 1 }},
		{"2 back-offs for 0 retries", func(x *job.Task) { x.Retries = 0 }},
		{"not positive", func(x *job.Task) { x.Backoff = []time.Duration{0, time.Second} }},
		{"do not fit", func(x *job.Task) { x.Backoff = []time.Duration{24 * time.Second} }},
	}
	for _, tt := range tests {
		x := ok
		tt.mutate(&x)
		if _, err := job.Scheduled(newBench(t).deps(), x); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("want %q, got %v", tt.want, err)
		}
	}
	_, err := job.Scheduled(job.Deps{}, job.Task{})
	for _, want := range []string{"no locker", "no recorder", "no logger", "no name", "nothing to run"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("all problems at once: no %q in %v", want, err)
		}
	}
}
