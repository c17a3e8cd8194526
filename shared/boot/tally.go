package boot

import (
	"context"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

// Tally is the body of the job that counts what happened. Its log line tells of
// the last hour.
func (b *Base) Tally(ctx context.Context, r *job.Run) error {
	a := tally.Aggregator{Feed: b.Store.Feed(), Hours: b.Store.Tallies(), Latest: b.Store.Tallies(), Runs: b.Store.Runs().Since}
	for _, s := range job.Table {
		a.Jobs = append(a.Jobs, s.Name)
	}
	res, err := a.Pass(ctx, time.Now())
	r.Note("marks", res.Marks)
	r.Note("more", res.More)
	r.Note("counted", res.Counted)
	r.Note("written", res.Written)
	last := res.Sums.Hour
	r.Note("created", last.Swaps.Created)
	r.Note("completed", last.Swaps.Completed)
	r.Note("cancelled", last.Swaps.Cancelled)
	r.Note("rescued", last.Swaps.Rescued)
	r.Note("lost", last.Swaps.Lost.Total())
	r.Note("completion_p95_s", last.Swaps.Completion.Percentile(95))
	r.Note("least_margin_s", last.Swaps.Margin.Min)
	r.Note("inclusion_p95_s", last.Swaps.Inclusion.Percentile(95))
	r.Note("runs_failed", last.Runs.Failed)
	r.Note("rpc_calls", last.Runs.Calls)
	r.Note("rpc_mean_ms", last.Runs.Latency())
	return err
}
