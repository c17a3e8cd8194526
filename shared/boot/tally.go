package boot

import (
	"context"
	"log/slog"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

// Tally is the body of the job that counts what happened. Its log line tells of
// the last hour, day and week.
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
	for _, n := range tallyNotes(res.Sums) {
		r.Note(n.Key, n.Value.Any())
	}
	return err
}

// tallyNotes are what the log line tells: of the last hour field by field, of the last day and week in one
// field each. What has no value because nothing of it happened is left out: no margin is not a margin of zero.
func tallyNotes(s tally.Sums) []slog.Attr {
	return append(periodNotes(s.Hour), slog.Any("day", fields(periodNotes(s.Day))), slog.Any("week", fields(periodNotes(s.Week))))
}

func periodNotes(p tally.Period) []slog.Attr {
	c, r := &p.Swaps, &p.Runs
	out := []slog.Attr{slog.Uint64("created", c.Created), slog.Uint64("completed", c.Completed), slog.Uint64("cancelled", c.Cancelled),
		slog.Uint64("rescued", c.Rescued), slog.Uint64("lost", c.Lost.Total()), slog.Uint64("late", c.Late),
		slog.Uint64("runs_failed", r.Failed), slog.Uint64("rpc_calls", r.Calls)}
	if h := &c.Completion; h.N > 0 {
		out = append(out, slog.Uint64("completion_mean_s", h.Mean()), slog.Uint64("completion_p95_s", h.Percentile(95)))
	}
	if h := &c.Margin; h.N > 0 {
		out = append(out, slog.Uint64("least_margin_s", h.Min))
	}
	if h := &c.Inclusion; h.N > 0 {
		out = append(out, slog.Uint64("inclusion_p95_s", h.Percentile(95)))
	}
	if r.Calls > 0 {
		out = append(out, slog.Uint64("rpc_mean_ms", r.Latency()))
	}
	return out
}

// fields are attributes as one value.
func fields(of []slog.Attr) map[string]any {
	out := make(map[string]any, len(of))
	for _, a := range of {
		out[a.Key] = a.Value.Any()
	}
	return out
}
