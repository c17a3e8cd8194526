package watching_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/watching"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

const root = "../.."

var profiles = []string{"test", "mainnet"}

func read(t *testing.T, profile string) *watching.Watching {
	t.Helper()
	w, err := watching.Read(root, profile)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// recorded is what a demonstration emitted; go run ./infra/watching/render -record writes it anew, and every
// demonstration is held against the template.
func recorded(t *testing.T) watching.Emitted {
	t.Helper()
	src, err := os.ReadFile("testdata/emitted.json")
	if err != nil {
		t.Fatal(err)
	}
	var e watching.Emitted
	if err := json.Unmarshal(src, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestNothingDanglesAndNothingIsEmittedForNobody(t *testing.T) {
	for _, profile := range profiles {
		if err := recorded(t).Check(read(t, profile), metrics.Namespace, true); err != nil {
			t.Errorf("%s: %v", profile, err)
		}
	}
}

// The product's list of metrics is what was recorded: a new or renamed one wants a new record, and somebody who looks
// at it.
func TestRecordedMetricsAreThoseOfTheProduct(t *testing.T) {
	var want []watching.EmittedMetric
	for _, m := range metrics.All {
		e := watching.EmittedMetric{Namespace: metrics.Namespace, Name: m.Name(), Unit: m.Unit()}
		if !m.PerJob() {
			want = append(want, e)
			continue
		}
		for _, s := range job.Table {
			if s.Critical {
				e.Dimensions = "Job=" + s.Name
				want = append(want, e)
			}
		}
	}
	slices.SortFunc(want, func(a, b watching.EmittedMetric) int {
		return strings.Compare(a.Series().String(), b.Series().String())
	})
	if got := recorded(t).Metrics; !slices.Equal(got, want) {
		t.Errorf("recorded\n%v\nthe product has\n%v", got, want)
	}
}
