package swap

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// What the facts say about the maker's payment: whether it was made, can be
// made, or may have been made unseen.

var zeroAddress common.Address

// Payment returns a dst leg by which the maker was paid, nil if there is none: he
// has his money and the secret is public. A final one is preferred.
func (s *State) Payment() *LegState {
	var paid *LegState
	for i := range s.Dsts {
		if d := &s.Dsts[i]; d.Status == LegWithdrawn && !s.Void(d) && (paid == nil || d.Final && !paid.Final) {
			paid = d
		}
	}
	return paid
}

// findPayer chooses the one dst leg to pay the maker by, should src have been
// taken: of those that can be withdrawn as they are the one that stays open
// longest, so that there is never a reason to change over to another while a
// payment is under way. -1: none can pay.
func (pl *planner) findPayer() int {
	best := -1
	if pl.Secret == nil {
		return best // src was rescued, not withdrawn
	}
	better := func(a, b *LegState) bool {
		if a.unfunded() != b.unfunded() {
			return b.unfunded() // its withdrawal reverts
		}
		return a.At(DstCancellation) > b.At(DstCancellation)
	}
	for i := range pl.Dsts {
		d := &pl.Dsts[i]
		if pl.canPay(d) && pl.dst.next() < d.At(DstCancellation) && (best < 0 || better(d, &pl.Dsts[best])) {
			best = i
		}
	}
	return best
}

// canPay reports whether the leg holds the maker's due and can be withdrawn at
// some time.
func (pl *planner) canPay(d *LegState) bool {
	w, _ := d.Window(Withdraw)
	return d.open() && !w.Empty() && !pl.hollow(d) && !pl.gone(d)
}

// payable reports whether we could surely pay the maker by this leg after
// claiming src: by means, by funds that have been seen, and by time.
func (pl *planner) payable(d *LegState) bool {
	if !pl.canPay(d) || !d.Balance.Known() || d.short() {
		return false
	}
	a := pl.call(&d.Leg, Withdraw)
	after := pl.reaction(&pl.src) + pl.reaction(&pl.dst)
	return a.Refused == "" && max(pl.dst.now(), a.From)+after < d.At(DstCancellation)
}

// mayClaim reports whether src may be claimed with the public secret, or why
// that has to wait; neither means that it must not be.
//
// Where dst was paid there is nothing to weigh. Where it was not, taking src
// would be taking the maker's money, unless he can be paid afterwards. Where
// that is not certain, somebody else may yet pay him with our money, so src is
// claimed when it would be lost by waiting longer.
func (pl *planner) mayClaim() (ok bool, wait Reason) {
	if pl.Secret == nil || !pl.Src.open() {
		return false, ""
	}
	if pl.paid != nil || !pl.dst.known {
		return true, ""
	}
	if pl.dst.view.Head.Number == 0 && len(pl.Dsts) > 0 {
		return true, "" // blind; the secret most likely came from a payment
	}
	open, present := false, false
	for i := range pl.Dsts {
		d := &pl.Dsts[i]
		if d.Status == LegAbsent || pl.hollow(d) {
			continue
		}
		present = true
		if d.open() && (pl.gone(d) || pl.payable(d)) {
			return true, ""
		}
		open = open || (d.open() || !pl.provenEnd(d)) && pl.dst.view.SyncedTo.Time < d.At(DstCancellation)
	}
	for i := range pl.Unproven {
		c := &pl.Unproven[i]
		switch {
		case c.Status == LegWithdrawn && pl.pays(c.Candidate):
			return true, ""
		case pl.candidate(c) != "":
			open = true
		}
	}
	if !present && pl.dst.unread(pl.policy.SyncLag) {
		open = true
	}
	switch {
	case !open:
		return false, ""
	case pl.src.now() >= pl.lastCall():
		return true, ""
	}
	return false, WaitDstOutcome
}

// hollow reports whether a dst leg pays the maker nothing, whatever happens to
// it: anyone can make such a leg that matches in all else, for the price of its
// gas and with any windows. Nothing ever waits for it, and its withdrawal is no
// payment.
func (pl *planner) hollow(d *LegState) bool {
	if pl.Void(d) {
		return true
	}
	amount := d.Immutables.AmountInt()
	return d.open() && d.uncheckedFunding() && !d.Ours && pl.readFinal(d) && d.Balance.Token.Lt(&amount)
}

