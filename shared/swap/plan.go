package swap

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Back-offs of orders that wait for a person rather than for a block, in
// seconds of block time. Nothing is lost by looking that seldom: whatever
// changes such an order arrives as a log, which plans it anew at once.
const (
	worthlessRecheck = 3600
	unfundedRecheck  = 60
	helplessRecheck  = 600
)

// minParameters is what a v1.1 dst leg must carry in bytes for withdraw to
// decode its two fees (DOMAIN: "needs at least 64 bytes always").
const minParameters = 64

// Decision is what Plan makes of an order.
type Decision struct {
	// Actions are all calls that the order needs now or later, each with its
	// window; those with a reason in Refused must not be made.
	Actions  []Action
	Findings []Finding
	Wakes    Wakes
	// Finished: by final facts, nothing of the order can hold funds any more.
	Finished bool
}

// Wanted returns the decision's action of that key if it is to be made.
func (d Decision) Wanted(k ActionKey) (Action, bool) {
	i := slices.IndexFunc(d.Actions, func(a Action) bool { return a.Refused == "" && a.Key() == k })
	if i < 0 {
		return Action{}, false
	}
	return d.Actions[i], true
}

// Plan decides what an order needs. It is pure: the same state, views and
// policy give the same decision, and every time in it is block time of the
// chain it is about. "Too early" is an action whose From lies ahead.
//
// Plan puts the taker's principal first, then the maker's, then the deposits:
//
//   - src is claimed as soon as the secret is public and dst was, or still may
//     be, paid;
//   - src is cancelled only when dst provably was not and cannot be paid;
//   - dst is cancelled at or after its cancellation time, and never once src
//     was claimed: then the maker is owed and dst is withdrawn to him instead;
//   - what expired is rescued after the rescue delay, and only if it is ours.
//
// The error is non-nil only when the view or policy of the order's source
// chain is missing: then nothing can be said at all.
func Plan(s State, views Views, p Policy) (Decision, error) {
	pl := planner{State: s, policy: p, views: views}
	var ok bool
	if pl.srcView, ok = views[s.ID.ChainID]; !ok {
		return Decision{}, fmt.Errorf("plan order %s: no view of chain %d", s.ID, s.ID.ChainID)
	}
	if _, ok = p.Chains[s.ID.ChainID]; !ok {
		return Decision{}, fmt.Errorf("plan order %s: no policy for chain %d", s.ID, s.ID.ChainID)
	}
	if s.Closed {
		return Decision{Finished: true}, nil
	}
	// A dst chain that is configured but could not be read has the zero view:
	// nothing is concluded from it.
	pl.dstView = views[s.DstChainID()]
	_, pl.dstKnown = p.Chains[s.DstChainID()]
	pl.planSrc()
	for _, d := range s.Dsts {
		pl.planDst(d)
	}
	pl.Finished = pl.finished()
	switch {
	case pl.Finished:
		pl.Actions, pl.Wakes = nil, Wakes{}
	case pl.Wakes == Wakes{}:
		// Waits for finality or a log, which plan it anew. The sweep looks too.
		pl.wake(pl.Src, pl.recheck(pl.ID.ChainID, helplessRecheck))
	}
	return pl.Decision, nil
}

type planner struct {
	State
	Decision
	policy           Policy
	views            Views
	srcView, dstView ChainView
	dstKnown         bool
}

// next is the earliest time of the block that a transaction sent now could be
// part of.
func (pl *planner) next(chain uint64) ChainTime {
	return pl.views[chain].Head.Time + ChainTime(pl.policy.Chains[chain].MinBlockTime)
}

