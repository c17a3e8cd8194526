package stack

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bridge-me-not/resolver-cron/infra/local/guard"
)

// usedDir holds what stacks were seen to use, one file for each different set.
func usedDir(root string) string { return filepath.Join(root, ".build", "used") }

// keepUsed adds a set of uses to those that were seen.
func keepUsed(root string, uses []guard.Use) error {
	if len(uses) == 0 {
		return nil
	}
	text := guard.Format(uses)
	path := filepath.Join(usedDir(root), fmt.Sprintf("%x.txt", sha256.Sum256([]byte(text))))
	if err := os.MkdirAll(usedDir(root), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// SeenUses are all uses that stacks of this repository were seen to make since the
// folder .build was last removed, sorted.
func SeenUses(root string) ([]guard.Use, error) {
	files, err := os.ReadDir(usedDir(root))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(files) == 0 {
		return nil, errors.New("no stack has run yet")
	}
	if err != nil {
		return nil, err
	}
	var all []guard.Use
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(usedDir(root), f.Name()))
		if err != nil {
			return nil, err
		}
		uses, err := guard.Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		all = append(all, uses...)
	}
	return all, nil
}
