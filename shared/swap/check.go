package swap

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Attempt is one call of an escrow with everything that its answer depends on.
type Attempt struct {
	Call             Call
	Caller           common.Address // msg.sender at the escrow
	HoldsAccessToken bool
	Time             ChainTime  // of the block that includes the call
	Immutables       Immutables // as sent, right or wrong
	Secret           [32]byte   // of calls that take one

	Target common.Address // of WithdrawTo
	Token  common.Address // of RescueFunds; zero = native coin
	Amount uint256.Int    // of RescueFunds

	// Signature and Whitelisted matter to signed calls only. Whitelisted
	// answers as the factory's isWhitelistedResolver; nil means nobody is.
	Signature   []byte
	Whitelisted func(common.Address) bool

	// Funds is what the payments are made from; nil takes them to succeed.
	Funds *Funds
}

// Funds is what an escrow holds when a call reaches it, and who refuses to be
// paid.
type Funds struct {
	Token  uint256.Int // balance of the ERC-20 that the call pays out; unused for native coin
	Native uint256.Int // wei
	// Refuses reports that a transfer of the token (zero = native coin) to the
	// receiver fails although the balance suffices: no receive function, a
	// blocked account, no code at the token. Nil means nobody refuses.
	Refuses func(token, to common.Address) bool
}

// Check returns the answer of the leg's contract to an attempt, in the
// contract's own order of checks. The leg's Immutables must be the proven ones.
// The order is part of the answer: InvalidTime does not say that the
// immutables were right, since src and dst withdraw look at the clock first.
func (l Leg) Check(a Attempt) Revert {
	if !a.Call.ExistsOn(l.Family, l.Side) {
		return RevertEmpty
	}
	// The contract reads the windows from the immutables it is sent.
	sent := l
	sent.Immutables = a.Immutables
	window, _ := sent.Window(a.Call)

	checks := l.order(a.Call)
	for _, c := range checks {
		var r Revert
		switch c {
		case checkCaller:
			r = a.checkCaller()
		case checkTime:
			if !window.Contains(a.Time) {
				r = RevertInvalidTime
			}
		case checkSignature:
			r = l.checkSignature(a)
		case checkImmutables:
			if !l.proves(a.Immutables) {
				r = RevertInvalidImmutables
			}
		case checkSecret:
			if !Unlocks(a.Secret, a.Immutables.Hashlock) {
				r = RevertInvalidSecret
			}
		}
		if r != RevertNone {
			return r
		}
	}
	return l.pay(a)
}

type check uint8

const (
	checkCaller check = iota
	checkTime
	checkSignature
	checkImmutables
	checkSecret
)

// order returns the checks of a call in the contracts' order.
func (l Leg) order(c Call) []check {
	switch {
	case c == RescueFunds, c == Cancel && l.Side == Dst:
		return []check{checkCaller, checkImmutables, checkTime}
	case c == Cancel, c == PublicCancel:
		return []check{checkCaller, checkTime, checkImmutables}
	case c == PublicCancelSigned && l.Side == Dst:
		// The contracts forget the immutables here: the signer names what is paid.
		return []check{checkTime, checkSignature}
	case c == PublicCancelSigned:
		return []check{checkTime, checkSignature, checkImmutables}
	case c == PublicWithdrawSigned:
		return []check{checkTime, checkSignature, checkImmutables, checkSecret}
	}
	return []check{checkCaller, checkTime, checkImmutables, checkSecret}
}

func (a Attempt) checkCaller() Revert {
	if a.Call.ByToken() && !a.HoldsAccessToken || !a.Call.ByToken() && a.Caller != a.Immutables.TakerAddress() {
		return RevertInvalidCaller
	}
	return RevertNone
}

func (l Leg) checkSignature(a Attempt) Revert {
	signer := RecoverPublicAction(l.PublicActionDigest(a.Call, a.Immutables.OrderHash, a.Caller), a.Signature)
	if a.Whitelisted == nil || !a.Whitelisted(signer) {
		return RevertInvalidCaller
	}
	return RevertNone
}

