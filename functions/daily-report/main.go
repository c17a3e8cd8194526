// Command daily-report tells the day that has ended: a page in the archive, and a
// few lines with its link to whoever gets the alerts.
package main

import (
	"context"
	"time"
	_ "time/tzdata" // provided.al2023 may have none; 0.4 MB of the binary, 0.1 MB of its zip

	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/boot/bucket"
	"github.com/bridge-me-not/resolver-cron/shared/boot/daily"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		b, err := boot.Load(ctx, env.NeedChains|env.NeedTables|env.NeedArchive|env.NeedAlerts|env.NeedReport)
		if err != nil {
			return nil, err
		}
		return b.Follow(ctx, nil, func(b *boot.Base) (job.Handler, func(), error) {
			objects, err := bucket.Open(b)
			if err != nil {
				return nil, nil, err
			}
			g, err := daily.Gatherer(b, objects)
			if err != nil {
				return nil, nil, err
			}
			h, err := b.Scheduled(job.DailyReport, func(ctx context.Context, r *job.Run) error {
				got, err := g.Run(ctx, r.Scheduled, func() error { return r.Check(time.Now()) })
				r.Note("report", got.Key)
				r.Note("bytes", got.Bytes)
				r.Note("gaps", got.Gaps)
				r.Note("told", got.Told)
				return err
			})
			return h, nil, err
		})
	})
}
