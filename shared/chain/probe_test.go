package chain

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// word is a 32-byte answer.
func word(n uint64) string {
	return hexutil.Encode(common.LeftPadBytes(new(big.Int).SetUint64(n).Bytes(), 32))
}

// balancesOf makes the node answer native balances of 7 wei and the given
// token answers; refs collects the block parameters.
func balancesOf(n *node, tokens map[common.Address]func() (any, *rpcError), refs *[]string) {
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		switch m {
		case "eth_getBalance":
			*refs = append(*refs, string(p[1]))
			return "0x7", nil, true
		case "eth_call":
			*refs = append(*refs, string(p[1]))
			var tx struct {
				To   common.Address
				Data hexutil.Bytes
				Gas  hexutil.Uint64
			}
			if err := json.Unmarshal(p[0], &tx); err != nil {
				panic(err)
			}
			if tx.Gas == 0 || len(tx.Data) != 36 || hexutil.Encode(tx.Data[:4]) != "0x70a08231" {
				return nil, &rpcError{Code: -32602, Message: "bad call"}, true
			}
			result, err := tokens[tx.To]()
			return result, err, true
		}
		return nil, nil, false
	})
}

func answers(result any) func() (any, *rpcError) {
	return func() (any, *rpcError) { return result, nil }
}
func refuses(code int, text string) func() (any, *rpcError) {
	return func() (any, *rpcError) { return nil, &rpcError{Code: code, Message: text} }
}

