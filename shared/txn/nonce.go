package txn

import (
	"context"
	"fmt"
	"math"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// open reads the journal before the chain: a nonce that is used between the two
// readings then looks used, never free.
func (r *drain) open(ctx context.Context) (err error) {
	if r.entries, r.next, err = r.Journal.Entries(ctx, r.Account); err != nil {
		return fmt.Errorf("read journal of %s on chain %d: %w", r.Account.Signer, r.ChainID, err)
	}
	if err = r.read(ctx); err != nil {
		return err
	}
	r.head = r.state.Head
	if err = r.reopen(ctx); err != nil {
		return err
	}
	r.far = r.farFrom()
	for _, e := range r.entries {
		if e.Nonce >= r.state.Latest { // pools count what waits in them as spent
			last := e.last()
			r.state.Balance = *minus(&r.state.Balance, cost(last.Gas, &last.FeeCap))
		}
	}
	if r.custody != Shared && r.next > 0 && r.state.Latest > r.next {
		r.findOf(swap.ForeignTx, swap.Action{}, string(r.custody)+" signer "+r.Account.Signer.Hex()+" sent a transaction that is not in the journal")
	}
	return nil
}

func (r *drain) read(ctx context.Context) (err error) {
	if r.state, err = r.Backend.Account(ctx, r.Account, r.config.Confirmations); err != nil {
		return fmt.Errorf("read account %s on chain %d: %w", r.Account.Signer, r.ChainID, err)
	}
	return nil
}

// take chooses the nonces for as many transactions, in the order in which they
// have to be journalled.
func (r *drain) take(ctx context.Context, n int) (out []uint64, err error) {
	if r.custody == Shared {
		return r.takeShared(ctx)
	}
	entries := r.entries
	defer func() { r.entries = entries }()
	for range n {
		free, _ := r.nonce()
		out = append(out, free)
		r.add(Entry{Account: r.Account, Nonce: free, Txs: []Tx{{Head: r.state.Head}}})
	}
	return out, nil
}

// takeShared reads the nonce of a key that somebody else signs with too, right
// before it is used: after all that waits in the pool. Another transaction at
// the same nonce would replace it, or be replaced.
func (r *drain) takeShared(ctx context.Context) ([]uint64, error) {
	balance := r.state.Balance
	if err := r.read(ctx); err != nil {
		return nil, err
	}
	r.state.Balance = balance
	n := max(r.state.Latest, r.state.Pending)
	if r.settled.holds(n) {
		return nil, nil // it was used: the reading is old, or what used it left the chain
	}
	for _, e := range r.entries {
		if e.Nonce == n || e.Nonce > n && !r.cutOff(e) {
			return nil, nil // ours waits: a reorg, or a node that lost it, brought it back
		}
	}
	if n-r.state.Latest > sharedQueue {
		r.find(swap.AccountStuck, swap.Critical, swap.Action{}, fmt.Sprintf("shared signer %s: a node tells of more transactions in its pool than nodes keep; nonce %d is next on chain", r.Account.Signer, r.state.Latest))
		return nil, nil
	}
	return []uint64{n}, nil
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
		case r.free(&n, e.Nonce) && r.state.Head.Number >= e.Txs[0].Head.Number:
			return n, true
		}
		n = e.Nonce + 1
	}
	return max(n, r.next), false
}

// free moves a nonce past those that were settled, and reports whether it is
// still below an end.
func (r *drain) free(n *uint64, end uint64) bool {
	for *n < end && r.settled.holds(*n) {
		*n++
	}
	return *n < end
}

// cutOff reports whether a transaction can only be mined when nonces in front of
// it are used that nothing uses up for nothing. With a shared key: what was there
// when it was signed, and not ours, has vanished from the pool. With any other: so
// many are free that a node must have told a wrong nonce. What is due may take
// the nonces, the transaction's own actions too.
func (r *drain) cutOff(e Entry) bool {
	if r.custody == Shared {
		return e.Nonce > r.state.Latest && r.state.Pending <= r.state.Latest && r.state.Head.Number > e.Txs[0].Head.Number
	}
	return e.Nonce >= r.far
}

// farFrom is the nonce from which on the open entries of a key that is not shared
// are cut off: there are too many free ones in a row below it. It may be the
// present reading that is wrong, so one at the head at which an entry was signed
// does not count, nor does one at an older head.
func (r *drain) farFrom() uint64 {
	n := r.state.Latest
	for _, e := range r.entries {
		if e.Nonce < n {
			continue
		}
		if r.free(&n, e.Nonce) && e.Nonce-n > maxGap && r.state.Head.Number > e.Txs[0].Head.Number {
			return e.Nonce
		}
		n = e.Nonce + 1
	}
	return math.MaxUint64
}

// inPool counts the transactions that wait to be mined and can be.
func (r *drain) inPool() (n int) {
	for _, e := range r.entries {
		if e.Nonce >= r.state.Latest && e.Nonce < r.far {
			n++
		}
	}
	return n
}

// room is how many transactions more may be in flight. A gap is filled in any
// case: nothing behind it is mined before. One that is too wide is none.
func (r *drain) room() int {
	room := r.config.PoolCap - r.inPool()
	if r.custody == Shared && len(r.entries) > 0 && r.cutOff(r.entries[len(r.entries)-1]) {
		return 1
	}
	if n, gap := r.nonce(); gap && r.custody != Shared && r.above(n)-n <= maxGap {
		return max(1, room)
	}
	return room
}

// add puts a new entry where its nonce belongs.
func (r *drain) add(e Entry) {
	i := 0
	for i < len(r.entries) && r.entries[i].Nonce < e.Nonce {
		i++
	}
	r.entries = append(r.entries[:i:i], append([]Entry{e}, r.entries[i:]...)...)
}
