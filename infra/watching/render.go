package watching

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

type card struct {
	X, Y, Width, Height int
	Type, Title, Note   string
	Body                template.HTML
	Columns             []string
	Rows                [][]string
	Numeric             []bool
	Alarms              []alarmCard
	Values              []valueCard
	Legend              []legend
}

type (
	alarmCard struct {
		Name, Description string
		State             State
	}
	valueCard struct {
		Label, Value string
		Spark        template.HTML
	}
	legend struct{ Label, Color, Now string }
)

// Render draws each dashboard as one page of its own, by file name, as it would look at the end of what was recorded.
// Every line is drawn as alarms see it: each point is the statistic over the period that ends there.
func (w *Watching) Render(rec Record) (map[string][]byte, error) {
	if len(rec.Entries) == 0 {
		return nil, fmt.Errorf("render: the log has no line of a function")
	}
	data := rec.invocations()
	first, last := rec.Entries[0].At, rec.Entries[0].At
	for _, e := range rec.Entries {
		if e.At.Before(first) {
			first = e.At
		}
		if e.At.After(last) {
			last = e.At
		}
	}
	states := map[string]State{}
	for at := first; ; at = at.Add(time.Minute) {
		var err error
		if at.After(last) {
			at = last
		}
		if states, err = w.States(data, at, states); err != nil {
			return nil, err
		}
		if at.Equal(last) {
			break
		}
	}
	pages := map[string][]byte{}
	for _, d := range w.Dashboards {
		var cards []card
		for _, widget := range d.Widgets {
			c := card{X: widget.X + 1, Y: widget.Y + 1, Width: widget.Width, Height: widget.Height, Type: widget.Type}
			switch {
			case widget.Text != nil:
				c.Body = markdown(widget.Text.Markdown)
			case widget.Alarms != nil:
				c.Title = widget.Alarms.Title
				c.Alarms = w.alarmCards(widget.Alarms.Alarms, states)
			case widget.Log != nil:
				c.table(widget.Log, rec.Entries)
			case widget.Metric.View == "singleValue":
				c.values(widget.Metric, data, first, last)
			default:
				c.graph(widget.Metric, data, first, last)
			}
			cards = append(cards, c)
		}
		var out bytes.Buffer
		err := page.Execute(&out, map[string]any{"Name": d.Name, "Cards": cards, "From": first.UTC().Format(time.DateTime), "To": last.UTC().Format(time.DateTime)})
		if err != nil {
			return nil, err
		}
		pages[strings.TrimPrefix(d.Name, Stack+"-")+".html"] = out.Bytes()
	}
	return pages, nil
}

// invocations adds the metrics of AWS that follow from the lines that runs end with.
func (r Record) invocations() Data {
	data := maps.Clone(r.Data)
	for _, e := range r.Entries {
		took, ended := e.Fields["duration_ms"].(float64)
		if !ended || e.Fields["message"] != "run ended" {
			continue
		}
		failed := 0.0
		if e.Fields["error"] != nil {
			failed = 1
		}
		for name, v := range map[string]float64{"Invocations": 1, "Errors": failed, "Duration": took} {
			s := Series{"AWS/Lambda", name, "FunctionName=" + Stack + "-" + e.Function}
			data[s] = append(data[s], Point{e.At, v})
		}
	}
	for _, points := range data {
		slices.SortStableFunc(points, func(a, b Point) int { return a.At.Compare(b.At) })
	}
	return data
}

func (w *Watching) alarmCards(arns []string, states map[string]State) (out []alarmCard) {
	about := map[string]string{}
	for _, a := range w.Alarms {
		about[a.Name] = a.Description
	}
	for _, c := range w.Composites {
		about[c.Name] = c.Description
	}
	for _, arn := range arns {
		name := arn[strings.LastIndexByte(arn, ':')+1:]
		out = append(out, alarmCard{name, about[name], states[name]})
	}
	return out
}

func (c *card) table(l *Log, entries []Entry) {
	var of []Entry
	for _, e := range entries {
		if slices.Contains(l.Groups, "/aws/lambda/"+Stack+"-"+e.Function) {
			of = append(of, e)
		}
	}
	c.Title, c.Columns, c.Rows = l.Title, l.Parsed.Columns(), l.Parsed.Run(of)
	c.Numeric = make([]bool, len(c.Columns))
	for i := range c.Columns {
		c.Numeric[i] = len(c.Rows) > 0 && !slices.ContainsFunc(c.Rows, func(row []string) bool { return strings.Trim(row[i], "-0123456789.") != "" })
	}
	if len(c.Rows) == 0 {
		c.Note = "No line of the demonstration matches."
	}
}

// samples are the values at n moments, nil where the period that ends there has no point.
func (p Plot) samples(data Data, first, last time.Time, n int) []*float64 {
	out := make([]*float64, n)
	points := data[p.Series]
	for i := range out {
		at := first.Add(time.Duration(int64(last.Sub(first)) * int64(i) / int64(n-1)))
		out[i] = p.at(points, at)
	}
	return out
}

func (p Plot) at(points []Point, at time.Time) (v *float64) {
	n := 0.0
	for _, x := range points {
		if x.At.After(at) || at.Sub(x.At) >= time.Duration(p.Period)*time.Second {
			continue
		}
		n++
		if v == nil {
			value := x.Value
			v = &value
		} else if join := aggregates[p.Stat]; join != nil {
			*v = join(*v, x.Value)
		} else { // Average
			*v += (x.Value - *v) / n
		}
	}
	return v
}

func (c *card) values(m *Metric, data Data, first, last time.Time) {
	c.Title = m.Title
	for _, p := range m.Lines {
		v := valueCard{Label: p.Label, Value: "–"}
		if now := p.at(data[p.Series], last); now != nil {
			v.Value = number(*now)
		}
		v.Spark = spark(p.samples(data, first, last, 60))
		c.Values = append(c.Values, v)
	}
}

// markdown draws the little of it that the pages use.
func markdown(text string) template.HTML {
	text = template.HTMLEscapeString(text)
	text = regexp.MustCompile(`\[([^]]+)\]\(([^)]+)\)`).ReplaceAllString(text, `<a href="$2">$1</a>`)
	text = regexp.MustCompile(`\*\*([^*]+)\*\*`).ReplaceAllString(text, `<b>$1</b>`)
	text = regexp.MustCompile("`([^`]+)`").ReplaceAllString(text, `<code>$1</code>`)
	var out strings.Builder
	for _, block := range strings.Split(text, "\n") {
		if h, ok := strings.CutPrefix(block, "# "); ok {
			out.WriteString("<h1>" + h + "</h1>")
		} else if block != "" {
			out.WriteString("<p>" + block + "</p>")
		}
	}
	return template.HTML(out.String()) //nolint:gosec // escaped above
}
