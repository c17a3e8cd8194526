package swap

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// planDst plans one destination leg.
func (pl *planner) planDst(i int) {
	d := &pl.Dsts[i]
	if d.Status == LegAbsent {
		return
	}
	end := d.At(DstCancellation)
	if d.ended() {
		if d.Status == LegCancelled && d.Ended.Time < end {
			pl.find(DstCancelledEarly, Critical, &d.Leg, "cancelled before its cancellation time: by somebody else's signature")
		}
		pl.tellAstray(d)
		pl.rescueLeftover(d)
		if head := pl.dst.view.Head.Time; d.doubtful() && !d.balanceSince() && head < end {
			pl.wake(&d.Leg, pl.recheck(&d.Leg, probeAgain)) // it may be there still, and payable
		}
		return
	}
	hollow := pl.hollow(d)
	if hollow && !d.Ours && pl.readFinal(d) && !pl.strays(d).any() {
		pl.find(Worthless, Info, &d.Leg, "a dst leg that holds nothing and can pay nobody")
		return
	}
	if !hollow {
		pl.warnGap(d)
	}
	if pl.shortParameters(d) {
		pl.find(BadParameters, Warning, &d.Leg, "withdraw reverts for ever, the maker cannot be paid by this escrow")
	}
	pl.checkBalance(d)
	switch owed := pl.Src.taken() && pl.paid == nil; {
	case owed && i == pl.payer:
		pl.payMaker(d)
	case owed:
		if pl.shortParameters(d) {
			pl.refuse(&d.Leg, Withdraw, ShortParameters)
		}
		pl.refuse(&d.Leg, Cancel, SrcClaimed)
	case pl.Src.open() && pl.paid == nil && (pl.claim || pl.claimWait != "") && pl.claimInTime():
		pl.refuse(&d.Leg, Cancel, ClaimPending)
	default:
		pl.cancelDst(d)
	}
}

func (pl *planner) warnGap(d *LegState) {
	switch {
	case pl.Src.Status == LegCancelled && pl.dst.view.Head.Time < d.At(DstCancellation):
		pl.find(NegativeGap, Critical, &d.Leg, "src was cancelled and dst can still be withdrawn")
	case pl.Src.open() && pl.SafetyGap(d.Leg) < 0:
		pl.find(NegativeGap, Warning, &d.Leg, "dst can still be withdrawn when src is already cancellable")
	}
}

// payMaker: src is ours already, so dst is the maker's. The secret is public.
// Until the claim is final it could still be undone with no time left to repeat
// it, so the payment waits for that as long as its own window allows.
func (pl *planner) payMaker(d *LegState) {
	a := pl.call(&d.Leg, Withdraw)
	a.Hard = d.At(DstCancellation)
	a.soft(d.At(DstPublicWithdrawal))
	pl.needDeposit(d, &a, true)
	if late := a.Hard - pl.reaction(&pl.dst) - pl.src.finality(); !pl.Src.Final && pl.dst.now() < late {
		a.refuse(WaitSrcFinal)
	}
	pl.want(a, &d.Leg, true)
	pl.deadline(&d.Leg, &a, a.Hard, Critical)
}

// cancelDst plans to take the taker's tokens back. Logs of src that lag could
// hide a claim, after which dst is the maker's.
func (pl *planner) cancelDst(d *LegState) {
	a := pl.call(&d.Leg, Cancel)
	a.refuse(pl.mayTakeDst(d))
	pl.needDeposit(d, &a, false)
	pl.want(a, &d.Leg, d.Ours)
	pl.deadline(&d.Leg, &a, d.At(DstCancellation), Warning)
	if d.unfunded() {
		// Its cancel reverts for ever; what lies there can still be rescued.
		held := d.Balance.Token
		if !d.Balance.Known() {
			held = d.Immutables.AmountInt()
		}
		pl.rescueHeld(d, held, pl.mayTakeDst(d), d.Ours)
	}
}

