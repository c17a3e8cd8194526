package daily

import (
	"context"
	"errors"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/report"
)

// runs tells how the jobs of a profile ran. since reads the recorded runs of a job
// whose tick is after a time, watched since when each job is watched.
func runs(p job.Profile, since func(ctx context.Context, name string, after time.Time) ([]job.Record, error),
	watched func(context.Context) (map[string]time.Time, error)) func(context.Context, time.Time, time.Time) ([]report.Job, error) {
	return func(ctx context.Context, from, until time.Time) ([]report.Job, error) {
		begun, err := watched(ctx)
		if err != nil {
			return nil, err
		}
		var all []report.Job
		var errs []error
		for _, s := range job.Table {
			c := s.Cadence(p)
			if c.Timeout == 0 {
				continue // not of this profile
			}
			records, err := since(ctx, s.Name, from.Add(-1))
			if err != nil {
				errs = append(errs, err)
				continue
			}
			plan := report.Plan{Name: s.Name, Critical: s.Critical, Period: c.Period, Grace: c.Grace, Timeout: c.Timeout, Since: begun[s.Name]}
			if _, known := begun[s.Name]; !known || s.Queue { // what messages start, too, has no ticks to miss
				plan.Period = 0
			}
			ran := make([]report.Ran, len(records))
			for i, r := range records {
				ran[i] = report.Ran{Tick: r.Scheduled, Started: r.Started, Ended: r.Ended, End: ends[r.State]}
			}
			j := report.JobOf(plan, from, until, ran)
			j.Period = c.Period
			all = append(all, j)
		}
		return all, errors.Join(errs...)
	}
}

// ends are the states of runs in the report's words; what is in neither is Abandoned.
var ends = map[job.State]report.RunEnd{job.Failed: report.Failed, job.Done: report.Done}
