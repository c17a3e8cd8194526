package metrics

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Namespace is the CloudWatch namespace of every metric.
const Namespace = "ResolverCron"

// Metric is one custom metric. Each costs money by the month and by dimension value, so all stand
// here, and only PerJob ones of critical jobs have a dimension (Job). All else that is worth knowing
// about a run is a field of its log line.
type Metric struct {
	name   string
	unit   string // of CloudWatch's list
	perJob bool
}

// Name is its name in CloudWatch.
func (m *Metric) Name() string { return m.name }

// Unit is its unit there.
func (m *Metric) Unit() string { return m.unit }

// PerJob tells whether it has the dimension Job, and is only a field of the lines of jobs that are not critical.
func (m *Metric) PerJob() bool { return m.perJob }

// The metrics.
var (
	// Done is 1 for a finished run, else 0: the heartbeat that alarms watch per critical job.
	Done = &Metric{"Done", "Count", true}
	// Overdue is the number of open swaps with an action past its time that is not done, as the net sees
	// them. What was sent, has no hard deadline and may wait for a better price is none. On a chain whose
	// head cannot be read the wall clock says what is past.
	Overdue = &Metric{"Overdue", "Count", false}
	// AtRisk is the number of open swaps of which the net finds something critical: money is lost, or will
	// be unless somebody acts.
	AtRisk = &Metric{"AtRisk", "Count", false}
	// HeadAge is the age of the oldest chain head, wall clock minus block time. Of a chain whose head
	// cannot be read it is the age of the last block that was, and a day if none ever was.
	HeadAge = &Metric{"HeadAge", "Seconds", false}
	// AlertsUndelivered is the number of alerts that a pass could not deliver.
	AlertsUndelivered = &Metric{"AlertsUndelivered", "Count", false}
	// GasRunway is the least number of actions that a signer can still pay for, of all signers.
	GasRunway = &Metric{"GasRunway", "Count", false}
	// MarginLeft is the least time, by block time, that was left to a hard deadline when a transaction of
	// ours was included, of those settled in the run; negative is too late.
	MarginLeft = &Metric{"MarginLeft", "Seconds", false}
	// Health is 0 for healthy, 1 for degraded, 2 for unhealthy: what is settled, not each check.
	Health = &Metric{"Health", "None", false}
)

// All lists the metrics, for dashboards, alarms and the cost test.
var All = []*Metric{Done, Overdue, AtRisk, HeadAge, AlertsUndelivered, GasRunway, MarginLeft, Health}

// Set holds the values of one run. The zero value is empty and ready. Safe for concurrent use.
type Set struct {
	mu     sync.Mutex
	values map[*Metric]int64
}

// Put sets the value of m.
func (s *Set) Put(m *Metric, v int64) { s.update(m, func(int64, bool) int64 { return v }) }

// Add adds v to m; adding 0 makes a zero be reported.
func (s *Set) Add(m *Metric, v int64) { s.update(m, func(old int64, _ bool) int64 { return old + v }) }

// Min lowers m to v, if it is not there already.
func (s *Set) Min(m *Metric, v int64) {
	s.update(m, func(old int64, seen bool) int64 {
		if seen && old < v {
			return old
		}
		return v
	})
}

func (s *Set) update(m *Metric, f func(old int64, seen bool) int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[*Metric]int64{}
	}
	old, seen := s.values[m]
	s.values[m] = f(old, seen)
}

// The metadata object of the CloudWatch embedded metric format, see
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type (
	emf struct {
		Timestamp         int64 // milliseconds since the epoch
		CloudWatchMetrics []directive
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	definition struct{ Name, Unit string }
)

// Attrs returns the values as attributes of one log line, with the metadata that makes CloudWatch
// turn them into metrics. They belong at the top level of the line, not in a group. PerJob metrics
// of jobs that are not critical stay plain fields.
func (s *Set) Attrs(now time.Time, job string, critical bool) []slog.Attr {
	s.mu.Lock()
	defer s.mu.Unlock()
	ms := make([]*Metric, 0, len(s.values))
	for m := range s.values {
		ms = append(ms, m)
	}
	slices.SortFunc(ms, func(a, b *Metric) int { return strings.Compare(a.name, b.name) })

	var perJob, plain []definition
	attrs := []slog.Attr{slog.String("Job", job)}
	for _, m := range ms {
		attrs = append(attrs, slog.Int64(m.name, s.values[m]))
		switch def := (definition{m.name, m.unit}); {
		case !m.perJob:
			plain = append(plain, def)
		case critical:
			perJob = append(perJob, def)
		}
	}
	meta := emf{Timestamp: now.UnixMilli()}
	if len(perJob) > 0 {
		meta.CloudWatchMetrics = append(meta.CloudWatchMetrics, directive{Namespace, [][]string{{"Job"}}, perJob})
	}
	if len(plain) > 0 {
		meta.CloudWatchMetrics = append(meta.CloudWatchMetrics, directive{Namespace, [][]string{{}}, plain})
	}
	if len(meta.CloudWatchMetrics) > 0 {
		attrs = append(attrs, slog.Any("_aws", meta))
	}
	return attrs
}
