package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Waits of the service between tries (AWS: "How Lambda handles errors and retries with asynchronous invocation").
const (
	firstRetry   = time.Minute
	secondRetry  = 2 * time.Minute
	throttleWait = time.Second // doubled each time, up to throttleMax
	throttleMax  = 5 * time.Minute
)

// maxQueued bounds the events waiting or under way; the service throttles the sender as well.
const maxQueued = 10_000

// maxAsync is the largest asynchronous event (AWS: Lambda quotas).
const maxAsync = 1 << 20

var errQueueFull = errors.New("too many asynchronous events are waiting")

// asyncQueue holds events that nobody waits for.
type asyncQueue struct {
	ctx     context.Context
	invoke  func(function, requestID string, source Source, payload []byte) Result
	deliver func(function string, payload []byte) []time.Duration
	fail    func(destination string, record []byte) error
	problem func(error)

	mu     sync.Mutex
	queued int
	empty  *sync.Cond // queued is 0
}

func newAsyncQueue(ctx context.Context) *asyncQueue {
	q := &asyncQueue{ctx: ctx}
	q.empty = sync.NewCond(&q.mu)
	return q
}

// add accepts an event and returns its request id, which all tries share.
func (q *asyncQueue) add(fn Function, payload []byte) (string, error) {
	if len(payload) > maxAsync {
		return "", fmt.Errorf("event of %d bytes is larger than %d", len(payload), maxAsync)
	}
	delays := []time.Duration{0}
	if q.deliver != nil {
		delays = q.deliver(fn.Folder, payload)
	}
	id := newRequestID()
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.ctx.Err() != nil:
		return "", errClosed
	case q.queued+len(delays) > maxQueued:
		return "", errQueueFull
	}
	q.queued += len(delays)
	for i, delay := range delays {
		requestID := id
		if i > 0 {
			requestID = newRequestID() // a doubled event is another invocation
		}
		go func() {
			if pause(q.ctx, delay) {
				q.run(fn, requestID, payload)
			}
			q.mu.Lock()
			defer q.mu.Unlock()
			if q.queued--; q.queued == 0 {
				q.empty.Broadcast()
			}
		}()
	}
	return id, nil
}

// run tries an event until it succeeds, runs out of retries or is too old.
func (q *asyncQueue) run(fn Function, requestID string, payload []byte) {
	accepted := time.Now()
	throttle := throttleWait
	for tries := 0; ; {
		result := q.invoke(fn.Folder, requestID, SourceAsync, payload)
		if !result.Failed() || q.ctx.Err() != nil {
			return
		}
		var delay time.Duration
		if result.Outcome == Throttled {
			// Throttling uses up age but no retry.
			delay, throttle = throttle, min(2*throttle, throttleMax)
		} else {
			tries++
			if tries > fn.Async.Retries {
				q.discard(fn, requestID, "RetriesExhausted", tries, payload, result)
				return
			}
			delay = firstRetry
			if tries > 1 {
				delay = secondRetry
			}
		}
		if time.Since(accepted)+delay > fn.Async.MaxAge {
			q.discard(fn, requestID, "EventAgeExceeded", tries, payload, result)
			return
		}
		if !pause(q.ctx, delay) {
			return
		}
	}
}

// discard sends the record of a lost event to the function's failure destination.
func (q *asyncQueue) discard(fn Function, requestID, condition string, tries int, payload []byte, result Result) {
	if fn.Async.OnFailure == "" {
		return
	}
	record := map[string]any{
		"version":   "1.0",
		"timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{
			"requestId":              requestID,
			"functionArn":            fn.ARN + ":$LATEST",
			"condition":              condition,
			"approximateInvokeCount": tries,
		},
		"requestPayload": json.RawMessage(payload),
	}
	if result.Outcome != Throttled {
		record["responseContext"] = map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
		record["responsePayload"] = json.RawMessage(result.Payload)
	}
	body, err := json.Marshal(record)
	if err == nil {
		err = q.fail(fn.Async.OnFailure, body)
	}
	if err != nil && q.ctx.Err() == nil {
		q.problem(fmt.Errorf("send the failed event %s of %s to its destination: %w", requestID, fn.Folder, err))
	}
}

// wait returns when every accepted event is done with.
func (q *asyncQueue) wait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.queued > 0 {
		q.empty.Wait()
	}
}
