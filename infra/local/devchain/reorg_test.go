package devchain

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"golang.org/x/sync/errgroup"
)

func TestReorg(t *testing.T) {
	first := func(tx *types.Transaction) bool { return tx.Nonce() == 0 }
	second := func(tx *types.Transaction) bool { return tx.Nonce() == 1 }
	// Before: block 1 (+10) holds alice's nonce 0, block 2 (+20) her nonce 1.
	for name, tt := range map[string]struct {
		reorg func(txs []*types.Transaction) Reorg
		head  uint64
		logs  string // topics left in the chain
		next  string // nonces in the next block from the pool
		known string // nonces that the node still knows
	}{
		"one block, returned":  {func([]*types.Transaction) Reorg { return Reorg{Depth: 1} }, 2, "1", "1", "01"},
		"two blocks, returned": {func([]*types.Transaction) Reorg { return Reorg{Depth: 2} }, 2, "", "0 1", "01"},
		"two blocks, dropped":  {func([]*types.Transaction) Reorg { return Reorg{Depth: 2, Drop: All} }, 2, "", "", ""},
		"one of two dropped":   {func([]*types.Transaction) Reorg { return Reorg{Depth: 2, Drop: second} }, 2, "", "0", "0"},
		"gap after the dropped": {func([]*types.Transaction) Reorg { return Reorg{Depth: 2, Drop: first} },
			2, "", "", "1"},
		"included again, later": {func(txs []*types.Transaction) Reorg {
			return Reorg{Depth: 2, Blocks: []Block{{Time: genesisTime + 11}, {genesisTime + 12, txs}}, Drop: All}
		}, 2, "12", "", "01"},
		"longer": {func(txs []*types.Transaction) Reorg {
			return Reorg{Depth: 1, Blocks: []Block{{genesisTime + 21, txs[1:]}, {Time: genesisTime + 22}, {Time: genesisTime + 23}}}
		}, 4, "12", "", "01"},
		"shorter": {func([]*types.Transaction) Reorg {
			return Reorg{Depth: 2, Blocks: []Block{{Time: genesisTime + 30}}}
		}, 1, "", "0 1", "01"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain(t, testConfig(5))
			client := dial(t, c)
			txs := []*types.Transaction{call(t, c, alice, 0, common.Hash{31: 1}, 1), call(t, c, alice, 1, common.Hash{31: 2}, 1)}
			old := []*types.Block{
				must[*types.Block](t)(c.MineTxs(genesisTime+10, txs[0])),
				must[*types.Block](t)(c.MineTxs(genesisTime+20, txs[1])),
			}
			r := tt.reorg(txs)
			if err := c.Reorg(r); err != nil {
				t.Fatal(err)
			}
			if got := c.Head().Number.Uint64(); got != tt.head {
				t.Errorf("head %d, want %d", got, tt.head)
			}
			for i, block := range old {
				gone := 2-i <= r.Depth
				now, err := client.HeaderByNumber(t.Context(), block.Number())
				if same := err == nil && now.Hash() == block.Hash(); same == gone {
					t.Errorf("block %d: same %t, %v", i+1, same, err)
				}
			}
			var left strings.Builder
			logs := must[[]types.Log](t)(client.FilterLogs(t.Context(), ethereum.FilterQuery{FromBlock: new(big.Int)}))
			for _, log := range logs {
				left.WriteByte('0' + log.Topics[0][31])
				canonical := must[*types.Header](t)(client.HeaderByNumber(t.Context(), new(big.Int).SetUint64(log.BlockNumber)))
				if canonical.Hash() != log.BlockHash {
					t.Errorf("log of a block that is no longer there: %+v", log)
				}
			}
			if left.String() != tt.logs {
				t.Errorf("logs %q, want %q", left.String(), tt.logs)
			}
			var known strings.Builder
			for i, tx := range txs {
				_, _, err := client.TransactionByHash(t.Context(), tx.Hash())
				if err == nil {
					known.WriteByte(byte('0' + i))
				} else if !errors.Is(err, ethereum.NotFound) {
					t.Error(err)
				}
			}
			if known.String() != tt.known {
				t.Errorf("known nonces %q, want %q", known.String(), tt.known)
			}
			if got := hashes(must[*types.Block](t)(c.Mine(genesisTime + 100))); got != tt.next {
				t.Errorf("next block holds nonces %q, want %q", got, tt.next)
			}
		})
	}
}

