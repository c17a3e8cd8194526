package txn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// maxConflicts is how often a drain starts anew because a write met something
// that it did not know of. Each time it reads everything again, so more than a
// few mean that the lease is somebody else's or the store is broken.
const maxConflicts = 3

// Drainer sends what is due for one account at a time. It holds no state.
type Drainer struct {
	Signer  Signer
	Backend Backend
	Journal Journal
	Works   Works
	Decide  Decide
	Report  Report
	Policy  swap.Policy
	Chains  map[uint64]ChainConfig
	Log     *slog.Logger
}

// ChainConfig is what sending on a chain takes beside the policy.
type ChainConfig struct {
	// Regular says that block times are fixed: the next block's time is known.
	Regular bool
	// PoolCap is the most transactions in flight per account; at least one.
	PoolCap int
	// Confirmations is the depth at which a block counts as final.
	Confirmations uint64
}

// Drained counts what a drain did.
type Drained struct {
	Sent, Resent, Bumped, Refused, Obsolete, Waiting int
}

// Drain does the account's due work under the given hold. First it makes sure
// that everything journalled is known to the chain; then it plans, rehearses,
// journals and sends what is due, waiting a few seconds for what is about to
// be. One action that fails does not stop the others; the errors are joined.
//
// It may be killed at any point: what has not been journalled has not happened,
// and what has been is broadcast by the next drain.
func (d *Drainer) Drain(ctx context.Context, a Account, hold Hold) (Drained, error) {
	chain, ok := d.Policy.Chains[a.ChainID]
	config, sending := d.Chains[a.ChainID]
	if !ok || !sending || config.PoolCap < 1 {
		return Drained{}, fmt.Errorf("drain %s: chain %d is not configured for sending", a.Signer, a.ChainID)
	}
	r := &drain{Drainer: d, Account: a, hold: hold, chain: chain, config: config}
	var errs []error
	for conflicts := 0; ; {
		next, err := r.pass(ctx)
		errs = append(errs, r.flush(ctx))
		if r.conflict && conflicts < maxConflicts && ctx.Err() == nil && hold.Check() == nil {
			conflicts++
			continue
		}
		errs = append(errs, err)
		if next == 0 || r.stopped() {
			break
		}
		ready, err := r.await(ctx, next)
		errs = append(errs, err)
		if !ready {
			break
		}
	}
	return r.done, errors.Join(errs...)
}

// drain is one drain of an account. What it knows it reads anew in each pass.
type drain struct {
	*Drainer
	Account
	hold   Hold
	chain  swap.ChainPolicy
	config ChainConfig

	state   AccountState
	entries []Entry // open, by nonce
	next    uint64  // nonce after the highest ever journalled
	head    swap.Block
	seen    swap.ChainTime // head time that a wait ended with
	cases   map[swap.OrderID]swap.Case
	views   swap.Views

	// conflict: a write met something newer than what was read. unsure: whether
	// a journal write was applied is unknown. After either no other nonce may be
	// chosen before everything has been read again.
	conflict, unsure bool

	findings []swap.Finding
	refused  []swap.Work
	done     Drained
}

// stopped reports whether nothing more may be sent on what this pass has read.
func (r *drain) stopped() bool { return r.conflict || r.unsure || r.hold.Check() != nil }

// pass reads everything, looks after what is in flight and sends what is due.
// next is the block time for which it is worth waiting, zero if there is none.
func (r *drain) pass(ctx context.Context) (next swap.ChainTime, err error) {
	r.conflict, r.unsure, r.done.Waiting = false, false, 0
	if err := r.open(ctx); err != nil {
		return 0, err
	}
	flying, err := r.flying(ctx)
	errs := []error{err}
	works, err := r.sendable(ctx)
	errs = append(errs, err)
	errs = append(errs, r.decide(ctx, flying, works))

	for _, f := range flying {
		if err := r.tend(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("nonce %d, %s of escrow %s: %w", f.Nonce, f.act.Action.Call, f.act.Action.Escrow, err))
		}
		if r.stopped() {
			return 0, errors.Join(append(errs, r.hold.Check())...)
		}
	}
	due, err := r.due(ctx, works)
	errs = append(errs, err)
	slices.SortStableFunc(due, byUrgency)
	for _, d := range due {
		at := r.sendAt(d.work.From)
		switch ahead := at.Sub(r.head.Time); {
		case ahead > 0:
			if ahead <= waitAhead && (next == 0 || at < next) {
				next = at
			}
			r.done.Waiting++
			continue
		case r.inPool() >= r.config.PoolCap:
			r.done.Waiting++
			continue
		}
		if err := r.send(ctx, d); err != nil {
			errs = append(errs, fmt.Errorf("%s of escrow %s: %w", d.work.Call, d.work.Escrow, err))
		}
		if r.stopped() {
			return 0, errors.Join(append(errs, r.hold.Check())...)
		}
	}
	if n, gap := r.nonce(); gap {
		r.find(swap.ForeignTx, swap.Critical, swap.Action{}, "a nonce below our transactions is unused: none of them can be mined")
		r.Log.ErrorContext(ctx, "nonce gap", "chain", r.ChainID, "signer", r.Account.Signer.Hex(), "nonce", n)
	}
	return next, errors.Join(errs...)
}

