package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// tell tells whoever gets the alerts what came out when all orders were read.
func tell(b *boot.Base) func(context.Context, []swap.OrderID) error {
	return func(ctx context.Context, wrong []swap.OrderID) error {
		topic, err := b.Topic()
		if err != nil {
			return err
		}
		return compared(ctx, alert.NewDesk(b.Store.Alerts(), topic, b.Log), wrong, time.Now())
	}
}

// compared raises one alert for all orders that would have been taken over wrongly, and
// ends it when there is none.
func compared(ctx context.Context, desk *alert.Desk, wrong []swap.OrderID, now time.Time) error {
	a := alert.Alert{Kind: alert.SnapshotWrong}
	var err error
	if len(wrong) == 0 {
		err = desk.Resolve(ctx, a.Key(), "all open orders were read at "+now.UTC().Format(time.RFC3339)+", and were as the snapshot had them", now)
	} else {
		a.What = fmt.Sprintf("Of %d open orders, such as %s, the newest snapshot said what was not so any more. All have been read anew.", len(wrong), wrong[0])
		err = desk.Raise(ctx, a, now)
	}
	return errors.Join(err, desk.Flush(ctx, now))
}
