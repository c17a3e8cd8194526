// Command state-sync keeps the stored orders equal to what the chains say.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/boot/chains"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		return chains.Serve(ctx, func(p *chains.Parts) (job.Handler, error) {
			return p.Scheduled(job.StateSync, func(ctx context.Context, r *job.Run) error {
				f, unproven := p.Follower(ctx)
				res, err := f.Pass(ctx)
				r.Note("adopted", res.Adopted)
				r.Note("decoys", res.Decoys)
				r.Note("events", res.Events)
				r.Note("secrets", res.Secrets)
				r.Note("saved", res.Saved)
				r.Note("closed", res.Closed)
				r.Note("complete", res.Complete)
				r.Note("chains", res.Chains)
				if res.HeadAge >= 0 { // what is not known is not zero
					r.Metrics.Put(metrics.HeadAge, int64(res.HeadAge/time.Second))
				}
				return errors.Join(unproven, err)
			})
		})
	})
}