func TestBalances(t *testing.T) {
	t.Parallel()
	e := escrows(1)[0]
	cases := []struct {
		name  string
		token func() (any, *rpcError)
		want  uint64
		known bool
	}{
		{"good", answers(word(5)), 5, true},
		{"zero", answers(word(0)), 0, true},
		{"more than a word", answers(word(6) + "ff"), 6, true},
		{"no contract", answers("0x"), 0, false},
		{"half a word", answers("0x1234"), 0, false},
		{"reverts", refuses(3, "execution reverted: rate limit exceeded"), 0, false},
		{"burns its gas", refuses(-32000, "out of gas"), 0, false},
		{"invalid opcode", refuses(-32000, "invalid opcode: INVALID"), 0, false},
		{"unforeseen", refuses(-32000, "the token ate my homework"), 0, false},
	}
	n := newNode(t, "one", 20, 0)
	tokens := map[common.Address]func() (any, *rpcError){}
	of := []follow.Holding{{Escrow: e}}
	for i, c := range cases {
		token := common.BigToAddress(big.NewInt(int64(0x70000 + i)))
		tokens[token] = c.token
		of = append(of, follow.Holding{Escrow: e, Token: token})
	}
	var refs []string
	balancesOf(n, tokens, &refs)
	client := newClient(t, nil, n)
	block := n.blocks[15]
	got, err := client.Balances(t.Context(), testChain, block, of)
	if err != nil || len(got) != len(of) {
		t.Fatalf("%d balances, %v", len(got), err)
	}
	seven := *uint256.NewInt(7)
	if got[0] != (swap.Balance{Block: block, Token: seven, Native: seven}) {
		t.Errorf("native: %+v", got[0])
	}
	for i, c := range cases {
		want := swap.Balance{Block: block, Token: *uint256.NewInt(c.want), Native: seven, Mute: !c.known}
		if got[i+1] != want {
			t.Errorf("%s: %+v, want %+v", c.name, got[i+1], want)
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
	if got, err := client.Balances(t.Context(), testChain, block, nil); err != nil || len(got) != 0 {
		t.Errorf("nothing asked: %v, %v", got, err)
	}
}

// Tokens that answer with megabytes keep nobody else's balance from being read.
func TestBalancesOfTokensThatAnswerTooMuch(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	e, good, large, larger := escrows(1)[0], common.HexToAddress("0x70"), common.HexToAddress("0x71"), common.HexToAddress("0x72")
	var refs []string
	balancesOf(n, map[common.Address]func() (any, *rpcError){
		good: answers(word(5)), large: answers("0x" + strings.Repeat("00", 9<<20)), larger: answers("0x" + strings.Repeat("00", 9<<20)),
	}, &refs)
	block := n.blocks[15]
	of := []follow.Holding{{Escrow: e, Token: large}, {Escrow: e, Token: good}, {Escrow: e, Token: larger}}
	got, err := newClient(t, nil, n).Balances(t.Context(), testChain, block, of)
	if err != nil || len(got) != len(of) {
		t.Fatalf("%d balances, %v", len(got), err)
	}
	seven := *uint256.NewInt(7)
	for i, want := range []swap.Balance{{Block: block, Native: seven, Mute: true}, {Block: block, Native: seven, Token: *uint256.NewInt(5)}, {Block: block, Native: seven, Mute: true}} {
		if got[i] != want {
			t.Errorf("%d: %+v, want %+v", i, got[i], want)
		}
	}
}

// What a token does not tell one endpoint it may tell another; only that is asked again.
func TestMuteBalancesAreAskedOfTheOthers(t *testing.T) {
	t.Parallel()
	one, two := newNode(t, "one", 20, 0), newNode(t, "two", 20, 0)
	e, fine, odd, never := escrows(1)[0], common.HexToAddress("0x70"), common.HexToAddress("0x71"), common.HexToAddress("0x72")
	token := func(odd func() (any, *rpcError)) map[common.Address]func() (any, *rpcError) {
		return map[common.Address]func() (any, *rpcError){fine: answers(word(5)), common.HexToAddress("0x71"): odd, never: refuses(3, "execution reverted")}
	}
	var refs, again []string
	balancesOf(one, token(refuses(-32000, "no idea")), &refs)
	balancesOf(two, token(answers(word(6))), &again)
	block := one.blocks[15]
	got, err := newClient(t, nil, one, two).Balances(t.Context(), testChain, block,
		[]follow.Holding{{Escrow: e, Token: fine}, {Escrow: e, Token: odd}, {Escrow: e, Token: never}})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Token != *uint256.NewInt(5) || got[1].Token != *uint256.NewInt(6) || got[1].Mute || !got[2].Mute {
		t.Errorf("%+v", got)
	}
	if len(refs) != 6 || len(again) != 4 {
		t.Errorf("%d calls at the first and %d at the second, want 6 and 4", len(refs), len(again))
	}
}

// Time ends while a second endpoint is asked for what the first could not say: what
// the first did say stands. A transaction that may still be found is not given as one
// that nobody has.
func TestTimeEndsAtTheSecondEndpoint(t *testing.T) {
	t.Parallel()
	e, fine, odd := escrows(1)[0], common.HexToAddress("0x70"), common.HexToAddress("0x71")
	ask := func(t *testing.T, ask func(ctx context.Context, client *Client, at swap.Block)) {
		one, two := newNode(t, "one", 20, 0), newNode(t, "two", 20, 0)
		var refs []string
		balancesOf(one, map[common.Address]func() (any, *rpcError){fine: answers(word(5)), odd: refuses(3, "execution reverted")}, &refs)
		one.answer("eth_getTransactionByHash", nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var asked atomic.Bool
		two.intercept(func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
			asked.Store(true)
			cancel()
			<-r.Context().Done()
			return true
		})
		ask(ctx, newClient(t, nil, one, two), one.blocks[15])
		if !asked.Load() {
			t.Error("the second endpoint was not asked")
		}
	}
	seven, five := *uint256.NewInt(7), *uint256.NewInt(5)
	ask(t, func(ctx context.Context, client *Client, at swap.Block) {
		got, err := client.Balances(ctx, testChain, at, []follow.Holding{{Escrow: e, Token: fine}, {Escrow: e, Token: odd}})
		if err != nil || len(got) != 2 || got[0] != (swap.Balance{Block: at, Token: five, Native: seven}) || got[1] != (swap.Balance{Block: at, Native: seven, Mute: true}) {
			t.Errorf("%+v, %v", got, err)
		}
	})
	ask(t, func(ctx context.Context, client *Client, at swap.Block) {
		got, err := client.Holdings(ctx, testChain, at, []balance.Holding{{Account: e, Token: fine}, {Account: e, Token: odd}})
		if err != nil || len(got) != 2 || got[0] != (balance.Reading{Amount: five}) || got[1] != (balance.Reading{Failed: "reverted", Mute: true}) {
			t.Errorf("%+v, %v", got, err)
		}
	})
	ask(t, func(ctx context.Context, client *Client, _ swap.Block) {
		if got, err := client.Transactions(ctx, testChain, []common.Hash{{1}}); err == nil {
			t.Errorf("%+v", got)
		}
	})
}

func TestBalancesWhereHashesAreNotTaken(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	token := common.HexToAddress("0x70")
	var refs []string
	balancesOf(n, map[common.Address]func() (any, *rpcError){token: answers(word(5))}, &refs)
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		byHash := (m == "eth_getBalance" || m == "eth_call") && strings.HasPrefix(string(p[1]), "{")
		return nil, &rpcError{Code: -32602, Message: "invalid argument 1: json: cannot unmarshal object"}, byHash
	})
	client := newClient(t, nil, n)
	of := []follow.Holding{{Escrow: factory, Token: token}}
	for i, requests := range []int{2, 3} { // the refusal is remembered
		got, err := client.Balances(t.Context(), testChain, n.blocks[15], of)
		if err != nil || got[0].Token != *uint256.NewInt(5) || got[0].Native != *uint256.NewInt(7) {
			t.Fatalf("%v, %v", got, err)
		}
		if _, made := n.counts(); made != requests {
			t.Errorf("reading %d: %d requests so far, want %d", i, made, requests)
		}
	}
	for _, ref := range refs {
		if ref != `"0xf"` {
			t.Errorf("read at %s", ref)
		}
	}
	// By number, another block's balances must not pass for this one's.
	n.extend("side", 15, 20, time.Now())
	if _, err := client.Balances(t.Context(), testChain, swap.Block{Number: 15, Hash: blockHash("main", 15)}, of); classOf(err) != classReorg {
		t.Errorf("replaced block: %v", err)
	}
}

