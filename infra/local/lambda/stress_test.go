package lambda

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// TestKillsInTheMiddleOfEverything kills processes while they start, run, reply and freeze: every invocation still
// gets an outcome, the host reports no trouble of its own, and nothing is left behind.
func TestKillsInTheMiddleOfEverything(t *testing.T) {
	const senders, each = 6, 25
	w := start(t, Config{}, function(func(f *Function) { f.Async = template.Async{MaxAge: time.Minute} }))
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for range each {
				if _, err := w.Invoke(t.Context(), "probe", []byte(`{"Do":"print","Text":"x"}`)); err != nil {
					t.Error(err)
				}
				if _, err := w.InvokeAsync("probe", []byte(`{"Do":"fail"}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	for killing := true; killing; {
		select {
		case <-done:
			killing = false
		default:
			w.Kill("probe")
		}
	}
	w.until("every outcome", func() bool { return len(w.invocations) == 2*senders*each })
	w.Close()
	count := map[Outcome]int{}
	for _, i := range w.invocations {
		count[i.Outcome]++
		if i.PID != 0 && state(i.PID) != 0 {
			t.Errorf("process %d is left in state %q", i.PID, state(i.PID))
		}
	}
	for outcome := range count {
		switch outcome {
		case OK, FunctionError, Crashed, InitError:
		default:
			t.Errorf("unexpected outcome %q", outcome)
		}
	}
	if len(w.problems) > 0 {
		t.Errorf("problems %v", w.problems)
	}
	t.Log(fmt.Sprint(count))
}

// BenchmarkWarmInvocation measures what the host itself costs.
func BenchmarkWarmInvocation(b *testing.B) {
	h, err := New(Config{Region: "eu-west-1"}, []Function{function(nil)})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	for b.Loop() {
		if r, err := h.Invoke(context.Background(), "probe", []byte(`{}`)); err != nil || r.Failed() {
			b.Fatal(r, err)
		}
	}
}
