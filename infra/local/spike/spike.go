// Package spike shows what the product's prices are worth: fifty claims become
// due just as the base fee begins to rise, twentyfold within ten blocks, and
// stays there past most of their deadlines.
//
// The chains, the contracts and the functions are real, and so are inclusion and
// the price in each receipt; only the fullness that the headers claim is made up,
// because a block of EIP-1559 cannot raise the base fee by more than an eighth
// and twenty times as much would take twenty-six of them. Beside the base fee the
// blocks ask a tip, a tenth of it, which others pay: a full block has no room for
// less.
//
// The chains have a block each twelve seconds and the functions run on the
// schedules of profile mainnet, both by the time of the chains, which go on as
// soon as nobody is at work on the last block. What a sender with fixed fees
// would have lost is reckoned from the same blocks.
package spike

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/local/demo"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// functions are those that bring a claim home.
var functions = []string{"state-sync", "timelock-monitor", "cancellation-check", executor, "transaction-tracker"}

const (
	// maxFee is the cap of a call in wei: a third of what a claim is worth.
	maxFee = params.Ether / 100
	// inclusion is the chains file's, in seconds.
	inclusion = 3 * blockTime
	// poolCap is how many transactions of an account nodes keep.
	poolCap = 16
	// crowd is how many transactions of others are in each block: nodes take
	// their suggestion of a tip from them.
	crowd = 3
	// told is the number of blocks between two lines of progress.
	told = 10
)

// rules are the periods of profile mainnet, in seconds.
var rules = judge.Rules{Sync: 120, Net: 120}

// Options say what to show.
type Options struct {
	// Root is the repository.
	Root string
	Out  io.Writer
	// DynamoDB is the URL of a server to use instead of the packaged one.
	DynamoDB string
}

// Run plays the spike and reports. The error is what kept it from taking place;
// a claim that is lost is no error.
func Run(ctx context.Context, o Options) (_ Report, err error) {
	started := time.Now()
	swaps, scenes := claims()
	// Functions clamp ages at zero: chains that run ahead of the wall clock are
	// always fresh.
	begin := uint64(started.Unix())/60*60 + 60
	w, err := scene.Build(ctx, begin, scenes)
	if err != nil {
		return Report{}, err
	}
	defer w.Close()
	dir := filepath.Join(o.Root, ".local")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Report{}, err
	}
	log, err := os.Create(filepath.Join(dir, "spike.log"))
	if err != nil {
		return Report{}, err
	}
	defer log.Close() // a log of play money
	fmt.Fprintf(o.Out, "chains %s and %s are set up, log in %s\n", w.Chains[0].Name, w.Chains[1].Name, log.Name())

	r := &run{Options: o, world: w, claims: swaps, begin: begin, bids: map[place][]common.Hash{}}
	file := demo.ChainsFileOf(w, demo.Terms{BlockTime: blockTime, Inclusion: inclusion, MaxFee: maxFee})
	var mu sync.Mutex
	s, err := stack.Start(ctx, stack.Options{Root: o.Root, Profile: "mainnet", Mode: "live", ChainsFile: file, Lookup: os.LookupEnv,
		Keys: demo.Keys(), Functions: functions, DynamoDB: o.DynamoDB, Progress: o.Out, Log: func(l lambda.Line) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(log, "%s@%d %s\n", l.Function, l.ID, l.Text)
		}})
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.RPC.Inject(rpcproxy.PoolCap(poolCap))
	s.RPC.Inject(rpcproxy.Before(r.bid))
	clients := map[uint64]*ethclient.Client{}
	for _, c := range w.Chains {
		clients[c.ID] = c.Client
	}
	r.ledger, r.driver = judge.NewLedger(clients, scene.Signers()), newDriver(s)
	if err := r.play(ctx, scenes); err != nil {
		return Report{}, err
	}
	report, err := r.report(ctx)
	report.Elapsed = time.Since(started)
	return report, err
}

