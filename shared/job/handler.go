package job

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/bridge-me-not/resolver-cron/shared/metrics"
)

// Handler answers one Lambda invocation. It is lambda.Handler of aws-lambda-go.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

type handlerFunc func(context.Context, []byte) ([]byte, error)

func (f handlerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// Scheduled returns the handler of a task. Its payload is an EventBridge scheduled event, whose time
// is the tick:
//
//   - A tick older than one period, and at least a minute, is dropped: the next one is on its way. That
//     it came so late is an error, lest a schedule that lags is taken for one that works; one of more
//     than an hour ago was sent by hand, and is dropped without.
//   - A tick recorded as done is dropped: EventBridge and Lambda deliver at least once.
//   - An exclusive task whose lease another run holds leaves at once; it is an error if that lease lasts
//     so long that a clock must be wrong.
//   - A deferrable task for which no slot comes free in half of its time is put off: the next tick is
//     the retry.
//   - Otherwise the task runs within the time that the invocation has left minus the margin,
//     is recorded, and its error is returned, so that Lambda's Errors metric counts it.
//
// A panic is recorded and goes on. Each invocation ends in one log line with the metrics in it.
func Scheduled(d Deps, t Task) (Handler, error) {
	if err := errors.Join(d.validate(), t.Validate()); err != nil {
		return nil, err
	}
	return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		return []byte("null"), runTick(ctx, d, t, payload)
	}), nil
}

// minStale is the age up to which no tick is stale, whatever the period: EventBridge may deliver
// late, and a late run of a ten-second job is better than none. A tick as far ahead is no tick.
const minStale = time.Minute

// replayed is the age from which on a tick comes from nobody's schedule: EventBridge and Lambda give
// one up after a minute each, as the template says.
const replayed = time.Hour

// Why an event was dropped.
const (
	droppedStale     = "stale"
	droppedDuplicate = "duplicate"
	droppedHeld      = "held"
	droppedDeferred  = "deferred"
)

func runTick(ctx context.Context, d Deps, t Task, payload []byte) error {
	ctx, r, budget, cancel := newRun(ctx, d, t.Name, t.Timeout, t.Margin)
	defer cancel()
	end := ending{critical: t.Critical, started: time.Now()}

	tick, err := tickOf(payload)
	if err != nil {
		end.err = err
		return r.finish(ctx, end)
	}
	if ahead := tick.Sub(end.started); ahead > minStale {
		end.err = fmt.Errorf("scheduled event: its time is %s ahead", ahead.Round(time.Second))
		return r.finish(ctx, end)
	}
	r.Scheduled = tick
	if late := end.started.Sub(tick); late > max(t.Period, minStale) {
		end.dropped = droppedStale
		if late <= replayed {
			end.err = fmt.Errorf("scheduled event: it came %s late", late.Round(time.Second))
		}
		return r.finish(ctx, end)
	}
	work := budget
	if t.Exclusive {
		r.hold, err = acquire(budget, d.Locker, Claim{Key: JobKey(t.Name), Token: r.Token, Job: t.Name, Tick: tick}, r.deadline)
		switch {
		case errors.Is(err, ErrHeld):
			end.dropped = droppedHeld
			return r.finish(ctx, end)
		case err != nil:
			end.err = err
			return r.finish(ctx, end)
		}
		work = r.hold.ctx
		r.abandon(budget, r.hold.Lease())
	}
	// Under the lease: a run of the same tick that has ended is recorded before it releases.
	done, err := d.Recorder.Finished(budget, t.Name, tick)
	if err != nil { // a repeat does no harm, a missed tick may
		r.problem(fmt.Errorf("look for a finished run of this tick: %w", err))
	}
	if done {
		end.dropped = droppedDuplicate
		return r.finish(ctx, end)
	}
	if t.Deferrable {
		r.slot, err = takeSlot(work, d.Locker, Claim{Token: r.Token, Job: t.Name, Tick: tick}, r.deadline, time.Until(r.deadline.Add(-t.Margin))/2)
		r.Note("waited_ms", time.Since(end.started).Milliseconds())
		switch {
		case errors.Is(err, errNoSlot):
			end.dropped = droppedDeferred
			return r.finish(ctx, end)
		case err != nil:
			end.err = err
			return r.finish(ctx, end)
		}
	}
	return r.execute(ctx, work, end, func(ctx context.Context) (int, error) { return t.attempts(ctx, r) })
}

// tickOf reads the time of a scheduled event.
func tickOf(payload []byte) (time.Time, error) {
	var e events.EventBridgeEvent
	if err := json.Unmarshal(payload, &e); err != nil {
		return time.Time{}, fmt.Errorf("scheduled event: %w", err)
	}
	if e.Time.IsZero() {
		return time.Time{}, errors.New("scheduled event: time is missing")
	}
	return e.Time.UTC(), nil
}