func (pl *planner) planSrc() {
	src := pl.Src
	switch {
	case src.Status == LegAbsent:
		for _, d := range pl.Dsts {
			if d.open() && d.Ours {
				pl.find(SrcVanished, Warning, d.Leg, "src creation is no longer on the chain")
				return
			}
		}
		return
	case src.ended():
		if paid, ok := pl.paid(); ok && src.Status == LegCancelled {
			pl.find(PaidTwice, Critical, src.Leg, "dst "+paid.Escrow.Hex()+" was withdrawn and src cancelled")
		}
		pl.rescueLeftover(src)
		return
	}
	if !pl.dstKnown {
		pl.find(CannotAct, Critical, src.Leg, string(UnknownDstChain))
	}
	pl.checkBalance(src)
	end := src.Immutables.At(SrcCancellation)
	switch _, paid := pl.paid(); {
	case pl.claimable() && pl.next(src.ChainID) < end:
		pl.claim()
	case paid:
		pl.find(DstPaidSrcExpired, Critical, src.Leg, "dst was paid and src can no longer be withdrawn")
		pl.rescuePaid()
	default:
		pl.cancelSrc()
	}
}

// claimable: the secret is public, and the maker was paid, or can be, or may
// have been as far as the logs read can tell. Where dst provably was not paid
// and never will be, taking src would be taking the maker's money.
func (pl *planner) claimable() bool {
	if pl.Secret == nil {
		return false
	}
	if _, paid := pl.paid(); paid {
		return true
	}
	if !pl.dstKnown {
		return true
	}
	for _, d := range pl.Dsts {
		end := d.Immutables.At(DstCancellation)
		if d.open() && (pl.next(d.ChainID) < end || pl.dstView.Final.Time < end) {
			return true
		}
	}
	if slices.ContainsFunc(pl.Dsts, func(d LegState) bool { return d.Status != LegAbsent }) {
		return false
	}
	if slices.ContainsFunc(pl.Candidates, func(c Candidate) bool { return !c.Balance.Known() || pl.pays(c) }) {
		return true
	}
	return pl.lags(pl.dstView)
}

// pays reports whether an unproven dst escrow holds what the maker expects.
func (pl *planner) pays(c Candidate) bool {
	want := new(uint256.Int).SetBytes(pl.Expect.Amount[:])
	return !want.IsZero() && !c.Balance.Token.Lt(want)
}

func (pl *planner) lags(v ChainView) bool {
	return v.SyncedTo.Number == 0 || int64(v.Head.Time-v.SyncedTo.Time) > pl.policy.SyncLag
}

func (pl *planner) claim() {
	src := pl.Src
	a := pl.call(src, Withdraw)
	a.Hard = src.Immutables.At(SrcCancellation)
	if soft := src.Immutables.At(SrcPublicWithdrawal); soft < a.Hard {
		a.Soft = soft
	}
	if src.unfunded() {
		a.refuse(Unfunded)
	}
	// Once the maker is paid the claim is worth any token the order names: we
	// have given our side for it.
	_, committed := pl.paid()
	pl.want(a, src, committed)
	pl.deadline(src, a, a.Hard, Critical)
}

func (pl *planner) cancelSrc() {
	src := pl.Src
	a := pl.call(src, Cancel)
	if soft := src.Immutables.At(SrcPublicCancellation); soft > a.From {
		a.Soft = soft
	}
	if src.unfunded() {
		a.refuse(Unfunded)
	}
	a.refuse(pl.mayCancelSrc())
	pl.want(a, src, false)
	pl.deadline(src, a, src.Immutables.At(SrcCancellation), Warning)
}

// mayCancelSrc returns why src must not be cancelled yet, or "". Cancelling
// gives src to the maker, so it must be certain that dst did not pay him too.
func (pl *planner) mayCancelSrc() Reason {
	if !pl.dstKnown {
		return UnknownDstChain
	}
	present := false
	for _, d := range pl.Dsts {
		switch {
		case d.Status == LegWithdrawn:
			return DstPaid
		case d.open():
			present = true
			if pl.dstView.Final.Time < d.Immutables.At(DstCancellation) {
				return WaitDstLogs
			}
		case d.Status == LegCancelled:
			present = true
		}
	}
	for _, c := range pl.Candidates {
		if !c.Balance.Known() {
			return WaitCandidate
		}
		if pl.pays(c) {
			pl.Findings = append(pl.Findings, Finding{Code: UnprovenDst, Severity: Critical, Order: pl.ID,
				ChainID: c.ChainID, Escrow: c.Escrow, Detail: "holds what the maker expects, immutables unknown"})
			return CandidateUnproven
		}
	}
	if !present && pl.dstView.SyncedTo.Time < pl.Src.Immutables.At(SrcCancellation) {
		return WaitDstLogs
	}
	return ""
}

