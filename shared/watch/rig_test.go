package watch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// rig is a sweeper over stores in memory, all of whose calls can fail.
type rig struct {
	watch.Sweeper
	faults  *faulttest.Faults
	orders  *watchtest.Orders
	actions *watchtest.Actions
	mu      sync.Mutex
	heads   map[uint64]swap.Block
	facts   map[uint64]swap.Provisional
	ages    map[uint64]time.Duration
	broken  map[string]bool // "head 10", "facts 1"
	rung    []watch.Ring
	told    []swap.Finding
}

func newRig() *rig {
	f := &faulttest.Faults{}
	r := &rig{faults: f, orders: watchtest.NewOrders(f), actions: watchtest.NewActions(f),
		heads: map[uint64]swap.Block{}, facts: map[uint64]swap.Provisional{}, ages: map[uint64]time.Duration{}, broken: map[string]bool{}}
	policy := swap.Policy{Chains: map[uint64]swap.ChainPolicy{}, Horizon: horizon, SyncLag: 30, Overdue: 60, WarnLevels: []int64{100}}
	for _, chain := range []uint64{srcChain, dstChain} {
		caps := map[swap.Call]uint256.Int{}
		for _, c := range swap.Calls() {
			caps[c] = *uint256.NewInt(1)
		}
		policy.Chains[chain] = swap.ChainPolicy{MinBlockTime: 1, Inclusion: 1, FeeCap: caps, Takers: map[common.Address]swap.TakerPolicy{}}
	}
	r.Sweeper = watch.Sweeper{Heads: r, Facts: r, Planner: watch.Planner{Orders: r.orders, Sharing: r.orders.Sharing, Actions: r.actions, Ringer: r, Policy: policy,
		Report: func(ctx context.Context, findings []swap.Finding) error {
			return f.Do(ctx, "report", func() error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.told = append(r.told, findings...)
				return nil
			})
		}}}
	r.at(0)
	return r
}

// at sets both heads, with all logs read and the last five blocks not final.
func (r *rig) at(second int64) {
	b := func(s int64) swap.Block { return swap.Block{Number: uint64(1000 + s), Time: epoch.Add(s)} }
	for _, chain := range []uint64{srcChain, dstChain} {
		r.heads[chain] = b(second)
		p := r.facts[chain]
		p.ChainID, p.From, p.To = chain, b(second-5), b(second)
		r.facts[chain] = p
	}
}

func (r *rig) Head(ctx context.Context, chain uint64) (b swap.Block, age time.Duration, err error) {
	err = r.faults.Do(ctx, "head", func() error {
		if r.broken[fmt.Sprint("head ", chain)] {
			return errors.New("no answer")
		}
		b, age = r.heads[chain], r.ages[chain]
		return nil
	})
	return b, age, err
}

func (r *rig) Provisional(ctx context.Context, chain uint64) (p swap.Provisional, err error) {
	err = r.faults.Do(ctx, "facts", func() error {
		if r.broken[fmt.Sprint("facts ", chain)] {
			return errors.New("no answer")
		}
		p = watchtest.Copy(r.facts[chain])
		return nil
	})
	return p, err
}

func (r *rig) Ring(ctx context.Context, rings []watch.Ring) error {
	return r.faults.Do(ctx, "ring", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rung = append(r.rung, rings...)
		return nil
	})
}

// put stores an order: src claimable in [100,300) and cancellable from 300, its
// dst leg withdrawable in [50,250) and cancellable from 250, all of ours.
func (r *rig) put(t testing.TB, edit func(*swap.Order)) swap.Order {
	t.Helper()
	return r.load(t, r.store(t, edit).ID)
}

// store is put, without reading back what was stored.
func (r *rig) store(t testing.TB, edit func(*swap.Order)) swap.Order {
	t.Helper()
	o, _ := r.sample()
	if edit != nil {
		edit(&o)
	}
	for _, l := range []swap.LegRecord{o.Src, o.Dsts[0]} {
		taker := l.Immutables.TakerAddress()
		r.Policy.Chains[l.ChainID].Takers[taker] = swap.TakerPolicy{Signer: taker, Path: swap.PathEOA}
	}
	if err := r.orders.Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return o
}

// sample is the order that put stores, and its secret.
func (r *rig) sample() (swap.Order, [32]byte) {
	o, secret := watchtest.Order(srcChain, dstChain)
	locks := swap.Timelocks{DeployedAt: uint32(epoch)}
	for i, s := range []uint32{100, 200, 300, 400, 50, 150, 250} {
		locks.Offsets[swap.Stages()[i]] = s
	}
	o.Src.Immutables.Timelocks, o.Dsts[0].Immutables.Timelocks = locks.Pack(), locks.Pack()
	o.Dsts[0].Immutables.Parameters = make([]byte, 128)
	o.Dsts[0].Final = true
	o.Src.Created.Time, o.Dsts[0].Created.Time = epoch, epoch
	o.Wakes = swap.Wakes{Src: epoch}
	return o, secret
}

// paid: the dst leg was withdrawn, so that src has to be claimed.
func paid(o *swap.Order) {
	secret := [32]byte{1}
	lock := hashOf(secret)
	o.Src.Immutables.Hashlock, o.Dsts[0].Immutables.Hashlock = lock, lock
	o.Learn(secret)
	o.AddEvent(watchtest.Withdrawn(o.Dsts[0].Leg, secret))
}

func (r *rig) load(t testing.TB, id swap.OrderID) swap.Order {
	t.Helper()
	for _, o := range r.orders.All() {
		if o.ID == id {
			return o
		}
	}
	t.Fatalf("order %s is gone", id)
	return swap.Order{}
}

func (r *rig) sweep(t testing.TB) watch.Result {
	t.Helper()
	res, err := r.Sweep(t.Context(), watch.Upcoming)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// state is all that a sweep leaves behind, without the counters of the stores.
func (r *rig) state() string {
	var out []string
	for _, w := range r.actions.All() {
		out = append(out, fmt.Sprint(w.Side, " ", w.Call, " ", w.State, " ", w.Attempt, " ", w.From))
	}
	for _, o := range r.orders.All() {
		out = append(out, fmt.Sprintf("wakes %d %d", o.Wakes.Src, o.Wakes.Dst))
	}
	told := map[string]bool{}
	for _, f := range r.told {
		if f.Code != swap.ChainBehind { // of chains; how they are followed is no part of what a sweep leaves behind
			told[string(f.Code)] = true
		}
	}
	out = append(out, fmt.Sprint("told ", slices.Sorted(maps.Keys(told))), fmt.Sprint("rung ", len(r.rung) > 0))
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func hashOf(secret [32]byte) swap.Word { return crypto.Keccak256Hash(secret[:]) }
