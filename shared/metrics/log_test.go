package metrics

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

func TestLoggerLine(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "", slog.String("job", "state-sync"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r-1"})
	log.With("chain", 10).WarnContext(ctx, "head is old", "age_s", 7)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("line %q: %v", out.String(), err)
	}
	if _, err := time.Parse(time.RFC3339Nano, line["timestamp"].(string)); err != nil {
		t.Errorf("timestamp: %v", err)
	}
	delete(line, "timestamp")
	want := map[string]any{"level": "WARN", "message": "head is old", "requestId": "r-1", "job": "state-sync", "chain": 10.0, "age_s": 7.0}
	for k, v := range want {
		if line[k] != v {
			t.Errorf("%s = %v, want %v", k, line[k], v)
		}
	}
	if len(line) != len(want) {
		t.Errorf("line %v has other keys than %v", line, want)
	}
}

func TestLoggerLevels(t *testing.T) {
	tests := []struct {
		level string
		lines int // of the four written
	}{{"", 3}, {"debug", 4}, {"INFO", 3}, {"Warn", 2}, {"ERROR", 1}}
	for _, tt := range tests {
		var out bytes.Buffer
		log, err := NewLogger(&out, tt.level)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("a")
		log.Info("b")
		log.Warn("c")
		log.Error("d")
		if got := strings.Count(out.String(), "\n"); got != tt.lines {
			t.Errorf("level %q: %d lines, want %d", tt.level, got, tt.lines)
		}
	}
	for _, bad := range []string{"verbose", "INFO+2", " info"} {
		if _, err := NewLogger(&bytes.Buffer{}, bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("level %q: error %v does not name it", bad, err)
		}
	}
}

// TestLinesOfARun: whoever logs within a run, its lines are found by the run; once each.
func TestLinesOfARun(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := WithRun(t.Context(), "state-sync", "A")
	for _, c := range []struct {
		say       func()
		job, run  string
		times     int
		described string
	}{
		{func() { log.InfoContext(ctx, "m") }, "state-sync", "A", 1, "a logger of the process"},
		{func() { log.With("chain", 1).InfoContext(ctx, "m") }, "state-sync", "A", 1, "with attributes"},
		{func() { log.With("job", "state-sync", "run", "A").With("x", 1).InfoContext(ctx, "m") }, "state-sync", "A", 1, "the run's own logger"},
		{func() { log.InfoContext(t.Context(), "m") }, "", "", 0, "outside of any run"},
	} {
		out.Reset()
		c.say()
		var line struct{ Job, Run string }
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", out.String(), err)
		}
		if line.Job != c.job || line.Run != c.run || strings.Count(out.String(), `"run":`) != c.times {
			t.Errorf("%s: %s", c.described, out.String())
		}
	}
	if RunOf(ctx) != "A" || RunOf(t.Context()) != "" {
		t.Error("a context does not know its run")
	}
}
