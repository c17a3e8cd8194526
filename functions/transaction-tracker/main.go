// Command transaction-tracker settles what was sent and rings for what has to
// be sent again. It signs nothing.
package main

import (
	"context"

	"github.com/bridge-me-not/resolver-cron/shared/boot/chains"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		p, err := chains.Load(ctx)
		if err != nil {
			return nil, err
		}
		tracker := p.Tracker()
		return p.Scheduled(job.TransactionTracker, func(ctx context.Context, r *job.Run) error {
			res, err := tracker.TrackAll(ctx, p.Accounts())
			r.Note("open", res.Open)
			r.Note("confirmed", res.Confirmed)
			r.Note("reverted", res.Reverted)
			r.Note("foreign", res.Foreign)
			r.Note("reopened", res.Reopened)
			return err
		})
	})
}