// proves reports whether these immutables hash to the escrow's address.
func (l Leg) proves(im Immutables) bool {
	return im.fixed() == l.Immutables.fixed() &&
		(!l.Family.HasParameters() || bytes.Equal(im.Parameters, l.Immutables.Parameters))
}

// pay makes the payments that follow the checks, in the contracts' order.
func (l Leg) pay(a Attempt) Revert {
	purse := purse{funds: a.Funds}
	if a.Funds != nil {
		purse.token, purse.native = a.Funds.Token, a.Funds.Native
	}
	im := a.Immutables
	token, amount := im.TokenAddress(), im.AmountInt()
	if l.Side == Src && token == (common.Address{}) {
		// Src escrows know ERC-20s only. No contract lies at the zero address.
		if a.Call != RescueFunds {
			return RevertSafeTransferFailed
		}
	}
	var to common.Address
	switch a.Call {
	case RescueFunds:
		return purse.send(a.Token, a.Caller, a.Amount)
	case WithdrawTo:
		to = a.Target
	case Withdraw, PublicWithdraw, PublicWithdrawSigned:
		if to = im.TakerAddress(); l.Side == Dst {
			to = im.MakerAddress()
			if l.Family == OneInchV11 {
				if r := purse.fees(im, token, &amount); r != RevertNone {
					return r
				}
			}
		}
	default:
		if to = im.MakerAddress(); l.Side == Dst {
			to = im.TakerAddress()
		}
	}
	if r := purse.send(token, to, amount); r != RevertNone {
		return r
	}
	return purse.send(common.Address{}, a.Caller, im.DepositInt())
}

// purse holds what is left of an escrow's funds while a call pays out.
type purse struct {
	funds         *Funds
	token, native uint256.Int
}

func (p *purse) send(token, to common.Address, amount uint256.Int) Revert {
	if p.funds == nil {
		return RevertNone
	}
	from, fail := &p.token, RevertSafeTransferFailed
	if token == (common.Address{}) {
		from, fail = &p.native, RevertNativeTokenSendingFailure
	}
	if from.Lt(&amount) || p.funds.Refuses != nil && p.funds.Refuses(token, to) {
		return fail
	}
	from.Sub(from, &amount)
	return RevertNone
}

// fees pays the two fees that the fee line's dst parameters name and takes
// them off the maker's amount.
func (p *purse) fees(im Immutables, token common.Address, amount *uint256.Int) Revert {
	f, ok := ParseFees(im.Parameters)
	if !ok {
		return RevertIndexOutOfRange
	}
	for _, part := range []struct {
		amount uint256.Int
		to     *common.Address
	}{{f.Integrator, f.IntegratorRecipient}, {f.Protocol, f.ProtocolRecipient}} {
		if part.amount.IsZero() {
			continue
		}
		if part.to == nil {
			return RevertIndexOutOfRange
		}
		if r := p.send(token, *part.to, part.amount); r != RevertNone {
			return r
		}
	}
	for _, fee := range []*uint256.Int{&f.Integrator, &f.Protocol} {
		if _, under := amount.SubOverflow(amount, fee); under {
			return RevertPanic
		}
	}
	return RevertNone
}

// Fees are the amounts that a dst withdraw of the fee line pays before the
// maker, in the token's smallest unit.
type Fees struct {
	Protocol, Integrator uint256.Int
	// A recipient is nil when the parameters are too short to name it, which
	// matters only if its fee is positive.
	ProtocolRecipient, IntegratorRecipient *common.Address
}

// ParseFees reads the parameters of a fee-line dst leg. It reports false when
// they are shorter than 64 bytes; such a leg can never be withdrawn.
func ParseFees(parameters []byte) (Fees, bool) {
	var f Fees
	if len(parameters) < 64 {
		return f, false
	}
	f.Protocol, f.Integrator = intOf(Word(parameters[:32])), intOf(Word(parameters[32:64]))
	if len(parameters) >= 96 {
		a := addressOf(Word(parameters[64:96]))
		f.ProtocolRecipient = &a
	}
	if len(parameters) >= 128 {
		a := addressOf(Word(parameters[96:128]))
		f.IntegratorRecipient = &a
	}
	return f, true
}
