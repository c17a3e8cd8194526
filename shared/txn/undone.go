package txn

import (
	"context"
	"fmt"
	"math"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// maxUndone is the most settled entries that a pass looks at because a chain's
// nonce lies below them.
const maxUndone = 64

// settled is what a pass knows of the settled entries whose nonce the chain does
// not show as used: their nonces are not free, whatever the chain says.
type settled struct {
	nonces map[uint64]bool
	// acts are those of the entries that did their job: they are not sent again
	// on a reading of the chain on which they are not done yet.
	acts map[swap.ActionKey]bool
	// from: the settled entries from this nonce up to the highest ever journalled
	// have not been read. Zero: all have been.
	from uint64
}

// holds reports whether a nonce is not free because it was settled, perhaps.
func (s settled) holds(n uint64) bool { return s.nonces[n] || s.from != 0 && n >= s.from }

// reopen looks for settled entries whose nonce the chain shows as unused. Where
// it is read at a head at which they were settled already, or at a later one, and
// no node knows their transactions as mined, a reorg deeper than what counts as
// final has taken them back: they are open again, so that their bytes are
// broadcast as any others that no pool knows, and settled once more. An account
// whose nonces are where the journal has them costs nothing.
func (r *drain) reopen(ctx context.Context) error {
	r.settled, r.far = settled{}, math.MaxUint64
	from, ok := r.unused()
	if !ok {
		return nil
	}
	done, err := r.Journal.Done(ctx, r.Account, from, maxUndone)
	if err != nil {
		return fmt.Errorf("read settled entries of %s on chain %d: %w", r.Account.Signer, r.ChainID, err)
	}
	outcomes, err := lookUp(ctx, r.Backend, r.Account, done)
	if err != nil {
		return err
	}
	r.settled.nonces, r.settled.acts = map[uint64]bool{}, map[swap.ActionKey]bool{}
	if len(done) == maxUndone {
		r.settled.from = done[maxUndone-1].Nonce + 1
	}
	for i, e := range done {
		if !r.gone(e, outcomes[i]) {
			r.keep(e)
			continue
		}
		if r.inPool() >= r.config.PoolCap {
			r.left = true // its turn comes when those before it are mined
			r.keep(e)
			continue
		}
		if err := r.openAgain(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// unused is the lowest nonce that the chain shows as unused and the journal does
// not show as open, although it has used one as high.
func (r *drain) unused() (n uint64, ok bool) {
	n = r.state.Latest
	for _, e := range r.entries {
		if e.Nonce > n {
			break
		}
		if e.Nonce == n {
			n++
		}
	}
	return n, n < r.next
}

// keep notes that the nonce of a settled entry is not free.
func (r *drain) keep(e Entry) {
	r.settled.nonces[e.Nonce] = true
	if e.State != Mined {
		return
	}
	for _, a := range e.Acts {
		r.settled.acts[a.Action] = true
	}
}

// gone reports whether what settled an entry has left the chain.
func (r *drain) gone(e Entry, mine []Outcome) bool {
	since := e.SettledAt
	if since == (swap.Block{}) {
		since = e.last().Head // a former release settled it, later than this
	}
	for _, o := range mine {
		if o.Mined {
			return false
		}
	}
	return r.state.Head.Number >= since.Number
}

// openAgain makes a settled entry open.
func (r *drain) openAgain(ctx context.Context, e Entry) error {
	e.State, e.UndoneAt = Open, r.state.Head
	if err := r.write(ctx, e.Nonce, func() error { return r.Journal.Reopen(ctx, r.hold.Fence(), e) }); err != nil {
		return err
	}
	e.Version++
	r.add(e)
	r.done.Reopened++
	r.Log.ErrorContext(ctx, "a final transaction left the chain", "chain", r.ChainID, "signer", r.Account.Signer.Hex(), "nonce", e.Nonce, "tx", e.last().Hash.Hex())
	return nil
}

// tellUndone tells of what is open again until it is final once more: a drain
// that dies keeps nothing from being told.
func (r *drain) tellUndone() {
	const detail = "a transaction that was final is no longer on the chain; the same one is sent again"
	for _, e := range r.entries {
		if !e.undone() {
			continue
		}
		for _, act := range e.Acts {
			a, wanted := r.cases[act.Order].Decision.Wanted(act.Action)
			if !wanted { // the plan does not know yet that it is to be done again
				a = swap.Action{Order: act.Order, Escrow: act.Action.Escrow, Call: act.Action.Call}
			}
			r.find(swap.TxUndone, swap.Critical, a, detail)
		}
		if len(e.Acts) == 0 {
			r.find(swap.TxUndone, swap.Critical, swap.Action{}, detail)
		}
	}
}
