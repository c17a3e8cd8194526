package control_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/control/controltest"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func pause(s control.Scope, lasts time.Duration) control.Pause {
	return control.Pause{Scope: s, By: "somebody", Why: "a reason", Until: t0.Add(lasts)}
}

// memory is an empty store whose clock says t0.
func memory() *controltest.Memory {
	m := controltest.NewMemory()
	m.SetClock(t0)
	return m
}

func TestAllows(t *testing.T) {
	const executor = "action-executor"
	chain, job, sender := control.Scope{Chain: 10}, control.Scope{Job: "daily-report"}, control.Scope{Job: executor}
	in := func(p control.Pause) control.State {
		p.Since, p.From = t0, t0
		return control.State{Pauses: []control.Pause{p}}
	}
	withClaims := func(s control.Scope) control.State {
		p := pause(s, time.Hour)
		p.Claims = true
		return in(p)
	}
	send := func(chain uint64) control.Work { return control.Work{Job: executor, Chain: chain} }
	claim := func(chain uint64) control.Work { return control.Work{Job: executor, Chain: chain, Claim: true} }
	run := func(job string) control.Work { return control.Work{Job: job} }
	hour := time.Hour
	for _, c := range []struct {
		name  string
		state control.State
		work  control.Work
		after time.Duration
		want  bool
	}{
		{"nothing paused", control.State{}, send(10), 0, true},
		{"its chain", in(pause(chain, hour)), send(10), 0, false},
		{"up to the end", in(pause(chain, hour)), send(10), hour - 1, false},
		{"at the end", in(pause(chain, hour)), send(10), hour, true},
		{"another chain", in(pause(chain, hour)), send(8453), 0, true},
		{"everything", in(pause(control.All, hour)), send(8453), 0, false},
		{"the sender", in(pause(sender, hour)), send(8453), 0, false},
		{"a claim on its chain", in(pause(chain, hour)), claim(10), 0, true},
		{"a claim, everything", in(pause(control.All, hour)), claim(10), 0, true},
		{"a claim, the sender", in(pause(sender, hour)), claim(10), 0, true},
		{"a claim, expressly", withClaims(chain), claim(10), 0, false},
		{"a claim, expressly, everything", withClaims(control.All), claim(10), 0, false},
		{"a claim on another chain, expressly", withClaims(chain), claim(8453), 0, true},
		{"a claim, expressly, at the end", withClaims(chain), claim(10), hour, true},
		{"its job", in(pause(job, hour)), run("daily-report"), 0, false},
		{"its job, at the end", in(pause(job, hour)), run("daily-report"), hour, true},
		{"another job", in(pause(job, hour)), run("order-cleanup"), 0, true},
		{"a run when all sending is paused", in(pause(control.All, hour)), run("daily-report"), 0, true},
		{"a run when a chain is paused", in(pause(chain, hour)), run("daily-report"), 0, true},
		{"sending when another job is paused", in(pause(job, hour)), send(10), 0, true},
		{"longer than any may be: before", in(pause(chain, 100*hour)), send(10), control.Max - 1, false},
		{"longer than any may be: after", in(pause(chain, 100*hour)), send(10), control.Max, true},
		{"made by a clock that is somewhat ahead", in(pause(chain, hour)), send(10), -control.Skew, false},
		{"made in the future", in(pause(chain, hour)), send(10), -control.Skew - 1, true},
	} {
		if _, got := c.state.Allows(c.work, t0.Add(c.after)); got != c.want {
			t.Errorf("%s: allowed %t, want %t", c.name, got, c.want)
		}
	}
	// Of several, the one that lasts longest is told.
	long, short := pause(control.All, 2*hour), pause(chain, hour)
	for _, both := range [][]control.Pause{{long, short}, {short, long}} {
		for i := range both {
			both[i].From = t0
		}
		if by, ok := (control.State{Pauses: both}).Allows(send(10), t0); ok || by.Scope != control.All {
			t.Errorf("held back by %s, allowed %t", by, ok)
		}
	}
}

