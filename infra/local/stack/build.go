package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Root finds the repository: the folder of go.mod at or above the working
// directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "template.yaml")); err == nil {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				return dir, nil
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no repository (go.mod and template.yaml) at or above the working directory")
		}
		dir = up
	}
}

// Build compiles the named functions for this machine, stripped like the
// deployed ones, or with the race detector. It returns the path of each
// bootstrap. The Go build cache makes a second build cheap; without -trimpath
// it serves what the Makefile tests and runs too.
func Build(ctx context.Context, root string, functions []string, race bool, progress io.Writer) (map[string]string, error) {
	kind, args := "plain", []string{"build", "-tags", "lambda.norpc,grpcnotrace", "-ldflags", "-s -w"}
	if race {
		kind, args = "race", []string{"build", "-tags", "lambda.norpc,grpcnotrace", "-race"}
	}
	// One command for all: each would read the same packages anew.
	if len(functions) == 0 {
		return nil, nil
	}
	start, dir := time.Now(), filepath.Join(root, ".build", "local", kind, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	args = append(args, "-o", dir)
	for _, f := range functions {
		args = append(args, "./functions/"+f)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if race {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the functions: %w\n%s", err, strings.TrimSpace(string(text)))
	}
	// Each lies in a task root of its own, as it is deployed.
	out := map[string]string{}
	for _, f := range functions {
		target := filepath.Join(root, ".build", "local", kind, f, "bootstrap")
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return nil, err
		}
		if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if err := os.Link(filepath.Join(dir, f), target); err != nil {
			return nil, err
		}
		out[f] = target
	}
	if progress != nil {
		fmt.Fprintf(progress, "built %d functions in %.1f s\n", len(functions), time.Since(start).Seconds())
	}
	return out, nil
}
