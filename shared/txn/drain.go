package txn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const (
	// maxConflicts is how often a drain starts anew because a write met something
	// that it did not know of. Each time it reads everything again, so more than a
	// few mean that the lease is somebody else's or the store is broken.
	maxConflicts = 3
	// ringTime is what the last ring of a drain may take whose own time is over.
	ringTime = time.Second
)

// Drainer sends what is due for one account at a time. It holds no state.
type Drainer struct {
	Signer  Signer
	Backend Backend
	Journal Journal
	Works   Works
	Decide  Decide
	Report  Report
	// Ring makes somebody drain the account again soon: for what is left when
	// the time of this drain is over. nil: nobody does, the next sweep finds it.
	Ring func(ctx context.Context, a Account) error
	// Paused reports whether operators hold an action back now. It is asked before
	// anything is signed, with each block; nil: they hold back nothing.
	Paused func(a swap.Action) bool
	Policy swap.Policy
	Chains map[uint64]ChainConfig
	Keys   Keys
	// Parallel is the most rehearsals or signatures under way at a time; zero
	// means 8.
	Parallel int
	Trace    Trace
	Log      *slog.Logger
}

// ChainConfig is what sending on a chain takes beside the policy.
type ChainConfig struct {
	// Regular says that block times are fixed: the next block's time is known.
	Regular bool
	// BlockTime is the usual time between blocks in seconds; zero means the
	// policy's MinBlockTime.
	BlockTime int64
	// PoolCap is the most transactions in flight per account; at least one.
	PoolCap int
	// Confirmations is the depth at which a block counts as final.
	Confirmations uint64
}

// Drained counts what a drain did. Sent, Refused, Obsolete, Waiting and Held count
// actions, Held those that operators held back when it looked last, Resent, Bumped, Lifted and Filled transactions, Reopened entries that
// were settled before what settled them left the chain.
type Drained struct {
	Sent, Resent, Bumped, Lifted, Filled, Reopened, Refused, Obsolete, Waiting, Held int
}

// Drain does the account's due work under the given hold. First it makes sure
// that everything journalled is known to the chain; then it plans, rehearses,
// journals and sends what is due, as much as may be in flight. It goes round
// again with each new block as long as something that is due has no room, or is
// about to be due, and hold and ctx allow; if something is left then, it rings.
// One action that fails does not stop the others; the errors are joined.
//
// It may be killed at any point: what has not been journalled has not happened,
// and what has been is broadcast by the next drain.
func (d *Drainer) Drain(ctx context.Context, a Account, hold Hold) (Drained, error) {
	chain, ok := d.Policy.Chains[a.ChainID]
	config, sending := d.Chains[a.ChainID]
	if !ok || !sending || config.PoolCap < 1 {
		return Drained{}, fmt.Errorf("drain %s: chain %d is not configured for sending", a.Signer, a.ChainID)
	}
	config.BlockTime = max(1, config.BlockTime, chain.MinBlockTime)
	r := &drain{Drainer: d, Account: a, hold: hold, chain: chain, config: config, custody: d.Keys.Of(a.Signer), mined: map[uint64]bool{}}
	if r.custody == Shared {
		r.config.PoolCap = 1
	}
	var errs distinct
	for conflicts := 0; ; {
		next, err := r.pass(ctx)
		errs.add(r.flush(ctx))
		if r.conflict && conflicts < maxConflicts && ctx.Err() == nil && hold.Check() == nil {
			conflicts++
			continue
		}
		errs.add(err)
		if next == 0 || r.stopped() {
			break
		}
		ready, err := r.await(ctx, next)
		errs.add(err)
		if !ready {
			break
		}
	}
	if r.left && d.Ring != nil {
		ringing, cancel := context.WithTimeout(context.WithoutCancel(ctx), ringTime)
		defer cancel()
		errs.add(d.Ring(ringing, a))
	}
	return r.done, errors.Join(errs...)
}

// distinct are errors of which each is told once: a drain meets the same one in
// every block.
type distinct []error

func (d *distinct) add(err error) {
	if err != nil && !slices.ContainsFunc(*d, func(o error) bool { return o.Error() == err.Error() }) {
		*d = append(*d, err)
	}
}

// drain is one drain of an account. What it knows it reads anew in each pass,
// but for mined.
type drain struct {
	*Drainer
	Account
	hold    Hold
	chain   swap.ChainPolicy
	config  ChainConfig
	custody Custody

	state   AccountState
	entries []Entry // open, by nonce
	next    uint64  // nonce after the highest ever journalled
	settled settled
	far     uint64                  // the open entries from this nonce on cannot be mined, see cutOff
	spent   map[swap.ActionKey]bool // reverted too often to be sent again, see maxReverts
	head    swap.Block
	seen    swap.ChainTime // head time that a wait ended with
	cases   map[swap.OrderID]swap.Case
	views   swap.Views
	// mined are the nonces whose transaction was found to have done its job:
	// they need no second look. A reorg that takes it back is the next drain's.
	mined map[uint64]bool
	// touched are the nonces that this pass has written: what is stored of them
	// by now is not known.
	touched map[uint64]bool

	// conflict: a write met something newer than what was read. unsure: whether
	// a journal write was applied is unknown. After either no other nonce may be
	// chosen before everything has been read again.
	conflict, unsure bool
	// left: something is due that this pass had no room or no time for.
	left bool
	// need are the fees of the most urgent action that has no room; nil: all have.
	need *Fees
	// rehearsals is how many more calls this pass may rehearse.
	rehearsals atomic.Int64

	findings []swap.Finding
	refused  []swap.Work
	done     Drained
}

// paused reports whether operators hold an action back.
func (r *drain) paused(a swap.Action) bool { return r.Paused != nil && r.Paused(a) }

// stopped reports whether nothing more may be sent on what this pass has read.
func (r *drain) stopped() bool { return r.conflict || r.unsure || r.hold.Check() != nil }

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

// findOf notes what is about the signer, however many of its actions it
// concerns: one transfer or one look at the key helps them all.
func (r *drain) findOf(code swap.FindingCode, a swap.Action, detail string) {
	r.findings = append(r.findings, swap.Finding{Code: code, Severity: swap.Critical, ChainID: r.ChainID,
		Account: r.Account.Signer, Call: a.Call, Deadline: a.Hard, AtRisk: a.AtRisk, Detail: detail})
}
