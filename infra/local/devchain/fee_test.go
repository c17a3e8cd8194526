package devchain

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// The base fee goes where it is wanted, and everything else stays as it is in
// any block: receipts, logs, prices, and who is included.
func TestMineToward(t *testing.T) {
	fee, at := big.NewInt(params.GWei/10), uint64(genesisTime)
	cfg := testConfig(5)
	cfg.BaseFee = fee
	c := newChain(t, cfg)
	client := dial(t, c)
	toward := func(next *big.Int) *types.Block {
		t.Helper()
		at++
		return must[*types.Block](t)(c.MineToward(at, next))
	}
	near := func(b *types.Block, want *big.Int) {
		t.Helper()
		if over := new(big.Int).Sub(b.BaseFee(), want).Int64(); over < 0 || over > 1000 {
			t.Errorf("block %d: base fee %s, want %s", b.NumberU64(), b.BaseFee(), want)
		}
	}
	toward(fee)
	for range 10 {
		before := fee
		fee = new(big.Int).Div(new(big.Int).Mul(fee, big.NewInt(27)), big.NewInt(20))
		near(toward(fee), before)
	}
	if fee.Cmp(big.NewInt(2*params.GWei)) < 0 {
		t.Fatalf("base fee %s after ten blocks", fee)
	}

	// alice may pay 2 gwei a gas in all, which is too little; bob offers more.
	poor := must[*types.Transaction](t)(types.SignNewTx(alice, types.LatestSignerForChainID(big.NewInt(5)), &types.DynamicFeeTx{
		ChainID: big.NewInt(5), GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2 * params.GWei), Gas: 100_000, To: &echo}))
	rich := call(t, c, bob, 0, common.Hash{7}, 3)
	send(t, client, poor, rich)
	block := toward(fee)
	near(block, fee)
	if txs := block.Transactions(); len(txs) != 1 || txs[0].Hash() != rich.Hash() {
		t.Fatalf("%d transactions in a block of %s", len(txs), block.BaseFee())
	}
	r := must[*types.Receipt](t)(client.TransactionReceipt(t.Context(), rich.Hash()))
	if want := new(big.Int).Add(block.BaseFee(), big.NewInt(3)); r.BlockHash != block.Hash() || len(r.Logs) != 1 || r.EffectiveGasPrice.Cmp(want) != 0 {
		t.Errorf("receipt %+v at a base fee of %s", r, block.BaseFee())
	}
	near(toward(fee), fee) // stays

	// Down it goes as it does by itself, and genuine blocks follow.
	near(toward(big.NewInt(1)), fee)
	eighth := new(big.Int).Div(new(big.Int).Mul(fee, big.NewInt(7)), big.NewInt(8))
	block = must[*types.Block](t)(c.Mine(at + 1))
	near(block, eighth)
	if txs := block.Transactions(); len(txs) != 1 || txs[0].Hash() != poor.Hash() {
		t.Errorf("%d transactions where the cap suffices", len(txs))
	}
	must[*types.Block](t)(c.Mine(at + 2))
	if err := c.Reorg(Reorg{Depth: 5}); err != nil {
		t.Error(err)
	}
}

func TestMineTowardRefuses(t *testing.T) {
	c := newChain(t, testConfig(5))
	for _, next := range []*big.Int{new(big.Int), big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 100)} {
		if _, err := c.MineToward(genesisTime+1, next); err == nil {
			t.Errorf("a base fee of %s was accepted", next)
		}
	}
	if n := c.Head().Number.Uint64(); n != 0 {
		t.Errorf("block %d is the head", n)
	}
	must[*types.Block](t)(c.Mine(genesisTime + 1))
}
