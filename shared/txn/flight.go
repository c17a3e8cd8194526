package txn

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// bumpAfter is the least number of seconds of block time that an unmined
// transaction is left alone before its fees are raised, unless a deadline is
// near.
const bumpAfter = 15

// maxReverts is how many transactions of a call may revert before one of them is
// final. Each was rehearsed, so it takes a node that rehearses on another state
// than blocks are built on, or somebody who does and undoes something each time:
// once more costs gas where a deadline may be near, for ever would not help.
const maxReverts = 3

// stale reports whether a transaction that is unmined since that time has waited
// so many times longer than inclusion takes.
func stale(since swap.ChainTime, head swap.Block, inclusion int64, times int64) bool {
	return head.Time.Sub(since) >= times*max(bumpAfter, inclusion)
}

// hasty is stale for a transaction that holds a call with a hard deadline: it is
// not left alone longer than a share of the time that is left.
func hasty(since, head swap.ChainTime, hard swap.ChainTime, blockTime int64) bool {
	return hard != 0 && hard > head && head.Sub(since) >= max(2*blockTime, hard.Sub(head)/urgent)
}

// flying is an entry whose nonce is not used yet.
type flying struct {
	Entry
	at    int  // index among the drain's entries
	known bool // a pool has its latest transaction
	held  bool // a pool has one of its transactions
}

// flying looks up the transactions of the entries that are not known to have
// done their job. busy says of each action that an open entry holds whether it is
// dead there: the nonce is used, but not by a transaction that did its job, or by
// a replacement without it.
// Then the action may be sent again before all that is final: should a reorg
// bring the first one back, the contracts let only one of them take effect.
func (r *drain) flying(ctx context.Context) (out []flying, busy map[swap.ActionKey]bool, err error) {
	busy = map[swap.ActionKey]bool{}
	var asked []Entry
	var at []int
	for i, e := range r.entries {
		for _, a := range e.Acts {
			busy[a.Action] = false
		}
		if e.Nonce >= r.state.Latest || !r.mined[e.Nonce] {
			asked, at = append(asked, e), append(at, i)
		}
	}
	outcomes, err := lookUp(ctx, r.Backend, r.Account, asked)
	if err != nil {
		return nil, busy, err
	}
	dead := map[swap.ActionKey]bool{}
	alive := map[swap.ActionKey]bool{}
	reverts := map[swap.ActionKey]int{} // of transactions with that call alone
	for i, e := range asked {
		f := flying{Entry: e, at: at[i]}
		f.known = outcomes[i][len(e.Txs)-1].Known
		f.held = slices.ContainsFunc(outcomes[i], func(o Outcome) bool { return o.Known })
		m := slices.IndexFunc(outcomes[i], func(o Outcome) bool { return o.Mined })
		switch {
		case m < 0 && r.cutOff(e):
			out = append(out, f)
			for _, a := range e.Acts {
				dead[a.Action] = true
			}
			continue
		case e.Nonce >= r.state.Latest && m < 0:
			out = append(out, f)
		case e.Nonce < r.state.Latest && failed(outcomes[i], m):
			for _, a := range e.Acts {
				dead[a.Action] = true
				if m >= 0 && len(carried(e, e.Txs[m])) == 1 {
					if reverts[a.Action]++; reverts[a.Action] == maxReverts {
						alive[a.Action], r.spent[a.Action] = true, true
					}
				}
			}
			continue
		case m >= 0 && e.Nonce < r.state.Latest:
			held := carried(e, e.Txs[m])
			r.mined[e.Nonce] = len(held) == len(e.Acts)
			for i, a := range e.Acts {
				if slices.Contains(held, i) {
					alive[a.Action] = true
				} else {
					dead[a.Action] = true // left out, and wanted again perhaps
				}
			}
			continue
		}
		for _, a := range e.Acts {
			alive[a.Action] = true
		}
	}
	for k := range dead {
		busy[k] = !alive[k]
	}
	for k := range r.settled.acts {
		busy[k] = false
	}
	return out, busy, nil
}

