package txn

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// bumpAfter is the least number of seconds of block time that an unmined
// transaction is left alone before its fees are raised.
const bumpAfter = 15

// maxTxs is the most transactions that one nonce is signed for. From any price
// to a hundred times that, replacements by a tenth take fewer; the entry has to
// fit an item of the store, some 400 kB.
const maxTxs = 64

// stale reports whether an unmined transaction has waited so many times longer
// than inclusion takes.
func stale(t Tx, head swap.Block, inclusion int64, times int64) bool {
	return head.Time.Sub(t.Head.Time) >= times*max(bumpAfter, inclusion)
}

// flying is an entry whose nonce is not used yet.
type flying struct {
	Entry
	at    int  // index among the drain's entries
	act   Act
	known bool // a pool has its latest transaction
}

// flying looks up the transactions of the entries that are not mined.
func (r *drain) flying(ctx context.Context) ([]flying, error) {
	var waiting []flying
	var unmined []Entry
	for i, e := range r.entries {
		if e.Nonce < r.state.Latest {
			continue // the tracker finds out by what it was used
		}
		waiting, unmined = append(waiting, flying{Entry: e, at: i, act: e.Acts[0]}), append(unmined, e)
	}
	outcomes, err := lookUp(ctx, r.Backend, r.Account, unmined)
	if err != nil {
		return nil, err
	}
	out := waiting[:0]
	for i, f := range waiting {
		if slices.ContainsFunc(outcomes[i], func(o Outcome) bool { return o.Mined }) {
			continue
		}
		f.known = outcomes[i][len(f.Txs)-1].Known
		out = append(out, f)
	}
	return out, nil
}

// lookUp asks what became of the transactions of each entry, in their order.
func lookUp(ctx context.Context, b Backend, a Account, entries []Entry) (out [][]Outcome, err error) {
	var hashes []common.Hash
	for _, e := range entries {
		for _, t := range e.Txs {
			hashes = append(hashes, t.Hash)
		}
	}
	if len(hashes) == 0 {
		return nil, nil
	}
	all, err := b.Outcomes(ctx, a.ChainID, hashes)
	if err == nil && len(all) != len(hashes) {
		err = fmt.Errorf("%d answers to %d questions", len(all), len(hashes))
	}
	if err != nil {
		return nil, fmt.Errorf("look up transactions of %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	for _, e := range entries {
		out, all = append(out, all[:len(e.Txs)]), all[len(e.Txs):]
	}
	return out, nil
}

// tend looks after one transaction in flight: what the plan forbids is replaced
// by nothing, bytes that no pool knows are sent again as they are, and what
// waits too long gets better fees, or is replaced by nothing if it is of no use
// any more, because others wait behind its nonce. A case that cannot be decided
// is no reason to stop anything: its bytes were right when they were signed.
func (r *drain) tend(ctx context.Context, f flying) error {
	last := f.Txs[len(f.Txs)-1]
	c, whole, ok := r.decided(f.act.Order)
	a, wanted := c.Decision.Wanted(f.act.Action)
	wanted = wanted && a.Signer == r.Account.Signer
	forbidden := ok && whole && !isNoop(last) && forbids(c, f.act.Action, r.head.Time)
	if wanted && r.sendAt(a.From) > r.head.Time {
		return nil // a reorg took the time back
	}
	times := int64(1)
	if !f.known {
		times = 2 // sent once more as it is before it costs more
	}
	late := stale(last, r.head, r.chain.Inclusion, times)
	replaced, err := false, error(nil)
	switch {
	case wanted && (isNoop(last) || late):
		replaced, err = r.replace(ctx, f, &a, c)
	case !wanted && (forbidden || late && (isNoop(last) || ok && whole)):
		replaced, err = r.replace(ctx, f, nil, c)
	}
	if forbidden {
		return err // never sent again as it is, even if it cannot be replaced now
	}
	if err != nil || replaced || f.known || r.stopped() {
		return err
	}
	r.done.Resent++
	return r.broadcast(ctx, last)
}

// forbids reports whether the plan forbids what is in flight although it could
// still take effect. A call on a leg that has ended, or after its window, can
// only revert, and using the nonce up otherwise would not be better.
//
// Some refusals say nothing against an action that was right when it was sent,
// such as one for its price. One that only waits stops what loses nothing by
// being later; what has a hard deadline would be lost by it.
func forbids(c swap.Case, k swap.ActionKey, head swap.ChainTime) bool {
	leg, ok := legOf(c.State, k.ChainID, k.Escrow)
	if !ok || leg.Status != swap.LegOpen {
		return false
	}
	if w, _ := leg.Window(k.Call); w.Until != 0 && head >= w.Until {
		return false
	}
	i := slices.IndexFunc(c.Decision.Actions, func(a swap.Action) bool { return a.Key() == k })
	if i < 0 {
		return true
	}
	switch a := c.Decision.Actions[i]; {
	case a.Refused.Waits():
		return a.Hard == 0
	case slices.Contains(harmless, a.Refused):
		return false
	}
	return true
}

// harmless are the refusals for which nothing is stopped that is in flight.
var harmless = []swap.Reason{"", swap.NoPath, swap.NoFeeCap, swap.NotWorthIt, swap.Unfunded, swap.ShortParameters, swap.UnknownDstChain}

// replace signs a transaction of the same nonce at a higher price: of the same
// action, or of nothing at all where action is nil, which may cost as much as
// the action might have. It reports whether the journal has it.
func (r *drain) replace(ctx context.Context, f flying, action *swap.Action, c swap.Case) (bool, error) {
	last := f.Txs[len(f.Txs)-1]
	about := swap.Action{Order: f.act.Order, ChainID: r.ChainID, Escrow: f.act.Action.Escrow, Call: f.act.Action.Call}
	call, limit := noop(r.Account), r.chain.FeeCap[f.act.Action.Call]
	if action != nil {
		var err error
		if call, err = r.build(c, *action); err != nil {
			return false, err
		}
		about, limit = *action, action.FeeCap
	}
	fees, ok := Price(r.state, call.Gas, limit, &last)
	if !ok || len(f.Txs) >= maxTxs {
		r.find(swap.FeeCapLow, swap.Critical, about, "the cap leaves no room to replace a waiting transaction")
		return false, nil
	}
	spend := plus(&r.state.Balance, cost(last.Gas, &last.FeeCap))
	if spend.Lt(cost(call.Gas, &fees.FeeCap)) {
		r.find(swap.SignerDry, swap.Critical, about, "the signer's balance does not cover the gas of a replacement")
		return false, nil
	}
	tx, err := r.sign(ctx, call, f.Nonce, fees)
	if err != nil {
		return false, err
	}
	next := f.Entry
	next.Txs = append(slices.Clone(f.Txs), tx)
	if err := r.record(ctx, next, nil); err != nil {
		return false, err
	}
	r.entries[f.at].Txs = next.Txs
	r.state.Balance = *minus(spend, cost(call.Gas, &fees.FeeCap))
	r.done.Bumped++
	r.Log.InfoContext(ctx, "replacing", "order", f.act.Order.String(), "chain", r.ChainID, "escrow", f.act.Action.Escrow.Hex(),
		"action", f.act.Action.Call.String(), "tx", tx.Hash.Hex(), "nonce", f.Nonce, "nothing", action == nil)
	return true, r.broadcast(ctx, tx)
}
