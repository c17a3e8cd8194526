package invoke

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// output is written to by the host's goroutines.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// Every function does its work with each of its events, made present.
func TestEveryFunction(t *testing.T) {
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	var out output
	if err := Run(t.Context(), Options{Root: root, Out: &out}); err != nil {
		t.Errorf("%v", err)
	}
	files, err := filepath.Glob(filepath.Join(root, "events", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	ended := map[string]int{}
	for line := range strings.Lines(out.text.String()) {
		var l struct {
			Message, Job, Outcome string
			Refused               int
		}
		if json.Unmarshal([]byte(line), &l) != nil || l.Message != "run ended" {
			continue
		}
		if l.Outcome != "done" || l.Refused != 0 {
			t.Errorf("%s", line)
		}
		ended[l.Job]++
	}
	for _, f := range files {
		function := Function(f)
		if ended[function] == 0 {
			t.Errorf("no run of %s ended", function)
		}
		if text := out.text.String(); !strings.Contains(text, function+" with "+f) || !strings.Contains(text, function+": ok in ") {
			t.Errorf("nothing is said of %s", function)
		}
	}
	if t.Failed() {
		t.Log(out.text.String())
	}
}

func TestFresh(t *testing.T) {
	now := time.Date(2027, 2, 3, 4, 5, 6, 7, time.UTC)
	signer := common.HexToAddress("0x00000000000000000000000000000000000000aa")
	conf, err := env.ParseChains([]byte(`
signers: [{ name: s, address: "0x00000000000000000000000000000000000000aa", key: alias/s, custody: contract }]
chains:
  - id: 77
    name: one
    endpoints: [{ name: a, url: "http://127.0.0.1:9" }]
    singleProvider: true
    factories: [{ address: "0x2222222222222222222222222222222222222222", family: bmn-v4 }]
    maxFee: { withdraw: 1, cancel: 1, rescueFunds: 1 }
    takers: [{ address: "0x3333333333333333333333333333333333333333", signer: s, path: resolver-contract }]
`), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	bell, err := job.Doorbell{Chain: 77, Signer: signer.Hex()}.Body()
	if err != nil {
		t.Fatal(err)
	}
	tick, err := job.Tick{Job: job.TimelockMonitor, Time: now.Truncate(time.Second)}.Body()
	if err != nil {
		t.Fatal(err)
	}
	record := func(body string) string {
		b, err := json.Marshal(map[string]any{"Records": []any{map[string]any{"body": body}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range [][2]string{
		{`{"source":"aws.events","time":"2026-01-01T00:00:00Z","detail":{"n":12345678901234567890}}`, `{"detail":{"n":12345678901234567890},"source":"aws.events","time":"2027-02-03T04:05:06.000000007Z"}`},
		{`{"source":"mine","time":"2026-01-01T00:00:00Z"}`, `{"source":"mine","time":"2026-01-01T00:00:00Z"}`},
		{record(`{"chain":1,"signer":"0x1111111111111111111111111111111111111111"}`), record(bell)},
		{record(`{"job":"timelock-monitor","time":"2026-01-01T00:00:00Z"}`), record(tick)},
		{record("something else"), record("something else")},
	} {
		got, err := fresh([]byte(c[0]), conf, now)
		if err != nil || string(got) != c[1] {
			t.Errorf("%s becomes %s, %v, want %s", c[0], got, err, c[1])
		}
	}
	if _, err := fresh([]byte("[]"), conf, now); err == nil {
		t.Error("a list is taken for an event")
	}
}

func TestEvents(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) string {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("events/a.json", "{}")
	write("events/a-tick.json", "{}")
	write("events/b.json", "{}")
	own, broken := write("own.json", `{"own":1}`), write("broken.json", `{`)
	for _, c := range []struct {
		o    Options
		want int
	}{{Options{}, 3}, {Options{Function: "a"}, 2}, {Options{Function: "b"}, 1}, {Options{Function: "c"}, 0}, {Options{Function: "c", Event: own}, 1},
		{Options{Function: "a", Event: broken}, 0}, {Options{Function: "a", Event: "none"}, 0}} {
		c.o.Root = root
		got, err := c.o.events()
		if len(got) != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%+v: %d events, %v, want %d", c.o, len(got), err, c.want)
		}
	}
}
