package watchdog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cadence = job.Cadence{Period: time.Minute, Timeout: 50 * time.Second, Margin: 2 * time.Second, Grace: 2 * time.Minute}
	spec    = job.Spec{Name: "timelock-monitor", Critical: true, Exclusive: true}
)

func at(minutes float64) time.Time { return noon.Add(time.Duration(minutes * float64(time.Minute))) }

// run is a run of the tick at so many minutes, which took so long.
func run(minutes float64, s job.State, took time.Duration) job.Record {
	return job.Record{Job: spec.Name, Scheduled: at(minutes), State: s, Token: fmt.Sprint(minutes), Started: at(minutes), Ended: at(minutes).Add(took), Attempts: 1}
}

func runs(s job.State, minutes ...float64) (out []job.Record) {
	for _, m := range minutes {
		out = append(out, run(m, s, time.Second))
	}
	return out
}

// queued are runs that messages started.
func queued(s job.State, minutes ...float64) []job.Record {
	out := runs(s, minutes...)
	for i := range out {
		out[i].Cause.Queued = true
	}
	return out
}

// of lists the ticks of those lapses, in minutes.
func of(lapses []Lapse, which func(Lapse) bool) string {
	out := []float64{}
	for _, l := range lapses {
		if which(l) {
			out = append(out, l.Tick.Sub(noon).Minutes())
		}
	}
	return fmt.Sprint(out)
}

func missed(l Lapse) bool { return !l.Died }
func died(l Lapse) bool   { return l.Died }
func late(l Lapse) bool   { return l.Late }