// sendable lists the account's live work that has no transaction in flight.
func (r *drain) sendable(ctx context.Context) ([]swap.Work, error) {
	busy := map[swap.ActionKey]bool{}
	for _, e := range r.entries {
		for _, a := range e.Acts {
			busy[a.Action] = true
		}
	}
	works, err := r.live(ctx, r.Account)
	return slices.DeleteFunc(works, func(w swap.Work) bool { return !w.Sendable(r.head.Time) || busy[w.Key()] }), err
}

// decide plans the orders of all that is in flight or waits to be sent, once.
// The head of the plan is the one that this pass judges by.
func (r *drain) decide(ctx context.Context, flying []flying, works []swap.Work) (err error) {
	ids := map[swap.OrderID]bool{}
	for _, f := range flying {
		ids[f.act.Order] = true
	}
	for _, w := range works {
		ids[w.Order] = true
	}
	r.cases, r.views = nil, nil
	if len(ids) == 0 {
		return nil
	}
	r.cases, r.views, err = r.Decide(ctx, slices.Collect(maps.Keys(ids)))
	if view, ok := r.views[r.ChainID]; ok {
		r.head = view.Head
	}
	return err
}

// decided returns the case of an order, if it was planned on a reading of every
// chain that it touches: what a plan does not want because a chain could not be
// read may still be right.
func (r *drain) decided(id swap.OrderID) (c swap.Case, whole, ok bool) {
	if c, ok = r.cases[id]; !ok {
		return c, false, false
	}
	dst := c.State.DstChainID()
	_, read := r.views[dst]
	_, configured := r.Policy.Chains[dst]
	return c, read || !configured, true
}

// ready is work that passed the plan.
type ready struct {
	work swap.Work
	swap.Case
}

// due takes the fresh plan for the work, and ends what it does not want.
func (r *drain) due(ctx context.Context, works []swap.Work) (out []ready, err error) {
	if _, ok := r.views[r.ChainID]; !ok && len(works) > 0 {
		return nil, fmt.Errorf("no view of chain %d", r.ChainID)
	}
	var errs []error
	for _, w := range works {
		c, ok := r.cases[w.Order]
		if !ok {
			continue // its source chain could not be read
		}
		switch a, wanted := c.Decision.Wanted(w.Key()); {
		case wanted && a.Signer == r.Account.Signer:
			w.Action = a
			out = append(out, ready{w, c})
		case wanted: // of another key now, which a sweep writes down
		default: // Diff leaves alone what only waits
			if err := r.hold.Check(); err != nil {
				return nil, errors.Join(append(errs, err)...)
			}
			for _, ended := range swap.Diff(c.State, c.Decision, []swap.Work{w}) {
				if ended.Key() == w.Key() {
					errs = append(errs, r.save(ctx, ended))
					r.done.Obsolete++
				}
			}
		}
	}
	return out, errors.Join(errs...)
}

// save writes a step that is no transaction. Somebody who was faster has seen
// the order later than this pass.
func (r *drain) save(ctx context.Context, w swap.Work) error {
	if err := r.Works.Save(ctx, w); err != nil && !errors.Is(err, swap.ErrConflict) {
		return fmt.Errorf("save %s of escrow %s as %s: %w", w.Call, w.Escrow, w.State, err)
	}
	return nil
}

// flush reports what a pass found and then puts off what it refused: in that
// order, because a refusal that is saved is not looked at again for a while.
func (r *drain) flush(ctx context.Context) error {
	var errs []error
	if len(r.findings) > 0 {
		errs = append(errs, r.Report(ctx, r.findings))
	}
	for _, w := range r.refused {
		errs = append(errs, r.save(ctx, w))
	}
	r.findings, r.refused = nil, nil
	return errors.Join(errs...)
}

// find notes a finding about an action; the zero action: about the account.
func (r *drain) find(code swap.FindingCode, severity swap.Severity, a swap.Action, detail string) {
	r.findings = append(r.findings, swap.Finding{Code: code, Severity: severity, Order: a.Order, ChainID: r.ChainID,
		Escrow: a.Escrow, Call: a.Call, Deadline: a.Hard, AtRisk: a.AtRisk, Detail: detail})
}
