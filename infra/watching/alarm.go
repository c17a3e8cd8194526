package watching

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// State is an alarm's.
type State string

// The states. An alarm begins without data.
const (
	OK       State = "OK"
	Alarming State = "ALARM"
	NoData   State = "INSUFFICIENT_DATA"
)

// Series names one metric: its dimensions are sorted, "Name=value", and joined by commas.
type Series struct{ Namespace, Name, Dimensions string }

func (s Series) String() string {
	return strings.TrimSuffix(s.Namespace+" "+s.Name+" "+s.Dimensions, " ")
}

// Point is one value of a metric.
type Point struct {
	At    time.Time
	Value float64
}

// Data are points, in the order of their time.
type Data map[Series][]Point

// Stat is one metric that an alarm looks at.
type Stat struct {
	ID string
	Series
	Stat string // Sum, Minimum or Maximum
}

// Alarm is an alarm on one metric or on an expression over several.
type Alarm struct {
	ID, Name, Description string
	Stats                 []Stat
	// Math is over the ids of Stats, nil where the alarm looks at its one metric.
	Math *Math
	// Period is the length of a window.
	Period time.Duration
	// Windows is how many are looked at, Breaching how many of them have to breach.
	Windows, Breaching int
	Compare            string
	Threshold          float64
	Missing            string // breaching, notBreaching or ignore
	Actions, OKActions []string
}

func alarm(p *properties) Alarm {
	a := Alarm{ID: p.at, Name: p.text("AlarmName"), Description: p.text("AlarmDescription"), Compare: p.text("ComparisonOperator"),
		Threshold: p.number("Threshold"), Windows: int(p.number("EvaluationPeriods")), Missing: p.text("TreatMissingData"),
		Actions: p.texts("AlarmActions"), OKActions: p.texts("OKActions")}
	a.Breaching = a.Windows
	if p.m["DatapointsToAlarm"] != nil {
		a.Breaching = int(p.number("DatapointsToAlarm"))
	}
	if p.m["Metrics"] == nil {
		a.Period = p.seconds("Period")
		a.Stats = []Stat{{"", series(p), p.text("Statistic")}}
	}
	for _, m := range p.objects("Metrics") {
		name := m.text("Id")
		m.get("Label")
		if m.m["MetricStat"] == nil {
			var err error
			a.Math, err = ParseMath(m.text("Expression"))
			m.wrong(err)
			p.done(m)
			continue
		}
		if m.m["ReturnData"] == nil || m.flag("ReturnData") {
			m.wrong(errors.New("only the expression may be returned"))
		}
		stat := m.object("MetricStat")
		metric := stat.object("Metric")
		a.Stats = append(a.Stats, Stat{name, series(metric), stat.text("Stat")})
		period := stat.seconds("Period")
		if a.Period = cmp.Or(a.Period, period); a.Period != period {
			stat.wrong(errors.New("the metrics of one alarm have one period"))
		}
		stat.done(metric)
		m.done(stat)
		p.done(m)
	}
	p.wrong(a.check())
	return a
}

func series(p *properties) Series {
	s := Series{Namespace: p.text("Namespace"), Name: p.text("MetricName")}
	var dimensions []string
	for _, d := range p.objects("Dimensions") {
		dimensions = append(dimensions, d.text("Name")+"="+d.text("Value"))
		p.done(d)
	}
	slices.Sort(dimensions)
	s.Dimensions = strings.Join(dimensions, ",")
	return s
}

// check refuses what the service would refuse, or what Step could not judge.
func (a Alarm) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if a.Name == "" || a.Description == "" {
		bad("without a name or a description")
	}
	if a.Period <= 0 || a.Period%time.Minute != 0 {
		bad("period %s: want whole minutes", a.Period)
	}
	// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html, EvaluationPeriods
	if a.Windows < 1 || a.Breaching < 1 || a.Breaching > a.Windows || time.Duration(a.Windows)*a.Period > 24*time.Hour {
		bad("%d of %d windows of %s", a.Breaching, a.Windows, a.Period)
	}
	if _, err := breaches(a.Compare, 0, 0); err != nil {
		bad("%w", err)
	}
	if !slices.Contains([]string{"breaching", "notBreaching", "ignore"}, a.Missing) {
		bad("missing data %q: want breaching, notBreaching or ignore", a.Missing)
	}
	if len(a.Stats) == 0 || len(a.Stats) > 10 || len(a.Stats) > 1 && a.Math == nil {
		bad("%d metrics", len(a.Stats))
	}
	ids := map[string]bool{}
	for _, s := range a.Stats {
		ids[s.ID] = true
		if aggregates[s.Stat] == nil {
			bad("statistic %q is not understood", s.Stat)
		}
	}
	if a.Math != nil {
		for _, id := range a.Math.names() {
			if !ids[id] {
				bad("expression: %q is no metric of the alarm", id)
			}
		}
	}
	return errors.Join(errs...)
}

var aggregates = map[string]func(a, b float64) float64{
	"Sum":     func(a, b float64) float64 { return a + b },
	"Minimum": func(a, b float64) float64 { return min(a, b) },
	"Maximum": func(a, b float64) float64 { return max(a, b) },
}

func breaches(compare string, v, threshold float64) (bool, error) {
	switch compare {
	case "GreaterThanOrEqualToThreshold":
		return v >= threshold, nil
	case "GreaterThanThreshold":
		return v > threshold, nil
	case "LessThanThreshold":
		return v < threshold, nil
	case "LessThanOrEqualToThreshold":
		return v <= threshold, nil
	}
	return false, fmt.Errorf("comparison %q is not understood", compare)
}