// mayTakeDst returns why the taker must not take a dst leg back yet, or "": by
// this order, or by another that has the leg too.
func (pl *planner) mayTakeDst(d *LegState) Reason {
	if why := pl.dstSpoken(); why != "" {
		return why
	}
	return pl.kinObject(d)
}

// dstSpoken returns why this order's dst legs are not free to be taken back.
func (pl *planner) dstSpoken() Reason {
	src := &pl.Src
	switch {
	case src.taken() && pl.paid == nil:
		return SrcClaimed
	case src.Status == LegAbsent && pl.src.view.Final.Number < src.Created.Block,
		src.open() && pl.src.unread(pl.policy.SyncLag):
		return WaitSrcLogs
	case src.open() && pl.paid == nil && pl.Secret != nil && pl.src.view.Final.Time < src.At(SrcCancellation):
		// Anyone who holds an access token may still claim src for us, and has
		// its deposit to gain: then this leg is the maker's.
		return WaitSrcEnd
	case src.Status != LegCancelled && pl.paid != nil && !pl.paid.Final:
		return WaitDstFinal // should the payment be undone, this leg may have to make it
	}
	return ""
}

// rescueLeftover plans to fetch what still lies in an escrow after it has
// ended: strays of the leg's own token or of native coin, since its own were
// paid out. What is not worth its gas is left, and keeps no order open. What no
// key of ours may fetch keeps it open and is told: so does an escrow of which
// nobody could read what it holds.
func (pl *planner) rescueLeftover(l *LegState) {
	if !l.Final {
		return
	}
	if !pl.seenSince(l) {
		pl.warnUnreadEnd(l)
		return
	}
	left := pl.strays(l)
	var held uint256.Int
	var why Reason
	fetch := func(token common.Address, amount uint256.Int) {
		if amount.IsZero() || l.fetched(token) {
			return
		}
		a := pl.rescue(l, token, amount)
		if a.Refused != "" { // no path, or no cap
			why = a.Refused
			addTo(&held, &a.AtRisk)
			pl.Actions = append(pl.Actions, a)
			return
		}
		// In a dst leg that did not pay him they may be all the maker can get.
		if l.Side == Dst && l.Status != LegWithdrawn {
			a.refuse(pl.mayTakeDst(l))
		}
		pl.want(a, &l.Leg, true)
	}
	fetch(l.Immutables.TokenAddress(), left.token)
	fetch(zeroAddress, left.native)
	if why != "" {
		pl.kept = l
		pl.tellHeld(l, held, "funds lie in an escrow that has ended, and nothing here can fetch them: "+string(why))
	}
}

// seenSince reports whether it is known, as far as it matters, what an escrow
// holds since it has ended. Whatever it holds of a token that the operator does not
// list is dust: that such a token tells nothing keeps no order open.
func (pl *planner) seenSince(l *LegState) bool {
	return l.balanceSince() || l.readSince() && pl.on(&l.Leg).unlisted(l.Immutables.TokenAddress())
}

// warnUnreadEnd reports an escrow that has ended for good and whose balances
// nobody has been able to read since, although state-sync has had the time to.
func (pl *planner) warnUnreadEnd(l *LegState) {
	since := pl.on(&l.Leg).view.Final.Time.Sub(l.Ended.Time) // nobody reads them before the end is final
	if pl.Src.open() || since <= pl.policy.Overdue+pl.policy.SyncLag {
		return // nothing is kept open by it yet
	}
	if since > keptRecheck { // before that it is mostly a matter of hours
		pl.kept = l
	}
	pl.tellHeld(l, uint256.Int{}, "the balances of an escrow that has ended cannot be read")
}

// tellHeld reports what keeps an order open that has ended otherwise, until a
// person has seen to it.
func (pl *planner) tellHeld(l *LegState, held uint256.Int, detail string) {
	f := pl.finding(FundsHeld, Warning, &l.Leg, nil, detail)
	f.AtRisk = held
	pl.Findings = append(pl.Findings, f)
}
