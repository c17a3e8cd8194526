// Package npm installs what a folder's package-lock.json names, once.
package npm

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

// Install makes the packages of dir present: it runs `npm ci` when they are
// missing or differ from package-lock.json, and else only reads two small files.
// what names them in messages. after, which may be nil, ends the installation: if
// it fails, all is done again the next time. Processes that install at once wait
// for each other. Progress goes to w, which may be nil.
func Install(ctx context.Context, dir, what string, w io.Writer, after func(ctx context.Context, dir string) error) error {
	return install(ctx, dir, what, w, func(ctx context.Context, dir string) error {
		if err := run(ctx, dir); err != nil || after == nil {
			return err
		}
		return after(ctx, dir)
	})
}

// install is Install with npm replaced by run.
func install(ctx context.Context, dir, what string, w io.Writer, run func(ctx context.Context, dir string) error) error {
	if w == nil {
		w = io.Discard
	}
	lock, err := os.Open(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("open the lock file of %s: %w", what, err)
	}
	defer lock.Close() // drops the advisory lock too
	digest := sha256.New()
	if _, err := io.Copy(digest, lock); err != nil {
		return fmt.Errorf("read the lock file of %s: %w", what, err)
	}
	want := hex.EncodeToString(digest.Sum(nil))
	stamp := filepath.Join(dir, "node_modules", stampFile)
	if installed(stamp, want) {
		return nil
	}
	if err := lockFile(ctx, lock); err != nil {
		return fmt.Errorf("wait for another install of %s: %w", what, err)
	}
	if installed(stamp, want) {
		return nil
	}
	fmt.Fprintf(w, "installing %s (npm ci) …\n", what)
	start := time.Now()
	if err := run(ctx, dir); err != nil {
		return fmt.Errorf("install %s: %w", what, err)
	}
	if err := os.WriteFile(stamp, []byte(want), 0o644); err != nil {
		return fmt.Errorf("mark %s as installed: %w", what, err)
	}
	fmt.Fprintf(w, "installed %s in %.1f s\n", what, time.Since(start).Seconds())
	return nil
}

func installed(stamp, want string) bool {
	got, err := os.ReadFile(stamp)
	return err == nil && string(got) == want
}

func run(ctx context.Context, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("find npm, of Node 20 or newer: %w", err)
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-progress", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
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

// Root finds the repository from the working directory: a binary built with
// -trimpath no longer knows its sources.
func Root() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+modulePath+"\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the repository: %s is not inside module %s", wd, modulePath)
		}
	}
}