func TestJudge(t *testing.T) {
	held := func(tick, ends float64) Holding {
		return Holding{Held: true, Token: fmt.Sprint(tick), Tick: at(tick), Ends: at(ends)}
	}
	const skew = 2.0 / 60
	for _, c := range []struct {
		name    string
		runs    []job.Record
		hold    Holding
		watched float64
		now     float64
		queue   bool
		state   State
		missed  string
		died    string
		late    string
		inARow  int
	}{
		{name: "all well", runs: runs(job.Done, 0, 1, 2, 3), now: 3.5, state: Well},
		{name: "in any order", runs: runs(job.Done, 2, 0, 3, 1), now: 3.5, state: Well},
		{name: "a tick is made good by the next", runs: runs(job.Done, 0, 1, 3), now: 3.5, state: Well, missed: "[2]"},
		{name: "and by a late one in time", runs: runs(job.Done, 0, 1, 3.6), now: 4, state: Well, missed: "[2]"},
		{name: "a gap is longer than the grace", runs: runs(job.Done, 0, 1, 4, 5), now: 5.1, state: Well, missed: "[2 3]", late: "[2]"},
		{name: "the next fails: nothing is made good yet", runs: append(runs(job.Done, 0, 1), runs(job.Failed, 3)...), now: 3.9, state: Well, inARow: 1},
		{name: "and is late when its grace is over", runs: append(runs(job.Done, 0, 1), runs(job.Failed, 3)...), now: 4, state: Well, missed: "[2]", late: "[2]", inARow: 1},
		{name: "ticks are seconds off", runs: runs(job.Done, 0, 1.2, 1.9, 3.1), now: 3.5, state: Well},
		{name: "its rule was moved by half a period", runs: runs(job.Done, 0, 1, 2.6, 3.6), now: 3.7, state: Well},
		{name: "before its grace is over", runs: runs(job.Done, 0, 1), now: 3.99, state: Well},
		{name: "when its grace is over", runs: runs(job.Done, 0, 1), now: 4, state: Missing, missed: "[2]", late: "[2]"},
		{name: "for long", runs: runs(job.Done, 0, 1), now: 7, state: Missing, missed: "[2 3 4 5]", late: "[2 3 4 5]"},
		{name: "the missing tick has begun late and is under way", runs: runs(job.Done, 0, 1), hold: held(2, 4.2), now: 4, state: Well},
		{name: "it cannot be under way any more", runs: runs(job.Done, 0, 1), hold: held(2, 5.1), now: 4.9, state: Hung},
		{name: "under way and in time", runs: runs(job.Done, 0, 1, 2), hold: held(3, 3.7), now: 3.5, state: Well},
		{name: "its lease ended a moment ago by another clock", runs: runs(job.Done, 0, 1, 2), hold: held(3, 3.5), now: 3.5, state: Well},
		{name: "its lease ended without release", runs: runs(job.Done, 0, 1, 2), hold: held(3, 3.5), now: 3.5 + skew, state: Hung},
		{name: "and nobody comes", runs: runs(job.Done, 0, 1, 2), hold: held(3, 3.5), now: 5, state: Hung, died: "[3]", late: "[3]"},
		{name: "for long", runs: runs(job.Done, 0, 1, 2), hold: held(3, 3.5), now: 6, state: Missing, missed: "[4]", died: "[3]", late: "[3 4]"},
		{name: "it died, and the next run has said so", runs: append(runs(job.Done, 0, 1, 2, 4), runs(job.Abandoned, 3)...), now: 4.5, state: Well, died: "[3]"},
		{name: "and has done so since its lease was read", runs: append(runs(job.Done, 0, 1, 2), runs(job.Abandoned, 3)...), hold: held(3, 3.5), now: 4.1, state: Well, inARow: 1},
		{name: "it was killed after it was recorded", runs: runs(job.Done, 0, 1, 2, 3), hold: held(3, 3.5), now: 4.5, state: Well},
		{name: "one failure is what the next tick is for", runs: append(runs(job.Done, 0, 1), runs(job.Failed, 2)...), now: 2.5, state: Well, inARow: 1},
		{name: "failures in a row", runs: append(runs(job.Done, 0), runs(job.Failed, 1, 2)...), now: 2.5, state: Failing, inARow: 2},
		{name: "deaths are failures", runs: append(runs(job.Done, 0), runs(job.Abandoned, 1, 2)...), now: 2.5, state: Failing, inARow: 2},
		{name: "over", runs: append(runs(job.Failed, 0, 1, 2), runs(job.Done, 3)...), now: 3.5, state: Well},
		{name: "new", watched: 5, now: 8, state: New},
		{name: "never came", watched: 5, now: 8.1, state: Missing},
		{name: "its first run is under way", watched: 5, hold: held(8, 8.3), now: 8.1, state: New},
		{name: "its only run died long ago", watched: 5, hold: held(-60, -59.5), now: 8.1, state: Missing},
		{name: "came late for the first time", runs: runs(job.Done, 3), watched: 0, now: 3.5, state: Well},
		{name: "first ticks missed", runs: runs(job.Done, 6), watched: 0, now: 6.1, state: Well, missed: "[3 4 5]", late: "[3 4]"},
		{name: "nothing is missed before it is watched", runs: runs(job.Done, 0, 5, 6), watched: 4.5, now: 6.1, state: Well},
		{name: "what is out of sight does not count", runs: runs(job.Failed, -30, -29, -28), watched: -60, now: 0, state: Missing},
		{name: "the first run in sight comes after a gap", runs: runs(job.Done, -30, -16, -15), watched: -60, now: -14.9, state: Well,
			missed: "[-33 -32 -31 -29 -28 -27 -26 -25 -24 -23 -22 -21 -20 -19 -18 -17]",
			late:   "[-33 -32 -29 -28 -27 -26 -25 -24 -23 -22 -21 -20 -19 -18]"},
		{name: "the clock went back", runs: runs(job.Done, 0, 1, 2, 3), now: 1.5, state: Well},
		{name: "messages come when they come", queue: true, runs: append(queued(job.Done, 0.1, 0.2, 2.9), runs(job.Done, 0, 1, 2)...), now: 3.5, state: Well},
		{name: "messages come and ticks do not", queue: true, runs: append(queued(job.Done, 0.1, 0.2, 2.9, 3.3), runs(job.Done, 0)...), now: 3.5, state: Missing, missed: "[1]", late: "[1]"},
		{name: "no tick ever came", queue: true, runs: queued(job.Done, 0.1, 0.2, 2.9, 3.3), watched: -40, now: 3.5, state: Missing},
		{name: "a tick was missed among messages", queue: true, runs: append(queued(job.Done, 1.1, 2.9), runs(job.Done, 0, 2)...), now: 3, state: Well, missed: "[1]"},
		{name: "no message and no tick", queue: true, runs: append(queued(job.Done, 0.1), runs(job.Done, 0)...), now: 3, state: Missing, missed: "[1]", late: "[1]"},
		{name: "what a message started has died", queue: true, runs: append(runs(job.Done, 0, 1, 2, 3), queued(job.Abandoned, 2.1)...), now: 3.1, state: Well, died: "[2.1]"},
		{name: "what a message started has died, and hides no missed tick", queue: true, runs: append(runs(job.Done, 0, 2), queued(job.Abandoned, 0.9)...), now: 2.1, state: Well, missed: "[1]", died: "[0.9]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec
			s.Queue = c.queue
			h := Judge(s, cadence, c.runs, c.hold, at(c.watched), at(c.now))
			got := fmt.Sprintf("%s, missed %s, died %s, late %s, %d in a row", h.State, of(h.Lapses, missed), of(h.Lapses, died), of(h.Lapses, late), h.InARow)
			none := func(s string) string {
				if s == "" {
					return "[]"
				}
				return s
			}
			want := fmt.Sprintf("%s, missed %s, died %s, late %s, %d in a row", c.state, none(c.missed), none(c.died), none(c.late), c.inARow)
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if hangs := !h.Hanging.IsZero(); hangs != (c.state == Hung) && c.state != Missing {
				t.Errorf("%s, hanging %s", h.State, h.Hanging)
			}
		})
	}
}

