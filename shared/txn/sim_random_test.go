package txn_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// schedules is how many random ones a test run goes through.
const schedules = 150

// story is a swap of a random schedule.
type story struct {
	*swap.Order
	secret  [32]byte
	claim   bool // a stranger pays the maker, so that src is to be claimed
	rival   bool // a stranger may claim src too
	shown   bool
	claimed bool
}

// Random schedules of blocks, reorgs, drops, foreign transactions, stale and
// missing readings, refusals, lost answers, kills and second holders. What must
// hold at every moment is checked by the world: nothing is broadcast that is not
// journalled, above its cap, behind a gap, too early or twice. When the world
// heals, everything settles as it should.
func TestRandomSchedules(t *testing.T) {
	for seed := range seeds() {
		synctest.Test(t, func(t *testing.T) { runSchedule(t, seed, false) })
	}
}

// The same, and reorgs of the src chain that undo what had been final and settled,
// while there is time to do it again.
func TestRandomSchedulesWithDeepReorgs(t *testing.T) {
	for seed := range seeds() {
		synctest.Test(t, func(t *testing.T) { runSchedule(t, 1000+seed, true) })
	}
}

// seeds is how many schedules a test plays: a fifth with -short, which is for the
// race detector.
func seeds() uint64 {
	if testing.Short() {
		return schedules / 5
	}
	return schedules
}

// deepest is how many blocks such a reorg replaces at most.
const deepest = 40

func runSchedule(t *testing.T, seed uint64, deep bool) *world {
	w := newWorld(t, seed)
	w.note("seed %d", seed)
	for _, id := range []uint64{srcChain, dstChain} {
		c := w.configs[id]
		c.PoolCap = 1 + w.rng.IntN(4)
		w.configs[id] = c
	}
	w.chains[dstChain].legacy = w.rng.IntN(4) == 0
	var stories []*story
	for i := range 1 + w.rng.IntN(5) {
		s := &story{secret: [32]byte{1, byte(i)}}
		taker := w.signer
		if w.rng.IntN(2) == 0 {
			taker = w.resolver
		}
		alone := w.rng.IntN(4) == 0
		s.claim = !alone && w.rng.IntN(2) == 0
		s.rival = s.claim && w.rng.IntN(3) == 0
		s.Order = w.swapOf(taker, swap.Families()[w.rng.IntN(2)], s.secret, alone)
		stories = append(stories, s)
	}
	rate, old := w.rng.IntN(8), uint64(w.rng.IntN(3))
	wild := func() {
		w.fault = func(int, string) fault {
			if w.rng.IntN(100) >= rate {
				return fine
			}
			return fault(1 + w.rng.IntN(int(faults)-1))
		}
		w.stale = func() uint64 { return w.rng.Uint64N(old + 1) }
		w.onGoing = func() { w.happen(stories) }
	}
	wild()
	for range 150 {
		w.happen(stories)
		w.oneNonce()
	}
	w.calm()
	for range 30 { // the claims have the time that they need
		w.happenNext(stories)
		w.around()
	}
	for round := 0; deep && round < 3; round++ {
		wild()
		w.undo(srcChain, 1+w.rng.IntN(min(deepest, len(w.chains[srcChain].blocks)-1)), func(tx *simTx) bool { return tx.foreign || w.rng.IntN(3) > 0 })
		for range 30 {
			w.happen(stories)
			w.oneNonce()
		}
		w.calm()
		for range 15 {
			w.around()
		}
	}
	w.until(590)
	wild()
	for range 60 {
		w.happen(stories)
		w.oneNonce()
	}
	w.heal()
	for i, s := range stories {
		src := swap.Cancelled
		if s.claim {
			src = swap.Withdrawn
		}
		if got := w.ended(s.Src); got != src {
			w.fail("swap %d: src is %v, want %v", i, got, src)
		}
		for _, d := range s.Dsts {
			if got := w.ended(d); got != src {
				w.fail("swap %d: dst is %v, want %v", i, got, src)
			}
		}
	}
	return w
}

// happenNext lets the strangers do what they are going to do by now.
func (w *world) happenNext(stories []*story) {
	src, dst := w.chains[srcChain], w.chains[dstChain]
	for _, s := range stories {
		if s.claim && !s.shown && dst.head().Time >= s.Dsts[0].At(swap.DstPublicWithdrawal) {
			s.shown = true
			dst.strange(s.Dsts[0].Leg, swap.PublicWithdraw, s.secret)
		}
		if s.rival && !s.claimed && src.head().Time >= s.Src.At(swap.SrcPublicWithdrawal) {
			s.claimed = true
			src.strange(s.Src.Leg, swap.PublicWithdraw, s.secret)
		}
	}
}

// happen is one random event.
func (w *world) happen(stories []*story) {
	w.happenNext(stories)
	chain := srcChain
	if w.rng.IntN(2) == 0 {
		chain = dstChain
	}
	c := w.chains[chain]
	ctx := context.Background()
	switch n := w.rng.IntN(100); {
	case n < 40:
		c.mine(c.step)
	case n < 52:
		w.sync(chain)
	case n < 62:
		w.sweep()
	case n < 80:
		_, _, _ = w.drain(ctx, chain)
	case n < 88:
		_, _, _ = w.track(ctx, chain)
	case n < 90:
		w.note("reorg of chain %d", chain)
		c.reorg(w.rng.IntN(min(confirmations, len(c.blocks))), func(tx *simTx) bool { return tx.foreign || w.rng.IntN(3) > 0 })
	case n < 92:
		c.drop(func(tx *simTx) bool { return !tx.stranger && !tx.foreign && w.rng.IntN(2) == 0 })
	case n < 93:
		nonce := c.head().state.nonces[w.signer]
		w.note("foreign transaction on chain %d, nonce %d: %v", chain, nonce, c.foreign(nonce, 400*gwei))
	case n < 95:
		c.baseFee = 1 + w.rng.Uint64N(200*gwei)
	case n < 96:
		c.tip = w.rng.Uint64N(50 * gwei)
	case n < 97:
		c.mute = !c.mute
	case n < 98:
		c.full = !c.full
	case n < 99:
		w.blind[chain] = !w.blind[chain]
	default:
		c.balance[w.signer] = uint256.NewInt(w.rng.Uint64N(gwei * gwei / 20))
		if w.rng.IntN(2) == 0 {
			delete(c.balance, w.signer)
		}
	}
}

// calm ends all disturbances without waiting for the end.
func (w *world) calm() {
	w.fault, w.stale, w.onGoing = nil, nil, nil
	clear(w.blind)
	for _, c := range w.chains {
		c.mute, c.full, c.halted, c.baseFee, c.tip, c.refuses = false, false, false, 2*gwei, gwei, nil
		clear(c.balance)
	}
}
