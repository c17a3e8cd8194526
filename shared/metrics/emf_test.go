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

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// emfLine is a line as CloudWatch reads it: strictly integers, metadata and targets at the top.
func emfLine(t *testing.T, s *Set, stack string) (line map[string]json.RawMessage, meta emf) {
	t.Helper()
	var out bytes.Buffer
	log, err := NewLogger(&out, "")
	if err != nil {
		t.Fatal(err)
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "run", s.Attrs(time.UnixMilli(1_772_000_000_123), stack)...)
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
	s.Add(Health, 1)
	s.Add(AtRisk, 0)
	s.Put(HeadAge, 3)
	s.Put(HeadAge, 9)
	s.Min(MarginLeft, 60)
	s.Min(MarginLeft, 70)
	s.Min(MarginLeft, -5)
	s.Put(Overdue, 1<<60)
	line, meta := emfLine(t, &s, "rc-two")
	if meta.Timestamp != 1_772_000_000_123 {
		t.Errorf("timestamp %d", meta.Timestamp)
	}
	want := map[string]string{"Health": "1", "AtRisk": "0", "HeadAge": "9", "MarginLeft": "-5", "Overdue": "1152921504606846976", "Stack": `"rc-two"`}
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
	if len(declared) != 5 || declared["Health"] != "Stack" || declared["Overdue"] != "Stack" {
		t.Errorf("declared with dimensions: %v", declared)
	}
}

func TestALineWithoutMetricsHasNothingOfThem(t *testing.T) {
	line, _ := emfLine(t, &Set{}, "rc")
	for _, key := range []string{"_aws", Dimension} {
		if _, ok := line[key]; ok {
			t.Errorf("%s without a metric", key)
		}
	}
}

func TestStackOf(t *testing.T) {
	was := lambdacontext.FunctionName
	defer func() { lambdacontext.FunctionName = was }()
	for _, c := range [][3]string{
		{"resolver-cron-state-sync", "state-sync", "resolver-cron"}, {"rc-pacer", "pacer", "rc"},
		{"renamed", "pacer", "renamed"}, {"", "pacer", "none"},
	} {
		lambdacontext.FunctionName = c[0]
		if got := StackOf(c[1]); got != c[2] {
			t.Errorf("stack of %q, which does %s: %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

// Ten custom metrics of an account are free of charge, and each one more is 30 cents a month. None has a dimension for
// jobs, chains, signers or swaps, so that a stack with ten chains has as many as one with two: what this counts is all
// that a stack can ever make.
func TestMetricsStayFree(t *testing.T) {
	const free = 10
	names, dimensions := map[string]bool{}, map[string]bool{}
	var all Set
	for _, m := range All {
		names[m.Name()] = true
		all.Put(m, 1)
		switch m.Unit() {
		case "Count", "Seconds", "None":
		default:
			t.Errorf("%s: unit %q", m.Name(), m.Unit())
		}
	}
	_, meta := emfLine(t, &all, "rc")
	series := 0
	for _, d := range meta.CloudWatchMetrics {
		for _, set := range d.Dimensions {
			series += len(d.Metrics)
			dimensions[strings.Join(set, ",")] = true
		}
	}
	if series > free {
		t.Errorf("%d custom metrics, want at most %d", series, free)
	}
	if len(dimensions) != 1 || !dimensions[Dimension] {
		t.Errorf("dimensions %v, want the stack alone", dimensions)
	}
	if len(names) != len(All) || series != len(All) {
		t.Errorf("%d metrics of %d names, %d in a line with all", len(All), len(names), series)
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
	if line, _ := emfLine(t, &s, "rc"); string(line["AtRisk"]) != "800" {
		t.Errorf("AtRisk = %s, want 800", line["AtRisk"])
	}
}
