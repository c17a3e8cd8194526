package chain

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
)

// tokensOf are holdings of an account, one of the coin and one of a token for each answer.
func tokensOf(account common.Address, given ...func() (any, *rpcError)) ([]balance.Holding, map[common.Address]func() (any, *rpcError)) {
	of := []balance.Holding{{Account: account}}
	tokens := map[common.Address]func() (any, *rpcError){}
	for i, answer := range given {
		token := common.BigToAddress(big.NewInt(int64(0x70000 + i)))
		tokens[token] = answer
		of = append(of, balance.Holding{Account: account, Token: token})
	}
	return of, tokens
}

func TestHoldings(t *testing.T) {
	t.Parallel()
	large := "0x" + strings.Repeat("ff", 32)
	cases := []struct {
		name   string
		token  func() (any, *rpcError)
		want   string // amount, or why there is none
		failed bool
	}{
		{"good", answers(word(5)), "5", false},
		{"above 2^128", answers(large), new(uint256.Int).SetAllOne().Dec(), false},
		{"more than a word", answers(word(6) + "ff"), "6", false},
		{"no contract", answers("0x"), "answers nothing", true},
		{"half a word", answers("0x1234"), "answers 2 bytes", true},
		{"one byte short", answers("0x" + strings.Repeat("00", 31)), "answers 31 bytes", true},
		{"no hex", answers("0xzz"), "malformed answer", true},
		{"a number", answers(5), "malformed answer", true},
		{"null", answers(nil), "malformed answer", true},
		{"reverts", refuses(3, "execution reverted: rate limit exceeded"), "reverted", true},
		{"burns its gas", refuses(-32000, "out of gas"), "reverted", true},
		{"invalid opcode", refuses(-32000, "invalid opcode: INVALID"), "reverted", true},
		{"unforeseen", refuses(-32000, "the token ate my homework"), "refused", true},
	}
	var given []func() (any, *rpcError)
	for _, c := range cases {
		given = append(given, c.token)
	}
	account := escrows(1)[0]
	of, tokens := tokensOf(account, given...)
	n := newNode(t, "one", 20, 0)
	var refs []string
	balancesOf(n, tokens, &refs)
	client := newClient(t, nil, n)
	block := n.blocks[15]
	got, err := client.Holdings(t.Context(), testChain, block, of)
	if err != nil || len(got) != len(of) {
		t.Fatalf("%d readings, %v", len(got), err)
	}
	if got[0] != (balance.Reading{Amount: *uint256.NewInt(7)}) {
		t.Errorf("native: %+v", got[0])
	}
	for i, c := range cases {
		ours := c.want == "malformed answer" // it is not the token that fails
		want := balance.Reading{Failed: c.want, Mute: !ours}
		if !c.failed {
			want = balance.Reading{Amount: *uint256.MustFromDecimal(c.want)}
		}
		if got[i+1] != want {
			t.Errorf("%s: %s %q, want %s", c.name, &got[i+1].Amount, got[i+1].Failed, c.want)
		}
	}
	for _, ref := range refs {
		if !strings.Contains(ref, block.Hash.Hex()) || !strings.Contains(ref, `"requireCanonical":true`) {
			t.Errorf("read at %s, want the block's hash", ref)
		}
	}
	if _, requests := n.counts(); requests != 1 {
		t.Errorf("%d requests", requests)
	}
	if aside := kinds(client); len(aside) != 0 {
		t.Errorf("tokens speak against the endpoint: %v", aside)
	}
	if got, err := client.Holdings(t.Context(), testChain, block, nil); err != nil || len(got) != 0 {
		t.Errorf("nothing asked: %v, %v", got, err)
	}
}

