// Command timelock-monitor looks ahead: it warns of deadlines that come near,
// plans, and rings the executor for what falls due.
package main

import (
	"context"

	"github.com/bridge-me-not/resolver-cron/shared/boot/chains"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		return chains.Serve(ctx, func(p *chains.Parts) (job.Handler, error) {
			return p.Scheduled(job.TimelockMonitor, p.Sweep(watch.Upcoming))
		})
	})
}
