package txn_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// propertyRuns is how many seeds TestProperties goes through, a fiftieth of them
// with -short; shards how many at a time.
const (
	propertyRuns = 10_000
	shards       = 4
)

// TestProperties: claims with a hard deadline and cancellations without one, of
// an account and of a resolver contract, compete for few places in blocks while
// base fees jump, transactions are dropped, undone and overtaken by foreign ones,
// and processes are killed. Then the chain is calm, dear, and just long enough
// before the deadline for what has one. Whatever the seed:
//
//   - every claim is mined before its deadline, whatever patient is in front;
//   - no nonce is left out for longer than one drain;
//   - nothing is broadcast above the caps, unjournalled, too early or behind a gap;
//   - no action takes effect or is in flight twice;
//   - in the end every journal row is settled, and every leg ended as it should.
func TestProperties(t *testing.T) {
	runs := uint64(propertyRuns)
	if testing.Short() {
		runs /= 50
	}
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint("shard", shard), func(t *testing.T) {
			t.Parallel()
			for seed := shard; seed < runs; seed += shards {
				runProperty(t, seed)
			}
		})
	}
}

// rush is one run.
type rush struct {
	*world
	src    *simChain
	claims []*swap.Order
	others []*swap.Order // to be cancelled
}

func runProperty(t *testing.T, seed uint64) *world {
	r := &rush{world: newWorld(t, seed)}
	r.src = r.chains[srcChain]
	r.note("seed %d", seed)
	r.setUp()
	r.wild()
	r.meet()
	r.finish()
	return r.world
}

func (r *rush) setUp() {
	custody := []txn.Custody{txn.Exclusive, txn.Contract, txn.Shared}[r.rng.IntN(3)]
	r.keys = txn.Keys{r.signer: custody}
	c := r.configs[srcChain]
	c.PoolCap, c.Regular = 1+r.rng.IntN(4), r.rng.IntN(2) == 0
	r.configs[srcChain] = c
	r.src.perBlock = int64(1 + r.rng.IntN(2))
	r.src.legacy = r.rng.IntN(8) == 0
	if r.rng.IntN(3) == 0 {
		r.src.dataFee = r.rng.Uint64N(2000 * gwei)
	}
	// Legal from the start, with no deposit to lose; the claims' deadline is set
	// when the calm begins.
	r.locks.Offsets = [7]uint32{swap.SrcWithdrawal: 2, swap.SrcPublicWithdrawal: 3000, swap.SrcCancellation: 4000, swap.SrcPublicCancellation: 0,
		swap.DstWithdrawal: 2, swap.DstPublicWithdrawal: 4, swap.DstCancellation: 3900}
	r.src.baseFee = 2 * gwei
	taker := func() (t [20]byte) {
		if r.rng.IntN(2) == 0 {
			return r.resolver
		}
		return r.signer
	}
	r.locks.Offsets[swap.SrcCancellation] = 10
	for i := range 1 + r.rng.IntN(3) {
		r.others = append(r.others, r.swapOf(taker(), swap.OneInchV1, [32]byte{1, byte(i)}, true))
	}
	r.locks.Offsets[swap.SrcCancellation] = deadline
	for i := range 1 + r.rng.IntN(4) {
		r.claims = append(r.claims, r.swapOf(taker(), swap.OneInchV1, [32]byte{2, byte(i)}, false))
	}
	r.until(10)
}

// deadline is the second at which the claims are lost.
const deadline = 70

// wild is the time of disturbances: some claims become due in it.
func (r *rush) wild() {
	rate := r.rng.IntN(6)
	r.fault = func(int, string) fault {
		if r.rng.IntN(100) >= rate {
			return fine
		}
		return fault(1 + r.rng.IntN(int(faults)-1))
	}
	r.onGoing = func() { r.disturb() }
	due := r.rng.IntN(len(r.claims) + 1)
	for i := range 8 {
		if i == 3 && due > 0 {
			r.pay(r.claims[:due]...)
		}
		r.disturb()
		r.round()
	}
	r.fault, r.onGoing = nil, nil
	r.pay(r.claims[due:]...)
}

