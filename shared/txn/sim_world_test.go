package txn_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

const (
	simStart           = swap.ChainTime(1_750_000_000)
	confirmations      = 4
	srcChain, dstChain = uint64(11), uint64(22)
)

// fault is what happens to one call of the system to the outside.
type fault int

const (
	fine      fault = iota
	refuse          // an error, nothing applied
	lose            // applied, but the answer is an error
	killFirst       // the process dies before the call
	killAfter       // the process dies after the call was applied
	overtake        // before the call another holder takes the lease and works; the old one does not know
	supersede       // likewise, but the old one's Check tells
	meanwhile       // before the call the world goes on
	faults
)

func (f fault) String() string {
	return [...]string{"fine", "refuse", "lose", "kill before", "kill after", "overtake", "supersede", "meanwhile"}[f]
}

var errFault = errors.New("injected fault")

// killed is the panic that ends a process.
type killed struct{ op string }

// world is everything around the drain and the tracker.
type world struct {
	testing.TB
	rng      *rand.Rand
	key      *ecdsa.PrivateKey
	signer   common.Address
	resolver common.Address // a resolver contract that the signer may use
	chains   map[uint64]*simChain
	legs     map[common.Address]swap.Leg
	traced   txn.Trace
	orders   map[swap.OrderID]*swap.Order
	ids      []swap.OrderID // of orders, in order of creation
	secrets  map[swap.OrderID][32]byte
	facts    map[uint64]swap.Provisional
	works    *watchtest.Actions
	journal  *txntest.Journal
	policy   swap.Policy
	locks    swap.Timelocks // of the swaps made from now on
	configs  map[uint64]txn.ChainConfig
	keys     txn.Keys
	findings []swap.Finding
	rung     map[uint64]bool
	log      *slog.Logger

	calls    []string                     // of the system to the outside, in order
	fault    func(n int, op string) fault // nil: none
	blind    map[uint64]bool              // chains that plans cannot read
	forks    map[uint64]uint64            // the last block of each chain that was kept, where state-sync does not know yet of those replaced
	stale    func() uint64                // how many blocks old a reading is; nil: none
	onGoing  func()                       // what "meanwhile" does
	nested   bool
	parallel int                  // zero: one at a time, in a fixed order
	planned  func([]swap.OrderID) // told of each plan for the executor
	paused   func(swap.Action) bool
	mu       sync.Mutex // of what several at a time may touch
	waits    bool       // a drain has time to wait for blocks
	trace    []string
}

func newWorld(t testing.TB, seed uint64) *world {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("taker")))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, rng: rand.New(rand.NewPCG(seed, 7)), key: key, signer: crypto.PubkeyToAddress(key.PublicKey),
		resolver: named("resolver"), legs: map[common.Address]swap.Leg{}, orders: map[swap.OrderID]*swap.Order{}, secrets: map[swap.OrderID][32]byte{},
		facts: map[uint64]swap.Provisional{}, locks: simLocks, works: watchtest.NewActions(nil), rung: map[uint64]bool{}, blind: map[uint64]bool{}, forks: map[uint64]uint64{},
		log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	w.journal = txntest.NewJournal(w.works)
	w.chains = map[uint64]*simChain{srcChain: newChain(w, srcChain, 2), dstChain: newChain(w, dstChain, 1)}
	w.policy = swap.Policy{Chains: map[uint64]swap.ChainPolicy{}, SyncLag: 300, Horizon: 60}
	w.configs = map[uint64]txn.ChainConfig{}
	limit := uint256.NewInt(240_000 * 100 * gwei) // 100 gwei for a wrapped call
	for id, c := range w.chains {
		c.head().Time = simStart
		w.policy.Chains[id] = swap.ChainPolicy{MinBlockTime: int64(c.step), Inclusion: 10,
			FeeCap: map[swap.Call]uint256.Int{swap.Withdraw: *limit, swap.Cancel: *limit, swap.RescueFunds: *limit, swap.PublicWithdraw: *limit, swap.PublicCancel: *limit},
			Tokens: map[common.Address]swap.TokenPolicy{named("token"): {Symbol: "TKN", Decimals: 18, WeiPerUnit: *uint256.NewInt(gwei * gwei)}},
			Takers: map[common.Address]swap.TakerPolicy{
				w.signer:   {Signer: w.signer, Path: swap.PathEOA},
				w.resolver: {Signer: w.signer, Path: swap.PathResolver},
			}}
		w.configs[id] = txn.ChainConfig{Regular: id == srcChain, PoolCap: 16, Confirmations: confirmations}
	}
	return w
}

