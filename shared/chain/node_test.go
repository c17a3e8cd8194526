package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const testChain = 4242

// rpcError is what a node refuses a call with.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// hook answers a call in a node's place; handled false lets the node answer.
type hook func(method string, params []json.RawMessage) (result any, err *rpcError, handled bool)

// node is a small chain behind an HTTP endpoint, to be bent by tests.
type node struct {
	*httptest.Server
	name string

	mu       sync.Mutex
	chainID  uint64
	blocks   []swap.Block // by number
	logs     []map[string]any
	noTime   bool // logs without blockTimestamp
	hooks    []hook
	whole    func(w http.ResponseWriter, r *http.Request, body []byte) bool // answers a whole request
	calls    map[string]int
	requests int
}

// blockHash is the hash of a block on a branch.
func blockHash(branch string, number uint64) common.Hash {
	return crypto.Keccak256Hash(fmt.Appendf(nil, "%s/%d", branch, number))
}

// newNode starts a node with a head of the given number, one block a second,
// the newest one as old as age.
func newNode(t testing.TB, name string, head uint64, age time.Duration) *node {
	t.Helper()
	n := &node{name: name, chainID: testChain, calls: map[string]int{}}
	n.extend("main", 0, head, time.Now().Add(-age))
	n.Server = httptest.NewServer(http.HandlerFunc(n.serve))
	t.Cleanup(n.Close)
	return n
}

// extend replaces the blocks from number on by those of a branch, one second
// apart, the last one at the given time.
func (n *node) extend(branch string, from, head uint64, last time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocks = n.blocks[:min(from, uint64(len(n.blocks)))]
	for i := from; i <= head; i++ {
		n.blocks = append(n.blocks, swap.Block{Number: i, Hash: blockHash(branch, i), Time: swap.ChainTime(last.Unix() - int64(head-i))})
	}
}

// emit adds a log to a block that exists.
func (n *node) emit(number uint64, index uint, address common.Address, topic common.Hash, data []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.blocks[number]
	n.logs = append(n.logs, map[string]any{
		"address": address, "topics": []common.Hash{topic}, "data": hexutil.Bytes(data),
		"blockNumber": hexutil.Uint64(number), "blockHash": b.Hash, "blockTimestamp": hexutil.Uint64(b.Time),
		"transactionHash": crypto.Keccak256Hash(fmt.Appendf(nil, "tx %d/%d", number, index)),
		"logIndex":        hexutil.Uint(index), "removed": false,
	})
}

func (n *node) hook(h hook) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hooks = append([]hook{h}, n.hooks...)
}

func (n *node) intercept(f func(w http.ResponseWriter, r *http.Request, body []byte) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.whole = f
}

// refuse answers every call of a method with an error.
func (n *node) refuse(method string, err rpcError) {
	n.hook(func(m string, _ []json.RawMessage) (any, *rpcError, bool) { return nil, &err, m == method })
}

// answer answers every call of a method with a result.
func (n *node) answer(method string, result any) {
	n.hook(func(m string, _ []json.RawMessage) (any, *rpcError, bool) { return result, nil, m == method })
}

func (n *node) counts() (calls map[string]int, requests int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.calls), n.requests
}

// total is the number of calls since the last reset.
func (n *node) total() int {
	calls, _ := n.counts()
	sum := 0
	for _, c := range calls {
		sum += c
	}
	return sum
}

func (n *node) reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls, n.requests = map[string]int{}, 0
}

type testRequest struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

func (n *node) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	batch := bytes.HasPrefix(body, []byte("["))
	var reqs []testRequest
	if batch {
		err = json.Unmarshal(body, &reqs)
	} else {
		reqs = make([]testRequest, 1)
		err = json.Unmarshal(body, &reqs[0])
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	n.requests++
	for _, q := range reqs {
		n.calls[q.Method]++
	}
	whole := n.whole
	n.mu.Unlock()
	if whole != nil && whole(w, r, body) {
		return
	}
	var out []map[string]any
	for _, q := range reqs {
		answer := map[string]any{"jsonrpc": "2.0", "id": q.ID}
		if result, failed := n.call(q.Method, q.Params); failed != nil {
			answer["error"] = failed
		} else {
			answer["result"] = result
		}
		out = append(out, answer)
	}
	w.Header().Set("Content-Type", "application/json")
	if batch {
		err = json.NewEncoder(w).Encode(out)
	} else {
		err = json.NewEncoder(w).Encode(out[0])
	}
	if err != nil && r.Context().Err() == nil {
		panic(err)
	}
}

