// Command metrics-aggregator counts what happened to swaps and jobs, and sums it
// over the last hour, day and week.
package main

import (
	"context"

	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		b, err := boot.Load(ctx, env.NeedTables)
		if err != nil {
			return nil, err
		}
		return b.Scheduled(job.MetricsAggregator, b.Tally)
	})
}
