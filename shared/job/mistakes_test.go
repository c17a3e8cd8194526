package job_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// Each test here is named after a mistake of the proposal that this system grew
// from, and shows that it is not made.

// Its locks had no expiry and no owner: one crash stopped a job for ever. Here the
// lease of a run that was killed at work is taken over by the next tick, which says
// what died, and whoever is thawed after that can do nothing any more.
func TestLocksWithoutExpiryOrOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		killed, err := b.Acquire(t.Context(), job.Claim{Key: job.JobKey("sweep"), Token: "killed", Job: "sweep", Tick: tick, Now: time.Now(), Until: time.Now().Add(job.LeaseTime)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		ran := false
		if err := b.invoke(task(func(context.Context, *job.Run) error { ran = true; return nil }), now()); err != nil || !ran {
			t.Errorf("the next tick: ran %v, %v", ran, err)
		}
		if rec, ok := b.Run("sweep", tick); !ok || rec.State != job.Abandoned || rec.Token != "killed" {
			t.Errorf("what died is recorded as %+v", rec)
		}
		if err := b.Renew(t.Context(), killed, time.Now().Add(time.Minute)); !errors.Is(err, job.ErrLost) {
			t.Errorf("the dead one renews: %v", err)
		}
	})
}

// Its idempotency key contained a fresh random UUID, so that nothing was ever done
// twice by its own account. Here the key is the job and the scheduled time: one
// event that comes three times is one run, though each delivery has a token of its
// own.
func TestIdempotencyKeyWithARandomUUID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tick := newBench(t), now()
		tokens := map[string]bool{}
		for range 3 {
			if err := b.invoke(task(func(_ context.Context, r *job.Run) error { tokens[r.Token] = true; return nil }), tick); err != nil {
				t.Error(err)
			}
		}
		runs := map[any]bool{}
		for _, l := range b.lines("run ended") {
			runs[l["run"]] = true
		}
		if len(tokens) != 1 || len(runs) != 3 {
			t.Errorf("%d runs worked, of %d deliveries; want 1 of 3", len(tokens), len(runs))
		}
	})
}

// It swallowed errors: a catch that logs and returns, so that nothing outside could
// see that a job fails. Here whatever goes wrong is returned: what the job says, a
// record that cannot be written, a lease that cannot be given back.
func TestSwallowedErrors(t *testing.T) {
	broken := errors.New("chain 10 is away")
	for name, c := range map[string]struct {
		op   string
		run  error
		want error
	}{
		"the job fails":                 {run: broken, want: broken},
		"the run cannot be recorded":    {op: "record", want: faulttest.ErrInjected},
		"the lease cannot be released":  {op: "release", want: faulttest.ErrInjected},
		"the lease cannot be asked for": {op: "acquire", want: faulttest.ErrInjected},
		"nobody knows whether it ran":   {op: "finished", want: faulttest.ErrInjected},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.Fail(func(op string) faulttest.Fault {
				if op == c.op {
					return faulttest.Refused
				}
				return faulttest.OK
			})
			if err := b.invoke(task(func(context.Context, *job.Run) error { return c.run }), now()); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if line := b.lastLine(); line["error"] == nil || line["level"] != "ERROR" {
				t.Errorf("%s: log line %v", name, line)
			}
		})
	}
}
