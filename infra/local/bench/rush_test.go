package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/demo"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

const (
	executor = "action-executor"
	// signTime is what KMS usually takes for a signature.
	signTime = 30 * time.Millisecond
	// blockTime of the chains by the wall clock while claims are sent: as their
	// chains file says.
	blockTime = time.Second
	// syncEvery is how many blocks pass between runs of state-sync and the
	// tracker meanwhile.
	syncEvery = 15
)

// BenchmarkRush claims 500 swaps whose windows open in the same block, with the
// functions' binaries on a stack: for a resolver contract, whose calls share
// transactions, and for an EOA whose nodes pool 16 transactions. It reports what
// the executor takes from the doorbell on: seconds to the last broadcast or
// journal entry, blocks to the last claim, signatures, and for each action
// DynamoDB units, JSON-RPC calls and gas; and the most memory that it held.
func BenchmarkRush(b *testing.B) {
	const swaps = 500
	for _, c := range []struct {
		name   string
		signer scene.Account
		many   scene.Many
	}{
		{"contract", scene.ContractKey, scene.Many{Taker: scene.Contract, Families: contracts.Families()}},
		{"account", scene.TakerV1, scene.Many{Taker: scene.EOA, Families: []contracts.Family{contracts.OneInchV1}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.many.Name, c.many.Swaps, c.many.Reveal, c.many.Due, c.many.Room = c.name, swaps, 60, 70, 400
			for b.Loop() {
				newRush(b, c.many, c.signer).run()
			}
		})
	}
}

// rush is one run.
type rush struct {
	*stack.Stack
	b      *testing.B
	signer scene.Account
	world  *scene.World
	crowd  *scene.Scene
	src    *scene.Chain

	mu        sync.Mutex
	last      time.Time // broadcast or journal entry
	heldBytes int64
	failed    []string
}

func newRush(b *testing.B, m scene.Many, signer scene.Account) *rush {
	b.Helper()
	r := &rush{b: b, signer: signer, crowd: m.Scene()}
	scenes := []*scene.Scene{r.crowd}
	begin := uint64(time.Now().Unix())/60*60 + 60 // ahead of the wall clock: never stale
	var err error
	if r.world, err = scene.Build(b.Context(), begin, scenes); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.world.Close)
	r.src = r.world.Chains[0]
	root, err := stack.Root()
	if err != nil {
		b.Fatal(err)
	}
	if r.Stack, err = stack.Start(b.Context(), stack.Options{Root: root, Profile: "test", Mode: "live",
		ChainsFile: demo.ChainsFile(r.world), Keys: demo.Keys(), Log: r.read, Observe: r.observe}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := r.Close(); err != nil {
			b.Error(err)
		}
	})
	r.KMS.SetSignDelay(signTime)
	r.RPC.Inject(rpcproxy.PoolCap(16))
	r.watch()
	play, err := scene.NewPlay(r.world, scenes, begin)
	if err != nil {
		b.Fatal(err)
	}
	for !play.Over() {
		if err := play.Tick(b.Context()); err != nil {
			b.Fatal(err)
		}
		r.mine(r.now() + 1)
	}
	for range 3 { // adopt, learn, and all that one run has no time for
		r.invoke("state-sync", tick())
	}
	r.mine(begin + m.Due - 1)
	r.invoke("state-sync", tick())
	return r
}

// read keeps what a function says of its failures.
func (r *rush) read(l lambda.Line) {
	if !strings.Contains(l.Text, `"ERROR"`) && !strings.Contains(l.Text, "deadline-unreachable") {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, l.Text)
}

func (r *rush) observe(i lambda.Invocation) {
	if i.Function != executor {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heldBytes = max(r.heldBytes, i.MaxRSS)
}

// watch notes when the last thing was sent or journalled.
func (r *rush) watch() {
	sent := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last = time.Now()
	}
	r.RPC.Inject(func(c *rpcproxy.Call) rpcproxy.Action {
		if _, ok := c.Transaction(); !ok {
			return rpcproxy.Action{}
		}
		return rpcproxy.Action{After: func(*rpcproxy.Reply) { sent() }}
	})
	r.AWS.Use(func(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
		reply, err := next(c)
		if function(c.Process) == executor && c.Action == "TransactWriteItems" {
			sent()
		}
		return reply, err
	})
}

// function is the name of a process without its number.
func function(process string) string {
	name, _, _ := strings.Cut(process, "@")
	return name
}

func (r *rush) now() uint64 { return r.src.Dev.Head().Time }

func (r *rush) mine(at uint64) {
	r.b.Helper()
	for _, c := range r.world.Chains {
		if _, err := c.Dev.Mine(at); err != nil {
			r.b.Fatal(err)
		}
	}
}

// tick is a scheduled event of the present.
func tick() any {
	return events.EventBridgeEvent{Version: "0", ID: "rush", DetailType: "Scheduled Event", Source: "aws.events", Time: time.Now().UTC(), Detail: json.RawMessage("{}")}
}

func (r *rush) invoke(function string, event any) {
	if err := r.try(function, event); err != nil {
		r.b.Fatal(err)
	}
}

func (r *rush) try(function string, event any) error {
	raw, err := json.Marshal(event)
	if err != nil {
		return err
	}
	res, err := r.Host.Invoke(r.b.Context(), function, raw)
	if err == nil && res.Failed() {
		err = fmt.Errorf("%s: %s", res.Outcome, res.Payload)
	}
	if err != nil {
		return fmt.Errorf("invoke %s: %w", function, err)
	}
	return nil
}

