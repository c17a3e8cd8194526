// Command health-check looks at every part that the safety of swaps rests on,
// and tells when the whole changes.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/bridge-me-not/resolver-cron/shared/account"
	"github.com/bridge-me-not/resolver-cron/shared/boot/chains"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		return chains.Serve(ctx, func(p *chains.Parts) (job.Handler, error) {
			client := lambda.NewFromConfig(p.AWS)
			return p.Scheduled(job.HealthCheck, p.HealthCheck(func(ctx context.Context) (health.Concurrency, error) {
				return account.Concurrency(ctx, client)
			}))
		}, env.NeedDeadQueues)
	})
}
