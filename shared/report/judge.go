package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// sorted is the day in the one order in which it is told, whatever the order in
// which its parts were read. The day given is left as it is.
func (d Day) sorted() Day {
	d.Swaps.Hours = slices.Clone(d.Swaps.Hours)
	slices.SortStableFunc(d.Swaps.Hours, func(a, b Hour) int { return cmp.Compare(a.Hour, b.Hour) })
	d.Swaps.Volume = slices.Clone(d.Swaps.Volume)
	slices.SortStableFunc(d.Swaps.Volume, func(a, b Volume) int {
		// Unknown is most valuable.
		return cmp.Or(-cmp.Compare(btoi(a.Value.IsZero()), btoi(b.Value.IsZero())), -a.Value.Cmp(&b.Value),
			cmp.Compare(a.Token.Symbol, b.Token.Symbol), cmp.Compare(a.Chain, b.Chain), -a.Token.Raw.Cmp(&b.Token.Raw))
	})
	d.Swaps.Losses = slices.Clone(d.Swaps.Losses)
	slices.SortStableFunc(d.Swaps.Losses, func(a, b Loss) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Order, b.Order)) })
	d.Swaps.Errors = slices.Clone(d.Swaps.Errors)
	slices.SortStableFunc(d.Swaps.Errors, func(a, b ErrorClass) int { return cmp.Or(-cmp.Compare(a.N, b.N), cmp.Compare(a.Class, b.Class)) })
	d.Margins.Buckets = slices.Clone(d.Margins.Buckets)
	slices.SortStableFunc(d.Margins.Buckets, func(a, b Bucket) int { return cmp.Compare(a.From, b.From) })
	d.Gas = slices.Clone(d.Gas)
	slices.SortStableFunc(d.Gas, func(a, b Gas) int {
		return cmp.Or(-a.Spent.Raw.Cmp(&b.Spent.Raw), cmp.Compare(a.Chain, b.Chain), -cmp.Compare(a.Transactions, b.Transactions))
	})
	d.Alerts = slices.Clone(d.Alerts)
	for i := range d.Alerts {
		d.Alerts[i].Marks = slices.Clone(d.Alerts[i].Marks)
		slices.SortStableFunc(d.Alerts[i].Marks, Mark.compare)
	}
	slices.SortStableFunc(d.Alerts, func(a, b Alert) int {
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), a.opened().Compare(b.opened()), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Where, b.Where))
	})
	d.Jobs = slices.Clone(d.Jobs)
	for i := range d.Jobs {
		d.Jobs[i].Hours = slices.Clone(d.Jobs[i].Hours)
		slices.SortStableFunc(d.Jobs[i].Hours, func(a, b RunHour) int { return cmp.Compare(a.Hour, b.Hour) })
	}
	slices.SortStableFunc(d.Jobs, func(a, b Job) int {
		return cmp.Or(-cmp.Compare(a.trouble(), b.trouble()), -cmp.Compare(btoi(a.Critical), btoi(b.Critical)), cmp.Compare(a.Name, b.Name))
	})
	d.Balances = slices.Clone(d.Balances)
	for i := range d.Balances {
		d.Balances[i].Points = slices.Clone(d.Balances[i].Points)
		slices.SortStableFunc(d.Balances[i].Points, func(a, b Point) int { return cmp.Or(a.At.Compare(b.At), a.Raw.Cmp(&b.Raw)) })
	}
	slices.SortStableFunc(d.Balances, func(a, b Balance) int {
		return cmp.Or(-cmp.Compare(btoi(a.low()), btoi(b.low())), cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Token.Symbol, b.Token.Symbol))
	})
	d.Health.Changes = slices.Clone(d.Health.Changes)
	slices.SortStableFunc(d.Health.Changes, func(a, b HealthChange) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Component, b.Component), cmp.Compare(a.To, b.To))
	})
	d.Gaps = slices.Clone(d.Gaps)
	slices.SortStableFunc(d.Gaps, func(a, b Gap) int { return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.Why, b.Why)) })
	return d
}

// compare orders marks by time, and those of one moment as a life goes.
func (m Mark) compare(o Mark) int { return cmp.Or(m.At.Compare(o.At), cmp.Compare(m.What, o.What)) }

// opened is when the life began; an alert without a mark began before all.
func (a Alert) opened() time.Time {
	for _, m := range a.Marks {
		if m.What == Opened {
			return m.At
		}
	}
	return time.Time{}
}

// last is the last mark of a sort, and whether there is one.
func (a Alert) last(t Turn) (Mark, bool) {
	for _, m := range slices.Backward(a.Marks) {
		if m.What == t {
			return m, true
		}
	}
	return Mark{}, false
}

// open tells whether it is not over: opened again after it was resolved counts.
func (a Alert) open() bool {
	end, over := a.last(Resolved)
	if !over {
		return true
	}
	again, ok := a.last(Opened)
	return ok && again.At.After(end.At)
}

// asOf is the alert as it was known at a time, and whether it existed.
func (a Alert) asOf(t time.Time) (Alert, bool) {
	a.Marks = slices.DeleteFunc(slices.Clone(a.Marks), func(m Mark) bool { return !m.At.Before(t) })
	return a, len(a.Marks) > 0
}

// trouble orders jobs: how badly it did.
func (j Job) trouble() int {
	switch {
	case j.Critical && (j.Runs.Missed+j.Runs.Abandoned > 0 || j.Last.IsZero()):
		return 3
	case j.Runs.Missed+j.Runs.Abandoned > 0:
		return 2
	case j.Runs.Failed > 0:
		return 1
	}
	return 0
}

// healthy is the state in which nothing is wrong.
const healthy = "healthy"

