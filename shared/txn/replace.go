package txn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const (
	// maxTxs is the most transactions that one nonce is signed for. From any price
	// to a hundred times that, replacements by a tenth take fewer; the entry has to
	// fit an item of the store, some 400 kB.
	maxTxs = 64
	// maxRaw is the most bytes of all transactions of one nonce, for the same
	// reason: a batch of 32 calls has some 18 kB. The last one that fits goes
	// straight to the cap.
	maxRaw = 256 << 10
)

// replace signs a transaction of the same nonce at a higher price: of the acts
// that are still wanted, or of nothing at all if none is, which may cost as much
// as the acts might have. What holds an act that cannot be judged now is raised
// as it is: not knowing is no reason to leave it out. atLeast are fees that it has to reach, nil for none.
// It reports whether the journal has it.
func (r *drain) replace(ctx context.Context, f flying, s standing, atLeast *Fees) (bool, error) {
	last := f.last()
	about := swap.Action{ChainID: r.ChainID}
	if len(f.Acts) > 0 {
		about = swap.Action{Order: f.Acts[0].Order, ChainID: r.ChainID, Escrow: f.Acts[0].Action.Escrow, Call: f.Acts[0].Action.Call}
	}
	call, aim, most, data := noop(r.Account), r.fillCap(f), r.fillCap(f), uint256.Int{}
	asItIs := len(s.unknown) > 0 && !s.forbidden && !s.doomed
	switch {
	case asItIs:
		var err error
		if call, err = again(r.Account, last); err != nil {
			return false, err
		}
		if data, err = r.dataFee(ctx, call); err != nil {
			return false, err
		}
		aim, most = r.mixed(s)
	case len(s.wanted) > 0:
		var err error
		if call, err = r.assemble(s.wanted); err != nil {
			return false, err
		}
		if data, err = r.dataFee(ctx, call); err != nil {
			return false, err
		}
		about = s.wanted[0].work.Action
		aim = sum(s.wanted, func(a swap.Action) *uint256.Int { return ceiling(a, r.head.Time, r.chain.Inclusion) })
		most = sum(s.wanted, func(a swap.Action) *uint256.Int { return &a.FeeCap })
	case r.custody == Shared && s.forbidden:
		r.find(swap.CannotAct, swap.Critical, about, "a call in flight is forbidden by now, and the nonce of a shared signer is not used up for nothing")
		return false, nil
	case r.custody == Shared:
		// It can only revert, and others wait behind it: raised as it is, since a
		// shared key uses no nonce up for nothing.
		var err error
		if call, err = again(r.Account, last); err != nil {
			return false, err
		}
	}
	pressed := len(s.wanted) == 0 || r.pressed(s)
	if !pressed && atLeast == nil {
		most = aim // it waits for a patient price in the pool as well as before
	}
	full := len(f.Txs) >= maxTxs || rawSize(f.Entry)+len(last.Raw) > maxRaw
	if len(f.Txs) == maxTxs-1 || rawSize(f.Entry)+2*len(last.Raw) > maxRaw {
		aim = most
	}
	margin := withMargin(data)
	spend := plus(&r.state.Balance, cost(last.Gas, &last.FeeCap))
	aim = *lower(&aim, spend)
	fees, ok := r.bid(s, call.Gas, *minus(&aim, margin), *minus(&most, margin), &last, atLeast)
	if !ok && !full && !asItIs && atLeast == nil {
		if fewer, some := r.unburdened(s, last); some {
			return r.replace(ctx, f, fewer, nil)
		}
	}
	if !ok || full {
		if pressed && atLeast == nil {
			r.find(swap.FeeCapLow, swap.Critical, about, "the cap leaves no room to replace a waiting transaction")
		}
		return false, nil
	}
	price := plus(cost(call.Gas, &fees.FeeCap), margin)
	if spend.Lt(price) {
		r.findOf(swap.SignerDry, about, "the signer's balance does not cover the gas of a replacement")
		return false, nil
	}
	tx, err := r.sign(ctx, call, f.Nonce, fees)
	if err != nil {
		return false, err
	}
	switch {
	case asItIs:
		tx.Acts = last.Acts
	case len(s.acts) > 0 && len(s.acts) < len(f.Acts):
		tx.Acts = s.acts
	case len(s.acts) == 0:
		tx.Acts = last.Acts // nothing, or the same again
	}
	next := f.Entry
	next.Txs = append(slices.Clone(f.Txs), tx)
	if err := r.record(ctx, next, nil); err != nil {
		return false, err
	}
	r.entries[f.at], r.touched[f.Nonce] = next, true
	r.state.Balance = *minus(spend, price)
	if atLeast != nil {
		r.done.Lifted++
	} else {
		r.done.Bumped++
	}
	r.Log.InfoContext(ctx, "replacing", "order", about.Order.String(), "chain", r.ChainID, "escrow", about.Escrow.Hex(),
		"action", about.Call.String(), "tx", tx.Hash.Hex(), "nonce", f.Nonce, "nothing", isNoop(tx), "lifted", atLeast != nil)
	return true, r.broadcast(ctx, tx)
}