// Void reports whether a dst leg pays the maker nothing by what it was made with.
func (s *State) Void(d *LegState) bool {
	switch amount := d.Immutables.AmountInt(); {
	case amount.IsZero():
		return true
	case d.Family == OneInchV11:
		return s.shortParameters(d) || !d.Ours && !fairFees(d.Immutables.Parameters, s.Expect.Parameters)
	}
	return false
}

// shortParameters reports whether the leg lacks the two fees that a v1.1
// withdraw decodes, so that it reverts for ever and only cancel works.
func (*State) shortParameters(d *LegState) bool {
	return d.Family == OneInchV11 && len(d.Immutables.Parameters) < minParameters
}

// fairFees reports whether a v1.1 dst leg takes no more fees off the maker's
// amount than the order's complement says.
func fairFees(have, want []byte) bool {
	total := func(parameters []byte) (sum uint256.Int, ok bool) {
		f, _ := ParseFees(parameters)
		_, overflow := sum.AddOverflow(&f.Protocol, &f.Integrator)
		return sum, !overflow
	}
	h, ok := total(have)
	w, _ := total(want)
	return ok && !h.Gt(&w)
}

// mayHavePaid reports whether the maker may have been paid by an unproven dst
// escrow: it was withdrawn, and nothing shows that it did not hold his due. One
// that held less at some time before cannot be his leg, since the factories take
// the whole amount of a token when they create a leg; of native coin the BMN
// factory takes any value, which can be sent later.
//
// So a decoy that is withdrawn in vain counts for nothing if it was looked at in
// time, and can only be made by who knows the secret.
func (pl *planner) mayHavePaid(c *CandidateState) bool {
	if want := intOf(pl.Expect.Amount); c.Status != LegWithdrawn || want.IsZero() {
		return false
	}
	inTime := c.Created.Block <= c.Balance.Block.Number && c.Balance.Block.Number < c.Ended.Block
	return !(inTime && pl.seenShort(c) && addressOf(pl.Expect.Token) != zeroAddress)
}

// seenShort reports that an unproven dst escrow held less than the maker expects
// at a block that is final now.
func (pl *planner) seenShort(c *CandidateState) bool {
	return c.Balance.Known() && c.Balance.Block.Number <= pl.dst.view.Final.Number && !pl.pays(c.Candidate)
}

// candidate returns why src must not be cancelled yet because of an unproven
// dst escrow, or "". It counts if it holds, or may have held, the whole of what
// the maker expects in the token that he expects: making one that does costs
// that much, making any other costs its gas and holds up nothing.
func (pl *planner) candidate(c *CandidateState) Reason {
	want := intOf(pl.Expect.Amount)
	switch {
	case pl.mayHavePaid(c):
		return CandidateUnproven
	case want.IsZero(), c.Status == LegWithdrawn, pl.seenShort(c):
		return ""
	case !pl.pays(c.Candidate):
		return WaitCandidate // not read, or not for good
	case c.Status == LegCancelled && !c.Final:
		return WaitDstFinal
	case c.Status == LegCancelled && c.readBeforeEnd():
		return WaitCandidate
	}
	return CandidateUnproven
}

// readBeforeEnd reports that the balance on record is older than the event that
// ended the escrow. BMN's can report a cancellation that moved nothing.
func (c *CandidateState) readBeforeEnd() bool {
	return c.Status != LegOpen && c.Balance.Block.Number < c.Ended.Block
}

// warnUnproven reports the unproven dst escrows that count: nothing is cancelled
// or closed over one of them, and only a person can find out what it is. The
// order is looked at again and again until that has happened, so that the alert
// is repeated.
func (pl *planner) warnUnproven() {
	for i := range pl.Unproven {
		c := &pl.Unproven[i]
		if pl.Src.ended() && !c.Balance.Known() && !pl.settled(c) && pl.overlong(c) {
			pl.unproven(c, "its balance of what the maker expects cannot be read")
			continue
		}
		if pl.candidate(c) != CandidateUnproven {
			continue
		}
		detail := "holds what the maker expects"
		switch {
		case c.Status == LegWithdrawn && pl.pays(c.Candidate):
			detail = "held what the maker expects and was withdrawn"
		case c.Status == LegWithdrawn:
			detail = "was withdrawn with the secret before anybody had looked at its balance"
		}
		pl.unproven(c, detail)
	}
}