// last is the overall state at the end; empty: not known.
func (h Health) last() string {
	state := h.First
	for _, c := range h.Changes {
		if c.Component == "" {
			state = c.To
		}
	}
	return state
}

// low tells whether the balance is too low. Of one that could not be read nobody knows.
func (b Balance) low() bool { return !b.Unread && (b.Short || b.Token.Raw.Lt(&b.Low)) }

// maxNamed is how many jobs a verdict names.
const maxNamed = 4

// Verdicts.
const (
	fine = ""
	warn = "warn"
	bad  = "bad"
)

// Signs of verdicts, drawn within a circle on a field of 24: a font may lack them.
const (
	tick  = "M7.5 12.5l3 3l6-7"
	mark  = "M12 7v6M12 16.5v.01"
	cross = "M8.5 8.5l7 7M15.5 8.5l-7 7"
)

// verdict is the day in one line, and what speaks for it.
func (v viewer) verdict() verdict {
	c := v.Swaps.Counts
	out := verdict{Class: fine, Sign: tick}
	open, critical := v.stillOpen()
	urgent := 0 // points that come first
	worse := func(class, point string) {
		if class == bad || out.Class == fine {
			out.Class = class
		}
		if class == bad {
			out.Points = slices.Insert(out.Points, urgent, point)
			urgent++
			return
		}
		out.Points = append(out.Points, point)
	}
	if c.Lost > 0 {
		worse(bad, plural(c.Lost, "swap lost funds of ours", "swaps lost funds of ours"))
	}
	if n := v.Swaps.Late.Lost; n > 0 {
		worse(bad, plural(n, "swap lost funds of ours the day before, which was not final when that day was told", "swaps lost funds of ours the day before, which was not final when that day was told"))
	}
	if critical > 0 {
		worse(bad, plural(critical, "critical alert is still open", "critical alerts are still open"))
	}
	if n := open - critical; n > 0 {
		worse(warn, plural(n, "alert short of critical is still open", "alerts short of critical are still open"))
	}
	late := 0
	for _, b := range v.Margins.Buckets {
		if b.From < 0 {
			late += b.N
		}
	}
	if late > 0 {
		worse(bad, plural(late, "transaction was included after its hard deadline", "transactions were included after their hard deadline"))
	} else if t := v.Margins.Total(); t > 0 && v.Margins.Met*10000 < v.Margins.Target*t {
		worse(warn, fmt.Sprintf("%s of the transactions with a deadline had at least %s left, below the objective of %s",
			share(v.Margins.Met, t), spell(v.Margins.Objective), target(v.Margins.Target)))
	}
	troubled := 0
	for _, j := range v.Jobs { // the worst come first
		if j.trouble() < 2 {
			break
		}
		if troubled++; troubled > maxNamed {
			continue
		}
		class := warn
		if j.trouble() == 3 {
			class = bad
		}
		how := j.Runs.say()
		if how == "" {
			how = "never ran"
		}
		worse(class, tame(j.Name, maxName)+": "+how)
	}
	if n := troubled - maxNamed; n > 0 {
		worse(warn, plural(n, "more job missed a run or did not finish one", "more jobs missed runs or did not finish them"))
	}
	if state := v.Health.last(); state != "" && state != healthy {
		worse(warn, "health is "+tame(state, 20)+" at the end")
	}
	low, unread := v.shortBalances()
	if low > 0 {
		worse(warn, plural(low, "balance is too low", "balances are too low"))
	}
	if unread > 0 {
		worse(warn, plural(unread, "balance could not be read", "balances could not be read"))
	}
	if n := len(v.Gaps); n > 0 {
		worse(warn, "not available: "+v.gapNames())
	}
	switch {
	case out.Class == bad && c.Lost+v.Swaps.Late.Lost > 0:
		out.Sign, out.Text = cross, "Funds were lost"
	case out.Class == bad:
		out.Sign, out.Text = cross, "Money is at risk or was late"
	case v.gap(PartSwaps) != "":
		out.Sign, out.Text = mark, "Not everything is known"
	case out.Class == warn:
		out.Sign, out.Text = mark, "Nothing lost; some things need a look"
	case c == Counts{} && v.Risk.Open == 0 && v.Margins.Total() == 0:
		out.Text = "Nothing happened"
		out.Points = append(out.Points, "No swap was created, ended or open. The jobs below ran all the same.")
	default:
		out.Text = "Every swap is safe"
	}
	return out
}

func (v viewer) gapNames() string {
	names := ""
	for i, g := range v.Gaps {
		if i > 0 {
			names += ", "
		}
		names += string(g.Part)
	}
	return names
}

// stillOpen is how many alerts are not over at the end, and how many of them are critical.
func (v viewer) stillOpen() (open, critical int) {
	for _, a := range v.Alerts {
		if a.open() {
			open++
			critical += btoi(a.Severity >= Critical)
		}
	}
	return open, critical
}

// target writes 1/100 of a percent.
func target(n int) string {
	switch {
	case n%100 == 0:
		return fmt.Sprintf("%d %%", n/100)
	case n%10 == 0:
		return fmt.Sprintf("%d.%d %%", n/100, n%100/10)
	}
	return fmt.Sprintf("%d.%02d %%", n/100, n%100)
}

// say lists the runs that did not end well.
func (r Runs) say() string {
	text := ""
	for _, p := range []struct {
		n    int
		what string
	}{{r.Missed, "missed"}, {r.Abandoned, "never finished"}, {r.Failed, "failed"}} {
		if p.n > 0 {
			if text != "" {
				text += ", "
			}
			text += count(p.n) + " " + p.what
		}
	}
	return text
}
