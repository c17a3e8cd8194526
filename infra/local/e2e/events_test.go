package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
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
		last := func() map[string]any {
			ended := r.lines("run ended")
			return ended[len(ended)-1]
		}

		r.mustRun(function, event)
		switch end := last(); {
		case end["job"] != function:
			t.Errorf("%s: run of %v", name, end["job"])
		case name == "action-executor" && end["refused"] != 1.0, name == "pacer-tick" && end["Dropped"] != 1.0:
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
		res := r.mustRun(function, []byte(fresh))
		end := last()
		if end["outcome"] != "done" || end["Dropped"] != 0.0 || end["refused"] != nil || strings.Contains(string(res.Payload), "itemIdentifier") {
			t.Errorf("%s, fresh: %v, answer %s", name, end, res.Payload)
		}
		if name == "pacer" && end["ticks"] == 0.0 {
			t.Errorf("pacer: no ticks: %v", end)
		}
	}
	for _, f := range r.Template.Functions {
		if !fed[f.Folder] {
			t.Errorf("no event for %s", f.Folder)
		}
	}
	// The pacer's tick has started its job.
	for !r.invoked(timelockMonitor, lambda.SourceAsync) {
		select {
		case <-t.Context().Done():
			t.Fatal("the paced job was not invoked")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
