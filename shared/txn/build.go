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
	gasResolver = 40_000  // once for each transaction whose calls are wrapped
	// A transfer takes 21 k, and more on rollups that charge their data fee as
	// gas. No call has this limit: it tells the two apart.
	gasNoop = 100_000
)

// DearestGas is the gas limit of the dearest call that is usual: a signer has to
// be able to pay so much for each action.
const DearestGas = gasFees + gasResolver

// Part is one of the calls of a transaction: an action that a case wants.
type Part struct {
	swap.Case
	Action swap.Action
}

// Build makes the call of one action; see BuildAll.
func Build(c swap.Case, a swap.Action) (Call, error) { return BuildAll([]Part{{c, a}}) }

// BuildAll makes the call of actions: of one to its escrow, or of one or several
// through the resolver contract that is their taker, in the order given. It
// refuses anything but known calls of proven legs.
func BuildAll(parts []Part) (Call, error) {
	if len(parts) == 0 {
		return Call{}, fmt.Errorf("build: no action")
	}
	first := parts[0].Action
	call := Call{ChainID: first.ChainID, From: first.Signer}
	var targets []common.Address
	var data [][]byte
	for _, p := range parts {
		a := p.Action
		if len(parts) > 1 && (a.Path != swap.PathResolver || a.Taker != first.Taker || a.Signer != first.Signer || a.ChainID != first.ChainID) {
			return Call{}, fmt.Errorf("build %s of order %s: not a call of resolver contract %s", a.Call, p.State.ID, first.Taker)
		}
		d, err := encode(p.Case, a)
		if err != nil {
			return Call{}, err
		}
		targets, data = append(targets, a.Escrow), append(data, d)
		call.Gas += gasOf(p.Case, a)
	}
	switch first.Path {
	case swap.PathEOA, swap.PathPublic:
		call.To, call.Data = first.Escrow, data[0]
	case swap.PathResolver:
		call.To, call.Data = first.Taker, swap.EncodeArbitraryCalls(targets, data)
		call.Gas += gasResolver
	default:
		return Call{}, fmt.Errorf("build %s of order %s: no path", first.Call, first.Order)
	}
	return call, nil
}

// encode writes the call of an action on its escrow.
func encode(c swap.Case, a swap.Action) ([]byte, error) {
	leg, ok := legOf(c.State, a.ChainID, a.Escrow)
	if !ok {
		return nil, fmt.Errorf("build %s: escrow %s is no leg of order %s", a.Call, a.Escrow, c.State.ID)
	}
	args := swap.CallArgs{Token: a.Token, Amount: a.Amount}
	if a.Call.TakesSecret() {
		if c.State.Secret == nil {
			return nil, fmt.Errorf("build %s of order %s: the secret is not known", a.Call, c.State.ID)
		}
		args.Secret = *c.State.Secret
	}
	data, err := swap.EncodeCall(leg.Leg, a.Call, args)
	if err != nil {
		return nil, fmt.Errorf("build %s of order %s: %w", a.Call, c.State.ID, err)
	}
	return data, nil
}

// gasOf is the gas limit of an action's call by itself.
func gasOf(c swap.Case, a swap.Action) uint64 {
	leg, ok := legOf(c.State, a.ChainID, a.Escrow)
	if ok && leg.Family == swap.OneInchV11 && a.Call.TakesSecret() && len(leg.Immutables.Parameters) > 0 {
		return gasFees
	}
	return gasCall
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