// more is how many windows beyond those of the alarm are retrieved, so that real points can take the place of missing
// ones. The service does not say how many; its examples have two.
const more = 2

// Step is the alarm's state at now, when it was in state was: it is evaluated each minute, over the windows that end
// then. The rule is that of https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html:
// where enough points exist in the retrieved range, the youngest of them decide; else what is missing counts as the
// alarm says. With ignore the state is kept if every point there is breaches and they are too few.
func (a Alarm) Step(data Data, now time.Time, was State) State {
	var real []float64
	for _, v := range a.values(data, now) {
		if v != nil && len(real) < a.Windows {
			real = append(real, *v)
		}
	}
	n := 0
	for _, v := range real {
		if yes, err := breaches(a.Compare, v, a.Threshold); err == nil && yes {
			n++
		}
	}
	missing := a.Windows - len(real)
	switch {
	case a.Missing == "breaching":
		n += missing
	case a.Missing == "ignore" && n < a.Breaching && n == len(real):
		return was
	}
	if n >= a.Breaching {
		return Alarming
	}
	return OK
}

// values are those of the retrieved windows, the youngest first; nil is missing.
func (a Alarm) values(data Data, now time.Time) []*float64 {
	windows := a.Windows + more
	of := map[string][]*float64{}
	var only []*float64
	for _, s := range a.Stats {
		only = s.windows(data, now, a.Period, windows)
		of[s.ID] = only
	}
	if a.Math == nil {
		return only
	}
	return a.Math.values(of, windows)
}

func (s Stat) windows(data Data, now time.Time, period time.Duration, n int) []*float64 {
	out := make([]*float64, n)
	all := data[s.Series]
	for i := len(all) - 1; i >= 0; i-- {
		age := now.Sub(all[i].At)
		if age < 0 {
			continue
		}
		w := int(age / period)
		if w >= n {
			break
		}
		v := all[i].Value
		if out[w] != nil {
			v = aggregates[s.Stat](*out[w], v)
		}
		out[w] = &v
	}
	return out
}

// Composite is an alarm over the states of others.
type Composite struct {
	ID, Name, Description, Rule string
	Actions, OKActions          []string
}

func composite(p *properties) Composite {
	c := Composite{ID: p.at, Name: p.text("AlarmName"), Description: p.text("AlarmDescription"), Rule: p.text("AlarmRule"),
		Actions: p.texts("AlarmActions"), OKActions: p.texts("OKActions")}
	if c.Name == "" || c.Description == "" {
		p.wrong(errors.New("without a name or a description"))
	}
	r := rule{tokens: tokens(c.Rule)}
	_, err := r.whole()
	p.wrong(err)
	return c
}

var errUnknown = errors.New("no such alarm")

// Step is the composite's state for the states of the others, by name. Every alarm that the rule names has to be there.
func (c Composite) Step(states map[string]State) (State, error) {
	r := rule{states: states, tokens: tokens(c.Rule)}
	on, err := r.whole()
	if err = errors.Join(err, r.unknown); err != nil {
		return NoData, err
	}
	if on {
		return Alarming, nil
	}
	return OK, nil
}

// rule reads ALARM("name"), AND, OR and parentheses.
type rule struct {
	states  map[string]State
	tokens  []string
	unknown error
}

func (r *rule) take(want string) bool {
	if len(r.tokens) == 0 || r.tokens[0] != want {
		return false
	}
	r.tokens = r.tokens[1:]
	return true
}

func (r *rule) whole() (bool, error) {
	on, err := r.any()
	if err == nil && len(r.tokens) > 0 {
		err = fmt.Errorf("rule: %q is too much", r.tokens[0])
	}
	return on, err
}

func (r *rule) any() (bool, error) {
	on, err := r.all()
	for err == nil && r.take("OR") {
		var more bool
		more, err = r.all()
		on = on || more
	}
	return on, err
}

func (r *rule) all() (bool, error) {
	on, err := r.one()
	for err == nil && r.take("AND") {
		var more bool
		more, err = r.one()
		on = on && more
	}
	return on, err
}

func (r *rule) one() (on bool, err error) {
	switch {
	case r.take("("):
		on, err = r.any()
	case r.take("ALARM"):
		if !r.take("(") || len(r.tokens) == 0 {
			return false, errors.New(`rule: want ALARM("name")`)
		}
		name := strings.Trim(r.tokens[0], `"`)
		r.tokens = r.tokens[1:]
		s, known := r.states[name]
		if !known {
			r.unknown = errors.Join(r.unknown, fmt.Errorf("rule: %q: %w", name, errUnknown))
		}
		on = s == Alarming
	default:
		return false, fmt.Errorf("rule: %q is not understood", strings.Join(r.tokens, " "))
	}
	if err == nil && !r.take(")") {
		err = errors.New("rule: a parenthesis is not closed")
	}
	return on, err
}

// States steps every alarm and composite.
func (w *Watching) States(data Data, now time.Time, was map[string]State) (map[string]State, error) {
	states := map[string]State{}
	for _, a := range w.Alarms {
		states[a.Name] = a.Step(data, now, cmp.Or(was[a.Name], NoData))
	}
	var errs []error
	all := maps.Clone(states)
	for _, c := range w.Composites {
		s, err := c.Step(states)
		all[c.Name] = s
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}
