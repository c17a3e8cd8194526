package swap

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// The situations that the operators know, each from its beginning to its end.
func TestPlanSituations(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	runAll(t, []situation{
		{name: "completed by others", given: []step{withDst, paid, final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(105, ""), // dst's final logs do not reach the second of src's end yet
			bothAt(106, "finished"),
		}},
		{name: "completed for good, balances not read since", given: []step{withDst, paid, final("src", Withdrawn, 101), change(func(w *world) { w.order.Src.Balance = Balance{} })}, moments: []moment{
			bothAt(110, ""),
		}},
		{name: "completed, not final yet", given: []step{withDst, seen("dst", Withdrawn, 75), seen("src", Withdrawn, 101)}, moments: []moment{
			bothAt(105, ""),
		}},
		{name: "both expire", given: []step{withDst}, moments: []moment{
			bothAt(30, "src.cancel!dst-logs-not-past dst.cancel+240"),
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel"),
			bothAt(300, "src.cancel dst.cancel"),
		}},
		{name: "both expire, dst cancelled", given: []step{withDst, seen("dst", Cancelled, 271)}, moments: []moment{
			bothAt(272, "src.cancel!dst-payment-not-final"),
			bothAt(275, "src.cancel+25"),
			bothAt(300, "src.cancel"),
		}},
		{name: "both cancelled", given: []step{withDst, final("dst", Cancelled, 271), final("src", Cancelled, 301)}, moments: []moment{
			bothAt(305, ""),
			bothAt(306, "finished"),
		}},
		{name: "seen payment, claimed at once", given: []step{withDst, seen("dst", Withdrawn, 120)}, moments: []moment{
			bothAt(120, "src.withdraw"),
		}},
		{name: "paid at the last moment, claimed to the last block", given: []step{withDst, seen("dst", Withdrawn, 269)}, moments: []moment{
			bothAt(269, "src.withdraw"),
			bothAt(298, "src.withdraw", "deadline-unreachable:critical@src"),
			bothAt(299, "src.cancel!dst-was-paid src.rescueFunds!dst-payment-not-final src.rescueFunds(coin)!dst-payment-not-final", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src expired after dst was paid, the payment not final", given: []step{withDst, seen("dst", Withdrawn, 269)}, moments: []moment{
			bothAt(691200, "src.cancel!dst-was-paid src.rescueFunds!dst-payment-not-final src.rescueFunds(coin)!dst-payment-not-final", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src rescued", given: []step{withDst, paid, seen("src", Rescued, 691201)}, moments: []moment{
			bothAt(691202, "src.rescueFunds(coin)"),
		}},
		{name: "src rescued, the deposit is left", given: []step{withDst, paid, final("src", Rescued, 691201)}, moments: []moment{
			bothAt(691210, "src.rescueFunds(coin)"),
		}},
		{name: "src rescued, and then the payment is in doubt", given: []step{withDst, seen("dst", Withdrawn, 691198), final("src", Rescued, 691201)}, moments: []moment{
			bothAt(691210, "src.rescueFunds(coin)!dst-payment-not-final"),
		}},
		{name: "src expired after dst was paid, its tokens are not there: the deposit", given: []step{withDst, paid, holding("src", 80, 0, 32)}, moments: []moment{
			bothAt(691199, "src.cancel!dst-was-paid src.rescueFunds(coin)+1", "dst-paid-src-expired:critical@src funds-gone:critical@src"),
			bothAt(691200, "src.cancel!dst-was-paid src.rescueFunds(coin)", "dst-paid-src-expired:critical@src funds-gone:critical@src"),
		}},
		{name: "src expired after dst was paid, the deposit is worth its gas", given: []step{withDst, paid, holding("src", 80, 256, 11)}, moments: []moment{
			bothAt(691200, "src.cancel!dst-was-paid src.rescueFunds src.rescueFunds(coin)", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src expired after dst was paid, the deposit is not", given: []step{withDst, paid, holding("src", 80, 256, 10)}, moments: []moment{
			bothAt(691200, "src.cancel!dst-was-paid src.rescueFunds", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src expired after dst was paid, the deposit is dust", given: []step{withDst, paid, on(srcChain, func(c *ChainPolicy) { c.NativeDust = *uint256.NewInt(32) })}, moments: []moment{
			bothAt(691200, "src.cancel!dst-was-paid src.rescueFunds", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src rescued and empty", given: []step{withDst, paid, final("src", Rescued, 691201), holding("src", 691203, 0, 0)}, moments: []moment{
			bothAt(691210, "finished"),
		}},
		{name: "negative safety gap", given: []step{withDstAt(120)}, moments: []moment{
			bothAt(299, "src.cancel!dst-logs-not-past dst.cancel+71", "negative-safety-gap:warning@dst"),
			bothAt(300, "src.cancel!dst-logs-not-past dst.cancel+70", "negative-safety-gap:warning@dst"),
			bothAt(374, "src.cancel!dst-logs-not-past dst.cancel", "negative-safety-gap:warning@dst"),
			bothAt(375, "src.cancel dst.cancel", "negative-safety-gap:warning@dst"),
		}},
		{name: "negative safety gap, src cancelled by somebody", given: []step{withDstAt(120), final("src", Cancelled, 301)}, moments: []moment{
			bothAt(310, "dst.cancel+60", "negative-safety-gap:critical@dst"),
			bothAt(370, "dst.cancel"),
		}},
		{name: "maker paid twice", given: []step{withDstAt(120), final("src", Cancelled, 301), final("dst", Withdrawn, 320)}, moments: []moment{
			bothAt(305, "", "maker-paid-twice:critical@src"),
			bothAt(306, "finished", "maker-paid-twice:critical@src"),
		}},
		{name: "native dst", given: []step{nativeDst}, moments: []moment{
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel"),
		}},
		{name: "native dst paid", given: []step{nativeDst, paid}, moments: []moment{
			bothAt(110, "src.withdraw"),
		}},
		{name: "dst leg of nothing is ignored", given: []step{change(func(w *world) { w.order.Expect.Amount = Word{} }), withDst}, moments: []moment{
			bothAt(299, "src.cancel!dst-logs-not-past dst.cancel"),
			bothAt(300, "src.cancel dst.cancel"),
		}},
		{name: "reused secret, no dst", given: []step{public}, moments: []moment{
			bothAt(150, "src.cancel!dst-logs-not-past"),
			bothAt(300, "src.cancel"),
		}},
		{name: "reused secret, dst can be paid in time: claimed, then paid", given: []step{withDst, public}, moments: []moment{
			bothAt(99, "src.withdraw+1 dst.cancel!src-claim-pending"),
			bothAt(150, "src.withdraw dst.cancel!src-claim-pending"),
			// 14 seconds to claim and 14 to pay are reckoned with.
			bothAt(241, "src.withdraw dst.cancel!src-claim-pending"),
			bothAt(242, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending"),
			bothAt(269, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending"),
			// Not paid as far as read: src goes back to the maker, and dst to us
			// once nobody can claim src any more.
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel!src-still-claimable"),
			bothAt(300, "src.cancel dst.cancel!src-still-claimable"),
			bothAt(305, "src.cancel dst.cancel"),
		}},
		{name: "reused secret, dst outlasts src: claimed at the last call", given: []step{withDstAt(60), public,
			on(dstChain, func(c *ChainPolicy) { c.Takers[taker] = TakerPolicy{} })}, moments: []moment{
			bothAt(285, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending", "negative-safety-gap:warning@dst"),
			bothAt(286, "src.withdraw dst.cancel!src-claim-pending", "negative-safety-gap:warning@dst"),
		}},
		{name: "claimed before the payment: paid when the claim is final", given: []step{withDst, public, seen("src", Withdrawn, 150)}, moments: []moment{
			bothAt(151, "dst.withdraw!src-claim-not-final"),
			bothAt(250, "dst.withdraw!src-claim-not-final"),
			bothAt(251, "dst.withdraw"), // no time is left to wait
		}},
		{name: "reorg took the payment away", given: []step{withDst, public, final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(110, "dst.withdraw"),
		}},
		{name: "two dst legs: the maker is paid by one", given: []step{withDst, withDstAt(40), final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(110, "dst.cancel!src-was-claimed dst2.withdraw"),
			bothAt(280, "dst.cancel!src-was-claimed dst2.withdraw"),
		}},
		{name: "two dst legs: one paid, the other goes back once that is final", given: []step{withDst, withDstAt(40), final("src", Withdrawn, 101), seen("dst", Withdrawn, 105)}, moments: []moment{
			bothAt(290, "dst2.cancel!dst-payment-not-final"),
		}},
		{name: "two dst legs: one paid for good", given: []step{withDst, withDstAt(40), final("src", Withdrawn, 101), final("dst", Withdrawn, 105)}, moments: []moment{
			bothAt(289, "dst2.cancel+1"),
			bothAt(290, "dst2.cancel"),
		}},
		{name: "no path for anybody", given: []step{withDst, takerPath(PathNone, common.Address{})}, moments: []moment{
			bothAt(200, "src.cancel!no-path dst.cancel!no-path", "cannot-act:critical@dst"),
			bothAt(300, "src.cancel!no-path dst.cancel!no-path", "cannot-act:critical@dst cannot-act:warning@src"),
		}},
		{name: "another resolver's swap", only: oneIn, given: []step{withDst, paid, byToken,
			on(srcChain, func(c *ChainPolicy) { c.Takers = nil }), on(dstChain, func(c *ChainPolicy) { c.Takers = nil })}, moments: []moment{
			bothAt(250, "src.withdraw!no-path", "cannot-act:critical@src"),
		}},
		{name: "no fee cap", given: []step{withDst, paid, on(srcChain, func(c *ChainPolicy) { c.FeeCap = nil })}, moments: []moment{
			bothAt(150, "src.withdraw!no-fee-cap", "cannot-act:critical@src"),
		}},
		{name: "dst chain not configured", given: []step{withDst, change(func(w *world) { delete(w.policy.Chains, dstChain) })}, moments: []moment{
			bothAt(310, "src.cancel!dst-chain-unknown dst.cancel!no-path", "cannot-act:critical@dst cannot-act:critical@src"),
		}},
		{name: "dst chain not configured, secret public: the maker may have been paid there", given: []step{public, change(func(w *world) { delete(w.policy.Chains, dstChain) })}, moments: []moment{
			bothAt(110, "src.withdraw", "cannot-act:critical@src"),
		}},
	})
}

// What costs nothing to make must cost nothing to bear.
func TestPlanWorthless(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	unlisted := func(w *world) {
		for chain := range w.policy.Chains {
			on(chain, func(c *ChainPolicy) { c.Tokens = nil })(w)
		}
	}
	priceless := func(w *world) {
		for chain := range w.policy.Chains {
			on(chain, func(c *ChainPolicy) {
				for a, tp := range c.Tokens {
					tp.WeiPerUnit.Clear()
					c.Tokens[a] = tp
				}
			})(w)
		}
	}
	expensive := func(w *world) {
		for chain := range w.policy.Chains {
			on(chain, func(c *ChainPolicy) {
				c.FeeCap = map[Call]uint256.Int{Withdraw: *uint256.NewInt(100), Cancel: *uint256.NewInt(100), RescueFunds: *uint256.NewInt(100)}
			})(w)
		}
	}
	large := func(w *world) {
		im := w.order.Src.Immutables
		im.Amount = word(5000)
		w.replaceSrc(im)
	}
	deposit := func(v uint64) step {
		return func(w *world) {
			im := w.order.Src.Immutables
			im.SafetyDeposit = word(v)
			w.replaceSrc(im)
		}
	}
	largeDeposit, noDeposit := deposit(5000), deposit(0)
	caps := func(c map[Call]uint256.Int) step { return on(srcChain, func(p *ChainPolicy) { p.FeeCap = c }) }
	noTaker := on(srcChain, func(p *ChainPolicy) { p.Takers = nil })
	done := []step{withDst, paid, final("src", Withdrawn, 101)}
	given := func(more ...step) []step { return append(append([]step{}, done...), more...) }
	runAll(t, []situation{
		{name: "unknown src token and a deposit below the fee", given: []step{unlisted, expensive}, moments: []moment{
			bothAt(300, "src.cancel!not-worth-its-gas", "not-worth-its-gas:info@src"),
		}},
		{name: "unknown src token, but dst was paid", given: []step{withDst, unlisted, expensive, paid}, moments: []moment{
			bothAt(110, "src.withdraw"),
		}},
		{name: "unknown dst token in a leg of ours", given: []step{withDst, unlisted, expensive}, moments: []moment{
			bothAt(270, "src.cancel!not-worth-its-gas dst.cancel", "not-worth-its-gas:info@src"),
		}},
		{name: "a token without a price is worth any fee", given: []step{priceless, expensive}, moments: []moment{
			bothAt(300, "src.cancel"),
		}},
		{name: "one unit of dust on a finished escrow", given: given(holding("dst", 200, 1, 0)), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "a few units of a token without a price", given: append([]step{large}, given(priceless, holding("src", 200, 4, 0))...), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "a thousandth of the amount of a token without a price", given: append([]step{large}, given(priceless, holding("src", 200, 5, 0))...), moments: []moment{
			bothAt(210, "src.rescueFunds+690990"),
		}},
		{name: "strays below the price of a rescue", given: given(holding("src", 200, 10, 10)), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "strays worth a rescue", given: given(holding("src", 200, 11, 11)), moments: []moment{
			bothAt(210, "src.rescueFunds+690990 src.rescueFunds(coin)+690990"),
			bothAt(691200, "src.rescueFunds src.rescueFunds(coin)")},
		},
		{name: "strays of a token that nobody lists", given: given(unlisted, holding("src", 200, 1<<60, 0)), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "strays of which the token has been fetched since, not for good", given: given(holding("src", 200, 11, 11), seen("src", Rescued, 691200)), moments: []moment{
			bothAt(691202, "src.rescueFunds(coin)"),
		}},
		// What nobody may fetch is held all the same, and told.
		{name: "strays that no key of ours can fetch", given: given(takerPath(PathNone, common.Address{}), holding("src", 200, 11, 11)), moments: []moment{
			bothAt(210, "src.rescueFunds!no-path src.rescueFunds(coin)!no-path", "funds-held:warning@src"),
			bothAt(691200, "src.rescueFunds!no-path src.rescueFunds(coin)!no-path", "funds-held:warning@src"),
		}},
		{name: "no key of ours, and not worth a rescue", given: given(takerPath(PathNone, common.Address{}), holding("src", 200, 10, 10)), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "strays that an access token does not open", given: given(byToken, holding("dst", 200, 0, 11)), moments: []moment{
			bothAt(210, "dst.rescueFunds(coin)!no-path", "funds-held:warning@dst"),
		}},
		{name: "strays of a taker that is not configured any more", given: given(noTaker, holding("src", 200, 11, 0)), moments: []moment{
			bothAt(210, "src.rescueFunds!no-path", "funds-held:warning@src"),
		}},
		{name: "no cap for a rescue: the dearest of the others is its price", given: given(caps(map[Call]uint256.Int{Withdraw: *uint256.NewInt(5), Cancel: *uint256.NewInt(10)}), holding("src", 200, 11, 10)), moments: []moment{
			bothAt(210, "src.rescueFunds!no-fee-cap", "funds-held:warning@src"),
		}},
		{name: "no cap for a rescue, and dust by the others", given: given(caps(map[Call]uint256.Int{Withdraw: *uint256.NewInt(5), Cancel: *uint256.NewInt(10)}), holding("src", 200, 10, 10)), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "no cap at all: a thousandth of the amount", given: append([]step{large}, given(caps(nil), holding("src", 200, 5, 0))...), moments: []moment{
			bothAt(210, "src.rescueFunds!no-fee-cap", "funds-held:warning@src"),
		}},
		{name: "no cap at all: less than that", given: append([]step{large}, given(caps(nil), holding("src", 200, 4, 0))...), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "no cap at all: a thousandth of the deposit", given: append([]step{largeDeposit}, given(caps(nil), holding("src", 200, 0, 5))...), moments: []moment{
			bothAt(210, "src.rescueFunds(coin)!no-fee-cap", "funds-held:warning@src"),
		}},
		{name: "no cap at all: less of the deposit", given: append([]step{largeDeposit}, given(caps(nil), holding("src", 200, 0, 4))...), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "no cap at all: native coin in an escrow that never had a deposit", given: append([]step{noDeposit}, given(caps(nil), holding("src", 200, 0, 1<<60))...), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "strays of a token that nobody lists, and no key", given: given(unlisted, takerPath(PathNone, common.Address{}), holding("src", 200, 1<<60, 0)), moments: []moment{
			bothAt(210, "finished"),
		}},
		// No proof of zero without a reading since the end.
		{name: "balances not read since the end", given: given(change(func(w *world) { w.leg("src").Balance.Block = block(100) })), moments: []moment{
			bothAt(110, ""),
			bothAt(101+depth+overdue+syncLag, ""),
			bothAt(102+depth+overdue+syncLag, "", "funds-held:warning@src"),
		}},
		{name: "balances never read", given: given(change(func(w *world) { w.leg("dst").Balance = Balance{} })), moments: []moment{
			bothAt(75+depth+overdue+syncLag, ""),
			bothAt(76+depth+overdue+syncLag, "", "funds-held:warning@dst"),
			bothAt(691200, "", "funds-held:warning@dst"),
		}},
		{name: "a token that gives no balance", given: given(mute("src", 200, 0)), moments: []moment{
			bothAt(101+depth+overdue+syncLag, ""),
			bothAt(210, "", "funds-held:warning@src"),
			bothAt(691200, "", "funds-held:warning@src"),
		}},
		{name: "a token that gives no balance, and nobody lists", given: given(unlisted, mute("src", 200, 0)), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "a token that gives no balance and nobody lists, beside coin that is worth a rescue", given: given(unlisted, mute("src", 200, 11)), moments: []moment{
			bothAt(210, "src.rescueFunds(coin)+690990"),
		}},
	})
}
