package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Consumer is a job that messages start. M is what a message says; equal messages of a batch are
// one piece of work.
type Consumer[M comparable] struct {
	Name     string
	Critical bool
	Timeout  time.Duration // after which the function is killed
	Margin   time.Duration // kept back from it, as in Task
	Parallel int           // pieces of work at a time, at least 1
	// Decode reads a message. Its error is logged as the reason why the message is refused, so it
	// must not quote the body.
	Decode func(body string) (M, error)
	// Handle does the work. An error makes its messages come again, so what is only bad news
	// about a swap must not be one. It has to be safe to repeat.
	Handle func(context.Context, *Run, M) error
}

// Validate reports every combination that cannot work.
func (c Consumer[M]) Validate() error {
	errs := validTimes(c.Timeout, c.Margin)
	if c.Name == "" {
		errs = append(errs, errors.New("no name"))
	}
	if c.Parallel < 1 {
		errs = append(errs, fmt.Errorf("parallel %d is below 1", c.Parallel))
	}
	if c.Decode == nil || c.Handle == nil {
		errs = append(errs, errors.New("nothing to decode or handle messages with"))
	}
	if len(errs) > 0 {
		return fmt.Errorf("job %q: %w", c.Name, errors.Join(errs...))
	}
	return nil
}

// Queue returns the handler of a consumer. Its payload is an SQS batch, of an event source mapping
// with ReportBatchItemFailures:
//
//   - A message that does not decode is refused: logged with the reason and reported as failed, so
//     that it reaches the dead-letter queue. The rest of the batch proceeds.
//   - Messages whose work fails, or for which no time is left, are reported as failed and come again.
//   - If all work failed, or the run could not be recorded, the error is returned, so that Lambda's
//     Errors metric counts it; then all messages come again, which does no harm.
//
// A batch is one run: one log line with the metrics in it, and one run item, failed if any work
// failed. A panic lets the other work end, is recorded and goes on.
func Queue[M comparable](d Deps, c Consumer[M]) (Handler, error) {
	if err := errors.Join(d.validate(), c.Validate()); err != nil {
		return nil, err
	}
	return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) { return c.batch(ctx, d, payload) }), nil
}

// piece is the messages of a batch that say the same.
type piece[M comparable] struct {
	message M
	ids     []string
	err     error
}

func (c Consumer[M]) batch(ctx context.Context, d Deps, payload []byte) ([]byte, error) {
	ctx, r, budget, cancel := newRun(ctx, d, c.Name, c.Timeout, c.Margin)
	defer cancel()
	end := ending{critical: c.Critical, started: time.Now()}
	var event events.SQSEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		end.err = fmt.Errorf("queue event: %w", err)
		return nil, r.finish(ctx, end)
	}
	r.Scheduled, r.cause.Queued = end.started.UTC().Round(0), true

	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	fail := func(id string) {
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	pieces := c.decode(ctx, r, event.Records, fail)
	err := r.execute(ctx, budget, end, func(ctx context.Context) (int, error) {
		c.work(ctx, r, pieces)
		var errs []error
		for _, p := range pieces {
			if p.err != nil {
				errs = append(errs, p.err)
				for _, id := range p.ids {
					fail(id)
				}
			}
		}
		return 1, errors.Join(errs...)
	})
	failed := 0
	for _, p := range pieces {
		if p.err != nil {
			failed++
		}
	}
	if len(r.problems) > 0 || failed > 0 && failed == len(pieces) {
		return nil, err
	}
	// What remains of err is in the log line and the run item; returning it would bring back the
	// messages that are done with.
	return json.Marshal(answer)
}

// decode groups the messages by what they say and refuses those that say nothing known.
func (c Consumer[M]) decode(ctx context.Context, r *Run, messages []events.SQSMessage, fail func(id string)) []*piece[M] {
	var pieces []*piece[M]
	byMessage := map[M]*piece[M]{}
	refused := 0
	senders := map[string]bool{}
	for _, msg := range messages {
		if run := sender(msg); run != "" {
			senders[run] = true
		}
		m, err := c.Decode(msg.Body)
		if err != nil {
			refused++
			r.Log.ErrorContext(ctx, "message refused", "message_id", msg.MessageId, "receives", msg.Attributes["ApproximateReceiveCount"],
				"bytes", len(msg.Body), "reason", bounded(err.Error(), MaxReason))
			fail(msg.MessageId)
			continue
		}
		p := byMessage[m]
		if p == nil {
			p = &piece[M]{message: m}
			byMessage[m] = p
			pieces = append(pieces, p)
		}
		p.ids = append(p.ids, msg.MessageId)
	}
	r.Note("messages", len(messages))
	r.Note("pieces", len(pieces))
	if refused > 0 {
		r.Note("refused", refused)
	}
	if len(senders) > 0 {
		tokens := slices.Sorted(maps.Keys(senders))
		r.Note("sent_by", tokens)
		r.cause.SentBy = strings.Join(tokens[:min(len(tokens), maxSentBy)], " ")
	}
	return pieces
}

// RunAttribute is the message attribute that names the run which sent a message.
const RunAttribute = "run"

// sender is the run that sent a message, "" if none says so. It is for the log alone; what is no token
// of ours is nobody's.
func sender(msg events.SQSMessage) string {
	a := msg.MessageAttributes[RunAttribute].StringValue
	if a == nil || len(*a) != tokenLength || strings.Trim(*a, base32) != "" {
		return ""
	}
	return *a
}

// What rand.Text makes of a run token.
const (
	base32      = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	tokenLength = 26
)

// work handles the pieces, at most c.Parallel at a time, and panics as one of them did when all have
// ended. One chain that stalls must not keep the others waiting.
func (c Consumer[M]) work(ctx context.Context, r *Run, pieces []*piece[M]) {
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		panicked []any
		slots    = make(chan struct{}, c.Parallel)
	)
	for _, p := range pieces {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			p.err = fmt.Errorf("no time left to handle a message: %w", context.Cause(ctx))
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			defer func() {
				if v := recover(); v != nil {
					mu.Lock()
					defer mu.Unlock()
					panicked = append(panicked, v)
					p.err = fmt.Errorf("panic: %v", v)
					r.Log.ErrorContext(ctx, "message handler panicked", "panic", bounded(fmt.Sprint(v), MaxReason), "stack", bounded(string(debug.Stack()), maxLogged))
				}
			}()
			p.err = c.Handle(ctx, r, p.message)
		})
	}
	wg.Wait()
	if len(panicked) > 0 {
		panic(panicked[0])
	}
}

// Either returns a handler for a function that is invoked both by a schedule and by a queue. What is
// neither's event goes to scheduled, which refuses it as it refuses all others: logged and counted.
func Either(scheduled, queue Handler) Handler {
	return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		var shape struct{ Records json.RawMessage }
		if err := json.Unmarshal(payload, &shape); err == nil && shape.Records != nil {
			return queue.Invoke(ctx, payload)
		}
		return scheduled.Invoke(ctx, payload)
	})
}
