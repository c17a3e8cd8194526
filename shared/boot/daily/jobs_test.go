package daily

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/report"
)

func TestRunsOfJobs(t *testing.T) {
	start := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	broken := errors.New("broken")
	since := func(_ context.Context, name string, after time.Time) (out []job.Record, err error) {
		if !after.Before(start) {
			t.Errorf("%s: asked for what is after %s", name, after)
		}
		if name == job.StateSync {
			return nil, broken
		}
		for m := 0; m < 24*60; m += 2 {
			at := start.Add(time.Duration(m) * time.Minute)
			if r := (job.Record{Job: name, Scheduled: at, Started: at, Ended: at.Add(time.Second), State: job.Done}); m != 60 {
				out = append(out, r)
			}
		}
		out[0].State, out[1].State = job.Failed, job.Abandoned
		return out, nil
	}
	watched := func(context.Context) (map[string]time.Time, error) {
		return map[string]time.Time{job.CancellationCheck: start.Add(-time.Hour), job.ActionExecutor: start}, nil
	}
	got, err := runs(job.Mainnet, since, watched)(t.Context(), start, start.Add(24*time.Hour))
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	found := map[string]report.Job{}
	for _, j := range got {
		found[j.Name] = j
	}
	if j := found[job.CancellationCheck]; !j.Critical || j.Runs != (report.Runs{Done: 717, Failed: 1, Abandoned: 1, Missed: 1}) || j.Period != 2*time.Minute || j.Timeout != 100*time.Second {
		t.Errorf("%+v", j)
	}
	for _, name := range []string{job.ActionExecutor, job.TransactionTracker} { // by messages, and not watched yet
		if j := found[name]; j.Runs != (report.Runs{Done: 717, Failed: 1, Abandoned: 1}) || j.Period != time.Minute {
			t.Errorf("%s: %+v", name, j)
		}
	}
	if _, there := found[job.PacerJob]; there {
		t.Error("the pacer is told of on mainnet")
	}
	if _, err := runs(job.Mainnet, since, func(context.Context) (map[string]time.Time, error) { return nil, broken })(t.Context(), start, start.Add(24*time.Hour)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
