package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/holiman/uint256"
)

// How much of each list is shown; the rest is counted.
const (
	maxLosses   = 20
	maxOpen     = 20
	maxGroups   = 24
	maxLives    = 40
	maxVolumes  = 15
	maxChains   = 20
	maxJobs     = 40
	maxBalances = 40
	maxChanges  = 30
	maxErrors   = 8
	maxBuckets  = 10
	maxPoints   = 48
)

func (v viewer) tiles() []tile {
	c := v.Swaps.Counts
	var was Counts
	if v.Swaps.Before != nil {
		was = *v.Swaps.Before
	}
	than := func(now, before int) string {
		switch {
		case v.Swaps.Before == nil:
			return "swaps"
		case now == before:
			return "as the day before"
		}
		return count(before) + " the day before"
	}
	var tiles []tile
	if v.gap(PartSwaps) != "" {
		tiles = append(tiles, tile{"Swaps", "?", "not available", warn})
	} else {
		tiles = append(tiles,
			tile{"Created", count(c.Created), than(c.Created, was.Created), ""},
			tile{"Completed", count(c.Completed), than(c.Completed, was.Completed), ""},
			tile{"Cancelled", count(c.Cancelled), than(c.Cancelled, was.Cancelled), ""},
			tile{"Rescued", count(c.Rescued), than(c.Rescued, was.Rescued), ""})
		lost := tile{"Lost", count(c.Lost), than(c.Lost, was.Lost), ""}
		if c.Lost > 0 {
			lost.Class = bad
		}
		tiles = append(tiles, lost)
	}
	open := tile{"Open at the end", count(v.Risk.Open), "swaps", ""}
	if v.gap(PartRisk) != "" {
		open = tile{"Open at the end", "?", "not available", warn}
	}
	tiles = append(tiles, open)
	switch {
	case v.gap(PartRisk) != "":
		tiles = append(tiles, tile{"Most at risk", "?", "not available", warn})
	case v.Risk.Peak.IsZero():
		tiles = append(tiles, tile{"Most at risk", "0", reference, ""})
	default:
		tiles = append(tiles, tile{"Most at risk", Wei(v.Risk.Peak).String(), "at " + v.clock(v.Risk.PeakAt), "long"})
	}
	switch {
	case v.gap(PartMargins) != "":
		tiles = append(tiles, tile{"Least margin", "?", "not available", warn})
	case v.Margins.Total() == 0:
		tiles = append(tiles, tile{"Least margin", "–", "no deadline to meet", ""})
	default:
		t := tile{"Least margin", spell(v.Margins.Least), share(v.Margins.Met, v.Margins.Total()) + " had " + spell(v.Margins.Objective), "long"}
		if v.Margins.Least < 0 {
			t.Class = "long bad"
		}
		tiles = append(tiles, t)
	}
	return tiles
}

// losses comes first where there are any.
func (v viewer) losses() (section, bool) {
	s := section{ID: "losses", Title: "Lost", Note: "funds of ours that are gone"}
	for i, l := range v.Swaps.Losses {
		if i == maxLosses {
			s.More = "… and " + count(len(v.Swaps.Losses)-i) + " more."
			break
		}
		s.Cards = append(s.Cards, card{Class: bad, Tag: "lost", Title: l.Amount.String(), Side: v.clock(l.At),
			Lines: []line{{"", tame(l.What, maxText)}, {"Order", tame(l.Order, 120) + " on " + tame(l.Chain, maxName)}}})
	}
	return s, len(v.Swaps.Losses) > 0
}

