// Package browser looks at pages in a real browser, for tests: a Chromium that
// comes as an npm package, pinned by package-lock.json, with its own libraries and
// fonts. It is one for Linux on x86-64; elsewhere the environment variable
// RESOLVER_CRON_TEST_BROWSER names the program of another Chromium.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/npm"
)

// Wish is one look at a page.
type Wish struct {
	File   string `json:"file"`
	Width  int    `json:"width"` // of the window, in CSS pixels
	Scale  int    `json:"scale"` // device pixels per CSS pixel; 0: 1
	Dark   bool   `json:"dark"`  // the reader prefers dark
	Unfold bool   `json:"unfold"`
	// Picture is the PNG file to make of the whole page; empty: none.
	Picture string `json:"picture"`
}

// Sight is what was seen.
type Sight struct {
	Title      string
	Text       string // what a reader sees
	Complaints []string
	Requests   []string // of anything but the page itself
	// ScrollWidth is how wide the page is; more than the window scrolls sideways.
	ScrollWidth int
	Overflow    []string // elements that reach over the window or whose text does not fit
	Contrast    []Contrast
	Charts      []Chart
}

// Contrast is that of a text with what is behind it, in hundredths, as WCAG
// reckons it, and its size in pixels.
type Contrast struct {
	Of          string
	Ratio, Size int
}

// Chart is an SVG: its words, its size in pixels, and how many shapes have any size.
type Chart struct {
	Name, Desc           string
	Width, Height, Drawn int
}

// patience bounds the browser's work.
const patience = 2 * time.Minute

// Install makes the browser present: 260 MB, of which 75 MB are downloaded.
// Progress goes to w, which may be nil.
func Install(ctx context.Context, w io.Writer) error {
	dir, err := folder()
	if err != nil {
		return err
	}
	return npm.Install(ctx, dir, "the browser", w, func(ctx context.Context, dir string) error {
		cmd := exec.CommandContext(ctx, "node", "unpack.mjs")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("unpack: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	})
}

// Look fulfils the wishes, one after the other.
func Look(ctx context.Context, wishes []Wish) ([]Sight, error) {
	dir, err := folder()
	if err != nil {
		return nil, err
	}
	for i := range wishes { // the browser has another working directory
		if wishes[i].File, err = filepath.Abs(wishes[i].File); err != nil {
			return nil, err
		}
	}
	in, err := json.Marshal(wishes)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(dir, "look.mjs"))
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &complaints
	cmd.Env = os.Environ()
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("look at %d pages: %w: %s", len(wishes), err, strings.TrimSpace(complaints.String()))
	}
	var sights []Sight
	if err := json.Unmarshal(out.Bytes(), &sights); err != nil {
		return nil, fmt.Errorf("what the browser saw: %w", err)
	}
	return sights, nil
}

func folder() (string, error) {
	root, err := npm.Root()
	return filepath.Join(root, "infra", "browser"), err
}
