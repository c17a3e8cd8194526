package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Deps are what every handler needs.
type Deps struct {
	Locker   Locker
	Recorder Recorder
	Log      *slog.Logger
}

func (d Deps) validate() error {
	var errs []error
	if d.Locker == nil {
		errs = append(errs, errors.New("no locker"))
	}
	if d.Recorder == nil {
		errs = append(errs, errors.New("no recorder"))
	}
	if d.Log == nil {
		errs = append(errs, errors.New("no logger"))
	}
	return errors.Join(errs...)
}

// Task is a job that a schedule starts.
type Task struct {
	Name      string
	Critical  bool // its failure is an error for whoever is on watch, else a warning
	Exclusive bool // no two runs at once, enforced by a lease
	// Deferrable: a run waits while Slots others like it are at work, and is put off if that lasts for
	// half of its time.
	Deferrable bool
	// Retries is how often a failed attempt is repeated within one invocation, Backoff[i] before
	// retry i+1; the last one stands for all further ones.
	Retries int
	Backoff []time.Duration
	Period  time.Duration // between two ticks
	Timeout time.Duration // after which the function is killed
	// Margin is kept back from the time that the invocation has left, for the run item, the
	// release of the lease and the log line.
	Margin time.Duration
	// Run does the work of one tick. It is called again after an error, so it must be safe to
	// repeat; it ends soon after its context does. See Run.Afterwards for what does not belong to the work.
	Run func(context.Context, *Run) error
}

// Validate reports every combination that cannot work.
func (t Task) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if t.Name == "" {
		bad("no name")
	}
	if t.Run == nil {
		bad("nothing to run")
	}
	if t.Period <= 0 {
		bad("period %s is not positive", t.Period)
	}
	if t.Critical && t.Deferrable {
		bad("critical and deferrable")
	}
	if t.Exclusive && t.Timeout >= t.Period {
		bad("timeout %s is not below the period %s: an exclusive job would meet itself", t.Timeout, t.Period)
	}
	errs = append(errs, validTimes(t.Timeout, t.Margin)...)
	if t.Retries < 0 {
		bad("retries %d is negative", t.Retries)
	}
	if (t.Retries == 0) != (len(t.Backoff) == 0) || len(t.Backoff) > t.Retries {
		bad("%d back-offs for %d retries: want at least one and at most one for each", len(t.Backoff), t.Retries)
	}
	var wait time.Duration
	for i := range t.Retries {
		d := t.backoff(i + 1)
		if d <= 0 {
			bad("back-off %d is %s, not positive", i+1, d)
		}
		wait += d
	}
	if wait >= t.Timeout-t.Margin && wait > 0 {
		bad("back-offs of %s do not fit into the timeout %s minus the margin %s", wait, t.Timeout, t.Margin)
	}
	if len(errs) > 0 {
		return fmt.Errorf("job %q: %w", t.Name, errors.Join(errs...))
	}
	return nil
}

// validTimes checks what scheduled and queue-driven work have in common.
func validTimes(timeout, margin time.Duration) (errs []error) {
	const most = 15 * time.Minute // https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
	if timeout <= 0 || timeout > most || timeout%time.Second != 0 {
		errs = append(errs, fmt.Errorf("timeout %s is not whole seconds up to %s", timeout, most))
	}
	if margin < minMargin {
		errs = append(errs, fmt.Errorf("margin %s is below %s", margin, minMargin))
	}
	if margin >= timeout {
		errs = append(errs, fmt.Errorf("margin %s is not below the timeout %s", margin, timeout))
	}
	return errs
}

// minMargin suffices for two storage writes and a log line.
const minMargin = 500 * time.Millisecond

// backoff is the wait before a retry, counted from 1. Without any it is zero.
func (t Task) backoff(retry int) time.Duration {
	if len(t.Backoff) == 0 {
		return 0
	}
	return t.Backoff[min(retry, len(t.Backoff))-1]
}

// attempts runs the task, again after errors while the budget lasts, and then what it left to be done afterwards,
// likewise. It returns how often the task ran.
func (t Task) attempts(ctx context.Context, r *Run) (n int, err error) {
	n, err = t.repeat(ctx, r, func(ctx context.Context) error {
		r.left = nil
		return t.Run(ctx, r)
	})
	if err == nil {
		err = r.Check(time.Now())
	}
	if err != nil {
		return n, err
	}
	for _, do := range r.left {
		_, err := t.repeat(ctx, r, do)
		r.problem(err)
	}
	return n, nil
}

// repeat does something until it succeeds, as often as the task may run and while the budget lasts. It returns how
// often it did it.
func (t Task) repeat(ctx context.Context, r *Run, do func(context.Context) error) (n int, err error) {
	for n = 1; ; n++ {
		if err = do(ctx); err == nil {
			return n, nil
		}
		// A lost lease or the end of the budget is not cured by trying again.
		if n > t.Retries || ctx.Err() != nil || errors.Is(err, ErrLost) {
			return n, err
		}
		wait := t.backoff(n)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return n, fmt.Errorf("%w (no time left to retry in %s)", err, wait)
		}
		r.Log.WarnContext(ctx, "attempt failed", "attempt", n, "wait_ms", wait.Milliseconds(), "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return n, errors.Join(err, context.Cause(ctx))
		}
	}
}
