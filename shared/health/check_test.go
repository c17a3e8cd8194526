package health_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/health/healthtest"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a system of one part.
type world struct {
	t     *testing.T
	store *healthtest.Memory
	desk  *alerttest.Memory
	now   time.Time
	part  health.Component
	fault func(op string) faulttest.Fault
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, store: &healthtest.Memory{}, desk: alerttest.NewMemory(), now: begin}
	ask := func(op string) faulttest.Fault {
		if w.fault == nil {
			return faulttest.OK
		}
		return w.fault(op)
	}
	w.store.Fail(func(op string) faulttest.Fault { return ask("store." + op) })
	w.desk.Fail(func(op string) faulttest.Fault { return ask("desk." + op) })
	return w
}

// check is a run of the job in which the part is found as given.
func (w *world) check(s health.Status) (health.State, error) {
	w.part = health.Component{Name: "part", Status: s, Critical: s == health.Unhealthy, Detail: "its words"}
	desk := alert.NewDesk(w.desk, w.desk, slog.New(slog.DiscardHandler))
	st, err := health.Checker{Store: w.store, Told: w.desk.Load}.Check(w.t.Context(), desk,
		[]health.Probe{{Name: "part", Look: func(context.Context) []health.Component { return []health.Component{w.part} }}}, w.now, w.now.Add(time.Second))
	return st, errors.Join(err, desk.Flush(w.t.Context(), w.now.Add(time.Second)))
}

func (w *world) checks(all ...health.Status) health.State {
	w.t.Helper()
	var st health.State
	for _, s := range all {
		var err error
		if st, err = w.check(s); err != nil {
			w.t.Fatal(err)
		}
		w.now = w.now.Add(5 * time.Minute)
	}
	return st
}

func (w *world) subjects() (out []string) {
	for _, m := range w.desk.Sent() {
		out = append(out, m.Subject)
	}
	return out
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.subjects(); !slices.Equal(got, want) {
		w.t.Errorf("sent %q, want %q", got, want)
	}
}

const (
	h = health.Healthy
	d = health.Degraded
	u = health.Unhealthy
)

func TestHealthIsToldWhenItChangesOnly(t *testing.T) {
	w := newWorld(t)
	w.checks(h, h, d, h, d, h, h)
	w.expect()
	w.checks(d, d, d, d, d, d)
	w.expect("WARNING: unhealthy")
	w.checks(u, u, u)
	w.expect("WARNING: unhealthy", "CRITICAL, ESCALATED: unhealthy")
	if body := w.desk.Sent()[1].Body; !strings.Contains(body, "The system is unhealthy. part is unhealthy: its words") {
		t.Errorf("told %s", body)
	}
	st := w.checks(h, h, h)
	w.expect("WARNING: unhealthy", "CRITICAL, ESCALATED: unhealthy", "RESOLVED: unhealthy")
	if st.Settled != h || st.Previous.Found != h || len(st.Previous.Components) != 1 || !st.Since.Equal(st.Latest.At) {
		t.Errorf("%+v", st)
	}
	w.checks(h, h, h, h)
	w.expect("WARNING: unhealthy", "CRITICAL, ESCALATED: unhealthy", "RESOLVED: unhealthy")
	read, err := w.store.Load(t.Context(), w.now)
	if err != nil || read.Settled != h || !read.Latest.At.Equal(w.now.Add(-5*time.Minute)) {
		t.Errorf("kept %+v, %v", read, err)
	}
}

func TestOneTickIsOneEffect(t *testing.T) {
	w := newWorld(t)
	w.checks(h)
	for range 5 {
		if st, err := w.check(d); err != nil || st.Settled != h {
			t.Fatalf("%s, %v", st.Settled, err)
		}
	}
	w.expect()
	for range 3 {
		if _, err := w.check(u); err != nil {
			t.Fatal(err)
		}
	}
	w.expect("CRITICAL: unhealthy")
}

// What is not kept is told all the same, and an alert that has expired is told anew.
func TestWhatIsNotKeptIsTold(t *testing.T) {
	w := newWorld(t)
	w.fault = func(op string) faulttest.Fault {
		if op == "store.save" {
			return faulttest.Refused
		}
		return faulttest.OK
	}
	if _, err := w.check(u); err == nil {
		t.Error("no error")
	}
	w.expect("CRITICAL: unhealthy")
	w.fault = nil
	for range 2 {
		w.now = w.now.Add(31 * 24 * time.Hour)
		w.checks(u)
	}
	w.expect("CRITICAL: unhealthy", "CRITICAL: unhealthy", "CRITICAL: unhealthy")
}

// Where the last state cannot be read nothing is taken back and nothing kept; what is unhealthy is told.
func TestWithoutTheLastStateOnlyWhatIsUnhealthyIsTold(t *testing.T) {
	w := newWorld(t)
	w.checks(d)
	w.expect("WARNING: unhealthy")
	w.fault = func(op string) faulttest.Fault {
		if op == "store.load" {
			return faulttest.Refused
		}
		return faulttest.OK
	}
	for _, s := range []health.Status{h, d, u} {
		st, err := w.check(s)
		if err == nil || st.Settled != s {
			t.Errorf("%s: %s, %v", s, st.Settled, err)
		}
	}
	w.expect("WARNING: unhealthy", "CRITICAL, ESCALATED: unhealthy")
	w.fault = nil
	if st, err := w.store.Load(t.Context(), w.now); err != nil || st.Settled != d || st.Row != 0 {
		t.Errorf("kept %+v, %v", st, err)
	}
}