// rescuePaid plans to take src's tokens back after the rescue delay. The dst
// payment must be final: if it could still be undone, the tokens are the
// maker's.
func (pl *planner) rescuePaid() {
	src := pl.Src
	a := pl.rescue(src, src.Immutables.TokenAddress(), src.Immutables.AmountInt())
	if paid, _ := pl.paid(); !paid.Final {
		a.refuse(WaitDstFinal)
	}
	pl.want(a, src, true)
}

// rescueLeftover plans to fetch tokens of the order's own kind that still lie
// in an escrow after it has ended: strays, since the leg's own were paid out.
func (pl *planner) rescueLeftover(l LegState) {
	if !l.Final || l.Balance.Block.Number < l.Ended.Block {
		return
	}
	policy, token := pl.policy.Chains[l.ChainID], l.Immutables.TokenAddress()
	if l.Balance.Token.Gt(ptr(policy.dust(token))) {
		pl.want(pl.rescue(l, token, l.Balance.Token), l, false)
	}
	if !l.IsNative() && l.Balance.Native.Gt(&policy.NativeDust) {
		pl.want(pl.rescue(l, common.Address{}, l.Balance.Native), l, false)
	}
}

// checkBalance compares an open leg with the latest balance read. Balances and
// logs of one pass are read at the same head, so a shortfall at a block whose
// logs have been read has no event that explains it.
func (pl *planner) checkBalance(l LegState) {
	if l.Balance.Known() && l.Balance.Block.Number <= pl.views[l.ChainID].SyncedTo.Number && l.Balance.Token.Lt(ptr(l.Immutables.AmountInt())) {
		pl.find(FundsGone, Critical, l.Leg, "token balance is below the amount without an event")
	}
}

func (pl *planner) planDst(d LegState) {
	if d.Status == LegAbsent {
		return
	}
	end := d.Immutables.At(DstCancellation)
	if gap := pl.SafetyGap(d.Leg); gap < 0 && d.open() && pl.Src.open() {
		pl.find(NegativeGap, Warning, d.Leg, "dst can still be withdrawn when src is already cancellable")
	}
	if d.ended() {
		if d.Status == LegCancelled && d.Ended.Time < end {
			pl.find(DstCancelledEarly, Critical, d.Leg, "cancelled before its cancellation time: by somebody else's signature")
		}
		pl.rescueLeftover(d)
		return
	}
	pl.checkBalance(d)
	_, paid := pl.paid()
	switch {
	case pl.Src.Status == LegWithdrawn && !paid && pl.next(d.ChainID) < end:
		pl.payMaker(d)
	case pl.Src.Status == LegWithdrawn && !paid:
		pl.find(MakerUnpaid, Critical, d.Leg, "src was claimed and dst can no longer be withdrawn")
		pl.refuse(d, Cancel, SrcClaimed)
	case pl.Src.open() && !paid && pl.claimable() && pl.next(pl.Src.ChainID) < pl.Src.Immutables.At(SrcCancellation):
		pl.refuse(d, Cancel, ClaimPending)
	default:
		pl.cancelDst(d)
	}
}

