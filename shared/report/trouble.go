package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"
)

// classes of severities, in colours and words.
func (s Severity) class() string {
	switch {
	case s >= Critical:
		return bad
	case s == Warning:
		return warn
	}
	return "info"
}

// openAlerts are what somebody still has to look at.
func (v viewer) openAlerts() (section, bool) {
	open, _ := v.stillOpen()
	s := section{ID: "open", Title: "Alerts still open", Note: plural(open, "alert", "alerts")}
	shown := 0
	for _, a := range v.Alerts {
		if !a.open() {
			continue
		}
		if shown == maxOpen {
			s.More = "… and " + count(open-shown) + " more, see below."
			break
		}
		shown++
		c := card{Class: a.Severity.class(), Tag: a.Severity.String(), Title: tame(a.Kind, maxName), Side: v.life(a), Todo: optional(a.WhatToDo, maxText)}
		for _, l := range []line{{"", a.What}, {"Where:", a.Where}, {"At stake:", a.AtStake}, {"Until:", a.Until}} {
			if l.Text = optional(l.Text, maxText); l.Text != "" {
				c.Lines = append(c.Lines, l)
			}
		}
		if a.Count > 1 {
			c.Title += " × " + count(a.Count)
		}
		s.Cards = append(s.Cards, c)
	}
	return s, open > 0
}

// life tells what became of an alert.
func (v viewer) life(a Alert) string {
	var parts []string
	if t := a.opened(); !t.IsZero() {
		parts = append(parts, "opened "+v.clock(t))
	}
	if m, ok := a.last(Escalated); ok {
		parts = append(parts, "escalated "+v.clock(m.At))
	}
	if m, ok := a.last(Acknowledged); ok {
		by := optional(m.By, 40)
		if by != "" {
			by = " by " + by
		}
		parts = append(parts, "acknowledged "+v.clock(m.At)+by)
	}
	if m, ok := a.last(Resolved); ok && !a.open() {
		parts = append(parts, "resolved "+v.clock(m.At))
	}
	return strings.Join(parts, ", ")
}

// group is the alerts of a kind in one place.
type group struct {
	kind, chain           string
	severity              Severity
	n, open, acknowledged int
	slots                 [minutes / slotMinutes]Severity // one more than the severity that was open; 0: none
	marks                 []int                           // minutes at which one escalated
}

// slotMinutes is how finely lives are drawn.
const slotMinutes = 5

// incidents draws when what was open.
func (v viewer) incidents() section {
	s := section{ID: "incidents", Title: "Incidents", Gap: v.gap(PartAlerts)}
	if len(v.Alerts) == 0 {
		s.None = "No alert was open at any time."
		return s
	}
	groups := v.groups()
	s.Note = plural(len(v.Alerts), "alert", "alerts") + " of " + plural(len(groups), "sort", "sorts")
	t := &table{Cols: []col{{Name: "Alert"}, {Name: "Number", Class: "n"}, {Name: "Acknowledged", Class: "n"}, {Name: "Still open", Class: "n"}, {Name: throughDay, Class: "strip", Axis: v.hours()}}}
	for i, g := range groups {
		if i == maxGroups {
			n := 0
			for _, rest := range groups[i:] {
				n += rest.n
			}
			s.More = fmt.Sprintf("… and %s of %s.", plural(n, "more alert", "more alerts"), plural(len(groups)-i, "other sort", "other sorts"))
			break
		}
		open := cell{Text: count(g.open)}
		if g.open > 0 {
			open.Class = "n " + map[bool]string{true: "bad-t", false: "warn-t"}[g.severity >= Critical]
		}
		t.row(cell{Text: g.kind, Badge: g.severity.String(), BadgeClass: g.severity.class(), Sub: g.chain}, cell{Text: count(g.n)}, cell{Text: count(g.acknowledged)}, open,
			cell{Chart: v.lane(fmt.Sprintf("incident-%d", i), g)})
	}
	s.Table = t
	lives := table{Cols: []col{{Name: "Alert"}, {Name: "Life", Class: "life"}, {Name: "What", Class: "wide"}}}
	f := &fold{}
	byTime := slices.Clone(v.Alerts)
	slices.SortStableFunc(byTime, func(a, b Alert) int { return a.opened().Compare(b.opened()) })
	if n := len(byTime); n > maxLives { // those that matter most, in the order of the day
		byTime = slices.Clone(v.Alerts[:maxLives])
		slices.SortStableFunc(byTime, func(a, b Alert) int { return a.opened().Compare(b.opened()) })
		f.More = "… and " + count(n-maxLives) + " less severe or later ones."
	}
	for _, a := range byTime {
		kind := cell{Text: tame(a.Kind, maxName), Badge: a.Severity.String(), BadgeClass: a.Severity.class()}
		if a.Count > 1 {
			kind.Text += " × " + count(a.Count)
		}
		lives.row(kind, cell{Text: v.life(a)}, cell{Text: tame(a.What, 200), Sub: optional(a.Where, 160)})
	}
	f.Title, f.Table = "Their lives, one by one", lives
	s.Fold = f
	return s
}

