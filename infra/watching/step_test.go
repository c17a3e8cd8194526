package watching_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/watching"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

var midnight = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// world makes the metrics of a deployment, minute by minute. An incident changes what a minute has.
type world struct {
	w       *watching.Watching
	profile job.Profile
}

// minute is what is emitted in one minute: values by series. A series without one emits nothing.
type minute map[watching.Series][]float64

func custom(name string) watching.Series {
	return watching.Series{Namespace: "ResolverCron", Name: name}
}

func done(name string) watching.Series {
	s := custom("Done")
	s.Dimensions = "Job=" + name
	return s
}

func lambda(metric, function string) watching.Series {
	return watching.Series{Namespace: "AWS/Lambda", Name: metric, Dimensions: "FunctionName=" + watching.Stack + "-" + function}
}

func queue(metric, id string) watching.Series {
	return watching.Series{Namespace: "AWS/SQS", Name: metric, Dimensions: "QueueName=" + watching.Stack + "-" + id}
}

// runs is how often a job begins in a minute.
func (w world) runs(name string, n int) int {
	spec, err := job.Lookup(name)
	if err != nil {
		panic(err)
	}
	period := spec.Cadence(w.profile).Period
	if period == 0 { // not in this profile
		return 0
	}
	if period < time.Minute {
		return int(time.Minute / period)
	}
	if n%int(period/time.Minute) == 0 {
		return 1
	}
	return 0
}

