package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// showBillOf runs the command in the working directory.
func showBillOf(t *testing.T, code int, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	lookup := func(string) (string, bool) { return "", false }
	if got := run(t.Context(), tool{out: &stdout, errs: &stderr, lookup: lookup}, append([]string{"bill"}, args...)); got != code {
		t.Fatalf("bill %q ended with %d: %s", args, got, stderr.String())
	}
	return stdout.String(), stderr.String()
}

func TestBill(t *testing.T) {
	t.Chdir("../..")
	last := regexp.MustCompile(`\ntotal: [0-9]+\.[0-9]{2} USD a month\n$`)
	for _, profile := range []string{"mainnet", "test", "shadow"} {
		if out, _ := showBillOf(t, exitDone, "-profile", profile); !last.MatchString(out) {
			t.Errorf("%s ends otherwise: %s", profile, out)
		}
	}
	var few, many, kept struct{ Total string }
	for _, c := range []struct {
		args []string
		into any
	}{{[]string{"-open", "0", "-swaps", "0"}, &few}, {nil, &many}, {[]string{"-set", "SnapshotRetentionDays=3000"}, &kept}} {
		out, _ := showBillOf(t, exitDone, append(c.args, "-json")...)
		if err := json.Unmarshal([]byte(out), c.into); err != nil {
			t.Fatal(err)
		}
	}
	if few.Total == many.Total || kept.Total == many.Total {
		t.Errorf("nothing open %s, a thousand %s, snapshots kept for ever %s", few.Total, many.Total, kept.Total)
	}
	if out, _ := showBillOf(t, exitDone, "-figures", "-profile", "test"); !strings.Contains(out, "\n| `pacer` | 128 |") {
		t.Errorf("figures: %s", out)
	}
	for _, c := range [][]string{{"-figures", "-json"}, {"-profile", "prod"}, {"-open", "-1"}, {"-swaps", "x"}, {"-set", "Profile"}, {"more"}} {
		if _, errs := showBillOf(t, exitUsage, c...); !strings.Contains(errs, "ops bill") {
			t.Errorf("%v: %s", c, errs)
		}
	}
	if _, errs := showBillOf(t, exitFailed, "-set", "Speed=1"); !strings.Contains(errs, "Speed") {
		t.Errorf("an unknown parameter: %s", errs)
	}
	if _, errs := showBillOf(t, exitFailed, "-template", "none.yaml"); !strings.Contains(errs, "none.yaml") {
		t.Errorf("no template: %s", errs)
	}
}

// What the README says it costs is what the command says.
func TestReadmeHasTheBill(t *testing.T) {
	t.Chdir("../..")
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| `+"`([a-z]+)`"+` \| (\d+) \| (\d+) \| (\d+\.\d\d) \| (\d+\.\d\d) \|$`).FindAllStringSubmatch(string(readme), -1)
	if len(rows) != 4 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		out, _ := showBillOf(t, exitDone, "-profile", row[1], "-open", row[2], "-swaps", row[3])
		if !strings.HasSuffix(out, ": "+row[5]+" USD a month\ntotal: "+row[4]+" USD a month\n") {
			t.Errorf("%s: the command says\n%s", row[0], out[strings.LastIndex(out, "without"):])
		}
	}
}
