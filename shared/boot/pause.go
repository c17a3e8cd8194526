package boot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// unlessPaused runs a job unless an operator has paused it. A run that is held
// back is done: it was looked at, and a person is told. Pauses that cannot be
// read are the last known, and that they cannot is the run's error. Neither that
// nor what cannot be told makes the job be done again.
func (b *Base) unlessPaused(name string, run func(context.Context, *job.Run) error) func(context.Context, *job.Run) error {
	return func(ctx context.Context, r *job.Run) error {
		now := time.Now()
		pauses, unread := b.Control.Read(ctx)
		tell := func(ctx context.Context) error {
			return errors.Join(unread, b.tell(ctx, pauses.Concerning(name, false), now))
		}
		if p, free := pauses.Allows(control.Work{Job: name}, now); !free {
			r.Note("paused_until", p.Ends())
		} else if err := run(ctx, r); err != nil {
			return errors.Join(err, tell(ctx))
		}
		r.Afterwards(func(ctx context.Context) error {
			err := tell(ctx)
			if unread != nil { // look before it is told again
				pauses, unread = b.Control.Read(ctx)
			}
			return err
		})
		return nil
	}
}

func (b *Base) tell(ctx context.Context, pauses []control.Pause, now time.Time) error {
	if len(pauses) == 0 {
		return nil
	}
	desk, err := b.Desk()
	if err != nil {
		return fmt.Errorf("tell of pauses: %w", err)
	}
	return errors.Join(TellOf(ctx, desk, pauses, now), desk.Flush(ctx, now))
}

// Desk returns a desk for one run, which has to flush it at its end.
func (b *Base) Desk() (*alert.Desk, error) {
	topic, err := b.Topic()
	if err != nil {
		return nil, err
	}
	return alert.NewDesk(b.Store.Alerts(), topic, b.Log), nil
}

// TellOf raises an alert for each pause that is in force, and ends those of the
// others that were. Of one that is not yet, by a clock that is behind the one it was
// made by, it says nothing.
func TellOf(ctx context.Context, desk *alert.Desk, pauses []control.Pause, now time.Time) error {
	var errs []error
	for _, p := range pauses {
		a := pauseAlert(p)
		if p.InForce(now) {
			errs = append(errs, desk.Raise(ctx, a, now))
			continue
		}
		if p.From.After(now.Add(control.Skew)) {
			continue
		}
		errs = append(errs, desk.Resolve(ctx, a.Key(), "the pause ended at "+p.Ends().UTC().Format(time.RFC3339), now))
	}
	return errors.Join(errs...)
}

// pauseAlert words a pause for a person.
func pauseAlert(p control.Pause) alert.Alert {
	a := alert.Alert{Kind: alert.Paused, Chain: p.Chain, Account: p.Job, UntilWhen: p.Ends().UTC().Format(time.RFC3339)}
	claims := ""
	switch {
	case p.Job != "" && p.Job != job.ActionExecutor:
	case p.Claims:
		claims = " Source legs are not claimed either, though their secret is public."
		a.Severity = alert.Critical
	default:
		claims = " Source legs whose secret is public are claimed all the same."
	}
	a.What = fmt.Sprintf("%s has paused %s since %s: %s.%s", p.By, p.Scope, p.Since.UTC().Format(time.RFC3339), p.Why, claims)
	if p.Job == "" || p.Job == job.ActionExecutor {
		a.AtStake = "whatever falls due meanwhile"
	}
	return a
}
