package txn_test

import (
	"testing"
	"testing/synctest"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// patient sends cancellations that have no deadline near, and lets the base fee
// rise so that they wait in the pool.
func (w *world) patient(n int) {
	w.locks.Offsets[swap.SrcPublicCancellation] = 90_000
	for i := range n {
		w.swapOf(w.signer, swap.OneInchV1, [32]byte{1, byte(i)}, true)
	}
	w.until(600)
	w.syncAll()
	w.sweep()
	w.expect("patient", w.sent(), txn.Drained{Sent: n})
	w.chains[srcChain].baseFee = 31 * gwei // the quarter of the cap is 30
	w.chains[srcChain].mine(2)
	w.syncAll()
	w.sweep()
	w.expect("waits for a patient price", w.sent(), txn.Drained{})
}

// An urgent action behind patient ones lifts their fees to its own, so that all
// are mined in the next block.
func TestUrgentLiftsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.patient(3)
		c := w.chains[srcChain]
		w.claims(1)
		w.expect("urgent", w.sent(), txn.Drained{Sent: 1, Lifted: 3})
		e := w.entries()
		for _, p := range e[:3] {
			last := p.Txs[len(p.Txs)-1]
			if last.FeeCap.Lt(&e[3].Txs[0].FeeCap) || last.TipCap.Lt(&e[3].Txs[0].TipCap) {
				t.Errorf("nonce %d pays %s, %s; the urgent one %s, %s", p.Nonce, &last.FeeCap, &last.TipCap, &e[3].Txs[0].FeeCap, &e[3].Txs[0].TipCap)
			}
		}
		c.mine(2)
		if w.ended(w.orders[w.ids[3]].Src) != swap.Withdrawn {
			t.Error("the urgent one was not mined")
		}
		w.expect("nothing more", w.sent(), txn.Drained{})
		w.heal()
	})
}

// What pays enough already is not lifted: replacing it would cost for nothing.
func TestNoLiftWithoutNeed(t *testing.T) {
	w := newWorld(t, 1)
	w.chains[srcChain].full = true
	w.patient(0)
	w.chains[srcChain].baseFee = 2 * gwei
	w.claims(2)
	w.sent()
	w.claims(1)
	w.expect("urgent behind urgent", w.sent(), txn.Drained{Sent: 1, Bumped: 2})
	w.expect("again", w.sent(), txn.Drained{})
}

// What cannot be judged because another chain cannot be read is lifted as it is:
// it was right when it was signed, and is not used up for nothing.
func TestLiftKeepsWhatItCannotJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.patient(3)
		w.claims(1)
		for range confirmations {
			w.chains[dstChain].mine(1)
		}
		w.syncAll()
		w.blind[dstChain] = true
		w.expect("urgent", w.sent(), txn.Drained{Sent: 1, Lifted: 3})
		for _, e := range w.entries() {
			for _, tx := range e.Txs {
				if isNothing(tx) {
					t.Errorf("nonce %d was used up for nothing", e.Nonce)
				}
			}
		}
		w.chains[srcChain].mine(2)
		for _, id := range w.ids {
			if w.ended(w.orders[id].Src) == 0 {
				t.Errorf("src of %s did not end", id)
			}
		}
		w.blind[dstChain] = false
		w.heal()
	})
}

// No cap is exceeded for the sake of others; that it does not suffice is told.
func TestLiftKeepsTheCap(t *testing.T) {
	w := newWorld(t, 1)
	w.policy.Chains[srcChain].FeeCap[swap.Cancel] = *uint256.NewInt(200_000 * 20 * gwei)
	w.patient(1)
	w.claims(1)
	w.expect("urgent", w.sent(), txn.Drained{Sent: 1})
	w.expectCodes(swap.FeeCapLow)
	if e := w.entries(); len(e[0].Txs) != 1 {
		t.Errorf("%d transactions", len(e[0].Txs))
	}
}

// A claim that is sunk by a rising base fee is raised at once, not when it is
// late; and the nearer its deadline, the sooner.
func TestSpikes(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.claims(1)
	w.sent()
	c.full = true
	c.baseFee = 30 * gwei
	c.mine(2)
	w.expect("sunk", w.sent(), txn.Drained{Bumped: 1})
	c.mine(2)
	w.expect("not yet late", w.sent(), txn.Drained{})
	w.expectCodes()
}

// The nearer the deadline, the sooner what is not mined is raised.
func TestHaste(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.claims(1)
	w.until(540) // hard deadline at 600
	c.full = true
	w.syncAll()
	w.sent()
	c.mine(10)
	w.expect("after 10 s of 60", w.sent(), txn.Drained{})
	c.mine(2)
	w.expect("after 12 s of 60", w.sent(), txn.Drained{Bumped: 1})
}

// What has no deadline waits for a patient price, but not for ever.
func TestPatience(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.locks.Offsets[swap.SrcPublicCancellation] = 0 // no deposit to lose
	w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, true)
	w.until(600)
	w.syncAll()
	w.sweep()
	c.baseFee = 50 * gwei // more than a quarter of the cap, less than all of it
	w.expect("dear", w.sent(), txn.Drained{Waiting: 1})
	w.expectCodes()
	w.until(600 + 3598 - 2)
	w.syncAll()
	w.expect("still", w.sent(), txn.Drained{Waiting: 1})
	w.until(600 + 3600)
	w.syncAll()
	w.expect("enough", w.sent(), txn.Drained{Sent: 1})
}

// The data fee of a rollup counts: with it, the cap may not suffice, and what is
// left of the cap is all that gas may cost.
func TestDataFeeCounts(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.claims(1)
	c.dataFee = 1 << 62 / 1000
	w.expect("more than the cap", w.sent(), txn.Drained{Refused: 1})
	w.expectCodes(swap.FeeCapLow)
	c.dataFee = 30_000 * gwei // of some 400 bytes: half the cap
	w.until(30 + 200)
	w.syncAll()
	w.expect("half the cap", w.sent(), txn.Drained{Sent: 1})
	tx := w.entries()[0].Txs[0]
	limit := w.policy.Chains[srcChain].FeeCap[swap.Withdraw]
	gas := new(uint256.Int).Mul(&tx.FeeCap, uint256.NewInt(tx.Gas))
	data := uint256.NewInt(c.dataFee * uint64(len(tx.Raw)-67) * 3 / 2)
	if sum := new(uint256.Int).Add(gas, data); sum.Gt(&limit) {
		t.Errorf("%s for gas and %s for data, the cap is %s", gas, data, &limit)
	}
}