// throughDay names a column that has the axis of time above it.
const throughDay = "Through the day"

func (v viewer) groups() []*group {
	var out []*group
	type id struct{ kind, chain string }
	known := map[id]*group{}
	for _, a := range v.Alerts {
		k := id{tame(a.Kind, maxName), place(a.Where)}
		g := known[k]
		if g == nil {
			g = &group{kind: k.kind, chain: k.chain, severity: a.Severity}
			known[k] = g
			out = append(out, g)
		}
		g.n++
		g.severity = max(g.severity, a.Severity)
		if _, ok := a.last(Acknowledged); ok {
			g.acknowledged++
		}
		g.open += btoi(a.open())
		from, held := 0, a.opened().Before(v.Start)
		fill := func(to int) {
			for i := from / slotMinutes; i <= to/slotMinutes && i < len(g.slots); i++ {
				g.slots[i] = max(g.slots[i], min(max(a.Severity, Info), Critical)+1)
			}
		}
		for _, m := range a.Marks {
			if m.At.Before(v.Start) {
				held = m.What != Resolved
				continue
			}
			at := v.minute(m.At)
			switch {
			case m.What == Resolved && held:
				fill(at)
				held = false
			case m.What == Escalated:
				g.marks = append(g.marks, at)
			}
			if m.What != Resolved && !held {
				from, held = at, true
			}
		}
		if held {
			fill(v.minute(v.Until) - 1)
		}
	}
	slices.SortStableFunc(out, func(a, b *group) int {
		if a.severity != b.severity {
			return int(b.severity - a.severity)
		}
		if a.open != b.open {
			return b.open - a.open
		}
		return b.n - a.n
	})
	return out
}

// place is the first part of where an alert is: its chain.
func place(where string) string {
	first, _, _ := strings.Cut(where, ",")
	return optional(first, maxName)
}

// lane draws when alerts of a group were open, and where one escalated.
func (v viewer) lane(id string, g *group) template.HTML {
	open := 0
	for _, s := range g.slots {
		open += btoi(s > 0)
	}
	d := newDrawing(id, minutes, "When "+g.kind+" was open", "Open for about "+spell(time.Duration(open*slotMinutes)*time.Minute)+" of the day.")
	d.box("f-well", 0, 0, minutes, tall, "")
	for i := 0; i < len(g.slots); {
		from := i
		for i < len(g.slots) && g.slots[i] == g.slots[from] {
			i++
		}
		if s := g.slots[from]; s > 0 {
			d.box("f-"+(s-1).class(), from*slotMinutes, 180, max((i-from)*slotMinutes, 8), tall-360,
				"open from "+v.clock(v.Start.Add(time.Duration(from*slotMinutes)*time.Minute))+" to "+v.clock(v.Start.Add(time.Duration(i*slotMinutes)*time.Minute)))
		}
	}
	slices.Sort(g.marks)
	marks := slices.Compact(g.marks)
	for _, m := range marks[:min(len(marks), 24)] {
		d.line("tick", m, 0, m, tall)
	}
	return d.done()
}

