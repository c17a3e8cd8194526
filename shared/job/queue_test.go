package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// consumer knows lower-case words; "bad…" is unknown.
func consumer(handle func(context.Context, *job.Run, string) error) job.Consumer[string] {
	return job.Consumer[string]{Name: "executor", Critical: true, Timeout: 20 * time.Second, Margin: 2 * time.Second, Parallel: 2,
		Decode: func(body string) (string, error) {
			if strings.HasPrefix(body, "bad") {
				return "", errors.New("no known word")
			}
			return body, nil
		}, Handle: handle}
}

// consume delivers a batch once and returns the failed messages.
func (b *bench) consume(c job.Consumer[string], payload []byte) (failed []string, err error) {
	b.t.Helper()
	h, err := job.Queue(b.deps(), c)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), c.Timeout)
	defer cancel()
	answer, err := h.Invoke(ctx, payload)
	if err != nil {
		return nil, err
	}
	var response events.SQSEventResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		b.t.Fatalf("answer %s: %v", answer, err)
	}
	if !strings.Contains(string(answer), `"batchItemFailures":[`) { // null is not understood as none
		b.t.Errorf("answer %s has no list", answer)
	}
	for _, f := range response.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	slices.Sort(failed)
	return failed, nil
}

func TestBatch(t *testing.T) {
	broken := errors.New("store is away")
	tests := []struct {
		name    string
		bodies  []string
		failing string // the word whose work fails
		handled []string
		failed  []string
		err     error
		state   job.State
	}{
		{"empty", nil, "", nil, nil, nil, job.Done},
		{"one", []string{"a"}, "", []string{"a"}, nil, nil, job.Done},
		{"equal messages are one piece of work", []string{"a", "b", "a", "a"}, "", []string{"a", "b"}, nil, nil, job.Done},
		{"an unknown message fails alone", []string{"a", "bad\x00secret", "b"}, "", []string{"a", "b"}, []string{"m1"}, nil, job.Done},
		{"only unknown messages", []string{"bad1", "bad2"}, "", nil, []string{"m0", "m1"}, nil, job.Done},
		{"failed work comes again, the rest does not", []string{"a", "b", "a"}, "a", []string{"a", "b"}, []string{"m0", "m2"}, nil, job.Failed},
		{"all work failed", []string{"a", "bad"}, "a", []string{"a"}, nil, broken, job.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				var mu sync.Mutex
				var handled []string
				failed, err := b.consume(consumer(func(_ context.Context, _ *job.Run, m string) error {
					mu.Lock()
					defer mu.Unlock()
					handled = append(handled, m)
					if m == tt.failing {
						return broken
					}
					return nil
				}), batch(tt.bodies...))
				slices.Sort(handled)
				if !slices.Equal(handled, tt.handled) || !slices.Equal(failed, tt.failed) || !errors.Is(err, tt.err) {
					t.Errorf("handled %q, failed %q, error %v; want %q, %q, %v", handled, failed, err, tt.handled, tt.failed, tt.err)
				}
				runs := b.Runs("executor")
				if len(runs) != 1 || runs[0].State != tt.state || !runs[0].Cause.Queued {
					t.Errorf("run items %+v, want one that messages started, %s", runs, tt.state)
				}
				if len(b.lines("run ended")) != 1 {
					t.Error("want one final line")
				}
				refused := b.lines("message refused")
				for _, line := range refused {
					if line["reason"] != "no known word" || line["message_id"] == nil {
						t.Errorf("refusal %v", line)
					}
				}
				if strings.Contains(b.log.String(), "secret") {
					t.Error("a body was logged")
				}
			})
		})
	}
}

func TestBatchThatIsNoBatch(t *testing.T) {
	for _, payload := range []string{``, `[]`, `"x"`, `{"Records":{}}`, `{"Records":[{"body":1}]}`} {
		b := newBench(t)
		_, err := b.consume(consumer(func(context.Context, *job.Run, string) error { t.Error("ran"); return nil }), []byte(payload))
		if err == nil || !strings.Contains(err.Error(), "queue event") || b.lastLine()["outcome"] != "failed" {
			t.Errorf("payload %s: error %v", payload, err)
		}
	}
}

func TestBatchRunsInParallelWithinItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var running, most, handled atomic.Int32
		start := time.Now()
		failed, err := b.consume(consumer(func(ctx context.Context, _ *job.Run, m string) error {
			handled.Add(1)
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			select {
			case <-time.After(8 * time.Second):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}), batch("a", "b", "c", "d", "e", "f", "g", "h"))
		// Two at a time: a, b until 8 s; c, d until 16 s; e, f end with the budget at 18 s; g, h
		// are not begun.
		if err != nil || !slices.Equal(failed, []string{"m4", "m5", "m6", "m7"}) {
			t.Errorf("failed %q, %v", failed, err)
		}
		if most.Load() != 2 || handled.Load() != 6 || time.Since(start) != 18*time.Second {
			t.Errorf("%d at a time, %d begun, in %s", most.Load(), handled.Load(), time.Since(start))
		}
	})
}

func TestBatchPanicLetsTheRestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var handled atomic.Int32
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("recovered %v", v)
				}
			}()
			_, _ = b.consume(consumer(func(ctx context.Context, r *job.Run, m string) error {
				if m == "b" {
					_, err := r.Alone(ctx, "k", func(context.Context, *job.Hold) error { panic("boom") })
					return err
				}
				time.Sleep(5 * time.Second)
				handled.Add(1)
				return nil
			}), batch("a", "b", "c"))
		}()
		if handled.Load() != 2 {
			t.Errorf("%d others ended, want 2", handled.Load())
		}
		if runs := b.Runs("executor"); len(runs) != 1 || runs[0].State != job.Failed || !strings.Contains(runs[0].Reason, "boom") {
			t.Errorf("run items %+v", runs)
		}
		if lines := b.lines("message handler panicked"); len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "queue_test.go") {
			t.Errorf("panic lines %v", lines)
		}
		if ran, err := b.alone("k", func(context.Context, *job.Hold) error { return nil }); !ran || err != nil {
			t.Errorf("after the panic: %v, %v; want the lease free", ran, err)
		}
	})
}

