package swap

import "testing"

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
	dirty := func(w *world) {
		im := w.order.Src.Immutables
		im.Maker[0], im.Taker[0], im.Token[0] = 1, 2, 3
		w.replaceSrc(im)
		w.order.Expect.Maker[0], w.order.Expect.Token[0] = 4, 5
	}
	runAll(t, []situation{
		{name: "dirt above the addresses", given: []step{dirty, withDst, paid}, moments: []moment{
			bothAt(110, "src.withdraw"),
		}},
		{name: "dirt above the addresses, expired", given: []step{dirty, withDst}, moments: []moment{
			bothAt(300, "src.cancel dst.cancel"),
		}},
		{name: "src that can never be withdrawn is cancelled", given: []step{stages(map[Stage]uint32{SrcWithdrawal: 300})}, moments: []moment{
			bothAt(304, "src.cancel!dst-logs-not-past"),
			bothAt(305, "src.cancel"),
		}},
		{name: "src that can never be withdrawn, dst paid", given: []step{stages(map[Stage]uint32{SrcWithdrawal: 301}), withDst, paid}, moments: []moment{
			bothAt(150, "src.cancel!dst-was-paid src.rescueFunds+691050 src.rescueFunds(coin)+691050", "dst-paid-src-expired:critical@src"),
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
			bothAt(80, "src.cancel!dst-was-paid src.rescueFunds src.rescueFunds(coin)", "dst-paid-src-expired:critical@src"),
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
		{name: "our native dst leg lacks its amount, on record: nothing is cancelled over it", only: bmn, given: []step{
			change(func(w *world) { w.order.Expect.Token = Word{} }), withDstAt(120), holding("dst", 120, 40, 40)}, moments: []moment{
			bothAt(374, "src.cancel!dst-logs-not-past dst.cancel!deposit-missing dst.rescueFunds+604546", "deposit-missing:critical@dst negative-safety-gap:warning@dst"),
			bothAt(375, "src.cancel dst.cancel!deposit-missing dst.rescueFunds+604545", "deposit-missing:critical@dst negative-safety-gap:warning@dst"),
		}},
		{name: "the maker is paid by the leg that has its deposit", only: bmn, given: []step{withDst, withDstAt(40), holding("dst2", 40, 512, 15), final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(110, "dst.withdraw dst2.cancel!src-was-claimed"),
		}},
		{name: "the maker is paid by a leg without its deposit if there is no other", only: bmn, given: []step{withDst, holding("dst", 20, 512, 15), final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(110, "dst.withdraw", "deposit-missing:critical@dst"),
		}},
		{name: "secret public, dst cancelled by signature and not looked at since", only: bmn, given: []step{withDst, public, final("dst", Cancelled, 100), holding("dst", 99, 512, 16)}, moments: []moment{
			bothAt(150, "src.withdraw!dst-outcome-open", "dst-cancelled-early:critical@dst"),
			bothAt(270, "src.cancel!dst-payment-not-final", "dst-cancelled-early:critical@dst"),
			bothAt(300, "src.cancel", "dst-cancelled-early:critical@dst"),
		}},
		{name: "dst emptied by another resolver's signature when it could be cancelled", only: bmn, given: []step{withDst, final("dst", Cancelled, 280), traced("dst", [2]uint64{0, 512})}, moments: []moment{
			bothAt(285, "src.cancel+15", "tokens-astray:critical@dst"),
			bothAt(305, "src.cancel", "tokens-astray:critical@dst"),
		}},
		{name: "dst emptied early by another resolver's signature", only: bmn, given: []step{withDst, final("dst", Cancelled, 100), traced("dst", [2]uint64{0, 512})}, moments: []moment{
			bothAt(300, "src.cancel", "dst-cancelled-early:critical@dst tokens-astray:critical@dst"),
		}},
		{name: "part of dst comes back, part goes astray", only: bmn, given: []step{withDst, final("dst", Cancelled, 280), final("dst", Cancelled, 281), traced("dst", [2]uint64{512, 0}, [2]uint64{0, 1})}, moments: []moment{
			bothAt(305, "src.cancel", "tokens-astray:critical@dst"),
		}},
		{name: "dst comes back with the second of two cancellations", only: bmn, given: []step{withDst, final("dst", Cancelled, 280), final("dst", Cancelled, 281), traced("dst", [2]uint64{0, 0}, [2]uint64{512, 0})}, moments: []moment{
			bothAt(305, "src.cancel", ""),
		}},
		{name: "dst is cancelled and nothing shows where its money went", only: bmn, given: []step{withDst, final("dst", Cancelled, 280), traced("dst", [2]uint64{511, 0})}, moments: []moment{
			bothAt(305, "src.cancel", "tokens-astray:critical@dst"),
		}},
		{name: "the transaction that cancelled dst cannot be read", only: bmn, given: []step{withDst, final("dst", Cancelled, 280), traced("dst")}, moments: []moment{
			bothAt(305, "src.cancel", ""),
			bothAt(306, "src.cancel", "tokens-astray:warning@dst"),
		}},
		{name: "an order is not finished before it is known where dst's money went", only: bmn, given: []step{withDst, final("dst", Cancelled, 280), final("src", Cancelled, 301), traced("dst")}, moments: []moment{
			bothAt(400, "", "tokens-astray:warning@dst"),
		}},
		{name: "an order whose dst went astray is finished", only: bmn, given: []step{withDst, final("dst", Cancelled, 280), final("src", Cancelled, 301), traced("dst", [2]uint64{0, 512})}, moments: []moment{
			bothAt(400, "finished", "tokens-astray:critical@dst"),
		}},
		{name: "secret public, dst's funds never seen", given: []step{withDst, public, change(func(w *world) { w.order.Dsts[0].Balance = Balance{} })}, moments: []moment{
			bothAt(150, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending"),
		}},
		{name: "secret public, dst without its deposit", only: bmn, given: []step{withDst, public, holding("dst", 20, 512, 15)}, moments: []moment{
			bothAt(150, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending"),
		}},
		{name: "secret public, dst opens too late to be paid in time", given: []step{stages(map[Stage]uint32{DstWithdrawal: 222}), withDst, public}, moments: []moment{
			bothAt(150, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending"),
		}},
		{name: "secret public, dst opens just in time to be paid", given: []step{stages(map[Stage]uint32{DstWithdrawal: 221}), withDst, public}, moments: []moment{
			bothAt(150, "src.withdraw dst.cancel!src-claim-pending"),
		}},
		{name: "secret public, no key of ours can pay", given: []step{withDst, public, on(dstChain, func(c *ChainPolicy) { c.Takers[taker] = TakerPolicy{} })}, moments: []moment{
			bothAt(150, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending"),
		}},
		{name: "our native dst leg is empty, and nobody can use it any more", only: bmn, given: []step{nativeDst, holding("dst", 20, 0, 0), final("src", Cancelled, 301)}, moments: []moment{
			bothAt(274, "dst.cancel!deposit-missing", "deposit-missing:critical@dst"),
			bothAt(306, "finished", "deposit-missing:critical@dst"),
		}},
		{name: "src without its deposit", only: bmn, given: []step{holding("src", 1, 256, 31)}, moments: []moment{
			bothAt(150, "src.cancel!deposit-missing", "deposit-missing:warning@src"),
			bothAt(300, "src.cancel!deposit-missing", "deposit-missing:warning@src"),
		}},
		{name: "src without its deposit, dst paid", only: bmn, given: []step{holding("src", 1, 256, 31), withDst, paid}, moments: []moment{
			bothAt(150, "src.withdraw", "deposit-missing:critical@src"),
			bothAt(300, "src.cancel!dst-was-paid src.rescueFunds+690900 src.rescueFunds(coin)+690900", "dst-paid-src-expired:critical@src"),
		}},
		{name: "dst without its deposit", only: bmn, given: []step{withDst, holding("dst", 20, 512, 15)}, moments: []moment{
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel!deposit-missing dst.rescueFunds+604550 dst.rescueFunds(coin)+604550", "deposit-missing:critical@dst"),
		}},
		{name: "dst without its deposit, while anybody may still claim src for us", only: bmn, given: []step{withDst, public, holding("dst", 20, 512, 15)}, moments: []moment{
			bothAt(304, "src.cancel dst.cancel!src-still-claimable dst.rescueFunds!src-still-claimable dst.rescueFunds(coin)!src-still-claimable", "deposit-missing:critical@dst"),
			bothAt(305, "src.cancel dst.cancel!deposit-missing dst.rescueFunds+604515 dst.rescueFunds(coin)+604515", "deposit-missing:critical@dst"),
		}},
		{name: "dst empty without an event: nothing is cancelled", given: []step{withDst, holding("dst", 200, 0, 0)}, moments: []moment{
			bothAt(300, "src.cancel!dst-funds-gone dst.cancel!deposit-missing", "deposit-missing:critical@dst funds-gone:critical@dst"),
		}},
		{name: "dst empty without an event, secret public: claimed", given: []step{withDst, public, holding("dst", 200, 0, 0)}, moments: []moment{
			bothAt(260, "src.withdraw dst.cancel!src-claim-pending", "funds-gone:critical@dst"),
		}},
		{name: "dst whose token gives no balance is not empty", given: []step{withDst, mute("dst", 200, 16)}, moments: []moment{
			bothAt(300, "src.cancel dst.cancel"),
		}},
		{name: "dst whose token gives no balance, secret public: no claim on the strength of that", given: []step{withDst, public, mute("dst", 200, 16)}, moments: []moment{
			bothAt(200, "src.withdraw!dst-outcome-open dst.cancel!src-claim-pending"),
		}},
		{name: "dst without its deposit, whose token gives no balance", only: bmn, given: []step{withDst, mute("dst", 20, 15)}, moments: []moment{
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel!deposit-missing dst.rescueFunds+604550 dst.rescueFunds(coin)+604550", "deposit-missing:critical@dst"),
		}},
		{name: "v1.1 dst without parameters can only be cancelled", only: []Family{OneInchV11}, given: []step{short}, moments: []moment{
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel", "parameters-too-short:warning@dst"),
			bothAt(300, "src.cancel dst.cancel", "parameters-too-short:warning@dst"),
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
		{name: "dst cancelled by signature for nothing, src claimed: the maker is paid", only: bmn, given: []step{withDst, public, final("src", Withdrawn, 101), final("dst", Cancelled, 130), holding("dst", 131, 512, 16)}, moments: []moment{
			bothAt(150, "dst.withdraw"),
		}},
		{name: "dst cancelled by signature for nothing, src claimed, and its token is silent since: the maker is paid", only: bmn, given: []step{withDst, public, final("src", Withdrawn, 101), final("dst", Cancelled, 130), holding("dst", 131, 512, 16), silent("dst", 140, 16)}, moments: []moment{
			bothAt(150, "dst.withdraw"),
		}},
		{name: "dst whose token is silent after it has told, secret public: claimed", given: []step{withDst, public, silent("dst", 140, 16)}, moments: []moment{
			bothAt(150, "src.withdraw dst.cancel!src-claim-pending"),
		}},
		{name: "dst whose token is silent, and whose deposit came", only: bmn, given: []step{withDst, holding("dst", 20, 512, 15), silent("dst", 140, 16)}, moments: []moment{
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel"),
		}},
		{name: "dst robbed of a part by signature: the rest is rescued", only: bmn, given: []step{withDst, final("dst", Cancelled, 100), holding("dst", 100, 511, 0)}, moments: []moment{
			bothAt(110, "src.cancel!dst-payment-not-final dst.rescueFunds+604710", "dst-cancelled-early:critical@dst"),
		}},
		{name: "dst robbed of a part, src claimed: the rest is the maker's", only: bmn, given: []step{withDst, final("dst", Cancelled, 100), final("src", Withdrawn, 101), holding("dst", 100, 511, 0)}, moments: []moment{
			bothAt(110, "dst.rescueFunds!src-was-claimed", "dst-cancelled-early:critical@dst maker-unpaid:critical@src"),
		}},
	})
}
