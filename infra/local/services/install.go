package services

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/bridge-me-not/resolver-cron/infra/npm"
)

// Install makes the servers' npm packages present; see npm.Install. The working
// directory must be inside the repository.
func Install(ctx context.Context, w io.Writer) error {
	dir, err := packageDir()
	if err != nil {
		return err
	}
	return npm.Install(ctx, dir, "the local servers", w, func(_ context.Context, dir string) error {
		// npm treats a failed download of an optional package as success.
		if dynoxidePackaged() {
			if _, err := os.Stat(dynoxidePath(dir)); err != nil {
				return fmt.Errorf("npm ci left out the DynamoDB server: %w", err)
			}
		}
		return nil
	})
}

// dynoxidePackaged tells whether npm has the DynamoDB server for this system.
func dynoxidePackaged() bool { return runtime.GOOS == "linux" && runtime.GOARCH == "amd64" }

func dynoxidePath(dir string) string {
	return filepath.Join(dir, "node_modules", "@dynoxide", "linux-x64", "dynoxide")
}

// packageDir is this package's folder.
func packageDir() (string, error) {
	root, err := npm.Root()
	return filepath.Join(root, "infra", "local", "services"), err
}
