package swap

import (
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// moment is what is expected when both chains (or src and dst) stand at a second.
type moment struct {
	src, dst int64
	want     string
	findings string
}

// both is a moment of two chains that keep time with each other.
func bothAt(at int64, want string, findings ...string) moment {
	return moment{at, at, want, strings.Join(findings, " ")}
}

func apart(src, dst int64, want string, findings ...string) moment {
	return moment{src, dst, want, strings.Join(findings, " ")}
}

// situation is a row of the tables below: what is known, and what Plan makes
// of it as time goes by.
type situation struct {
	name    string
	given   []step
	only    []Family // all if empty
	moments []moment
}

func (s situation) run(t *testing.T) {
	t.Run(s.name, func(t *testing.T) {
		families := s.only
		if len(families) == 0 {
			families = Families()
		}
		for _, f := range families {
			w := newWorld(f, s.given...)
			for _, m := range s.moments {
				_, d := w.plan(t, m.src, m.dst)
				if got := say(w, d); got != m.want {
					t.Errorf("%s at %d/%d:\n got %s\nwant %s", f, m.src, m.dst, got, m.want)
				}
				if got := sayFindings(w, d); got != m.findings {
					t.Errorf("%s at %d/%d:\n got findings %s\n    want findings %s", f, m.src, m.dst, got, m.findings)
				}
			}
		}
	})
}

func runAll(t *testing.T, rows []situation) {
	t.Helper()
	for _, s := range rows {
		s.run(t)
	}
}

// Every window at start-1, start, stop-1 and stop, for the taker's own path and
// the public one. At stop-2 the next block is the last that can take a claim.
func TestPlanEdges(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	claimed := final("src", Withdrawn, 101)
	runAll(t, []situation{
		{name: "src withdraw by the taker", given: []step{withDst, paid}, moments: []moment{
			bothAt(99, "src.withdraw+1"),
			bothAt(100, "src.withdraw"),
			bothAt(298, "src.withdraw", "action-overdue:critical@src deadline-unreachable:critical@src"),
			bothAt(299, "src.cancel!dst-was-paid src.rescueFunds+690901", "dst-paid-src-expired:critical@src"),
			bothAt(300, "src.cancel!dst-was-paid src.rescueFunds+690900", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src withdraw through the resolver contract", given: []step{withDst, paid, throughResolver}, moments: []moment{
			bothAt(99, "src.withdraw+1"),
			bothAt(100, "src.withdraw"),
			bothAt(299, "src.cancel!dst-was-paid src.rescueFunds+690901", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src withdraw by access token", only: oneIn, given: []step{withDst, paid, byToken}, moments: []moment{
			bothAt(199, "src.publicWithdraw+1"),
			bothAt(200, "src.publicWithdraw"),
			bothAt(298, "src.publicWithdraw", "action-overdue:critical@src deadline-unreachable:critical@src"),
			bothAt(299, "src.publicCancel!dst-was-paid src.rescueFunds!no-path", "cannot-act:critical@src dst-paid-src-expired:critical@src"),
		}},
		{name: "no public call in a family without access token", only: bmn, given: []step{withDst, paid, byToken}, moments: []moment{
			bothAt(99, "src.withdraw!no-path", "cannot-act:critical@src"),
			bothAt(250, "src.withdraw!no-path", "cannot-act:critical@src"),
		}},
		{name: "src cancel by the taker, no dst", moments: []moment{
			bothAt(299, "src.cancel!dst-logs-not-past"),
			bothAt(300, "src.cancel"),
			bothAt(310, "src.cancel"),
			bothAt(311, "src.cancel", "action-overdue:critical@src"),
		}},
		{name: "src cancel by access token, no dst", only: oneIn, given: []step{byToken}, moments: []moment{
			bothAt(299, "src.publicCancel!dst-logs-not-past"),
			bothAt(399, "src.publicCancel+1"),
			bothAt(400, "src.publicCancel"),
		}},
		{name: "dst cancel by the taker", given: []step{withDst}, moments: []moment{
			bothAt(269, "src.cancel!dst-logs-not-past dst.cancel+1"),
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel"),
			bothAt(275, "src.cancel+25 dst.cancel"),
			bothAt(281, "src.cancel+19 dst.cancel", "action-overdue:critical@dst"),
		}},
		{name: "dst cancel has no public call", only: oneIn, given: []step{withDst, byToken}, moments: []moment{
			bothAt(269, "src.publicCancel!dst-logs-not-past dst.cancel!no-path", "cannot-act:critical@dst"),
		}},
		{name: "dst withdraw once src was claimed", given: []step{withDst, claimed}, moments: []moment{
			bothAt(110, "dst.withdraw"),
			bothAt(268, "dst.withdraw", "action-overdue:critical@dst deadline-unreachable:critical@dst"),
			bothAt(269, "dst.cancel!src-was-claimed", "maker-unpaid:critical@src"),
			bothAt(270, "dst.cancel!src-was-claimed", "maker-unpaid:critical@src"),
		}},
		{name: "dst withdraw not before its stage", given: []step{withDst, final("src", Withdrawn, 60)}, moments: []moment{
			bothAt(69, "dst.withdraw+1"),
			bothAt(70, "dst.withdraw"),
		}},
		{name: "dst withdraw by access token", only: oneIn, given: []step{withDst, claimed, byToken}, moments: []moment{
			bothAt(169, "dst.publicWithdraw+1"),
			bothAt(170, "dst.publicWithdraw"),
			bothAt(268, "dst.publicWithdraw", "action-overdue:critical@dst deadline-unreachable:critical@dst"),
			bothAt(269, "dst.cancel!src-was-claimed", "maker-unpaid:critical@src"),
		}},
		{name: "src rescue after the delay", given: []step{withDst, paid}, moments: []moment{
			bothAt(691199, "src.cancel!dst-was-paid src.rescueFunds+1", "dst-paid-src-expired:critical@src"),
			bothAt(691200, "src.cancel!dst-was-paid src.rescueFunds", "dst-paid-src-expired:critical@src"),
		}},
	})
}

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
			bothAt(300, "src.cancel dst.cancel", "action-overdue:critical@dst"),
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
			bothAt(298, "src.withdraw", "action-overdue:critical@src deadline-unreachable:critical@src"),
			bothAt(299, "src.cancel!dst-was-paid src.rescueFunds!dst-payment-not-final", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src expired after dst was paid, the payment not final", given: []step{withDst, seen("dst", Withdrawn, 269)}, moments: []moment{
			bothAt(691200, "src.cancel!dst-was-paid src.rescueFunds!dst-payment-not-final", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src rescued", given: []step{withDst, paid, seen("src", Rescued, 691201)}, moments: []moment{
			bothAt(691202, ""),
		}},
		{name: "src rescued, the deposit is left", given: []step{withDst, paid, final("src", Rescued, 691201)}, moments: []moment{
			bothAt(691210, "src.rescueFunds"),
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
			bothAt(299, "src.cancel!dst-logs-not-past dst.cancel", "action-overdue:critical@dst"),
			bothAt(300, "src.cancel dst.cancel", "action-overdue:critical@dst"),
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
			bothAt(251, "dst.withdraw", "action-overdue:critical@dst"), // no time is left to wait
		}},
		{name: "reorg took the payment away", given: []step{withDst, public, final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(110, "dst.withdraw"),
		}},
		{name: "two dst legs: the maker is paid by one", given: []step{withDst, withDstAt(40), final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(110, "dst.cancel!src-was-claimed dst2.withdraw"),
			bothAt(280, "dst.cancel!src-was-claimed dst2.withdraw", "action-overdue:critical@dst2"),
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
			bothAt(210, "src.rescueFunds+690990 src.rescueFunds+690990"),
			bothAt(691200, "src.rescueFunds src.rescueFunds")},
		},
		{name: "strays of a token that nobody lists", given: given(unlisted, holding("src", 200, 1<<60, 0)), moments: []moment{
			bothAt(210, "finished"),
		}},
		{name: "strays that no key of ours can fetch", given: given(takerPath(PathNone, common.Address{}), holding("src", 200, 11, 11)), moments: []moment{
			bothAt(210, "finished"),
		}},
	})
}

