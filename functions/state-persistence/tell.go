package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// telling runs take, and tells whoever gets the alerts what came out when all orders were
// read. That some were wrong is stored before the snapshot is, since later nobody would find
// it again; all else, and the delivery, comes after the work, which it makes nobody do again.
func telling(desk func() (*alert.Desk, error), take func(context.Context, *job.Run, func(context.Context, []swap.OrderID) error) error) func(context.Context, *job.Run) error {
	return func(ctx context.Context, r *job.Run) error {
		later := func(context.Context) error { return nil }
		err := take(ctx, r, func(ctx context.Context, wrong []swap.OrderID) error {
			d, err := desk()
			if err != nil {
				return err
			}
			read := time.Now()
			later = func(ctx context.Context) error {
				if len(wrong) > 0 {
					return d.Flush(ctx, time.Now())
				}
				return errors.Join(compared(ctx, d, nil, read), d.Flush(ctx, time.Now()))
			}
			if len(wrong) == 0 {
				return nil
			}
			return compared(ctx, d, wrong, read)
		})
		if err != nil {
			return errors.Join(err, later(ctx))
		}
		r.Afterwards(func(ctx context.Context) error { return later(ctx) })
		return nil
	}
}

// compared raises one alert for all orders that would have been taken over wrongly, and
// ends it when there is none.
func compared(ctx context.Context, desk *alert.Desk, wrong []swap.OrderID, now time.Time) error {
	a := alert.Alert{Kind: alert.SnapshotWrong}
	if len(wrong) == 0 {
		return desk.Resolve(ctx, a.Key(), "all open orders were read at "+now.UTC().Format(time.RFC3339)+", and were as the snapshot had them", now)
	}
	a.What = fmt.Sprintf("Of %d open orders, such as %s, the newest snapshot said what was not so any more. All have been read anew.", len(wrong), wrong[0])
	return desk.Raise(ctx, a, now)
}