func TestBalancesGoToTheNextEndpoint(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]rpcError{
		"no state":      {Code: -32000, Message: "missing trie node 1234 (path ) state is not available"},
		"not canonical": {Code: -32000, Message: "hash is not currently canonical"},
		"rate":          {Code: -32005, Message: "rate limit exceeded"},
		"unforeseen":    {Code: -32000, Message: "no idea"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good := newNode(t, "bad", 20, 0), newNode(t, "good", 20, 0)
			bad.refuse("eth_getBalance", refusal)
			var refs []string
			balancesOf(good, nil, &refs)
			got, err := newClient(t, nil, bad, good).Balances(t.Context(), testChain, good.blocks[15], []follow.Holding{{Escrow: factory}})
			if err != nil || got[0].Native != *uint256.NewInt(7) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func tx(hash common.Hash, more map[string]any) map[string]any {
	out := map[string]any{"hash": hash, "from": factory, "input": "0x1234", "chainId": hexutil.Uint64(testChain), "gasPrice": "0x2"}
	maps.Copy(out, more)
	return out
}

// transactions makes the node know these.
func transactions(n *node, txs map[common.Hash]map[string]any) {
	n.hook(func(m string, p []json.RawMessage) (any, *rpcError, bool) {
		if m != "eth_getTransactionByHash" {
			return nil, nil, false
		}
		if t, ok := txs[common.HexToHash(plain(p[0]))]; ok {
			return t, nil, true
		}
		return nil, nil, true
	})
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", 20, 0), newNode(t, "b", 20, 0)
	one, two, none := common.Hash{1}, common.Hash{2}, common.Hash{3}
	transactions(a, map[common.Hash]map[string]any{one: tx(one, nil)})
	transactions(b, map[common.Hash]map[string]any{two: tx(two, map[string]any{"input": "0x", "chainId": nil})})
	client := newClient(t, nil, a, b)
	got, err := client.Transactions(t.Context(), testChain, []common.Hash{none, two, one})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Input != nil || got[0].From != (common.Address{}) {
		t.Errorf("unknown: %+v", got[0])
	}
	if got[1].From != factory || len(got[1].Input) != 0 || got[2].From != factory || string(got[2].Input) != "\x12\x34" {
		t.Errorf("%+v", got)
	}
	if calls, _ := b.counts(); calls["eth_getTransactionByHash"] != 2 {
		t.Errorf("second endpoint asked for %d", calls["eth_getTransactionByHash"])
	}
}

func TestTransactionsThatLie(t *testing.T) {
	t.Parallel()
	hash := common.Hash{1}
	for name, change := range map[string]map[string]any{
		"another hash":  {"hash": common.Hash{2}},
		"no sender":     {"from": nil},
		"no input":      {"input": nil},
		"another chain": {"chainId": "0x1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good := newNode(t, "bad", 20, 0), newNode(t, "good", 20, 0)
			transactions(bad, map[common.Hash]map[string]any{hash: tx(hash, change)})
			transactions(good, map[common.Hash]map[string]any{hash: tx(hash, nil)})
			client := newClient(t, nil, bad, good)
			got, err := client.Transactions(t.Context(), testChain, []common.Hash{hash})
			if err != nil || got[0].From != factory {
				t.Errorf("%v, %v", got, err)
			}
			if got := kinds(client); fmt.Sprint(got) != "[bad malformed]" {
				t.Errorf("troubles %v", got)
			}
		})
	}
}

func TestTransactionsWithoutAnswer(t *testing.T) {
	t.Parallel()
	n := newNode(t, "one", 20, 0)
	n.intercept(text(500, ""))
	_, err := newClient(t, nil, n).Transactions(t.Context(), testChain, []common.Hash{{1}})
	noSecrets(t, err)
}