// payMaker: src is ours already, so dst is the maker's. The secret is public.
func (pl *planner) payMaker(d LegState) {
	if pl.Secret == nil {
		return // src's withdrawal event shows it; Fold has refused a false one
	}
	a := pl.call(d, Withdraw)
	a.Hard = d.Immutables.At(DstCancellation)
	if soft := d.Immutables.At(DstPublicWithdrawal); soft < a.Hard {
		a.Soft = soft
	}
	if d.Family == OneInchV11 && len(d.Immutables.Parameters) < minParameters {
		a.refuse(ShortParameters)
		pl.find(BadParameters, Critical, d.Leg, "withdraw reverts for ever, the maker cannot be paid by this escrow")
	}
	if d.unfunded() {
		a.refuse(Unfunded)
	}
	pl.want(a, d, true)
	pl.deadline(d, a, a.Hard, Critical)
}

func (pl *planner) cancelDst(d LegState) {
	a := pl.call(d, Cancel)
	if pl.Src.Status != LegAbsent && pl.lags(pl.srcView) {
		a.refuse(WaitSrcLogs)
	}
	if d.unfunded() {
		a.refuse(Unfunded)
	}
	pl.want(a, d, d.Ours)
	pl.deadline(d, a, d.Immutables.At(DstCancellation), Warning)
}

// call fills in what every call of a leg has in common, choosing the path.
func (pl *planner) call(l LegState, c Call) Action {
	policy := pl.policy.Chains[l.ChainID]
	taker := l.Immutables.TakerAddress()
	a := Action{Order: pl.ID, ChainID: l.ChainID, Escrow: l.Escrow, Side: l.Side, Call: c, Taker: taker}
	if t := policy.Takers[taker]; t.Signer != (common.Address{}) {
		a.Path, a.Signer = t.Path, t.Signer
	} else if public, ok := publicCall(c); ok && policy.AccessTokenSigner != (common.Address{}) {
		if _, exists := l.Window(public); exists {
			a.Path, a.Signer, a.Call = PathPublic, policy.AccessTokenSigner, public
		}
	}
	w, _ := l.Window(a.Call)
	a.From, a.Until = w.From, w.Until
	a.AtRisk, a.Priceless = pl.atRisk(l)
	var priced bool
	a.FeeCap, priced = policy.FeeCap[a.Call]
	if a.Path == PathNone {
		a.refuse(NoPath)
	}
	if !priced {
		a.refuse(NoFeeCap)
	}
	return a
}

func publicCall(c Call) (Call, bool) {
	switch c {
	case Withdraw:
		return PublicWithdraw, true
	case Cancel:
		return PublicCancel, true
	}
	return c, false
}

func (pl *planner) rescue(l LegState, token common.Address, amount uint256.Int) Action {
	a := pl.call(l, RescueFunds)
	a.Token, a.Amount = token, amount
	a.AtRisk, a.Priceless, _ = pl.policy.Chains[l.ChainID].value(token, amount)
	return a
}

// want adds the action, unless it is not worth its gas. committed: our side
// has been given already, so the question does not arise.
func (pl *planner) want(a Action, l LegState, committed bool) {
	worth := committed || a.Priceless || a.AtRisk.Gt(&a.FeeCap)
	switch {
	case a.Refused == NoPath || a.Refused == NoFeeCap:
		pl.find(CannotAct, Critical, l.Leg, string(a.Refused))
		pl.wake(l, pl.recheck(l.ChainID, helplessRecheck))
	case !worth:
		a.Refused = NotWorthIt
		pl.find(Worthless, Info, l.Leg, "no listed token and a deposit below the fee")
		pl.wake(l, pl.recheck(l.ChainID, worthlessRecheck))
	case a.Refused == Unfunded:
		pl.find(DepositMissing, Critical, l.Leg, "the escrow cannot pay its safety deposit out: every call reverts")
		pl.wake(l, pl.recheck(l.ChainID, unfundedRecheck))
	default:
		pl.wake(l, a.From)
	}
	pl.Actions = append(pl.Actions, a)
	if a.Refused == "" && pl.policy.Overdue > 0 && int64(pl.views[l.ChainID].Head.Time-a.From) > pl.policy.Overdue {
		pl.Findings = append(pl.Findings, pl.finding(ActionOverdue, Critical, l.Leg, a, "legal and wanted, and not done"))
	}
}

