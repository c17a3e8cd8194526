package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// bench is an asynchronous queue before a function that answers as told, in a bubble's time.
type bench struct {
	*asyncQueue
	begin time.Time

	mu       sync.Mutex
	tried    []time.Duration
	ids      map[string]int
	records  []string
	problems []error
}

func newBench(ctx context.Context, outcomes ...Outcome) *bench {
	b := &bench{asyncQueue: newAsyncQueue(ctx), begin: time.Now(), ids: map[string]int{}}
	b.invoke = func(_, requestID string, _ Source, _ []byte) Result {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.tried = append(b.tried, time.Since(b.begin))
		b.ids[requestID]++
		if n := len(b.tried); n <= len(outcomes) && outcomes[n-1] != OK {
			return failure(requestID, outcomes[n-1], "Some.Type", "some message")
		}
		return Result{RequestID: requestID, Outcome: OK}
	}
	b.fail = func(_ string, record []byte) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.records = append(b.records, string(record))
		return nil
	}
	b.problem = func(err error) { b.problems = append(b.problems, err) }
	return b
}

func asyncFunction(maxAge time.Duration, retries int) Function {
	return function(func(f *Function) {
		f.Async = template.Async{MaxAge: maxAge, Retries: retries, OnFailure: "arn:aws:sqs:eu-west-1:000000000000:failed"}
	})
}

func TestAsync(t *testing.T) {
	const s, m = time.Second, time.Minute
	tests := []struct {
		name     string
		fn       Function
		outcomes []Outcome
		deliver  []time.Duration
		tried    []time.Duration
		ids      int
		lost     string // condition of the failure record, "" for none
		count    int
	}{
		{name: "success", fn: asyncFunction(m, 0), tried: []time.Duration{0}, ids: 1},
		{name: "no retries", fn: asyncFunction(m, 0), outcomes: []Outcome{Crashed}, tried: []time.Duration{0}, ids: 1, lost: "RetriesExhausted", count: 1},
		{name: "succeeds in the last try", fn: asyncFunction(6*m, 2), outcomes: []Outcome{TimedOut, FunctionError}, tried: []time.Duration{0, m, 3 * m}, ids: 1},
		{name: "fails in every try", fn: asyncFunction(6*m, 2), outcomes: []Outcome{Crashed, Crashed, Crashed}, tried: []time.Duration{0, m, 3 * m}, ids: 1, lost: "RetriesExhausted", count: 3},
		{name: "too old for the second retry", fn: asyncFunction(2*m, 2), outcomes: []Outcome{Crashed, Crashed, Crashed}, tried: []time.Duration{0, m}, ids: 1, lost: "EventAgeExceeded", count: 2},
		{name: "throttled uses up no retry", fn: asyncFunction(m, 0), outcomes: []Outcome{Throttled, Throttled, OK}, tried: []time.Duration{0, s, 3 * s}, ids: 1},
		{name: "throttled until too old", fn: asyncFunction(m, 0), outcomes: slices.Repeat([]Outcome{Throttled}, 99), tried: []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 31 * s}, ids: 1, lost: "EventAgeExceeded"},
		{name: "doubled", fn: asyncFunction(m, 0), deliver: []time.Duration{0, 0}, tried: []time.Duration{0, 0}, ids: 2},
		{name: "late", fn: asyncFunction(m, 0), deliver: []time.Duration{5 * m}, tried: []time.Duration{5 * m}, ids: 1},
		{name: "lost on the way", fn: asyncFunction(m, 0), deliver: []time.Duration{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t.Context(), tt.outcomes...)
				if tt.deliver != nil {
					b.deliver = func(function string, payload []byte) []time.Duration {
						if function != "probe" || string(payload) != `{"tick":1}` {
							t.Errorf("disturb %s %s", function, payload)
						}
						return tt.deliver
					}
				}
				id, err := b.add(tt.fn, []byte(`{"tick":1}`))
				if err != nil {
					t.Fatal(err)
				}
				b.wait()
				if diff := cmp.Diff(tt.tried, b.tried); diff != "" {
					t.Errorf("tried: %s", diff)
				}
				if len(b.ids) != tt.ids {
					t.Errorf("%d request ids, want %d", len(b.ids), tt.ids)
				}
				if tt.lost == "" {
					if len(b.records) != 0 {
						t.Errorf("unexpected record %s", b.records)
					}
					return
				}
				if len(b.records) != 1 {
					t.Fatalf("%d records", len(b.records))
				}
				var r struct {
					RequestContext struct {
						RequestID, FunctionARN, Condition string
						ApproximateInvokeCount            int
					}
					RequestPayload  json.RawMessage
					ResponsePayload *struct{ ErrorType string }
				}
				if err := json.Unmarshal([]byte(b.records[0]), &r); err != nil {
					t.Fatal(err)
				}
				c := r.RequestContext
				if c.RequestID != id || c.Condition != tt.lost || c.ApproximateInvokeCount != tt.count ||
					!strings.HasSuffix(c.FunctionARN, ":rc-probe:$LATEST") || string(r.RequestPayload) != `{"tick":1}` {
					t.Errorf("record %s", b.records[0])
				}
				if (r.ResponsePayload == nil) != (tt.count == 0) {
					t.Errorf("response payload of record %s", b.records[0])
				}
			})
		})
	}
}

func TestAsyncWithoutDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t.Context(), Crashed)
		fn := asyncFunction(time.Minute, 0)
		fn.Async.OnFailure = ""
		if _, err := b.add(fn, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		b.wait()
		if len(b.records) != 0 {
			t.Errorf("records %v", b.records)
		}
	})
}

func TestAsyncReportsAnUnreachableDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t.Context(), Crashed)
		gone := errors.New("queue gone")
		b.fail = func(string, []byte) error { return gone }
		if _, err := b.add(asyncFunction(time.Minute, 0), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		b.wait()
		if len(b.problems) != 1 || !errors.Is(b.problems[0], gone) {
			t.Errorf("problems %v", b.problems)
		}
	})
}

func TestAsyncEndsWithTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench(ctx, Crashed)
		if _, err := b.add(asyncFunction(time.Hour, 2), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // waits for its retry now
		cancel()
		b.wait()
		if len(b.tried) != 1 || len(b.records) != 0 {
			t.Errorf("tried %v, records %v", b.tried, b.records)
		}
		if _, err := b.add(asyncFunction(time.Hour, 2), []byte(`{}`)); !errors.Is(err, errClosed) {
			t.Errorf("error %v", err)
		}
	})
}

func TestAsyncIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench(ctx)
		b.deliver = func(string, []byte) []time.Duration { return []time.Duration{time.Hour} }
		for range maxQueued {
			if _, err := b.add(asyncFunction(time.Hour, 0), []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.add(asyncFunction(time.Hour, 0), []byte(`{}`)); !errors.Is(err, errQueueFull) {
			t.Errorf("error %v", err)
		}
		cancel()
		b.wait()
	})
	b := newBench(t.Context())
	if _, err := b.add(asyncFunction(time.Hour, 0), make([]byte, maxAsync+1)); err == nil {
		t.Error("an event above the limit was accepted")
	}
}
