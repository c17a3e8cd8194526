package txn

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// nearDeadline: actions whose hard deadline falls into the same bucket of this
// many seconds go in order of value.
const nearDeadline = 60

// ready is work that passed the plan.
type ready struct {
	work swap.Work
	swap.Case
}

// sendAll sends what it can of work that has been planned: what is due, in time,
// worth its price now, and has room. next is when the rest is worth another look.
func (r *drain) sendAll(ctx context.Context, works []swap.Work) (next swap.ChainTime, err error) {
	due, err := r.due(ctx, works)
	errs := []error{err}
	slices.SortStableFunc(due, func(a, b ready) int { return byUrgency(a.work, b.work) })
	var now []ready
	for _, d := range due {
		at := r.sendAt(d.work.From)
		if ahead := at.Sub(r.head.Time); ahead > 0 {
			if ahead <= waitAhead {
				next = earliest(next, at)
			}
			r.done.Waiting++
			continue
		}
		if r.affordable(d) {
			now = append(now, d)
		}
	}
	parcels := pack(r.inTime(now))
	for len(parcels) > 0 && !r.stopped() {
		room := r.room()
		if room <= 0 {
			break
		}
		n := min(room, len(parcels))
		errs = append(errs, r.fill(ctx, parcels[:n], room))
		parcels = parcels[n:]
	}
	r.wait(parcels)
	if len(parcels) > 0 {
		r.noteNeed(parcels[0].items)
	}
	return next, errors.Join(errs...)
}

// affordable reports whether the price of the block is one that the action may
// cost by now. One that it may not cost yet waits; one above its whole cap is
// refused, and a person is told.
func (r *drain) affordable(d ready) bool {
	a := d.work.Action
	call, err := Build(d.Case, a)
	if err != nil {
		return true // where it is sent, the error is told
	}
	if _, ok := Price(r.state, call.Gas, a.FeeCap, a.FeeCap, nil); !ok {
		if d.work.State != swap.WorkSubmitted {
			r.find(swap.FeeCapLow, swap.Critical, a, "the cap does not cover the chain's base fee")
			r.refuse(d.work, "fee cap below the base fee")
		}
		return false
	}
	limit := ceiling(a, r.head.Time, r.chain.Inclusion)
	if _, ok := Price(r.state, call.Gas, *limit, *limit, nil); !ok {
		r.done.Waiting++
		r.left = r.left || r.near(a)
		return false
	}
	return true
}

// inTime puts behind the others what cannot be included before its hard deadline
// any more, by the room in the pool and the time that inclusion takes, and says
// so. What can still be saved goes first. What would come too late only because
// greater values go before it comes first, if that costs none of those its time.
func (r *drain) inTime(due []ready) []ready {
	saved, late := r.reached(due)
	var lost []ready
	for _, d := range late {
		if len(lost) < r.config.PoolCap { // after so many in vain there is no time to spare
			first := append([]ready{d}, saved...)
			if _, worse := r.reached(first); len(worse) == 0 {
				saved = first
				continue
			}
		}
		lost = append(lost, d)
		r.find(swap.DeadlineLost, swap.Critical, d.work.Action, cannotReach)
	}
	return append(saved, lost...)
}

// reached tells those that can be included before their hard deadline, in this
// order, from those that cannot.
func (r *drain) reached(due []ready) (saved, late []ready) {
	slots := map[string]int{}
	used := r.inPool()
	for _, d := range due {
		a := d.work.Action
		// Calls that share a transaction share its place.
		place, group := used, ""
		if a.Path == swap.PathResolver {
			group = a.Taker.Hex()
			place += slots[group] / MaxActs
		}
		if !r.reaches(a, place) {
			late = append(late, d)
			continue
		}
		saved = append(saved, d)
		if slots[group]++; group == "" {
			used++
		}
	}
	return saved, late
}

const cannotReach = "more is due before this deadline than the account can send in time"

// reaches reports whether an action can be included before its hard deadline that
// so many transactions of the account come before.
func (r *drain) reaches(a swap.Action, place int) bool {
	blocks := int64(place / r.config.PoolCap)
	return a.Hard == 0 || r.head.Time.Add(max(1, r.chain.MinBlockTime)+blocks*r.config.BlockTime) < a.Hard
}

// byUrgency orders by bucket of hard deadline (none is last), then by value,
// a token without a price before any other.
func byUrgency(a, b swap.Work) int {
	if c := cmp.Compare(bucket(a.Action), bucket(b.Action)); c != 0 {
		return c
	}
	if c := -cmp.Compare(rank(a.Priceless), rank(b.Priceless)); c != 0 {
		return c
	}
	if c := -a.AtRisk.Cmp(&b.AtRisk); c != 0 {
		return c
	}
	return cmp.Or(a.Escrow.Cmp(b.Escrow), cmp.Compare(a.Call, b.Call), a.Token.Cmp(b.Token))
}

func bucket(a swap.Action) int64 {
	if a.Hard == 0 {
		return 1<<63 - 1
	}
	return int64(a.Hard) / nearDeadline
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sum adds what the actions of a parcel may cost.
func sum(items []ready, each func(swap.Action) *uint256.Int) uint256.Int {
	total := new(uint256.Int)
	for _, d := range items {
		total = plus(total, each(d.work.Action))
	}
	return *total
}
