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
		p, err := chains.Load(ctx)
		if err != nil {
			return nil, err
		}
		return p.Scheduled(job.CancellationCheck, p.Sweep(watch.Overdue))
	})
}
