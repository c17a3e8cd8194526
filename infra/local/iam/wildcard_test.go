package iam

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPatterns(t *testing.T) {
	keys := map[string]string{"aws:PrincipalTag/job": "state-sync", "odd": "a*b"}
	lookup := func(k string) (string, bool) { v, ok := keys[k]; return v, ok }
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "a", true},
		{"a", "A", false},
		{"*", "", true},
		{"*", "a:b/c", true},
		{"order#*", "order#1:0xab", true},
		{"order#*", "order#", true},
		{"order#*", "order", false},
		{"feed#*", "feed-fresh#1", false},
		{"a*c", "abc", true},
		{"a*c", "abcd", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"?", "é", true},
		{"?", "", false},
		{"??", "€", false},
		{"*??", "€", false},
		{"job#${aws:PrincipalTag/job}", "job#state-sync", true},
		{"job#${aws:PrincipalTag/job}", "job#pacer", false},
		{"job#${aws:PrincipalTag/name}", "job#", false},
		{"${odd}", "a*b", true},
		{"${odd}", "axb", false}, // a key's value is no pattern
		{"${*}", "*", true},
		{"${*}", "a", false},
		{"a${?}${$}", "a?$", true},
		{"${open", "${open", true},
	} {
		if got := matches(tt.pattern, tt.s, lookup); got != tt.want {
			t.Errorf("%q of %q: %t, want %t", tt.pattern, tt.s, got, tt.want)
		}
	}
}

// A pattern of many stars must not take a time that grows with their power.
func TestManyStars(t *testing.T) {
	if Matches(strings.Repeat("a*", 200)+"b", strings.Repeat("a", 20_000)) {
		t.Error("matched")
	}
}

func FuzzMatches(f *testing.F) {
	for _, s := range [][2]string{{"a*b?c", "axxbyc"}, {"*", ""}, {"**?", "é"}, {"?*", "aa"}, {"table/rc-*/index/s?c", "table/rc-Orders/index/src"}, {"*a*a*", "aba"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if strings.Contains(pattern, "$") || !utf8.ValidString(pattern) || !utf8.ValidString(s) || len(pattern) > 100 || len(s) > 1000 {
			return
		}
		expr := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`^(?s:` + expr + `)$`).MatchString(s)
		if got := Matches(pattern, s); got != want {
			t.Errorf("%q of %q: %t, want %t", pattern, s, got, want)
		}
	})
}