// newRun starts a run: its context, and within that its budget, the time until the invocation is
// killed minus the margin.
func newRun(ctx context.Context, d Deps, name string, timeout, margin time.Duration) (all context.Context, r *Run, budget context.Context, cancel context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(timeout)
	}
	token := rand.Text()
	r = &Run{Job: name, Token: token, Metrics: &metrics.Set{}, deps: d, deadline: deadline,
		Log: d.Log.With("job", name, "run", token)}
	all = metrics.WithRun(ctx, name, token)
	budget, cancel = context.WithDeadline(all, deadline.Add(-margin))
	return all, r, budget, cancel
}

// ending is what is known of a run when it ends.
type ending struct {
	critical bool
	started  time.Time
	attempts int    // 0: the work did not start
	dropped  string // why nothing was done; empty if something was
	err      error
	panicked any
	stack    []byte
}

// execute runs body under ctx and finishes the run, whatever body does. all is the context of the
// invocation.
func (r *Run) execute(all, ctx context.Context, end ending, body func(context.Context) (int, error)) error {
	func() {
		defer func() {
			if end.panicked = recover(); end.panicked != nil {
				end.stack = debug.Stack()
				end.err = fmt.Errorf("panic: %v", end.panicked)
			}
		}()
		end.attempts = 1 // should it panic
		tick := map[string]string{"tick": r.Scheduled.Format(time.RFC3339)}
		end.err = metrics.Trace(ctx, r.Job, tick, func(ctx context.Context) (err error) {
			end.attempts, err = body(ctx)
			return err
		})
	}()
	err := r.finish(all, end)
	if end.panicked != nil {
		panic(end.panicked)
	}
	return err
}

// finish records the run, releases its leases and writes its one log line, in this order: if we
// crash after the record, the lease expires and whoever takes it over finds the tick done; the
// other way round a duplicate event could run it again. It returns everything that went wrong.
func (r *Run) finish(ctx context.Context, end ending) error {
	closing, cancel := r.closing(ctx)
	defer cancel()
	ended := time.Now()
	state := Done
	if end.err != nil {
		state = Failed
	}
	if end.dropped == "" && !r.Scheduled.IsZero() {
		rec := Record{Job: r.Job, Scheduled: r.Scheduled, State: state, Token: r.Token, Started: end.started, Ended: ended, Attempts: end.attempts, Cause: r.cause}
		if r.hold != nil {
			rec.Fence = r.hold.Lease().Fence
		}
		if end.err != nil {
			rec.Reason, rec.Class = bounded(end.err.Error(), MaxReason), end.class()
		}
		r.mu.Lock()
		rec.RPC = r.rpc
		r.mu.Unlock()
		if err := r.deps.Recorder.Record(closing, rec); err != nil {
			r.problem(fmt.Errorf("record the run: %w", err))
		}
	}
	if r.hold != nil {
		if err := r.hold.release(closing, true); err != nil && !errors.Is(end.err, ErrLost) {
			r.problem(err)
		}
	}
	r.problem(r.leaveSlot(closing))
	r.mu.Lock()
	notes, problems := r.notes, errors.Join(r.problems...)
	r.mu.Unlock()
	err := errors.Join(end.err, problems)
	r.logEnd(ctx, end, state, ended, notes, err)
	return err
}

func (r *Run) logEnd(ctx context.Context, end ending, state State, ended time.Time, notes []slog.Attr, err error) {
	level, outcome := slog.LevelInfo, state.String()
	if end.dropped != "" {
		outcome = "dropped"
	}
	if err != nil {
		level = slog.LevelWarn
		if end.critical {
			level = slog.LevelError
		}
	}
	attrs := []slog.Attr{
		slog.String("outcome", outcome),
		slog.Int64("duration_ms", ended.Sub(end.started).Milliseconds()),
		slog.Int("attempts", end.attempts),
	}
	if !r.Scheduled.IsZero() {
		attrs = append(attrs, slog.Time("tick", r.Scheduled), slog.Int64("lag_ms", end.started.Sub(r.Scheduled).Milliseconds()))
	}
	if r.hold != nil {
		attrs = append(attrs, slog.Int64("fence", r.hold.Lease().Fence))
	}
	if end.dropped != "" {
		attrs = append(attrs, slog.String("reason", end.dropped))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", bounded(err.Error(), maxLogged)))
	}
	if end.stack != nil {
		attrs = append(attrs, slog.String("stack", bounded(string(end.stack), maxLogged)))
	}
	attrs = append(attrs, notes...)
	attrs = append(attrs, r.Metrics.Attrs(ended, metrics.StackOf(r.Job))...)
	r.Log.LogAttrs(ctx, level, "run ended", attrs...)
}

// maxLogged bounds error and stack of a log line, in bytes; CloudWatch takes 1 MB for a line.
const maxLogged = 16_000

// bounded cuts s to at most n bytes of valid text.
func bounded(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
