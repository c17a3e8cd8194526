package txn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
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
	Log     *slog.Logger
}

// Tracked counts what a look at one account found.
type Tracked struct {
	Open, Confirmed, Reverted, Foreign, Reopened, Waiting int
	Rung                                                  bool
}

// Track looks at the open entries of one account. An entry is settled when its
// block is final by depth and state-sync has read it as final too: were it
// settled earlier, the order would not show yet what the transaction did, and
// the plan would want it done again.
func (t *Tracker) Track(ctx context.Context, a Account) (res Tracked, err error) {
	config := t.Chains[a.ChainID]
	open, _, err := t.Journal.Entries(ctx, a)
	if err != nil {
		return res, fmt.Errorf("read journal of %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	if res.Open = len(open); res.Open == 0 {
		return res, nil
	}
	facts, err := t.Facts.Provisional(ctx, a.ChainID)
	if err != nil {
		return res, fmt.Errorf("read facts of chain %d: %w", a.ChainID, err)
	}
	state, err := t.Backend.Account(ctx, a, config.Confirmations)
	if err != nil {
		return res, fmt.Errorf("read account %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	var hashes []common.Hash
	for _, e := range open {
		for _, tx := range e.Txs {
			hashes = append(hashes, tx.Hash)
		}
	}
	outcomes, err := t.Backend.Outcomes(ctx, a.ChainID, hashes)
	if err != nil {
		return res, fmt.Errorf("look up transactions of %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	works, err := t.works(ctx, a, open)
	if err != nil {
		return res, err
	}
	var errs []error
	var findings []swap.Finding
	for _, e := range open {
		mine := outcomes[:len(e.Txs)]
		outcomes = outcomes[len(e.Txs):]
		s := t.settle(e, mine, state, facts, config)
		if s.ring && !res.Rung {
			res.Rung = true
			errs = append(errs, t.Ring(ctx, a))
		}
		if s.state == Open {
			res.Waiting++
			continue
		}
		e.State = s.state
		var work *swap.Work
		if w, ok := works[e.Action]; ok && w.State == swap.WorkSubmitted {
			w.State = s.work
			if s.work == swap.WorkPlanned {
				w.Attempt++
				res.Reopened++
			}
			work = &w
		}
		if s.finding != nil {
			f := *s.finding
			f.Order, f.ChainID, f.Escrow, f.Call = e.Order, a.ChainID, e.Action.Escrow, e.Action.Call
			if work != nil {
				f.AtRisk, f.Deadline = work.AtRisk, work.Hard
			}
			findings = append(findings, f)
		}
		if err := t.Journal.Settle(ctx, e, work); err != nil {
			if !errors.Is(err, swap.ErrConflict) {
				errs = append(errs, fmt.Errorf("settle nonce %d of %s on chain %d: %w", e.Nonce, a.Signer, a.ChainID, err))
			}
			continue
		}
		switch {
		case s.state == Foreign:
			res.Foreign++
		case s.work == swap.WorkConfirmed:
			res.Confirmed++
		default:
			res.Reverted++
		}
		t.Log.InfoContext(ctx, "settled", "order", e.Order.String(), "chain", a.ChainID, "escrow", e.Action.Escrow.Hex(),
			"action", e.Action.Call.String(), "tx", s.tx.Hex(), "state", string(s.state), "work", string(s.work))
	}
	if len(findings) > 0 {
		errs = append(errs, t.Report(ctx, findings))
	}
	return res, errors.Join(errs...)
}

type settlement struct {
	state   EntryState
	work    swap.WorkState
	tx      common.Hash
	ring    bool
	finding *swap.Finding
}

// settle decides what became of an entry.
func (t *Tracker) settle(e Entry, mine []Outcome, s AccountState, facts swap.Provisional, c ChainConfig) settlement {
	known := false
	for i, o := range mine {
		if !o.Mined {
			known = known || o.Known
			continue
		}
		tx := e.Txs[i]
		deep := o.Block.Number+c.Confirmations <= s.Head.Number
		switch {
		case !deep || o.Block.Number > facts.From.Number:
			return settlement{state: Open}
		case isNoop(tx):
			return settlement{state: Mined, work: swap.WorkObsolete, tx: tx.Hash}
		case o.Success:
			return settlement{state: Mined, work: swap.WorkConfirmed, tx: tx.Hash}
		}
		// The plan decides whether it is wanted still; the rehearsal of the next
		// attempt says why it failed.
		return settlement{state: Mined, work: swap.WorkPlanned, tx: tx.Hash, finding: &swap.Finding{
			Code: swap.TxReverted, Severity: swap.Warning, Detail: "our transaction was included and reverted"}}
	}
	if s.Settled > e.Nonce {
		return settlement{state: Foreign, work: swap.WorkPlanned, tx: e.Txs[0].Hash, ring: true, finding: &swap.Finding{
			Code: swap.ForeignTx, Severity: swap.Critical,
			Detail: "a nonce of this signer was used by a transaction that is not in the journal"}}
	}
	last := e.Txs[len(e.Txs)-1]
	late := int64(s.Head.Time-last.Head.Time) >= max(bumpAfter, t.Policy.Chains[e.ChainID].Inclusion)
	return settlement{state: Open, ring: s.Latest <= e.Nonce && (!known || late)}
}

// works reads the live work that the entries are about.
func (t *Tracker) works(ctx context.Context, a Account, open []Entry) (map[swap.ActionKey]swap.Work, error) {
	out := map[swap.ActionKey]swap.Work{}
	seen := map[common.Address]bool{}
	for _, e := range open {
		if seen[e.Action.Taker] {
			continue
		}
		seen[e.Action.Taker] = true
		live, err := t.Works.Live(ctx, a.ChainID, e.Action.Taker)
		if err != nil {
			return nil, fmt.Errorf("read live work of %s on chain %d: %w", e.Action.Taker, a.ChainID, err)
		}
		for _, w := range live {
			out[w.Key()] = w
		}
	}
	return out, nil
}