// Killed at any of its effects and run again, the end is the same.
func TestKilledAnywhereAndRunAgain(t *testing.T) {
	type end struct {
		State alert.State
		Kept  health.State
	}
	state := func(w *world) end {
		e, err := w.desk.Load(t.Context(), health.Alert().Key())
		if err != nil {
			t.Fatal(err)
		}
		kept, err := w.store.Load(t.Context(), w.now)
		if err != nil {
			t.Fatal(err)
		}
		kept.Version = 0
		kept.Since, kept.Latest.At, kept.Previous.At = time.Time{}, time.Time{}, time.Time{}
		for i := range kept.Changes {
			kept.Changes[i].At = time.Time{}
		}
		for _, r := range []health.Report{kept.Latest, kept.Previous} {
			for i := range r.Components { // in the latest check it may have been found twice
				r.Components[i].Since, r.Components[i].Row = time.Time{}, 0
			}
		}
		return end{e.State, kept}
	}
	for _, before := range [][]health.Status{{h}, {u, h, h}} { // it gets bad, or good
		found := u
		if before[0] == u {
			found = h
		}
		clean := newWorld(t)
		clean.checks(append(slices.Clone(before), found)...)
		want, messages := state(clean), len(clean.subjects())
		kills := 0
		for _, kind := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
			for _, dead := range []bool{true, false} { // or one effect fails alone
				for at := 1; ; at++ {
					w := newWorld(t)
					w.checks(before...)
					ops, killed := 0, ""
					w.fault = func(op string) faulttest.Fault {
						ops++
						switch {
						case ops == at:
							killed = op
							return kind
						case ops > at && dead:
							return faulttest.Refused
						}
						return faulttest.OK
					}
					_, err := w.check(found)
					if killed == "" {
						if err != nil {
							t.Fatal(err)
						}
						break
					}
					kills++
					w.fault = nil
					w.now = w.now.Add(time.Minute) // another run is let be for a while
					w.checks(found)
					if diff := cmp.Diff(want, state(w)); diff != "" {
						t.Errorf("killed at %d (%s), fault %d, dead %v (-want +got):\n%s", at, killed, kind, dead, diff)
					}
					// Delivery is at least once.
					if got := len(w.subjects()); got < messages || got > messages+1 {
						t.Errorf("killed at %d (%s), fault %d, dead %v: %d messages, want %d", at, killed, kind, dead, got, messages)
					}
				}
			}
		}
		if kills < 20 {
			t.Errorf("killed only %d times", kills)
		}
	}
}

// Whatever happened in between, once all can be read and told again, the alert is open if and only if
// the settled state is not healthy, and as severe.
func TestRandomFailuresLeaveNoAlertBehind(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	for round := range rounds {
		w := newWorld(t)
		rate := r.IntN(40)
		w.fault = func(string) faulttest.Fault {
			if r.IntN(100) < rate {
				return faulttest.Fault(1 + r.IntN(2))
			}
			return faulttest.OK
		}
		for range 40 {
			if _, err := w.check([]health.Status{h, h, d, u}[r.IntN(4)]); err != nil && rate == 0 {
				t.Fatal(err)
			}
			w.now = w.now.Add(time.Duration(r.IntN(10)-1) * time.Minute)
		}
		w.fault = nil
		w.now = w.now.Add(time.Hour)
		last := []health.Status{h, d, u}[r.IntN(3)]
		st := w.checks(last, last, last, last, last, last, last)
		if st.Settled != last {
			t.Errorf("round %d: %s after seven checks that found %s", round, st.Settled, last)
		}
		e, err := w.desk.Load(t.Context(), health.Alert().Key())
		if err != nil {
			t.Fatal(err)
		}
		open := e.State == alert.Open || e.State == alert.Escalated
		if open != (last != h) || open && (e.Severity == alert.Critical) != (last == u) || e.State != "" && e.NotifiedAt.IsZero() {
			t.Errorf("round %d: %s, and the alert is %s, %s, told at %s", round, last, e.State, e.Severity, e.NotifiedAt)
		}
	}
}

// What does not answer takes from the time for looking, not from that for telling.
func TestADeafPartIsToldInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.now = time.Now()
		release := make(chan struct{})
		defer close(release)
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		desk := alert.NewDesk(w.desk, w.desk, slog.New(slog.DiscardHandler))
		st, err := health.Checker{Store: w.store, Told: w.desk.Load}.Check(ctx, desk, []health.Probe{{Name: "deaf", Critical: true, Look: func(context.Context) []health.Component {
			<-release
			return nil
		}}}, w.now, w.now)
		if err != nil || ctx.Err() != nil || st.Settled != u {
			t.Errorf("%s, %v, context %v", st.Settled, err, ctx.Err())
		}
		if err := desk.Flush(ctx, w.now); err != nil {
			t.Fatal(err)
		}
		w.expect("CRITICAL: unhealthy")
	})
}

func TestSummaryPutsTheWorstFirst(t *testing.T) {
	got := health.Summary([]health.Component{
		{Name: "a", Status: d, Detail: "1"}, {Name: "b", Status: h}, {Name: "c", Status: u, Detail: "2"},
		{Name: "d", Status: u, Critical: true, Detail: "3"}, {Name: "e", Status: health.Unknown, Detail: "4"},
	})
	if want := "d is unhealthy: 3; c is unhealthy: 2; a is degraded: 1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
