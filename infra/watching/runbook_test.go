package watching_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/watching"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

const kindsHeading = "Kinds of alerts"

// sections are those of the runbook, by heading.
func sections(t *testing.T) (order []string, of map[string]string) {
	t.Helper()
	src, err := os.ReadFile(root + "/docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	of = map[string]string{}
	for _, part := range strings.Split(string(src), "\n## ")[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		if _, twice := of[heading]; twice {
			t.Errorf("%s is there twice", heading)
		}
		order, of[heading] = append(order, heading), text
	}
	return order, of
}

// Every alarm has its entry and no entry is left over; each says what it means, where to look first by a command or a
// saved query, and what to do; and each alarm's own text leads there.
func TestRunbookHasEveryAlarm(t *testing.T) {
	order, of := sections(t)
	w := read(t, "mainnet")
	about := map[string]string{}
	for _, a := range w.Alarms {
		about[short(a.Name)] = a.Description
	}
	for _, c := range w.Composites {
		about[short(c.Name)] = c.Description
	}
	for _, name := range slices.Sorted(maps.Keys(about)) {
		text := of[name]
		meaning, rest, a := strings.Cut(text, "**First look.**")
		look, action, b := strings.Cut(rest, "**Action.**")
		if !a || !b || !strings.Contains(meaning, "**Meaning.** ") || !strings.Contains(look, "```\n") || len(strings.TrimSpace(action)) < 40 {
			t.Errorf("%s: want meaning, first look with a command, and action", name)
		}
		if !strings.HasSuffix(about[name], " docs/runbook.md, "+name+".") {
			t.Errorf("%s: its description does not lead to the runbook: %q", name, about[name])
		}
	}
	for _, heading := range order {
		if _, ok := about[heading]; !ok && heading != kindsHeading {
			t.Errorf("%s: an entry for no alarm", heading)
		}
	}
}

// Everything that the commands name is there: functions, saved queries, resources, commands of ops, documents.
func TestRunbookNamesWhatExists(t *testing.T) {
	_, of := sections(t)
	w := read(t, "mainnet")
	ops, err := os.ReadFile(root + "/infra/ops/main.go")
	if err != nil {
		t.Fatal(err)
	}
	main, err := os.ReadFile(root + "/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for heading, text := range of {
		for _, m := range regexp.MustCompile(`/aws/lambda/\$STACK-([a-z-]+)|--function-name \$STACK-([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			if _, ok := w.Main.Function(m[1] + m[2]); !ok {
				t.Errorf("%s: no function %s", heading, m[1]+m[2])
			}
		}
		for _, m := range regexp.MustCompile("`\\$STACK/([a-z ]+)`").FindAllStringSubmatch(text, -1) {
			if !slices.ContainsFunc(w.Queries, func(q watching.SavedQuery) bool { return short(strings.Replace(q.Name, "/", "-", 1)) == m[1] }) {
				t.Errorf("%s: no saved query %s", heading, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`--logical-resource-id ([A-Za-z]+)`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(main), "\n  "+m[1]+":\n    Type: ") {
				t.Errorf("%s: no resource %s", heading, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`go run ./infra/ops ([a-z]+)`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(ops), m[1]+"Command") && m[1] != "help" {
				t.Errorf("%s: ops has no command %s", heading, m[1])
			}
		}
	}
}

// The kinds of alerts that queries look for are in the catalogue.
func TestQueriesNameKindsThatExist(t *testing.T) {
	src, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lists := regexp.MustCompile(`kind in \[([^]]*)\]`).FindAllStringSubmatch(string(src), -1)
	if len(lists) == 0 {
		t.Fatal("no query looks for kinds")
	}
	for _, list := range lists {
		for _, name := range strings.Split(strings.ReplaceAll(list[1], `\"`, ""), ", ") {
			if _, ok := alert.Kinds[alert.Kind(name)]; !ok {
				t.Errorf("%q is no kind of alert", name)
			}
		}
	}
}

// The table of kinds is the catalogue, word for word.
func TestRunbookHasEveryKindOfAlert(t *testing.T) {
	_, of := sections(t)
	var want strings.Builder
	want.WriteString("| kind | severity | meaning | what to do |\n|---|---|---|---|\n")
	for _, k := range slices.Sorted(maps.Keys(alert.Kinds)) {
		info := alert.Kinds[k]
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", k, info.Severity, info.Meaning, info.WhatToDo)
	}
	_, got, _ := strings.Cut(of[kindsHeading], "\n| kind")
	if got = "| kind" + got; got != want.String() {
		t.Errorf("the table of kinds is not that of shared/alert, which is\n%s", want.String())
	}
}
