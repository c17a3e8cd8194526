package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/control/controltest"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
	"github.com/bridge-me-not/resolver-cron/shared/store"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A pause is told while it lasts, ever less often, and once that it is over.
func TestAPauseIsToldUntilItIsOver(t *testing.T) {
	m := alerttest.NewMemory()
	var said []string
	at := func(after time.Duration, pauses ...control.Pause) {
		t.Helper()
		before := len(m.Sent())
		desk := alert.NewDesk(m, m, slog.New(slog.DiscardHandler))
		if err := errors.Join(TellOf(t.Context(), desk, pauses, t0.Add(after)), desk.Flush(t.Context(), t0.Add(after))); err != nil {
			t.Fatal(err)
		}
		for _, sent := range m.Sent()[before:] {
			said = append(said, fmt.Sprint(after, " ", sent.Subject))
		}
	}
	p := control.Pause{Scope: control.Scope{Chain: 10}, By: "anna", Why: "reorg", Since: t0, From: t0, Until: t0.Add(time.Hour)}
	for after := time.Duration(0); after < 2*time.Hour; after += 30 * time.Second {
		at(after, p)
	}
	want := []string{"0s WARNING: paused on chain 10", "10m0s WARNING: paused on chain 10", "30m0s WARNING: paused on chain 10", "1h0m0s RESOLVED: paused on chain 10"}
	if strings.Join(said, "; ") != strings.Join(want, "; ") {
		t.Errorf("said %q\nwant %q", said, want)
	}
	body := m.Sent()[0].Body
	for _, part := range []string{"anna has paused sending on chain 10 since 2026-03-01T12:00:00Z: reorg.", "are claimed all the same", "At stake: whatever falls due", "Until: 2026-03-01T13:00:00Z", "What to do: "} {
		if !strings.Contains(body, part) {
			t.Errorf("%q is not in\n%s", part, body)
		}
	}
	// By a clock that is behind, a pause that was renewed has not begun: that is no end of it.
	said, m = nil, alerttest.NewMemory()
	late := p
	at(0, p)
	late.From, late.Until = t0.Add(time.Minute), t0.Add(2*time.Hour)
	at(time.Second, late)
	at(time.Hour, late)
	at(2*time.Hour, late)
	if got := strings.Join(said, "; "); got != "0s WARNING: paused on chain 10; 1h0m0s WARNING: paused on chain 10; 2h0m0s RESOLVED: paused on chain 10" {
		t.Errorf("renewed by a clock that is ahead: said %q", got)
	}
	// Each scope is an alert of its own, and one that stops claims is critical.
	said, m = nil, alerttest.NewMemory()
	at(0, p, control.Pause{By: "b", Why: "w", From: t0, Until: t0.Add(time.Hour), Claims: true}, control.Pause{Scope: control.Scope{Job: "daily-report"}, By: "c", Why: "w", From: t0, Until: t0.Add(time.Hour)})
	if got := strings.Join(said, "; "); got != "0s CRITICAL: paused; 0s WARNING: paused; 0s WARNING: paused on chain 10" {
		t.Errorf("said %q", got)
	}
	for _, sent := range m.Sent() {
		if strings.Contains(sent.Body, "daily-report") && (strings.Contains(sent.Body, "claimed") || strings.Contains(sent.Body, "At stake")) {
			t.Errorf("a report claims nothing:\n%s", sent.Body)
		}
	}
}

// base is one with a jobs table and a topic of its own on the real servers, and
// pauses that can be made to fail.
func base(t *testing.T) (*Base, *controltest.Memory) {
	t.Helper()
	client, table := servicetest.Table(t)
	cfg, arn := servicetest.Topic(t)
	s, err := store.New(client, store.Tables{Orders: "o", Actions: "a", Journal: "j", Jobs: table}, store.Live)
	if err != nil {
		t.Fatal(err)
	}
	m := controltest.NewMemory()
	return &Base{Config: env.Config{Mode: env.Live, AlertsTopicARN: arn}, AWS: cfg, Log: slog.New(slog.DiscardHandler), Store: s, Control: control.NewReader(m)}, m
}