func (w *world) fail(format string, args ...any) {
	w.Helper()
	for _, l := range w.trace {
		w.Log(l)
	}
	w.Fatalf(format, args...)
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// Stages of the swaps, in seconds after their creation.
var simLocks = swap.Timelocks{Offsets: [7]uint32{
	swap.SrcWithdrawal: 10, swap.SrcPublicWithdrawal: 120, swap.SrcCancellation: 600, swap.SrcPublicCancellation: 700,
	swap.DstWithdrawal: 10, swap.DstPublicWithdrawal: 20, swap.DstCancellation: 80,
}}

// swapOf makes a swap of a taker, created now; without its dst leg if alone.
func (w *world) swapOf(taker common.Address, family swap.Family, secret [32]byte, alone bool) *swap.Order {
	n := len(w.ids)
	factory := func(chain uint64) swap.Factory {
		return swap.Factory{ChainID: chain, Address: named("factory"), Family: family, SrcImpl: named("src"), DstImpl: named("dst"),
			SrcRescueDelay: 691_200, DstRescueDelay: 691_200}
	}
	amount, deposit := new(uint256.Int).Mul(uint256.NewInt(uint64(1+n)), uint256.NewInt(gwei*gwei/10)), uint256.NewInt(gwei*gwei/1000)
	locks := w.locks
	locks.DeployedAt = uint32(w.chains[srcChain].head().Time)
	im := swap.Immutables{OrderHash: crypto.Keccak256Hash(fmt.Append(nil, "order", n)), Hashlock: crypto.Keccak256Hash(secret[:]),
		Maker: wordOf(named("maker")), Taker: wordOf(taker), Token: wordOf(named("token")),
		Amount: amount.Bytes32(), SafetyDeposit: deposit.Bytes32(), Timelocks: locks.Pack()}
	expect := swap.Complement{Maker: im.Maker, Token: im.Token, Amount: im.Amount, SafetyDeposit: im.SafetyDeposit, ChainID: uint256.NewInt(dstChain).Bytes32()}
	if family == swap.OneInchV11 {
		expect.Parameters = make([]byte, 128)
	}
	place := func(chain uint64) swap.Position {
		b := w.chains[chain].head()
		return swap.Position{Block: b.Number, BlockHash: b.Hash, Time: b.Time}
	}
	created := swap.SrcCreated{Leg: factory(srcChain).Leg(swap.Src, im, place(srcChain)), Expect: expect}
	o := swap.NewOrder(created)
	o.Src.Final = true
	w.legs[o.Src.Escrow] = o.Src.Leg
	if !alone {
		dst, ok := factory(dstChain).PredictDst(created, w.chains[dstChain].head().Time)
		if !ok {
			w.fail("no dst leg")
		}
		dst.Created = place(dstChain)
		o.AddDst(dst, true)
		o.Dsts[0].Final = true
		w.legs[dst.Escrow] = dst
	}
	w.orders[o.ID], w.secrets[o.ID] = &o, secret
	w.ids = append(w.ids, o.ID)
	return &o
}

// sync is state-sync: it reads the chain's logs up to its head.
func (w *world) sync(chain uint64) {
	w.rewind(chain)
	c := w.chains[chain]
	p := swap.Provisional{ChainID: chain, From: c.at(confirmations).Block, To: c.head().Block}
	for _, ev := range c.head().state.events {
		final := ev.At.Block <= p.From.Number
		if !final {
			p.Events = append(p.Events, ev)
		}
		for _, o := range w.orders {
			if !slices.Contains(o.Escrows(), swap.OrderID{ChainID: ev.ChainID, Escrow: ev.Escrow}) {
				continue
			}
			if ev.Kind == swap.Withdrawn {
				o.Learn(ev.Secret)
			}
			if final {
				o.AddEvent(ev)
			}
		}
	}
	w.facts[chain] = p
}

func (w *world) views() swap.Views {
	out := swap.Views{}
	for _, id := range []uint64{srcChain, dstChain} {
		c := w.chains[id]
		if w.blind[id] {
			continue
		}
		v := swap.ChainView{ChainID: id, Head: c.at(w.age()).Block}
		v.SyncedTo, v.Final = w.facts[id].Marks()
		out[id] = v
	}
	return out
}

func (w *world) age() uint64 {
	if w.stale == nil {
		return 0
	}
	return w.stale()
}

// plan is what the monitors and the executor make of an order.
func (w *world) plan(id swap.OrderID, views swap.Views) (swap.Case, error) {
	facts := map[uint64]swap.Provisional{}
	for chain := range views {
		facts[chain] = w.facts[chain]
	}
	s := swap.Fold(*w.orders[id], facts)
	d, err := swap.Plan(s, views, w.policy)
	return swap.Case{State: s, Decision: d}, err
}

// sweep is a monitor: it makes the stored work agree with the plan.
func (w *world) sweep() {
	views, all := w.views(), w.works.All()
	for _, id := range w.ids {
		c, err := w.plan(id, views)
		if err != nil {
			continue
		}
		for _, next := range swap.Diff(c.State, c.Decision, all) {
			if err := w.works.Save(context.Background(), next); err != nil && !errors.Is(err, swap.ErrConflict) {
				w.fail("sweep: %v", err)
			}
		}
	}
}

func (w *world) lease(chain uint64) string { return fmt.Sprint("signer#", chain) }

// hold is a lease of the signer.
type hold struct {
	*world
	fence txn.Fence
	sees  bool // Check notices that another holder has taken it
	over  bool
}

func (h *hold) Check() error {
	if h.over && h.sees {
		return errors.New("lease lost")
	}
	return nil
}

func (h *hold) Fence() txn.Fence { return h.fence }

func (w *world) take(chain uint64) *hold {
	return &hold{world: w, fence: w.journal.Grant(w.lease(chain), fmt.Sprint("run", w.rng.Uint64()))}
}

func (w *world) account(chain uint64) txn.Account {
	return txn.Account{ChainID: chain, Signer: w.signer}
}

// hurried is the context of an invocation whose time is nearly over, but which
// never ends: nothing is waited for.
type hurried struct{ context.Context }

func (hurried) Deadline() (time.Time, bool) { return time.Now(), true }

// drain runs the executor once. It reports whether the process survived.
func (w *world) drain(ctx context.Context, chain uint64) (res txn.Drained, err error, alive bool) {
	h := w.take(chain)
	d := w.drainer(h)
	if !w.waits {
		ctx = hurried{ctx}
	}
	alive = w.process(func() { res, err = d.Drain(ctx, w.account(chain), h) })
	if res != (txn.Drained{}) || err != nil || !alive {
		w.note("%d drain %d: %+v alive %v err %v", w.chains[chain].head().Time-simStart, chain, res, alive, err)
	}
	return res, err, alive
}

func (w *world) drainer(h *hold) *txn.Drainer {
	s := seam{w, h}
	return &txn.Drainer{Signer: s, Backend: s, Journal: s, Works: s, Decide: s.decide, Report: s.report,
		Ring: s.ring, Paused: w.paused, Policy: w.policy, Chains: w.configs, Keys: w.keys, Parallel: max(1, w.parallel), Trace: w.traced, Log: w.log}
}

// track runs the tracker once for an account.
func (w *world) track(ctx context.Context, chain uint64) (res txn.Tracked, err error, alive bool) {
	s := seam{w, nil}
	t := &txn.Tracker{Backend: s, Journal: s, Works: s, Facts: s, Ring: s.ring, Report: s.report,
		Policy: w.policy, Chains: w.configs, Keys: w.keys, Trace: w.traced, Log: w.log}
	alive = w.process(func() { res, err = t.Track(ctx, w.account(chain)) })
	if res.Open != res.Waiting || res.Rung || err != nil || !alive {
		w.note("%d track %d: %+v alive %v err %v", w.chains[chain].head().Time-simStart, chain, res, alive, err)
	}
	return res, err, alive
}

// process runs a process that may be killed.
func (w *world) process(run func()) (alive bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(killed); !ok {
				panic(p)
			}
		}
	}()
	run()
	return true
}
