package health_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/health"
)

// look is a check that finds a dead queue of that depth beside the rest of the world.
func (w *world) look(rest health.Status, depth int64, watched bool) (health.State, error) {
	desk := alert.NewDesk(w.desk, w.desk, slog.New(slog.DiscardHandler))
	probes := []health.Probe{{Name: "part", Look: func(context.Context) []health.Component {
		return []health.Component{{Name: "part", Status: rest, Detail: "its words"}}
	}}}
	if watched {
		probes = append(probes, health.QueueProbe(health.Queue{Name: "letters", URL: "q", Dead: true, ToDo: "Look, then run: purge q"},
			func(context.Context, string) (health.Depth, error) {
				if depth < 0 {
					return health.Depth{}, errors.New("no answer")
				}
				return health.Depth{Waiting: depth}, nil
			}))
	}
	st, err := health.Checker{Store: w.store, Told: w.desk.Load}.Check(w.t.Context(), desk, probes, w.now, w.now.Add(time.Second))
	err = errors.Join(err, desk.Flush(w.t.Context(), w.now.Add(time.Second)))
	w.now = w.now.Add(5 * time.Minute)
	return st, err
}

func (w *world) letters() alert.Entry {
	w.t.Helper()
	e, err := w.desk.Load(w.t.Context(), health.AlertOf("queue letters").Key())
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) looks(rest health.Status, depths ...int64) health.State {
	w.t.Helper()
	var st health.State
	for _, n := range depths {
		var err error
		if st, err = w.look(rest, n, true); err != nil {
			w.t.Fatal(err)
		}
	}
	return st
}

func open(e alert.Entry) bool { return e.State == alert.Open || e.State == alert.Escalated }

// A dead queue is told by itself: how much lies in it, since when, and what to do; also while the whole is
// degraded by something else. It is over at the third check that finds it empty.
func TestADeadQueueIsToldByItself(t *testing.T) {
	w := newWorld(t)
	w.looks(d, 0, 0, 0)
	since := w.now
	w.looks(d, 3)
	if open(w.letters()) {
		t.Error("told at the first sight")
	}
	w.looks(d, 3)
	e := w.letters()
	if !open(e) || e.Severity != alert.Warning || e.WhatToDo != "Look, then run: purge q" ||
		e.What != "queue letters is degraded since the check of "+since.Format(time.RFC3339)+": 3 messages lie in it, which nobody reads." {
		t.Errorf("%+v", e)
	}
	// For two weeks nobody looks: it gets no worse, and is still said to be since then.
	for range 14 * 24 * 12 {
		w.looks(d, 1)
	}
	if e = w.letters(); !open(e) || e.Severity != alert.Warning || !strings.Contains(e.What, since.Format(time.RFC3339)+": 1 message lies in it") {
		t.Errorf("two weeks later: %+v", e)
	}
	for i, depth := range []int64{0, 0, -1, 0, 0, 0} { // that it cannot be asked proves nothing
		if st := w.looks(d, depth); st.Settled != d {
			t.Errorf("settled %s", st.Settled)
		}
		if over := w.letters().State == alert.Resolved; over != (i == 5) {
			t.Errorf("check %d of an empty queue: over %v", i, over)
		}
	}
}

// What is no longer watched ends its alert, even if the check that sees it first is killed.
func TestAQueueThatIsGoneEndsItsAlert(t *testing.T) {
	w := newWorld(t)
	w.looks(h, 3, 3)
	if !open(w.letters()) {
		t.Fatal("not told")
	}
	w.fault = func(op string) faulttest.Fault {
		if op == "desk.save" {
			return faulttest.Refused
		}
		return faulttest.OK
	}
	if _, err := w.look(h, 0, false); err == nil {
		t.Error("no error")
	}
	w.fault = nil
	if _, err := w.look(h, 0, false); err != nil {
		t.Fatal(err)
	}
	if e := w.letters(); e.State != alert.Resolved {
		t.Errorf("still %s", e.State)
	}
}

