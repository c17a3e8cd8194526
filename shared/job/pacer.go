package job

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Tick tells a job to run. Its message body is {"job":"timelock-monitor","time":"<RFC 3339, UTC>"}.
type Tick struct {
	Job  string    `json:"job"`
	Time time.Time `json:"time"`
}

// Body is the message of the tick.
func (t Tick) Body() (string, error) {
	b, err := json.Marshal(Tick{t.Job, t.Time.UTC()})
	return string(b), err
}

// DecodeTick reads a message. Its errors do not quote the body.
func DecodeTick(body string) (Tick, error) {
	var t Tick
	if err := decodeMessage(body, &t); err != nil {
		return Tick{}, fmt.Errorf("tick: %w", err)
	}
	if _, err := pacedPeriod(t.Job); err != nil {
		return Tick{}, fmt.Errorf("tick: %w", err)
	}
	if t.Time.IsZero() {
		return Tick{}, errors.New("tick: time is missing")
	}
	return Tick{t.Job, t.Time.UTC().Round(0)}, nil
}

// DueTick is a tick and how long from now it is due.
type DueTick struct {
	Tick
	Delay time.Duration // whole seconds, 0 to 60: what SQS can delay; never early
}

// TickSender puts ticks on the pacer's own queue, each with its delay. An error may leave some of
// them sent: sending them again is harmless.
type TickSender interface {
	SendTicks(ctx context.Context, ticks []DueTick) error
}

// Invoker starts a job's function with that payload and does not wait for its end. nil means that
// the platform took the event over.
type Invoker interface {
	Invoke(ctx context.Context, job string, payload []byte) error
}

// minute is what the pacer fills at a time: its own period.
const minute = time.Minute

// pacedPeriod is the period of a job that the pacer paces: those of the test profile that are on a
// schedule below the minute, which is EventBridge's finest.
func pacedPeriod(name string) (time.Duration, error) {
	s, err := Lookup(name)
	if err != nil {
		return 0, errors.New("job is not in the table") // the name is hostile input
	}
	if p := s.Test.Period; p > 0 && p < minute {
		return p, nil
	}
	return 0, fmt.Errorf("job %s is not paced", s.Name)
}

// Ticks are the ticks of all paced jobs from the minute that starts at from, sorted by time. They are
// multiples of the period since the epoch, so minutes that follow each other at any offset give
// each tick once. What is older than its period at now is left out: the next one is as good.
func Ticks(from, now time.Time) []DueTick {
	var ticks []DueTick
	for _, s := range Table {
		period, err := pacedPeriod(s.Name)
		if err != nil {
			continue
		}
		end := from.Add(minute)
		for t := ceil(from, period); t.Before(end); t = t.Add(period) {
			if now.Sub(t) > period {
				continue
			}
			delay := max(t.Sub(now), 0)
			if rest := delay % time.Second; rest > 0 {
				delay += time.Second - rest
			}
			ticks = append(ticks, DueTick{Tick{s.Name, t.UTC()}, delay})
		}
	}
	slices.SortFunc(ticks, func(a, b DueTick) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Job, b.Job)) })
	return ticks
}

// ceil is the first multiple of d since the Unix epoch that is not before t.
func ceil(t time.Time, d time.Duration) time.Time {
	ns := t.UnixNano()
	if rest := ns % int64(d); rest > 0 {
		ns += int64(d) - rest
	}
	return time.Unix(0, ns)
}

// Event is the payload that starts a job at a tick: an EventBridge scheduled event.
func (t Tick) Event() ([]byte, error) {
	at := t.Time.UTC()
	e := events.EventBridgeEvent{Version: "0", ID: fmt.Sprintf("%s@%d", t.Job, at.Unix()), DetailType: "Scheduled Event",
		Source: "resolver-cron.pacer", Time: at, Resources: []string{t.Job}, Detail: json.RawMessage("{}")}
	return json.Marshal(e)
}

// Pacer returns the handler of a clock finer than EventBridge's: a scheduled event puts the ticks of
// the minute from its time on the queue, and each message of that queue invokes its job. A tick that
// comes later than its period is dropped, and its line says so.
func Pacer(d Deps, send TickSender, invoke Invoker) (Handler, error) {
	if send == nil || invoke == nil {
		return nil, errors.New("pacer without a queue or an invoker")
	}
	fill, err := NewTask(PacerJob, Test, func(ctx context.Context, r *Run) error {
		ticks := Ticks(r.Scheduled, time.Now())
		r.Note("ticks", len(ticks))
		if err := r.Check(time.Now()); err != nil {
			return err
		}
		return send.SendTicks(ctx, ticks)
	})
	if err != nil {
		return nil, err
	}
	beat, err := NewConsumer(PacerJob, Test, DecodeTick, func(ctx context.Context, r *Run, t Tick) error {
		period, err := pacedPeriod(t.Job)
		if err != nil {
			return err
		}
		if late := time.Since(t.Time); late > period {
			r.Log.WarnContext(ctx, "tick dropped", "paced_job", t.Job, "tick", t.Time, "late_ms", late.Milliseconds())
			return nil
		}
		event, err := t.Event()
		if err != nil {
			return err
		}
		if err := invoke.Invoke(ctx, t.Job, event); err != nil {
			return fmt.Errorf("invoke %s for %s: %w", t.Job, t.Time.Format(time.RFC3339), err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	scheduled, err := Scheduled(d, fill)
	if err != nil {
		return nil, err
	}
	queued, err := Queue(d, beat)
	if err != nil {
		return nil, err
	}
	return Either(scheduled, queued), nil
}
