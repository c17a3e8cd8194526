package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func TestTicksOfAMinute(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	count := map[string]int{}
	for _, tick := range job.Ticks(from, from.Add(300*time.Millisecond)) {
		count[tick.Job]++
		if want := tick.Time.Sub(from); tick.Delay != want {
			t.Errorf("%s at %s: delay %s, want %s", tick.Job, tick.Time, tick.Delay, want)
		}
	}
	want := map[string]int{job.TimelockMonitor: 6, job.CancellationCheck: 4, job.TransactionTracker: 4, job.StateSync: 2, job.ActionExecutor: 2}
	for name, n := range want {
		if count[name] != n {
			t.Errorf("%s: %d ticks, want %d", name, count[name], n)
		}
	}
	if len(count) != len(want) {
		t.Errorf("ticks of %v, want only %v", count, want)
	}
}

func TestTicksProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1_772_000_000+rapid.Int64Range(0, 3600).Draw(t, "start"), 0)
		minutes := rapid.IntRange(1, 5).Draw(t, "minutes")
		seen := map[job.Tick]bool{}
		for m := range minutes {
			from := start.Add(time.Duration(m) * time.Minute)
			late := time.Duration(rapid.Int64Range(0, int64(90*time.Second)).Draw(t, "late"))
			now := from.Add(late)
			var last time.Time
			for _, tick := range job.Ticks(from, now) {
				if seen[tick.Tick] {
					t.Fatalf("%v comes twice", tick)
				}
				seen[tick.Tick] = true
				s, err := job.Lookup(tick.Job)
				if err != nil {
					t.Fatal(err)
				}
				period := s.Test.Period
				switch {
				case tick.Time.Before(from) || !tick.Time.Before(from.Add(time.Minute)):
					t.Fatalf("%v lies outside the minute from %s", tick, from)
				case tick.Time.UnixNano()%int64(period) != 0:
					t.Fatalf("%v is no multiple of %s", tick, period)
				case now.Add(tick.Delay).Before(tick.Time):
					t.Fatalf("%v is delivered early at %s", tick, now.Add(tick.Delay))
				case now.Add(tick.Delay).Sub(max2(tick.Time, now)) >= time.Second:
					t.Fatalf("%v is delivered a second late", tick)
				case tick.Delay%time.Second != 0 || tick.Delay < 0 || tick.Delay > time.Minute:
					t.Fatalf("%v: delay that SQS cannot keep", tick)
				case now.Sub(tick.Time) > period:
					t.Fatalf("%v is older than its period at %s", tick, now)
				case tick.Time.Before(last):
					t.Fatalf("%v is out of order", tick)
				}
				last = tick.Time
			}
			// Nothing that is not older than its period is missing.
			for _, s := range job.Table {
				p := s.Test.Period
				if p == 0 || p >= time.Minute {
					continue
				}
				for at := from; at.Before(from.Add(time.Minute)); at = at.Add(time.Second) {
					if at.Unix()%int64(p/time.Second) == 0 && now.Sub(at) <= p && !seen[job.Tick{Job: s.Name, Time: at.UTC()}] {
						t.Fatalf("%s at %s is missing", s.Name, at)
					}
				}
			}
		}
	})
}

func max2(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// clockwork is the pacer's queue and the jobs it invokes.
type clockwork struct {
	mu      sync.Mutex
	sent    []job.DueTick
	invoked map[string][]byte
	fail    error
}

func (c *clockwork) SendTicks(_ context.Context, ticks []job.DueTick) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, ticks...)
	return c.fail
}

func (c *clockwork) Invoke(_ context.Context, name string, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.invoked == nil {
		c.invoked = map[string][]byte{}
	}
	c.invoked[name] = payload
	return c.fail
}