// Whatever failed in between, in the end the alert is open if and only if something lies in the queue.
func TestRandomFailuresLeaveNoComponentBehind(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for round := range 60 {
		w := newWorld(t)
		rate := r.IntN(40)
		w.fault = func(string) faulttest.Fault {
			if r.IntN(100) < rate {
				return faulttest.Fault(1 + r.IntN(2))
			}
			return faulttest.OK
		}
		for range 30 {
			_, _ = w.look(h, int64(r.IntN(3)), true) // errors are what it is about
		}
		w.fault = nil
		w.now = w.now.Add(time.Hour)
		last := int64(r.IntN(2))
		w.looks(h, last, last, last, last)
		if e := w.letters(); open(e) != (last > 0) {
			t.Errorf("round %d: %d in it, and the alert is %q", round, last, e.State)
		}
	}
}

// A state knows its changes, each with its reason, and no more than so many.
func TestChangesAreKept(t *testing.T) {
	w := newWorld(t)
	w.checks(h, d, d, h, h, h, u)
	st, err := w.store.Load(t.Context(), w.now)
	if err != nil {
		t.Fatal(err)
	}
	after := func(n int) time.Time { return begin.Add(time.Duration(n) * 5 * time.Minute) }
	want := []health.Change{{At: after(0), To: h}, {At: after(2), To: d, Why: "part is degraded: its words"}, {At: after(5), To: h}, {At: after(6), To: u, Why: "part is unhealthy: its words"}}
	if len(st.Changes) != len(want) {
		t.Fatalf("%+v", st.Changes)
	}
	for i, c := range st.Changes {
		if !c.At.Equal(want[i].At) || c.To != want[i].To || c.Why != want[i].Why {
			t.Errorf("%d: %+v, want %+v", i, c, want[i])
		}
	}
	for range 100 {
		st = w.checks(h, h, h, u)
	}
	if n := len(st.Changes); n != 50 || st.Changes[n-1].To != u || !st.Changes[n-1].At.Equal(w.now.Add(-5*time.Minute)) {
		t.Errorf("%d changes, the last %+v", n, st.Changes[n-1])
	}
}

func TestConcurrencyProbe(t *testing.T) {
	for _, c := range []struct {
		name string
		is   health.Concurrency
		err  error
		want health.Status
		says string
	}{
		{"the usual account", health.Concurrency{Limit: 1000, Unreserved: 900}, nil, h, ""},
		{"just enough", health.Concurrency{Limit: 16, Unreserved: 16}, nil, h, ""},
		{"one too few", health.Concurrency{Limit: 16, Unreserved: 15}, nil, d, "15 executions run at once, and all jobs together need 16"},
		{"a new account", health.Concurrency{Limit: 10, Unreserved: 10}, nil, d, "need 16"},
		{"too few for what is critical", health.Concurrency{Limit: 100, Unreserved: 9}, nil, u, "9 executions run at once, and the jobs that are never deferred need 10"},
		{"not told", health.Concurrency{}, errors.New("not authorized"), d, "not authorized"},
	} {
		probe := health.ConcurrencyProbe(func(context.Context) (health.Concurrency, error) { return c.is, c.err }, health.Demand{Prompt: 10, All: 16})
		got := health.Look(t.Context(), []health.Probe{probe})
		if len(got) != 1 || got[0].Name != "concurrency" || got[0].Status != c.want || got[0].Critical || !strings.Contains(got[0].Detail, c.says) || got[0].ToDo == "" {
			t.Errorf("%s: %+v", c.name, got)
		}
		if c.err == nil && (got[0].Numbers["unreserved"] != int64(c.is.Unreserved) || got[0].Numbers["need"] != 16) {
			t.Errorf("%s: numbers %v", c.name, got[0].Numbers)
		}
	}
}
