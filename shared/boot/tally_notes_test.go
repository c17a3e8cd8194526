package boot

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

// What did not happen has no figure: a margin of zero would be the worst there is. The day and the week are
// told beside the hour.
func TestTallyNotes(t *testing.T) {
	var s tally.Sums
	s.Day.Swaps.Completed = 2
	s.Day.Swaps.Margin.Add(70)
	s.Day.Swaps.Completion.Add(30)
	s.Day.Swaps.Completion.Add(50)
	s.Week.Runs.Calls, s.Week.Runs.BusyMS = 2, 9
	got := fields(tallyNotes(s))
	for _, none := range []string{"least_margin_s", "completion_mean_s", "completion_p95_s", "inclusion_p95_s", "rpc_mean_ms"} {
		if v, ok := got[none]; ok {
			t.Errorf("%s is %v in an hour in which nothing happened", none, v)
		}
	}
	if got["completed"] != uint64(0) || got["lost"] != uint64(0) {
		t.Errorf("the hour: %v", got)
	}
	day, week := got["day"].(map[string]any), got["week"].(map[string]any)
	if day["completed"] != uint64(2) || day["least_margin_s"] != uint64(70) || day["completion_mean_s"] != uint64(40) {
		t.Errorf("the day: %v", day)
	}
	if _, ok := week["least_margin_s"]; ok || week["rpc_mean_ms"] != uint64(4) {
		t.Errorf("the week: %v", week)
	}
}
