package rpcproxy

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

func numbers(logs []types.Log) (out []uint64) {
	for _, l := range logs {
		out = append(out, l.BlockNumber)
	}
	return out
}

func TestStaleHead(t *testing.T) {
	c, txs := newChain(t) // head 6, final 4
	for name, fault := range map[string]Fault{"stale": StaleHead(3), "frozen": FrozenHead(3)} {
		t.Run(name, func(t *testing.T) { checkHeadThree(t, c, txs, fault) })
	}
	ctx := t.Context()
	// A frozen head above the real one invents nothing; a lag beyond genesis ends there.
	if n := must[uint64](t)(through(t, c, FrozenHead(99)).BlockNumber(ctx)); n != 6 {
		t.Errorf("frozen above the head: %d", n)
	}
	if n := must[uint64](t)(through(t, c, StaleHead(99)).BlockNumber(ctx)); n != 0 {
		t.Errorf("stale beyond genesis: %d", n)
	}
}

// checkHeadThree asks a chain of six blocks, served as of block 3, in all ways.
func checkHeadThree(t *testing.T, c *devchain.Chain, txs []*types.Transaction, fault Fault) {
	client, ctx := through(t, c, fault), t.Context()
	real := c.Client()
	if n := must[uint64](t)(client.BlockNumber(ctx)); n != 3 {
		t.Errorf("eth_blockNumber %d", n)
	}
	for tag, want := range map[rpc.BlockNumber]uint64{
		rpc.LatestBlockNumber: 3, rpc.PendingBlockNumber: 3, rpc.SafeBlockNumber: 3, rpc.FinalizedBlockNumber: 3,
		rpc.EarliestBlockNumber: 0, 3: 3, 1: 1,
	} {
		if got := must[*types.Header](t)(client.HeaderByNumber(ctx, big.NewInt(int64(tag)))); got.Number.Uint64() != want {
			t.Errorf("block %s is %d, want %d", tag, got.Number, want)
		}
	}
	four := must[*types.Header](t)(real.HeaderByNumber(ctx, big.NewInt(4)))
	three := must[*types.Header](t)(real.HeaderByNumber(ctx, common.Big3))
	for name, ask := range map[string]func() error{
		"number":  func() error { _, err := client.HeaderByNumber(ctx, big.NewInt(4)); return err },
		"hash":    func() error { _, err := client.HeaderByHash(ctx, four.Hash()); return err },
		"receipt": func() error { _, err := client.TransactionReceipt(ctx, txs[3].Hash()); return err },
	} {
		if err := ask(); !errors.Is(err, ethereum.NotFound) {
			t.Errorf("block 4 by %s: %v", name, err)
		}
	}
	if got := must[*types.Header](t)(client.HeaderByHash(ctx, three.Hash())); got.Number.Uint64() != 3 {
		t.Errorf("block 3 by hash is %d", got.Number)
	}
	if got := must[*types.Receipt](t)(client.TransactionReceipt(ctx, txs[2].Hash())); got.BlockNumber.Uint64() != 3 {
		t.Errorf("receipt of block 3: %+v", got)
	}
	for i, want := range map[int]bool{2: false, 3: true} {
		if _, pending, err := client.TransactionByHash(ctx, txs[i].Hash()); pending != want || err != nil {
			t.Errorf("transaction of block %d pending: %t, %v", i+1, pending, err)
		}
	}

	for name, tt := range map[string]struct {
		block *big.Int
		want  uint64
	}{"latest": {nil, 3}, "older": {common.Big2, 2}, "pending, from the pool": {big.NewInt(int64(rpc.PendingBlockNumber)), 6}} {
		if got := must[uint64](t)(client.NonceAt(ctx, addr(alice), tt.block)); got != tt.want {
			t.Errorf("nonce at %s: %d, want %d", name, got, tt.want)
		}
	}
	var nonce string
	if err := client.Client().CallContext(ctx, &nonce, "eth_getTransactionCount", addr(alice)); err != nil || nonce != "0x3" {
		t.Errorf("nonce without block parameter: %s, %v", nonce, err)
	}
	for name, block := range map[string]any{
		"number": "0x4", "EIP-1898 number": map[string]any{"blockNumber": "0x4"}, "EIP-1898 hash": map[string]any{"blockHash": four.Hash()},
	} {
		err := client.Client().CallContext(ctx, new(string), "eth_getBalance", addr(alice), block)
		if err == nil || !strings.Contains(err.Error(), "header not found") {
			t.Errorf("balance at block 4 by %s: %v", name, err)
		}
	}
	if got := must[*big.Int](t)(client.BalanceAtHash(ctx, addr(alice), three.Hash())); got.Sign() != 1 {
		t.Errorf("balance at the hash of block 3: %s", got)
	}
	if history := must[*ethereum.FeeHistory](t)(client.FeeHistory(ctx, 1, nil, []float64{50})); history.OldestBlock.Uint64() != 3 {
		t.Errorf("fee history at block %s", history.OldestBlock)
	}

	hash3, hash4 := three.Hash(), four.Hash()
	for name, tt := range map[string]struct {
		query ethereum.FilterQuery
		want  int // logs
		err   string
	}{
		"all":        {ethereum.FilterQuery{FromBlock: new(big.Int)}, 3, ""},
		"latest":     {ethereum.FilterQuery{FromBlock: big.NewInt(int64(rpc.LatestBlockNumber))}, 1, ""},
		"clamped":    {ethereum.FilterQuery{FromBlock: common.Big2, ToBlock: big.NewInt(6)}, 2, ""},
		"beyond":     {ethereum.FilterQuery{FromBlock: big.NewInt(4), ToBlock: big.NewInt(6)}, 0, ""},
		"finalized":  {ethereum.FilterQuery{FromBlock: common.Big1, ToBlock: big.NewInt(int64(rpc.FinalizedBlockNumber))}, 3, ""},
		"known hash": {ethereum.FilterQuery{BlockHash: &hash3}, 1, ""},
		"newer hash": {ethereum.FilterQuery{BlockHash: &hash4}, 0, "unknown block"},
	} {
		logs, err := client.FilterLogs(ctx, tt.query)
		if len(logs) != tt.want || (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("logs, %s: blocks %v, %v", name, numbers(logs), err)
		}
	}
	// Nonsense is answered by the endpoint, not by the fault.
	for _, params := range [][]any{{}, {"nonsense"}, {true, true}, {map[string]any{}, "nonsense"}} {
		for _, method := range []string{"eth_getBlockByNumber", "eth_getLogs", "eth_getBalance", "eth_getProof"} {
			if err := client.Client().CallContext(ctx, new(json.RawMessage), method, params...); err == nil {
				t.Errorf("%s%v was answered", method, params)
			}
		}
	}
	if id := must[*big.Int](t)(client.ChainID(ctx)); id.Uint64() != 5 {
		t.Errorf("chain id %s", id)
	}
}