// What one endpoint cannot say is asked of the next; only that.
func TestHoldingsAskEachEndpointForWhatIsMissing(t *testing.T) {
	t.Parallel()
	of, tokens := tokensOf(factory, answers("0x"), answers(word(5)), refuses(3, "execution reverted"), refuses(-32000, "no idea"), refuses(-32000, "no idea"))
	a, b := newNode(t, "a", 20, 0), newNode(t, "b", 20, 0)
	var refs []string
	balancesOf(a, tokens, &refs)
	_, others := tokensOf(factory, answers(word(9)), answers(word(8)), refuses(3, "execution reverted"), answers(word(6)), refuses(-32000, "no idea"))
	balancesOf(b, others, &refs)
	client := newClient(t, nil, a, b)
	got, err := client.Holdings(t.Context(), testChain, a.blocks[15], of)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []balance.Reading{{Amount: *uint256.NewInt(7)}, {Amount: *uint256.NewInt(9)}, {Amount: *uint256.NewInt(5)}, {Failed: "reverted", Mute: true},
		{Amount: *uint256.NewInt(6)}, {Failed: "refused", Mute: true}} {
		if got[i] != want {
			t.Errorf("%d: %+v, want %+v", i, got[i], want)
		}
	}
	if calls, requests := b.counts(); requests != 1 || calls["eth_call"] != 4 || calls["eth_getBalance"] != 0 {
		t.Errorf("the second endpoint got %v in %d requests", calls, requests)
	}
}

func TestHoldingsWhereHashesAreNotTaken(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	of, tokens := tokensOf(factory, answers(word(5)))
	var refs []string
	balancesOf(n, tokens, &refs)
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		byHash := (m == "eth_getBalance" || m == "eth_call") && strings.HasPrefix(string(p[1]), "{")
		return nil, &rpcError{Code: -32602, Message: "invalid argument 1: json: cannot unmarshal object"}, byHash
	})
	client := newClient(t, nil, n)
	for i, requests := range []int{2, 3} { // the refusal is remembered
		got, err := client.Holdings(t.Context(), testChain, n.blocks[15], of)
		if err != nil || got[0].Amount != *uint256.NewInt(7) || got[1].Amount != *uint256.NewInt(5) {
			t.Fatalf("%v, %v", got, err)
		}
		if _, made := n.counts(); made != requests {
			t.Errorf("reading %d: %d requests so far, want %d", i, made, requests)
		}
	}
	n.extend("side", 15, 20, time.Now())
	block := n.blocks[15]
	block.Hash = blockHash("main", 15)
	if _, err := client.Holdings(t.Context(), testChain, block, of); classOf(err) != classReorg {
		t.Errorf("replaced block: %v", err)
	}
}

// A token that answers with megabytes fails alone.
func TestHoldingsOfATokenThatAnswersTooMuch(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	of, tokens := tokensOf(factory, answers(word(5)), answers("0x"+strings.Repeat("00", 9<<20)), answers(word(6)))
	var refs []string
	balancesOf(n, tokens, &refs)
	client := newClient(t, nil, n)
	got, err := client.Holdings(t.Context(), testChain, n.blocks[15], of)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []balance.Reading{{Amount: *uint256.NewInt(7)}, {Amount: *uint256.NewInt(5)}, {Failed: "too many results", Mute: true}, {Amount: *uint256.NewInt(6)}} {
		if got[i] != want {
			t.Errorf("%d: %s %q", i, &got[i].Amount, got[i].Failed)
		}
	}
}

func TestHoldingsThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	client := newClient(t, nil, n)
	of, _ := tokensOf(factory, answers(word(5)))
	n.intercept(func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		http.Error(w, "gone", http.StatusBadGateway)
		return true
	})
	_, err := client.Holdings(t.Context(), testChain, n.blocks[15], of)
	noSecrets(t, err)
	if _, err := client.Holdings(t.Context(), 1, n.blocks[15], of); err == nil {
		t.Error("a chain that is not configured")
	}
}

