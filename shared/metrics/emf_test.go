package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// emfLine is a line as CloudWatch reads it: strictly integers, metadata and targets at the top.
func emfLine(t *testing.T, s *Set, job string, critical bool) (line map[string]json.RawMessage, meta emf) {
	t.Helper()
	var out bytes.Buffer
	log, err := NewLogger(&out, "")
	if err != nil {
		t.Fatal(err)
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "run", s.Attrs(time.UnixMilli(1_772_000_000_123), job, critical)...)
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("line %q: %v", out.String(), err)
	}
	if raw, ok := line["_aws"]; ok {
		if err := json.Unmarshal(raw, &meta); err != nil {
			t.Fatalf("_aws %s: %v", raw, err)
		}
	}
	return line, meta
}

func TestEmbeddedMetrics(t *testing.T) {
	var s Set
	s.Add(Done, 1)
	s.Add(AtRisk, 0)
	s.Put(HeadAge, 3)
	s.Put(HeadAge, 9)
	s.Min(MarginLeft, 60)
	s.Min(MarginLeft, 70)
	s.Min(MarginLeft, -5)
	s.Put(Overdue, 1<<60)
	line, meta := emfLine(t, &s, "state-sync", true)
	if meta.Timestamp != 1_772_000_000_123 {
		t.Errorf("timestamp %d", meta.Timestamp)
	}
	want := map[string]string{"Done": "1", "AtRisk": "0", "HeadAge": "9", "MarginLeft": "-5", "Overdue": "1152921504606846976", "Job": `"state-sync"`}
	for name, value := range want {
		if string(line[name]) != value {
			t.Errorf("%s = %s, want %s", name, line[name], value)
		}
	}
	declared := map[string]string{}
	for _, d := range meta.CloudWatchMetrics {
		if d.Namespace != Namespace || len(d.Dimensions) != 1 {
			t.Errorf("directive %+v", d)
		}
		for _, m := range d.Metrics {
			declared[m.Name] = strings.Join(d.Dimensions[0], ",")
			if _, ok := line[m.Name]; !ok {
				t.Errorf("metric %s has no value in the line", m.Name)
			}
		}
	}
	if len(declared) != 5 || declared["Done"] != "Job" || declared["Overdue"] != "" {
		t.Errorf("declared with dimensions: %v", declared)
	}
}

func TestJobsThatAreNotCriticalHaveNoMetricOfTheirOwn(t *testing.T) {
	var s Set
	s.Add(Done, 1)
	line, meta := emfLine(t, &s, "pacer", false)
	if string(line["Done"]) != "1" || len(meta.CloudWatchMetrics) != 0 {
		t.Errorf("Done = %s, directives %+v", line["Done"], meta.CloudWatchMetrics)
	}
	if _, ok := line["_aws"]; ok {
		t.Error("metadata without a metric")
	}
}

// Ten custom metrics are free of charge, and each one more is 30 cents a month; five jobs are critical. None has a
// dimension for chains, signers or swaps, so that the number is the same for ten chains as for two.
func TestMetricsStayCheap(t *testing.T) {
	const criticalJobs, few = 5, 12
	cost, names := 0, map[string]bool{}
	for _, m := range All {
		cost++
		if m.perJob {
			cost += criticalJobs - 1
		}
		names[m.Name()] = true
		switch m.Unit() {
		case "Count", "Seconds", "None":
		default:
			t.Errorf("%s: unit %q", m.Name(), m.Unit())
		}
	}
	if cost > few {
		t.Errorf("%d custom metrics, want at most %d", cost, few)
	}
	if len(names) != len(All) {
		t.Error("two metrics share a name")
	}
}

func TestSetIsSafeForConcurrentUse(t *testing.T) {
	var s Set
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				s.Add(AtRisk, 1)
			}
		})
	}
	wg.Wait()
	if line, _ := emfLine(t, &s, "pacer", false); string(line["AtRisk"]) != "800" {
		t.Errorf("AtRisk = %s, want 800", line["AtRisk"])
	}
}
