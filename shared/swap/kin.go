package swap

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// A dst leg may match several orders, since anyone can copy a source in the
// BMN family: see docs/decisions/0002. Then one kind of order decides about it.

// standing says how sure it is that an order is a swap that our side entered
// into, by what nobody can forge. The zero value is the least.
type standing uint8

const (
	// copied: somebody else made its source, and it holds nothing of worth.
	copied standing = iota
	// funded: somebody else made its source, and put something of worth there.
	funded
	// meant: its source comes from an order fill, or an account of ours made it.
	meant
)

func (p *Policy) standing(s *State) standing {
	switch {
	case s.Src.Family != BMNv4 || s.Src.Ours:
		return meant
	case p.Worth(s.Src.Leg):
		return funded
	}
	return copied
}

// AsksKin lists the dst legs of which it matters whether other orders have them
// too, given what Plan made of the order without asking: those that it wants to
// take something back from within the horizon, and all of an order that may
// have to leave them to others. Mostly there are none.
func AsksKin(s State, d Decision, views Views, p Policy) []OrderID {
	var out []OrderID
	if p.standing(&s) < meant {
		for i := range s.Dsts {
			out = append(out, OrderID{s.Dsts[i].ChainID, s.Dsts[i].Escrow})
		}
		return out
	}
	for _, a := range d.Actions {
		soon := a.From.Sub(views[a.ChainID].Head.Time) <= p.Horizon
		if id := (OrderID{a.ChainID, a.Escrow}); a.Side == Dst && a.Call != Withdraw && a.Call != PublicWithdraw &&
			a.Refused == "" && soon && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// has reports whether the escrow is a proven dst leg of the order.
func (s *State) has(chain uint64, escrow common.Address) bool {
	return slices.ContainsFunc(s.Dsts, func(d LegState) bool { return d.ChainID == chain && d.Escrow == escrow })
}

// yields reports whether the order leaves what both have to other: to one that
// is surer to be meant, or as sure and on the chain where its own source is not
// any more. A source that a reorganisation moved has a successor.
func (pl *planner) yields(s, other *State) bool {
	a, b := pl.policy.standing(s), pl.policy.standing(other)
	return a < b || a == b && s.Src.Status == LegAbsent && other.Src.Status != LegAbsent
}

// yield takes the dst legs out of the plan that are left to others, and returns
// them: the order is planned as if it had none of them. So nothing is paid, and
// no source claimed, on the word of a copy.
func (pl *planner) yield() (left []LegState) {
	if len(pl.Kin) == 0 {
		return nil
	}
	own := make([]LegState, 0, len(pl.Dsts))
	for _, d := range pl.Dsts {
		if slices.ContainsFunc(pl.Kin, func(k State) bool { return k.has(d.ChainID, d.Escrow) && pl.yields(pl.State, &k) }) {
			left = append(left, d)
		} else {
			own = append(own, d)
		}
	}
	pl.Dsts = own
	return left
}

// kinObject returns why a dst leg must not be taken back because of another
// order that has it: its maker is owed, or may be. Orders that are not surely
// meant can only object by what has happened: their waiting is in the hand of
// whoever made them, and would keep our money from us for ever.
func (pl *planner) kinObject(d *LegState) Reason {
	mine := pl.policy.standing(pl.State)
	for i := range pl.Kin {
		k := &pl.Kin[i]
		if !k.has(d.ChainID, d.Escrow) || pl.yields(k, pl.State) {
			continue
		}
		peer := newPlanner(k, pl.views, pl.policy)
		peer.paid = peer.Payment()
		why := peer.dstSpoken()
		if k.Held {
			why = WaitSrcLogs // half its history proves nothing
		}
		if why != "" && (mine == meant || !why.Waits()) {
			return why
		}
	}
	return ""
}
