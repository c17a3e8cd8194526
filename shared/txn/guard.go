package txn

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Guard is the last look before a signature, independent of how the call was
// built: it accepts exactly the call of an action that the plan wants, made by
// a signer and on a path that the configuration names, to a proven escrow or
// to the resolver contract that is its taker, and nothing else. A transaction
// that only uses its nonce up is not its business: it carries no call.
func Guard(p swap.Policy, c swap.Case, a swap.Action, call Call) error {
	return GuardAll(p, []Part{{c, a}}, call)
}

// GuardAll is Guard for a transaction of several actions: it looks at every
// call, all of them wanted, all through the same resolver contract, none twice.
func GuardAll(p swap.Policy, parts []Part, call Call) error {
	if len(parts) == 0 || len(parts) > MaxActs {
		return fmt.Errorf("guard: %d calls in one transaction", len(parts))
	}
	first := parts[0].Action
	var targets []common.Address
	var data [][]byte
	for i, part := range parts {
		a := part.Action
		want, err := guardOne(p, part.Case, a, call)
		if err != nil {
			return err
		}
		switch {
		case len(parts) > 1 && (a.Path != swap.PathResolver || a.Taker != first.Taker):
			return fmt.Errorf("guard: %s of escrow %s is not a call of resolver contract %s", a.Call, a.Escrow, first.Taker)
		case slices.ContainsFunc(parts[:i], func(o Part) bool { return o.Action.Key() == a.Key() }):
			return fmt.Errorf("guard: %s of escrow %s twice", a.Call, a.Escrow)
		}
		targets, data = append(targets, a.Escrow), append(data, want)
	}
	to, want := first.Escrow, data[0]
	if first.Path == swap.PathResolver {
		to, want = first.Taker, swap.EncodeArbitraryCalls(targets, data)
	}
	switch {
	case call.To != to || !bytes.Equal(call.Data, want):
		return fmt.Errorf("guard: the call of %s is not %s of escrow %s", call.To, first.Call, first.Escrow)
	case call.Gas <= gasNoop || call.Gas > min(gasFees*uint64(len(parts))+gasResolver, maxBatchGas+gasResolver):
		return fmt.Errorf("guard: gas limit %d of %d calls, the first %s", call.Gas, len(parts), first.Call)
	}
	return nil
}

// guardOne looks at one action and returns the data of its call.
func guardOne(p swap.Policy, c swap.Case, a swap.Action, call Call) ([]byte, error) {
	wanted, ok := c.Decision.Wanted(a.Key())
	chain, known := p.Chains[call.ChainID]
	switch {
	case !ok || wanted != a || a.Order != c.State.ID:
		return nil, fmt.Errorf("guard: the plan of order %s does not want this %s of escrow %s", c.State.ID, a.Call, a.Escrow)
	case !known || call.ChainID != a.ChainID:
		return nil, fmt.Errorf("guard: chain %d is not the action's", call.ChainID)
	case call.From != a.Signer:
		return nil, fmt.Errorf("guard: %s is not the action's signer", call.From)
	}
	if err := mayCall(chain, a); err != nil {
		return nil, fmt.Errorf("guard: %s of taker %s by path %s: %w", a.Call, a.Taker, a.Path, err)
	}
	leg, ok := legOf(c.State, a.ChainID, a.Escrow)
	if !ok || leg.Immutables.TakerAddress() != a.Taker {
		return nil, fmt.Errorf("guard: escrow %s is not a proven leg of taker %s", a.Escrow, a.Taker)
	}
	args := swap.CallArgs{Token: a.Token, Amount: a.Amount}
	if c.State.Secret != nil {
		args.Secret = *c.State.Secret // EncodeCall refuses one that does not fit
	}
	want, err := swap.EncodeCall(leg.Leg, a.Call, args)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return want, nil
}

// mayCall reports why the configuration does not let the action's signer make
// its call on its path.
func mayCall(chain swap.ChainPolicy, a swap.Action) error {
	t, ours := chain.Takers[a.Taker]
	own := a.Call == swap.Withdraw || a.Call == swap.Cancel || a.Call == swap.RescueFunds
	switch {
	case !ours || a.Signer == (common.Address{}):
		return errors.New("no taker or signer of ours")
	case a.Path == swap.PathPublic:
		if !a.Call.ByToken() || a.Signer != chain.AccessTokenSigner {
			return errors.New("not for the holder of the access token")
		}
	case !own:
		return errors.New("not a call that takers make")
	case t.Path != a.Path || t.Signer != a.Signer:
		return errors.New("not the configured signer and path")
	case a.Path == swap.PathEOA && a.Taker != a.Signer, a.Path == swap.PathResolver && a.Taker == a.Signer:
		return errors.New("the path does not lead from this signer to this taker")
	case a.Path != swap.PathEOA && a.Path != swap.PathResolver:
		return errors.New("no such path")
	}
	return nil
}
