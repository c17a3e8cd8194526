package e2e

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// The functions, by folder.
const (
	stateSync          = "state-sync"
	timelockMonitor    = "timelock-monitor"
	cancellationCheck  = "cancellation-check"
	actionExecutor     = "action-executor"
	transactionTracker = "transaction-tracker"
	pacer              = "pacer"
)

// binaries builds the functions with the race detector, once per test binary.
var binaries = sync.OnceValues(func() (map[string]string, error) {
	root, err := stack.Root()
	if err != nil {
		return nil, err
	}
	return stack.Build(context.Background(), root, []string{stateSync, timelockMonitor, cancellationCheck, actionExecutor, transactionTracker, pacer}, true, os.Stderr)
})

// setup says what rig a test needs. The zero value is the plain one.
type setup struct {
	scenes    []*scene.Scene
	endpoints int    // of each chain; 0: one
	profile   string // ""; test
	mode      string // "": live
	logSpan   int    // 0: 500
	deliver   func(function string, payload []byte) []time.Duration
	line      func(lambda.Line)
	begin     uint64 // block time; 0: a round minute after the present
}

// rig is a stack with the chains of some scenes below it.
type rig struct {
	*stack.Stack
	t      testing.TB
	world  *scene.World
	ledger *judge.Ledger
	store  *store.Store
	begin  uint64

	mu    sync.Mutex
	found []string         // data races and panics
	told  []map[string]any // structured log lines
	bells []bell           // sent and not yet delivered
	ended []lambda.Invocation
}

// newRig starts everything; it ends with the test, which fails if any function
// raced or panicked.
func newRig(t testing.TB, o setup) *rig {
	t.Helper()
	built, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	if o.begin == 0 {
		// Functions clamp ages at zero, so chains that run ahead of the wall clock
		// are always fresh.
		o.begin = uint64(time.Now().Unix())/60*60 + 60
	}
	r := &rig{t: t, begin: o.begin}
	if r.world, err = scene.Build(t.Context(), r.begin, o.scenes); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.world.Close)
	urls := map[string]string{}
	clients := map[uint64]*ethclient.Client{}
	for i, c := range r.world.Chains {
		urls[fmt.Sprintf("CHAIN_%d", i)] = c.Dev.URL()
		clients[c.ID] = c.Client
	}
	r.ledger = judge.NewLedger(clients, scene.Signers())
	profile, mode := o.profile, o.mode
	if profile == "" {
		profile = "test"
	}
	if mode == "" {
		mode = "live"
	}
	r.Stack, err = stack.Start(t.Context(), stack.Options{
		Root: root, Profile: profile, Mode: mode, Race: true, Binaries: built, Keys: keys(), Deliver: o.deliver,
		ChainsFile: chainsFile(r.world, o),
		Lookup:     func(name string) (string, bool) { url, ok := urls[name]; return url, ok },
		Observe: func(i lambda.Invocation) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ended = append(r.ended, i)
		},
		Log: func(l lambda.Line) {
			r.read(l)
			if o.line != nil {
				o.line(l)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for _, f := range r.found {
			t.Error(f)
		}
	})
	tables := store.Tables{}
	for _, tb := range r.Template.Tables {
		switch tb.LogicalID {
		case "Orders":
			tables.Orders = tb.Name
		case "Actions":
			tables.Actions = tb.Name
		case "Journal":
			tables.Journal = tb.Name
		case "Jobs":
			tables.Jobs = tb.Name
		}
	}
	if r.store, err = store.New(r.DynamoDB, tables, store.Live); err != nil {
		t.Fatal(err)
	}
	return r
}

func alias(a scene.Account) string { return "alias/" + strings.ReplaceAll(a.Name, " ", "-") }

func keys() map[string]*ecdsa.PrivateKey {
	out := map[string]*ecdsa.PrivateKey{}
	for _, a := range scene.Keys {
		out[alias(a)] = a.Key
	}
	return out
}

