package watchdog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog/watchdogtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(minutes float64) time.Time { return noon.Add(time.Duration(minutes * float64(time.Minute))) }

// monitor is a critical job of a minute, report one that is not.
var (
	minutely = job.Cadence{Period: time.Minute, Timeout: 50 * time.Second, Margin: 2 * time.Second, Grace: 2 * time.Minute}
	monitor  = job.Spec{Name: "monitor", Critical: true, Exclusive: true, Test: minutely, Mainnet: minutely}
	report   = job.Spec{Name: "report", Exclusive: true, Test: minutely}
)

// yard is a watchdog and all that it works with.
type yard struct {
	*watchdog.Watchdog
	t      *testing.T
	runs   *watchdogtest.Memory
	alerts *alerttest.Memory
	log    bytes.Buffer
	beats  int
	beat   error
	// who is told
	confirmed, pending int
	topic              error
}

func (y *yard) Beat(context.Context) error { y.beats++; return y.beat }

func (y *yard) Subscriptions(context.Context) (int, int, error) {
	return y.confirmed, y.pending, y.topic
}

func newYard(t *testing.T, jobs ...job.Spec) *yard {
	y := &yard{t: t, runs: watchdogtest.NewMemory(), alerts: alerttest.NewMemory(), confirmed: 1}
	y.Watchdog = &watchdog.Watchdog{Runs: y.runs, Books: y.runs, Jobs: jobs, Profile: job.Test, Outbox: y.alerts, Topic: y, Heart: y,
		Log: slog.New(slog.NewJSONHandler(&y.log, nil))}
	return y
}

// ran records runs of the ticks at those minutes.
func (y *yard) ran(name string, s job.State, minutes ...float64) {
	y.t.Helper()
	for _, m := range minutes {
		r := job.Record{Job: name, Scheduled: at(m), State: s, Token: fmt.Sprintf("%s at %v", name, m), Started: at(m), Ended: at(m).Add(time.Second), Attempts: 1}
		if s != job.Done {
			r.Reason = "chain 10 is away"
		}
		if err := y.runs.Record(y.t.Context(), r); err != nil {
			y.t.Fatal(err)
		}
	}
}

// died leaves the lease of a run that began and ended without release.
func (y *yard) died(name string, minutes float64) {
	y.t.Helper()
	_, err := y.runs.Acquire(y.t.Context(), job.Claim{Key: job.JobKey(name), Token: fmt.Sprintf("%s at %v", name, minutes), Job: name, Tick: at(minutes), Now: at(minutes), Until: at(minutes).Add(12 * time.Second)})
	if err != nil {
		y.t.Fatal(err)
	}
}

// round is one run of the watchdog, with a desk of its own as in production.
func (y *yard) round(minutes float64) ([]watchdog.Health, error) {
	return y.Round(y.t.Context(), alert.NewDesk(y.alerts, y.alerts, slog.New(slog.DiscardHandler)), at(minutes))
}

func (y *yard) mustRound(minutes float64) []watchdog.Health {
	y.t.Helper()
	all, err := y.round(minutes)
	if err != nil {
		y.t.Fatalf("at minute %v: %v", minutes, err)
	}
	return all
}

// subjects are those of the messages since the last call.
func (y *yard) subjects() string {
	var out []string
	for _, m := range y.alerts.Sent() {
		out = append(out, m.Subject)
	}
	y.alerts.Forget()
	return strings.Join(out, "; ")
}

func (y *yard) want(when, want string) {
	y.t.Helper()
	if got := y.subjects(); got != want {
		y.t.Errorf("%s: told %q, want %q", when, got, want)
	}
}

func (y *yard) entry(kind alert.Kind, name string) alert.Entry {
	y.t.Helper()
	e, err := y.alerts.Load(y.t.Context(), alert.Alert{Kind: kind, Account: name}.Key())
	if err != nil {
		y.t.Fatal(err)
	}
	return e
}

// begin makes the first pass, in which everything is new, and lets the jobs run
// for some minutes.
func (y *yard) begin(minutes int) {
	y.t.Helper()
	y.mustRound(0)
	for m := range minutes {
		for _, s := range y.Jobs {
			y.ran(s.Name, job.Done, float64(m))
		}
	}
	y.mustRound(float64(minutes) - 0.5)
	y.want("all is well", "")
}

