package template

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGuidesNameParameters: what the profiles and the guides deploy with are parameters of the template, with values that
// it takes.
func TestGuidesNameParameters(t *testing.T) {
	src, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	given := regexp.MustCompile(`(?:parameter_overrides = |--parameter-overrides )"([^"]*)"`)
	for _, path := range append(paths, "../../../README.md", "../../../samconfig.toml") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range given.FindAllStringSubmatch(string(text), -1) {
			parameters := map[string]string{}
			if !strings.Contains(m[1], "Profile=test") {
				parameters["HeartbeatUrl"] = "none" // a live mainnet has its own, from before
			}
			for _, word := range strings.Fields(m[1]) {
				name, value, ok := strings.Cut(word, "=")
				if value == "…" {
					continue
				}
				if ok {
					parameters[name] = value
				} else if word != "…" {
					t.Errorf("%s: %q is no parameter", path, word)
				}
			}
			if _, err := Evaluate(src, options(parameters)); err != nil {
				t.Errorf("%s: %q: %v", path, m[1], err)
			}
		}
	}
}
