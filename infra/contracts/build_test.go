package contracts_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

// The committed artefacts are what the sources compile to. Needs node and npm;
// the pinned compiler is installed into the ignored node_modules on first use.
func TestArtefactsAreCompiledFromSource(t *testing.T) {
	for _, pattern := range []string{"src/*.sol", "build.mjs", "package.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			if _, err := os.ReadFile(file); err != nil { // also tells go test what the result depends on
				t.Fatal(err)
			}
		}
	}
	install(t)
	run(t, "node", "build.mjs", "--check")
}

// install runs npm ci unless node_modules holds what the lock file says.
func install(t *testing.T) {
	t.Helper()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%x", sha256.Sum256(lock))
	const stamp = "node_modules/.installed-lock" // npm ci removes it first, so a broken install has none
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return
	}
	run(t, "npm", "ci")
	if err := os.WriteFile(stamp, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func TestCompilerIsThePinnedOne(t *testing.T) {
	if got := contracts.Compiler(); !strings.HasPrefix(got, "0.8.23+") {
		t.Errorf("compiled with %s", got)
	}
}

// Nothing may say where packages were downloaded from.
func TestLockFileNamesNoRegistry(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json holds resolved addresses")
	}
}

func TestGetPanicsOnUnknownNames(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), `"Ecsrow"`) {
			t.Errorf("panic %v", r)
		}
	}()
	contracts.Get("Ecsrow")
}