func TestMissingAndBack(t *testing.T) {
	y := newYard(t, report, monitor)
	y.begin(3)
	y.mustRound(4.9)
	y.want("within its grace", "")
	all := y.mustRound(5)
	y.want("when its grace is over", "CRITICAL: job-missing; WARNING: job-missing")
	if all[0].Job != "monitor" || all[0].State != watchdog.Missing {
		t.Errorf("the critical one does not come first: %+v", all[0])
	}
	y.mustRound(6)
	y.want("and again", "")
	y.ran("report", job.Done, 6)
	y.ran("monitor", job.Failed, 6)
	y.mustRound(6.5)
	y.want("a failure is no proof", "RESOLVED: job-missing")
	if e := y.entry(alert.JobMissing, "monitor"); e.State != alert.Open {
		t.Errorf("%+v", e)
	}
	y.ran("monitor", job.Done, 7)
	y.mustRound(7.5)
	y.want("it ended well", "RESOLVED: job-missing")
	if e := y.entry(alert.JobMissing, "monitor"); e.Proof != "its run for 2026-03-01T12:07:00Z ended well" {
		t.Errorf("proof %q", e.Proof)
	}
	y.ran("monitor", job.Done, 8, 9)
	y.ran("report", job.Done, 7, 8, 9)
	y.mustRound(9.5)
	y.want("what was told as missing has not lapsed as well", "")
}

