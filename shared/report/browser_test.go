package report

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/browser"
)

// pictures is where the pages of the samples and pictures of them are left, for
// whoever changes how they look: go test ./shared/report -run Browser -pictures /tmp/pages
var pictures = flag.String("pictures", "", "folder in which to leave the pages and pictures of them")

// A real browser shows every sample as it is meant, on a desk and on a phone, light
// and dark: nothing is complained of, nothing is asked for, nothing sticks out,
// every text can be read, and every chart has its size.
func TestBrowser(t *testing.T) {
	if err := browser.Install(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if *pictures != "" {
		dir = *pictures
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var wishes []browser.Wish
	var names []string
	for _, name := range []string{"empty", "rich", "bad", "huge"} {
		file := filepath.Join(dir, name+".html")
		if err := os.WriteFile(file, []byte(render(t, samples[name](), nil)), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, w := range []browser.Wish{{Width: 1280}, {Width: 720}, {Width: 360, Dark: true}} {
			w.File, w.Unfold = file, true
			look := fmt.Sprintf("%s-%d", name, w.Width)
			if *pictures != "" {
				w.Picture = filepath.Join(dir, look+".png")
			}
			wishes, names = append(wishes, w), append(names, look)
		}
	}
	sights, err := browser.Look(t.Context(), wishes)
	if err != nil {
		t.Fatal(err)
	}
	if len(sights) != len(wishes) {
		t.Fatalf("%d sights of %d", len(sights), len(wishes))
	}
	for i, s := range sights {
		bad := func(format string, args ...any) { t.Errorf(names[i]+": "+format, args...) }
		if len(s.Complaints) > 0 || len(s.Requests) > 0 {
			bad("the browser complains %q and asks for %q", s.Complaints, s.Requests)
		}
		if s.ScrollWidth > wishes[i].Width || len(s.Overflow) > 0 {
			bad("%d wide; sticking out: %q", s.ScrollWidth, s.Overflow)
		}
		if len(s.Contrast) < 50 {
			bad("only %d texts", len(s.Contrast))
		}
		for _, c := range s.Contrast {
			if c.Ratio < 450 || c.Size < 12 { // WCAG 2.1, 1.4.3
				bad("contrast %d.%02d, %d px: %s", c.Ratio/100, c.Ratio%100, c.Size, c.Of)
			}
		}
		if len(s.Charts) < 5 {
			bad("only %d charts", len(s.Charts))
		}
		for _, c := range s.Charts {
			if c.Width < 80 || c.Height < 8 || c.Drawn == 0 || c.Name == "" || c.Desc == "" {
				bad("chart %+v", c)
			}
		}
		if !strings.Contains(s.Text, "28 November 2026") {
			bad("no date in %.100q", s.Text)
		}
	}
}
