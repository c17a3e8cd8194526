package swap

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// planSrc plans the source leg.
func (pl *planner) planSrc() {
	src := &pl.Src
	switch {
	case src.Status == LegAbsent:
		pl.vanished()
	case src.ended():
		pl.judgeEnd()
		if src.Status == LegRescued && pl.paid != nil && !(src.Final && pl.paid.Final) {
			pl.rescuePaid() // the rest of what was begun
		} else {
			pl.rescueLeftover(src)
		}
	default:
		if !pl.dst.known {
			pl.find(CannotAct, Critical, &src.Leg, string(UnknownDstChain))
		}
		pl.checkBalance(src)
		pl.planOpenSrc()
	}
}

func (pl *planner) planOpenSrc() {
	src := &pl.Src
	switch claim := pl.call(&src.Leg, Withdraw); {
	case (pl.claim || pl.claimWait != "") && pl.claimInTime():
		pl.claimSrc(claim)
	case pl.paid != nil:
		pl.find(DstPaidSrcExpired, Critical, &src.Leg, "dst was paid and src can no longer be withdrawn")
		pl.refuse(&src.Leg, Cancel, DstPaid)
		pl.rescuePaid()
	default:
		pl.cancelSrc()
	}
}

// claimInTime reports whether the next block could still take a claim.
func (pl *planner) claimInTime() bool {
	w, _ := pl.Src.Window(Withdraw)
	return !w.Empty() && pl.src.next() < w.Until
}

func (pl *planner) claimSrc(a Action) {
	src := &pl.Src
	a.Hard = src.At(SrcCancellation)
	a.soft(src.At(SrcPublicWithdrawal))
	pl.needDeposit(src, &a, pl.paid != nil)
	if !pl.claim {
		a.refuse(pl.claimWait)
	}
	// Once the maker is paid the claim is worth any token the order names: we
	// have given our side for it.
	pl.want(a, &src.Leg, pl.paid != nil)
	pl.deadline(&src.Leg, &a, a.Hard, Critical)
}

// lastCall is the time after which a claim of src may come too late, on src's
// clock.
func (pl *planner) lastCall() ChainTime {
	return pl.Src.At(SrcCancellation) - pl.reaction(&pl.src)
}

func (pl *planner) cancelSrc() {
	src := &pl.Src
	a := pl.call(&src.Leg, Cancel)
	a.soft(src.At(SrcPublicCancellation))
	pl.needDeposit(src, &a, false)
	a.refuse(pl.mayCancelSrc())
	pl.warnUnread(&a)
	pl.want(a, &src.Leg, false)
	pl.deadline(&src.Leg, &a, src.At(SrcCancellation), Info)
}

// mayCancelSrc returns why src must not be cancelled yet, or "". Cancelling
// gives src to the maker, so it must be certain by final facts that dst has not
// paid him too and never will: every leg that could pay has been cancelled, or
// its logs have been read past the end of its window.
func (pl *planner) mayCancelSrc() Reason {
	if !pl.dst.known {
		return UnknownDstChain
	}
	final, present := pl.dst.view.Final.Time, false
	for i := range pl.Dsts {
		d := &pl.Dsts[i]
		end := d.At(DstCancellation)
		switch {
		case d.Status == LegAbsent || pl.hollow(d):
			continue
		case d.Status == LegWithdrawn:
			return DstPaid
		case pl.gone(d):
			return DstFundsGone
		case d.open() && final < end:
			return WaitDstLogs
		case d.ended() && final < end && !(d.Final && pl.provenEnd(d)):
			return WaitDstFinal
		}
		present = true
	}
	for i := range pl.Unproven {
		if why := pl.candidate(&pl.Unproven[i]); why != "" {
			return why
		}
	}
	if !pl.allSeen(present) {
		return WaitDstLogs
	}
	return ""
}

// warnUnread reports unproven dst escrows whose balance cannot be read although
// state-sync has had the time to: src waits for it, and nobody would know.
func (pl *planner) warnUnread(a *Action) {
	patience := pl.policy.Overdue + pl.policy.SyncLag
	if a.Refused != WaitCandidate || pl.src.view.Head.Time.Sub(a.From) <= patience {
		return
	}
	for i := range pl.Unproven {
		c := &pl.Unproven[i]
		unread := !c.Balance.Known() || c.readBeforeEnd()
		if unread && pl.candidate(c) == WaitCandidate && pl.overlong(c) {
			pl.unproven(c, "its balance of what the maker expects cannot be read")
		}
	}
}

