// Package shared_test holds the rules of the house as tests.
package shared_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bridge-me-not/resolver-cron/"

// rooms lists, for every room of shared/, what of ours it may import. Logic
// rooms import no adapter, adapters never each other, and boot is where they
// meet. A room that is not listed is a new one: say here what it may see.
var rooms = map[string][]string{
	// Logic.
	"swap":     {},
	"follow":   {"swap"},
	"watch":    {"swap"},
	"txn":      {"swap"},
	"metrics":  {},
	"job":      {"metrics"},
	"alert":    {},
	"balance":  {"alert", "swap"},
	"watchdog": {"alert", "job"},
	"health":   {"alert", "balance", "swap", "watchdog"},
	"control":  {},
	"settings": {},
	"report":   {},
	"snapshot": {"swap", "txn"},
	"tally":    {"swap", "job"},
	"cleanup":  {"swap"},
	"env":      {"swap"},
	// Adapters: one outside system each.
	"chain":     {"swap", "watch", "follow", "txn", "balance", "health"},
	"store":     {"metrics", "swap", "watch", "follow", "txn", "job", "alert", "balance", "cleanup", "control", "health", "settings", "snapshot", "tally", "watchdog"},
	"archive":   {},
	"queue":     {"watch", "job", "health", "metrics"},
	"notify":    {"alert", "metrics"},
	"invoke":    {},
	"account":   {"health"},
	"param":     {},
	"kmssigner": {},
	// Where they meet.
	"boot":        {"alert", "control", "env", "job", "metrics", "notify", "queue", "settings", "store", "tally"},
	"boot/bucket": {"alert", "archive", "boot", "cleanup", "job"},
	"boot/chains": {"alert", "balance", "boot", "chain", "control", "env", "follow", "health", "job", "metrics", "notify", "param", "queue", "settings", "store", "swap", "txn", "watch", "watchdog"},
	"boot/daily":  {"alert", "balance", "boot", "env", "health", "job", "report", "swap", "tally"},
}

// pure are the packages outside of ours and the standard library that the
// deciding room may use.
var pure = []string{
	"github.com/ethereum/go-ethereum/common", "github.com/ethereum/go-ethereum/common/hexutil",
	"github.com/ethereum/go-ethereum/crypto", "github.com/ethereum/go-ethereum/accounts/abi", "github.com/holiman/uint256",
}

// impure are standard packages that the deciding room has no business with.
var impure = []string{"context", "net", "net/http", "os", "os/exec", "log", "log/slog", "io/fs", "sync", "math/rand", "math/rand/v2"}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range list(t, "./...") {
		room := strings.TrimPrefix(p.ImportPath, module+"shared/")
		if p.ImportPath == module+"shared" || strings.HasSuffix(room, "test") {
			continue // this package; fakes and conformance suites, which only tests import
		}
		allowed, ok := rooms[room]
		if !ok {
			t.Errorf("shared/%s is no room of the house", room)
			continue
		}
		seen[room] = true
		for _, i := range p.Imports {
			ours, yes := strings.CutPrefix(i, module)
			if yes && !slices.Contains(allowed, strings.TrimPrefix(ours, "shared/")) {
				t.Errorf("shared/%s imports %s", room, ours)
			}
			if room != "swap" {
				continue
			}
			if slices.Contains(impure, i) || strings.Contains(i, ".") && !slices.Contains(pure, i) {
				t.Errorf("shared/swap is pure and imports %s", i)
			}
		}
	}
	for room := range rooms {
		if !seen[room] {
			t.Errorf("room %s does not exist", room)
		}
	}
}

// TestFunctionsLinkOnlyWhatTheyNeed: a key that cannot be reached cannot be
// used, and what is not linked does not have to start.
func TestFunctionsLinkOnlyWhatTheyNeed(t *testing.T) {
	functions := list(t, "../functions/...")
	if len(functions) == 0 {
		t.Fatal("no functions")
	}
	for _, p := range functions {
		name := strings.TrimPrefix(p.ImportPath, module+"functions/")
		links := func(room string) bool { return slices.Contains(p.Deps, module+"shared/"+room) }
		if got, want := links("kmssigner"), name == "action-executor"; got != want {
			t.Errorf("%s links kmssigner: %v, want %v", name, got, want)
		}
		if got, want := links("invoke"), name == "pacer"; got != want {
			t.Errorf("%s links invoke: %v, want %v", name, got, want)
		}
		if got, want := links("account"), name == "health-check"; got != want {
			t.Errorf("%s links account: %v, want %v", name, got, want)
		}
		if got, want := links("chain"), !slices.Contains([]string{"pacer", "job-watchdog", "state-persistence", "order-cleanup", "metrics-aggregator", "daily-report"}, name); got != want {
			t.Errorf("%s links chain: %v, want %v", name, got, want)
		}
		if got, want := links("archive"), name == "state-persistence" || name == "order-cleanup" || name == "daily-report"; got != want {
			t.Errorf("%s links archive: %v, want %v", name, got, want)
		}
		for _, d := range p.Deps {
			if strings.HasPrefix(d, module+"infra/") || strings.HasSuffix(d, "test") && strings.HasPrefix(d, module) || d == "testing" {
				t.Errorf("%s links %s, which is for tests", name, d)
			}
		}
	}
}

// TestTheHouseStandsAlone: what runs here may not depend on the local stack.
func TestTheHouseStandsAlone(t *testing.T) {
	for _, p := range list(t, "./...") {
		if strings.HasSuffix(p.ImportPath, "test") {
			continue
		}
		for _, d := range p.Deps {
			if strings.HasPrefix(d, module+"infra/") {
				t.Errorf("%s depends on %s", strings.TrimPrefix(p.ImportPath, module), d)
			}
		}
	}
}

// TestStopsWorkingWhenTheIndexerLags: the proposal's jobs wait for an indexer. No
// function here knows one, but for whoever compares it with the chains.
func TestStopsWorkingWhenTheIndexerLags(t *testing.T) {
	for _, p := range list(t, "../functions/...") {
		name := strings.TrimPrefix(p.ImportPath, module+"functions/")
		for _, d := range p.Deps {
			if strings.HasPrefix(d, module) && strings.Contains(d, "indexer") && name != "indexer-reconcile" {
				t.Errorf("%s depends on %s", name, d)
			}
		}
	}
}
