package npm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// folder is a package folder with a lock file, and an npm that counts its runs.
func folder(t *testing.T, runs *atomic.Int32, fail error) (string, func(context.Context, string) error) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "package-lock.json"), "{}")
	return dir, func(_ context.Context, dir string) error {
		runs.Add(1)
		if err := os.RemoveAll(filepath.Join(dir, "node_modules")); err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(dir, "node_modules"), 0o755); err != nil {
			return err
		}
		return fail
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestInstallRunsNpmOnceForMany(t *testing.T) {
	var runs atomic.Int32
	dir, npm := folder(t, &runs, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := install(t.Context(), dir, "all", nil, npm); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := runs.Load(); got != 1 {
		t.Errorf("npm ran %d times, want once", got)
	}
}

func TestInstallFollowsTheLockFile(t *testing.T) {
	var runs atomic.Int32
	dir, npm := folder(t, &runs, nil)
	var progress bytes.Buffer
	for _, lock := range []string{"{}", "{}", `{"changed":true}`, `{"changed":true}`} {
		writeFile(t, filepath.Join(dir, "package-lock.json"), lock)
		if err := install(t.Context(), dir, "all", &progress, npm); err != nil {
			t.Fatal(err)
		}
	}
	if got := runs.Load(); got != 2 {
		t.Errorf("npm ran %d times, want 2: at first and after the change", got)
	}
	if got := strings.Count(progress.String(), "npm ci"); got != 2 {
		t.Errorf("progress names npm ci %d times, want 2:\n%s", got, &progress)
	}
}

func TestFailedInstallIsTriedAgain(t *testing.T) {
	var runs atomic.Int32
	broken := errors.New("no network")
	dir, npm := folder(t, &runs, broken)
	for range 2 {
		if err := install(t.Context(), dir, "all", nil, npm); !errors.Is(err, broken) {
			t.Fatalf("install: %v, want %v", err, broken)
		}
	}
	if got := runs.Load(); got != 2 {
		t.Errorf("npm ran %d times, want 2", got)
	}
}

func TestInstallWaitHonoursItsContext(t *testing.T) {
	var runs atomic.Int32
	dir, npm := folder(t, &runs, nil)
	other, err := os.Open(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := lockFile(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := install(ctx, dir, "all", nil, npm); !errors.Is(err, context.Canceled) {
		t.Errorf("install: %v, want %v", err, context.Canceled)
	}
	if runs.Load() != 0 {
		t.Error("npm ran under someone else's lock")
	}
}

// The lock files must not carry anybody's registry, and every package its digest.
func TestLockFilesNameNoHost(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"infra/local/services", "infra/browser"} {
		text, err := os.ReadFile(filepath.Join(root, dir, "package-lock.json"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(`"resolved"`)) {
			t.Errorf("%s: package-lock.json names the registry it was made with", dir)
		}
		packages := bytes.Count(text, []byte(`"node_modules/`))
		if digests := bytes.Count(text, []byte(`"integrity"`)); digests != packages || packages == 0 {
			t.Errorf("%s: %d packages, %d digests", dir, packages, digests)
		}
	}
}
