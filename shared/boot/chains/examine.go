package chains

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// Examine asks the chains of a file whether they are what it says: each endpoint for
// its chain id, and the chain for its factories. What is returned is wrong; an
// endpoint that does not answer is, if no other of its chain does. It shows no URL.
func Examine(ctx context.Context, file env.Chains) error {
	client, err := dial(file)
	if err != nil {
		return err
	}
	defer client.Close()
	errs := make([]error, len(file.Chains))
	var wg sync.WaitGroup
	for i, c := range file.Chains {
		wg.Go(func() { errs[i] = examine(ctx, client, c) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func examine(ctx context.Context, client *chain.Client, c env.Chain) error {
	var wrong, silent []error
	for _, e := range c.Endpoints {
		switch p, err := client.Ping(ctx, c.ID, e.Name); {
		case err != nil:
			silent = append(silent, err)
		case p.ChainID != c.ID:
			wrong = append(wrong, fmt.Errorf("chain %d: endpoint %s answers for chain %d", c.ID, e.Name, p.ChainID))
		}
	}
	if len(silent) == len(c.Endpoints) {
		return fmt.Errorf("chain %d: no endpoint answers: %w", c.ID, errors.Join(silent...))
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...) // what such an endpoint says of factories is worth nothing
	}
	for _, f := range c.Factories {
		if _, err := client.Factory(ctx, c.ID, f.Address, f.Family); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// Held is what the store knows of what is open.
type Held struct {
	// Legs lists the escrows of open swaps on a chain.
	Legs func(ctx context.Context, chain uint64) ([]balance.Leg, error)
	// Entries lists the transactions of an account that are not settled.
	Entries func(ctx context.Context, a txn.Account) (open []txn.Entry, next uint64, err error)
}

// Dropped names what open swaps need and next does not have any more, though now
// does: their chain, their taker or the path to it, and accounts with transactions
// under way.
func Dropped(ctx context.Context, h Held, now, next env.Chains) error {
	after := map[uint64]env.Chain{}
	for _, c := range next.Chains {
		after[c.ID] = c
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	open := map[uint64][]balance.Leg{}
	bound := map[uint64]int{} // legs on other chains whose maker is to be paid there
	for _, c := range now.Chains {
		legs, err := h.Legs(ctx, c.ID)
		if err != nil {
			return err // nothing can be said
		}
		open[c.ID] = legs
		for _, l := range legs {
			if l.DstChain != c.ID {
				bound[l.DstChain]++
			}
		}
	}
	for _, c := range now.Chains {
		then, stays := after[c.ID]
		legs := open[c.ID]
		if n := len(legs) + bound[c.ID]; !stays && n > 0 {
			bad("chain %d is left out, and %s open there or bound for it", c.ID, howMany(n))
		}
		for _, a := range slices.SortedFunc(maps.Keys(c.Takers), common.Address.Cmp) {
			n := len(slices.DeleteFunc(slices.Clone(legs), func(l balance.Leg) bool { return l.Taker != a }))
			if t, same := then.Takers[a]; !stays || n == 0 || same && (t.Path != swap.PathNone || c.Takers[a].Path == swap.PathNone) {
				continue
			}
			bad("chain %d: nobody acts for taker %s any more, and %s open", c.ID, a, howMany(n))
		}
		signs := map[common.Address]bool{}
		for _, s := range signers(then.ChainPolicy) {
			signs[s] = true
		}
		for _, s := range signers(c.ChainPolicy) {
			if signs[s] {
				continue
			}
			open, _, err := h.Entries(ctx, txn.Account{ChainID: c.ID, Signer: s})
			if err != nil {
				errs = append(errs, err)
			} else if len(open) > 0 {
				bad("chain %d: %s signs for nobody any more, and has %d transactions under way", c.ID, s, len(open))
			}
		}
	}
	return errors.Join(errs...)
}

func howMany(n int) string {
	if n == 1 {
		return "1 escrow is"
	}
	return fmt.Sprintf("%d escrows are", n)
}

// signers are the accounts that sign on a chain, in order.
func signers(c swap.ChainPolicy) []common.Address {
	all := map[common.Address]bool{c.AccessTokenSigner: true}
	for _, t := range c.Takers {
		all[t.Signer] = true
	}
	delete(all, common.Address{})
	return slices.SortedFunc(maps.Keys(all), common.Address.Cmp)
}
