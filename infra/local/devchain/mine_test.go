package devchain

import (
	"math/big"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// Each round sends over HTTP and mines at once: the transaction must be in that
// very block, and its receipt, logs and nonce be right at once.
func TestMineTakesWhatWasJustSent(t *testing.T) {
	c := newChain(t, testConfig(5))
	client := dial(t, c)
	for i := range uint64(100) {
		topic := common.BigToHash(new(big.Int).SetUint64(i + 1))
		tx := call(t, c, alice, i, topic, 1)
		send(t, client, tx)
		block := must[*types.Block](t)(c.Mine(genesisTime + 3*(i+1)))
		if block.Time() != genesisTime+3*(i+1) || block.NumberU64() != i+1 {
			t.Fatalf("block %d at %d", block.NumberU64(), block.Time())
		}
		if len(block.Transactions()) != 1 || block.Transactions()[0].Hash() != tx.Hash() {
			t.Fatalf("block %d holds %d transactions", block.NumberU64(), len(block.Transactions()))
		}
		receipt := must[*types.Receipt](t)(client.TransactionReceipt(t.Context(), tx.Hash()))
		if receipt.BlockHash != block.Hash() || receipt.Status != types.ReceiptStatusSuccessful {
			t.Fatalf("receipt %+v", receipt)
		}
		for name, query := range map[string]ethereum.FilterQuery{
			"whole chain": {Addresses: []common.Address{echo}},
			"to latest":   {FromBlock: block.Number(), Topics: [][]common.Hash{{topic}}},
			"by number":   {FromBlock: block.Number(), ToBlock: block.Number()},
		} {
			logs := must[[]types.Log](t)(client.FilterLogs(t.Context(), query))
			want := 1
			if name == "whole chain" {
				query.FromBlock = new(big.Int)
				logs, want = must[[]types.Log](t)(client.FilterLogs(t.Context(), query)), int(i+1)
			}
			if len(logs) != want || logs[want-1].Topics[0] != topic || logs[want-1].BlockHash != block.Hash() {
				t.Fatalf("%s after block %d: %d logs", name, block.NumberU64(), len(logs))
			}
		}
		if nonce := must[uint64](t)(client.PendingNonceAt(t.Context(), addr(alice))); nonce != i+1 {
			t.Fatalf("pending nonce %d after %d transactions", nonce, i+1)
		}
	}
}

// Several transactions of one account, sent while the pool still follows the last
// block, are all in the next one.
func TestMineTakesAllOfAnAccount(t *testing.T) {
	cfg := testConfig(5)
	cfg.Balances[addr(alice)] = new(big.Int).Mul(big.NewInt(params.Ether), big.NewInt(1000))
	c := newChain(t, cfg)
	const each = 3
	for i := range uint64(400) {
		for n := range uint64(each) {
			send(t, c.Client(), call(t, c, alice, each*i+n, common.Hash{}, 1))
		}
		if got := len(must[*types.Block](t)(c.Mine(genesisTime + i + 1)).Transactions()); got != each {
			t.Fatalf("%d transactions in block %d, want %d", got, i+1, each)
		}
	}
}

func TestMineContents(t *testing.T) {
	for name, tt := range map[string]struct {
		mine func(c *Chain, at uint64, own []*types.Transaction) (*types.Block, error)
		want string // nonces mined; alice's 0 and 1 wait in the pool
		left uint   // pending afterwards
	}{
		"pool":  {func(c *Chain, at uint64, _ []*types.Transaction) (*types.Block, error) { return c.Mine(at) }, "0 1", 0},
		"empty": {func(c *Chain, at uint64, _ []*types.Transaction) (*types.Block, error) { return c.MineEmpty(at) }, "", 2},
		"chosen": {func(c *Chain, at uint64, own []*types.Transaction) (*types.Block, error) {
			return c.MineTxs(at, own[0])
		}, "0", 1},
		"none chosen": {func(c *Chain, at uint64, _ []*types.Transaction) (*types.Block, error) { return c.MineTxs(at) }, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain(t, testConfig(5))
			own := []*types.Transaction{call(t, c, alice, 0, common.Hash{}, 1), call(t, c, alice, 1, common.Hash{}, 1)}
			send(t, c.Client(), own...)
			block := must[*types.Block](t)(tt.mine(c, genesisTime+1, own))
			if got := hashes(block); got != tt.want {
				t.Errorf("mined nonces %q, want %q", got, tt.want)
			}
			if got := must[uint](t)(c.Client().PendingTransactionCount(t.Context())); got != tt.left {
				// the pending block is the pool's, built on the new head
				t.Errorf("%d left in the pool, want %d", got, tt.left)
			}
		})
	}
}

func TestMineRefuses(t *testing.T) {
	c := newChain(t, testConfig(5))
	must[*types.Block](t)(c.Mine(genesisTime + 10))
	for name, mine := range map[string]func() (*types.Block, error){
		"timestamp of the parent": func() (*types.Block, error) { return c.Mine(genesisTime + 10) },
		"earlier timestamp":       func() (*types.Block, error) { return c.MineEmpty(genesisTime + 9) },
		"impossible transaction": func() (*types.Block, error) {
			return c.MineTxs(genesisTime+11, call(t, c, alice, 0, common.Hash{}, 1), call(t, c, alice, 9, common.Hash{}, 1))
		},
	} {
		if _, err := mine(); err == nil || !strings.Contains(err.Error(), "mine block 2 of chain 5") {
			t.Errorf("%s: %v", name, err)
		}
		if c.Head().Number.Uint64() != 1 {
			t.Errorf("%s moved the head", name)
		}
	}
}

