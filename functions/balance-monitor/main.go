// Command balance-monitor watches what signers and takers hold: thresholds, and
// how many actions a signer's gas still pays for.
package main

import (
	"context"

	"github.com/bridge-me-not/resolver-cron/shared/boot/chains"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		return chains.Serve(ctx, func(p *chains.Parts) (job.Handler, error) {
			return p.Scheduled(job.BalanceMonitor, p.BalanceMonitor())
		})
	})
}
