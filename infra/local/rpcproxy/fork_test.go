package rpcproxy

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

func TestForkedHead(t *testing.T) {
	c, txs := newChain(t)
	client, real, ctx := through(t, c, ForkedHead(4)), c.Client(), t.Context()

	// The header's own hash counts: the client computes it from the contents.
	var parent common.Hash
	forked := make(map[uint64]common.Hash)
	for n := range uint64(7) {
		got := must[*types.Header](t)(client.HeaderByNumber(ctx, new(big.Int).SetUint64(n)))
		want := must[*types.Header](t)(real.HeaderByNumber(ctx, new(big.Int).SetUint64(n)))
		if same := got.Hash() == want.Hash(); same != (n <= 4) {
			t.Errorf("block %d: same hash %t", n, same)
		}
		if got.ParentHash != parent || got.Time != want.Time || got.Root != want.Root {
			t.Errorf("block %d does not follow its parent or has other contents", n)
		}
		var raw struct{ Hash common.Hash }
		if err := client.Client().CallContext(ctx, &raw, "eth_getBlockByNumber", rpc.BlockNumber(n), false); err != nil || raw.Hash != got.Hash() {
			t.Errorf("block %d says hash %s, has %s, %v", n, raw.Hash, got.Hash(), err)
		}
		parent = got.Hash()
		forked[n] = parent
	}
	if got := must[*types.Header](t)(client.HeaderByNumber(ctx, nil)); got.Hash() != forked[6] {
		t.Error("latest is another block than 6")
	}

	six := must[*types.Header](t)(real.HeaderByNumber(ctx, big.NewInt(6)))
	if _, err := client.HeaderByHash(ctx, six.Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("the fork knows a block of the other: %v", err)
	}
	if err := client.Client().CallContext(ctx, new(string), "eth_getBalance", addr(alice), map[string]any{"blockHash": six.Hash()}); err == nil {
		t.Error("the fork answers for a block of the other")
	}
	other := six.Hash()
	if _, err := client.FilterLogs(ctx, ethereum.FilterQuery{BlockHash: &other}); err == nil {
		t.Error("the fork has logs of a block of the other")
	}
	for _, n := range []uint64{4, 6} {
		hash := forked[n]
		if got := must[*types.Header](t)(client.HeaderByHash(ctx, hash)); got.Hash() != hash || got.Number.Uint64() != n {
			t.Errorf("block %d by hash: %+v", n, got)
		}
		logs := must[[]types.Log](t)(client.FilterLogs(ctx, ethereum.FilterQuery{BlockHash: &hash}))
		if len(logs) != 1 || logs[0].BlockHash != hash {
			t.Errorf("logs of block %d by hash: %+v", n, logs)
		}
		if got := must[*big.Int](t)(client.BalanceAtHash(ctx, addr(alice), hash)); got.Sign() != 1 {
			t.Errorf("balance at block %d by hash: %s", n, got)
		}
		receipt := must[*types.Receipt](t)(client.TransactionReceipt(ctx, txs[n-1].Hash()))
		if receipt.BlockHash != hash || receipt.Logs[0].BlockHash != hash {
			t.Errorf("receipt of block %d: %+v", n, receipt)
		}
		receipts := must[[]*types.Receipt](t)(client.BlockReceipts(ctx, rpc.BlockNumberOrHashWithHash(hash, false)))
		if len(receipts) != 1 || receipts[0].BlockHash != hash {
			t.Errorf("receipts of block %d by hash: %+v", n, receipts)
		}
	}
	for _, l := range must[[]types.Log](t)(client.FilterLogs(ctx, ethereum.FilterQuery{FromBlock: new(big.Int)})) {
		if l.BlockHash != forked[l.BlockNumber] {
			t.Errorf("log of block %d names block %s", l.BlockNumber, l.BlockHash)
		}
	}
	var full struct {
		Hash         common.Hash
		Transactions []struct{ BlockHash common.Hash }
	}
	if err := client.Client().CallContext(ctx, &full, "eth_getBlockByNumber", "latest", true); err != nil ||
		full.Transactions[0].BlockHash != full.Hash {
		t.Errorf("full block %+v, %v", full, err)
	}
	var none json.RawMessage
	if err := client.Client().CallContext(ctx, &none, "eth_getBlockByNumber", "0x63", false); err != nil || string(none) != "null" {
		t.Errorf("block 99: %s, %v", none, err)
	}
}

// The fork follows its chain when that is reorganised below it.
func TestForkedHeadFollowsReorg(t *testing.T) {
	c, _ := newChain(t)
	client, ctx := through(t, c, ForkedHead(4)), t.Context()
	before := must[*types.Header](t)(client.HeaderByNumber(ctx, nil))
	if err := c.Reorg(reorgOf(2)); err != nil {
		t.Fatal(err)
	}
	after := must[*types.Header](t)(client.HeaderByNumber(ctx, nil))
	if before.Hash() == after.Hash() || after.Hash() == c.Head().Hash() {
		t.Error("the forked head stayed or became the real one")
	}
}
