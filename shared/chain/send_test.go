package chain

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

var raw = []byte("signed bytes of a transaction")

// pool makes the node accept what is sent.
func pool(n *node, got *[]string) {
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		if m != "eth_sendRawTransaction" {
			return nil, nil, false
		}
		*got = append(*got, plain(p[0]))
		return txHash(raw), nil, true
	})
}

func TestSendGoesEverywhere(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 20, 0), newNode(t, "b", 20, 0)
	var gotA, gotB []string
	pool(a, &gotA)
	pool(b, &gotB)
	if err := newClient(t, nil, a, b).Send(t.Context(), testChain, raw); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("[0x%x]", raw)
	if fmt.Sprint(gotA) != want || fmt.Sprint(gotB) != want {
		t.Errorf("sent %v and %v, want %s", gotA, gotB, want)
	}
}

func TestSendOutcomes(t *testing.T) {
	t.Parallel()
	type answer = rpcError
	ok := answer{}
	for name, c := range map[string]struct {
		a, b answer
		want class // classOther with no error: success
		fine bool
	}{
		"both take it":       {ok, ok, 0, true},
		"one takes it":       {answer{-32000, "insufficient funds for gas * price + value", nil}, ok, 0, true},
		"known":              {answer{-32000, "already known", nil}, answer{-32603, "internal error", nil}, 0, true},
		"nonce used":         {answer{-32000, "nonce too low: next nonce 5, tx nonce 3", nil}, answer{-32000, "invalid sender", nil}, 0, true},
		"no funds":           {answer{-32000, "insufficient funds for gas * price + value", nil}, answer{-32000, "insufficient funds for gas * price + value", nil}, classFunds, false},
		"bump too small":     {answer{-32000, "replacement transaction underpriced", nil}, answer{-32000, "replacement transaction underpriced", nil}, classReplacement, false},
		"refused everywhere": {answer{-32000, "invalid sender", nil}, answer{-32000, "invalid sender", nil}, classOther, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newNode(t, "a", 20, 0), newNode(t, "b", 20, 0)
			for n, reply := range map[*node]answer{a: c.a, b: c.b} {
				if reply == ok {
					n.answer("eth_sendRawTransaction", txHash(raw))
				} else {
					n.refuse("eth_sendRawTransaction", reply)
				}
			}
			err := newClient(t, nil, a, b).Send(t.Context(), testChain, raw)
			if c.fine {
				if err != nil {
					t.Error(err)
				}
				return
			}
			noSecrets(t, err)
			if classOf(err) != c.want || !contains(err.Error(), "endpoint a: ") || !contains(err.Error(), "endpoint b: ") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestSendShowsNothingToAnotherChain(t *testing.T) {
	t.Parallel()
	wrong, good := newNode(t, "wrong", 20, 0), newNode(t, "good", 20, 0)
	wrong.chainID++
	var shown, sent []string
	pool(wrong, &shown)
	pool(good, &sent)
	client := newClient(t, nil, wrong, good)
	if err := client.Send(t.Context(), testChain, raw); err != nil {
		t.Fatal(err)
	}
	if len(shown) != 0 || len(sent) != 1 {
		t.Errorf("shown %v, sent %v", shown, sent)
	}
	if got := kinds(client); fmt.Sprint(got) != "[wrong wrong-chain]" {
		t.Errorf("troubles %v", got)
	}
}

func TestSendDoesNotWaitForTheSlow(t *testing.T) {
	t.Parallel()
	good, slow := newNode(t, "good", 20, 0), newNode(t, "slow", 20, 0)
	var sent []string
	pool(good, &sent)
	stall(t, slow)
	client := newClient(t, func(c *Config) { c.Timeout = time.Hour }, good, slow)
	start := time.Now()
	if err := client.Send(t.Context(), testChain, raw); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %s", d)
	}
}

// A window of transactions is sent one after the other: an endpoint that is put
// aside already, and does not answer, costs each of them little.
func TestSendHardlyWaitsForWhatIsAside(t *testing.T) {
	t.Parallel()
	good, slow := newNode(t, "good", 20, 0), newNode(t, "slow", 20, 0)
	var sent []string
	pool(good, &sent)
	stall(t, slow)
	client := newClient(t, func(c *Config) { c.Timeout = time.Hour }, good, slow)
	client.chains[testChain].endpoints[1].setAside(time.Hour, Unreachable, "timeout")
	start := time.Now()
	for range 10 {
		if err := client.Send(t.Context(), testChain, raw); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(start); d > 10*sendGrace/2 {
		t.Errorf("took %s", d)
	}
}

func TestSendRetriesWhatPasses(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	var sent []string
	pool(n, &sent)
	failures := 2
	n.intercept(func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if failures == 0 {
			return false
		}
		failures--
		return text(503, "")(w, r, body)
	})
	if err := newClient(t, nil, n).Send(t.Context(), testChain, raw); err != nil || len(sent) != 1 {
		t.Errorf("sent %d times, %v", len(sent), err)
	}
}

func TestSendDoubtsAnotherHash(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	n.answer("eth_sendRawTransaction", common.Hash{1})
	if err := newClient(t, nil, n).Send(t.Context(), testChain, raw); classOf(err) != classMalformed {
		t.Errorf("error %v", err)
	}
}