func TestAPauseSaysWhoWhyAndHowLong(t *testing.T) {
	for want, spoil := range map[string]func(*control.Pause, *time.Duration){
		"does not say who":          func(p *control.Pause, _ *time.Duration) { p.By = " " },
		"does not say why":          func(p *control.Pause, _ *time.Duration) { p.Why = "" },
		"does not say for how long": func(_ *control.Pause, lasts *time.Duration) { *lasts = 0 },
		"4h0m0s is the most":        func(_ *control.Pause, lasts *time.Duration) { *lasts = control.Max + 1 },
		"names a job and":           func(p *control.Pause, _ *time.Duration) { p.Job = "x" },
		"who is longer":             func(p *control.Pause, _ *time.Duration) { p.By = strings.Repeat("x", 101) },
		"why is longer":             func(p *control.Pause, _ *time.Duration) { p.Why = "two\nlines" },
		"of sending on chain 10":    func(p *control.Pause, _ *time.Duration) { p.Why = "" },
	} {
		m, p, lasts := memory(), control.Pause{Scope: control.Scope{Chain: 10}, By: "somebody", Why: "a reason"}, time.Hour
		spoil(&p, &lasts)
		_, err := control.Set(t.Context(), m, p, lasts)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if s, err := m.Load(t.Context()); err != nil || len(s.Pauses) != 0 {
			t.Errorf("%s: stored %+v, %v", want, s, err)
		}
	}
	for _, lasts := range []time.Duration{time.Nanosecond, control.Max} {
		if _, err := control.Set(t.Context(), memory(), pause(control.All, 0), lasts); err != nil {
			t.Errorf("%s: %v", lasts, err)
		}
	}
}

