package rpcproxy

import (
	"crypto/ecdsa"
	"math/big"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
)

const genesisTime = 1_700_000_000

var (
	alice = key("alice")
	// logger logs the first word of its calldata as topic:
	// CALLDATALOAD(0), LOG1 of nothing.
	logger = common.HexToAddress("0x1099")
)

func key(name string) *ecdsa.PrivateKey {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		panic(err)
	}
	return k
}

func addr(k *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(k.PublicKey) }

// newChain has six blocks; block n, at genesisTime+n, holds alice's nonce n-1,
// which logs n.
func newChain(t *testing.T) (*devchain.Chain, []*types.Transaction) {
	t.Helper()
	c, err := devchain.New(devchain.Config{
		ChainID:     5,
		GenesisTime: genesisTime,
		Alloc:       types.GenesisAlloc{logger: {Code: common.FromHex("0x60003560006000a1"), Balance: new(big.Int)}},
		Balances:    map[common.Address]*big.Int{addr(alice): big.NewInt(params.Ether)},
		FinalDepth:  2,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	var txs []*types.Transaction
	for n := range uint64(6) {
		tx := transaction(t, n)
		if _, err := c.MineTxs(genesisTime+n+1, tx); err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	return c, txs
}

func transaction(t *testing.T, nonce uint64) *types.Transaction {
	t.Helper()
	topic := common.BigToHash(new(big.Int).SetUint64(nonce + 1))
	tx, err := types.SignNewTx(alice, types.LatestSignerForChainID(big.NewInt(5)), &types.DynamicFeeTx{
		ChainID:   big.NewInt(5),
		Nonce:     nonce,
		GasTipCap: big.NewInt(1),
		GasFeeCap: big.NewInt(10 * params.GWei),
		Gas:       60_000,
		To:        &logger,
		Data:      topic[:],
	})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// through is a client of the chain behind a proxy with these faults.
func through(t *testing.T, c *devchain.Chain, faults ...Fault) *ethclient.Client {
	t.Helper()
	p := newProxy(t, map[string]string{"base": c.URL()})
	for _, f := range faults {
		p.Inject(f)
	}
	client, err := ethclient.Dial(p.URL("sync", "base"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
