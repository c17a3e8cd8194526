package chain

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

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
