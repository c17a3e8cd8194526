package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestGuidesNameCommandsThatExist: what people are told to type is understood, as far as the name goes.
func TestGuidesNameCommandsThatExist(t *testing.T) {
	guides, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	typed := regexp.MustCompile(`go run \./infra/ops ([a-z-]+)`)
	found := map[string]bool{}
	for _, path := range append(guides, "../../README.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range typed.FindAllSubmatch(text, -1) {
			name := string(m[1])
			found[name] = true
			if name != "help" && !slices.ContainsFunc(commands, func(c command) bool { return c.name == name }) {
				t.Errorf("%s: there is no command %q", path, name)
			}
		}
	}
	if !found[restoreCommand.name] || !found[addressCommand.name] {
		t.Errorf("the guides name only %v", found)
	}
}