// A fault that cannot ask the endpoint says so.
func TestBrokenFaultIsSeen(t *testing.T) {
	b := newBackend(t)
	b.answer = func([]byte) (int, string) {
		return 200, `{"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"down"}}`
	}
	p := newProxy(t, map[string]string{"base": b.URL})
	raw := must[[]byte](t)(transaction(t, 0).MarshalBinary())
	for name, tt := range map[string]struct {
		fault Fault
		body  string
	}{
		"stale head":      {StaleHead(1), rpcBody(1, "eth_blockNumber")},
		"stale tag":       {StaleHead(1), rpcBody(1, "eth_getBalance", addr(alice), "finalized")},
		"stale logs":      {StaleHead(1), rpcBody(1, "eth_getLogs", map[string]any{"blockHash": common.Hash{1}})},
		"limits":          {LimitLogs(LogLimits{Span: 1}), rpcBody(1, "eth_getLogs", map[string]any{})},
		"lag":             {LagLogs(1), rpcBody(1, "eth_getLogs", map[string]any{})},
		"pool":            {PoolCap(1), rpcBody(1, "eth_sendRawTransaction", "0x"+common.Bytes2Hex(raw))},
		"fork":            {ForkedHead(1), rpcBody(1, "eth_getBlockByHash", common.Hash{1}, false)},
		"fork, logs":      {ForkedHead(1), rpcBody(1, "eth_getLogs", map[string]any{"blockHash": common.Hash{1}})},
		"misroute, where": {p.Misroute("nowhere"), rpcBody(1, "eth_a")},
	} {
		remove := p.Inject(tt.fault)
		_, answer, err := post(t, p.URL("sync", "base"), tt.body)
		remove()
		if err != nil || !strings.Contains(answer, `"error":{"code":-32000,"message":"proxy: `) {
			t.Errorf("%s: %s, %v", name, answer, err)
		}
	}
}