// risk draws what lay in escrows.
func (v viewer) risk() section {
	s := section{ID: "risk", Title: "Funds at risk", Note: "what lay in escrows, at reference prices", Gap: v.gap(PartRisk)}
	r := v.Risk
	if r.Peak.IsZero() {
		s.None = "Nothing with a reference price lay in an escrow."
		if r.Unpriced > 0 {
			s.None += " " + plural(r.Unpriced, "swap of a token without one is", "swaps of tokens without one are") + " not in this."
		}
		return s
	}
	top := ceiling(r.Peak)
	hours := uint256.NewInt(3600)
	var area uint256.Int
	area.Div(&r.Area, hours)
	title := "Funds at risk over the day"
	desc := fmt.Sprintf("Most at %s: %s. At the end of the day: %s.", v.clock(r.PeakAt), Wei(r.Peak), Wei(r.End))
	d := newDrawing("risk-chart", minutes, title, desc)
	grid(d)
	var peaks, means [][2]int
	for i, slot := range r.Slots {
		from := v.minute(v.Start.Add(time.Duration(i) * slotLength))
		to := v.minute(v.Start.Add(time.Duration(i+1) * slotLength))
		if end := v.minute(v.Until); to > end {
			to = end
		}
		y := tall - scale(&slot.Peak, &top)
		if n := len(peaks); n > 1 && peaks[n-1][1] == y && peaks[n-2][1] == y {
			peaks[n-1][0] = to
		} else {
			peaks = append(peaks, [2]int{from, y}, [2]int{to, y})
		}
		m := tall - scale(&slot.Mean, &top)
		if n := len(means); n > 1 && means[n-1][1] == m {
			means[n-1][0] = to
		} else {
			means = append(means, [2]int{from, m}, [2]int{to, m})
		}
	}
	d.path("area", peaks, true)
	d.path("edge", peaks, false)
	perHour := int(time.Hour / slotLength)
	for h := 0; h*perHour < len(r.Slots); h++ {
		var peak uint256.Int
		for _, slot := range r.Slots[h*perHour : min((h+1)*perHour, len(r.Slots))] {
			if slot.Peak.Gt(&peak) {
				peak = slot.Peak
			}
		}
		d.box("hit", h*60, 0, 60, tall, v.clock(v.Start.Add(time.Duration(h)*time.Hour))+": at most "+Wei(peak).String())
	}
	s.Chart = &chart{Drawing: d.done(), X: v.hours(), Y: amounts(top)}
	s.Facts = []fact{
		{"Most at once", Wei(r.Peak).String() + " at " + v.clock(r.PeakAt), ""},
		{"Risk × time", Wei(area).Number() + " " + reference + "·h", ""},
		{"On average", Wei(mean(r.Area, v.Until.Sub(v.Start))).String(), ""},
		{"At the end of the day", Wei(r.End).String(), ""},
	}
	if r.Unpriced > 0 {
		s.Facts = append(s.Facts, fact{"Without a price", plural(r.Unpriced, "swap", "swaps"), "warn-t"})
	}
	return s
}

// mean is an area over its time.
func mean(area uint256.Int, d time.Duration) uint256.Int {
	area.Div(&area, uint256.NewInt(uint64(d/time.Second)))
	return area
}

// grid draws the lines of a quarter of the height each.
func grid(d *drawing) {
	for _, y := range []int{0, tall / 2} {
		d.line("grid", 0, y, d.wide, y)
	}
	d.line("base", 0, tall, d.wide, tall)
}

// amounts labels the lines that grid draws.
func amounts(top uint256.Int) []yLabel {
	var half uint256.Int
	half.Rsh(&top, 1)
	return []yLabel{{0, Wei(top).String()}, {50, Wei(half).String()}}
}

// outcomes are the ways a swap ends, in the order in which they are stacked.
var outcomes = []struct {
	name, class string
	of          func(Counts) int
}{
	{"completed", "good", func(c Counts) int { return c.Completed }},
	{"cancelled", "warn", func(c Counts) int { return c.Cancelled }},
	{"rescued", "calm", func(c Counts) int { return c.Rescued }},
	{"lost", "bad", func(c Counts) int { return c.Lost }},
}

