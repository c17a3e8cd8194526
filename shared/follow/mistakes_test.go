package follow_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// The proposal's look at an escrow always answers "neither withdrawn nor
// cancelled". Escrows keep no state: it is in their logs, and each end is seen.
func TestVerifyEscrowStateIsAStub(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		w := newWorld(t)
		a, b := w.chains[chainA], w.chains[chainB]
		a.mineEmpty(3)
		b.mineEmpty(9)
		w.pass()
		paid, back := w.trade(fam), w.trade(fam)
		a.mine(paid.createSrc(taker), back.createSrc(taker))
		w.pass()
		b.mine(paid.createTrueDst(helper), back.createTrueDst(helper))
		w.pass()
		b.mine(paid.withdraw("dst"), back.cancel("dst"))
		w.pass()
		w.want(paid, swap.LegOpen, swap.LegWithdrawn)
		w.want(back, swap.LegOpen, swap.LegCancelled)
	})
}
