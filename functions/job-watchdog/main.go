// Command job-watchdog looks whether every job runs, ends and ends well, and pings
// a monitor outside while alerts about that would reach somebody.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		b, err := boot.Load(ctx, env.NeedAlerts|env.NeedHeartbeat)
		if err != nil {
			return nil, err
		}
		topic, err := b.Topic()
		w := watchdog.Watchdog{Runs: b.Store.Runs(), Books: b.Store.Runs(), Jobs: job.Table, Profile: b.Profile,
			Outbox: b.Store.Alerts(), Topic: topic, Log: b.Log}
		if address := b.Config.HeartbeatURL; address != "" {
			heart, wrong := watchdog.NewHeart(address)
			w.Heart, err = heart, errors.Join(err, wrong)
		}
		if err != nil {
			return nil, err
		}
		return b.Scheduled(job.JobWatchdog, func(ctx context.Context, r *job.Run) error {
			desk := alert.NewDesk(b.Store.Alerts(), topic, b.Log)
			all, err := w.Round(ctx, desk, time.Now())
			for state, n := range watchdog.Count(all) {
				r.Note("jobs_"+string(state), n)
			}
			r.Metrics.Put(metrics.AlertsUndelivered, int64(desk.Waiting()))
			return err
		})
	})
}
