// Command cancellation-check is the net under everything: it looks at what
// should have been done by now.
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
			return p.Scheduled(job.CancellationCheck, p.Sweep(watch.Overdue))
		})
	})
}
