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
	"github.com/ethereum/go-ethereum/ethclient"
)

func TestWrongChainID(t *testing.T) {
	c, _ := newChain(t)
	client := through(t, c, WrongChainID(99))
	if id := must[*big.Int](t)(client.ChainID(t.Context())); id.Uint64() != 99 {
		t.Errorf("eth_chainId %s", id)
	}
	if id := must[*big.Int](t)(client.NetworkID(t.Context())); id.Uint64() != 99 {
		t.Errorf("net_version %s", id)
	}
	if n := must[uint64](t)(client.BlockNumber(t.Context())); n != 6 {
		t.Errorf("head %d", n)
	}
}

func TestSendFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		fault Fault
		ok    bool
		text  string
		mined bool // afterwards
	}{
		"forgotten":                   {ForgetTransactions(), true, "", false},
		"already known":               {AlreadyKnown(), false, "already known", true},
		"already known, a lie":        {When(Fail(CodeServer, "already known"), Method("eth_sendRawTransaction")), false, "already known", false},
		"reply lost":                  {When(LoseReply(), Method("eth_sendRawTransaction")), false, "EOF", true},
		"lost":                        {When(Lose(), Method("eth_sendRawTransaction")), false, "EOF", false},
		"room in the pool":            {PoolCap(1), true, "", true},
		"no room in the pool":         {PoolCap(0), false, "account limit exceeded: 0 pending transactions", false},
		"matched by the transaction":  {When(Lose(), func(c *Call) bool { tx, ok := c.Transaction(); return ok && tx.Nonce() == 6 }), false, "EOF", false},
		"another transaction matched": {When(Lose(), func(c *Call) bool { tx, ok := c.Transaction(); return ok && tx.Nonce() == 7 }), true, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newChain(t)
			client := through(t, c, tt.fault)
			tx := transaction(t, 6)
			err := client.SendTransaction(t.Context(), tx)
			if (err == nil) != tt.ok || (err != nil && !strings.Contains(err.Error(), tt.text)) {
				t.Errorf("send: %v", err)
			}
			block := must[*types.Block](t)(c.Mine(genesisTime + 100))
			if mined := len(block.Transactions()) == 1; mined != tt.mined {
				t.Errorf("mined %t, want %t", mined, tt.mined)
			}
			if _, _, err := client.TransactionByHash(t.Context(), tx.Hash()); (err == nil) != tt.mined {
				t.Errorf("look up: %v", err)
			}
		})
	}
}

// The node's own answer to what is no transaction comes through the faults.
func TestSendFaultsLeaveNonsense(t *testing.T) {
	c, _ := newChain(t)
	for name, fault := range map[string]Fault{"forget": ForgetTransactions(), "pool": PoolCap(16)} {
		client := through(t, c, fault)
		for _, params := range [][]any{{}, {"0x"}, {"0x1234"}, {7}} {
			if err := client.Client().Call(new(json.RawMessage), "eth_sendRawTransaction", params...); err == nil {
				t.Errorf("%s: %v was accepted", name, params)
			}
		}
	}
}

func TestPoolCapOfSixteen(t *testing.T) {
	c, _ := newChain(t)
	client := through(t, c, PoolCap(16))
	send := func(nonce uint64) error { return client.SendTransaction(t.Context(), transaction(t, nonce)) }
	for nonce := uint64(6); nonce < 22; nonce++ {
		if err := send(nonce); err != nil {
			t.Fatalf("nonce %d: %v", nonce, err)
		}
	}
	if err := send(22); err == nil || !strings.Contains(err.Error(), "account limit exceeded") {
		t.Errorf("the 17th: %v", err)
	}
	// A pending nonce is judged by the node, here as known.
	if err := send(21); err == nil || !strings.Contains(err.Error(), "already known") {
		t.Errorf("the 16th again: %v", err)
	}
	if _, err := c.Mine(genesisTime + 100); err != nil {
		t.Fatal(err)
	}
	if err := send(22); err != nil {
		t.Errorf("after a block: %v", err)
	}
}

func TestNonceLies(t *testing.T) {
	c, _ := newChain(t)
	client := through(t, c, Nonces(func(account common.Address, block string, real uint64) uint64 {
		if account == addr(alice) && block == `"pending"` {
			return real + 10
		}
		return real
	}))
	for name, tt := range map[string]struct {
		got  uint64
		want uint64
	}{
		"pending":       {must[uint64](t)(client.PendingNonceAt(t.Context(), addr(alice))), 16},
		"latest":        {must[uint64](t)(client.NonceAt(t.Context(), addr(alice), nil)), 6},
		"other account": {must[uint64](t)(client.PendingNonceAt(t.Context(), logger)), 0},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", name, tt.got, tt.want)
		}
	}
	var got string
	if err := client.Client().Call(&got, "eth_getTransactionCount", addr(alice)); err != nil || got != "0x6" {
		t.Errorf("without block: %s, %v", got, err)
	}
}

func TestForeignReceipts(t *testing.T) {
	c, txs := newChain(t)
	client := through(t, c, ForeignReceipts())
	real := must[*types.Receipt](t)(c.Client().TransactionReceipt(t.Context(), txs[2].Hash()))
	got := must[*types.Receipt](t)(client.TransactionReceipt(t.Context(), txs[2].Hash()))
	if got.BlockHash == real.BlockHash || got.Logs[0].BlockHash != got.BlockHash || got.TxHash != real.TxHash {
		t.Errorf("receipt %+v", got)
	}
	if _, err := c.Client().HeaderByHash(t.Context(), got.BlockHash); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("its block exists: %v", err)
	}
	if _, err := client.TransactionReceipt(t.Context(), common.Hash{1}); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("receipt of nothing: %v", err)
	}
}

func TestMisroute(t *testing.T) {
	c, txs := newChain(t)
	other := must[*devchain.Chain](t)(devchain.New(devchain.Config{ChainID: 10}))
	t.Cleanup(func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	p := newProxy(t, map[string]string{"base": c.URL(), "optimism": other.URL()})
	p.Inject(When(p.Misroute("optimism"), Endpoint("base"), Method("eth_getTransactionReceipt", "eth_chainId")))
	client := must[*ethclient.Client](t)(ethclient.Dial(p.URL("sync", "base")))
	t.Cleanup(client.Close)
	if id := must[*big.Int](t)(client.ChainID(t.Context())); id.Uint64() != 10 {
		t.Errorf("chain id %s", id)
	}
	if _, err := client.TransactionReceipt(t.Context(), txs[0].Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("receipt: %v", err)
	}
	if n := must[uint64](t)(client.BlockNumber(t.Context())); n != 6 {
		t.Errorf("head %d", n)
	}
}
