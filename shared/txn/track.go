package txn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Tracker settles what has been sent. It signs and sends nothing: what has to
// be sent again it rings for.
type Tracker struct {
	Backend Backend
	Journal Journal
	Works   Works
	Facts   Facts
	Ring    func(ctx context.Context, a Account) error
	Report  Report
	Policy  swap.Policy
	Chains  map[uint64]ChainConfig
	Keys    Keys
	Trace   Trace
	Log     *slog.Logger
}

// Tracked counts what a look at one account found.
type Tracked struct {
	Open, Confirmed, Reverted, Foreign, Reopened, Waiting int
	Rung                                                  bool
	// Timed counts those confirmed that had a hard deadline. Margin is the least
	// time that one of them had left when its block was made, in seconds;
	// negative: too late. It means nothing while Timed is zero.
	Timed  int
	Margin int64
}

// note takes the margin of some more actions.
func (t *Tracked) note(timed int, margin int64) {
	if timed > 0 && (t.Timed == 0 || margin < t.Margin) {
		t.Margin = margin
	}
	t.Timed += timed
}

// Track looks at the open entries of one account. An entry is settled when what
// used its nonce is final by depth and state-sync has read that far as final
// too: were it settled earlier, the order would not show yet what the
// transaction did, and the plan would want it done again.
//
// Its effects come in this order: findings, because what is settled is not
// looked at again; then the entries, each by itself; then one ring, by which
// time what was opened again can be seen.
func (t *Tracker) Track(ctx context.Context, a Account) (res Tracked, err error) {
	config, ok := t.Chains[a.ChainID]
	if !ok {
		return res, fmt.Errorf("track %s: chain %d is not configured for sending", a.Signer, a.ChainID)
	}
	open, _, err := t.Journal.Entries(ctx, a)
	if err != nil {
		return res, fmt.Errorf("read journal of %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	if res.Open = len(open); res.Open == 0 {
		return res, nil
	}
	found, err := t.look(ctx, a, open, config)
	if err != nil {
		return res, err
	}
	works, err := t.works(ctx, a, found)
	if err != nil {
		return res, err
	}
	var findings []swap.Finding
	held := t.Keys.Of(a.Signer)
	for i := range found {
		found[i].steps(works, found, i)
		findings = append(findings, found[i].findings(held, found)...)
	}
	var errs []error
	told := true
	if len(findings) > 0 {
		err := t.Report(ctx, findings)
		told = err == nil
		errs = append(errs, err)
	}
	ring := false
	for _, s := range found {
		switch {
		case s.State == Open:
			res.Waiting++
			ring = ring || s.lost
			continue
		case !told && len(s.findings(held, found)) > 0:
			continue
		}
		reopened, err := t.settle(ctx, s, &res)
		errs = append(errs, err)
		ring = ring || reopened
	}
	if ring {
		res.Rung = true
		errs = append(errs, t.Ring(ctx, a))
	}
	return res, errors.Join(errs...)
}

// TrackAll looks at every account, all at a time: one that cannot be read, or
// whose chain keeps everybody waiting, does not hide the others. The counts are
// summed, the errors joined.
func (t *Tracker) TrackAll(ctx context.Context, accounts []Account) (sum Tracked, err error) {
	found, errs := make([]Tracked, len(accounts)), make([]error, len(accounts))
	var wg sync.WaitGroup
	for i, a := range accounts {
		wg.Go(func() { found[i], errs[i] = t.Track(ctx, a) })
	}
	wg.Wait()
	for _, res := range found {
		sum.Open += res.Open
		sum.Confirmed += res.Confirmed
		sum.Reverted += res.Reverted
		sum.Foreign += res.Foreign
		sum.Reopened += res.Reopened
		sum.Waiting += res.Waiting
		sum.Rung = sum.Rung || res.Rung
		sum.note(res.Timed, res.Margin)
	}
	return sum, errors.Join(errs...)
}

// settlement is an entry with the state that it is found to be in.
type settlement struct {
	Entry
	tx      common.Hash // that was mined; the first of ours if a foreign one was
	success bool        // it was mined and did not revert
	noop    bool
	lost    bool       // not mined, and the executor has to look after it
	head    swap.Block // at which it was found
	at      swap.Block // that it was mined in
	ends    []ending   // of each of the acts, once the entry is settled
}

// ending is what became of an act of a settled entry.
type ending struct {
	did  did
	work *swap.Work // the step that goes with it, nil for none
}

// did says what the mined transaction did for an act.
type did uint8

const (
	nothing  did = iota // it did not hold the act's call, or was not ours
	done                // the escrow's own event stands in the receipt
	reverted            // it held the call and reverted
	silent              // it succeeded, and the escrow's event is missing
)

// look finds out what became of each entry. The chain's facts are read before
// its head and the head before the receipts, so that nothing is concluded from
// a reading that is older than what it is held against.
func (t *Tracker) look(ctx context.Context, a Account, open []Entry, c ChainConfig) ([]settlement, error) {
	facts, err := t.Facts.Provisional(ctx, a.ChainID)
	if err != nil {
		return nil, fmt.Errorf("read facts of chain %d: %w", a.ChainID, err)
	}
	state, err := t.Backend.Account(ctx, a, c.Confirmations)
	if err != nil {
		return nil, fmt.Errorf("read account %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	outcomes, err := lookUp(ctx, t.Backend, a, open)
	if err != nil {
		return nil, err
	}
	_, final := facts.Marks()
	out := make([]settlement, len(open))
	for i, e := range open {
		out[i] = judge(e, outcomes[i], state, final, c.Confirmations, t.Policy.Chains[a.ChainID].Inclusion)
	}
	return out, nil
}

// judge decides what became of an entry. final is the block up to which
// state-sync has read the chain's logs as final.
func judge(e Entry, mine []Outcome, s AccountState, final swap.Block, depth uint64, inclusion int64) settlement {
	out := settlement{Entry: e, tx: e.Txs[0].Hash, head: s.Head}
	deepest := s.Head.Number - min(depth, s.Head.Number) // the newest block that is final by depth
	for i, o := range mine {
		if !o.Mined {
			continue
		}
		// A receipt above the head, or of a nonce that is not used up, is of
		// another reading of the chain.
		if o.Block.Number <= min(deepest, final.Number) && s.Latest > e.Nonce {
			out.State, out.tx, out.noop, out.success, out.at = Mined, e.Txs[i].Hash, isNoop(e.Txs[i]), o.Success, o.Block
			out.ends, out.SettledAt = endings(e, e.Txs[i], o), s.Head
			out.Result = Result{Tx: out.tx, Block: o.Block, Reverted: !o.Success, GasUsed: o.GasUsed, Cost: o.Cost}
		}
		return out
	}
	if s.Settled > e.Nonce && deepest <= final.Number {
		out.State, out.ends, out.SettledAt, out.Result = Foreign, make([]ending, len(e.Acts)), s.Head, Result{}
		return out
	}
	last := len(mine) - 1
	out.lost = s.Latest <= e.Nonce && (!mine[last].Known || stale(e.unmined(e.Txs[last]), s.Head, inclusion, 1))
	return out
}

// endings says what a mined transaction did for each act of its entry. That it
// succeeded proves nothing by itself: a resolver contract may swallow the
// failure of a call. The event of the escrow does.
func endings(e Entry, t Tx, o Outcome) []ending {
	out := make([]ending, len(e.Acts))
	for _, i := range carried(e, t) {
		switch k := e.Acts[i].Action; {
		case !o.Success:
			out[i].did = reverted
		case slices.ContainsFunc(o.Events, k.EndedBy):
			out[i].did = done
		default:
			out[i].did = silent
		}
	}
	return out
}

// carried lists the indexes of the acts whose calls a transaction holds.
func carried(e Entry, t Tx) []int {
	if t.Acts != nil || isNoop(t) {
		return t.Acts
	}
	all := make([]int, len(e.Acts))
	for i := range all {
		all[i] = i
	}
	return all
}

// revertedTogether is why work is open again whose call was one of several in a
// transaction that reverted: which of them is to blame is not known.
const revertedTogether swap.Reason = "reverted together with others"

// steps decides the step of the work of each act of a settled entry. What did
// not do its job is open again, and the plan decides whether it is wanted still;
// unless another entry of the same look did it, or a later one holds it too and
// decides. i is the settlement's place among all.
func (s *settlement) steps(works map[swap.ActionKey]swap.Work, all []settlement, i int) {
	together := 0
	for _, e := range s.ends {
		if e.did == reverted {
			together++
		}
	}
	later := all[i+1:]
	for i := range s.ends {
		w, ok := works[s.Acts[i].Action]
		if !ok || w.State != swap.WorkSubmitted || w.Order != s.Acts[i].Order {
			continue
		}
		again := didIt(all, w.Key()) || slices.ContainsFunc(later, func(l settlement) bool { return l.Has(w.Key()) })
		switch d := s.ends[i].did; {
		case d == done:
			w.State = swap.WorkConfirmed
		case again:
			continue
		case d == silent:
			w = putOff(w, "our transaction did not make the call", s.head.Time)
		case d == reverted && together == 1:
			// The rehearsal of the next attempt says why it failed.
			w = putOff(w, "our transaction reverted", s.head.Time)
		case d == reverted:
			w.State, w.Why = swap.WorkPlanned, revertedTogether
			w.Attempt++
		default:
			w.State = swap.WorkPlanned
			w.Attempt++
		}
		s.ends[i].work = &w
		if s.ends[i].did == done && w.Hard != 0 && (s.Result.Hard == 0 || w.Hard < s.Result.Hard) {
			s.Result.Hard = w.Hard
		}
	}
}

// didIt reports whether an entry of the same look did what an act is for.
func didIt(all []settlement, k swap.ActionKey) bool {
	return slices.ContainsFunc(all, func(s settlement) bool {
		i := slices.IndexFunc(s.Acts, func(a Act) bool { return a.Action == k })
		return i >= 0 && s.ends != nil && s.ends[i].did == done
	})
}

// findings is what a person should know of a settled entry. A nonce that was
// used by somebody else is expected of a shared key.
func (s *settlement) findings(held Custody, all []settlement) (out []swap.Finding) {
	if s.State == Foreign && len(s.Acts) == 0 {
		return []swap.Finding{{ChainID: s.ChainID, Account: s.Signer, Code: swap.ForeignTx, Severity: foreignSeverity(held), Detail: foreignDetail(held, s.Signer)}}
	}
	for i, e := range s.ends {
		a := s.Acts[i]
		if e.did == reverted && didIt(all, a.Action) {
			continue // it was sent twice because the first looked lost
		}
		f := swap.Finding{Order: a.Order, ChainID: s.ChainID, Escrow: a.Action.Escrow, Call: a.Action.Call}
		if e.work != nil {
			f.AtRisk, f.Deadline = e.work.AtRisk, e.work.Hard
		}
		switch {
		case s.State == Foreign:
			f.Code, f.Severity, f.Detail = swap.ForeignTx, foreignSeverity(held), foreignDetail(held, s.Signer)
			f.Account, f.Order, f.Escrow = s.Signer, swap.OrderID{}, common.Address{} // of the key, whatever it was to do
		case e.did == reverted:
			f.Code, f.Severity = swap.TxReverted, swap.Warning
			f.Detail = "our transaction was included and reverted"
			if f.Deadline != 0 {
				f.Severity = swap.Critical
			}
		case e.did == silent:
			f.Code, f.Severity = swap.CallReverts, swap.Critical
			f.Detail = "our transaction succeeded without the call: no event of the escrow in its receipt"
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

func foreignSeverity(held Custody) swap.Severity {
	if held == Shared {
		return swap.Info
	}
	return swap.Critical
}

func foreignDetail(held Custody, signer common.Address) string {
	return "a nonce of " + string(held) + " signer " + signer.Hex() + " was used by a transaction that is not in the journal"
}

// settle writes one settlement. A conflict means that somebody was faster.
func (t *Tracker) settle(ctx context.Context, s settlement, res *Tracked) (reopened bool, err error) {
	var works []swap.Work
	for _, e := range s.ends {
		if e.work != nil {
			works = append(works, *e.work)
		}
	}
	err = t.Trace.transaction(ctx, "settle", s.Entry, s.tx, func(ctx context.Context) error { return t.Journal.Settle(ctx, s.Entry, works) })
	if err != nil {
		if errors.Is(err, swap.ErrConflict) {
			return false, nil
		}
		return false, fmt.Errorf("settle nonce %d of %s on chain %d: %w", s.Nonce, s.Signer, s.ChainID, err)
	}
	if s.State == Foreign {
		res.Foreign++
	}
	for i, e := range s.ends {
		switch e.did {
		case done:
			res.Confirmed++
		case reverted, silent:
			res.Reverted++
		}
		work := swap.WorkState("")
		if e.work != nil {
			work = e.work.State
			reopened = reopened || work == swap.WorkPlanned
		}
		if work == swap.WorkPlanned || work == swap.WorkRefused {
			res.Reopened++
		}
		a := s.Acts[i]
		line := []any{"order", a.Order.String(), "chain", s.ChainID, "escrow", a.Action.Escrow.Hex(),
			"action", a.Action.Call.String(), "tx", s.tx.Hex(), "nonce", s.Nonce, "state", string(s.State), "work", string(work)}
		t.Log.InfoContext(ctx, "settled", append(line, s.margins(e, res)...)...)
	}
	return reopened, nil
}

// margins are the seconds that were left to the deadlines of an action that is
// done, for the log.
func (s *settlement) margins(e ending, res *Tracked) (left []any) {
	if e.did != done || e.work == nil {
		return nil
	}
	if e.work.Hard != 0 {
		res.note(1, e.work.Hard.Sub(s.at.Time))
		left = append(left, "hard_left_s", e.work.Hard.Sub(s.at.Time))
	}
	if e.work.Soft != 0 {
		left = append(left, "soft_left_s", e.work.Soft.Sub(s.at.Time))
	}
	return left
}

// works reads the live work of the entries that are to be settled.
func (t *Tracker) works(ctx context.Context, a Account, found []settlement) (map[swap.ActionKey]swap.Work, error) {
	out := map[swap.ActionKey]swap.Work{}
	seen := map[common.Address]bool{}
	for _, s := range found {
		for _, act := range s.Acts {
			taker := act.Action.Taker
			if s.State == Open || seen[taker] {
				continue
			}
			seen[taker] = true
			live, err := t.Works.Live(ctx, a.ChainID, taker)
			if err != nil {
				return nil, fmt.Errorf("read live work of %s on chain %d: %w", taker, a.ChainID, err)
			}
			for _, w := range live {
				out[w.Key()] = w
			}
		}
	}
	return out, nil
}