// chainsFile describes the world to the functions. Each chain's endpoints are
// routes of the RPC proxy to the same node: "c1e0" is the first of the second
// chain.
func chainsFile(w *scene.World, o setup) []byte {
	endpoints, span := max(o.endpoints, 1), o.logSpan
	if span == 0 {
		span = 500
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("warnLevels: [40, 20, 5]")
	line("signers:")
	for _, a := range scene.Keys {
		custody := "exclusive"
		if a.Address == scene.ContractKey.Address {
			custody = "contract"
		}
		line("  - {name: %q, address: %q, key: %q, custody: %s}", a.Name, a.Address, alias(a), custody)
	}
	line("chains:")
	for i, c := range w.Chains {
		line("  - id: %d\n    name: %s\n    blockTime: 1\n    minBlockTime: 1\n    regular: true\n    confirmations: %d\n    rewindDepth: 20", c.ID, c.Name, scene.Confirmations)
		line("    inclusion: 2\n    logSpan: %d\n    nativeDust: 1000000\n    singleProvider: %v", span, endpoints == 1)
		line("    maxFee: {withdraw: 500000000000000, cancel: 500000000000000, rescueFunds: 500000000000000, publicWithdraw: 500000000000000, publicCancel: 500000000000000}")
		line("    endpoints:")
		for e := range endpoints {
			line("      - {name: %s-%d, url: \"${CHAIN_%d}\"}", c.Name, e, i)
		}
		line("    factories:")
		for _, f := range contracts.Families() {
			line("      - {address: %q, family: %s}", c.Families[f].Factory, f)
		}
		line("    tokens:")
		line("      - {address: %q, symbol: USD, decimals: 6, weiPerUnit: 300000000000000, dust: 100}", c.USD)
		line("      - {address: %q, symbol: BLK, decimals: 6, weiPerUnit: 300000000000000, dust: 100}", c.Blocking)
		line("    takers:")
		for _, a := range []scene.Account{scene.TakerV1, scene.TakerV11, scene.TakerBMN} {
			line("      - {address: %q, signer: %q, path: eoa}", a.Address, a.Name)
		}
		line("      - {address: %q, signer: %q, path: resolver-contract}", c.Resolver, scene.ContractKey.Name)
		line("      - {address: %q, path: none}", scene.WatchedTaker.Address)
		line("    accessToken: {address: %q, signer: %q}", c.AccessToken, scene.AccessKey.Name)
		line("    helpers:")
		for _, a := range w.Ours() {
			line("      - %q", a)
		}
	}
	return []byte(b.String())
}

// read looks for what no function may ever print.
func (r *rig) read(l lambda.Line) {
	var fields map[string]any
	structured := json.Unmarshal([]byte(l.Text), &fields) == nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if structured {
		fields["function"] = l.Function
		r.told = append(r.told, fields)
	}
	if strings.Contains(l.Text, "DATA RACE") || strings.HasPrefix(l.Text, "panic:") || strings.Contains(l.Text, `"panic"`) {
		r.found = append(r.found, l.Function+": "+l.Text)
	}
}

// lines are the log lines so far with that message.
func (r *rig) lines(message string) []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []map[string]any
	for _, l := range r.told {
		if l["message"] == message {
			out = append(out, l)
		}
	}
	return out
}

// alerted tells whether an alert of that kind was raised.
func (r *rig) alerted(kind string) bool {
	for _, l := range r.lines("alert") {
		if l["kind"] == kind {
			return true
		}
	}
	return false
}

// hear notes the doorbells that the functions ring, on their way. Faults that
// were there before see what the functions see.
func (r *rig) hear() {
	r.AWS.Use(func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
		reply, err := next(c)
		if err != nil || reply.Status != 200 || c.Service != "sqs" || c.Function == pacer {
			return reply, err
		}
		var sent struct {
			Entries []struct {
				MessageBody  string
				DelaySeconds uint64
			}
		}
		if err := json.Unmarshal(c.Body, &sent); err != nil {
			return reply, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range sent.Entries {
			r.bells = append(r.bells, bell{body: e.MessageBody, due: r.clock() + e.DelaySeconds})
		}
		return reply, err
	})
}

// accounts are all signing accounts of the world.
func (r *rig) accounts() []txn.Account {
	var out []txn.Account
	for _, c := range r.world.Chains {
		for _, a := range scene.Signers() {
			out = append(out, txn.Account{ChainID: c.ID, Signer: a})
		}
	}
	return out
}

// settled checks that nothing is left in flight: no journalled nonce is open,
// and the journal knows of every nonce that the product used.
func (r *rig) settled() error {
	for _, a := range r.accounts() {
		open, _, err := r.store.Journal().Entries(r.t.Context(), a)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			return fmt.Errorf("%d transactions of %s on chain %d are not settled: nonce %d is %s", len(open), a.Signer, a.ChainID, open[0].Nonce, open[0].State)
		}
	}
	return nil
}

// reverted lists the mined transactions of our signers that failed.
func (r *rig) reverted() []common.Hash {
	var out []common.Hash
	for _, tx := range r.ledger.Ours() {
		if !tx.OK {
			out = append(out, tx.Hash)
		}
	}
	return out
}
