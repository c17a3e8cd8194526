package watching

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Emitted is what functions were seen to emit.
type Emitted struct {
	Metrics []EmittedMetric
	// Fields of log lines, by function and message. Those whose name holds an address are left out.
	Lines map[string]map[string][]string
}

// EmittedMetric is one metric in the embedded format. Dimensions are those of Series.
type EmittedMetric struct {
	Namespace, Name, Dimensions, Unit string
}

// Series names it.
func (m EmittedMetric) Series() Series { return Series{m.Namespace, m.Name, m.Dimensions} }

// Record is what a log tells: the lines of the functions, their points, and what was emitted.
type Record struct {
	Entries []Entry
	Data    Data
	Emitted
}

// maxLine bounds a line of a log, in bytes.
const maxLine = 1 << 20

// ReadLog reads the log of a demonstration, .local/demo.log, whose lines are "<time> <function>@<process> <line>". Lines
// of another form, as those of delivered alerts, are not of functions.
func ReadLog(r io.Reader) (Record, error) {
	rec := Record{Data: Data{}, Emitted: Emitted{Lines: map[string]map[string][]string{}}}
	metrics := map[EmittedMetric]bool{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		head, text, ok := strings.Cut(lines.Text(), " {")
		words := strings.Fields(head)
		if !ok || len(words) != 2 {
			continue
		}
		function, _, ok := strings.Cut(words[1], "@")
		e := Entry{Function: function}
		if !ok || json.Unmarshal([]byte("{"+text), &e.Fields) != nil {
			continue
		}
		stamp, _ := e.Fields["timestamp"].(string)
		var err error
		if e.At, err = time.Parse(time.RFC3339Nano, stamp); err != nil {
			return rec, fmt.Errorf("line %d: timestamp %q", n, stamp)
		}
		message, _ := e.Fields["message"].(string)
		rec.Entries = append(rec.Entries, e)
		if rec.Lines[function] == nil {
			rec.Lines[function] = map[string][]string{}
		}
		known := rec.Lines[function][message]
		for f := range e.Fields {
			if !strings.Contains(f, "0x") && f != "_aws" && !slices.Contains(known, f) {
				known = append(known, f)
			}
		}
		rec.Lines[function][message] = known
		if err := rec.points(e, metrics); err != nil {
			return rec, fmt.Errorf("line %d: %w", n, err)
		}
	}
	for _, messages := range rec.Lines {
		for _, fields := range messages {
			slices.Sort(fields)
		}
	}
	rec.Metrics = slices.SortedFunc(maps.Keys(metrics), func(a, b EmittedMetric) int {
		return strings.Compare(a.Series().String(), b.Series().String())
	})
	for _, points := range rec.Data {
		slices.SortStableFunc(points, func(a, b Point) int { return a.At.Compare(b.At) })
	}
	return rec, lines.Err()
}

// points reads the embedded metrics of a line as the service does.
func (r *Record) points(e Entry, seen map[EmittedMetric]bool) error {
	raw, ok := e.Fields["_aws"]
	if !ok {
		return nil
	}
	text, err := json.Marshal(raw)
	if err != nil {
		return err
	}
	var meta struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	if err := strict(text, &meta); err != nil {
		return fmt.Errorf("_aws: %w", err)
	}
	at := time.UnixMilli(meta.Timestamp)
	for _, d := range meta.CloudWatchMetrics {
		for _, set := range d.Dimensions {
			var dimensions []string
			for _, name := range set {
				v, ok := e.Fields[name].(string)
				if !ok {
					return fmt.Errorf("_aws: dimension %s has no value", name)
				}
				dimensions = append(dimensions, name+"="+v)
			}
			slices.Sort(dimensions)
			for _, m := range d.Metrics {
				v, ok := e.Fields[m.Name].(float64)
				if !ok {
					return fmt.Errorf("_aws: metric %s has no value", m.Name)
				}
				em := EmittedMetric{d.Namespace, m.Name, strings.Join(dimensions, ","), m.Unit}
				seen[em] = true
				r.Data[em.Series()] = append(r.Data[em.Series()], Point{at, v})
			}
		}
	}
	return nil
}

// Check holds what was emitted against what is watched: no alarm and no page shows a metric that nobody emits, no query
// reads a field that no line has, and no metric is emitted, and paid for, that nobody looks at. Namespaces of AWS are not
// its business. One run need not have every line: of some, only those messages are judged that it has; all is for what
// was recorded to be complete.
func (e Emitted) Check(w *Watching, namespace string, all bool) error {
	var errs []error
	emitted, used := map[Series]bool{}, map[Series]bool{}
	for _, m := range e.Metrics {
		emitted[m.Series()] = true
	}
	use := func(where string, s Series) {
		used[s] = true
		if s.Namespace == namespace && !emitted[s] {
			errs = append(errs, fmt.Errorf("%s: nobody emits %s", where, s))
		}
	}
	for _, a := range w.Alarms {
		for _, s := range a.Stats {
			use(a.Name, s.Series)
		}
	}
	for _, d := range w.Dashboards {
		for _, s := range d.Series() {
			use(d.Name, s)
		}
		for _, widget := range d.Widgets {
			if l := widget.Log; l != nil {
				errs = append(errs, e.fields(d.Name+", "+l.Title, l.Parsed, l.Groups, all)...)
			}
		}
	}
	for _, q := range w.Queries {
		errs = append(errs, e.fields(q.Name, q.Query, q.Groups, all)...)
	}
	for _, m := range e.Metrics {
		if !used[m.Series()] {
			errs = append(errs, fmt.Errorf("nobody looks at %s", m.Series()))
		}
	}
	return errors.Join(errs...)
}

// fields looks for each field of a query in the lines that it can find. Each message that it names has to be there.
func (e Emitted) fields(where string, q Query, groups []string, all bool) (errs []error) {
	asked := q.Messages()
	there, has := map[string]bool{}, map[string]bool{}
	for _, g := range groups {
		function, ok := Function(g)
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %s is no log group of ours", where, g))
		}
		for message, fields := range e.Lines[function] {
			there[message] = true
			if asked == nil || slices.Contains(asked, message) {
				for _, f := range fields {
					has[f] = true
				}
			}
		}
	}
	missing := slices.ContainsFunc(asked, func(m string) bool { return !there[m] })
	if !all && (asked == nil || missing) {
		return errs
	}
	for _, m := range asked {
		if !there[m] {
			errs = append(errs, fmt.Errorf("%s: no line has the message %q", where, m))
		}
	}
	for _, f := range q.Uses() {
		if !has[f] {
			errs = append(errs, fmt.Errorf("%s: no line that it finds has the field %q", where, f))
		}
	}
	return errs
}