// refuse records a call that policy forbids, so that the reason can be read.
func (pl *planner) refuse(l LegState, c Call, why Reason) {
	a := pl.call(l, c)
	a.refuse(why)
	pl.Actions = append(pl.Actions, a)
	pl.wake(l, max(a.From, pl.views[l.ChainID].Head.Time))
}

// deadline announces a time that comes near, and one that is already lost.
func (pl *planner) deadline(l LegState, a Action, at ChainTime, severity Severity) {
	if a.Refused == NotWorthIt {
		return
	}
	head, policy := pl.views[l.ChainID].Head.Time, pl.policy.Chains[l.ChainID]
	if a.Hard != 0 && head+ChainTime(policy.Inclusion) >= a.Hard {
		pl.Findings = append(pl.Findings, pl.finding(DeadlineLost, Critical, l.Leg, a, "less time is left than inclusion takes"))
	}
	left := int64(at - head)
	if left <= 0 {
		return
	}
	level := int64(0)
	for _, lv := range pl.policy.WarnLevels {
		if left <= lv {
			level = lv
		} else {
			pl.wake(l, at-ChainTime(lv))
		}
	}
	if level > 0 {
		f := pl.finding(DeadlineNear, severity, l.Leg, a, "")
		f.Deadline, f.Level = at, level
		pl.Findings = append(pl.Findings, f)
	}
}

func (pl *planner) atRisk(l LegState) (wei uint256.Int, priceless bool) {
	wei, priceless, _ = pl.policy.Chains[l.ChainID].value(l.Immutables.TokenAddress(), l.Immutables.AmountInt())
	if _, overflow := wei.AddOverflow(&wei, ptr(l.Immutables.DepositInt())); overflow {
		wei.SetAllOne()
	}
	return wei, priceless
}

// finished: every leg that exists has ended for good and is empty, and a leg
// that does not exist cannot come back.
func (pl *planner) finished() bool {
	legs := append([]LegState{pl.Src}, pl.Dsts...)
	ended := 0
	for _, l := range legs {
		if l.Status == LegAbsent {
			if v := pl.views[l.ChainID]; v.Final.Number < l.Created.Block {
				return false
			}
			continue
		}
		if !l.ended() || !l.Final || l.Balance.Block.Number < l.Ended.Block {
			return false
		}
		policy := pl.policy.Chains[l.ChainID]
		if l.Balance.Token.Gt(ptr(policy.dust(l.Immutables.TokenAddress()))) || l.Balance.Native.Gt(&policy.NativeDust) {
			return false
		}
		ended++
	}
	return ended > 0 || pl.Src.Status == LegAbsent
}

func (pl *planner) find(code FindingCode, severity Severity, l Leg, detail string) {
	pl.Findings = append(pl.Findings, pl.finding(code, severity, l, Action{}, detail))
}

func (pl *planner) finding(code FindingCode, severity Severity, l Leg, a Action, detail string) Finding {
	wei, _ := pl.atRisk(LegState{LegRecord: LegRecord{Leg: l}})
	return Finding{Code: code, Severity: severity, Order: pl.ID, ChainID: l.ChainID, Escrow: l.Escrow,
		Call: a.Call, Deadline: a.Hard, AtRisk: wei, Detail: detail}
}

// wake asks to be looked at no later than at, on the leg's own chain. A time
// that has passed stays as it is: the order then is due in every sweep, and
// its item need not be written again to say so.
func (pl *planner) wake(l LegState, at ChainTime) {
	w := &pl.Wakes.Src
	if l.Side == Dst {
		w = &pl.Wakes.Dst
	}
	if *w == 0 || at < *w {
		*w = at
	}
}

// recheck is the next multiple of the period: a constant between two looks, so
// that looking does not write.
func (pl *planner) recheck(chain uint64, period ChainTime) ChainTime {
	return (pl.views[chain].Head.Time/period + 1) * period
}

func ptr[T any](v T) *T { return &v }
