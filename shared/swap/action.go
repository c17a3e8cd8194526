package swap

import (
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Action is one call that Plan wants, or would want and refuses.
type Action struct {
	Order   OrderID        `json:"order"`
	ChainID uint64         `json:"chain"`
	Escrow  common.Address `json:"escrow"`
	Side    Side           `json:"side"`
	Call    Call           `json:"call"`
	Path    Path           `json:"path"`
	Taker   common.Address `json:"taker"`
	Signer  common.Address `json:"signer"`
	// From and Until bound the legal block times, half-open; Until zero means
	// no end.
	From  ChainTime `json:"from"`
	Until ChainTime `json:"until,omitempty"`
	// Hard is the block time at which principal is lost if the call has not
	// been included before; Soft the one at which somebody else may take the
	// safety deposit. Zero: none.
	Hard ChainTime `json:"hard,omitempty"`
	Soft ChainTime `json:"soft,omitempty"`
	// FeeCap is the most that the call may cost, in wei.
	FeeCap uint256.Int `json:"feeCap"`
	// AtRisk is what is lost if the call is never made, in wei; Priceless marks
	// a token without a reference price, ranked above every price.
	AtRisk    uint256.Int `json:"atRisk"`
	Priceless bool        `json:"priceless,omitempty"`
	// Token and Amount are the arguments of RescueFunds.
	Token  common.Address `json:"token"`
	Amount uint256.Int    `json:"amount"`
	// Refused says why the call must not be made now; empty: make it.
	Refused Reason `json:"refused,omitempty"`
}

// refuse notes why the action must not be made; the first reason stands.
func (a *Action) refuse(why Reason) {
	if a.Refused == "" {
		a.Refused = why
	}
}

// Claims reports whether the action takes a source leg's money with the secret,
// which is public: no other claim is planned.
func (a Action) Claims() bool {
	return a.Side == Src && (a.Call == Withdraw || a.Call == PublicWithdraw)
}

// ActionKey identifies an action among the live work of one chain and taker.
// An escrow address is unique on its chain, and so is a call on it, except
// that each token is rescued by itself.
type ActionKey struct {
	ChainID uint64
	Taker   common.Address
	Escrow  common.Address
	Call    Call
	Token   common.Address // of RescueFunds, else zero
}

// Key identifies the action.
func (a Action) Key() ActionKey {
	return ActionKey{a.ChainID, a.Taker, a.Escrow, a.Call, a.Token}
}

// EndedBy reports whether the event is what the action's call makes its escrow
// emit. The access token's and the taker's calls emit the same.
func (k ActionKey) EndedBy(e EscrowEvent) bool {
	if e.ChainID != k.ChainID || e.Escrow != k.Escrow {
		return false
	}
	switch k.Call {
	case RescueFunds:
		return e.Kind == Rescued && e.Token == k.Token
	case Cancel, PublicCancel:
		return e.Kind == Cancelled
	case Withdraw, PublicWithdraw:
		return e.Kind == Withdrawn
	}
	return false
}

// String is "<escrow>#<call>", with the token appended for rescues: the sort
// key within a taker's live work.
func (k ActionKey) String() string {
	s := strings.ToLower(k.Escrow.Hex()) + "#" + k.Call.String()
	if k.Call == RescueFunds {
		s += "#" + strings.ToLower(k.Token.Hex())
	}
	return s
}

// Reason is why an action is refused or an order's work is no longer wanted.
type Reason string

// The reasons of Plan. Those marked "waits" end by themselves: see Reason.Waits.
const (
	NoPath            Reason = "no-path"                // no key of ours can make this call
	NoFeeCap          Reason = "no-fee-cap"             // the operator names no price for this call
	NotWorthIt        Reason = "not-worth-its-gas"      // deposit below the fee, and no token the operator lists
	Unfunded          Reason = "deposit-missing"        // the escrow cannot pay the deposit out, so every call reverts
	ShortParameters   Reason = "parameters-too-short"   // v1.1 dst: withdraw reverts for ever, only cancel works
	WaitDstLogs       Reason = "dst-logs-not-past"      // waits until dst's logs are read past the end of its window
	WaitSrcLogs       Reason = "src-logs-lag"           // waits until src's logs are read near its head
	WaitSrcEnd        Reason = "src-still-claimable"    // waits until nobody can claim src with the public secret any more
	WaitDstFinal      Reason = "dst-payment-not-final"  // waits until what became of dst can no longer be undone
	WaitSrcFinal      Reason = "src-claim-not-final"    // waits until the src claim can no longer be undone
	WaitDstOutcome    Reason = "dst-outcome-open"       // waits until dst was paid, can be paid by us in time, or src is about to be lost
	WaitCandidate     Reason = "dst-candidate-unread"   // waits until an unproven dst escrow has been looked at
	CandidateUnproven Reason = "dst-candidate-unproven" // a dst escrow with our hashlock that we cannot rebuild holds or held the maker's due
	DstPaid           Reason = "dst-was-paid"           // cancelling src would pay the maker twice
	DstFundsGone      Reason = "dst-funds-gone"         // dst is empty without an event: the maker may have been paid
	SrcClaimed        Reason = "src-was-claimed"        // cancelling dst would take the maker's money
	ClaimPending      Reason = "src-claim-pending"      // the secret is public: src is claimed first
	UnknownDstChain   Reason = "dst-chain-unknown"      // the maker is to be paid on a chain that is not configured
	OfAnother         Reason = "dst-of-another-order"   // an order that is meant has this dst leg too, and decides about it
)

// Waits reports whether a refusal ends by itself, with the next block or log
// read: stored work is then kept as it is.
func (r Reason) Waits() bool {
	switch r {
	case WaitDstLogs, WaitSrcLogs, WaitSrcEnd, WaitDstFinal, WaitSrcFinal, WaitDstOutcome, WaitCandidate:
		return true
	}
	return false
}