func TestRenewedAndLifted(t *testing.T) {
	m, chain := memory(), control.Scope{Chain: 10}
	set := func(s control.Scope, after, lasts time.Duration) control.Pause {
		t.Helper()
		m.SetClock(t0.Add(after))
		p, err := control.Set(t.Context(), m, pause(s, 0), lasts)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	allowed := func(after time.Duration) bool {
		t.Helper()
		s, err := m.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, ok := s.Allows(control.Work{Job: "action-executor", Chain: 10}, t0.Add(after))
		return ok
	}
	set(chain, 0, 4*time.Hour)
	set(control.Scope{Chain: 8453}, 0, time.Hour)
	if p := set(chain, 3*time.Hour, 4*time.Hour); !p.Since.Equal(t0) || !p.From.Equal(t0.Add(3*time.Hour)) {
		t.Errorf("renewed: since %s, from %s", p.Since, p.From)
	}
	if allowed(7*time.Hour-1) || !allowed(7*time.Hour) {
		t.Error("a renewed pause does not end when it says")
	}
	m.SetClock(t0.Add(5 * time.Hour))
	if was, err := control.Lift(t.Context(), m, control.All); err != nil || was {
		t.Errorf("lifted what was not paused: %t, %v", was, err)
	}
	for i, want := range []bool{true, false} {
		if was, err := control.Lift(t.Context(), m, chain); err != nil || was != want {
			t.Errorf("lift %d: %t, %v", i, was, err)
		}
	}
	if !allowed(5 * time.Hour) {
		t.Error("lifted and still in force")
	}
	// Those that are over are still told of for two days, and then not kept.
	s, err := m.Load(t.Context())
	if err != nil || len(s.Concerning("action-executor", true)) != 2 || len(s.Concerning("daily-report", false)) != 0 {
		t.Errorf("%+v, %v", s.Pauses, err)
	}
	if p := set(chain, 8*time.Hour, time.Hour); !p.Since.Equal(t0.Add(8 * time.Hour)) {
		t.Errorf("a new pause goes back to %s", p.Since)
	}
	set(control.Scope{Job: "daily-report"}, 49*time.Hour, time.Hour)
	if s, err = m.Load(t.Context()); err != nil || len(s.Pauses) != 2 || s.Pauses[0].Chain != 10 {
		t.Errorf("kept %+v, %v", s.Pauses, err)
	}
}

// Two operators at the same time: both pauses stand.
func TestConcurrentOperators(t *testing.T) {
	m := memory()
	var wg sync.WaitGroup
	for chain := range uint64(4) {
		wg.Go(func() {
			if _, err := control.Set(t.Context(), m, pause(control.Scope{Chain: chain + 1}, 0), time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s, err := m.Load(t.Context()); err != nil || len(s.Pauses) != 4 {
		t.Errorf("%+v, %v", s.Pauses, err)
	}
}

// Whatever fails, applied or not, is told; and doing it again does it once.
func TestOperatorsTryAgain(t *testing.T) {
	for _, op := range []string{"load", "save"} {
		for _, fault := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
			m, n := memory(), 0
			m.Fail(func(called string) faulttest.Fault {
				if called == op {
					if n++; n == 1 {
						return fault
					}
				}
				return faulttest.OK
			})
			p := pause(control.All, 0)
			if _, err := control.Set(t.Context(), m, p, time.Hour); !errors.Is(err, faulttest.ErrInjected) {
				t.Errorf("%s %d: %v", op, fault, err)
			}
			if got, err := control.Set(t.Context(), m, p, time.Hour); err != nil || !got.Since.Equal(t0) {
				t.Errorf("%s %d, again: %v", op, fault, err)
			}
			if s, err := m.Load(t.Context()); err != nil || len(s.Pauses) != 1 {
				t.Errorf("%s %d: %+v, %v", op, fault, s.Pauses, err)
			}
		}
	}
}

// What cannot be read is as it was read last, until its own end; who has read
// nothing goes on.
func TestUnreadablePausesAreTheLastKnown(t *testing.T) {
	m := memory()
	if _, err := control.Set(t.Context(), m, pause(control.Scope{Chain: 10}, 0), time.Hour); err != nil {
		t.Fatal(err)
	}
	fresh, knows := control.NewReader(m), control.NewReader(m)
	if _, err := knows.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	away := func(string) faulttest.Fault { return faulttest.Refused }
	allows := func(r *control.Reader, after time.Duration, fails bool) bool {
		t.Helper()
		s, err := r.Read(t.Context())
		if errors.Is(err, faulttest.ErrInjected) != fails {
			t.Errorf("error %v", err)
		}
		_, ok := s.Allows(control.Work{Job: "action-executor", Chain: 10}, t0.Add(after))
		return ok
	}
	m.Fail(away)
	if allows(knows, time.Hour-1, true) || !allows(knows, time.Hour, true) {
		t.Error("the last known pause does not hold up to its end")
	}
	if !allows(fresh, 0, true) {
		t.Error("paused by nobody")
	}
	m.Fail(nil)
	m.SetClock(t0.Add(time.Minute))
	if was, err := control.Lift(t.Context(), m, control.Scope{Chain: 10}); err != nil || !was {
		t.Fatal(was, err)
	}
	if !allows(knows, 2*time.Minute, false) {
		t.Error("lifted and not noticed")
	}
	m.Fail(away)
	if !allows(knows, 2*time.Minute, true) {
		t.Error("the last known state is an older one")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := knows.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// However the clocks of operators and stores are off, a pause holds nothing back for longer than it may by the clock of
// those that it holds back, and one that was ended is over.
func TestNoClockMakesAPauseLonger(t *testing.T) {
	work := control.Work{Job: "action-executor", Chain: 10}
	for _, off := range []time.Duration{0, time.Second, -time.Second, time.Minute, -time.Minute, 24 * time.Hour, -24 * time.Hour} {
		m, scope := memory(), control.Scope{Chain: 10}
		m.SetClock(t0.Add(off))
		if _, err := control.Set(t.Context(), m, pause(scope, 0), control.Max); err != nil {
			t.Fatal(err)
		}
		s, err := m.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var held time.Duration
		const step = time.Second
		for at := -30 * time.Hour; at < 60*time.Hour; at += step {
			if _, ok := s.Allows(work, t0.Add(at)); !ok {
				held += step
			}
		}
		if held > control.Max+control.Skew {
			t.Errorf("off by %s: held back for %s", off, held)
		}
		if was, err := control.Lift(t.Context(), m, scope); err != nil || !was {
			t.Errorf("off by %s: lifted %t, %v", off, was, err)
		}
		if s, err = m.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Allows(work, t0.Add(off)); !ok {
			t.Errorf("off by %s: lifted, and still in force", off)
		}
	}
}

// One that is stored as made in the future can be ended and renewed all the same.
func TestAPauseFromTheFuture(t *testing.T) {
	for _, end := range []bool{true, false} {
		m, scope := memory(), control.Scope{Chain: 10}
		m.SetClock(t0.Add(24 * time.Hour))
		if _, err := control.Set(t.Context(), m, pause(scope, 0), time.Hour); err != nil {
			t.Fatal(err)
		}
		m.SetClock(t0)
		if end {
			if was, err := control.Lift(t.Context(), m, scope); err != nil || !was {
				t.Errorf("lifted %t, %v", was, err)
			}
		} else if p, err := control.Set(t.Context(), m, pause(scope, 0), time.Hour); err != nil || !p.Since.Equal(t0) {
			t.Errorf("renewed: %+v, %v", p, err)
		}
		s, err := m.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for after, want := range map[time.Duration]bool{time.Minute: end, 24*time.Hour + time.Minute: true} {
			if _, ok := s.Allows(control.Work{Job: "action-executor", Chain: 10}, t0.Add(after)); ok != want {
				t.Errorf("ended %t: after %s allowed %t", end, after, ok)
			}
		}
	}
}

// A store that does not say what time it is cannot keep a pause to its time.
func TestAStoreWithoutAClock(t *testing.T) {
	m := memory()
	m.SetClock(time.Time{})
	if _, err := control.Set(t.Context(), m, pause(control.All, 0), time.Hour); err == nil || !strings.Contains(err.Error(), "what time it is") {
		t.Errorf("error %v", err)
	}
}
