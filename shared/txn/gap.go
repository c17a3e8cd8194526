package txn

import (
	"context"
	"fmt"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// stuckAfter is how many inclusion times nothing of an account is mined, although
// its next transaction pays more than the base fee, before a person is told.
const stuckAfter = 10

// maxGap is the most free nonces in a row that are used up for nothing. A reorg
// that undoes more transactions of a signer that is not shared is less likely than
// a node that once told a wrong nonce, and each costs gas.
const maxGap = 64

// fillGap uses a free nonce below others up with nothing, where no action was
// there to fill it: none of the others can be mined before. A gap can only come
// from a foreign transaction that a reorg undid.
func (r *drain) fillGap(ctx context.Context) error {
	if r.custody == Shared || r.stopped() {
		return nil
	}
	for {
		n, gap := r.nonce()
		if !gap {
			return nil
		}
		if next := r.above(n); next-n > maxGap {
			r.find(swap.AccountStuck, r.missed(next), swap.Action{}, fmt.Sprintf("nonce %d of signer %s is too far above the next on chain to be reached: a node told a wrong nonce; what it was taken for is sent again with one that can be mined", next, r.Account.Signer))
			return nil
		}
		if err := r.fillNonce(ctx, n); err != nil || r.stopped() {
			return err
		}
		if m, still := r.nonce(); still && m == n {
			return nil // it could not be paid for, which is told
		}
	}
}

// missed is how bad it is that entries from a nonce on cannot be mined: critical
// until the plan wants none of their actions any more.
func (r *drain) missed(from uint64) swap.Severity {
	for _, e := range r.entries {
		for _, act := range e.Acts {
			if _, wanted := r.cases[act.Order].Decision.Wanted(act.Action); wanted && e.Nonce >= from {
				return swap.Critical
			}
		}
	}
	return swap.Warning
}

// above is the lowest nonce of an entry above a free one.
func (r *drain) above(n uint64) uint64 {
	for _, e := range r.entries { // by nonce
		if e.Nonce > n {
			return e.Nonce
		}
	}
	return n
}

func (r *drain) fillNonce(ctx context.Context, n uint64) error {
	f := flying{Entry: Entry{Account: r.Account, Nonce: n, State: Open}}
	limit := r.fillCap(f)
	fees, ok := Price(r.state, gasNoop, limit, limit, nil)
	if price := cost(gasNoop, &fees.FeeCap); !ok || r.state.Balance.Lt(price) {
		r.findOf(swap.ForeignTx, swap.Action{}, "a nonce below our transactions is unused and cannot be filled: none of them can be mined")
		return nil
	}
	tx, err := r.sign(ctx, noop(r.Account), n, fees)
	if err != nil {
		return err
	}
	f.Txs = []Tx{tx}
	if err := r.record(ctx, f.Entry, nil); err != nil {
		return err
	}
	r.add(f.Entry)
	r.touched[n] = true
	r.done.Filled++
	r.Log.WarnContext(ctx, "nonce gap filled", "chain", r.ChainID, "signer", r.Account.Signer.Hex(), "nonce", n, "tx", tx.Hash.Hex())
	return r.broadcast(ctx, tx)
}

// stuck tells a person of an account of which nothing is mined any more although
// it pays: its next nonce blocks all others.
func (r *drain) stuck() {
	for _, e := range r.entries {
		last := e.last()
		switch {
		case e.Nonce < r.state.Latest:
			continue
		case e.Nonce >= r.far:
			return
		case !stale(e.unmined(e.Txs[0]), r.head, r.chain.Inclusion, stuckAfter):
			return
		case e.Nonce == r.state.Latest && last.FeeCap.Lt(&r.state.BaseFee):
			return // it waits for its price
		}
		r.find(swap.AccountStuck, swap.Critical, swap.Action{},
			fmt.Sprintf("nothing of signer %s is mined although it pays enough: nonce %d blocks", r.Account.Signer, r.state.Latest))
		return
	}
}
