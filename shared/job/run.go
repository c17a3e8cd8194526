package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// Run is one run of a job, given to its code. It is safe for concurrent use.
type Run struct {
	Job       string
	Scheduled time.Time // the tick; of queue-driven work the start of the batch
	Token     string    // fresh for every run
	Log       *slog.Logger
	Metrics   *metrics.Set

	deps     Deps
	deadline time.Time // when the invocation is killed
	cause    Cause     // what started it
	hold     *Hold     // of an exclusive job, else nil
	slot     *Hold     // of a deferrable job at work, else nil
	leases   atomic.Int64
	left     []func(context.Context) error // see Afterwards

	mu       sync.Mutex
	notes    []slog.Attr
	problems []error // that do not end the run and must not be lost
	rpc      RPC
}

// Check tells whether this run may still act: ErrLost once the lease of an exclusive job cannot be
// trusted at now. Call it with time.Now before each effect.
func (r *Run) Check(now time.Time) error {
	if r.hold == nil {
		return nil
	}
	return r.hold.Check(now)
}

// Note puts a field into the run's final log line, or replaces it; nil takes it back. Plain values
// under the usual keys, no secrets.
func (r *Run) Note(key string, value any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.notes, func(a slog.Attr) bool { return a.Key == key })
	switch {
	case i < 0 && value != nil:
		r.notes = append(r.notes, slog.Any(key, value))
	case i >= 0 && value != nil:
		r.notes[i].Value = slog.AnyValue(value)
	case i >= 0:
		r.notes = slices.Delete(r.notes, i, i+1)
	}
}

// AddRPC counts requests to endpoints among those of the run.
func (r *Run) AddRPC(more RPC) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rpc.Add(more)
}

// Afterwards has something done once this attempt of a scheduled run has succeeded, and done again after errors, as
// often as the work may be and without it: telling people what the work has found, which no failure to do so undoes. If
// it fails to the last, the invocation returns the error, and the run is done all the same. Call it from the task's
// own goroutine.
func (r *Run) Afterwards(do func(context.Context) error) {
	if r.cause.Queued {
		panic("a run that messages started has no afterwards")
	}
	r.left = append(r.left, do)
}

// problem keeps an error that does not end the run: the invocation returns it in the end.
func (r *Run) problem(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, err)
}

// Alone runs work under the lease of key, such as SignerKey. If another run holds the lease, that
// one is told to look again and Alone returns false and nil, unless that lease lasts so long that a
// clock must be wrong. If others asked while work was running,
// it runs again: whatever was written before a call of Alone anywhere is seen by a later start of
// work somewhere, unless the holder dies or fails, which their errors and the next ring make good.
func (r *Run) Alone(ctx context.Context, key string, work func(context.Context, *Hold) error) (ran bool, err error) {
	// Each lease has a token of its own: the same run asking twice must not hold it twice.
	token := fmt.Sprintf("%s.%d", r.Token, r.leases.Add(1))
	h, err := acquire(ctx, r.deps.Locker, Claim{Key: key, Token: token, Job: r.Job, Tick: r.Scheduled, Cause: r.cause, Want: true}, r.deadline)
	if errors.Is(err, ErrHeld) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() {
		if p := recover(); p != nil {
			r.problem(r.endHold(ctx, h))
			panic(p)
		}
	}()
	r.abandon(ctx, h.Lease())
	for {
		if err = work(h.ctx, h); err == nil {
			err = h.Check(time.Now())
		}
		if err != nil {
			return true, errors.Join(err, r.endHold(ctx, h))
		}
		end, cancel := r.closing(ctx)
		err = h.release(end, false)
		cancel()
		if !errors.Is(err, ErrWanted) {
			return true, err
		}
		if ctx.Err() != nil { // no time left to look again
			return true, errors.Join(fmt.Errorf("%w, and the run's time is over: %w", ErrWanted, context.Cause(ctx)), r.endHold(ctx, h))
		}
	}
}

// endHold releases a lease whose work failed, also when it is wanted: the failure is returned, so
// somebody rings again. That the lease is lost is no news then.
func (r *Run) endHold(ctx context.Context, h *Hold) error {
	end, cancel := r.closing(ctx)
	defer cancel()
	if err := h.release(end, true); !errors.Is(err, ErrLost) {
		return err
	}
	return nil
}

// abandon records the run that died holding this lease, if any.
func (r *Run) abandon(ctx context.Context, l Lease) {
	o := l.Orphan
	if o == nil || o.Job == "" || o.Token == l.Token {
		return
	}
	r.Log.WarnContext(ctx, "run abandoned", "abandoned_job", o.Job, "abandoned_tick", o.Tick, "abandoned_run", o.Token,
		"started_by", o.Cause.String(), "lease", l.Key)
	now := time.Now()
	err := r.deps.Recorder.Record(ctx, Record{Job: o.Job, Scheduled: o.Tick, State: Abandoned, Token: o.Token, Fence: o.Fence,
		Started: now, Ended: now, Cause: o.Cause, Reason: "its lease expired without release"})
	if err != nil {
		r.problem(fmt.Errorf("record the abandoned run of %s at %s: %w", o.Job, o.Tick.Format(time.RFC3339), err))
	}
}

// closing is the context for what has to be done at the end of a run, though its own time is over:
// until shortly before the invocation is killed, so that the log line is still written.
func (r *Run) closing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(ctx), r.deadline.Add(-lastWords))
}

// lastWords is what is kept of the invocation's time for the log line and the answer.
const lastWords = 100 * time.Millisecond