// jobs lists how each ran.
func (v viewer) jobs() section {
	s := section{ID: "jobs", Title: "Jobs", Gap: v.gap(PartJobs)}
	if len(v.Jobs) == 0 {
		s.None = "No job ran."
		return s
	}
	due, done := 0, 0
	for _, j := range v.Jobs {
		due += clamp(j.Runs.due())
		done += clamp(j.Runs.Done)
	}
	s.Note = share(done, due) + " of " + plural(due, "run", "runs") + " were done"
	t := &table{Cols: []col{{Name: "Job"}, {Name: "Done", Class: "n"}, {Name: "Not done"}, {Name: "Takes", Class: "n"}, {Name: throughDay, Class: "strip", Axis: v.hours()}}}
	for i, j := range v.Jobs {
		if i == maxJobs {
			s.More = "… and " + plural(len(v.Jobs)-i, "more job.", "more jobs.")
			break
		}
		name := cell{Text: tame(j.Name, maxName)}
		if j.Critical {
			name.Badge = "critical"
		}
		if j.Period > 0 {
			name.Sub = "every " + spell(j.Period) + ", "
		}
		if j.Last.IsZero() {
			name.Sub += "never ran"
		} else {
			name.Sub += "last at " + v.clock(j.Last)
		}
		not := cell{Text: j.Runs.say()}
		switch {
		case j.trouble() == 3:
			not.Class = "bad-t"
		case j.trouble() > 0:
			not.Class = "warn-t"
		}
		takes := cell{Text: "–"}
		if j.Duration.N > 0 {
			takes = cell{Text: spell(j.Duration.P50), Sub: "95 % in " + spell(j.Duration.P95)}
			if slower := j.Duration.P50 - j.Before; j.Before > 0 && slower > j.Before/2 {
				takes.Class, takes.Sub = "n warn-t", spell(j.Before)+" the day before"
			}
			if j.Timeout > 0 && j.Duration.Max*10 >= j.Timeout*9 {
				takes.Class, takes.Sub = "n warn-t", "up to "+spell(j.Duration.Max)+" of "+spell(j.Timeout)
			}
		}
		t.row(name, cell{Text: share(clamp(j.Runs.Done), clamp(j.Runs.due())), Sub: "of " + count(j.Runs.due())}, not, takes, cell{Chart: v.runs(fmt.Sprintf("job-%d", i), j)})
	}
	s.Table = t
	return s
}

// runs draws a job's hours: the worst of each.
func (v viewer) runs(id string, j Job) template.HTML {
	d := newDrawing(id, minutes, "Runs of "+tame(j.Name, maxName)+" by hour", fmt.Sprintf("%d done, %d failed, %d never finished, %d missed.", j.Runs.Done, j.Runs.Failed, j.Runs.Abandoned, j.Runs.Missed))
	var hours [24]Runs
	for _, h := range j.Hours {
		if h.Hour >= 0 && h.Hour < len(hours) {
			r := &hours[h.Hour]
			r.Done, r.Failed, r.Abandoned, r.Missed = r.Done+h.Done, r.Failed+h.Failed, r.Abandoned+h.Abandoned, r.Missed+h.Missed
		}
	}
	for i, h := range hours {
		class, top := "none", 0
		switch {
		case h.Missed+h.Abandoned > 0:
			class = bad
		case h.Failed > 0:
			class, top = warn, 150 // told by its height too
		case h.Done > 0:
			class, top = "good", 300
		default:
			top = 700
		}
		title := v.clock(v.Start.Add(time.Duration(i)*time.Hour)) + ": " + count(h.Done) + " done"
		if rest := h.say(); rest != "" {
			title += ", " + rest
		}
		d.box("f-"+class, i*60+4, top, 52, tall-top, title)
	}
	return d.done()
}

// balances lists what the accounts hold.
func (v viewer) balances() section {
	s := section{ID: "balances", Title: "Balances", Gap: v.gap(PartBalances)}
	if len(v.Balances) == 0 {
		s.None = "No account is watched."
		return s
	}
	low, unread := v.shortBalances()
	s.Note = plural(low, "is too low", "are too low")
	if low == 0 {
		s.Note = "none is too low"
	}
	if unread > 0 {
		s.Note += ", " + plural(unread, "could not be read", "could not be read")
	}
	s.Note += "; dashed lines show thresholds"
	t := &table{Cols: []col{{Name: "Account"}, {Name: "Balance", Class: "n"}, {Name: "In the day", Class: "n"}, {Name: "Pays for", Class: "n"}, {Name: "Trend", Class: "spark"}}}
	for i, b := range v.Balances {
		if i == maxBalances {
			s.More = "… and " + plural(len(v.Balances)-i, "more balance.", "more balances.")
			break
		}
		now := cell{Text: b.Token.String()}
		if b.low() {
			now.Class, now.Sub = "n bad-t", "too low"
			if b.Token.Raw.Lt(&b.Low) {
				now.Sub = "below " + Amount{Raw: b.Low, Decimals: b.Token.Decimals}.Number()
			}
		}
		if b.Unread {
			now.Class, now.Sub = "n bad-t", "when last read; not at the end of the day"
		}
		diff := cell{Text: "–"}
		if len(b.Points) > 0 {
			diff.Text = change(b.Points[0].Raw, b.Token.Raw, b.Token)
		}
		runway := cell{Text: "–"}
		if b.Runway >= 0 {
			runway.Text = plural(b.Runway, "action", "actions")
		}
		t.row(cell{Text: tame(b.Account, maxName), Sub: tame(b.Chain, maxName)}, now, diff, runway, cell{Chart: v.trend(fmt.Sprintf("trend-%d", i), b), Open: true})
	}
	s.Table = t
	return s
}