func TestDroppedTransactionCanBeSentAgain(t *testing.T) {
	c := newChain(t, testConfig(5))
	client := dial(t, c)
	tx := call(t, c, alice, 0, common.Hash{1}, 1)
	must[*types.Block](t)(c.MineTxs(genesisTime+1, tx))
	send(t, client, call(t, c, bob, 0, common.Hash{2}, 1)) // another's stays untouched
	if err := c.Reorg(Reorg{Depth: 1, Drop: All}); err != nil {
		t.Fatal(err)
	}
	if nonce := must[uint64](t)(client.PendingNonceAt(t.Context(), addr(alice))); nonce != 0 {
		t.Errorf("pending nonce %d of the dropped transaction's sender", nonce)
	}
	send(t, client, tx)
	if got := len(must[*types.Block](t)(c.Mine(genesisTime + 3)).Transactions()); got != 2 {
		t.Errorf("%d transactions, want both", got)
	}
}

func TestForget(t *testing.T) {
	c := newChain(t, testConfig(5))
	client := dial(t, c)
	mine := call(t, c, alice, 0, common.Hash{1}, 1)
	send(t, client, mine, call(t, c, bob, 0, common.Hash{2}, 1), call(t, c, bob, 1, common.Hash{2}, 1))
	if err := c.Forget(func(tx *types.Transaction) bool { return tx.Hash() == mine.Hash() }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.TransactionByHash(t.Context(), mine.Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("forgotten transaction: %v", err)
	}
	if got := hashes(must[*types.Block](t)(c.Mine(genesisTime + 1))); got != "0 1" {
		t.Errorf("mined %q, want bob's", got)
	}
}

func TestReorgRefuses(t *testing.T) {
	c := newChain(t, testConfig(5))
	tx := call(t, c, alice, 0, common.Hash{1}, 1)
	must[*types.Block](t)(c.MineTxs(genesisTime+5, tx))
	must[*types.Block](t)(c.MineEmpty(genesisTime + 6))
	before := c.Head().Hash()
	for name, r := range map[string]Reorg{
		"no depth":         {},
		"negative depth":   {Depth: -1},
		"below genesis":    {Depth: 3},
		"no blocks":        {Depth: 1, Blocks: []Block{}},
		"time not rising":  {Depth: 1, Blocks: []Block{{Time: genesisTime + 5}}},
		"second too early": {Depth: 1, Blocks: []Block{{Time: genesisTime + 7}, {Time: genesisTime + 7}}},
		"repeated tx":      {Depth: 1, Blocks: []Block{{Time: genesisTime + 7, Txs: []*types.Transaction{tx}}}},
	} {
		if err := c.Reorg(r); err == nil || !strings.Contains(err.Error(), "reorganise chain 5") {
			t.Errorf("%s: %v", name, err)
		}
		if c.Head().Hash() != before {
			t.Fatalf("%s changed the chain", name)
		}
	}
}

// Deeper than go-ethereum keeps states by default (128), and repeated.
func TestDeepReorgs(t *testing.T) {
	c := newChain(t, testConfig(5))
	tx := call(t, c, alice, 0, common.Hash{1}, 1)
	must[*types.Block](t)(c.MineTxs(genesisTime+1, tx))
	for i := range uint64(150) {
		must[*types.Block](t)(c.MineEmpty(genesisTime + 2 + i))
	}
	seen := map[common.Hash]bool{c.Head().Hash(): true}
	for range 3 {
		if err := c.Reorg(Reorg{Depth: 151}); err != nil {
			t.Fatal(err)
		}
		if seen[c.Head().Hash()] {
			t.Error("a fork equals an earlier one")
		}
		seen[c.Head().Hash()] = true
	}
	if got := hashes(must[*types.Block](t)(c.Mine(genesisTime + 1000))); got != "0" {
		t.Errorf("mined %q, want the transaction of the old chain", got)
	}
}

// HTTP clients see the old chain or the new one, whole.
func TestReorgIsAtomicForClients(t *testing.T) {
	c := newChain(t, testConfig(5))
	tx := call(t, c, alice, 0, common.Hash{1}, 1)
	must[*types.Block](t)(c.MineTxs(genesisTime+1, tx))
	for i := range uint64(5) {
		must[*types.Block](t)(c.MineEmpty(genesisTime + 2 + i))
	}
	var group errgroup.Group
	stop := make(chan struct{})
	for range 2 {
		client := dial(t, c)
		group.Go(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if n, err := client.BlockNumber(t.Context()); err != nil || n != 6 {
					return errors.Join(err, errors.New("a head other than 6 was seen"))
				}
				// Kept or pending again, never unknown: Drop spares it.
				if _, _, err := client.TransactionByHash(t.Context(), tx.Hash()); err != nil {
					return err
				}
			}
		})
	}
	for range 10 {
		if err := c.Reorg(Reorg{Depth: 6, Drop: func(*types.Transaction) bool { return false }}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