func TestMinTipHoldsTransactionsBack(t *testing.T) {
	c := newChain(t, testConfig(5))
	if err := c.SetMinTip(new(big.Int)); err == nil {
		t.Error("a tip of zero was accepted")
	}
	if err := c.SetMinTip(big.NewInt(100)); err != nil {
		t.Fatal(err)
	}
	send(t, c.Client(), call(t, c, alice, 0, common.Hash{}, 99), call(t, c, bob, 0, common.Hash{}, 100))
	if got := len(must[*types.Block](t)(c.Mine(genesisTime + 1)).Transactions()); got != 1 {
		t.Errorf("%d transactions mined, want bob's alone", got)
	}
	if err := c.SetMinTip(big.NewInt(1)); err != nil {
		t.Fatal(err)
	}
	if got := len(must[*types.Block](t)(c.Mine(genesisTime + 2)).Transactions()); got != 1 {
		t.Errorf("%d transactions mined after the tip fell", got)
	}
}

func TestReplacementByFee(t *testing.T) {
	c := newChain(t, testConfig(5))
	client := dial(t, c)
	send(t, client, call(t, c, alice, 0, common.Hash{1}, 100))
	if err := client.SendTransaction(t.Context(), call(t, c, alice, 0, common.Hash{2}, 101)); err == nil {
		t.Error("a replacement without a real bump was accepted")
	}
}

func TestBaseFeeStaysSane(t *testing.T) {
	c := newChain(t, testConfig(5))
	for i := range uint64(300) {
		must[*types.Block](t)(c.MineEmpty(genesisTime + i + 1))
	}
	if fee := c.Head().BaseFee.Int64(); fee < 1 || fee > 10 {
		t.Errorf("base fee after 300 empty blocks: %d wei", fee)
	}
	send(t, c.Client(), call(t, c, alice, 0, common.Hash{}, 1))
	if got := len(must[*types.Block](t)(c.Mine(genesisTime + 1000)).Transactions()); got != 1 {
		t.Errorf("%d transactions at the lowest base fee", got)
	}
}

func TestFinalTags(t *testing.T) {
	cfg := testConfig(5)
	cfg.FinalDepth = 2
	c := newChain(t, cfg)
	plain := newChain(t, testConfig(6))
	client := dial(t, c)
	at := func(tag rpc.BlockNumber) uint64 {
		return must[*types.Header](t)(client.HeaderByNumber(t.Context(), big.NewInt(tag.Int64()))).Number.Uint64()
	}
	for i, want := range []uint64{0, 0, 0, 1, 2} {
		if i > 0 {
			must[*types.Block](t)(c.MineEmpty(genesisTime + uint64(i)))
		}
		if final, safe := at(rpc.FinalizedBlockNumber), at(rpc.SafeBlockNumber); final != want || safe != want {
			t.Errorf("at head %d: finalized %d, safe %d, want %d", i, final, safe, want)
		}
	}
	if err := c.Reorg(Reorg{Depth: 3, Blocks: []Block{{Time: genesisTime + 9}}}); err != nil {
		t.Fatal(err)
	}
	if final := at(rpc.FinalizedBlockNumber); final != 0 {
		t.Errorf("finalized %d after a fall to head 2", final)
	}
	tag := big.NewInt(rpc.FinalizedBlockNumber.Int64())
	if _, err := plain.Client().HeaderByNumber(t.Context(), tag); err == nil {
		t.Error("a chain without FinalDepth has a finalized block")
	}
}

func TestOldStateStays(t *testing.T) {
	c := newChain(t, testConfig(5))
	must[*types.Block](t)(c.MineTxs(genesisTime+1, call(t, c, alice, 0, common.Hash{}, 1)))
	for i := range uint64(200) {
		must[*types.Block](t)(c.MineEmpty(genesisTime + 2 + i))
	}
	for block, want := range map[int64]uint64{0: 0, 1: 1, 201: 1} {
		if got := must[uint64](t)(c.Client().NonceAt(t.Context(), addr(alice), big.NewInt(block))); got != want {
			t.Errorf("nonce %d at block %d, want %d", got, block, want)
		}
	}
}

func BenchmarkMine(b *testing.B) {
	for name, txs := range map[string]int{"empty": 0, "10txs": 10} {
		b.Run(name, func(b *testing.B) {
			cfg := testConfig(5)
			cfg.Balances[addr(alice)] = new(big.Int).Lsh(big.NewInt(1), 200)
			c := newChain(b, cfg)
			var nonce, at uint64
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for b.Loop() {
				for range txs {
					send(b, c.Client(), call(b, c, alice, nonce, common.Hash{1}, 1))
					nonce++
				}
				at++
				must[*types.Block](b)(c.Mine(genesisTime + at))
			}
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(at)/b.Elapsed().Seconds(), "blocks/s")
			b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/float64(at), "heap-B/block")
		})
	}
}