// shortBalances counts those that are too low, and those of which nobody knows.
func (v viewer) shortBalances() (low, unread int) {
	for _, b := range v.Balances {
		low += btoi(b.low())
		unread += btoi(b.Unread)
	}
	return low, unread
}

// trend draws a balance over the day, and its threshold where that is near.
func (v viewer) trend(id string, b Balance) template.HTML {
	if len(b.Points) == 0 {
		return ""
	}
	least, most := b.Points[0].Raw, b.Points[0].Raw
	for i := range b.Points {
		if p := &b.Points[i].Raw; p.Lt(&least) {
			least = *p
		} else if p.Gt(&most) {
			most = *p
		}
	}
	d := newDrawing(id, minutes, "Balance of "+tame(b.Account, maxName)+" over the day",
		fmt.Sprintf("Between %s and %s.", Amount{Raw: least, Decimals: b.Token.Decimals}.Number(), Amount{Raw: most, Decimals: b.Token.Decimals, Symbol: b.Token.Symbol}))
	if !b.Low.IsZero() && b.Low.Lt(&most) { // else the line would flatten the trend
		if b.Low.Lt(&least) {
			least = b.Low
		}
		var over = most
		over.Sub(&over, &least)
		y := b.Low
		y.Sub(&y, &least)
		d.line("limit", 0, tall-scale(&y, &over), minutes, tall-scale(&y, &over))
	}
	span := most
	span.Sub(&span, &least)
	var points [][2]int
	step := max((len(b.Points)+maxPoints-1)/maxPoints, 1)
	for i, p := range b.Points {
		if i%step != 0 && i != len(b.Points)-1 {
			continue
		}
		y := p.Raw
		y.Sub(&y, &least)
		at := tall / 2 // one that did not change
		if !span.IsZero() {
			at = tall - scale(&y, &span)
		}
		points = append(points, [2]int{v.minute(p.At), at})
	}
	if last := points[len(points)-1]; len(points) == 1 {
		points = append(points, [2]int{minutes, last[1]})
	}
	d.path("edge", points, false)
	return d.done()
}

// health lists when the system changed its state.
func (v viewer) health() section {
	h := v.Health
	s := section{ID: "health", Title: "Health", Gap: v.gap(PartHealth)}
	if h.First != "" {
		s.Note = "the day began " + tame(h.First, 20)
	}
	if len(h.Changes) == 0 {
		s.None = "It did not change."
		if h.First == "" {
			s.None = "Nothing is known of it."
		}
		return s
	}
	t := &table{Cols: []col{{Name: "Time"}, {Name: "What"}, {Name: "Became"}, {Name: "Why", Class: "wide"}}}
	for i, c := range h.Changes {
		if i == maxChanges {
			s.More = "… and " + plural(len(h.Changes)-i, "more change.", "more changes.")
			break
		}
		what := optional(c.Component, maxName)
		if what == "" {
			what = "overall"
		}
		tag := map[string]string{healthy: "good", "degraded": warn, "unhealthy": bad}[c.To]
		if tag == "" {
			tag = "info"
		}
		t.row(cell{Text: v.clock(c.At)}, cell{Text: what}, cell{Text: tame(c.To, 20), Tag: tag}, cell{Text: optional(c.Why, 200)})
	}
	s.Table = t
	return s
}

// level draws one bar, of tall units at most.
func level(id, name string, of int) template.HTML {
	d := newDrawing(id, tall, name, fmt.Sprintf("%d %% of the largest.", of*100/tall))
	d.box("f-well", 0, 0, tall, tall, "")
	d.box("f-info", 0, 0, max(of, 6), tall, "")
	return d.done()
}
