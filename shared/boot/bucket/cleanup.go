package bucket

import (
	"context"
	"errors"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// Cleanup is what order-cleanup does in a run. Damaged objects are told by a desk of
// the run's own, which there is only if there is something to tell. That it cannot be
// delivered makes nothing be done again.
func Cleanup(b *boot.Base, objects cleanup.Bucket) func(ctx context.Context, r *job.Run) error {
	keep := cleanup.KeepMainnet
	if b.Profile == job.Test {
		keep = cleanup.KeepTest
	}
	return func(ctx context.Context, r *job.Run) error {
		var desk *alert.Desk
		tell := func(ctx context.Context, key string, why error) (err error) {
			if desk == nil {
				if desk, err = b.Desk(); err != nil {
					return err
				}
			}
			return tellOfObject(ctx, desk, key, why, time.Now())
		}
		c := cleanup.Cleaner{Orders: b.Store.Closed(), Batches: b.Store.Closed(), Damages: b.Store.Closed(), Bucket: objects, Tell: tell, Keep: keep}
		got, err := c.Run(ctx, time.Now())
		r.Note("batches", got.Batches)
		r.Note("archived", got.Archived)
		r.Note("removed", got.Removed)
		r.Note("left", got.Left)
		r.Note("waiting", got.Waiting)
		r.Note("damaged", got.Damaged)
		if desk == nil {
			return err
		}
		deliver := func(ctx context.Context) error { return desk.Flush(ctx, time.Now()) }
		if err != nil {
			return errors.Join(err, deliver(ctx))
		}
		r.Afterwards(deliver)
		return nil
	}
}

// raiser takes alerts. alert.Desk implements it.
type raiser interface {
	Raise(ctx context.Context, a alert.Alert, now time.Time) error
	Resolve(ctx context.Context, key, proof string, now time.Time) error
}

func tellOfObject(ctx context.Context, desk raiser, key string, why error, now time.Time) error {
	a := alert.Alert{Kind: alert.ArchiveDamaged, Account: key}
	if why == nil {
		return desk.Resolve(ctx, a.Key(), "the object can be read again, or has been taken away", now)
	}
	a.What = "The archived object " + key + " cannot be read: " + why.Error() + "."
	return desk.Raise(ctx, a, now)
}