// What a person reads of a job that misses its ticks does not make its newest run
// one of them.
func TestMissingAmongMessages(t *testing.T) {
	s := spec
	s.Queue = true
	h := Judge(s, cadence, append(queued(job.Done, 3.3), runs(job.Done, 0)...), Holding{}, at(0), at(3.5))
	want := "timelock-monitor has not run when it should have; messages started its newest run at 2026-03-01T12:03:18Z"
	if a := h.alert(alert.JobMissing, nil); a.What != want || a.Severity != alert.Critical {
		t.Errorf("%s: %q", a.Severity, a.What)
	}
}

// What a person reads of a run that died says what had started it.
func TestWhatStartedADeadRun(t *testing.T) {
	for by, want := range map[job.Cause]string{
		{}:                                "12:01:00Z died",
		{Queued: true}:                    "12:01:00Z died, started by messages",
		{Queued: true, SentBy: "AAA BBB"}: "12:01:00Z died, started by messages of run AAA, BBB",
	} {
		dead := run(1, job.Abandoned, time.Second)
		dead.Cause = by
		h := Judge(spec, cadence, append(runs(job.Done, 0, 2), dead), Holding{}, at(0), at(2.1))
		if a := h.alert(alert.JobLapsed, h.Lapses[len(h.Lapses)-1:]); !strings.HasSuffix(a.What, want) {
			t.Errorf("%q, want %q", a.What, want)
		}
	}
}

// took are runs that take so many seconds, one a minute.
func took(seconds ...int) (out []job.Record) {
	for i, s := range seconds {
		out = append(out, run(float64(i), job.Done, time.Duration(s)*time.Second))
	}
	return out
}

func TestSlow(t *testing.T) {
	all := took(4, 4, 4, 4, 4, 39, 39, 39, 39, 39) // of 48 that they may take
	h := Judge(spec, cadence, all, Holding{}, at(0), at(9.9))
	if h.State != Slow || h.Usual != 4*time.Second || h.Lately != 39*time.Second || h.Budget != 48*time.Second {
		t.Errorf("%s: usually %s, lately %s of %s", h.State, h.Usual, h.Lately, h.Budget)
	}
	if h.Runs != 10 || h.Done != 10 || h.Rate() != 100 || !h.LastDone.Equal(at(9)) || !h.Last.Scheduled.Equal(at(9)) {
		t.Errorf("%+v", h)
	}
	for name, c := range map[string]struct {
		runs  []job.Record
		queue bool
	}{
		"a cold start is slow, and nothing follows": {runs: took(39, 39, 39, 39, 39)},
		"below the mark": {runs: took(4, 4, 4, 38, 38, 38)},
		"what waits for messages or blocks, takes time": {runs: took(4, 4, 4, 39, 39, 39), queue: true},
		"a run that died took nobody knows how long":    {runs: append(took(39, 39, 39, 39, 39), run(5, job.Abandoned, 45*time.Second))},
	} {
		s := spec
		s.Queue = c.queue
		if h := Judge(s, cadence, c.runs, Holding{}, at(0), at(5.9)); h.State == Slow {
			t.Errorf("%s: slow", name)
		}
	}
}

// No job is looked at further back than its runs are kept: what is forgotten is
// not missed.
func TestSightIsWithinMemory(t *testing.T) {
	for _, s := range append(slices.Clone(job.Table), job.Spec{Name: "daily", Mainnet: job.Cadence{Period: 24 * time.Hour, Grace: 48 * time.Hour}}) {
		for _, p := range []job.Profile{job.Test, job.Mainnet} {
			c := s.Cadence(p)
			if Sight(c) > job.Keep(c.Period) || c.Period > 0 && Sight(c) < 3*c.Period+c.Grace {
				t.Errorf("%s in %s: sight %s, kept %s", s.Name, p, Sight(c), job.Keep(c.Period))
			}
		}
	}
}