// unburdened leaves of a batch what could pay the price of a replacement out of
// its own cap, where something that is not to wait is among it and the others
// could not: the caps of those must not hold it. They are sent again later.
func (r *drain) unburdened(s standing, last Tx) (standing, bool) {
	fewer := s
	fewer.wanted, fewer.acts = nil, nil
	for i, d := range s.wanted {
		a := d.work.Action
		if _, ok := Price(r.state, gasOf(d.Case, a)+gasResolver, a.FeeCap, a.FeeCap, &last); ok {
			fewer.wanted, fewer.acts = append(fewer.wanted, d), append(fewer.acts, s.acts[i])
		}
	}
	return fewer, len(fewer.wanted) < len(s.wanted) && r.pressed(fewer)
}

// again is the call of a transaction that was signed before.
func again(a Account, t Tx) (Call, error) {
	var tx types.Transaction
	if err := tx.UnmarshalBinary(t.Raw); err != nil || tx.To() == nil {
		return Call{}, fmt.Errorf("decode transaction %s: %w", t.Hash, cmp.Or(err, errors.New("it calls nobody")))
	}
	return Call{ChainID: a.ChainID, From: a.Signer, To: *tx.To(), Data: tx.Data(), Gas: tx.Gas()}, nil
}

// bid prices a replacement. What has a deadline offers the builders of blocks
// more the nearer it comes, up to all that its actions may cost.
func (r *drain) bid(s standing, gas uint64, aim, most uint256.Int, last *Tx, atLeast *Fees) (Fees, bool) {
	state := r.state
	far := int64(0)
	for _, d := range s.wanted {
		if pressing(d.work.Action, r.head.Time, r.chain.Inclusion) {
			far = max(far, ripe(d.work.Action, r.head.Time, r.chain.Inclusion))
		}
	}
	if spare := minus(new(uint256.Int).Div(&aim, uint256.NewInt(max(1, gas))), &state.BaseFee); far > 0 {
		state.Tip = *higher(&state.Tip, share(spare, far))
	}
	if atLeast != nil {
		tip, _ := atLeast.earns(state)
		state.Tip = *higher(&r.state.Tip, &tip)
		aim = *higher(&aim, lower(&most, cost(gas, &atLeast.FeeCap)))
	}
	return Price(state, gas, aim, most, last)
}

// mixed is what a transaction may cost now, and at most, that holds acts which
// are wanted and others which cannot be judged: those count as patient ones.
func (r *drain) mixed(s standing) (aim, most uint256.Int) {
	aim = sum(s.wanted, func(a swap.Action) *uint256.Int { return ceiling(a, r.head.Time, r.chain.Inclusion) })
	most = sum(s.wanted, func(a swap.Action) *uint256.Int { return &a.FeeCap })
	for _, a := range s.unknown {
		limit := r.chain.FeeCap[a.Action.Call]
		aim = *plus(&aim, new(uint256.Int).Div(&limit, uint256.NewInt(patientShare)))
		most = *plus(&most, &limit)
	}
	return aim, most
}

// fillCap is what a transaction of nothing may cost in place of an entry: as much
// as its acts. Where there are none, because the nonce was a gap, as much as the
// dearest of what waits behind it.
func (r *drain) fillCap(f flying) uint256.Int {
	total := new(uint256.Int)
	for _, a := range f.Acts {
		limit := r.chain.FeeCap[a.Action.Call]
		total = plus(total, &limit)
	}
	if len(f.Acts) > 0 {
		return *total
	}
	for _, e := range r.entries {
		for _, a := range e.Acts {
			if limit := r.chain.FeeCap[a.Action.Call]; e.Nonce > f.Nonce {
				total = higher(total, &limit)
			}
		}
	}
	return *total
}

// rawSize is how many bytes the transactions of an entry have.
func rawSize(e Entry) (n int) {
	for _, t := range e.Txs {
		n += len(t.Raw)
	}
	return n
}
