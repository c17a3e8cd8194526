package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "no bootstrap"},
		{[]string{"b"}, "is needed"},
		{[]string{"-rie", filepath.Join(t.TempDir(), "none"), "b"}, "none"},
		{[]string{"-rie", "/bin/false", "b"}, "the emulator ended"},
		{[]string{"-qemu", filepath.Join(t.TempDir(), "none"), "b"}, "none"},
		{[]string{"-qemu", "/bin/false", "b"}, "init error"},
		{[]string{"-zip", "10", "main.go"}, "more than 10"},
		{[]string{"-zip", "10", "none.go"}, "none.go"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), c.args, &out); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(path, bytes.Repeat([]byte("same"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-zip", "5000", path}, &out); err != nil || !strings.Contains(out.String(), path) {
		t.Errorf("%v: %s", err, out.String())
	}
}

// A function that answers and says something else has not done what it should.
func TestJudge(t *testing.T) {
	l := &lines{}
	if err := l.judge(nil); err == nil {
		t.Error("silence is enough")
	}
	if _, err := l.Write([]byte(`{"outcome":"dropped","reason":"stale"}`)); err != nil {
		t.Fatal(err)
	}
	if err := l.judge(nil); err != nil {
		t.Error(err)
	}
}