// late words what became known of the day before after its report.
func (c Counts) late() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{c.Lost, "lost"}, {c.Created, "created"}, {c.Completed, "completed"}, {c.Cancelled, "cancelled"}, {c.Rescued, "rescued"}} {
		if p.n > 0 {
			parts = append(parts, count(p.n)+" "+p.what)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "not in the report of the day before: " + strings.Join(parts, ", ")
}

// swaps draws the ends by hour, and the beginnings as a line.
func (v viewer) swaps() section {
	s := section{ID: "swaps", Title: "Swaps by hour", Note: v.Swaps.Late.late(), Gap: v.gap(PartSwaps)}
	var hours [24]Counts
	most := 0
	for _, h := range v.Swaps.Hours {
		if h.Hour >= 0 && h.Hour < len(hours) {
			hours[h.Hour] = hours[h.Hour].add(h.Counts)
		}
	}
	for _, h := range hours {
		most = max(most, h.Ended(), h.Created)
	}
	if most == 0 {
		s.None = "No swap was created or ended."
		if n := v.Swaps.Created + v.Swaps.Ended(); n > 0 {
			s.None = "By hour nothing is known."
		}
		return s
	}
	top := evenly(most)
	c := v.Swaps.Counts
	d := newDrawing("swaps-chart", minutes, "Swaps by hour", fmt.Sprintf("%d created; %d completed, %d cancelled, %d rescued, %d lost.",
		c.Created, c.Completed, c.Cancelled, c.Rescued, c.Lost))
	grid(d)
	var created [][2]int
	for i, h := range hours {
		title := fmt.Sprintf("%s: %s created, %s ended", v.clock(v.Start.Add(time.Duration(i)*time.Hour)), count(h.Created), count(h.Ended()))
		below := 0
		for _, o := range outcomes {
			n := o.of(h)
			if n == 0 {
				continue
			}
			y, base := tall-(below+n)*tall/top, tall-below*tall/top
			d.box("f-"+o.class, i*60+9, y, 42, max(base-y, 1), title+", "+count(n)+" "+o.name)
			below += n
		}
		y := tall - h.Created*tall/top
		created = append(created, [2]int{i * 60, y}, [2]int{(i + 1) * 60, y})
	}
	d.path("step", created, false)
	s.Chart = &chart{Drawing: d.done(), X: v.hours(), Y: []yLabel{{0, count(top)}, {50, count(top / 2)}}}
	for _, o := range outcomes {
		if o.of(c) > 0 {
			s.Chart.Key = append(s.Chart.Key, key{"b-" + o.class, o.name})
		}
	}
	s.Chart.Key = append(s.Chart.Key, key{"dash", "created"})
	if sp := v.Swaps.Duration; sp.N > 0 {
		s.Facts = []fact{{"Half completed within", spell(sp.P50), ""}, {"95 % within", spell(sp.P95), ""}, {"Longest", spell(sp.Max), ""}}
	}
	return s
}

// evenly is where an axis of counts ends, so that its half is one too.
func evenly(most int) int {
	top := ceil(max(most, 4))
	return top + top%2
}

// margins draws how much time was left.
func (v viewer) margins() section {
	m := v.Margins
	s := section{ID: "margins", Title: "Deadline margins", Note: "how many had how much time left", Gap: v.gap(PartMargins)}
	total := m.Total()
	if total == 0 {
		s.None = "No swap had a deadline to meet."
		return s
	}
	buckets := m.Buckets
	if len(buckets) > maxBuckets { // the largest margins together
		last := buckets[maxBuckets-1]
		for _, b := range buckets[maxBuckets:] {
			last.N += b.N
		}
		buckets = append(buckets[:maxBuckets-1:maxBuckets-1], last)
	}
	most := 0
	for _, b := range buckets {
		most = max(most, b.N)
	}
	top := evenly(most)
	wide := len(buckets) * 100
	d := newDrawing("margins-chart", wide, "How much time was left", fmt.Sprintf("Of %d, %d had at least %s left. The least was %s, half had at least %s.",
		total, m.Met, spell(m.Objective), spell(m.Least), spell(m.P50)))
	grid(d)
	c := &chart{Under: true, Y: []yLabel{{0, count(top)}, {50, count(top / 2)}}}
	aim := -1
	for i, b := range buckets {
		class := "good"
		switch {
		case b.From < 0:
			class = "bad"
		case b.From < m.Objective:
			class = "warn"
		case aim < 0:
			aim = i * 100
		}
		h := b.N * tall / top
		if b.N > 0 {
			h = max(h, 8) // one late one must be seen beside ten thousand
		}
		name := "from " + spell(b.From)
		if b.From < 0 {
			name = "too late"
		}
		d.box("f-"+class, i*100+10, tall-h, 80, h, name+": "+count(b.N))
		c.X = append(c.X, short(b.From))
	}
	if aim >= 0 {
		d.line("aim", aim, 0, aim, tall)
	}
	c.Drawing = d.done()
	c.Key = []key{{"b-good", "reached the objective"}, {"b-warn", "below it"}, {"b-bad", "too late"}, {"rule", "objective, " + spell(m.Objective)}}
	s.Chart = c
	reached := fact{"Had " + spell(m.Objective) + " or more", share(m.Met, total) + " of " + count(total), "good-t"}
	if m.Met*10000 < m.Target*total {
		reached.Class = "warn-t"
	}
	if m.Target > 0 {
		reached.Name += " (" + target(m.Target) + " should)"
	}
	least := fact{"Least", spell(m.Least), ""}
	if m.Least < 0 {
		least.Class = "bad-t"
	}
	s.Facts = []fact{reached, least, {"99 % had at least", spell(m.P01), ""}, {"Half had at least", spell(m.P50), ""}}
	return s
}

// short is a lower edge as it stands under a narrow bar.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "late"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// volume lists the tokens that were moved.
func (v viewer) volume() section {
	s := section{ID: "volume", Title: "Volume by token", Note: plural(len(v.Swaps.Volume), "token", "tokens"), Gap: v.gap(PartSwaps)}
	if len(v.Swaps.Volume) == 0 {
		s.None, s.Note = "Nothing was moved.", ""
		return s
	}
	var most uint256.Int
	for i := range v.Swaps.Volume {
		if v.Swaps.Volume[i].Value.Gt(&most) {
			most = v.Swaps.Volume[i].Value
		}
	}
	t := &table{Cols: []col{{Name: "Token"}, {Name: "Amount", Class: "n"}, {Name: "Value", Class: "n"}, {Name: "Share of the largest", Class: "bar"}}}
	for i, x := range v.Swaps.Volume {
		if i == maxVolumes {
			s.More = "… and " + plural(len(v.Swaps.Volume)-i, "more token.", "more tokens.")
			break
		}
		value, bar := cell{Text: "no price"}, cell{}
		if !x.Value.IsZero() {
			value.Text = Wei(x.Value).String()
			bar.Chart = level(fmt.Sprintf("volume-%d", i), tame(x.Token.Symbol, maxSymbol), scale(&x.Value, &most))
		}
		t.row(cell{Text: tame(x.Token.Symbol, maxSymbol), Sub: tame(x.Chain, maxName)}, cell{Text: x.Token.Number()}, value, bar)
	}
	s.Table = t
	return s
}

// gas lists what each chain cost.
func (v viewer) gas() section {
	s := section{ID: "gas", Title: "Transactions and gas", Gap: v.gap(PartGas)}
	if len(v.Gas) == 0 {
		s.None = "No transaction was sent."
		return s
	}
	t := &table{Cols: []col{{Name: "Chain"}, {Name: "Included", Class: "n"}, {Name: "Reverted", Class: "n"}, {Name: "Gas paid", Class: "n"}, {Name: "Each", Class: "n"}}}
	for i, g := range v.Gas {
		if i == maxChains {
			s.More = "… and " + plural(len(v.Gas)-i, "more chain.", "more chains.")
			break
		}
		each := cell{Text: "–"}
		if g.Transactions > 0 {
			one := g.Spent
			one.Raw.Div(&one.Raw, uint256.NewInt(uint64(g.Transactions)))
			each.Text = one.Number()
		}
		paid := cell{Text: g.Spent.String()}
		if g.Before != nil {
			paid.Sub = Amount{Raw: *g.Before, Decimals: g.Spent.Decimals}.Number() + " the day before"
		}
		reverted := cell{Text: count(g.Reverted)}
		if g.Reverted > 0 {
			reverted.Class = "n bad-t"
		}
		t.row(cell{Text: tame(g.Chain, maxName)}, cell{Text: count(g.Transactions)}, reverted, paid, each)
	}
	s.Table = t
	if w := v.Inclusion; w.N > 0 {
		s.Note = "half were in a block within " + spell(w.P50) + ", 95 % within " + spell(w.P95) + ", all within " + spell(w.Max)
	}
	return s
}

// errors lists what failed on the way, by sort.
func (v viewer) errors() (section, bool) {
	s := section{ID: "errors", Title: "Errors by class", Note: "most were tried again and passed"}
	t := &table{Cols: []col{{Name: "Class"}, {Name: "Number", Class: "n"}, {Name: "Share of the largest", Class: "bar"}}}
	for i, e := range v.Swaps.Errors {
		if i == maxErrors {
			n := 0
			for _, rest := range v.Swaps.Errors[i:] {
				n += rest.N
			}
			s.More = fmt.Sprintf("… and %s of %s.", plural(n, "more", "more"), plural(len(v.Swaps.Errors)-i, "other class", "other classes"))
			break
		}
		t.row(cell{Text: tame(e.Class, maxName)}, cell{Text: count(e.N)},
			cell{Chart: level(fmt.Sprintf("error-%d", i), tame(e.Class, maxName), e.N*tall/max(v.Swaps.Errors[0].N, 1))})
	}
	s.Table = t
	return s, len(v.Swaps.Errors) > 0
}

// clamp keeps a count within what the drawing reckons with.
func clamp(n int) int { return min(max(n, 0), math.MaxInt32) }
