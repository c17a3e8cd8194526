package chain

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What a failing endpoint answers, what that is taken for, and that the next
// endpoint is asked in its place.
func TestFailOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		whole func(http.ResponseWriter, *http.Request, []byte) bool
		want  class
		kind  TroubleKind
	}{
		"429":                  {text(429, "Too Many Requests"), classRate, RateLimited},
		"429 in JSON":          {text(429, `{"jsonrpc":"2.0","id":1,"error":{"code":429,"message":"Your app has exceeded its compute units per second capacity"}}`), classRate, RateLimited},
		"500":                  {text(500, "oops"), classServer, Unreachable},
		"503 page":             {text(503, "<html>try later</html>"), classServer, Unreachable},
		"401":                  {text(401, `{"error":"invalid api key"}`), classAuth, Refused},
		"redirect":             {text(302, ""), classServer, Unreachable},
		"page instead of JSON": {text(200, "<html>hello</html>"), classMalformed, Malformed},
		"nothing":              {text(200, ""), classMalformed, Malformed},
		"half an answer":       {text(200, `[{"jsonrpc":"2.0","id":1,"resu`), classMalformed, Malformed},
		"wrong id":             {text(200, `[{"jsonrpc":"2.0","id":9,"result":"0x1"}]`), classMalformed, Malformed},
		"one error for all":    {text(200, `{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"rate limit exceeded"}}`), classRate, RateLimited},
		"error as a string":    {text(200, `{"id":null,"error":"rate limit exceeded"}`), classRate, RateLimited},
		"cut":                  {func(http.ResponseWriter, *http.Request, []byte) bool { panic(http.ErrAbortHandler) }, classTransport, Unreachable},
		"answered twice":       {text(200, `[{"id":1,"result":"0x1092"},{"id":1,"result":"0x1092"},{"id":2,"result":null}]`), classMalformed, Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good := newNode(t, "bad", 9, 0), newNode(t, "good", 9, 0)
			bad.intercept(c.whole)
			client := newClient(t, nil, bad, good)
			b, err := client.Block(t.Context(), testChain, 9)
			if err != nil || b.Hash != blockHash("main", 9) {
				t.Fatalf("block %v, %v", b, err)
			}
			if got := kinds(client); len(got) != 1 || got[0] != "bad "+string(c.kind) {
				t.Errorf("troubles %v, want bad %s", got, c.kind)
			}
			_, requests := bad.counts()
			if _, err := client.Block(t.Context(), testChain, 8); err != nil {
				t.Fatal(err)
			}
			if _, again := bad.counts(); again != requests {
				t.Error("the bad endpoint was not put aside")
			}
			// Alone, it is asked all the same, and its error is told.
			single := newClient(t, nil, bad)
			_, err = single.Block(t.Context(), testChain, 9)
			noSecrets(t, err)
			if classOf(err) != c.want || !strings.Contains(err.Error(), "endpoint bad: ") {
				t.Errorf("error %v, class %q, want %q", err, classOf(err), c.want)
			}
		})
	}
}

func TestUnreachableEndpoint(t *testing.T) {
	t.Parallel()
	gone, good := newNode(t, "gone", 9, 0), newNode(t, "good", 9, 0)
	gone.Close()
	client := newClient(t, nil, gone, good)
	if _, err := client.Block(t.Context(), testChain, 9); err != nil {
		t.Fatal(err)
	}
	_, err := newClient(t, nil, gone).Block(t.Context(), testChain, 9)
	noSecrets(t, err)
}

func TestStallLeavesTimeForTheNext(t *testing.T) {
	t.Parallel()
	slow, good := newNode(t, "slow", 9, 0), newNode(t, "good", 9, 0)
	stall(t, slow)
	client := newClient(t, func(c *Config) { c.Timeout = time.Minute }, slow, good)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := client.Block(ctx, testChain, 9); err != nil {
		t.Fatal(err)
	}
	if got := kinds(client); len(got) != 1 || got[0] != "slow unreachable" {
		t.Errorf("troubles %v", got)
	}
}

// Our own haste is no reason to put an endpoint aside.
func TestTimeoutOfAnInstantIsNotHeldAgainstIt(t *testing.T) {
	t.Parallel()
	n := newNode(t, "only", 9, 0)
	stall(t, n)
	client := newClient(t, nil, n)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := client.Block(ctx, testChain, 9); err == nil {
		t.Fatal("no error")
	}
	if got := client.Trouble(); len(got) != 0 {
		t.Errorf("troubles %v", got)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{"30": 30 * time.Second, "86400": maxPause, "-1": asideShort, "soon": asideShort, "1": asideShort} {
		n := newNode(t, "only", 9, 0)
		n.intercept(func(w http.ResponseWriter, r *http.Request, body []byte) bool {
			w.Header().Set("Retry-After", header)
			return text(429, "")(w, r, body)
		})
		client := newClient(t, nil, n)
		start := time.Now()
		if _, err := client.Block(t.Context(), testChain, 9); classOf(err) != classRate {
			t.Fatal(err)
		}
		until := client.chains[testChain].endpoints[0].asideUntil()
		if until.Before(start.Add(want)) || until.After(time.Now().Add(want)) {
			t.Errorf("Retry-After %q: aside for %s, want %s", header, until.Sub(start), want)
		}
	}
}

func TestCallersCancelEndsAtOnce(t *testing.T) {
	t.Parallel()
	slow := newNode(t, "slow", 9, 0)
	arrived := make(chan struct{}, 1)
	slow.intercept(func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		arrived <- struct{}{}
		<-r.Context().Done()
		return true
	})
	client := newClient(t, func(c *Config) { c.Timeout = time.Hour }, slow)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := client.Block(ctx, testChain, 9)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := client.Trouble(); len(got) != 0 {
		t.Errorf("the endpoint is blamed for the caller's leaving: %v", got)
	}
}

func TestPassingFailureIsRetried(t *testing.T) {
	t.Parallel()
	n := newNode(t, "only", 9, 0)
	failures := 2
	n.intercept(func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if failures == 0 {
			return false
		}
		failures--
		return text(429, "")(w, r, body)
	})
	client := newClient(t, nil, n)
	if _, err := client.Block(t.Context(), testChain, 9); err != nil {
		t.Fatal(err)
	}
	if _, requests := n.counts(); requests != 3 {
		t.Errorf("%d requests, want 3", requests)
	}
}