// A paused job does nothing, its run is recorded as done, and a person is told;
// when the pause is over it runs again, and that is told too.
func TestAPausedJobDoesNothing(t *testing.T) {
	const name = "daily-report"
	b, m := base(t)
	runs := jobtest.NewMemory()
	ran := 0
	task := job.Task{Name: name, Period: time.Hour, Timeout: time.Minute, Margin: time.Second,
		Run: b.unlessPaused(name, func(context.Context, *job.Run) error { ran++; return nil })}
	h, err := job.Scheduled(job.Deps{Locker: runs, Recorder: runs, Log: b.Log}, task)
	if err != nil {
		t.Fatal(err)
	}
	ticks, start := 0, time.Now() // each a second earlier, lest two are one
	tick := func() error {
		ticks++
		_, err := h.Invoke(t.Context(), fmt.Appendf(nil, `{"time":%q}`, start.Add(-time.Duration(ticks)*time.Second).UTC().Format(time.RFC3339)))
		return err
	}
	open := func() (out []string) {
		t.Helper()
		list, err := b.Store.Alerts().Open(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.NotifiedAt.IsZero() {
				t.Errorf("%s was not delivered", e.Key())
			}
			out = append(out, e.Key())
		}
		return out
	}
	if err := tick(); err != nil || ran != 1 || len(open()) != 0 {
		t.Fatalf("not paused: ran %d times, %v, open %q", ran, err, open())
	}
	for _, scope := range []control.Scope{{Job: name}, control.All, {Chain: 10}, {Job: "order-cleanup"}} {
		if _, err := control.Set(t.Context(), m, control.Pause{Scope: scope, By: "anna", Why: "quiet"}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := tick(); err != nil || ran != 1 || runs.Stats(name).Done != 2 {
		t.Errorf("paused: ran %d times, %v, %+v", ran, err, runs.Stats(name))
	}
	if got := open(); len(got) != 1 || got[0] != "paused|0|||"+name {
		t.Errorf("open %q", got)
	}
	// The last known pause holds although it cannot be read, and that is an error.
	m.Fail(func(string) faulttest.Fault { return faulttest.Refused })
	if err := tick(); !errors.Is(err, faulttest.ErrInjected) || ran != 1 {
		t.Errorf("unreadable: ran %d times, %v", ran, err)
	}
	m.Fail(nil)
	if _, err := control.Lift(t.Context(), m, control.Scope{Job: name}); err != nil {
		t.Fatal(err)
	}
	if err := tick(); err != nil || ran != 2 || len(open()) != 0 {
		t.Errorf("resumed: ran %d times, %v, open %q", ran, err, open())
	}
	fresh := *b
	fresh.Control = control.NewReader(m)
	m.Fail(func(string) faulttest.Fault { return faulttest.Refused })
	task.Run = fresh.unlessPaused(name, func(context.Context, *job.Run) error { ran++; return nil })
	if h, err = job.Scheduled(job.Deps{Locker: runs, Recorder: runs, Log: b.Log}, task); err != nil {
		t.Fatal(err)
	}
	if err := tick(); !errors.Is(err, faulttest.ErrInjected) || ran != 3 {
		t.Errorf("unreadable and nothing known: ran %d times, %v", ran, err)
	}
}

// What watches is never asked whether it is paused.
func TestNothingThatWatchesIsPausable(t *testing.T) {
	for _, s := range job.Table {
		if watches := s.Critical && s.Name != job.ActionExecutor || slices.Contains([]string{job.PacerJob, job.JobWatchdog, job.BalanceMonitor, job.HealthCheck}, s.Name); s.Pausable() == watches {
			t.Errorf("%s is pausable: %t", s.Name, s.Pausable())
		}
	}
}