// failed reports whether an entry whose nonce is used has surely not done its
// job: our transaction reverted, or the nonce was used by one that is not ours,
// and no node remembers one of ours.
func failed(mine []Outcome, mined int) bool {
	if mined >= 0 {
		return !mine[mined].Success
	}
	return !slices.ContainsFunc(mine, func(o Outcome) bool { return o.Known })
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

// standing is what the plan makes by now of a transaction in flight.
type standing struct {
	wanted    []ready // the acts that are wanted and may be sent
	acts      []int   // their indexes
	early     bool    // a reorg took the time of a call back
	forbidden bool    // it holds a call that must not take effect
	doomed    bool    // it holds a call that makes the others revert
	whole     bool    // every order was planned on a reading of all its chains
	unknown   []Act   // what it holds and cannot be judged now: right when it was signed
	hard      swap.ChainTime
}

func (r *drain) standing(f flying) (s standing) {
	s.whole = true
	held := carried(f.Entry, f.last())
	for i, act := range f.Acts {
		c, whole, ok := r.decided(act.Order)
		a, wanted := c.Decision.Wanted(act.Action)
		wanted = wanted && a.Signer == r.Account.Signer
		holds := slices.Contains(held, i)
		s.whole = s.whole && ok && whole
		switch {
		case wanted && r.paused(a):
			// It is not raised, and neither taken back: what was sent is seen through,
			// and raised only where others wait behind it.
			s.whole = false
			if holds {
				s.unknown = append(s.unknown, act)
			}
		case wanted && r.sendAt(a.From) > r.head.Time:
			s.early = s.early || holds || isNoop(f.last())
		case wanted:
			s.wanted, s.acts = append(s.wanted, ready{swap.Work{Action: a}, c}), append(s.acts, i)
			if a.Hard != 0 && (s.hard == 0 || a.Hard < s.hard) {
				s.hard = a.Hard
			}
		case holds && ok && whole && forbids(c, act.Action, r.head.Time):
			s.forbidden = true
		case holds && f.undone():
			// What it did is not done any more, though the plan may not know yet.
			s.unknown = append(s.unknown, act)
		case holds && ok && whole:
			s.doomed = s.doomed || len(held) > 1 && !c.Decision.Waits(act.Action)
		case holds:
			s.unknown = append(s.unknown, act)
		}
	}
	return s
}

// tend looks after one transaction in flight: what the plan forbids is replaced,
// by what is left of it or by nothing; bytes that no pool knows are sent again as
// they are; what waits too long gets better fees, or is replaced by nothing if it
// is of no use any more, because others wait behind its nonce. A case that cannot
// be decided is no reason to stop anything: its bytes were right when they were
// signed.
func (r *drain) tend(ctx context.Context, f flying) error {
	last, s := f.last(), r.standing(f)
	if (s.early || f.Nonce >= r.far) && !s.forbidden {
		return nil
	}
	if r.custody == Shared && !f.held && r.state.Pending > f.Nonce {
		return nil // somebody else's transaction waits at this nonce: it is not replaced
	}
	times := int64(1)
	if !f.known {
		times = 2 // sent once more as it is before it costs more
	}
	since := f.unmined(last)
	late := stale(since, r.head, r.chain.Inclusion, times) || hasty(since, r.head.Time, s.hard, r.config.BlockTime)
	_, floats := last.fees().earns(r.state) // if not, it cannot be included, however long it waits
	replaced, err := false, error(nil)
	switch {
	case len(s.wanted) > 0 && (isNoop(last) || late || !floats || s.forbidden || s.doomed):
		replaced, err = r.replace(ctx, f, s, nil)
	case len(s.wanted) == 0 && (s.forbidden || late && (isNoop(last) || s.whole)):
		replaced, err = r.replace(ctx, f, s, nil)
	}
	if s.forbidden {
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
