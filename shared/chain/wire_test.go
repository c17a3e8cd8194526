package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// text answers every request with this status and body.
func text(status int, body string) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body) // a client that left needs no answer
		return true
	}
}

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

// The batch is halved until it fits, and the size is remembered.
func TestBatchLimit(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]func(http.ResponseWriter, *http.Request, []byte) bool{
		"one error":  text(200, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"batch limit 3 exceeded: 8 requests given"}}`),
		"each fails": text(200, `[{"id":1,"error":{"code":-32005,"message":"batch size is too large"}}]`),
		"413":        text(413, "Request Entity Too Large"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "small", 20, 0)
			n.intercept(func(w http.ResponseWriter, r *http.Request, body []byte) bool {
				var list []json.RawMessage
				if json.Unmarshal(body, &list) == nil && len(list) > 3 {
					return refusal(w, r, body)
				}
				return false
			})
			client := newClient(t, nil, n)
			e := client.chains[testChain].endpoints[0]
			for range 2 {
				n.reset()
				var calls []*call
				for i := range uint64(8) {
					calls = append(calls, blockCall(i))
				}
				if err := e.do(t.Context(), calls...); err != nil {
					t.Fatal(err)
				}
				for i, c := range calls {
					if b, err := decodeBlock(e, c, uint64(i)); err != nil || b.Hash != blockHash("main", uint64(i)) {
						t.Errorf("block %d: %v, %v", i, b, err)
					}
				}
			}
			if calls, _ := n.counts(); calls["eth_getBlockByNumber"] != 8 || e.batchSize() > 3 {
				t.Errorf("second time: %d calls, batch size %d", calls["eth_getBlockByNumber"], e.batchSize())
			}
		})
	}
}

func TestAnswerIsBounded(t *testing.T) {
	t.Parallel()
	n := newNode(t, "chatty", 9, 0)
	n.intercept(func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range maxAnswer/len(chunk) + 2 {
			if _, err := w.Write(chunk); err != nil {
				break
			}
		}
		return true
	})
	_, err := newClient(t, nil, n).Block(t.Context(), testChain, 9)
	if classOf(err) != classMany {
		t.Errorf("error %v", err)
	}
}

func TestChainIDIsVerified(t *testing.T) {
	t.Parallel()
	wrong, good := newNode(t, "wrong", 9, 0), newNode(t, "good", 9, 0)
	wrong.chainID++
	client := newClient(t, nil, wrong, good)
	for range 3 {
		if b, err := client.Block(t.Context(), testChain, 9); err != nil || b == (swap.Block{}) {
			t.Fatal(b, err)
		}
	}
	if got := kinds(client); len(got) != 1 || got[0] != "wrong wrong-chain" {
		t.Errorf("troubles %v", got)
	}
	if got := kinds(client); len(got) != 1 {
		t.Errorf("trouble forgotten while the endpoint is aside: %v", got)
	}
	if calls, _ := good.counts(); calls["eth_chainId"] != 1 {
		t.Errorf("good endpoint asked for its chain %d times", calls["eth_chainId"])
	}
	if calls, _ := wrong.counts(); calls["eth_getBlockByNumber"] > 1 {
		t.Errorf("wrong endpoint read %d times", calls["eth_getBlockByNumber"])
	}
	// Alone, it is never believed.
	if _, err := newClient(t, nil, wrong).Block(t.Context(), testChain, 9); classOf(err) != classWrongChain {
		t.Errorf("error %v", err)
	}
}

// An endpoint that failed proves its chain again: behind one URL there may be
// another node by now.
func TestChainIDIsVerifiedAgainAfterFailure(t *testing.T) {
	t.Parallel()
	n := newNode(t, "only", 9, 0)
	client := newClient(t, nil, n)
	if _, err := client.Block(t.Context(), testChain, 9); err != nil {
		t.Fatal(err)
	}
	first := true
	n.intercept(func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if !first {
			return false
		}
		first = false
		return text(502, "")(w, r, body)
	})
	n.mu.Lock()
	n.chainID++
	n.mu.Unlock()
	if _, err := client.Block(t.Context(), testChain, 9); classOf(err) != classWrongChain {
		t.Errorf("error %v", err)
	}
}