// bell is a doorbell of the account.
func (r *rush) bell() any {
	r.b.Helper()
	body, err := job.Doorbell{Chain: r.src.ID, Signer: r.signer.Address.Hex()}.Body()
	if err != nil {
		r.b.Fatal(err)
	}
	return events.SQSEvent{Records: []events.SQSMessage{{MessageId: "rush", ReceiptHandle: "rush", Body: body, EventSource: "aws:sqs",
		EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:local-Doorbells", AWSRegion: "us-east-1"}}}
}

// run claims everything and reports.
func (r *rush) run() {
	b := r.b
	r.AWS.ResetUsage()
	r.RPC.Reset()
	signed, from := r.signatures(), r.src.Dev.Head().Number.Uint64()

	start := time.Now()
	if err := r.claimAll(); err != nil {
		b.Error(err)
	}
	n := float64(len(r.crowd.Swaps))
	bill := awsproxy.Sum(r.AWS.Usage(), func(k awsproxy.Key) bool { return k.Service == "dynamodb" && function(k.Function) == executor })
	calls := 0
	for k, times := range r.RPC.Counts() {
		if function(k.Function) == executor {
			calls += times
		}
	}
	gas, txs, blocks := r.spent(from)
	r.mu.Lock()
	defer r.mu.Unlock()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(r.last.Sub(start).Seconds(), "s-to-last")
	b.ReportMetric(float64(blocks), "blocks")
	b.ReportMetric(float64(txs), "transactions")
	b.ReportMetric(float64(r.signatures()-signed), "signatures")
	b.ReportMetric(bill.ReadUnits/n, "RCU/action")
	b.ReportMetric(bill.WriteUnits/n, "WCU/action")
	b.ReportMetric(float64(calls)/n, "rpc-calls/action")
	b.ReportMetric(float64(gas)/n, "gas/action")
	b.ReportMetric(float64(r.heldBytes)/(1<<20), "MB-held")
	for _, line := range r.failed {
		b.Error(line)
	}
}

// claimAll runs the executor as its doorbells would, anew when a run ended before
// everything was claimed, while the chains go on and the functions follow them
// that do so on a schedule.
func (r *rush) claimAll() error {
	ctx, cancel := context.WithCancelCause(r.b.Context())
	defer cancel(nil)
	bell := r.bell()
	var all atomic.Bool
	over := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		defer close(over)
		for !all.Load() && ctx.Err() == nil {
			if err := r.try(executor, bell); err != nil {
				cancel(err)
			}
		}
	})
	beat := time.NewTicker(blockTime)
	defer beat.Stop()
	for n := 1; ; n++ {
		select {
		case <-beat.C:
		case <-over: // the last run has seen its last block
			return context.Cause(ctx)
		}
		r.mine(r.now() + 1)
		claimed, err := r.claimed()
		if err == nil && n == len(r.crowd.Swaps) {
			err = fmt.Errorf("%d claimed in %d blocks", claimed, n)
		}
		if err != nil {
			cancel(err)
		}
		all.Store(claimed == len(r.crowd.Swaps))
		if n%syncEvery == 0 {
			running.Go(func() {
				for _, f := range []string{"state-sync", "transaction-tracker"} {
					if err := r.try(f, tick()); err != nil {
						cancel(err)
					}
				}
			})
		}
	}
}

var topicWithdrawal = crypto.Keccak256Hash([]byte("EscrowWithdrawal(bytes32)"))

// claimed counts the src legs that have paid; a second event of one is an error.
func (r *rush) claimed() (int, error) {
	query := ethereum.FilterQuery{Topics: [][]common.Hash{{topicWithdrawal}}}
	for _, sw := range r.crowd.Swaps {
		query.Addresses = append(query.Addresses, sw.Src.Address)
	}
	logs, err := r.src.Client.FilterLogs(r.b.Context(), query)
	if err != nil {
		return 0, err
	}
	seen := map[common.Address]bool{}
	for _, l := range logs {
		if seen[l.Address] {
			return 0, fmt.Errorf("%s has paid twice", l.Address)
		}
		seen[l.Address] = true
	}
	return len(seen), nil
}

// spent adds up the gas of the signer's transactions since a block, and counts
// them and the blocks.
func (r *rush) spent(from uint64) (gas uint64, txs, blocks int) {
	r.b.Helper()
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(r.src.ID))
	head := r.src.Dev.Head().Number.Uint64()
	for n := from + 1; n <= head; n++ {
		block, err := r.src.Client.BlockByNumber(r.b.Context(), new(big.Int).SetUint64(n))
		if err != nil {
			r.b.Fatal(err)
		}
		for _, tx := range block.Transactions() {
			sender, err := types.Sender(signer, tx)
			if err != nil {
				r.b.Fatal(err)
			}
			if sender != r.signer.Address {
				continue
			}
			receipt, err := r.src.Client.TransactionReceipt(r.b.Context(), tx.Hash())
			if err != nil {
				r.b.Fatal(err)
			}
			gas += receipt.GasUsed
			txs++
			blocks = int(n - from)
		}
	}
	return gas, txs, blocks
}

// signatures are those that KMS gave so far.
func (r *rush) signatures() (n int) {
	for k, times := range r.KMS.Counts() {
		if k.Operation == "Sign" {
			n += times
		}
	}
	return n
}
