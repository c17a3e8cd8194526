package watching

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Dashboard is one page of widgets.
type Dashboard struct {
	ID, Name, Body string
	Widgets        []Widget
}

// Widget is one part of a page, on a grid of 24 columns; see
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
type Widget struct {
	Type                string
	X, Y, Width, Height int
	Properties          json.RawMessage

	// Of the four, the one of its type is set.
	Text   *Text
	Metric *Metric
	Log    *Log
	Alarms *AlarmStates
}

// Text is markdown.
type Text struct{ Markdown string }

// Log is the result of a query.
type Log struct {
	Title, Region, View, Query string

	Groups []string `json:"-"`
	Parsed Query    `json:"-"`
}

// AlarmStates shows how alarms stand.
type AlarmStates struct {
	Title  string
	Alarms []string // ARNs
}

// Metric is a graph, or the newest values.
type Metric struct {
	Title, Region, View, Stat string
	Period                    int
	Metrics                   [][]json.RawMessage
	Stacked                   bool
	Sparkline                 bool
	SetPeriodToTimeRange      bool
	YAxis                     struct{ Left, Right *Axis }
	Annotations               struct{ Horizontal []Line }

	Lines []Plot `json:"-"`
}

// Axis is one side of a graph.
type Axis struct {
	Min, Max  *float64
	Label     string
	ShowUnits *bool
}

// Line is a threshold.
type Line struct {
	Value              float64
	Label, Color, Fill string
	YAxis              string
}

// Plot is one metric of a graph.
type Plot struct {
	Series
	Label, Stat, Color, YAxis string
	Period                    int
	Visible                   *bool
}

const (
	columns = 24
	// The service's limits.
	maxWidgets, maxHeight = 500, 1000
)

// widgets reads a dashboard's body and holds it against the rules of the service: it would take a body with most of
// what is refused here, and show a hole.
func widgets(body string) ([]Widget, error) {
	var page struct{ Widgets []Widget }
	if err := strict([]byte(body), &page); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	var errs []error
	if n := len(page.Widgets); n == 0 || n > maxWidgets {
		errs = append(errs, fmt.Errorf("%d widgets", n))
	}
	for i := range page.Widgets {
		w := &page.Widgets[i]
		if err := w.read(); err != nil {
			errs = append(errs, fmt.Errorf("widget %d: %w", i, err))
		}
		for j, other := range page.Widgets[:i] {
			if w.X < other.X+other.Width && other.X < w.X+w.Width && w.Y < other.Y+other.Height && other.Y < w.Y+w.Height {
				errs = append(errs, fmt.Errorf("widget %d lies on widget %d", i, j))
			}
		}
	}
	return page.Widgets, errors.Join(errs...)
}

// strict decodes JSON whose every key has to be known.
func strict(src []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func (w *Widget) read() error {
	if w.X < 0 || w.Y < 0 || w.Width < 1 || w.X+w.Width > columns || w.Height < 1 || w.Height > maxHeight {
		return fmt.Errorf("at %d,%d, %d by %d, is not on the grid", w.X, w.Y, w.Width, w.Height)
	}
	switch w.Type {
	case "text":
		w.Text = &Text{}
		if err := strict(w.Properties, w.Text); err != nil || w.Text.Markdown == "" {
			return errors.Join(err, errors.New("text: want markdown"))
		}
		return nil
	case "alarm":
		w.Alarms = &AlarmStates{}
		if err := strict(w.Properties, w.Alarms); err != nil || len(w.Alarms.Alarms) == 0 || len(w.Alarms.Alarms) > 100 {
			return errors.Join(err, errors.New("alarm: want one to a hundred alarms"))
		}
		return nil
	case "log":
		w.Log = &Log{}
		if err := strict(w.Properties, w.Log); err != nil {
			return fmt.Errorf("log: %w", err)
		}
		return w.Log.read()
	case "metric":
		w.Metric = &Metric{}
		if err := strict(w.Properties, w.Metric); err != nil {
			return fmt.Errorf("metric: %w", err)
		}
		return w.Metric.read()
	}
	return fmt.Errorf("type %q", w.Type)
}

func (l *Log) read() error {
	if l.Title == "" || l.Region == "" || !slices.Contains([]string{"table", "timeSeries", "bar", "pie"}, l.View) {
		return fmt.Errorf("log %q: want a title, a region, a view", l.Title)
	}
	query := l.Query
	for {
		source, rest, ok := strings.Cut(query, " | ")
		name, found := strings.CutPrefix(source, "SOURCE '")
		if !ok || !found {
			break
		}
		l.Groups, query = append(l.Groups, strings.TrimSuffix(name, "'")), rest
	}
	if n := len(l.Groups); n == 0 || n > 50 {
		return fmt.Errorf("log %q: %d log groups", l.Title, n)
	}
	var err error
	if l.Parsed, err = ParseQuery(query); err != nil {
		return fmt.Errorf("log %q: %w", l.Title, err)
	}
	return nil
}

var color = regexp.MustCompile(`^(|#[0-9a-f]{6})$`)

func (m *Metric) read() error {
	bad := func(format string, args ...any) error { return fmt.Errorf("metric "+m.Title+": "+format, args...) }
	if m.Title == "" || m.Region == "" || !slices.Contains([]string{"timeSeries", "singleValue"}, m.View) || !stats[m.Stat] || m.Period < 60 || m.Period%60 != 0 {
		return bad("want a title, a region, a view, a statistic, a period")
	}
	if len(m.Metrics) == 0 || len(m.Metrics) > 500 {
		return bad("%d metrics", len(m.Metrics))
	}
	for _, line := range m.Annotations.Horizontal {
		if !color.MatchString(line.Color) || line.Label == "" || !slices.Contains([]string{"", "above", "below"}, line.Fill) || !side(line.YAxis) {
			return bad("threshold %v", line)
		}
	}
	for _, raw := range m.Metrics {
		p := Plot{Stat: m.Stat, Period: m.Period}
		var words []string
		for i, part := range raw {
			var word string
			if json.Unmarshal(part, &word) == nil {
				words = append(words, word)
			} else if err := strict(part, &p); err != nil || i != len(raw)-1 {
				return bad("%s: %w", part, errors.Join(err, errors.New("options come last")))
			}
		}
		if len(words) < 2 || len(words)%2 != 0 {
			return bad("%v: want a namespace, a name, and dimensions in pairs", words)
		}
		p.Namespace, p.Name = words[0], words[1]
		var dimensions []string
		for i := 2; i < len(words); i += 2 {
			dimensions = append(dimensions, words[i]+"="+words[i+1])
		}
		slices.Sort(dimensions)
		p.Dimensions = strings.Join(dimensions, ",")
		if p.Label == "" || !color.MatchString(p.Color) || !stats[p.Stat] || p.Period < 60 || p.Period%60 != 0 || !side(p.YAxis) {
			return bad("%s: want a label; colour %q, statistic %q, period %d, axis %q", p.Series, p.Color, p.Stat, p.Period, p.YAxis)
		}
		m.Lines = append(m.Lines, p)
	}
	return nil
}

var stats = map[string]bool{"Sum": true, "Minimum": true, "Maximum": true, "Average": true}

func side(axis string) bool { return axis == "" || axis == "left" || axis == "right" }

// Series are those that the page shows, each once.
func (d Dashboard) Series() (out []Series) {
	for _, w := range d.Widgets {
		if w.Metric != nil {
			for _, l := range w.Metric.Lines {
				if !slices.Contains(out, l.Series) {
					out = append(out, l.Series)
				}
			}
		}
	}
	return out
}
