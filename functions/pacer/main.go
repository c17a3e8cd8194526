// Command pacer is a clock finer than EventBridge's, for the test profile: it
// spreads a minute's ticks over its queue and starts the jobs as they come due.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/invoke"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/queue"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		b, err := boot.Load(ctx, env.NeedPacer)
		if err != nil {
			return nil, err
		}
		return job.Pacer(b.Jobs, queue.Ticks{Client: sqs.NewFromConfig(b.AWS), URL: b.Config.PacerQueueURL},
			invoke.Functions{Client: invoke.Client(b.AWS), Names: b.Config.PacerFunctions})
	})
}
