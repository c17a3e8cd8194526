package services

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	modulePath = "github.com/bridge-me-not/resolver-cron"
	// stampFile, inside node_modules, holds the digest of the lock file that was
	// installed. npm removes node_modules first, so an interrupted install has none.
	stampFile = ".installed-lock"
	// lockPoll is how often a second installer asks whether the first is done.
	lockPoll = 100 * time.Millisecond
)

// Install makes the servers' npm packages present: it runs `npm ci` when they are
// missing or differ from package-lock.json, and else only reads two small files.
// Processes that install at once wait for each other. Progress goes to w, which may
// be nil. The working directory must be inside the repository.
func Install(ctx context.Context, w io.Writer) error {
	dir, err := packageDir()
	if err != nil {
		return err
	}
	return install(ctx, dir, w, runNpm)
}

// install is Install for the folder dir with npm replaced by run.
func install(ctx context.Context, dir string, w io.Writer, run func(ctx context.Context, dir string) error) error {
	if w == nil {
		w = io.Discard
	}
	lock, err := os.Open(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("open the lock file of the local servers: %w", err)
	}
	defer lock.Close() // drops the advisory lock too
	digest := sha256.New()
	if _, err := io.Copy(digest, lock); err != nil {
		return fmt.Errorf("read the lock file of the local servers: %w", err)
	}
	want := hex.EncodeToString(digest.Sum(nil))
	stamp := filepath.Join(dir, "node_modules", stampFile)
	if installed(stamp, want) {
		return nil
	}
	if err := lockFile(ctx, lock); err != nil {
		return fmt.Errorf("wait for another install of the local servers: %w", err)
	}
	if installed(stamp, want) {
		return nil
	}
	fmt.Fprintln(w, "installing the local servers (npm ci) …")
	start := time.Now()
	if err := run(ctx, dir); err != nil {
		return err
	}
	if err := os.WriteFile(stamp, []byte(want), 0o644); err != nil {
		return fmt.Errorf("mark the local servers as installed: %w", err)
	}
	fmt.Fprintf(w, "installed the local servers in %.1f s\n", time.Since(start).Seconds())
	return nil
}

func installed(stamp, want string) bool {
	got, err := os.ReadFile(stamp)
	return err == nil && string(got) == want
}

func runNpm(ctx context.Context, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("the local servers need Node 20 or newer with npm: %w", err)
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-progress", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, strings.TrimSpace(string(out)))
	}
	// npm treats a failed download of an optional package as success.
	if dynoxidePackaged() {
		if _, err := os.Stat(dynoxidePath(dir)); err != nil {
			return fmt.Errorf("npm ci left out the DynamoDB server: %w", err)
		}
	}
	return nil
}

// dynoxidePackaged tells whether npm has the DynamoDB server for this system.
func dynoxidePackaged() bool { return runtime.GOOS == "linux" && runtime.GOARCH == "amd64" }

func dynoxidePath(dir string) string {
	return filepath.Join(dir, "node_modules", "@dynoxide", "linux-x64", "dynoxide")
}

// lockFile takes the advisory lock of f, waiting until ctx ends.
func lockFile(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// packageDir finds this package's folder from the working directory: a binary built
// with -trimpath no longer knows its sources.
func packageDir() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+modulePath+"\n") {
			return filepath.Join(dir, "infra", "local", "services"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the repository: %s is not inside module %s", wd, modulePath)
		}
	}
}
