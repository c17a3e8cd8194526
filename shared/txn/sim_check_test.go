package txn_test

import (
	"context"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// police looks at everything that is broadcast: it stands in the journal, it
// costs no more than the operator's cap, and no nonce is left out below it.
func (w *world) police(chain uint64, raw []byte) {
	if !w.journal.Knows(raw) {
		w.fail("broadcast without a journal entry")
	}
	var tx types.Transaction
	if err := tx.UnmarshalBinary(raw); err != nil {
		w.fail("broadcast: %v", err)
	}
	entries := map[uint64]txn.Entry{}
	for _, e := range w.journal.All(w.account(chain)) {
		entries[e.Nonce] = e
	}
	e := entries[tx.Nonce()]
	var limit uint256.Int
	for _, a := range e.Acts {
		c := w.policy.Chains[chain].FeeCap[a.Action.Call]
		limit.Add(&limit, &c)
	}
	if len(e.Acts) == 0 { // fills a gap, for those behind it
		limit = w.policy.Chains[chain].FeeCap[swap.Withdraw]
	}
	if most := new(uint256.Int).Mul(uint256.MustFromBig(tx.GasFeeCap()), uint256.NewInt(tx.Gas())); most.Gt(&limit) {
		w.fail("nonce %d may cost %s, the caps of its actions are %s", tx.Nonce(), most, &limit)
	}
	if tx.Value().Sign() != 0 {
		w.fail("nonce %d sends money", tx.Nonce())
	}
	c := w.chains[chain]
	for n := c.head().state.nonces[w.signer]; n < tx.Nonce(); n++ {
		if _, ok := entries[n]; !ok && !c.knowsForeign(n) && (c.lied == 0 || tx.Nonce() < c.lied) {
			w.fail("nonce %d is broadcast and %d left out", tx.Nonce(), n)
		}
	}
}

func (c *simChain) knowsForeign(nonce uint64) bool {
	for _, tx := range c.seen {
		if tx.foreign && tx.nonce == nonce {
			return true
		}
	}
	return false
}

// oneNonce checks that no action is under way twice: of one action there is at
// most one open entry, and none that is later than one that did its job; but for
// those whose nonce was once used in vain.
func (w *world) oneNonce() {
	for chain, c := range w.chains {
		open, done := map[swap.ActionKey]uint64{}, map[swap.ActionKey]bool{}
		for _, e := range w.journal.All(w.account(chain)) {
			if c.lied != 0 && e.Nonce >= c.lied {
				continue // signed before those below it
			}
			for _, a := range e.Acts {
				k := a.Action
				if done[k] {
					w.fail("%s of escrow %s was done, and sent again with nonce %d", k.Call, k.Escrow, e.Nonce)
				}
				if n, twice := open[k]; twice {
					w.fail("%s of escrow %s is in flight with nonces %d and %d", k.Call, k.Escrow, n, e.Nonce)
				}
				if e.State == txn.Open && !c.dead[e.Nonce] {
					open[k] = e.Nonce
				}
			}
			for _, t := range e.Txs {
				for _, ev := range c.head().state.mined[t.Hash].Events {
					for _, a := range e.Acts {
						done[a.Action] = done[a.Action] || a.Action.EndedBy(ev) && !c.dead[e.Nonce]
					}
				}
			}
		}
	}
}

// quiet reports whether nothing is left to do: no open entry, no live work,
// every src leg ended, and a plan that wants nothing now.
func (w *world) quiet() bool {
	for chain := range w.chains {
		if open, _, err := w.journal.Entries(context.Background(), w.account(chain)); err != nil || len(open) > 0 {
			return false
		}
	}
	if len(w.works.All()) > 0 {
		return false
	}
	views := w.views()
	for _, id := range w.ids {
		c, err := w.plan(id, views)
		if err != nil || w.ended(c.State.Src.LegRecord) == 0 {
			return false
		}
		for _, a := range c.Decision.Actions {
			if a.Refused == "" {
				return false
			}
		}
	}
	return true
}

// heal lets everything work again until nothing is left to do.
func (w *world) heal() {
	w.calm()
	w.note("heal")
	for range 200 {
		w.around()
		w.oneNonce()
		if w.quiet() {
			return
		}
	}
	for chain := range w.chains {
		for _, e := range w.journal.All(w.account(chain)) {
			w.note("chain %d nonce %d %s %v %d txs", chain, e.Nonce, e.State, e.Acts, len(e.Txs))
		}
	}
	for _, work := range w.works.All() {
		w.note("%+v", work)
	}
	w.fail("not quiet in the end")
}

// around is one round of everybody: blocks, logs, monitors, executor, tracker.
func (w *world) around() {
	for _, chain := range []uint64{srcChain, dstChain} {
		c := w.chains[chain]
		c.mine(c.step)
		w.sync(chain)
	}
	w.sweep()
	for _, chain := range []uint64{srcChain, dstChain} {
		_, _, _ = w.drain(context.Background(), chain) // what it fails at, the next round heals
		_, _, _ = w.track(context.Background(), chain)
	}
}

// ended returns how a leg ended, zero if it is open.
func (w *world) ended(l swap.LegRecord) swap.EventKind {
	return w.chains[l.ChainID].head().state.ended[l.Escrow]
}
