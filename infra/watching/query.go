package watching

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Query is a Logs Insights query of the commands fields, filter, stats, sort and limit. Filters are joined by and:
// field = value, field != value, field in [values], ispresent(field). Stats count, sum, average, and find the least and
// the greatest, by fields or by bin(time).
type Query struct {
	Text    string
	Fields  []string // shown, where nothing is summed up
	Filters []Filter
	Stats   []Total
	By      []string // fields, and bins of time
	Sort    string
	Desc    bool
	Limit   int
}

// Filter is one condition. Op is =, !=, in or ispresent.
type Filter struct {
	Field, Op string
	Values    []string
}

// Total is one column of a summary.
type Total struct{ Func, Field, As string }

var functions = map[string]bool{"count": true, "sum": true, "avg": true, "min": true, "max": true}

// ParseQuery reads a query.
func ParseQuery(text string) (Query, error) {
	q := Query{Text: text, Limit: 10_000}
	for _, command := range strings.Split(text, "|") {
		word, rest, _ := strings.Cut(strings.TrimSpace(command), " ")
		r := rule{tokens: tokens(rest)}
		var err error
		switch word {
		case "fields":
			q.Fields, err = r.list()
		case "filter":
			err = q.filter(&r)
		case "stats":
			err = q.stats(&r)
		case "sort":
			q.Sort, err = r.field()
			if q.Desc = r.take("desc"); !q.Desc && !r.take("asc") {
				err = errors.Join(err, errors.New("want desc or asc"))
			}
		case "limit":
			if len(r.tokens) == 1 {
				q.Limit, err = strconv.Atoi(r.tokens[0])
				r.tokens = nil
			}
		default:
			err = errors.New("is not understood")
		}
		if err == nil && len(r.tokens) > 0 {
			err = fmt.Errorf("%q is too much", r.tokens[0])
		}
		if err != nil {
			return q, fmt.Errorf("query command %q: %w", word, err)
		}
	}
	switch {
	case len(q.Fields) == 0 && len(q.Stats) == 0 || q.Limit < 1 || q.Limit > 10_000:
		return q, errors.New("query: shows nothing")
	case q.Sort != "" && len(q.Stats) > 0 && !slices.Contains(q.Columns(), q.Sort):
		return q, fmt.Errorf("query: sorts by %s, which it does not have", q.Sort)
	}
	return q, nil
}

func (r *rule) field() (string, error) {
	if len(r.tokens) == 0 || strings.ContainsAny(r.tokens[0][:1], "()+-*/,=\"'[]!") {
		return "", errors.New("want a field")
	}
	f := r.tokens[0]
	r.tokens = r.tokens[1:]
	return f, nil
}

func (r *rule) list() (out []string, err error) {
	for {
		f, err := r.field()
		if err != nil {
			return nil, err
		}
		if out = append(out, f); !r.take(",") {
			return out, nil
		}
	}
}

func (r *rule) value() (string, error) {
	if len(r.tokens) == 0 {
		return "", errors.New("want a value")
	}
	v := r.tokens[0]
	r.tokens = r.tokens[1:]
	if v[0] == '"' || v[0] == '\'' {
		return v[1 : len(v)-1], nil
	}
	_, err := strconv.ParseFloat(v, 64)
	return v, err
}

func (q *Query) filter(r *rule) error {
	for {
		var f Filter
		var err error
		if r.take("ispresent") {
			if !r.take("(") {
				return errors.New("want ispresent(field)")
			}
			f.Op = "ispresent"
			if f.Field, err = r.field(); err != nil || !r.take(")") {
				return errors.New("want ispresent(field)")
			}
		} else {
			if f.Field, err = r.field(); err != nil {
				return err
			}
			switch {
			case r.take("="):
				f.Op = "="
			case r.take("!="):
				f.Op = "!="
			case r.take("in") && r.take("["):
				f.Op = "in"
			default:
				return errors.New("want =, != or in [")
			}
			for {
				v, err := r.value()
				if err != nil {
					return err
				}
				f.Values = append(f.Values, v)
				if f.Op != "in" || r.take("]") {
					break
				}
				if !r.take(",") {
					return errors.New("a list is not closed")
				}
			}
		}
		q.Filters = append(q.Filters, f)
		if !r.take("and") {
			return nil
		}
	}
}

func (q *Query) stats(r *rule) error {
	for {
		t := Total{}
		var err error
		if t.Func, err = r.field(); err != nil || !functions[t.Func] || !r.take("(") {
			return fmt.Errorf("%q: want count, sum, avg, min or max of a field", t.Func)
		}
		if !r.take("*") {
			if t.Field, err = r.field(); err != nil {
				return err
			}
		}
		if !r.take(")") || !r.take("as") {
			return errors.New("want a name for each column")
		}
		if t.As, err = r.field(); err != nil {
			return err
		}
		q.Stats = append(q.Stats, t)
		if !r.take(",") {
			break
		}
	}
	if !r.take("by") {
		return nil
	}
	for {
		f, err := r.field()
		if err != nil {
			return err
		}
		if f == "bin" {
			if len(r.tokens) < 3 || !r.take("(") {
				return errors.New("want bin(time)")
			}
			width := r.tokens[0]
			if _, err := time.ParseDuration(width); err != nil {
				return err
			}
			if r.tokens = r.tokens[1:]; !r.take(")") {
				return errors.New("want bin(time)")
			}
			f = "bin(" + width + ")"
		}
		if q.By = append(q.By, f); !r.take(",") {
			return nil
		}
	}
}

