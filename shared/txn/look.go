package txn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Busy tells whether a drain of the account would find anything to do: a
// transaction in flight, or work that is due or about to be. It reads only and
// takes no lease, so that looking at idle accounts costs next to nothing; a
// drain decides everything anew. The chain is asked for its head only where
// work is stored. What could be read decides, beside an error about the rest: one
// taker whose work cannot be read does not keep those of the others waiting.
func (d *Drainer) Busy(ctx context.Context, a Account) (bool, error) {
	open, _, err := d.Journal.Entries(ctx, a)
	if err != nil {
		return false, fmt.Errorf("read journal of %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	if len(open) > 0 {
		return true, nil
	}
	works, unread := d.live(ctx, a)
	if len(works) == 0 {
		return false, unread
	}
	head, _, err := d.Backend.Head(ctx, a.ChainID)
	if err != nil {
		return false, errors.Join(unread, fmt.Errorf("read head of chain %d: %w", a.ChainID, err))
	}
	return slices.ContainsFunc(works, func(w swap.Work) bool {
		from := sendableFrom(w.From, d.Policy.Chains[a.ChainID], d.Chains[a.ChainID])
		return w.Sendable(head.Time) && from <= head.Time+waitAhead
	}), unread
}

// live lists the live work that the account is to send. What can be read is
// returned beside an error.
func (d *Drainer) live(ctx context.Context, a Account) (out []swap.Work, err error) {
	chain := d.Policy.Chains[a.ChainID]
	var errs []error
	for _, taker := range slices.SortedFunc(maps.Keys(chain.Takers), common.Address.Cmp) {
		if chain.Takers[taker].Signer != a.Signer && chain.AccessTokenSigner != a.Signer {
			continue
		}
		live, err := d.Works.Live(ctx, a.ChainID, taker)
		if err != nil {
			errs = append(errs, fmt.Errorf("read live work of %s on chain %d: %w", taker, a.ChainID, err))
		}
		for _, w := range live {
			if w.Action.Signer == a.Signer {
				out = append(out, w)
			}
		}
	}
	return out, errors.Join(errs...)
}
