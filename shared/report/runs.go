package report

import (
	"cmp"
	"slices"
	"time"
)

// Ran is one run of a job, as it is recorded.
type Ran struct {
	Tick    time.Time // the time that it was due
	Started time.Time
	Ended   time.Time
	End     RunEnd
}

// RunEnd is how a run ended. The zero value: it never did, as far as is known.
type RunEnd int

// The ends.
const (
	Abandoned RunEnd = iota
	Failed
	Done
)

// Plan is how a job is meant to run.
type Plan struct {
	Name     string
	Critical bool
	Period   time.Duration // between two ticks; 0: it has none, and misses none
	Grace    time.Duration // how late a tick may be recorded before it counts as missed
	Timeout  time.Duration
	// Since is when it was first watched at that period: nothing is missed before.
	Since time.Time
}

// JobOf tells how a job ran in [start, until), of runs in any order. The runs tell at
// what second the ticks come; between two of them one is missed where most of a whole
// period has room for it.
func JobOf(p Plan, start, until time.Time, runs []Ran) Job {
	j := Job{Name: p.Name, Critical: p.Critical, Period: p.Period, Timeout: p.Timeout}
	runs = slices.DeleteFunc(slices.Clone(runs), func(r Ran) bool { return r.Tick.Before(start) || !r.Tick.Before(until) })
	slices.SortFunc(runs, func(a, b Ran) int { return cmp.Or(a.Tick.Compare(b.Tick), cmp.Compare(a.End, b.End)) })
	var hours [24]Runs
	hour := func(t time.Time) *Runs { return &hours[min(int(t.Sub(start)/time.Hour), 23)] }
	var took []time.Duration
	for _, r := range runs {
		j.Last = r.Tick
		h := hour(r.Tick)
		switch r.End {
		case Done:
			h.Done++
		case Failed:
			h.Failed++
		default:
			h.Abandoned++
			continue // when it ended is not known
		}
		took = append(took, r.Ended.Sub(r.Started))
	}
	for _, t := range missed(p, start, until, runs) {
		hour(t).Missed++
	}
	for i, h := range hours {
		if h.due() > 0 {
			j.Hours = append(j.Hours, RunHour{i, h})
			j.Runs.Done, j.Runs.Failed = j.Runs.Done+h.Done, j.Runs.Failed+h.Failed
			j.Runs.Abandoned, j.Runs.Missed = j.Runs.Abandoned+h.Abandoned, j.Runs.Missed+h.Missed
		}
	}
	j.Duration = SpreadOf(took)
	return j
}

// missed lists the ticks without a run. runs are in the order of their ticks.
func missed(p Plan, start, until time.Time, runs []Ran) (ticks []time.Time) {
	if p.Period <= 0 {
		return nil
	}
	from := start
	if p.Since.After(from) {
		from = p.Since.Add(p.Grace) // to begin
	}
	over := until.Add(-p.Grace) // what is due later may still be recorded
	add := func(t time.Time) {
		if !t.Before(from) && t.Before(until) {
			ticks = append(ticks, t)
		}
	}
	if len(runs) == 0 {
		// At what second they would come nobody knows.
		for t := from; t.Add(p.Period).Before(over); t = t.Add(p.Period) {
			add(t)
		}
		return ticks
	}
	first := runs[0].Tick
	for t := first.Add(-p.Period); !t.Before(from); t = t.Add(-p.Period) {
		add(t)
	}
	last := first
	for _, r := range runs[1:] {
		for t := last.Add(p.Period); r.Tick.Sub(t) >= p.Period*3/4; t = t.Add(p.Period) {
			add(t)
		}
		last = r.Tick
	}
	for t := last.Add(p.Period); t.Before(over); t = t.Add(p.Period) {
		add(t)
	}
	return ticks
}

// SpreadOf is the distribution of durations.
func SpreadOf(all []time.Duration) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	all = slices.Sorted(slices.Values(all))
	at := func(percent int) time.Duration { return all[(len(all)*percent+99)/100-1] }
	return Spread{N: len(all), P50: at(50), P95: at(95), Max: all[len(all)-1]}
}
