package txn

import (
	"context"
	"fmt"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// open reads the journal before the chain: a nonce that is used between the two
// readings then looks used, never free.
func (r *drain) open(ctx context.Context) (err error) {
	if r.entries, r.next, err = r.Journal.Entries(ctx, r.Account); err != nil {
		return fmt.Errorf("read journal of %s on chain %d: %w", r.Account.Signer, r.ChainID, err)
	}
	if r.state, err = r.Backend.Account(ctx, r.Account, r.config.Confirmations); err != nil {
		return fmt.Errorf("read account %s on chain %d: %w", r.Account.Signer, r.ChainID, err)
	}
	r.head = r.state.Head
	for _, e := range r.entries {
		if e.Nonce >= r.state.Latest { // pools count what waits in them as spent
			last := e.Txs[len(e.Txs)-1]
			r.state.Balance = *minus(&r.state.Balance, cost(last.Gas, &last.FeeCap))
		}
	}
	if r.next > 0 && r.state.Latest > r.next {
		r.find(swap.ForeignTx, swap.Critical, swap.Action{}, "this signer sent a transaction that is not in the journal")
	}
	return nil
}

// nonce is the next to use: after everything that the journal or the chain has
// used. Only where a nonce below an open entry is free again, because a foreign
// transaction was undone by a reorg, that one is next: nothing behind it can be
// mined. An account that was read at an older head than the entry proves no gap.
func (r *drain) nonce() (n uint64, gap bool) {
	n = r.state.Latest
	for _, e := range r.entries {
		switch {
		case e.Nonce < n:
			continue
		case e.Nonce > n && r.state.Head.Number >= e.Txs[0].Head.Number:
			return n, true
		}
		n = e.Nonce + 1
	}
	return max(n, r.next), false
}

// inPool counts the transactions that wait to be mined.
func (r *drain) inPool() (n int) {
	for _, e := range r.entries {
		if e.Nonce >= r.state.Latest {
			n++
		}
	}
	return n
}