// run is a spike under way. Claims are on the first chain.
type run struct {
	Options
	world  *scene.World
	claims []Claim
	begin  uint64
	due    uint64 // block time from which the claims are legal
	ledger *judge.Ledger
	driver *driver
	blocks []Market // from the first that the functions see
	others uint64   // next nonce of the bystanders

	mu   sync.Mutex
	bids map[place][]common.Hash // transactions offered, by nonce
}

// place is a nonce of an account.
type place struct {
	from  common.Address
	nonce uint64
}

// bid notes what the product offers.
func (r *run) bid(c *rpcproxy.Call) {
	tx, ok := c.Transaction()
	if !ok || tx.ChainId().Uint64() != r.world.Chains[0].ID {
		return
	}
	from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
	if err != nil {
		return // refused by the node too
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := place{from, tx.Nonce()}
	for _, known := range r.bids[at] {
		if known == tx.Hash() {
			return
		}
	}
	r.bids[at] = append(r.bids[at], tx.Hash())
}

// play opens the swaps, and then lets time go by until the last deadline.
func (r *run) play(ctx context.Context, scenes []*scene.Scene) error {
	now, err := r.open(ctx, scenes)
	if err != nil {
		return err
	}
	r.due = r.begin + quiet
	last := r.due + uint64(margins[len(margins)-1]) + inclusion
	for prev := now; prev < last; prev = now {
		now = prev - (prev-r.begin)%blockTime + blockTime
		if err := r.mine(ctx, now); err != nil {
			return err
		}
		if err := r.driver.block(ctx, prev, now); err != nil {
			return err
		}
		if n := r.number(now); n >= 0 && n%told == 0 {
			if err := r.progress(ctx, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// open plays everybody else, a block each second, before the functions begin.
func (r *run) open(ctx context.Context, scenes []*scene.Scene) (now uint64, err error) {
	play, err := scene.NewPlay(r.world, scenes, r.begin)
	if err != nil {
		return 0, err
	}
	for now = r.begin - 1; !play.Over(); now++ {
		if err := r.world.Mine(ctx, now); err != nil {
			return 0, err
		}
		if err := play.Tick(ctx); err != nil {
			return 0, err
		}
	}
	return now - 1, nil
}

// number counts blocks from the one in which the claims become due.
func (r *run) number(time uint64) int { return (int(time) - int(r.due)) / blockTime }

// mine adds a block to both chains: on the first one others pay what it takes.
func (r *run) mine(ctx context.Context, now uint64) error {
	c := r.world.Chains[0]
	tip := course(r.number(now)) / tipShare
	if err := r.crowd(ctx, tip); err != nil {
		return err
	}
	if err := c.Dev.SetMinTip(wei(tip)); err != nil {
		return err
	}
	block, err := c.Dev.MineToward(now, wei(course(r.number(now)+1)))
	if err != nil {
		return err
	}
	r.blocks = append(r.blocks, Market{Time: now, Base: block.BaseFee().Uint64(), Tip: tip})
	if _, err := r.world.Chains[1].Dev.Mine(now); err != nil {
		return err
	}
	return r.ledger.Update(ctx)
}

// crowd puts transactions of others into the pool.
func (r *run) crowd(ctx context.Context, tip uint64) error {
	c := r.world.Chains[0]
	from, id := scene.NewAccount("bystanders"), new(big.Int).SetUint64(c.ID)
	if r.others == 0 { // a pool may be behind its chain: counted from here on
		var err error
		if r.others, err = c.Client.NonceAt(ctx, from.Address, nil); err != nil {
			return fmt.Errorf("read the nonce of the bystanders: %w", err)
		}
	}
	for range crowd {
		tx, err := types.SignNewTx(from.Key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{ChainID: id, Nonce: r.others,
			GasTipCap: wei(tip), GasFeeCap: wei(params.Ether / 1_000_000), Gas: params.TxGas, To: &from.Address})
		if err != nil {
			return err
		}
		if err := c.Client.SendTransaction(ctx, tx); err != nil {
			return fmt.Errorf("send for the bystanders: %w", err)
		}
		r.others++
	}
	return nil
}