// quiet is minute n of a day on which nothing is wrong. It is no perfect day: single runs fail, a head lags for a reading,
// an alert waits for a pass, a secret comes late once in the morning and once in the afternoon, doorbells wait for their
// time.
func (w world) quiet(n int) minute {
	m := minute{}
	add := func(s watching.Series, v float64) { m[s] = append(m[s], v) }
	for _, spec := range job.Table {
		lost := n%180 == 90 // each job's run of that minute fails
		for range w.runs(spec.Name, n) {
			if lost {
				add(queue("NumberOfMessagesSent", "FailedEvents"), 0)
				m[queue("NumberOfMessagesSent", "FailedEvents")][0] += b2f(spec.Name == job.StateSync || spec.Name == job.BalanceMonitor || spec.Name == job.HealthCheck)
			}
			if spec.Critical {
				add(done(spec.Name), b2f(!lost))
			}
			switch spec.Name {
			case job.StateSync:
				age := 4.0
				if n%240 == 120 {
					age = 180
				}
				add(custom("HeadAge"), age)
			case job.CancellationCheck:
				add(custom("Overdue"), 0)
				add(custom("AtRisk"), 0)
			case job.BalanceMonitor:
				add(custom("GasRunway"), 120-float64(n)/60)
			case job.HealthCheck:
				add(custom("Health"), b2f(n%300 == 0)) // degraded for one settled reading
			case job.JobWatchdog:
				add(lambda("Invocations", job.JobWatchdog), 1)
				add(lambda("Errors", job.JobWatchdog), b2f(lost))
			}
			add(custom("AlertsUndelivered"), b2f(n%200 == 10 && spec.Name == job.TimelockMonitor))
		}
	}
	if n%45 == 7 { // a claim
		left := 900.0
		if n%(12*60) == 7 {
			left = 10
		}
		add(custom("MarginLeft"), left)
	}
	add(queue("ApproximateAgeOfOldestMessage", "Doorbells"), float64(n%7*25))
	add(queue("ApproximateNumberOfMessagesVisible", "DoorbellsDead"), 0)
	add(queue("NumberOfMessagesSent", "FailedEvents"), 0)
	return m
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// step feeds the minutes and returns the states after each. change may change a minute before it is fed.
func (w world) step(t *testing.T, minutes int, change func(n int, m minute)) []map[string]watching.State {
	t.Helper()
	data := watching.Data{}
	var all []map[string]watching.State
	states := map[string]watching.State{}
	for n := range minutes {
		m := w.quiet(n)
		change(n, m)
		at := midnight.Add(time.Duration(n) * time.Minute)
		for s, values := range m {
			for _, v := range values {
				data[s] = append(data[s], watching.Point{At: at, Value: v})
			}
		}
		var err error
		if states, err = w.w.States(data, at.Add(59*time.Second), states); err != nil {
			t.Fatal(err)
		}
		all = append(all, states)
	}
	return all
}

func worlds(t *testing.T) map[string]world {
	out := map[string]world{}
	for _, p := range profiles {
		out[p] = world{read(t, p), job.Profile(p)}
	}
	return out
}

func short(name string) string { return strings.TrimPrefix(name, watching.Stack+"-") }

func TestAQuietDayIsQuiet(t *testing.T) {
	for name, w := range worlds(t) {
		for n, states := range w.step(t, 24*60, func(int, minute) {}) {
			for alarm, s := range states {
				if s == watching.Alarming {
					t.Fatalf("%s: %s goes off in minute %d of a quiet day", name, alarm, n)
				}
				if n == 60 && s != watching.OK {
					t.Errorf("%s: %s is %s after an hour", name, alarm, s)
				}
			}
		}
	}
}

// Where nothing is emitted at all, the heartbeats tell and nothing else does: the other alarms stay as they were.
func TestADayOfSilence(t *testing.T) {
	heartbeats := []string{"state-sync-silent", "timelock-monitor-silent", "cancellation-check-silent", "action-executor-silent",
		"transaction-tracker-silent", "job-watchdog-silent", "swaps-at-risk"}
	for name, w := range worlds(t) {
		const from = 120
		all := w.step(t, from+24*60, func(n int, m minute) {
			if n >= from {
				clear(m)
			}
		})
		for n, states := range all[from+12:] {
			for alarm, s := range states {
				want := watching.OK
				if slices.Contains(heartbeats, short(alarm)) {
					want = watching.Alarming
				}
				if s != want {
					t.Fatalf("%s: %s is %s in minute %d of silence, want %s", name, alarm, s, n+12, want)
				}
			}
		}
		for alarm, s := range w.step(t, 1, func(_ int, m minute) { clear(m) })[0] {
			want := watching.NoData // a stack that has just been made
			if i := slices.IndexFunc(w.w.Alarms, func(a watching.Alarm) bool { return a.Name == alarm }); i >= 0 && w.w.Alarms[i].Missing == "notBreaching" {
				want = watching.OK
			}
			if slices.Contains(heartbeats, short(alarm)) {
				want = watching.Alarming
			}
			if s != want {
				t.Errorf("%s: %s begins as %s, want %s", name, alarm, s, want)
			}
		}
	}
}

// incident is what an alarm is for.
type incident struct {
	change func(w world, n int, m minute) // n counts from its beginning
	within int                            // minutes until the alarm goes off
	after  int                            // minutes from the end until it is over
	swaps  bool                           // swaps-at-risk goes off too
	others []string                       // what else has to or may go off
}

func put(s watching.Series, v float64) func(world, int, minute) {
	return func(_ world, _ int, m minute) {
		for i := range m[s] {
			m[s][i] = v
		}
	}
}

// fails: each run of a job ends in an error.
func fails(name string) func(world, int, minute) {
	return func(w world, n int, m minute) {
		put(done(name), 0)(w, n, m)
		for range w.runs(name, n) {
			m[queue("NumberOfMessagesSent", "FailedEvents")][0]++
		}
	}
}

// stops: no run of a job begins, nor is anything emitted by it.
func stops(series ...watching.Series) func(world, int, minute) {
	return func(_ world, _ int, m minute) {
		for _, s := range series {
			delete(m, s)
		}
	}
}

var incidents = map[string]incident{
	"actions-overdue": {change: put(custom("Overdue"), 1), within: 2, after: 6, swaps: true},
	// The net looks at what only a person can help every ten minutes.
	"funds-at-risk": {change: func(_ world, n int, m minute) {
		if n%10 < 2 {
			put(custom("AtRisk"), 1)(world{}, n, m)
		}
	}, within: 2, after: 16, swaps: true},
	"margin-thin": {change: func(_ world, n int, m minute) {
		if n%20 == 3 {
			m[custom("MarginLeft")] = []float64{-4}
		}
	}, within: 24, after: 75},
	"heads-old": {change: put(custom("HeadAge"), 300), within: 7, after: 3, swaps: true},
	"gas-low":   {change: put(custom("GasRunway"), 19), within: 16, after: 46, swaps: true},

	"state-sync-silent":          {change: stops(done(job.StateSync), custom("HeadAge")), within: 7, after: 3, swaps: true},
	"timelock-monitor-silent":    {change: stops(done(job.TimelockMonitor)), within: 6, after: 2},
	"cancellation-check-silent":  {change: stops(done(job.CancellationCheck), custom("Overdue"), custom("AtRisk")), within: 7, after: 3},
	"action-executor-silent":     {change: stops(done(job.ActionExecutor)), within: 6, after: 2, swaps: true},
	"transaction-tracker-silent": {change: fails(job.TransactionTracker), within: 6, after: 11, others: []string{"runs-failing"}},
	"job-watchdog-silent":        {change: stops(lambda("Invocations", job.JobWatchdog), lambda("Errors", job.JobWatchdog)), within: 12, after: 3},

	// Four runs of ten are throttled until they are too old; none is silent.
	"runs-failing": {change: func(w world, n int, m minute) {
		if n%5 < 2 {
			for _, s := range job.Table {
				if s.Critical {
					fails(s.Name)(w, n, m)
				}
			}
		}
	}, within: 11, after: 11},
	"doorbells-late":     {change: put(queue("ApproximateAgeOfOldestMessage", "Doorbells"), 900), within: 1, after: 6},
	"doorbells-dead":     {change: put(queue("ApproximateNumberOfMessagesVisible", "DoorbellsDead"), 1), within: 1, after: 6},
	"alerts-undelivered": {change: put(custom("AlertsUndelivered"), 3), within: 12, after: 6},
	"unhealthy":          {change: put(custom("Health"), 2), within: 6, after: 16},
}

func TestEachAlarmGoesOffForItsIncidentAndIsOverAfterwards(t *testing.T) {
	const from, lasts = 130, 95
	for name, w := range worlds(t) {
		for _, a := range w.w.Alarms {
			in, ok := incidents[short(a.Name)]
			if !ok {
				t.Errorf("%s: no incident", a.Name)
				continue
			}
			in.after = max(in.after, 1)
			all := w.step(t, from+lasts+100, func(n int, m minute) {
				if n >= from && n < from+lasts {
					in.change(w, n-from, m)
				}
			})
			first, last := span(all, a.Name)
			if first < from || first >= from+in.within {
				t.Errorf("%s: %s goes off in minute %d of its incident, want within %d", name, a.Name, first-from, in.within)
			}
			if last < from+lasts-5 || last >= from+lasts+in.after {
				t.Errorf("%s: %s goes off until %d minutes after its incident, want at most %d", name, a.Name, last-from-lasts+1, in.after)
			}
			for n := first; n <= last; n++ {
				if all[n][a.Name] != watching.Alarming {
					t.Errorf("%s: %s flaps: %s in minute %d of its incident", name, a.Name, all[n][a.Name], n-from)
					break
				}
			}
			for _, other := range slices.Sorted(maps.Keys(all[0])) {
				first, last := span(all, other)
				switch {
				case other == a.Name:
				case short(other) == "swaps-at-risk":
					if (first >= 0) != in.swaps {
						t.Errorf("%s: swaps at risk by %s: %t", name, a.Name, first >= 0)
					}
				case first >= 0 && !slices.Contains(in.others, short(other)):
					t.Errorf("%s: in the incident of %s, %s goes off in minutes %d to %d", name, a.Name, other, first-from, last-from)
				}
			}
		}
		for alarm := range incidents {
			if !slices.ContainsFunc(w.w.Alarms, func(a watching.Alarm) bool { return short(a.Name) == alarm }) {
				t.Errorf("%s: an incident for %s, which is no alarm", name, alarm)
			}
		}
	}
}

// span are the first and the last minute in which an alarm was on, -1 if it never was.
func span(all []map[string]watching.State, name string) (first, last int) {
	first, last = -1, -1
	for n, states := range all {
		if states[name] == watching.Alarming {
			if first < 0 {
				first = n
			}
			last = n
		}
	}
	return first, last
}

// That nothing is told any more is no proof that what was wrong is over.
func TestWhatWasWrongStaysSoInSilence(t *testing.T) {
	const from, lasts = 130, 40
	for name, w := range worlds(t) {
		for _, a := range w.w.Alarms {
			if strings.HasSuffix(a.Name, "-silent") || a.Stats[0].Namespace == "AWS/SQS" || short(a.Name) == "margin-thin" {
				continue // silence itself, or what the service measures, or what is about an hour
			}
			change := incidents[short(a.Name)].change
			if short(a.Name) == "funds-at-risk" { // seen by the last look
				change = put(custom("AtRisk"), 1)
			}
			all := w.step(t, from+lasts+200, func(n int, m minute) {
				if n >= from+lasts {
					clear(m)
				} else if n >= from {
					change(w, n-from, m)
				}
			})
			if first, last := span(all, a.Name); first < 0 || last != len(all)-1 {
				t.Errorf("%s: %s is on in minutes %d to %d, want to the end of the silence", name, a.Name, first, last)
			}
		}
	}
}

// Who rings and who is the net: swaps are at risk when both are silent, and not when one is.
func TestSwapsAreAtRiskWhenNobodyRings(t *testing.T) {
	for name, w := range worlds(t) {
		for _, c := range []struct {
			silent []string
			want   watching.State
		}{
			{nil, watching.OK},
			{[]string{job.TimelockMonitor}, watching.OK},
			{[]string{job.CancellationCheck}, watching.OK},
			{[]string{job.TransactionTracker}, watching.OK},
			{[]string{job.TimelockMonitor, job.CancellationCheck}, watching.Alarming},
			{[]string{job.StateSync}, watching.Alarming},
			{[]string{job.ActionExecutor}, watching.Alarming},
		} {
			all := w.step(t, 150, func(n int, m minute) {
				for _, j := range c.silent {
					if n > 130 {
						delete(m, done(j))
					}
				}
			})
			if got := all[149][watching.Stack+"-swaps-at-risk"]; got != c.want {
				t.Errorf("%s: with %v silent swaps-at-risk is %s, want %s", name, c.silent, got, c.want)
			}
		}
	}
}

// The rule of the service, by the table of its documentation (three of three windows).
func TestMissingData(t *testing.T) {
	for _, c := range []struct {
		windows                    string // the oldest first: 0 does not breach, X does, - is missing
		ignore, breaching, notBrch watching.State
	}{
		{"0-X-X", watching.OK, watching.OK, watching.OK},
		{"----0", watching.OK, watching.OK, watching.OK},
		{"-----", "was", watching.Alarming, watching.OK},
		{"0XX-X", watching.Alarming, watching.Alarming, watching.Alarming},
		{"--X--", "was", watching.Alarming, watching.OK},
	} {
		for missing, want := range map[string]watching.State{"ignore": c.ignore, "breaching": c.breaching, "notBreaching": c.notBrch} {
			s := custom("Any")
			a := watching.Alarm{Stats: []watching.Stat{{Series: s, Stat: "Maximum"}}, Period: time.Minute, Windows: 3, Breaching: 3,
				Compare: "GreaterThanThreshold", Threshold: 0, Missing: missing}
			data := watching.Data{}
			for i, r := range c.windows {
				if r != '-' {
					data[s] = append(data[s], watching.Point{At: midnight.Add(time.Duration(i) * time.Minute), Value: b2f(r == 'X')})
				}
			}
			now := midnight.Add(4*time.Minute + 30*time.Second)
			if got := a.Step(data, now, "was"); got != want {
				t.Errorf("%s, %s: %s, want %s", c.windows, missing, got, want)
			}
		}
	}
}

func ExampleComposite_Step() {
	c := watching.Composite{Rule: `ALARM("a") OR (ALARM("b") AND ALARM("c"))`}
	fmt.Println(c.Step(map[string]watching.State{"a": watching.OK, "b": watching.Alarming, "c": watching.Alarming}))
	fmt.Println(c.Step(map[string]watching.State{"a": watching.OK, "b": watching.Alarming}))
	// Output:
	// ALARM <nil>
	// INSUFFICIENT_DATA rule: "c": no such alarm
}