// disturb is one thing that happens to the chain.
func (r *rush) disturb() {
	c := r.src
	switch r.rng.IntN(10) {
	case 0:
		r.note("reorg")
		c.reorg(1+r.rng.IntN(2), func(tx *simTx) bool { return tx.foreign && r.rng.IntN(2) == 0 || r.rng.IntN(3) > 0 })
	case 1:
		c.drop(func(tx *simTx) bool { return !tx.stranger && r.rng.IntN(2) == 0 })
	case 2:
		nonce := c.head().state.nonces[r.signer]
		r.note("foreign transaction, nonce %d: %v", nonce, c.foreign(nonce, 400*gwei))
	case 3, 4:
		c.baseFee = 1 + r.rng.Uint64N(150*gwei)
	case 5, 6:
		c.baseFee = 2 * gwei
	case 7:
		c.mute = !c.mute
	}
}

// round is one block with everybody's work.
func (r *rush) round() {
	r.src.mine(r.src.step)
	r.chains[dstChain].mine(r.src.step)
	r.syncAll()
	r.sweep()
	before := len(r.findings)
	_, err, alive := r.drain(context.Background(), srcChain)
	if alive && err == nil && r.fault == nil && r.keys[r.signer] != txn.Shared && before == len(r.findings) {
		r.noGap()
	}
	_, _, _ = r.track(context.Background(), srcChain)
	if r.keys[r.signer] != txn.Shared { // what others take away in front of ours, is sent twice
		r.oneNonce()
	}
}

// noGap: what is open follows the chain's nonce without a hole.
func (r *rush) noGap() {
	next := r.src.head().state.nonces[r.signer]
	for _, e := range r.journal.All(r.account(srcChain)) {
		if e.Nonce < next {
			continue
		}
		if e.Nonce > next {
			r.fail("nonce %d is left out before %d", next, e.Nonce)
		}
		next++
	}
}

// meet is the calm before the deadline: as many blocks as it takes to mine what
// is in front and the claims, at a price that only claims may cost yet.
func (r *rush) meet() {
	r.src.mute, r.src.baseFee, r.src.tip = false, 40*gwei, gwei
	r.src.forgets = false
	for h, tx := range r.src.pool { // a foreign one that blocks a shared key is not ours to move
		if tx.foreign {
			delete(r.src.pool, h)
		}
	}
	met := func(o *swap.Order) bool { return r.ended(o.Src) == swap.Withdrawn }
	for r.src.head().Time < simStart.Add(deadline-2) && slices.ContainsFunc(r.claims, func(o *swap.Order) bool { return !met(o) }) {
		r.round()
	}
	for i, o := range r.claims {
		if got := r.ended(o.Src); got != swap.Withdrawn {
			r.tell()
			r.fail("claim %d missed its deadline: src is %v", i, got)
		}
	}
}

// finish lets everything settle.
func (r *rush) finish() {
	r.src.baseFee = 2 * gwei
	for range 60 {
		r.round()
		if open, _, err := r.journal.Entries(context.Background(), r.account(srcChain)); err == nil && len(open) == 0 && r.allEnded() {
			return
		}
		r.src.mine(20)
	}
	r.tell()
	r.fail("not settled in the end")
}

func (r *rush) allEnded() bool {
	return !slices.ContainsFunc(r.others, func(o *swap.Order) bool { return r.ended(o.Src) != swap.Cancelled })
}

func (r *rush) tell() {
	r.note("chain's nonce %d, mute %v, base fee %d", r.src.head().state.nonces[r.signer], r.src.mute, r.src.baseFee/gwei)
	for _, tx := range r.src.pool {
		r.note("pool holds nonce %d, foreign %v", tx.nonce, tx.foreign)
	}
	for _, e := range r.journal.All(r.account(srcChain)) {
		for _, tx := range e.Txs {
			r.note("nonce %d %s %v cap %s tip %s", e.Nonce, e.State, e.Acts, new(uint256.Int).Div(&tx.FeeCap, uint256.NewInt(gwei)), new(uint256.Int).Div(&tx.TipCap, uint256.NewInt(gwei)))
		}
	}
	for _, w := range r.works.All() {
		r.note("%s %s attempt %d retry %d why %s hard %d", w.Key(), w.State, w.Attempt, w.RetryAt-simStart, w.Why, w.Hard)
	}
	for _, f := range r.findings {
		r.note("finding %s %s", f.Code, f.Detail)
	}
}