func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c := newBench(t), &clockwork{}
		h, err := job.Pacer(b.deps(), c, c)
		if err != nil {
			t.Fatal(err)
		}
		minute := now()
		for range 2 { // delivered twice
			if _, err := h.Invoke(t.Context(), event(minute)); err != nil {
				t.Fatal(err)
			}
		}
		if len(c.sent) != 18 {
			t.Fatalf("%d ticks sent, want 18, once", len(c.sent))
		}

		tick := c.sent[0].Tick
		body, err := tick.Body()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Invoke(t.Context(), batch(body, body)); err != nil {
			t.Fatal(err)
		}
		// What the pacer sends is what the job runs on, with the tick as its time.
		ran := false
		scheduled, err := job.Scheduled(b.deps(), task(func(_ context.Context, r *job.Run) error {
			ran = r.Scheduled.Equal(tick.Time)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scheduled.Invoke(t.Context(), c.invoked[tick.Job]); err != nil || !ran {
			t.Errorf("event %s: %v, ran %v", c.invoked[tick.Job], err, ran)
		}

		// Late by its period: still on. Later: dropped, and said.
		monitor, err := job.Tick{Job: job.TimelockMonitor, Time: minute}.Body()
		if err != nil {
			t.Fatal(err)
		}
		for _, late := range []struct {
			by      time.Duration
			invoked bool
			dropped int // lines
		}{{10 * time.Second, true, 0}, {10*time.Second + time.Millisecond, false, 1}} {
			c.invoked = nil
			time.Sleep(time.Until(minute.Add(late.by)))
			if _, err := h.Invoke(t.Context(), batch(monitor)); err != nil {
				t.Fatal(err)
			}
			if got := c.invoked[job.TimelockMonitor] != nil; got != late.invoked || len(b.lines("tick dropped")) != late.dropped {
				t.Errorf("%s late: invoked %v, last line %v", late.by, got, b.lastLine())
			}
		}
	})
}

func TestPacerTrouble(t *testing.T) {
	b, c := newBench(t), &clockwork{fail: errors.New("throttled")}
	h, err := job.Pacer(b.deps(), c, c)
	if err != nil {
		t.Fatal(err)
	}
	body, err := job.Tick{Job: job.StateSync, Time: now()}.Body()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Invoke(t.Context(), batch(body)); !errors.Is(err, c.fail) {
		t.Errorf("invocation that fails: %v", err)
	}
	for _, bad := range []string{`{"job":"pacer","time":"2026-03-01T12:00:00Z"}`,
		`{"job":"rm -rf","time":"2026-03-01T12:00:00Z"}`, `{"job":"state-sync"}`, `{"job":"state-sync","time":"now"}`, `ring`} {
		if tick, err := job.DecodeTick(bad); err == nil || !strings.HasPrefix(err.Error(), "tick: ") || strings.Contains(err.Error(), "rm -rf") {
			t.Errorf("%s: %+v, %v", bad, tick, err)
		}
	}
	if _, err := job.Pacer(b.deps(), nil, c); err == nil {
		t.Error("a pacer without a queue")
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		h, err := job.Pacer(b.deps(), c, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Invoke(t.Context(), event(now())); !errors.Is(err, c.fail) {
			t.Errorf("queue that fails: %v", err)
		}
	})
}

// Whatever arrives, a function answers or returns an error: it never panics, and runs nothing that
// it cannot name.
func FuzzPayload(f *testing.F) {
	f.Add(event(time.Unix(1_772_000_000, 0)))
	f.Add(batch(`{"job":"state-sync","time":"2026-03-01T12:00:00Z"}`, `{"chain":10}`))
	f.Add([]byte(`{"Records":[{"messageId":null,"body":null}]}`))
	f.Add([]byte(`{"time":"2026-03-01T12:00:00+25:00"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, c := newBench(t), &clockwork{}
		h, err := job.Pacer(b.deps(), c, c)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := h.Invoke(t.Context(), payload)
		if err == nil && !json.Valid(answer) {
			t.Errorf("answer %q", answer)
		}
		for name := range c.invoked {
			if s, err := job.Lookup(name); err != nil || s.Test.Period >= time.Minute {
				t.Errorf("invoked %q", name)
			}
		}
	})
}
