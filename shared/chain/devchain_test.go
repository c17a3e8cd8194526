package chain_test

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

const (
	chainID     = 31
	genesisTime = 1_700_000_000
	opens       = genesisTime + 1000 // when the window of gate begins
)

var (
	alice = key("alice")

	factory = common.HexToAddress("0xfac7")
	escrow  = common.HexToAddress("0xe5c1")
	other   = common.HexToAddress("0xe5c2")
	// echoCode logs the block timestamp under the topic given as calldata:
	// TIMESTAMP, MSTORE(0), CALLDATALOAD(0), LOG1.
	echoCode = common.FromHex("0x4260005260003560206000a1")
	// gateCode reverts with InvalidTime before opens.
	gate     = common.HexToAddress("0x9a7e")
	gateCode = common.FromHex(fmt.Sprintf("0x63%08x4210600b57005b636f7eac2660e01b60005260046000fd", opens))

	factoryTopic = swap.FactoryTopics(swap.OneInchV1)[0]
	withdrawal   = swap.EscrowTopics()[0]
)

func key(name string) *ecdsa.PrivateKey {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		panic(err)
	}
	return k
}

// bench is a real chain with one account that sends.
type bench struct {
	*devchain.Chain
	t     testing.TB
	nonce uint64
}

func newBench(t testing.TB) *bench {
	t.Helper()
	c, err := devchain.New(devchain.Config{
		ChainID: chainID, GenesisTime: genesisTime,
		Alloc: types.GenesisAlloc{
			factory: {Code: echoCode, Balance: new(big.Int)}, escrow: {Code: echoCode, Balance: big.NewInt(77)},
			other: {Code: echoCode, Balance: new(big.Int)}, gate: {Code: gateCode, Balance: new(big.Int)},
		},
		Balances: map[common.Address]*big.Int{crypto.PubkeyToAddress(alice.PublicKey): new(big.Int).Mul(big.NewInt(1000), big.NewInt(params.Ether))},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{Chain: c, t: t}
}

// sign makes alice's next transaction.
func (b *bench) sign(tx contracts.Tx, gas uint64) *types.Transaction {
	b.t.Helper()
	signed, err := types.SignNewTx(alice, types.LatestSignerForChainID(big.NewInt(chainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chainID), Nonce: b.nonce, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(10 * params.GWei),
		Gas: gas, To: tx.To, Value: tx.Value, Data: tx.Data,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.nonce++
	return signed
}

// mine adds a block, one second after the last, with these calls of echo.
func (b *bench) mine(txs ...*types.Transaction) *types.Block {
	b.t.Helper()
	block, err := b.MineTxs(b.Head().Time+1, txs...)
	if err != nil {
		b.t.Fatal(err)
	}
	return block
}

func (b *bench) emit(at common.Address, topic common.Hash) *types.Transaction {
	return b.sign(contracts.Tx{To: &at, Data: topic[:]}, 60_000)
}

// create deploys a contract and returns its address.
func (b *bench) create(tx contracts.Tx) common.Address {
	b.t.Helper()
	at := crypto.CreateAddress(crypto.PubkeyToAddress(alice.PublicKey), b.nonce)
	signed := b.sign(tx, 15_000_000)
	b.mine(signed)
	r, err := b.Chain.Client().TransactionReceipt(b.t.Context(), signed.Hash())
	if err != nil || r.Status != 1 {
		b.t.Fatalf("create contract: %v, %v", r, err)
	}
	return at
}

// proxied is a client of the chain behind two endpoints, "first" and "second",
// with a fault on one of them.
func (b *bench) proxied(faulty string, fault rpcproxy.Fault) *chain.Client {
	b.t.Helper()
	p, err := rpcproxy.New()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			b.t.Error(err)
		}
	})
	cfg := chain.Config{ID: chainID, BlockTime: time.Second, Confirmations: 3, Timeout: 20 * time.Second}
	for _, name := range []string{"first", "second"} {
		if err := p.Route(name, b.URL()); err != nil {
			b.t.Fatal(err)
		}
		cfg.Endpoints = append(cfg.Endpoints, chain.Endpoint{Name: name, URL: p.URL("test", name)})
	}
	p.Inject(rpcproxy.When(fault, rpcproxy.Endpoint(faulty)))
	return newClient(b.t, cfg)
}

func newClient(t testing.TB, cfg chain.Config) *chain.Client {
	t.Helper()
	c, err := chain.New([]chain.Config{cfg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// direct is a client of the chain alone.
func (b *bench) direct() *chain.Client {
	return newClient(b.t, chain.Config{ID: chainID, BlockTime: time.Second, Confirmations: 3, Endpoints: []chain.Endpoint{{Name: "node", URL: b.URL()}}})
}

func blockOf(h *types.Header) swap.Block {
	return swap.Block{Number: h.Number.Uint64(), Time: swap.ChainTime(h.Time), Hash: h.Hash()}
}

func query(from, to uint64) follow.Query {
	return follow.Query{
		ChainID: chainID, From: from, To: to, Factories: []common.Address{factory},
		Topics: swap.FactoryTopics(swap.OneInchV1), Escrows: []common.Address{escrow},
	}
}

// history mines ten blocks: in block 3 the escrow's event and the factory's, in
// 5 a look-alike and another topic, in 8 the escrow's again. The last comes a
// minute after the one before.
func (b *bench) history() {
	b.mine()
	b.mine()
	b.mine(b.emit(escrow, withdrawal), b.emit(factory, factoryTopic))
	b.mine()
	b.mine(b.emit(other, withdrawal), b.emit(factory, withdrawal))
	b.mine()
	b.mine()
	b.mine(b.emit(escrow, withdrawal))
	b.mine()
	if _, err := b.Mine(b.Head().Time + 60); err != nil {
		b.t.Fatal(err)
	}
}

func checkHistory(t *testing.T, b *bench, span follow.Span) {
	t.Helper()
	want := []struct {
		block   uint64
		index   uint
		address common.Address
	}{{3, 0, escrow}, {3, 1, factory}, {8, 0, escrow}}
	if len(span.Logs) != len(want) {
		t.Fatalf("%d logs, want %d: %+v", len(span.Logs), len(want), span.Logs)
	}
	for i, w := range want {
		l := span.Logs[i]
		h, err := b.Client().HeaderByNumber(t.Context(), new(big.Int).SetUint64(w.block))
		if err != nil {
			t.Fatal(err)
		}
		if l.At.Block != w.block || l.At.Index != w.index || l.Address != w.address || l.At.Time != swap.ChainTime(h.Time) || l.At.BlockHash != h.Hash() || l.ChainID != chainID {
			t.Errorf("log %d: %+v, want %+v", i, l, w)
		}
	}
	if span.End != blockOf(b.Head()) {
		t.Errorf("end %+v, want %+v", span.End, b.Head())
	}
}

func TestRealNodeHeadAndLogs(t *testing.T) {
	b := newBench(t)
	b.history()
	client := b.direct()
	head, age, err := client.Head(t.Context(), chainID)
	if err != nil || head != blockOf(b.Head()) || age < time.Hour {
		t.Fatalf("head %+v, age %s, %v", head, age, err)
	}
	if blk, err := client.Block(t.Context(), chainID, 0); err != nil || blk.Time != genesisTime {
		t.Errorf("genesis %+v, %v", blk, err)
	}
	span, err := client.Logs(t.Context(), query(1, head.Number))
	if err != nil {
		t.Fatal(err)
	}
	checkHistory(t, b, span)

	// A reorganisation takes the last event with it.
	if err := b.Reorg(devchain.Reorg{Depth: 4, Drop: devchain.All}); err != nil {
		t.Fatal(err)
	}
	span, err = client.Logs(t.Context(), query(1, head.Number))
	if err != nil || len(span.Logs) != 2 || span.End != blockOf(b.Head()) {
		t.Errorf("after the reorganisation: %+v, %v", span, err)
	}
	if _, err := client.Balances(t.Context(), chainID, head, []follow.Holding{{Escrow: escrow}}); err == nil {
		t.Error("balances of a block that is gone")
	}
}

// A fault stands on one of two endpoints, the preferred one unless said
// otherwise; what is read is right all the same, and the endpoint is told.
func TestFaultyEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		fault rpcproxy.Fault
		kind  chain.TroubleKind // "" for none
	}{
		"429":             {rpcproxy.Status(429), chain.RateLimited},
		"503":             {rpcproxy.Status(503), chain.Unreachable},
		"cut":             {rpcproxy.Lose(), chain.Unreachable},
		"cut after":       {rpcproxy.LoseReply(), chain.Unreachable},
		"rate limit":      {rpcproxy.Fail(rpcproxy.CodeLimit, "rate limit exceeded"), chain.RateLimited},
		"wrong chain":     {rpcproxy.WrongChainID(1), chain.WrongChain},
		"stale":           {rpcproxy.StaleHead(1), chain.Stale},
		"forked (second)": {rpcproxy.ForkedHead(2), chain.Forked},
		"narrow":          {rpcproxy.LimitLogs(rpcproxy.LogLimits{Span: 4}), ""},
		"narrow, other":   {rpcproxy.LimitLogs(rpcproxy.LogLimits{Span: 3, Code: -32602, Message: "block range too large"}), ""},
		"few results":     {rpcproxy.LimitLogs(rpcproxy.LogLimits{Results: 1}), ""},
		"stall":           {rpcproxy.Stall(nil), chain.Unreachable},
		"nonsense":        {rpcproxy.When(rpcproxy.Answer("nonsense"), rpcproxy.Method("eth_getBlockByNumber")), chain.Malformed},
		"nonsense for id": {rpcproxy.When(rpcproxy.Answer("nonsense"), rpcproxy.Method("eth_chainId")), chain.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.history()
			faulty := "first"
			if strings.Contains(name, "second") {
				faulty = "second"
			}
			client := b.proxied(faulty, c.fault)
			var head swap.Block
			for range 2 { // a slow one is given a second chance
				var err error
				if head, _, err = client.Head(t.Context(), chainID); err != nil || head != blockOf(b.Head()) {
					t.Fatalf("head %+v, %v", head, err)
				}
			}
			var all follow.Span
			for from := uint64(1); from <= head.Number; from = all.End.Number + 1 {
				span, err := client.Logs(t.Context(), query(from, head.Number))
				if err != nil || span.End.Number < from {
					t.Fatalf("from %d: %+v, %v", from, span, err)
				}
				all = follow.Span{Logs: append(all.Logs, span.Logs...), End: span.End}
			}
			checkHistory(t, b, all)
			var got []string
			for _, tr := range client.Trouble() {
				got = append(got, tr.Endpoint+" "+string(tr.Kind))
			}
			want := []string{faulty + " " + string(c.kind)}
			if c.kind == "" {
				want = nil
			}
			if !slices.Equal(got, want) {
				t.Errorf("troubles %v, want %v", got, want)
			}
		})
	}
}

// An endpoint that keeps logs back is found out by the second reading.
func TestSecondReadingFindsMissingLogs(t *testing.T) {
	b := newBench(t)
	b.history()
	client := b.proxied("first", rpcproxy.DropLogs(func(types.Log) bool { return true }))
	first, err := client.Logs(t.Context(), query(1, 10))
	if err != nil || len(first.Logs) != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	q := query(1, 10)
	q.Again = true
	second, err := client.Logs(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	checkHistory(t, b, second)
}

// After Close no goroutine of a client is left, whatever its endpoints did.
func TestNothingIsLeftRunning(t *testing.T) {
	b := newBench(t)
	b.history()
	before := runtime.NumGoroutine()
	p, err := rpcproxy.New()
	if err != nil {
		t.Fatal(err)
	}
	cfg := chain.Config{ID: chainID, BlockTime: time.Second, Timeout: 200 * time.Millisecond}
	for _, name := range []string{"first", "second"} {
		if err := p.Route(name, b.URL()); err != nil {
			t.Fatal(err)
		}
		cfg.Endpoints = append(cfg.Endpoints, chain.Endpoint{Name: name, URL: p.URL("test", name)})
	}
	p.Inject(rpcproxy.When(rpcproxy.Stall(nil), rpcproxy.Endpoint("first")))
	client, err := chain.New([]chain.Config{cfg})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 8)
	for range cap(done) { // all at once: the race detector watches
		go func() {
			_, _, err1 := client.Head(t.Context(), chainID)
			_, err2 := client.Logs(t.Context(), query(1, 10))
			_, err3 := client.Account(t.Context(), txn.Account{ChainID: chainID}, 3)
			_ = client.Trouble()
			done <- errors.Join(err1, err2, err3)
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	client.Close()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
