package stack

import (
	"context"
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
// bootstrap. The Go build cache makes a second build cheap.
func Build(ctx context.Context, root string, functions []string, race bool, progress io.Writer) (map[string]string, error) {
	kind, args := "plain", []string{"build", "-tags", "lambda.norpc,grpcnotrace", "-trimpath", "-ldflags", "-s -w"}
	if race {
		kind, args = "race", []string{"build", "-tags", "lambda.norpc,grpcnotrace", "-race"}
	}
	out := map[string]string{}
	for _, f := range functions {
		start := time.Now()
		target := filepath.Join(root, ".build", "local", kind, f, "bootstrap")
		cmd := exec.CommandContext(ctx, "go", append(args, "-o", target, "./functions/"+f)...)
		cmd.Dir = root
		if race {
			cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
		} else {
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		}
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", f, err, strings.TrimSpace(string(text)))
		}
		out[f] = target
		if progress != nil {
			fmt.Fprintf(progress, "built %s in %.1f s\n", f, time.Since(start).Seconds())
		}
	}
	return out, nil
}