func TestFees(t *testing.T) {
	t.Parallel()
	gwei := *uint256.NewInt(1_000_000_000)
	sum := *uint256.NewInt(1_000_000_007)
	for _, c := range []struct {
		name string
		set  func(n *node)
		want balance.Fees
	}{
		{"base fee and tip", func(n *node) { n.answer("eth_maxPriorityFeePerGas", "0x5") }, balance.Fees{BaseFee: gwei, Tip: *uint256.NewInt(5)}},
		{"no tip method", func(*node) {}, balance.Fees{BaseFee: gwei, Tip: *uint256.NewInt(7)}},
		{"legacy", func(n *node) {
			n.hook(func(m string, _ []json.RawMessage) (any, *rpcError, bool) {
				return map[string]any{"number": "0x14", "hash": blockHash("main", 20), "timestamp": "0x1"}, nil, m == "eth_getBlockByNumber"
			})
		}, balance.Fees{BaseFee: sum}},
		{"a rollup", func(n *node) {
			n.answer("eth_maxPriorityFeePerGas", "0x5")
			n.answer("eth_getCode", "0x60")
			n.answer("eth_call", word(12))
		}, balance.Fees{BaseFee: gwei, Tip: *uint256.NewInt(5), Data: *uint256.NewInt(12)}},
	} {
		n := newNode(t, "one", 20, 0)
		n.answer("eth_gasPrice", hexutil.EncodeBig(sum.ToBig()))
		n.answer("eth_getCode", "0x")
		c.set(n)
		got, err := newClient(t, nil, n).Fees(t.Context(), testChain, []byte("sample"))
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	n := newNode(t, "one", 20, 0)
	n.answer("eth_getCode", "0x60")
	n.answer("eth_call", "0x12")
	n.answer("eth_gasPrice", "0x1")
	if _, err := newClient(t, nil, n).Fees(t.Context(), testChain, []byte("sample")); err == nil {
		t.Error("a data fee that is no number")
	}
	if _, err := newClient(t, nil, n).Fees(t.Context(), 1, nil); err == nil {
		t.Error("a chain that is not configured")
	}
}

// BenchmarkHoldings reports what a pass of balance-monitor asks of a chain's
// endpoint, head and fees included, by accounts and tokens: JSON-RPC calls, and
// the requests that carry them, a hundred at most in each.
func BenchmarkHoldings(b *testing.B) {
	for _, size := range []struct{ accounts, tokens int }{{1, 1}, {2, 5}, {10, 10}, {20, 50}, {50, 100}} {
		b.Run(fmt.Sprintf("%dx%d", size.accounts, size.tokens), func(b *testing.B) {
			n := newNode(b, "one", 20, 0)
			n.answer("eth_getBalance", "0x7")
			n.answer("eth_call", word(5))
			n.answer("eth_getCode", "0x60")
			n.answer("eth_gasPrice", "0x1")
			var of []balance.Holding
			for a := range size.accounts {
				account := common.BigToAddress(big.NewInt(int64(0x1000 + a)))
				of = append(of, balance.Holding{Account: account})
				for k := range size.tokens {
					of = append(of, balance.Holding{Account: account, Token: common.BigToAddress(big.NewInt(int64(0x70000 + k)))})
				}
			}
			client := newClient(b, nil, n)
			pass := func() {
				head, _, err := client.Head(b.Context(), testChain)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := client.Fees(b.Context(), testChain, make([]byte, 800)); err != nil {
					b.Fatal(err)
				}
				if _, err := client.Holdings(b.Context(), testChain, head, of); err != nil {
					b.Fatal(err)
				}
			}
			pass() // asks once what the endpoint can do
			n.reset()
			runs := 0
			for b.Loop() {
				pass()
				runs++
			}
			_, requests := n.counts()
			b.ReportMetric(float64(len(of)), "holdings")
			b.ReportMetric(float64(n.total())/float64(runs), "rpc-calls/op")
			b.ReportMetric(float64(requests)/float64(runs), "rpc-requests/op")
		})
	}
}