func TestBatchThatCannotBeRecordedIsAnError(t *testing.T) {
	b := newBench(t)
	b.Fail(func(op string) faulttest.Fault {
		if op == "record" {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	if _, err := b.consume(consumer(func(context.Context, *job.Run, string) error { return nil }), batch("a")); !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("error %v", err)
	}
}

func TestEitherLooksAtTheShape(t *testing.T) {
	b := newBench(t)
	scheduled, err := job.Scheduled(b.deps(), task(func(context.Context, *job.Run) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	queued, err := job.Queue(b.deps(), consumer(func(context.Context, *job.Run, string) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	both := job.Either(scheduled, queued)
	for _, payload := range [][]byte{event(now()), batch("a")} {
		if _, err := both.Invoke(t.Context(), payload); err != nil {
			t.Errorf("%s: %v", payload, err)
		}
	}
	if len(b.Runs("sweep")) != 1 || len(b.Runs("executor")) != 1 {
		t.Errorf("runs: %v, %v", b.Runs("sweep"), b.Runs("executor"))
	}
	for _, payload := range []string{``, `null`, `[]`, `1`, `{}`} {
		before := len(b.lines("run ended"))
		if _, err := both.Invoke(t.Context(), []byte(payload)); err == nil {
			t.Errorf("payload %q: no error", payload)
		}
		if n := len(b.lines("run ended")) - before; n != 1 {
			t.Errorf("payload %q: %d log lines", payload, n)
		}
	}
}

func TestImpossibleConsumersAreRefused(t *testing.T) {
	_, err := job.Queue(job.Deps{}, job.Consumer[string]{})
	for _, want := range []string{"no locker", "no name", "timeout 0s", "margin 0s", "parallel 0", "nothing to decode"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("all problems at once: no %q in %v", want, err)
		}
	}
}

// TestAbandonedRunSaysWhatStartedIt: whoever takes the lease of a killed run over records what had started that
// one: else a run that messages started would look like one of a tick.
func TestAbandonedRunSaysWhatStartedIt(t *testing.T) {
	for _, c := range []struct {
		senders int
		want    job.Cause
		words   string
	}{
		{0, job.Cause{Queued: true}, "messages"},
		{2, job.Cause{Queued: true, SentBy: sender(0) + " " + sender(1)}, "messages of run " + sender(0) + ", " + sender(1)},
		{6, job.Cause{Queued: true, SentBy: strings.Join([]string{sender(0), sender(1), sender(2), sender(3)}, " ")}, // as many as a lease keeps
			"messages of run " + strings.Join([]string{sender(0), sender(1), sender(2), sender(3)}, ", ")},
	} {
		synctest.Test(t, func(t *testing.T) {
			bench, began := newBench(t), now()
			die := make(chan struct{})
			alone := func(work func(context.Context, *job.Hold) error) job.Consumer[string] {
				return consumer(func(ctx context.Context, r *job.Run, _ string) error {
					_, err := r.Alone(ctx, "signer#1#a", work)
					return err
				})
			}
			var wg sync.WaitGroup
			wg.Go(func() { // as if killed: it hears of nothing any more
				_, _ = bench.consume(alone(func(context.Context, *job.Hold) error { <-die; return nil }), sentBy(t, c.senders))
			})
			time.Sleep(time.Hour)
			if _, err := bench.consume(alone(func(context.Context, *job.Hold) error { return nil }), sentBy(t, 0)); err != nil {
				t.Fatal(err)
			}
			if rec, ok := bench.Run(consumer(nil).Name, began); !ok || rec.State != job.Abandoned || rec.Cause != c.want {
				t.Errorf("%d senders: %+v", c.senders, rec)
			}
			if lines := bench.lines("run abandoned"); len(lines) != 1 || lines[0]["started_by"] != c.words {
				t.Errorf("%d senders: %v", c.senders, lines)
			}
			close(die)
			wg.Wait()
		})
	}
}

func sender(i int) string { return strings.Repeat(string(rune('A'+i)), 26) }

// sentBy is a batch of one message of each of n runs, and one that nobody says to have sent.
func sentBy(t *testing.T, n int) []byte {
	t.Helper()
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = sender(i)
	}
	return batchOf(t, tokens...)
}

func batchOf(t *testing.T, tokens ...string) []byte {
	t.Helper()
	var e events.SQSEvent
	for i, token := range tokens {
		e.Records = append(e.Records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: "a",
			MessageAttributes: map[string]events.SQSMessageAttribute{job.RunAttribute: {DataType: "String", StringValue: &token}}})
	}
	e.Records = append(e.Records, events.SQSMessage{MessageId: "none", Body: "a"})
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// TestWhoSentABatch: the last line names the runs that sent the messages, and repeats nothing that is
// no token.
func TestWhoSentABatch(t *testing.T) {
	a, b := strings.Repeat("A", 26), strings.Repeat("B", 26)
	for _, c := range []struct {
		tokens []string
		want   any
	}{
		{nil, nil},
		{[]string{b, a, b}, []any{a, b}},
		{[]string{"", "secret", a + "A", strings.ToLower(a), a[1:] + "\n", a[1:] + "1"}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			bench := newBench(t)
			if _, err := bench.consume(consumer(func(context.Context, *job.Run, string) error { return nil }), batchOf(t, c.tokens...)); err != nil {
				t.Fatal(err)
			}
			if got := bench.lines("run ended")[0]["sent_by"]; !reflect.DeepEqual(got, c.want) {
				t.Errorf("%q: %v, want %v", c.tokens, got, c.want)
			}
		})
	}
}
