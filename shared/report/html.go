package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"time"
)

//go:embed page.gohtml
var pageText string

//go:embed style.css
var style string

var page = template.Must(template.New("page").Parse(pageText))

// HTML is the day as one page, its times as they are shown in zone (nil: UTC).
func HTML(d Day, zone *time.Location) ([]byte, error) {
	if d.Start.IsZero() || !d.Until.After(d.Start) || d.Until.Sub(d.Start) > 24*time.Hour {
		return nil, fmt.Errorf("report of %s to %s: not a day", d.Start.UTC().Format(time.RFC3339), d.Until.UTC().Format(time.RFC3339))
	}
	if zone == nil {
		zone = time.UTC
	}
	v := viewer{Day: d.sorted(), zone: zone}
	var b bytes.Buffer
	if err := page.Execute(&b, v.page()); err != nil {
		return nil, fmt.Errorf("render the report of %s: %w", d.Start.Format(time.DateOnly), err)
	}
	return b.Bytes(), nil
}

// What the page is made of. Texts are escaped by the template.
type (
	view struct {
		Title, Heading, Sub string
		Style               template.CSS
		Verdict             verdict
		Tiles               []tile
		Sections            []section
		Foot                []string
	}
	verdict struct {
		Class, Sign, Text string
		Points            []string
	}
	tile struct{ Name, Value, Note, Class string }

	section struct {
		ID, Title, Note string
		Gap             string // why it is missing, or not all there
		None            string // there is nothing to show
		Chart           *chart
		Facts           []fact
		Cards           []card
		Table           *table
		More            string // what was left out
		Fold            *fold
		Pair            []section // two beside each other, instead of all this
	}
	fact struct{ Name, Value, Class string }

	chart struct {
		Drawing template.HTML
		Y       []yLabel
		X       []string
		Under   bool // each label stands under its bar
		Key     []key
	}
	yLabel struct {
		Top  int // percent of the height
		Text string
	}
	key struct{ Class, Text string }

	card struct {
		Class, Tag, Title, Side string
		Lines                   []line
		Todo                    string
	}
	line struct{ Name, Text string }

	table struct {
		Caption string
		Cols    []col
		Rows    [][]cell
	}
	col struct {
		Name, Class string
		Axis        []string // labels above a chart, instead of the name
	}
	cell struct {
		Text, Class, Label, Tag, Sub string
		Badge, BadgeClass            string
		Chart                        template.HTML
		Open                         bool // the chart may reach over its edge
	}
	fold struct {
		Title string
		Table table
		More  string
	}
)

// row adds a row whose cells are named after their columns.
func (t *table) row(cells ...cell) {
	for i := range cells {
		cells[i].Label = t.Cols[i].Name
		if cells[i].Class == "" {
			cells[i].Class = t.Cols[i].Class
		}
	}
	t.Rows = append(t.Rows, cells)
}

// viewer words a day for a zone.
type viewer struct {
	Day
	zone *time.Location
}

// gap is why a part is missing; empty: it is not.
func (v viewer) gap(p Part) string {
	for _, g := range v.Gaps {
		if g.Part == p {
			return tame(g.Why, maxText)
		}
	}
	return ""
}

// clock is a time of the day, with the date where it is of another one.
func (v viewer) clock(t time.Time) string {
	if t.Before(v.Start) || t.After(v.Until) {
		return t.In(v.zone).Format("2 Jan 15:04")
	}
	return t.In(v.zone).Format("15:04")
}

// minute is where a time lies in the day, for the axis of time.
func (v viewer) minute(t time.Time) int {
	return min(max(int(t.Sub(v.Start)/time.Minute), 0), minutes)
}

// minutes is the width of a chart over the day.
const minutes = 24 * 60

// hours are the labels of the axis of time.
func (v viewer) hours() []string {
	var labels []string
	for h := 0; h <= 24; h += 6 {
		labels = append(labels, v.Start.Add(time.Duration(h)*time.Hour).In(v.zone).Format("15:04"))
	}
	return labels
}

func (v viewer) page() view {
	day := v.Start.UTC().Format("Monday, 2 January 2006")
	p := view{Heading: day, Style: template.CSS(style), Verdict: v.verdict(), Tiles: v.tiles()} //nolint:gosec // our own file
	stack := optional(v.Stack, maxName)
	if stack == "" {
		stack = "Resolver"
	}
	p.Title = stack + " · " + v.Start.UTC().Format(time.DateOnly)
	p.Sub = stack
	if mode := optional(v.Mode, maxName); mode != "" {
		p.Sub += " · " + mode
	}
	if v.whole() {
		p.Sub += " · the whole day in UTC"
	} else {
		p.Sub += " · the day until " + v.Until.UTC().Format("15:04") + " UTC"
	}
	name, offset := v.Start.In(v.zone).Format("MST"), v.Start.In(v.zone).Format("-07:00")
	if offset != "+00:00" || v.zone != time.UTC {
		p.Sub += " · times are those of " + v.zone.String() + " (" + name + ", UTC" + offset + ")"
	}
	p.Sections = []section{}
	if s, ok := v.losses(); ok {
		p.Sections = append(p.Sections, s)
	}
	if s, ok := v.openAlerts(); ok {
		p.Sections = append(p.Sections, s)
	}
	p.Sections = append(p.Sections,
		v.risk(),
		section{Pair: []section{v.swaps(), v.margins()}},
		v.incidents(), v.jobs(), v.volume(), v.gas(), v.balances(), v.health())
	if s, ok := v.errors(); ok {
		p.Sections = append(p.Sections, s)
	}
	p.Foot = []string{
		"A day is a day in UTC. Each number counts what happened in it, whenever it began. Values in " + reference +
			" are at the reference prices of the chains file; a token without one is listed without a value.",
		"At risk is what lies in escrows from the block that put it there until it came back or was paid out as agreed. A margin is the time that was left, by the clock of the chain, to the hard deadline when our transaction was included.",
		"Made from what was stored by " + v.Until.UTC().Format("2006-01-02 15:04") + " UTC; what became final on a chain after the page was made is counted by the next one. The page runs nothing and asks for nothing.",
	}
	return p
}

func (v viewer) whole() bool { return v.Until.Sub(v.Start) == 24*time.Hour }
