package chain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Every request is counted once, by how it ended, until somebody asks.
func TestUsage(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	client := newClient(t, nil, n)
	e := client.chains[testChain].endpoints[0]
	ask := func(answer func(http.ResponseWriter, *http.Request, []byte) bool) error {
		n.intercept(answer)
		return e.do(t.Context(), blockCall(1))
	}
	if err := ask(nil); err != nil {
		t.Fatal(err)
	}
	if err := ask(text(http.StatusTooManyRequests, "slow down")); err == nil {
		t.Fatal("no error")
	}
	if err := ask(text(http.StatusBadGateway, "")); err == nil {
		t.Fatal("no error")
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := e.do(late, blockCall(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	u := client.Usage()
	if u.Calls != 4 || u.Failed != 3 || u.Throttled != 1 || u.TimedOut != 1 || u.Busy < u.Slowest || u.Slowest <= 0 {
		t.Errorf("%+v", u)
	}
	if u = client.Usage(); u != (Usage{}) {
		t.Errorf("counted twice: %+v", u)
	}
}

func TestEndpointFailure(t *testing.T) {
	for class, want := range map[class]string{classRate: "throttled", classTimeout: "timeout", classAuth: "config", classWrongChain: "config",
		classServer: "rpc", classOther: "rpc"} {
		err := fmt.Errorf("read head: %w", join([]error{errors.New("x"), &fault{class: class}}))
		f, ok := errors.AsType[interface {
			error
			EndpointFailure() string
		}](err)
		if !ok || f.EndpointFailure() != want {
			t.Errorf("%s: %v, want %s", class, f, want)
		}
	}
}
