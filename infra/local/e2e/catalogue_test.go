package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// Without a single doorbell the sweeps alone bring every swap to its right end:
// the executor's own schedule finds the work.
func TestNoDoorbellArrives(t *testing.T) {
	t.Parallel()
	scenes := scene.All()
	r := newRig(t, setup{scenes: scenes})
	r.AWS.Use(awsproxy.When(awsproxy.Match{Service: "sqs", Resource: "local-Doorbells"}, awsproxy.LoseMessages(nil)))
	d := r.drive(scenes, func(d *driver) {
		d.every[actionExecutor] = 30
		d.deliver = func(_ string, queued bool) []uint64 {
			if queued {
				return nil
			}
			return []uint64{0}
		}
	})
	for _, f := range d.failures {
		t.Error(f)
	}
}

// Every situation, while each scheduled event is delivered to two processes at
// once and to a third one later: every swap comes to its right end, no
// invocation fails, and each tick is worked off once.
func TestTicksComeThreeTimes(t *testing.T) {
	t.Parallel()
	scenes := scene.All()
	r := newRig(t, setup{scenes: scenes})
	delivered := r.deliveries()
	d := r.drive(scenes, func(d *driver) {
		d.every[actionExecutor] = 30
		d.deliver = func(_ string, queued bool) []uint64 {
			if queued {
				return []uint64{0}
			}
			return []uint64{0, 0, 3}
		}
	})
	for _, s := range scenes {
		for _, sw := range s.Swaps {
			if sw.Alert != "" {
				delivered(sw.Alert)
			}
		}
	}
	for _, f := range d.failures {
		t.Error(f)
	}
	worked := map[[2]any]int{}
	for _, l := range r.lines("run ended") {
		if l["outcome"] == "done" && l["job"] != actionExecutor {
			worked[[2]any{l["job"], l["tick"]}]++
		}
	}
	for tick, n := range worked {
		if n != 1 {
			t.Errorf("%v was worked off %d times", tick, n)
		}
	}
	if len(worked) == 0 {
		t.Error("no tick was worked off")
	}
}

// An event that is minutes late is an error, and is dropped before anything is asked or written, but which chains file is in force: by
// the process as it starts, and by the invocation.
func TestStaleTick(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	r.AWS.Use(awsproxy.Before(func(c *awsproxy.Call) error {
		if c.Action != "GetItem" {
			t.Errorf("asked for %s", c)
		}
		return nil
	}))
	for _, f := range []string{stateSync, timelockMonitor, cancellationCheck, actionExecutor, transactionTracker} {
		before := r.AWS.Requests(f)
		res, err := r.Host.Invoke(t.Context(), f, tickAt(f, time.Now().Add(-3*time.Minute)))
		if err != nil {
			t.Fatal(err)
		}
		if !res.Failed() || !strings.Contains(string(res.Payload), "late") {
			t.Errorf("%s: %s: %s, want an error that says how late it is", f, res.Outcome, res.Payload)
		}
		if n := r.AWS.Requests(f) - before; n > 2 {
			t.Errorf("%s: %d requests for a stale tick", f, n)
		}
	}
	r.until(func() bool { return len(r.lines("run ended")) >= 5 })
	for _, l := range r.lines("run ended") {
		if l["outcome"] != "dropped" || l["reason"] != "stale" {
			t.Errorf("%v", l)
		}
	}
	if n := len(r.lines("run ended")); n != 5 {
		t.Errorf("%d runs ended, want 5", n)
	}
	if n := len(r.RPC.Requests()); n != 0 {
		t.Errorf("the chains were asked: %v", r.RPC.Requests())
	}
}

// What an idle pass of each function costs.
func TestIdlePass(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	for _, f := range []string{stateSync, timelockMonitor, cancellationCheck, actionExecutor, transactionTracker} {
		r.mustRun(f, tick(f)) // cold, and the very first
		r.AWS.ResetUsage()
		r.RPC.Reset()
		r.mustRun(f, tick(f))
		sum := awsproxy.Sum(r.AWS.Usage(), func(k awsproxy.Key) bool { return k.Service == "dynamodb" })
		calls := 0
		for _, n := range r.RPC.Requests() {
			calls += n
		}
		t.Logf("%-20s %4.1f read units, %4.1f write units, %d JSON-RPC requests", f, sum.ReadUnits, sum.WriteUnits, calls)
		if sum.WriteUnits > 4 {
			t.Errorf("%s: %.1f write units, want at most 4", f, sum.WriteUnits)
		}
		if f == actionExecutor && calls > 0 {
			t.Errorf("%s asks the chains %d times with nothing to do", f, calls)
		}
	}
}
