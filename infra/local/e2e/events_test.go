package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// Each event in events/, as it stands there, is understood by the function that
// it is for: it is old, and it names an account that is nobody's. With the
// present in place of its time, and an account of ours in place of that one, its
// function does its work.
func TestEvents(t *testing.T) {
	t.Parallel()
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "events", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, setup{})
	fed := map[string]bool{}
	for i, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		function := strings.TrimSuffix(name, "-tick")
		fed[function] = true
		event, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// run invokes the function and returns the line that its run ends with.
		run := func(event []byte) (map[string]any, lambda.Result) {
			before := len(r.runs(function))
			res := r.mustRun(function, event)
			r.until(func() bool { return len(r.runs(function)) > before })
			return r.runs(function)[before], res
		}

		switch end, _ := run(event); {
		case name == "action-executor" && end["refused"] != 1.0, name == "pacer-tick" && end["outcome"] != "done":
			t.Errorf("%s: %v", name, end)
		case name != "action-executor" && name != "pacer-tick" && (end["outcome"] != "dropped" || end["reason"] != "stale"):
			t.Errorf("%s: %v", name, end)
		}

		now := time.Now().Add(-time.Duration(i) * time.Second).UTC().Format(time.RFC3339) // no two ticks alike
		fresh := strings.NewReplacer("2026-01-01T00:00:00Z", now, "2026-01-01T00:00:10Z", now,
			`\"chain\":8453`, `\"chain\":7001`,
			"0x1111111111111111111111111111111111111111", strings.ToLower(scene.TakerV1.Address.Hex())).Replace(string(event))
		var shape map[string]any
		if err := json.Unmarshal([]byte(fresh), &shape); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		end, res := run([]byte(fresh))
		if end["outcome"] != "done" || end["refused"] != nil || strings.Contains(string(res.Payload), "itemIdentifier") {
			t.Errorf("%s, fresh: %v, answer %s", name, end, res.Payload)
		}
		if name == "pacer" && end["ticks"] == 0.0 {
			t.Errorf("pacer: no ticks: %v", end)
		}
		if name == "pacer-tick" { // which starts its job
			r.until(func() bool { return r.invoked(timelockMonitor, lambda.SourceAsync) && len(r.runs(timelockMonitor)) > 0 })
		}
	}
	for _, f := range r.Template.Functions {
		if !fed[f.Folder] {
			t.Errorf("no event for %s", f.Folder)
		}
	}
}

// runs are the lines that the runs of a job have ended with so far.
func (r *rig) runs(job string) []map[string]any {
	return slices.DeleteFunc(r.lines("run ended"), func(l map[string]any) bool { return l["job"] != job })
}

// until waits for what a function has done and the test has not seen yet.
func (r *rig) until(seen func() bool) {
	r.t.Helper()
	never := time.After(time.Minute)
	for !seen() {
		select {
		case <-never:
			r.t.Fatal("it did not come")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