func TestHungAndBack(t *testing.T) {
	y := newYard(t, monitor, report)
	y.begin(3)
	y.died("monitor", 3)
	y.died("report", 3)
	y.mustRound(3.1)
	y.want("while it may still work", "")
	y.mustRound(3.5)
	y.want("when its lease has ended", "CRITICAL: job-hung; WARNING: job-hung")
	y.mustRound(5.5)
	y.want("it is not told as a lapse too", "")
	y.mustRound(6)
	y.want("and then no tick comes", "CRITICAL: job-missing; WARNING: job-missing")
	if e := y.entry(alert.JobHung, "monitor"); e.State != alert.Open {
		t.Errorf("that it is missing proves nothing about the run that hung: %+v", e)
	}
	for _, name := range []string{"monitor", "report"} {
		l, err := y.runs.Acquire(t.Context(), job.Claim{Key: job.JobKey(name), Token: "next", Job: name, Tick: at(6), Now: at(6), Until: at(6.2)})
		if err != nil {
			t.Fatal(err)
		}
		y.ran(name, job.Abandoned, 3)
		y.ran(name, job.Done, 6)
		if _, err := y.runs.Release(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	y.mustRound(6.5)
	y.want("it runs", "RESOLVED: job-hung; RESOLVED: job-missing; RESOLVED: job-hung; RESOLVED: job-missing")
}

func TestFailingAndBack(t *testing.T) {
	y := newYard(t, monitor, report)
	y.begin(3)
	y.ran("monitor", job.Failed, 3)
	y.ran("report", job.Done, 3)
	y.mustRound(3.5)
	y.want("one failure", "")
	y.ran("monitor", job.Failed, 4)
	y.ran("report", job.Done, 4)
	y.mustRound(4.5)
	y.want("two in a row", "CRITICAL: job-failing")
	if e := y.entry(alert.JobFailing, "monitor"); !strings.Contains(e.What, "chain 10 is away") || !strings.Contains(e.What, "last 2 runs") {
		t.Errorf("it does not say why: %q", e.What)
	}
	y.ran("monitor", job.Failed, 5)
	y.ran("report", job.Done, 5)
	y.mustRound(5.5)
	y.want("three", "")
	y.ran("monitor", job.Done, 6)
	y.ran("report", job.Done, 6)
	y.mustRound(6.5)
	y.want("it ended well", "RESOLVED: job-failing")
}

func TestSlowAndBack(t *testing.T) {
	y := newYard(t, monitor)
	y.mustRound(0)
	tick := 0.0
	take := func(seconds, n int) {
		for range n {
			r := job.Record{Job: "monitor", Scheduled: at(tick), State: job.Done, Token: fmt.Sprint(tick), Started: at(tick), Ended: at(tick).Add(time.Duration(seconds) * time.Second), Attempts: 1}
			if err := y.runs.Record(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			tick++
		}
		y.mustRound(tick - 0.1)
	}
	take(10, 10)
	y.want("quick", "")
	take(40, 12)
	y.want("most of its time, and it is critical", "WARNING: job-slow")
	take(36, 20)
	y.want("a little less is not over", "")
	take(20, 20)
	y.want("calm", "RESOLVED: job-slow")
}

// What a tick that is skipped means depends on whether the next one came in time.
func TestLapses(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(y *yard)
		want string
		text string
	}{
		{"missed, and made good", func(y *yard) { y.ran("monitor", job.Done, 4, 5) }, "WARNING: job-lapsed", "2026-03-01T12:03:00Z missed"},
		{"died, and made good", func(y *yard) { y.ran("monitor", job.Abandoned, 3); y.ran("monitor", job.Done, 4, 5) }, "WARNING: job-lapsed", "2026-03-01T12:03:00Z died"},
		{"missed for longer than its grace, while nobody looked", func(y *yard) { y.ran("monitor", job.Done, 5.9) }, "CRITICAL: job-lapsed", "2026-03-01T12:03:00Z missed, and not made good in time"},
		{"missed, and then its rule was moved", func(y *yard) { y.ran("monitor", job.Done, 5.3) }, "CRITICAL: job-lapsed", "2026-03-01T12:04:00Z missed"},
		{"nothing", func(y *yard) { y.ran("monitor", job.Done, 3, 4, 5) }, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			y := newYard(t, monitor)
			y.begin(3)
			c.play(y)
			y.mustRound(5.95)
			y.want("told", c.want)
			if c.want == "" {
				return
			}
			if e := y.entry(alert.JobLapsed, "monitor"); !strings.Contains(e.What, c.text) {
				t.Errorf("%q", e.What)
			}
			if n := strings.Count(y.log.String(), `"job lapsed"`); n == 0 {
				t.Error("not in the log")
			}
			for m := 6.0; m < 30; m++ {
				if m == 12 {
					y.want("before it has settled", "")
				}
				y.ran("monitor", job.Done, m)
				y.mustRound(m + 0.1)
			}
			y.want("once, and never again", "RESOLVED: job-lapsed")
		})
	}
}

// A job whose items cannot be read, whose alert cannot be stored, or that is not
// understood, hides no other, and is looked at again.
func TestOneJobDoesNotHideTheOthers(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(y *yard, on bool)
	}{
		{"runs", func(y *yard, on bool) {
			y.runs.FailWatch(func(op, about string) faulttest.Fault { return refuse(on && op == "since" && about == "monitor") })
		}},
		{"lease", func(y *yard, on bool) {
			y.runs.FailWatch(func(op, about string) faulttest.Fault {
				return refuse(on && op == "holding" && about == job.JobKey("monitor"))
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			y := newYard(t, monitor, report)
			y.begin(3)
			c.fail(y, true)
			all, err := y.round(6)
			if !errors.Is(err, faulttest.ErrInjected) || !strings.Contains(err.Error(), "monitor") || len(all) != 1 {
				t.Errorf("%v, %d jobs judged", err, len(all))
			}
			y.want("the other one", "WARNING: job-missing")
			if y.beats != 2 {
				t.Errorf("%d beats: a pass that did not see all is none", y.beats)
			}
			c.fail(y, false)
			y.mustRound(6.1)
			y.want("and this one", "CRITICAL: job-missing")
		})
	}
}

func refuse(yes bool) faulttest.Fault {
	if yes {
		return faulttest.Refused
	}
	return faulttest.OK
}

// Twice at one time: one effect.
func TestTwicePassesTellOnce(t *testing.T) {
	y := newYard(t, monitor, report)
	y.begin(3)
	y.ran("report", job.Done, 4)
	for range 3 {
		y.mustRound(5)
	}
	y.want("three passes", "CRITICAL: job-missing; WARNING: job-lapsed")
	for m := 5.0; m < 14; m++ {
		y.ran("monitor", job.Done, m)
		y.ran("report", job.Done, m)
	}
	for range 3 {
		y.mustRound(13.5)
	}
	y.want("three more", "RESOLVED: job-missing; RESOLVED: job-lapsed")
}

// killed is the panic of a process that dies at one of its effects.
type killed struct{}

// Killed between any two requests to the stores and the topic, and run again: the
// same is told, and the same is known at the end. Only a death between delivery and
// its note tells twice, which is better than never.
func TestKilledAtEveryEffectAndRunAgain(t *testing.T) {
	type outcome struct{ told, state string }
	// play ends with the outcome and the number of requests that a pass in its
	// middle made; that pass dies before request n.
	play := func(n int) (outcome, int) {
		y := newYard(t, monitor, report)
		y.begin(3)
		y.ran("report", job.Failed, 3, 4)
		y.mustRound(4.5)
		y.ran("report", job.Done, 5) // which is to be told as over
		y.died("monitor", 3)
		asked := 0
		ask := func() {
			if asked++; asked == n {
				panic(killed{})
			}
		}
		y.runs.FailWatch(func(op, _ string) faulttest.Fault {
			if op == "book" || op == "save" { // the others are made side by side, and change nothing
				ask()
			}
			return faulttest.OK
		})
		y.alerts.Fail(func(string) faulttest.Fault { ask(); return faulttest.OK })
		func() {
			defer func() {
				if p := recover(); p != nil && p != (killed{}) {
					panic(p)
				}
			}()
			y.mustRound(5.5)
		}()
		made := asked
		y.runs.FailWatch(nil)
		y.alerts.Fail(nil)
		for _, m := range []float64{5.6, 6, 6.5} {
			y.mustRound(m)
		}
		sent := strings.Split(y.subjects(), "; ")
		slices.Sort(sent)
		told := strings.Join(slices.Compact(sent), "; ")
		state := ""
		for _, kind := range []alert.Kind{alert.JobMissing, alert.JobHung, alert.JobFailing, alert.JobLapsed} {
			for _, name := range []string{"monitor", "report"} {
				e := y.entry(kind, name)
				state += fmt.Sprintf("%s of %s: %s, told %v, %d times before; ", kind, name, e.State, !e.NotifiedAt.IsZero(), e.Repeats)
			}
		}
		return outcome{told, state}, made
	}
	want, requests := play(0)
	if requests < 8 || !strings.Contains(want.told, "CRITICAL: job-hung") || !strings.Contains(want.told, "RESOLVED: job-failing") {
		t.Fatalf("%d requests, %+v", requests, want)
	}
	for n := 1; n <= requests; n++ {
		if got, _ := play(n); got != want {
			t.Errorf("killed before request %d:\ngot  %+v\nwant %+v", n, got, want)
		}
	}
}

// Killed between any two requests of the pass that sees something bad, which is
// over before anybody looks again: no alert is left open that nobody would resolve.
func TestKilledAndOverBeforeTheNextPass(t *testing.T) {
	for n, last := 1, false; !last; n++ {
		y := newYard(t, monitor, report)
		y.begin(3)
		y.died("monitor", 3)
		asked := 0
		ask := func() {
			if asked++; asked == n {
				panic(killed{})
			}
		}
		y.runs.FailWatch(func(op, _ string) faulttest.Fault {
			if op == "book" || op == "save" {
				ask()
			}
			return faulttest.OK
		})
		y.alerts.Fail(func(string) faulttest.Fault { ask(); return faulttest.OK })
		func() {
			defer func() {
				if p := recover(); p != nil && p != (killed{}) {
					panic(p)
				}
			}()
			y.mustRound(5.5) // monitor hangs, report is missing
			last = true
		}()
		y.runs.FailWatch(nil)
		y.alerts.Fail(nil)
		l, err := y.runs.Acquire(t.Context(), job.Claim{Key: job.JobKey("monitor"), Token: "next", Job: "monitor", Tick: at(6), Now: at(6), Until: at(6.2)})
		if err != nil {
			t.Fatal(err)
		}
		y.ran("monitor", job.Abandoned, 3)
		if _, err := y.runs.Release(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		y.ran("monitor", job.Done, 6)
		y.ran("report", job.Done, 6)
		y.mustRound(6.2)
		for m := 7.0; m < 18; m++ {
			y.ran("monitor", job.Done, m)
			y.ran("report", job.Done, m)
			y.mustRound(m + 0.2)
		}
		for _, kind := range []alert.Kind{alert.JobMissing, alert.JobHung, alert.JobLapsed} {
			for _, name := range []string{"monitor", "report"} {
				if e := y.entry(kind, name); e.State != "" && e.State != alert.Resolved {
					t.Errorf("killed before request %d: %s of %s is %s", n, kind, name, e.State)
				}
			}
		}
	}
}

// Each request to the stores fails, applied or not: the pass is an error, nothing
// is lost, and the next passes end where they would have.
func TestEveryFailureIsReturnedAndMadeGood(t *testing.T) {
	play := func(n int, fault faulttest.Fault) (string, int, error) {
		y := newYard(t, monitor, report)
		y.begin(3)
		y.ran("report", job.Done, 4, 5)
		asked := 0
		hit := func() bool { asked++; return asked == n }
		y.runs.FailWatch(func(op, _ string) faulttest.Fault {
			if (op == "book" || op == "save") && hit() {
				return fault
			}
			return faulttest.OK
		})
		y.alerts.Fail(func(string) faulttest.Fault {
			if hit() {
				return fault
			}
			return faulttest.OK
		})
		_, err := y.round(5.5)
		made, beats := asked, y.beats
		if n > 0 && beats != 2 {
			t.Errorf("request %d: %d beats, want none after a failure", n, beats)
		}
		y.runs.FailWatch(nil)
		y.alerts.Fail(nil)
		y.mustRound(6)
		y.mustRound(6.5)
		told := strings.Split(y.subjects(), "; ")
		slices.Sort(told)
		return strings.Join(slices.Compact(told), "; "), made, err
	}
	want, requests, err := play(0, faulttest.OK)
	if err != nil || requests < 8 || want != "CRITICAL: job-missing; WARNING: job-lapsed" {
		t.Fatalf("%q, %d requests, %v", want, requests, err)
	}
	for n := 1; n <= requests; n++ {
		for _, fault := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
			got, _, err := play(n, fault)
			if err == nil {
				t.Errorf("request %d, fault %d: no error", n, fault)
			}
			if got != want {
				t.Errorf("request %d, fault %d: told %q, want %q", n, fault, got, want)
			}
		}
	}
}

func TestHeartbeatNeedsTheAlertPath(t *testing.T) {
	down := errors.New("throttled")
	for _, c := range []struct {
		name string
		set  func(y *yard)
		want string // part of the error
	}{
		{"all works", func(*yard) {}, ""},
		{"somebody has confirmed, somebody not yet", func(y *yard) { y.pending = 3 }, ""},
		{"nobody has confirmed", func(y *yard) { y.confirmed, y.pending = 0, 2 }, "nobody has confirmed"},
		{"the topic does not answer", func(y *yard) { y.topic = down }, "throttled"},
		{"the outbox cannot be read", func(y *yard) {
			y.alerts.Fail(func(op string) faulttest.Fault {
				if op == "pending" {
					return faulttest.Refused
				}
				return faulttest.OK
			})
		}, "outbox"},
		{"an alert is stuck", func(y *yard) {
			y.Outbox = outbox{{RaisedAt: at(-10)}, {RaisedAt: at(2)}, {RaisedAt: at(-6)}}
		}, "2 alerts are not delivered, the oldest since 2026-03-01T11:50:00Z"},
		{"an alert of a clock that is ahead", func(y *yard) { y.Outbox = outbox{{RaisedAt: at(60)}} }, "1 alerts are not delivered, the oldest since 2026-03-01T13:00:00Z"},
		{"alerts wait, but not for long", func(y *yard) { y.Outbox = outbox{{RaisedAt: at(0)}} }, ""},
		{"a message is refused", func(y *yard) {
			y.ran("monitor", job.Failed, 3, 4)
			y.alerts.Fail(func(op string) faulttest.Fault {
				if op == "publish" {
					return faulttest.Refused
				}
				return faulttest.OK
			})
		}, "announce"},
		{"a job is missing, and that is told", func(y *yard) { y.Jobs[0].Test.Grace = time.Minute }, ""},
		{"the monitor is down", func(y *yard) { y.beat = down }, "throttled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			y := newYard(t, monitor)
			y.begin(3)
			y.beats = 0
			c.set(y)
			_, err := y.round(4.5)
			if c.want == "" && (err != nil || y.beats != 1) {
				t.Errorf("%v, %d beats", err, y.beats)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if c.want != "" && y.beat == nil && y.beats != 0 {
				t.Errorf("%d beats", y.beats)
			}
		})
	}
	t.Run("nobody outside", func(t *testing.T) {
		y := newYard(t, monitor)
		y.Heart, y.confirmed = nil, 0
		y.mustRound(0)
	})
}

type outbox []alert.Entry

func (o outbox) Due(_ context.Context, _ int, now time.Time, age time.Duration) (due []alert.Entry, _ error) {
	for _, e := range o {
		if alert.Away(e.RaisedAt, now, age) {
			due = append(due, e)
		}
	}
	return due, nil
}

// Another profile has other ticks: those of the old one say nothing.
func TestProfileChanges(t *testing.T) {
	fast := monitor
	fast.Test = job.Cadence{Period: 10 * time.Second, Timeout: 9 * time.Second, Margin: time.Second, Grace: 30 * time.Second}
	y := newYard(t, fast, report)
	y.Profile = job.Mainnet
	y.begin(3) // report is not on that schedule, and its runs are nobody's
	y.Profile = job.Test
	y.mustRound(3)
	y.want("a tick each ten seconds, and there were none", "")
	y.mustRound(4)
	y.want("but now there should be", "CRITICAL: job-missing")
	y.Profile = job.Mainnet
	y.ran("monitor", job.Done, 4.1)
	y.mustRound(4.5)
	y.want("it runs", "RESOLVED: job-missing")
	y.Profile = job.Test
	y.mustRound(5)
	y.mustRound(8)
	y.want("report never came", "CRITICAL: job-missing; WARNING: job-missing")
	y.Profile = job.Mainnet
	y.ran("monitor", job.Done, 5, 6, 7, 8)
	y.mustRound(8.5)
	y.want("report is not on the schedule any more", "RESOLVED: job-missing; RESOLVED: job-missing")
	if e := y.entry(alert.JobMissing, "report"); !strings.Contains(e.Proof, "not on the schedule of profile mainnet") {
		t.Errorf("proof %q", e.Proof)
	}
}

// The proposal called a missed timelock-monitor a warning. Here each critical job
// that is missed is critical, in the first pass that can know it.
func TestMissedTimelockMonitorIsOnlyAWarning(t *testing.T) {
	for _, s := range job.Table {
		if !s.Critical {
			continue
		}
		y := newYard(t, s)
		y.mustRound(0)
		c := s.Cadence(job.Test)
		y.mustRound((c.Period + c.Grace + time.Second).Minutes())
		y.want(s.Name, "CRITICAL: job-missing")
	}
}

func TestWriteTable(t *testing.T) {
	y := newYard(t, monitor, report)
	y.begin(4)
	y.ran("monitor", job.Failed, 4, 5)
	all := y.mustRound(6)
	var out strings.Builder
	if err := watchdog.WriteTable(&out, all); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{
		"job state last run ended runs well failed in a row missed died takes usually of",
		"monitor * failing 2026-03-01 12:05:00 failed 6 66 % 2 0 0 1.0 s 1.0 s 48.0 s",
		"report missing 2026-03-01 12:03:00 done 4 100 % 0 1 0 1.0 s 1.0 s 48.0 s",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if err := watchdog.WriteTable(broken{}, all); !errors.Is(err, errBroken) {
		t.Errorf("a page that cannot be written: %v", err)
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
