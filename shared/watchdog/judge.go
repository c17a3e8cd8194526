package watchdog

import (
	"cmp"
	"slices"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// State says how a job does, from best to worst.
type State string

// The states.
const (
	New     State = "new"     // watched for less than a period and its grace, and not seen yet
	Well    State = "well"    // the newest run did not fail more than the next tick may mend
	Slow    State = "slow"    // well, and near its time-out
	Failing State = "failing" // the newest runs failed
	Hung    State = "hung"    // a run began and did not end
	Missing State = "missing" // the newest tick has no run, and its grace is over
)

const (
	// sight is how many periods back runs are looked at, and leastSight how far
	// at least: enough for a rate and a trend, few enough to be read each time.
	sight      = 20
	leastSight = 15 * time.Minute
	// failures in a row make a job failing: one is what the next tick is for.
	failures = 2
	// nearly is how much of its time, in percent, a run may usually take before
	// the job counts as slow, and calm how little it has to take to be over: what
	// lies between is neither, lest it is told again and again. Of fewer than
	// leastTrend runs nothing is concluded: a cold start is slow.
	nearly     = 80
	calm       = 70
	leastTrend = 6
	// startLag is how long after its tick a run may begin: the template lets
	// EventBridge and Lambda each keep an event for a minute.
	startLag = 2 * time.Minute
)

// Sight is how far back runs of a cadence are looked at: never further than they
// are kept, for what is forgotten would look missed.
func Sight(c job.Cadence) time.Duration {
	return min(max(leastSight, sight*c.Period), job.Keep(c.Period))
}

// Holding is what a job's lease says. The zero value: it was never taken.
type Holding struct {
	Held  bool
	Token string    // of the run that holds it
	Tick  time.Time // of that run
	Ends  time.Time // of the lease, unless it is renewed
}

// Lapse is a tick that was missed, or whose run died. It is decided: a later run
// made it good in time, or it is late.
type Lapse struct {
	Tick time.Time
	Died bool // a run of it began and never ended; else none is known
	Late bool // nothing of that tick or a later one ended well within its grace
	// Cause is what started the run that died; zero: a tick, or none is known.
	Cause job.Cause `json:",omitzero"`
}

// Health is what is known of one job at one moment. Runs are those within Sight.
type Health struct {
	Job      string
	Critical bool
	State    State
	At       time.Time  // when it was looked at, wall clock
	Last     job.Record // the newest run; zero: none
	LastDone time.Time  // tick of the newest that ended well; zero: none
	Hanging  time.Time  // tick of the run that hangs; zero: none does
	Runs     int
	Done     int
	InARow   int     // failed or died since the last that ended well
	Lapses   []Lapse // oldest first
	// Usual is the median time of the older half of the runs that ended, Lately
	// that of the newer half, Budget what a run may take.
	Usual, Lately, Budget time.Duration
}

// Rate is how many of a hundred runs ended well, rounded down; 0 of none.
func (h Health) Rate() int { return h.Done * 100 / max(1, h.Runs) }

// Missed is how many ticks within sight have no run, and Died how many have one
// that never ended.
func (h Health) Missed() int { return len(h.Lapses) - h.Died() }

// Died: see Missed.
func (h Health) Died() int {
	n := 0
	for _, l := range h.Lapses {
		if l.Died {
			n++
		}
	}
	return n
}

// Judge tells how a job does. runs are its run items within sight, of any order;
// hold is its lease, read before them, if it has one; watched is since when the
// job has been watched: nothing is missed before.
func Judge(s job.Spec, c job.Cadence, runs []job.Record, hold Holding, watched, now time.Time) Health {
	h := Health{Job: s.Name, Critical: s.Critical, State: Well, At: now.UTC(), Budget: c.Timeout - c.Margin}
	from := now.Add(-Sight(c))
	runs = slices.DeleteFunc(slices.Clone(runs), func(r job.Record) bool { return r.Scheduled.Before(from) || r.Scheduled.After(now) })
	slices.SortFunc(runs, func(a, b job.Record) int { return a.Scheduled.Compare(b.Scheduled) })
	trend := h.count(runs)

	// A run that is recorded has ended, though its lease was not released when that was read.
	held := hold.Held && !slices.ContainsFunc(runs, func(r job.Record) bool { return r.Token == hold.Token })
	died := held && !now.Before(hold.Ends.Add(job.Skew))
	endless := held && !died && now.Sub(hold.Tick) > c.Timeout+startLag
	if died || endless {
		h.Hanging = hold.Tick
	}
	alive := Holding{}
	if held && !died {
		alive = hold
	}

	// What messages started is no tick, and makes none good: it looked at what they named alone.
	ticked := slices.DeleteFunc(slices.Clone(runs), func(r job.Record) bool { return r.Cause.Queued })
	j := judgement{c: c, runs: ticked, watched: watched, now: now, hold: hold}
	for _, r := range runs {
		if r.State == job.Abandoned {
			j.lapse(r.Scheduled, true, r.Cause)
		}
	}
	if died && !hold.Tick.Before(from) {
		j.lapse(hold.Tick, true, job.Cause{}) // a job's own lease is of its ticks
	}
	missing := j.ticks(from, alive)
	slices.SortFunc(j.lapses, func(a, b Lapse) int { return cmp.Or(a.Tick.Compare(b.Tick), byDied(a, b)) })
	h.Lapses = slices.CompactFunc(j.lapses, func(a, b Lapse) bool { return a.Tick.Equal(b.Tick) })

	switch {
	case missing:
		h.State = Missing
	case died || endless:
		h.State = Hung
	case h.InARow >= failures:
		h.State = Failing
	case h.Runs == 0:
		h.State = New
	case !s.Queue && trend >= leastTrend && h.Lately*100 >= h.Budget*nearly: // what waits for messages or blocks takes its time
		h.State = Slow
	}
	return h
}

// byDied puts the run that died before the tick that has none: of one tick both
// cannot be.
func byDied(a, b Lapse) int {
	switch {
	case a.Died == b.Died:
		return 0
	case a.Died:
		return -1
	}
	return 1
}

// count takes in the runs, which are sorted by tick, and returns of how many it is
// known how long they took.
func (h *Health) count(runs []job.Record) int {
	var took []time.Duration
	for _, r := range runs {
		h.Runs++
		h.Last = r
		switch r.State {
		case job.Done:
			h.Done++
			h.InARow, h.LastDone = 0, r.Scheduled
		case job.Abandoned:
			h.InARow++
			continue // when it ended is not known
		default:
			h.InARow++
		}
		took = append(took, r.Ended.Sub(r.Started))
	}
	half := len(took) / 2
	h.Usual, h.Lately = median(took[:half]), median(took[half:])
	return len(took)
}

// judgement finds the lapses of one job.
type judgement struct {
	c            job.Cadence
	runs         []job.Record // of the schedule, by tick
	hold         Holding
	watched, now time.Time
	lapses       []Lapse
}

// lapse adds one, if it is decided by now.
func (j *judgement) lapse(tick time.Time, died bool, cause job.Cause) {
	end := tick.Add(j.c.Grace)
	good := slices.ContainsFunc(j.runs, func(r job.Record) bool {
		return r.State == job.Done && !r.Scheduled.Before(tick) && !r.Ended.After(end)
	})
	if good || !j.now.Before(end) {
		j.lapses = append(j.lapses, Lapse{Tick: tick.UTC(), Died: died, Late: !good, Cause: cause})
	}
}

// ticks finds the ticks without a run, and reports whether the newest tick whose
// grace is over is one. The runs tell at what second the ticks come. Between two
// of them a tick is missing where most of a whole period has room for it; after
// the newest one it is once its grace is over, unless a run for it is under way.
// A schedule that is new is given its grace to begin.
func (j *judgement) ticks(from time.Time, alive Holding) bool {
	p := j.c.Period
	if len(j.runs) == 0 {
		return j.now.Sub(later(from, j.watched)) > p+j.c.Grace && !alive.Held
	}
	without := func(t time.Time) {
		if t.Before(j.watched) || j.hold.Held && absolute(j.hold.Tick.Sub(t)) < p/2 { // the tick of a run that died is a lapse already
			return
		}
		j.lapse(t, false, job.Cause{})
	}
	// What is less than a period within sight may be the tick of a run that is out of it.
	begin := later(from.Add(p), j.watched.Add(j.c.Grace))
	first := j.runs[0].Scheduled
	for n := (first.Sub(begin) - 1) / p; n > 0; n-- {
		without(first.Add(-n * p))
	}
	last := first
	for _, r := range j.runs[1:] {
		for t := last.Add(p); r.Scheduled.Sub(t) >= p*3/4; t = t.Add(p) {
			without(t)
		}
		last = r.Scheduled
	}
	before := len(j.lapses)
	for t := last.Add(p); j.now.Sub(t) >= j.c.Grace; t = t.Add(p) {
		without(t)
	}
	return len(j.lapses) > before
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func absolute(d time.Duration) time.Duration { return max(d, -d) }

// median of durations; zero of none.
func median(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