// overlong reports whether state-sync has had the time to read the balance of an
// unproven dst escrow.
func (pl *planner) overlong(c *CandidateState) bool {
	return pl.dst.view.Head.Time.Sub(max(c.Created.Time, c.Ended.Time)) > pl.policy.Overdue+pl.policy.SyncLag
}

// provenEnd reports whether the leg is known to be empty after a cancellation.
// A BMN dst leg can report one that moved nothing, see Fold; its balance tells.
func (pl *planner) provenEnd(d *LegState) bool {
	return d.Family != BMNv4 || d.Status != LegCancelled || d.balanceSince() && d.Balance.Token.IsZero()
}

// allSeen reports that no dst leg is there beside those known. present: there is
// one that could have paid. If not, absence is the whole reason to cancel, and
// the logs must have been read past src's cancellation. The last stretch may
// rest on one reading: who creates a dst leg so late that its own cancellation
// comes after src's has given his money away by himself. Everything before
// that, and before src can be withdrawn at all, must have been read twice.
func (pl *planner) allSeen(present bool) bool {
	src := &pl.Src
	end, created := src.At(SrcCancellation), src.Created.Time
	sane := end - ChainTime(offsetOf(src.Immutables.Timelocks, DstCancellation))
	twice := min(end, max(sane, src.At(SrcWithdrawal)))
	return pl.dst.view.Final.Time >= max(twice, created) && (present || pl.dst.view.SyncedTo.Time >= max(end, created))
}

// rescuePaid plans to take what lies in src back after the rescue delay: the
// tokens, and beside them the deposit, which nobody else brings out if the
// tokens are barred. The dst payment must be final: if it could still be undone,
// the tokens are the maker's, and the deposit is what a cancellation runs on.
func (pl *planner) rescuePaid() {
	src := &pl.Src
	amount := src.Immutables.AmountInt()
	if src.Balance.Known() && src.Balance.Token.Lt(&amount) {
		amount = src.Balance.Token
	}
	if src.Status == LegRescued {
		amount.Clear() // the tokens are out
	}
	why := Reason("")
	if !pl.paid.Final {
		why = WaitDstFinal
	}
	pl.rescueHeld(src, amount, why, true)
}

// rescueHeld plans to fetch what lies in a leg that nothing else empties: so
// much of its own token, and the native coin if it is worth its gas, each by a
// call of its own. why is the reason not to, if there is one.
func (pl *planner) rescueHeld(l *LegState, amount uint256.Int, why Reason, committed bool) {
	fetch := func(token common.Address, amount uint256.Int) (helpless bool) {
		if amount.IsZero() || l.fetched(token) {
			return false
		}
		a := pl.rescue(l, token, amount)
		helpless = a.Refused != ""
		a.refuse(why)
		pl.want(a, &l.Leg, committed)
		return helpless
	}
	if !fetch(l.Immutables.TokenAddress(), amount) { // else that has been told
		fetch(zeroAddress, pl.strays(l).native)
	}
}

// vanished: the block that created src was replaced. The fill will be mined
// again, with another time and thus as another order, or never.
func (pl *planner) vanished() {
	if pl.paid != nil {
		pl.find(SrcVanished, Critical, &pl.Src.Leg, "dst was paid and src is no longer on the chain")
		return
	}
	for i := range pl.Dsts {
		if d := &pl.Dsts[i]; d.open() && d.Ours {
			pl.find(SrcVanished, Warning, &d.Leg, "src creation is no longer on the chain")
			return
		}
	}
}

// judgeEnd says what is wrong with how src ended.
func (pl *planner) judgeEnd() {
	src := &pl.Src
	if src.Status == LegCancelled {
		if pl.paid != nil {
			pl.find(PaidTwice, Critical, &src.Leg, "dst "+pl.paid.Escrow.Hex()+" was withdrawn and src cancelled")
		}
		return
	}
	if pl.paid != nil || pl.payer >= 0 || !pl.dst.known || len(pl.left) > 0 {
		return // to whom it was left, the maker is another's
	}
	// Nothing can pay the maker by itself any more. With no leg known, the logs
	// must have been read that far before that is said.
	if len(pl.Dsts) > 0 || pl.dst.view.Final.Time >= src.Ended.Time {
		pl.find(MakerUnpaid, Critical, &src.Leg, "src was claimed and no dst leg can be withdrawn")
	}
}

func (pl *planner) rescue(l *LegState, token common.Address, amount uint256.Int) Action {
	a := pl.call(&l.Leg, RescueFunds)
	a.Token, a.Amount = token, amount
	a.AtRisk, a.Priceless, _ = pl.on(&l.Leg).value(token, amount)
	return a
}