// Columns are those of the result.
func (q Query) Columns() []string {
	if len(q.Stats) == 0 {
		return q.Fields
	}
	out := slices.Clone(q.By)
	for _, t := range q.Stats {
		out = append(out, t.As)
	}
	return out
}

// Uses lists the fields that the query reads, but for those that the service adds (@timestamp).
func (q Query) Uses() []string {
	all := slices.Concat(q.Fields, q.By)
	for _, f := range q.Filters {
		all = append(all, f.Field)
	}
	for _, t := range q.Stats {
		all = append(all, t.Field)
	}
	if len(q.Stats) == 0 {
		all = append(all, q.Sort)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(f string) bool {
		return f == "" || strings.HasPrefix(f, "@") || strings.HasPrefix(f, "bin(")
	})
}

// Messages are those that the query asks for, nil for any.
func (q Query) Messages() []string {
	for _, f := range q.Filters {
		if f.Field == "message" && f.Op != "!=" {
			return f.Values
		}
	}
	return nil
}

// Entry is one line of a log as the service takes it apart.
type Entry struct {
	At       time.Time
	Function string
	Fields   map[string]any
}

func (e Entry) text(field string) (string, bool) {
	if field == "@timestamp" {
		return e.At.UTC().Format("2006-01-02 15:04:05"), true
	}
	if width, ok := strings.CutPrefix(field, "bin("); ok {
		d, err := time.ParseDuration(strings.TrimSuffix(width, ")"))
		return e.At.UTC().Truncate(d).Format("2006-01-02 15:04"), err == nil
	}
	switch v := e.Fields[field].(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case float64:
		return number(v), true
	default:
		b, err := json.Marshal(v)
		return string(b), err == nil
	}
}

func number(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func (f Filter) holds(e Entry) bool {
	v, ok := e.text(f.Field)
	switch f.Op {
	case "ispresent":
		return ok
	case "!=":
		return ok && !slices.Contains(f.Values, v)
	}
	return ok && slices.Contains(f.Values, v)
}

// Run returns the rows of the result, with the columns of Columns.
func (q Query) Run(entries []Entry) [][]string {
	var found []Entry
	for _, e := range entries {
		if !slices.ContainsFunc(q.Filters, func(f Filter) bool { return !f.holds(e) }) {
			found = append(found, e)
		}
	}
	columns := q.Columns()
	var rows [][]string
	if len(q.Stats) == 0 {
		slices.SortStableFunc(found, func(a, b Entry) int { return a.At.Compare(b.At) })
		if q.Desc {
			slices.Reverse(found)
		}
		for _, e := range found {
			row := make([]string, len(columns))
			for i, c := range columns {
				row[i], _ = e.text(c)
			}
			rows = append(rows, row)
		}
		return rows[:min(len(rows), q.Limit)]
	}
	groups := map[string][]Entry{}
	var order []string
	for _, e := range found {
		var key []string
		for _, by := range q.By {
			v, _ := e.text(by)
			key = append(key, v)
		}
		k := strings.Join(key, "\x00")
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], e)
	}
	for _, k := range order {
		var row []string
		if len(q.By) > 0 {
			row = strings.Split(k, "\x00")
		}
		for _, t := range q.Stats {
			row = append(row, t.of(groups[k]))
		}
		rows = append(rows, row)
	}
	if i := slices.Index(columns, q.Sort); i >= 0 {
		slices.SortStableFunc(rows, func(a, b []string) int {
			x, errX := strconv.ParseFloat(a[i], 64)
			y, errY := strconv.ParseFloat(b[i], 64)
			c := cmp.Compare(x, y)
			if errX != nil || errY != nil {
				c = cmp.Compare(a[i], b[i])
			}
			if q.Desc {
				return -c
			}
			return c
		})
	}
	return rows[:min(len(rows), q.Limit)]
}

func (t Total) of(entries []Entry) string {
	if t.Field == "@timestamp" {
		var newest Entry
		for _, e := range entries {
			if e.At.After(newest.At) {
				newest = e
			}
		}
		s, _ := newest.text(t.Field)
		return s
	}
	var all []float64
	for _, e := range entries {
		if v, ok := e.Fields[t.Field].(float64); ok {
			all = append(all, v)
		} else if t.Field == "" {
			all = append(all, 1)
		}
	}
	if len(all) == 0 {
		return ""
	}
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	switch t.Func {
	case "min":
		return number(slices.Min(all))
	case "max":
		return number(slices.Max(all))
	case "avg":
		return number(sum / float64(len(all)))
	}
	return number(sum)
}
