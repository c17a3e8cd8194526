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
		return chains.Serve(ctx, func(p *chains.Parts) (job.Handler, error) {
			return p.Scheduled(job.TransactionTracker, p.Track)
		})
	})
}
