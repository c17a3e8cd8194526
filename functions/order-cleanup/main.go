// Command order-cleanup takes finished swaps out of the tables and keeps them in
// the archive.
package main

import (
	"context"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/boot/bucket"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
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
		cleaner := cleanup.Cleaner{Orders: b.Store.Closed(), Batches: b.Store.Closed(), Bucket: objects, Keep: cleanup.KeepMainnet}
		if b.Profile == job.Test {
			cleaner.Keep = cleanup.KeepTest
		}
		return b.Scheduled(job.OrderCleanup, func(ctx context.Context, r *job.Run) error {
			got, err := cleaner.Run(ctx, time.Now())
			r.Note("batches", got.Batches)
			r.Note("archived", got.Archived)
			r.Note("removed", got.Removed)
			r.Note("left", got.Left)
			return err
		})
	})
}