// For two hours a job is looked at again and again while its ticks are missed,
// late, failed or die at random: exactly what was missed or died is told of, and as
// late exactly what nothing made good in time.
func TestExactlyWhatWasMissed(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var items []job.Record // each written when it ended
		lost := map[time.Time]bool{}
		deaths := map[time.Time]bool{}
		var holds []Holding
		taken := true // the newest of them has been taken over
		for m := range 120 {
			tick, r := at(float64(m)), run(float64(m), job.Done, time.Duration(rng.IntN(40))*time.Second)
			lag := time.Duration(rng.IntN(20)) * time.Second
			r.Started, r.Ended = r.Started.Add(lag), r.Ended.Add(lag)
			p := rng.IntN(20)
			if n := len(holds); p > 0 && n > 0 && !taken {
				items, taken = append(items, job.Record{Scheduled: holds[n-1].Tick, State: job.Abandoned, Token: holds[n-1].Token, Started: r.Started, Ended: r.Started}), true
			}
			switch {
			case p == 0:
				lost[tick] = true
				continue
			case p == 1:
				taken = false
				deaths[tick] = true
				holds = append(holds, Holding{true, r.Token, tick, tick.Add(lag + 12*time.Second)})
				continue
			case p < 4:
				r.State = job.Failed
			}
			items = append(items, r)
		}
		isLate := func(tick time.Time) bool {
			return !slices.ContainsFunc(items, func(r job.Record) bool {
				return r.State == job.Done && !r.Scheduled.Before(tick) && r.Ended.Sub(tick) <= cadence.Grace
			})
		}
		told := map[time.Time]bool{}
		for now := at(0); now.Before(at(120)); now = now.Add(time.Duration(1+rng.IntN(110)) * time.Second) {
			var seen []job.Record
			for _, r := range items {
				if !r.Ended.After(now) {
					seen = append(seen, r)
				}
			}
			var hold Holding // the newest that nobody has taken over
			for _, h := range holds {
				taken := slices.ContainsFunc(seen, func(r job.Record) bool { return r.State == job.Abandoned && r.Scheduled.Equal(h.Tick) })
				if !h.Tick.After(now) && !taken {
					hold = h
				}
			}
			h := Judge(spec, cadence, seen, hold, at(0), now)
			for _, l := range h.Lapses {
				told[l.Tick] = true
				if l.Died && !deaths[l.Tick] || !l.Died && !lost[l.Tick] {
					t.Fatalf("seed %d: at %s the tick of %s is told of, died %v", seed, now, l.Tick, l.Died)
				}
				if l.Late != isLate(l.Tick) {
					t.Fatalf("seed %d: at %s the tick of %s is late: %v", seed, now, l.Tick, l.Late)
				}
			}
			if !h.Hanging.IsZero() && !deaths[h.Hanging] {
				t.Fatalf("seed %d: at %s the run of %s hangs", seed, now, h.Hanging)
			}
		}
		for _, ticks := range []map[time.Time]bool{lost, deaths} {
			for tick := range ticks {
				if !told[tick] && tick.After(items[0].Scheduled) && tick.Before(at(115)) {
					t.Errorf("seed %d: nobody was told of the tick of %s", seed, tick)
				}
			}
		}
	}
}

// A job of once a day is missing when its grace is over, and only then: the run
// before the last is remembered that long.
func TestOnceADay(t *testing.T) {
	daily := job.Cadence{Period: 24 * time.Hour, Timeout: 2 * time.Minute, Margin: time.Second, Grace: 2 * time.Hour}
	day := func(n int, late time.Duration) time.Time { return noon.Add(time.Duration(n)*24*time.Hour + late) }
	var all []job.Record
	for n := range 30 {
		all = append(all, job.Record{Job: "daily", Scheduled: day(n, 0), State: job.Done, Token: fmt.Sprint(n), Started: day(n, time.Second), Ended: day(n, time.Minute)})
	}
	for at := day(0, time.Minute); at.Before(day(34, 0)); at = at.Add(37 * time.Minute) {
		var kept []job.Record // what is recorded and has not expired yet
		for _, r := range all {
			if !r.Ended.After(at) && at.Before(r.Ended.Add(job.Keep(daily.Period))) {
				kept = append(kept, r)
			}
		}
		want := Well
		if !at.Before(day(30, daily.Grace)) {
			want = Missing
		}
		h := Judge(job.Spec{Name: "daily", Exclusive: true}, daily, kept, Holding{}, day(-1, 0), at)
		if h.State != want || want == Well && len(h.Lapses) > 0 {
			t.Fatalf("%s after the first: %s, %v", at.Sub(noon), h.State, h.Lapses)
		}
	}
}
