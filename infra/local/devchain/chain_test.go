package devchain

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

const genesisTime = 1_700_000_000

var (
	alice = key("alice")
	bob   = key("bob")

	// echo logs the block timestamp under the topic given as calldata, and
	// returns the timestamp: TIMESTAMP, MSTORE(0), CALLDATALOAD(0), LOG1, RETURN.
	echo     = common.HexToAddress("0xec40")
	echoCode = common.FromHex("0x4260005260003560206000a160206000f3")
)

func key(name string) *ecdsa.PrivateKey {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		panic(err)
	}
	return k
}

func addr(k *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(k.PublicKey) }

func testConfig(id uint64) Config {
	return Config{
		ChainID:     id,
		GenesisTime: genesisTime,
		Alloc:       types.GenesisAlloc{echo: {Code: echoCode, Balance: new(big.Int)}},
		Balances: map[common.Address]*big.Int{
			addr(alice): big.NewInt(params.Ether),
			addr(bob):   big.NewInt(params.Ether),
		},
	}
}

func newChain(t testing.TB, cfg Config) *Chain {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func dial(t testing.TB, c *Chain) *ethclient.Client {
	t.Helper()
	client, err := ethclient.Dial(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// call makes a signed call of the echo contract.
func call(t testing.TB, c *Chain, from *ecdsa.PrivateKey, nonce uint64, topic common.Hash, tipWei int64) *types.Transaction {
	t.Helper()
	id := new(big.Int).SetUint64(c.ChainID())
	tx, err := types.SignNewTx(from, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID:   id,
		Nonce:     nonce,
		GasTipCap: big.NewInt(tipWei),
		GasFeeCap: big.NewInt(10 * params.GWei),
		Gas:       60_000,
		To:        &echo,
		Data:      topic[:],
	})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func send(t testing.TB, client *ethclient.Client, txs ...*types.Transaction) {
	t.Helper()
	for _, tx := range txs {
		if err := client.SendTransaction(t.Context(), tx); err != nil {
			t.Fatalf("send nonce %d: %v", tx.Nonce(), err)
		}
	}
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

func hashes(block *types.Block) string {
	var out []string
	for _, tx := range block.Transactions() {
		out = append(out, fmt.Sprint(tx.Nonce()))
	}
	return strings.Join(out, " ")
}

func TestStartsWithGenesisAsConfigured(t *testing.T) {
	cfg := testConfig(31337)
	cfg.GasLimit = 12_345_678
	cfg.BaseFee = big.NewInt(77)
	c := newChain(t, cfg)
	client := dial(t, c)
	if got := must[*big.Int](t)(client.ChainID(t.Context())); got.Uint64() != 31337 || c.ChainID() != 31337 {
		t.Errorf("chain id %s", got)
	}
	head := must[*types.Header](t)(client.HeaderByNumber(t.Context(), nil))
	if head.Number.Sign() != 0 || head.Time != genesisTime || head.GasLimit != 12_345_678 || head.BaseFee.Int64() != 77 {
		t.Errorf("genesis %+v", head)
	}
	if c.Head().Hash() != head.Hash() {
		t.Error("Head differs from what the endpoint serves")
	}
	if got := must[*big.Int](t)(client.BalanceAt(t.Context(), addr(alice), nil)); got.Int64() != params.Ether {
		t.Errorf("balance %s", got)
	}
	if got := must[[]byte](t)(client.CodeAt(t.Context(), echo, nil)); len(got) != len(echoCode) {
		t.Errorf("code %x", got)
	}
	if got := must[*ethereum.SyncProgress](t)(client.SyncProgress(t.Context())); got != nil {
		t.Errorf("a new chain says it is syncing: %+v", got)
	}
	// "Indexing in progress" would be an error of another kind.
	if _, err := client.TransactionReceipt(t.Context(), common.Hash{1}); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("unknown receipt: %v", err)
	}
	for _, method := range []string{"net_version", "web3_clientVersion", "txpool_status"} {
		var got any
		if err := client.Client().Call(&got, method); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
	for _, method := range []string{"admin_nodeInfo", "miner_setGasPrice"} {
		if err := client.Client().Call(new(any), method); err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%s is served: %v", method, err)
		}
	}
}

func TestRefusesBadConfig(t *testing.T) {
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "chain id is zero") {
		t.Errorf("no chain id: %v", err)
	}
	taken := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	cfg := testConfig(1)
	cfg.Port = taken.Addr().(*net.TCPAddr).Port
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "listen for JSON-RPC") {
		t.Errorf("taken port: %v", err)
	}
}

func TestEqualCallsGiveEqualHashes(t *testing.T) {
	run := func() common.Hash {
		c := newChain(t, testConfig(5))
		send(t, c.Client(), call(t, c, alice, 0, common.Hash{1}, 1), call(t, c, bob, 0, common.Hash{2}, 2))
		must[*types.Block](t)(c.Mine(genesisTime + 7))
		if err := c.Reorg(Reorg{Depth: 1}); err != nil {
			t.Fatal(err)
		}
		return must[*types.Block](t)(c.Mine(genesisTime + 9)).Hash()
	}
	if a, b := run(), run(); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

func TestTwoChainsInOneProcess(t *testing.T) {
	a, b := newChain(t, testConfig(8453)), newChain(t, testConfig(10))
	must[*types.Block](t)(a.MineTxs(genesisTime+1, call(t, a, alice, 0, common.Hash{}, 1)))
	if _, err := b.MineTxs(genesisTime+1, call(t, a, alice, 0, common.Hash{}, 1)); err == nil {
		t.Error("a transaction of the other chain was mined")
	}
	for _, c := range []*Chain{a, b} {
		if got := must[*big.Int](t)(dial(t, c).ChainID(t.Context())); got.Uint64() != c.ChainID() {
			t.Errorf("endpoint of chain %d answers %s", c.ChainID(), got)
		}
	}
	if a.Head().Number.Uint64() != 1 || b.Head().Number.Uint64() != 0 {
		t.Error("heads are shared")
	}
	if params.AllDevChainProtocolChanges.ChainID.Uint64() != 1337 || params.AllDevChainProtocolChanges.BogotaTime == nil {
		t.Error("the library's shared configuration was changed")
	}
}

func TestBatchRequest(t *testing.T) {
	c := newChain(t, testConfig(5))
	must[*types.Block](t)(c.MineEmpty(genesisTime + 5))
	var number hexutil.Uint64
	var head map[string]any
	batch := []rpc.BatchElem{
		{Method: "eth_blockNumber", Result: &number},
		{Method: "eth_noSuchMethod", Result: new(any)},
		{Method: "eth_getBlockByNumber", Args: []any{"latest", false}, Result: &head},
	}
	if err := dial(t, c).Client().BatchCallContext(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if number != 1 || head["timestamp"] != hexutil.EncodeUint64(genesisTime+5) || batch[0].Error != nil || batch[2].Error != nil {
		t.Errorf("batch answered %d, %v, %+v", number, head["timestamp"], batch)
	}
	if batch[1].Error == nil {
		t.Error("an unknown method inside a batch has no error")
	}
}

func TestBlockOverrideOfCall(t *testing.T) {
	c := newChain(t, testConfig(5))
	client := dial(t, c).Client()
	for _, tt := range []struct {
		override map[string]any
		want     uint64
	}{
		{nil, genesisTime},
		{map[string]any{"time": hexutil.Uint64(genesisTime + 86_400)}, genesisTime + 86_400},
	} {
		var got hexutil.Bytes
		err := client.Call(&got, "eth_call", map[string]any{"to": echo}, "latest", nil, tt.override)
		if err != nil || new(big.Int).SetBytes(got).Uint64() != tt.want {
			t.Errorf("override %v: timestamp %s, %v; want %d", tt.override, got, err, tt.want)
		}
	}
}

// A log filter of more than 1,000 addresses is refused, as public nodes do.
func TestLogFilterAddressLimit(t *testing.T) {
	c := newChain(t, testConfig(5))
	client := dial(t, c)
	for n, ok := range map[int]bool{1000: true, 1001: false} {
		_, err := client.FilterLogs(t.Context(), ethereum.FilterQuery{Addresses: make([]common.Address, n)})
		if (err == nil) != ok {
			t.Errorf("%d addresses: %v", n, err)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	before := runtime.NumGoroutine()
	c := must[*Chain](t)(New(testConfig(5)))
	client := must[*ethclient.Client](t)(ethclient.Dial(c.URL()))
	send(t, client, call(t, c, alice, 0, common.Hash{}, 1))
	must[*types.Block](t)(c.Mine(genesisTime + 1))
	// A connection opened in reserve, which a client may never use, must not
	// hold Close up.
	endpoint := must[*url.URL](t)(url.Parse(c.URL()))
	spare := must[net.Conn](t)(net.Dial("tcp", endpoint.Host))
	defer spare.Close()
	client.Close()
	start := time.Now()
	for range 2 { // the second call changes nothing
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Mine(genesisTime + 2); !errors.Is(err, errClosed) {
		t.Errorf("mine after close: %v", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("Close took %s", took)
	}
	port := must[int](t)(strconv.Atoi(endpoint.Port()))
	must[net.Listener](t)(net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))).Close()
	if left := must[[]os.DirEntry](t)(os.ReadDir(os.TempDir())); len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}
	waitFor(t, func() (bool, string) {
		now := runtime.NumGoroutine()
		stacks := make([]byte, 1<<20)
		return now <= before, fmt.Sprintf("%d goroutines, %d before:\n%s", now, before, stacks[:runtime.Stack(stacks, true)])
	})
}

// waitFor polls until ok, for what ends in the background.
func waitFor(t *testing.T, ok func() (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		done, state := ok()
		if done {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatal(state)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		must[*Chain](b)(New(testConfig(5))).Close()
	}
}