// unproven reports an unproven dst escrow as critical, with what hangs on it.
func (pl *planner) unproven(c *CandidateState, detail string) {
	f := Finding{Code: UnprovenDst, Severity: Critical, Order: pl.ID, ChainID: c.ChainID, Escrow: c.Escrow,
		Detail: detail + "; its immutables are not known, and the order stays open"}
	if pl.Src.open() {
		f.Detail = detail + "; its immutables are not known, and src is not cancelled"
		f.AtRisk, _ = pl.src.legValue(&pl.Src.Leg)
		f.Deadline = pl.Src.At(SrcCancellation)
	}
	pl.Findings = append(pl.Findings, f)
	pl.wake(&pl.Src.Leg, pl.recheck(&pl.Src.Leg, helplessRecheck))
}

// readFinal reports whether the balance was read at a block that is final now.
func (pl *planner) readFinal(l *LegState) bool {
	return l.Balance.Known() && l.Balance.Block.Number <= pl.on(&l.Leg).view.Final.Number
}

// uncheckedFunding reports whether the leg's creation did not make sure that it
// holds its amount: BMN's factory takes any msg.value for a native dst.
func (l *LegState) uncheckedFunding() bool {
	return l.Side == Dst && l.Family == BMNv4 && l.IsNative()
}

// gone reports that an open leg does not hold its amount, at a block whose logs
// have been read: it left without an event, or an event is being kept from us.
func (pl *planner) gone(l *LegState) bool {
	return l.open() && !l.uncheckedFunding() && l.Balance.Known() && l.Balance.Block.Number <= pl.on(&l.Leg).view.SyncedTo.Number &&
		l.Balance.Token.Lt(ptr(l.Immutables.AmountInt()))
}

func (pl *planner) checkBalance(l *LegState) {
	if pl.gone(l) {
		pl.find(FundsGone, Critical, &l.Leg, "token balance is below the amount without an event")
	}
}

// settled reports whether an unproven dst escrow keeps no order open that has
// ended: it paid the maker for good, or it has been seen for good not to hold
// what he expects. Of one that was never read nothing is known, unless what it
// could hold is of a token that the operator does not list.
func (pl *planner) settled(c *CandidateState) bool {
	switch want := intOf(pl.Expect.Amount); {
	case want.IsZero(), c.Status == LegWithdrawn && c.Final:
		return true
	case !c.Balance.Known():
		return pl.dst.unlisted(addressOf(pl.Expect.Token))
	case pl.pays(c.Candidate):
		return false
	}
	return !pl.dst.known || c.Balance.Block.Number <= pl.dst.view.Final.Number
}

// stray is what lies in an escrow and is worth a rescue, zero if nothing is.
type stray struct{ token, native uint256.Int }

func (s stray) any() bool { return !s.token.IsZero() || !s.native.IsZero() }

// strays says what of a leg's latest balances is worth a rescue: more than the
// operator's dust, and worth more than the rescue may cost. Of a token without
// a price it must be a thousandth of the leg's amount: a single unit, which
// anyone can send, is not worth a transaction.
//
// Whether a key of ours can make the rescue does not enter: what lies there is
// there. On a chain without any fee cap, where nothing says what a transaction is
// worth, a thousandth of what the leg held counts.
func (pl *planner) strays(l *LegState) (s stray) {
	if l.empty() {
		return s
	}
	on := pl.on(&l.Leg)
	price, priced := on.rescuePrice()
	part := func(of uint256.Int) *uint256.Int { return of.Div(&of, uint256.NewInt(1000)) }
	token, amount, deposit := l.Immutables.TokenAddress(), l.Immutables.AmountInt(), l.Immutables.DepositInt()
	if have := l.Balance.Token; have.Gt(ptr(on.dust(token))) {
		value, priceless, _ := on.value(token, have)
		if (priceless || value.Gt(&price)) && (priced && !priceless || !have.Lt(part(amount))) {
			s.token = have
		}
	}
	if have := l.Balance.Native; !l.IsNative() && have.Gt(&on.NativeDust) && have.Gt(&price) &&
		(priced || !deposit.IsZero() && !have.Lt(part(deposit))) {
		s.native = have
	}
	return s
}

// rescuePrice is what a rescue may cost, in wei: its cap, or else the highest of
// the other calls. priced is false on a chain without any.
func (c ChainPolicy) rescuePrice() (wei uint256.Int, priced bool) {
	if wei, priced = c.FeeCap[RescueFunds]; priced {
		return wei, true
	}
	for _, limit := range c.FeeCap {
		if priced = true; limit.Gt(&wei) {
			wei = limit
		}
	}
	return wei, priced
}
