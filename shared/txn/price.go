package txn

import (
	"context"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// now prices a parcel by what its actions may cost by now together.
func (r *drain) now(p parcel) (Fees, bool) {
	all := sum(p.items, func(a swap.Action) *uint256.Int { return ceiling(a, r.head.Time, r.chain.Inclusion) })
	aim := *minus(&all, withMargin(p.data))
	return Price(r.state, p.call.Gas, aim, aim, nil)
}

// alone reports whether one action of a parcel, for so much, could pay its own
// gas and its share of the data fee.
func (r *drain) alone(p parcel, d ready, limit *uint256.Int) bool {
	share := new(uint256.Int).Div(withMargin(p.data), uint256.NewInt(uint64(len(p.items))))
	gas := p.call.Gas
	if len(p.items) > 1 {
		gas = gasOf(d.Case, d.work.Action) + gasResolver
	}
	limit = minus(limit, share)
	_, ok := Price(r.state, gas, *limit, *limit, nil)
	return ok
}

// able takes out of a batch, if its actions cannot pay for it together by now,
// those that do not even bear their own share of it: they must not hold the
// others.
func (r *drain) able(ctx context.Context, p parcel) ([]parcel, error) {
	if _, ok := r.now(p); ok || len(p.items) == 1 {
		return []parcel{p}, nil
	}
	var rich, poor []ready
	for _, d := range p.items {
		if r.alone(p, d, ceiling(d.work.Action, r.head.Time, r.chain.Inclusion)) {
			rich = append(rich, d)
		} else {
			poor = append(poor, d)
		}
	}
	if len(rich) == 0 || len(poor) == 0 {
		return []parcel{p}, nil
	}
	r.tooDear(p, poor)
	good, bad, err := r.rehearse(ctx, rich, false)
	r.refuseAll(bad)
	return good, err
}

// tooDear lets those actions of a parcel wait that may not cost so much yet, and
// refuses those whose whole cap does not suffice.
func (r *drain) tooDear(p parcel, items []ready) {
	for _, d := range items {
		a := d.work.Action
		if d.work.State == swap.WorkSubmitted || r.alone(p, d, &a.FeeCap) {
			r.done.Waiting++
			r.left = r.left || r.near(a)
			continue
		}
		r.find(swap.FeeCapLow, swap.Critical, a, "the cap does not cover the chain's base fee and the rollup's data fee")
		r.refuse(d.work, "fee cap below the chain's fees")
	}
}

// near reports whether the hard deadline of an action is so near that a drain
// stays with it.
func (r *drain) near(a swap.Action) bool {
	return a.Hard != 0 && a.Hard.Sub(r.head.Time) < closeBy
}

// price chooses what a parcel is to cost, as much as its actions may cost by now
// together. It reports false if that does not suffice: then it waits, or where
// the whole of the caps does not suffice, is refused.
func (r *drain) price(p *parcel) bool {
	data := withMargin(p.data)
	var ok bool
	if p.fees, ok = r.now(*p); !ok {
		r.tooDear(*p, p.items)
		return false
	}
	if have := minus(&r.state.Balance, data); have.Lt(cost(p.call.Gas, &p.fees.FeeCap)) { // with less to spare, then
		p.fees, ok = Price(r.state, p.call.Gas, *have, *have, nil)
	}
	if p.price = *plus(cost(p.call.Gas, &p.fees.FeeCap), data); !ok || r.state.Balance.Lt(&p.price) {
		for _, d := range p.items {
			if d.work.State != swap.WorkSubmitted {
				r.findOf(swap.SignerDry, d.work.Action, "the signer's balance does not cover the gas")
				r.refuse(d.work, "signer cannot pay for gas")
			}
		}
		return false
	}
	r.state.Balance = *minus(&r.state.Balance, &p.price)
	return true
}