func (n *node) call(method string, params []json.RawMessage) (any, *rpcError) {
	n.mu.Lock()
	hooks := n.hooks
	n.mu.Unlock()
	for _, h := range hooks {
		if result, err, handled := h(method, params); handled {
			return result, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch method {
	case "eth_chainId":
		return hexutil.Uint64(n.chainID), nil
	case "eth_getBlockByNumber":
		number := uint64(len(n.blocks) - 1)
		if s := plain(params[0]); s != "latest" {
			number = hexutil.MustDecodeUint64(s)
		}
		if number >= uint64(len(n.blocks)) {
			return nil, nil
		}
		b := n.blocks[number]
		return map[string]any{
			"number": hexutil.Uint64(b.Number), "hash": b.Hash, "timestamp": hexutil.Uint64(b.Time),
			"baseFeePerGas": "0x3b9aca00", "transactions": []string{},
		}, nil
	case "eth_getLogs":
		return n.getLogs(params[0])
	}
	return nil, &rpcError{Code: -32601, Message: "the method " + method + " does not exist/is not available"}
}

type testFilter struct {
	From    hexutil.Uint64   `json:"fromBlock"`
	To      hexutil.Uint64   `json:"toBlock"`
	Block   common.Hash      `json:"blockHash"`
	Address []common.Address `json:"address"`
	Topics  [][]common.Hash  `json:"topics"`
}

func readFilter(raw json.RawMessage) testFilter {
	var f testFilter
	if err := json.Unmarshal(raw, &f); err != nil {
		panic(err)
	}
	return f
}

func (n *node) getLogs(raw json.RawMessage) (any, *rpcError) {
	f := readFilter(raw)
	if uint64(f.To) >= uint64(len(n.blocks)) {
		return nil, &rpcError{Code: -32602, Message: "block range extends beyond current head block"}
	}
	if len(f.Address) > 1000 {
		return nil, &rpcError{Code: -32602, Message: "exceed max addresses or topics per search position"}
	}
	out := []map[string]any{}
	for _, l := range n.logs {
		number := l["blockNumber"].(hexutil.Uint64)
		if number < f.From || number > f.To || !slices.Contains(f.Address, l["address"].(common.Address)) ||
			!slices.Contains(f.Topics[0], l["topics"].([]common.Hash)[0]) {
			continue
		}
		l = maps.Clone(l)
		if n.noTime {
			delete(l, "blockTimestamp")
		}
		out = append(out, l)
	}
	return out, nil
}

// newClient configures one chain with the nodes as its endpoints, in order.
func newClient(t testing.TB, tune func(*Config), nodes ...*node) *Client {
	t.Helper()
	cfg := Config{ID: testChain, Name: "test", BlockTime: time.Second, Confirmations: 5, Timeout: 20 * time.Second}
	for _, n := range nodes {
		cfg.Endpoints = append(cfg.Endpoints, Endpoint{Name: n.name, URL: n.URL + "/v3/" + testToken})
	}
	if tune != nil {
		tune(&cfg)
	}
	c, err := New([]Config{cfg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.chains[testChain].wait = time.Millisecond
	return c
}

// testToken stands for a provider's token in a URL path.
const testToken = "path-token-of-the-test"

// kinds lists the troubles as "endpoint kind".
func kinds(c *Client) []string {
	var out []string
	for _, tr := range c.Trouble() {
		out = append(out, tr.Endpoint+" "+string(tr.Kind))
	}
	return out
}

func noSecrets(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, secret := range []string{testToken, "127.0.0.1", "http:", "/v3"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error shows %q: %v", secret, err)
		}
	}
}

// stall holds every request until the test ends or the client goes.
func stall(t testing.TB, n *node) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	n.intercept(func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	})
}
