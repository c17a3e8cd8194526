package txn

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
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
	// A transfer takes 21 k, and more on rollups that charge their data fee as
	// gas. No call has this limit: it tells the two apart.
	gasNoop = 100_000
)

// Build makes the call of an action of a case: to the escrow, or through the
// resolver contract that is the taker. It refuses anything but a known call of
// a proven leg.
func Build(c swap.Case, a swap.Action) (Call, error) {
	leg, ok := legOf(c.State, a.ChainID, a.Escrow)
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
	data, err := swap.EncodeCall(leg.Leg, a.Call, args)
	if err != nil {
		return Call{}, fmt.Errorf("build %s of order %s: %w", a.Call, c.State.ID, err)
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

// noop is a transaction that does nothing but use its nonce up.
func noop(a Account) Call {
	return Call{ChainID: a.ChainID, From: a.Signer, To: a.Signer, Gas: gasNoop}
}

// isNoop recognises a replacement by nothing.
func isNoop(t Tx) bool { return t.Gas == gasNoop }

// legOf finds the leg of an order by its escrow.
func legOf(s swap.State, chain uint64, escrow common.Address) (swap.LegState, bool) {
	legs := append([]swap.LegState{s.Src}, s.Dsts...)
	i := slices.IndexFunc(legs, func(l swap.LegState) bool { return l.ChainID == chain && l.Escrow == escrow })
	if i < 0 {
		return swap.LegState{}, false
	}
	return legs[i], true
}
