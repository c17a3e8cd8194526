package txn

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Gas limits. The measured use is 46-55 k for withdraw and cancel, 111 k for a
// v1.1 withdrawal that pays two new fee receivers, 7 k more through a resolver
// contract; a token behind a proxy costs some 30 k more than the plain one it
// was measured with. The limits leave at least as much again: gas that is not
// used costs nothing, and there is no time to estimate at a boundary.
const (
	gasCall     = 200_000
	gasFees     = 320_000 // v1.1 withdrawal with fee receivers
	gasResolver = 40_000  // added where the call is wrapped
	gasNoop     = 21_000
)

// Build makes the call of an action of a case: to the escrow, or through the
// resolver contract that is the taker. It refuses anything but a known call of
// a proven leg.
func Build(c swap.Case, a swap.Action) (Call, error) {
	leg, ok := legOf(c.State, a)
	if !ok {
		return Call{}, fmt.Errorf("build %s: escrow %s is no leg of order %s", a.Call, a.Escrow, c.State.ID)
	}
	args := swap.CallArgs{Token: a.Token, Amount: a.Amount}
	if a.Call.TakesSecret() {
		if c.State.Secret == nil {
			return Call{}, fmt.Errorf("build %s of order %s: the secret is not known", a.Call, c.State.ID)
		}
		args.Secret = *c.State.Secret
	}
	data, err := swap.EncodeCall(leg, a.Call, args)
	if err != nil {
		return Call{}, err
	}
	call := Call{ChainID: a.ChainID, From: a.Signer, To: a.Escrow, Data: data, Gas: gasCall}
	if leg.Family == swap.OneInchV11 && a.Call.TakesSecret() && len(leg.Immutables.Parameters) > 0 {
		call.Gas = gasFees
	}
	switch a.Path {
	case swap.PathEOA, swap.PathPublic:
	case swap.PathResolver:
		call.To = a.Taker
		call.Data = swap.EncodeArbitraryCalls([]common.Address{a.Escrow}, [][]byte{data})
		call.Gas += gasResolver
	default:
		return Call{}, fmt.Errorf("build %s of order %s: no path", a.Call, c.State.ID)
	}
	return call, nil
}

// Guard is the last look before a signature, independent of how the call was
// built: it accepts exactly the calls that our takers may make, to proven
// escrows or configured resolver contracts, and nothing else.
func Guard(p swap.Policy, c swap.Case, a swap.Action, call Call) error {
	chain, ok := p.Chains[call.ChainID]
	switch {
	case !ok || call.ChainID != a.ChainID:
		return fmt.Errorf("guard: chain %d is not the action's", call.ChainID)
	case call.From != a.Signer || !signs(chain, a):
		return fmt.Errorf("guard: %s does not sign for taker %s by path %s", call.From, a.Taker, a.Path)
	case a.Call.Signed():
		return fmt.Errorf("guard: %s is never sent", a.Call)
	}
	leg, ok := legOf(c.State, a)
	if !ok || leg.Immutables.TakerAddress() != a.Taker {
		return fmt.Errorf("guard: escrow %s is not a proven leg of taker %s", a.Escrow, a.Taker)
	}
	args := swap.CallArgs{Token: a.Token, Amount: a.Amount}
	if c.State.Secret != nil {
		args.Secret = *c.State.Secret
	}
	want, err := swap.EncodeCall(leg, a.Call, args)
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	to := a.Escrow
	if a.Path == swap.PathResolver {
		to = a.Taker
		want = swap.EncodeArbitraryCalls([]common.Address{a.Escrow}, [][]byte{want})
	}
	if call.To != to || !bytes.Equal(call.Data, want) {
		return fmt.Errorf("guard: the call of %s is not %s of escrow %s", call.To, a.Call, a.Escrow)
	}
	return nil
}

// signs reports whether the configuration lets the action's signer act so.
func signs(chain swap.ChainPolicy, a swap.Action) bool {
	if a.Path == swap.PathPublic {
		return a.Call.ByToken() && a.Signer == chain.AccessTokenSigner && a.Signer != (common.Address{})
	}
	t, ok := chain.Takers[a.Taker]
	return ok && t.Path == a.Path && t.Signer == a.Signer && a.Signer != (common.Address{})
}

func legOf(s swap.State, a swap.Action) (swap.Leg, bool) {
	legs := append([]swap.LegState{s.Src}, s.Dsts...)
	i := slices.IndexFunc(legs, func(l swap.LegState) bool { return l.ChainID == a.ChainID && l.Escrow == a.Escrow })
	if i < 0 {
		return swap.Leg{}, false
	}
	return legs[i].Leg, true
}

// noop is a transaction that does nothing but use its nonce up.
func noop(a Account) Call {
	return Call{ChainID: a.ChainID, From: a.Signer, To: a.Signer, Gas: gasNoop}
}

// Fees are prices per gas in wei.
type Fees struct {
	FeeCap, TipCap uint256.Int
}

// replaceBy is the least by which nodes want both prices of a replacement to
// grow, in percent.
const replaceBy = 10

// Price chooses the fees of a transaction: twice the base fee plus the tip, so
// that it stays valid while six full blocks in a row raise the base fee, but
// never more than limit wei for all its gas. last is what it replaces, if
// anything. ok is false if the limit does not cover the present base fee or the
// required raise: sent so, it would hold up every nonce behind it.
func Price(s AccountState, gas uint64, limit uint256.Int, last *Tx) (f Fees, ok bool) {
	most := new(uint256.Int).Div(&limit, uint256.NewInt(gas))
	f.TipCap = s.Tip
	f.FeeCap.AddOverflow(new(uint256.Int).Lsh(&s.BaseFee, 1), &s.Tip)
	if last != nil {
		f.FeeCap = *higher(&f.FeeCap, raised(last.FeeCap))
		f.TipCap = *higher(&f.TipCap, raised(last.TipCap))
		if f.FeeCap.Lt(&f.TipCap) {
			f.FeeCap = f.TipCap
		}
		return f, !f.FeeCap.Gt(most)
	}
	if f.FeeCap.Gt(most) {
		f.FeeCap = *most
	}
	if f.TipCap.Gt(&f.FeeCap) {
		f.TipCap = f.FeeCap
	}
	return f, !f.FeeCap.Lt(&s.BaseFee) && !f.FeeCap.IsZero()
}

// raised is the price that a replacement needs, rounded up.
func raised(v uint256.Int) *uint256.Int {
	up := new(uint256.Int).Mul(&v, uint256.NewInt(100+replaceBy))
	return up.Div(up.AddUint64(up, 99), uint256.NewInt(100))
}

func higher(a, b *uint256.Int) *uint256.Int {
	if a.Lt(b) {
		return b
	}
	return a
}