// Hostile and broken orders.
func TestPlanHostile(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	stages := func(changes map[Stage]uint32) step {
		return func(w *world) {
			im := w.order.Src.Immutables
			locks := UnpackTimelocks(im.Timelocks)
			for s, v := range changes {
				locks.Offsets[s] = v
			}
			im.Timelocks = locks.Pack()
			w.replaceSrc(im)
		}
	}
	deployedAt := func(t ChainTime) step {
		return func(w *world) { w.replaceSrc(w.order.Src.Immutables.WithDeployedAt(t)) }
	}
	// A dst leg that matches and was made by somebody else, with a deployedAt of
	// his choice and nothing in it.
	emptyNative := func(t ChainTime) step {
		return func(w *world) {
			w.order.Expect.Token = Word{}
			l := w.dstLeg(dstLate, func(im *Immutables) { *im = im.WithDeployedAt(t) })
			w.order.AddDst(l, false)
			w.order.Dsts[0].Final = true
			w.order.Dsts[0].Balance = Balance{Block: block(dstLate)}
		}
	}
	greedy := func(w *world) {
		l := w.dstLeg(40, func(im *Immutables) { im.Parameters = feeParameters(OneInchV11, 500, 11) })
		w.order.AddDst(l, false)
		d := &w.order.Dsts[len(w.order.Dsts)-1]
		d.Final = true
		fund(d, 40)
	}
	short := func(w *world) {
		w.order.Expect.Parameters = nil
		withDst(w)
	}
	runAll(t, []situation{
		{name: "src that can never be withdrawn is cancelled", given: []step{stages(map[Stage]uint32{SrcWithdrawal: 300})}, moments: []moment{
			bothAt(304, "src.cancel!dst-logs-not-past"),
			bothAt(305, "src.cancel"),
		}},
		{name: "src that can never be withdrawn, dst paid", given: []step{stages(map[Stage]uint32{SrcWithdrawal: 301}), withDst, paid}, moments: []moment{
			bothAt(150, "src.cancel!dst-was-paid src.rescueFunds+691050", "dst-paid-src-expired:critical@src"),
		}},
		{name: "public stage after the end: only the taker can claim", given: []step{stages(map[Stage]uint32{SrcPublicWithdrawal: 300}), withDst, paid}, moments: []moment{
			bothAt(100, "src.withdraw"),
		}},
		{name: "public stage after the end: an access token does not help", only: oneIn, given: []step{stages(map[Stage]uint32{SrcPublicWithdrawal: 300}), withDst, paid, byToken}, moments: []moment{
			bothAt(100, "src.withdraw!no-path", "cannot-act:critical@src"),
		}},
		{name: "stages out of order", given: []step{stages(map[Stage]uint32{SrcWithdrawal: 250, SrcPublicWithdrawal: 10, SrcPublicCancellation: 1}), withDst, paid}, moments: []moment{
			bothAt(249, "src.withdraw+1"),
			bothAt(250, "src.withdraw"),
		}},
		{name: "dst that can never be withdrawn", given: []step{stages(map[Stage]uint32{DstWithdrawal: 250}), withDst, final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(110, "dst.cancel!src-was-claimed", "maker-unpaid:critical@src"),
		}},
		{name: "src deployed in the distant past", only: bmn, given: []step{deployedAt(1)}, moments: []moment{
			bothAt(4, "src.cancel!dst-logs-not-past"),
			bothAt(5, "src.cancel"),
		}},
		{name: "src deployed at time zero", only: bmn, given: []step{deployedAt(0), withDst, paid}, moments: []moment{
			bothAt(80, "src.cancel!dst-was-paid src.rescueFunds", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src deployed in the distant future", only: bmn, given: []step{deployedAt(1<<32 - 1)}, moments: []moment{
			bothAt(1000, "src.cancel!dst-logs-not-past"),
		}},
		{name: "empty dst leg of a stranger in the distant future", only: bmn, given: []step{emptyNative(1<<32 - 1)}, moments: []moment{
			bothAt(24, "src.cancel!dst-logs-not-past dst.cancel!deposit-missing", "deposit-missing:warning@dst negative-safety-gap:warning@dst"),
			bothAt(300, "src.cancel", "not-worth-its-gas:info@dst"),
		}},
		{name: "empty dst leg of a stranger, secret public", only: bmn, given: []step{emptyNative(zeroTime + 60), public}, moments: []moment{
			bothAt(200, "src.cancel!dst-logs-not-past", "not-worth-its-gas:info@dst"),
			bothAt(290, "src.cancel!dst-logs-not-past", "not-worth-its-gas:info@dst"),
			bothAt(300, "src.cancel", "not-worth-its-gas:info@dst"),
		}},
		{name: "order finished beside an empty dst leg of a stranger", only: bmn, given: []step{emptyNative(1<<32 - 1), final("src", Cancelled, 301)}, moments: []moment{
			bothAt(306, "finished", "not-worth-its-gas:info@dst"),
		}},
		{name: "our native dst leg lacks its amount", only: bmn, given: []step{nativeDst, holding("dst", 20, 40, 40)}, moments: []moment{
			bothAt(110, "src.cancel!dst-logs-not-past dst.cancel!deposit-missing dst.rescueFunds+604710", "deposit-missing:critical@dst"),
			bothAt(300, "src.cancel dst.cancel!deposit-missing dst.rescueFunds+604520", "deposit-missing:critical@dst"),
		}},
		{name: "src without its deposit", only: bmn, given: []step{holding("src", 1, 256, 31)}, moments: []moment{
			bothAt(150, "src.cancel!deposit-missing", "deposit-missing:warning@src"),
			bothAt(300, "src.cancel!deposit-missing", "deposit-missing:warning@src"),
		}},
		{name: "src without its deposit, dst paid", only: bmn, given: []step{holding("src", 1, 256, 31), withDst, paid}, moments: []moment{
			bothAt(150, "src.withdraw!deposit-missing", "deposit-missing:critical@src"),
			bothAt(300, "src.cancel!dst-was-paid src.rescueFunds+690900", "dst-paid-src-expired:critical@src"),
		}},
		{name: "dst without its deposit", only: bmn, given: []step{withDst, holding("dst", 20, 512, 15)}, moments: []moment{
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel!deposit-missing dst.rescueFunds+604550", "deposit-missing:critical@dst"),
		}},
		{name: "dst empty without an event: nothing is cancelled", given: []step{withDst, holding("dst", 200, 0, 0)}, moments: []moment{
			bothAt(300, "src.cancel!dst-funds-gone dst.cancel!deposit-missing", "deposit-missing:critical@dst funds-gone:critical@dst"),
		}},
		{name: "dst empty without an event, secret public: claimed", given: []step{withDst, public, holding("dst", 200, 0, 0)}, moments: []moment{
			bothAt(260, "src.withdraw dst.cancel!src-claim-pending", "funds-gone:critical@dst"),
		}},
		{name: "v1.1 dst without parameters can only be cancelled", only: []Family{OneInchV11}, given: []step{short}, moments: []moment{
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel", "parameters-too-short:warning@dst"),
			bothAt(300, "src.cancel dst.cancel", "action-overdue:critical@dst parameters-too-short:warning@dst"),
		}},
		{name: "v1.1 dst without parameters, src claimed", only: []Family{OneInchV11}, given: []step{short, final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(110, "dst.withdraw!parameters-too-short dst.cancel!src-was-claimed", "maker-unpaid:critical@src parameters-too-short:warning@dst"),
		}},
		{name: "v1.1 dst of a stranger whose fees eat the payment", only: []Family{OneInchV11}, given: []step{withDst, greedy, final("src", Withdrawn, 101), final("dst2", Withdrawn, 102)}, moments: []moment{
			bothAt(110, "dst.withdraw"),
		}},
		{name: "v1.1 dst of a stranger whose fees eat the payment does not pay the maker", only: []Family{OneInchV11}, given: []step{greedy, final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(110, "dst.cancel!src-was-claimed", "maker-unpaid:critical@src"),
		}},
		{name: "dst cancelled early by signature", only: bmn, given: []step{withDst, final("dst", Cancelled, 100)}, moments: []moment{
			bothAt(300, "src.cancel", "dst-cancelled-early:critical@dst"),
		}},
		{name: "dst cancelled early, balance not read since", only: bmn, given: []step{withDst, final("dst", Cancelled, 100), holding("dst", 99, 512, 16)}, moments: []moment{
			bothAt(269, "src.cancel!dst-payment-not-final", "dst-cancelled-early:critical@dst"),
			bothAt(300, "src.cancel", "dst-cancelled-early:critical@dst"),
		}},
		{name: "dst cancelled by signature for nothing: it is still there", only: bmn, given: []step{withDst, final("dst", Cancelled, 100), holding("dst", 100, 512, 0)}, moments: []moment{
			bothAt(110, "src.cancel!dst-logs-not-past dst.cancel!deposit-missing dst.rescueFunds+604710", "deposit-missing:critical@dst"),
		}},
		{name: "dst robbed of a part by signature: the rest is rescued", only: bmn, given: []step{withDst, final("dst", Cancelled, 100), holding("dst", 100, 511, 0)}, moments: []moment{
			bothAt(110, "src.cancel!dst-payment-not-final dst.rescueFunds+604710", "dst-cancelled-early:critical@dst"),
		}},
		{name: "dst robbed of a part, src claimed: the rest is the maker's", only: bmn, given: []step{withDst, final("dst", Cancelled, 100), final("src", Withdrawn, 101), holding("dst", 100, 511, 0)}, moments: []moment{
			bothAt(110, "dst.rescueFunds!src-was-claimed", "dst-cancelled-early:critical@dst maker-unpaid:critical@src"),
		}},
	})
}

// What has not been read, or not for good.
func TestPlanKnowledge(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	ghost := func(name string) step { return func(w *world) { w.leg(name).Final = false } }
	candidate := func(balance ...uint64) step {
		return func(w *world) {
			d := DstCreated{ChainID: dstChain, Factory: stranger, Escrow: named("candidate"), Hashlock: w.order.Hashlock(), Taker: taker, At: place(dstLate, 9)}
			if !w.order.AddCandidate(d) {
				panic("candidate not added")
			}
			for _, b := range balance {
				w.order.SetBalance(dstChain, d.Escrow, Balance{Block: block(dstLate), Token: *uint256.NewInt(b)})
			}
		}
	}
	candidateEnds := func(kind EventKind) step {
		return func(w *world) {
			ev := EscrowEvent{ChainID: dstChain, Escrow: named("candidate"), Kind: kind, Secret: preimag, At: place(80, 0)}
			w.order.Learn(ev.Secret)
			w.order.AddEvent(ev)
		}
	}
	views := func(f func(Views)) step { return func(w *world) { f(w.views) } }
	mark := func(chain uint64, synced, final int64) step {
		return views(func(v Views) {
			c := v[chain]
			c.SyncedTo, c.Final = block(synced), block(final)
			v[chain] = c
		})
	}
	both := func(src, dst int64) step { return func(w *world) { w.at(src, dst) } }
	for _, c := range []struct {
		name     string
		given    []step
		want     string
		findings string
	}{
		{"no dst as far as read, but not far enough", []step{both(310, 310), mark(dstChain, 299, 299)}, "src.cancel!dst-logs-not-past", ""},
		{"no dst as far as read", []step{both(310, 310), mark(dstChain, 300, 299)}, "src.cancel", ""},
		{"no dst by one reading only", []step{both(310, 310), mark(dstChain, 310, 99)}, "src.cancel!dst-logs-not-past", ""},
		{"no dst by two readings as long as it mattered", []step{both(310, 310), mark(dstChain, 310, 100)}, "src.cancel", ""},
		{"dst never read", []step{both(310, 310), views(func(v Views) { delete(v, dstChain) })}, "src.cancel!dst-logs-not-past", ""},
		{"dst never read, a leg known", []step{withDst, both(310, 310), views(func(v Views) { delete(v, dstChain) })}, "src.cancel!dst-logs-not-past dst.cancel+1700000270", ""},
		{"dst not readable, payment known", []step{withDst, paid, both(150, 150), views(func(v Views) { delete(v, dstChain) })}, "src.withdraw", "action-overdue:critical@src"},
		{"dst not readable, secret known: most likely from a payment", []step{withDst, public, both(150, 150), views(func(v Views) { delete(v, dstChain) })}, "src.withdraw dst.cancel!src-claim-pending", ""},
		{"dst not readable, secret known, no leg: waits", []step{public, both(150, 150), views(func(v Views) { delete(v, dstChain) })}, "src.withdraw!dst-outcome-open", ""},
		{"dst not readable, secret known, no leg: last call", []step{public, both(286, 150), views(func(v Views) { delete(v, dstChain) })}, "src.withdraw", ""},
		{"dst logs lag, secret known, no leg", []step{public, both(150, 150), mark(dstChain, 134, 130)}, "src.withdraw!dst-outcome-open", ""},
		{"dst logs fresh enough, secret known, no leg", []step{public, both(150, 150), mark(dstChain, 135, 130)}, "src.cancel!dst-logs-not-past", ""},
		{"src logs lag: dst is not cancelled", []step{withDst, both(290, 290), mark(srcChain, 274, 274)}, "src.cancel+10 dst.cancel!src-logs-lag", ""},
		{"src logs fresh enough", []step{withDst, both(290, 290), mark(srcChain, 275, 274)}, "src.cancel+10 dst.cancel", "action-overdue:critical@dst"},
		{"src halted long ago: dst is cancelled all the same", []step{withDst, both(50, 290), halt(srcChain, 4*time.Minute)}, "src.cancel+250 dst.cancel", "action-overdue:critical@dst"},
		{"dst halted: src is not cancelled", []step{withDst, both(5000, 200), halt(dstChain, 80*time.Minute)}, "src.cancel!dst-logs-not-past dst.cancel+70", ""},
		{"dst halted, secret known: nobody can pay now, so src waits for its last call", []step{withDst, public, both(200, 200), halt(dstChain, time.Hour)}, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending", ""},
		{"src halted, secret known: its clock may jump", []step{withDst, public, both(200, 260), halt(srcChain, 86*time.Second)}, "src.withdraw dst.cancel!src-claim-pending", ""},
		{"payment seen, src catching up with past timestamps", []step{withDst, seen("dst", Withdrawn, 260), both(101, 5000)}, "src.withdraw", ""},
		{"dst head behind its own facts", []step{withDst, seen("dst", Withdrawn, 260), both(280, 100)}, "src.withdraw", "action-overdue:critical@src"},
		{"src reorganised away, dst stands: not yet for good", []step{withDst, ghost("src"), both(4, 290)}, "dst.cancel!src-logs-lag", "src-vanished:warning@dst"},
		{"src reorganised away for good", []step{withDst, ghost("src"), both(290, 290)}, "dst.cancel", "action-overdue:critical@dst src-vanished:warning@dst"},
		{"src reorganised away, dst paid", []step{withDst, ghost("src"), paid, both(4, 290)}, "", "src-vanished:critical@src"},
		{"src reorganised away for good, dst paid", []step{withDst, ghost("src"), paid, both(290, 290)}, "finished", "src-vanished:critical@src"},
		{"src reorganised away, nothing else", []step{ghost("src"), both(4, 4)}, "", ""},
		{"src reorganised away for good, nothing else", []step{ghost("src"), both(5, 5)}, "finished", ""},
		{"dst reorganised away", []step{withDst, ghost("dst"), both(310, 310)}, "src.cancel", ""},
		{"dst reorganised away, src done", []step{withDst, ghost("dst"), final("src", Cancelled, 301), both(310, 310)}, "finished", ""},
		{"candidate not looked at", []step{candidate(), both(310, 310)}, "src.cancel!dst-candidate-unread", ""},
		{"candidate holds less than the maker expects", []step{candidate(511), both(310, 310)}, "src.cancel", ""},
		{"candidate holds what the maker expects", []step{candidate(512), both(310, 310)}, "src.cancel!dst-candidate-unproven", "dst-unproven:critical@candidate"},
		{"funded candidate cancelled", []step{candidate(512), candidateEnds(Cancelled), both(310, 310)}, "src.cancel", ""},
		{"candidate withdrawn while it held the maker's due", []step{candidate(512), candidateEnds(Withdrawn), both(150, 150)}, "src.withdraw", "dst-unproven:critical@candidate"},
		{"candidate withdrawn, never seen funded: waits", []step{candidate(0), candidateEnds(Withdrawn), both(150, 150)}, "src.withdraw!dst-outcome-open", "dst-unproven:critical@candidate"},
		{"candidate withdrawn, never seen funded: last call", []step{candidate(0), candidateEnds(Withdrawn), both(286, 286)}, "src.withdraw", "dst-unproven:critical@candidate"},
		{"candidate withdrawn, src expired", []step{candidate(0), candidateEnds(Withdrawn), both(310, 310)}, "src.cancel!dst-candidate-unproven", "dst-unproven:critical@candidate"},
		{"funded candidate keeps the order open", []step{candidate(512), final("src", Cancelled, 301), both(310, 310)}, "", "dst-unproven:critical@candidate"},
		{"empty candidate does not", []step{candidate(0), final("src", Cancelled, 301), both(310, 310)}, "finished", ""},
		{"src claimed, dst logs not read so far", []step{final("src", Withdrawn, 101), both(310, 100)}, "", ""},
		{"src claimed, no dst by final logs", []step{final("src", Withdrawn, 101), both(310, 106)}, "finished", "maker-unpaid:critical@src"},
		{"both chains the same", []step{change(func(w *world) {
			w.order.Expect.ChainID = word(srcChain)
			on(srcChain, func(c *ChainPolicy) { c.Tokens[dstCoin] = TokenPolicy{WeiPerUnit: *uint256.NewInt(1)} })(w)
			f := testFactory(w.family)
			l, _ := f.PredictDst(SrcCreated{Leg: w.order.Src.Leg, Expect: w.order.Expect}, zeroTime+dstLate)
			w.order.AddDst(f.Leg(Dst, l.Immutables, place(dstLate, 0)), true)
			w.order.Dsts[0].Final = true
			fund(&w.order.Dsts[0], dstLate)
		}), both(280, 280)}, "src.cancel+20 dst.cancel", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range Families() {
				w := newWorld(f, c.given...)
				_, d := w.decide(t)
				if got := say(w, d); got != c.want {
					t.Errorf("%s:\n got %s\nwant %s", f, got, c.want)
				}
				if got := sayFindings(w, d); got != c.findings {
					t.Errorf("%s:\n got findings %s\n    want findings %s", f, got, c.findings)
				}
			}
		})
	}
}
