package lambda

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

func TestRateFiresAtStartThenEachPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute+time.Second)
		defer cancel()
		var fired, carried []time.Duration
		runRate(ctx, time.Minute, func(tick time.Time) {
			fired = append(fired, time.Since(start))
			carried = append(carried, tick.Sub(start))
		})
		want := []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute}
		if diff := cmp.Diff(want, fired); diff != "" {
			t.Errorf("fired: %s", diff)
		}
		if diff := cmp.Diff(want, carried); diff != "" {
			t.Errorf("carried: %s", diff)
		}
	})
}

func TestRateSkipsWhatAStalledMachineMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+time.Second)
		defer cancel()
		var carried []time.Duration
		runRate(ctx, time.Minute, func(tick time.Time) {
			if carried = append(carried, tick.Sub(start)); len(carried) == 2 {
				<-time.After(150 * time.Second) // stalled from 1:00 to 3:30, in the bubble's time
			}
		})
		want := []time.Duration{0, time.Minute, 4 * time.Minute, 5 * time.Minute}
		if diff := cmp.Diff(want, carried); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDailyFiresAtItsTimeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Hour)
		defer cancel()
		var carried []time.Duration
		runSchedule(ctx, template.Schedule{Every: 24 * time.Hour, Daily: true, At: 90 * time.Minute}, func(tick time.Time) {
			if carried = append(carried, tick.Sub(start)); !tick.Equal(time.Now()) {
				t.Errorf("%s fires at %s", tick, time.Now())
			}
		})
		if diff := cmp.Diff([]time.Duration{90 * time.Minute, 25*time.Hour + 30*time.Minute, 49*time.Hour + 30*time.Minute}, carried); diff != "" {
			t.Error(diff)
		}
	})
}

// TestScheduledEvent holds the host's event against the recorded one that the functions are tested with.
func TestScheduledEvent(t *testing.T) {
	recorded, err := os.ReadFile("../../../events/timelock-monitor.json")
	if err != nil {
		t.Fatal(err)
	}
	var want, got map[string]any
	if err := json.Unmarshal(recorded, &want); err != nil {
		t.Fatal(err)
	}
	tick := time.Date(2026, 1, 1, 1, 0, 0, 999, time.FixedZone("", 3600))
	if err := json.Unmarshal(scheduledEvent("eu-west-1", "123456789012", "resolver-cron-TimelockMonitorTick", tick), &got); err != nil {
		t.Fatal(err)
	}
	if got["id"] == "" || got["id"] == nil {
		t.Error("no id")
	}
	got["id"] = want["id"]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
