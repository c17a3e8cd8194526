package txn_test

import (
	"testing"
	"testing/synctest"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// What cannot pay its share of a rollup's data fee by now does not hold what can:
// the batch goes without it.
func TestDataFeeSplitsABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.chains[srcChain]
		w.locks.Offsets[swap.SrcPublicCancellation] = 90_000
		for i := range 6 { // to be cancelled, with all the time there is
			w.swapOf(w.resolver, swap.OneInchV1, [32]byte{1, byte(i)}, true)
		}
		w.until(610)
		claim := w.resolverClaims(1)[0]
		w.until(636 + 530) // its deadline is near: it may cost its whole cap
		w.syncAll()
		c.dataFee = 15_000 * gwei // of some 350 bytes for each call: more than a patient one may cost
		w.expect("drain", w.sent(), txn.Drained{Sent: 1, Waiting: 6})
		c.mine(2)
		if w.ended(claim.Src) != swap.Withdrawn {
			t.Error("not claimed")
		}
		w.expectCodes()
		c.dataFee = 0
		w.heal()
	})
}

// What has a deadline is not held by the lower caps of what it was sent with,
// when prices rise above them.
func TestLowCapsOfABatchHoldNothingUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.chains[srcChain]
		w.policy.Chains[srcChain].FeeCap[swap.Cancel] = *uint256.NewInt(240_000 * 20 * gwei)
		w.locks.Offsets[swap.SrcPublicCancellation] = 90_000
		for i := range 6 {
			w.swapOf(w.resolver, swap.OneInchV1, [32]byte{1, byte(i)}, true)
		}
		w.until(610)
		claim := w.resolverClaims(1)[0]
		w.expect("together", w.sent(), txn.Drained{Sent: 7})
		c.baseFee = 50 * gwei
		c.mine(2)
		w.expect("without the others", w.sent(), txn.Drained{Bumped: 1})
		w.expectCodes()
		c.mine(2)
		if w.ended(claim.Src) != swap.Withdrawn {
			t.Error("not claimed")
		}
		c.baseFee = 2 * gwei
		w.expect("the others", w.sent(), txn.Drained{Sent: 6})
		w.heal()
	})
}
