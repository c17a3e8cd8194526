package txn

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// noteNeed notes what the most urgent action would pay that has no room in the
// pool: it gets none before what is there is mined.
func (r *drain) noteNeed(items []ready) {
	a := items[0].work.Action
	limit := ceiling(a, r.head.Time, r.chain.Inclusion)
	if fees, ok := Price(r.state, gasOf(items[0].Case, a), *limit, *limit, nil); ok && r.need == nil && pressing(a, r.head.Time, r.chain.Inclusion) {
		r.need = &fees
	}
}

// lift raises the fees of what is in front of something with a deadline to the
// latter's, be it in the pool too or waiting for room there: nonces come in their
// order, so nobody is served before those in front. Each pays for itself, up to
// its own cap.
func (r *drain) lift(ctx context.Context) error {
	if r.stopped() {
		return nil
	}
	var errs []error
	need := r.need
	var pays uint256.Int // to a builder, for each gas
	if need != nil {
		pays, _ = need.earns(r.state)
	}
	for i := len(r.entries) - 1; i >= 0; i-- {
		e := r.entries[i]
		if e.Nonce < r.state.Latest || e.Nonce >= r.far {
			continue
		}
		f := flying{Entry: e, at: i, known: true}
		own := f.last().fees()
		tip, ok := own.earns(r.state)
		s := r.standing(f)
		if slow := need != nil && !s.early && !s.forbidden && (!ok || below(tip, pays)); slow && r.touched[e.Nonce] {
			r.left = true // what was written in this pass has to be read anew first
		} else if slow {
			lifted, err := r.replace(ctx, f, s, need)
			if err != nil {
				errs = append(errs, fmt.Errorf("lift nonce %d: %w", e.Nonce, err))
			}
			if r.stopped() {
				break
			}
			if !lifted && err == nil {
				r.find(swap.FeeCapLow, swap.Critical, swap.Action{}, "the cap of a transaction in front of one with a deadline leaves no room to lift it")
			}
		}
		if ok && r.pressed(s) && (need == nil || below(pays, tip)) {
			need, pays = &own, tip
		}
	}
	return errors.Join(errs...)
}

// below reports whether a price is lower than another by what a replacement
// takes: less is not worth one.
func below(a, b uint256.Int) bool { return raised(a).Lt(&b) }

// pressed reports whether a transaction holds anything that is not to wait.
func (r *drain) pressed(s standing) bool {
	return slices.ContainsFunc(s.wanted, func(d ready) bool { return pressing(d.work.Action, r.head.Time, r.chain.Inclusion) })
}
