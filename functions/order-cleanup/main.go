// Command order-cleanup takes finished swaps out of the tables and keeps them in
// the archive.
package main

import (
	"context"

	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/boot/bucket"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		b, err := boot.Load(ctx, env.NeedTables|env.NeedArchive)
		if err != nil {
			return nil, err
		}
		objects, err := bucket.Open(b)
		if err != nil {
			return nil, err
		}
		return b.Scheduled(job.OrderCleanup, bucket.Cleanup(b, objects))
	})
}
