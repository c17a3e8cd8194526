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
		p, err := chains.Load(ctx)
		if err != nil {
			return nil, err
		}
		return p.Scheduled(job.BalanceMonitor, p.BalanceMonitor())
	})
}
