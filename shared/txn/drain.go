package txn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

const (
	// waitAhead is how far ahead of the head, in seconds of block time, an
	// action is waited for instead of being left to the next doorbell: the
	// doorbell rings three seconds early, and a queue's delay is a second off.
	waitAhead = 8
	// settleReserve is the time left to an invocation at which waiting ends.
	settleReserve = 2 * time.Second
	// pollLeast and pollMost bound the pause between two looks at the head.
	pollLeast = 150 * time.Millisecond
	pollMost  = time.Second
	// firstRetry and lastRetry bound the back-off of a call that the chain
	// refuses although it is legal, in seconds of block time.
	firstRetry = 30
	lastRetry  = 1800
	// urgent is the share of the time left to a hard deadline after which a
	// refused call is tried again, whatever its back-off.
	urgent = 4
	// bumpAfter is the least number of seconds of block time that an unmined
	// transaction is left alone before its fees are raised.
	bumpAfter = 15
	// nearDeadline: actions whose hard deadline falls into the same bucket of
	// this many seconds go in order of value.
	nearDeadline = 60
)

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
	// PoolCap is the most transactions in flight per account.
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
func (d *Drainer) Drain(ctx context.Context, a Account, hold Hold) (Drained, error) {
	r := &drain{Drainer: d, Account: a, hold: hold, chain: d.Policy.Chains[a.ChainID], config: d.Chains[a.ChainID]}
	if _, ok := d.Policy.Chains[a.ChainID]; !ok {
		return r.done, fmt.Errorf("drain: chain %d is not configured", a.ChainID)
	}
	if err := r.open(ctx); err != nil {
		return r.done, err
	}
	errs := []error{r.flight(ctx)}
	for {
		next, err := r.pass(ctx)
		errs = append(errs, err)
		if next == 0 || ctx.Err() != nil {
			break
		}
		ready, err := r.await(ctx, next)
		errs = append(errs, err)
		if !ready {
			break
		}
	}
	if len(r.findings) > 0 {
		errs = append(errs, d.Report(ctx, r.findings))
	}
	return r.done, errors.Join(errs...)
}

type drain struct {
	*Drainer
	Account
	hold     Hold
	chain    swap.ChainPolicy
	config   ChainConfig
	state    AccountState
	entries  []Entry // open, by nonce
	next     uint64  // nonce of the next transaction
	findings []swap.Finding
	done     Drained
}

// open reads the journal before the chain: a nonce that is used between the two
// readings then looks used, never free.
func (r *drain) open(ctx context.Context) (err error) {
	var journalled uint64
	if r.entries, journalled, err = r.Journal.Entries(ctx, r.Account); err != nil {
		return fmt.Errorf("read journal of %s on chain %d: %w", r.Account.Signer, r.ChainID, err)
	}
	if r.state, err = r.Backend.Account(ctx, r.Account, r.config.Confirmations); err != nil {
		return fmt.Errorf("read account %s on chain %d: %w", r.Account.Signer, r.ChainID, err)
	}
	r.next = max(journalled, r.state.Latest)
	return nil
}

// flight looks after what is in flight: the first act of every holder. Bytes
// that no pool knows are sent again as they are; what waits too long gets
// better fees; what is not wanted any more is replaced by nothing.
func (r *drain) flight(ctx context.Context) error {
	if len(r.entries) == 0 {
		return nil
	}
	var hashes []common.Hash
	ids := map[swap.OrderID]bool{}
	for _, e := range r.entries {
		for _, t := range e.Txs {
			hashes = append(hashes, t.Hash)
		}
		ids[e.Order] = true
	}
	outcomes, err := r.Backend.Outcomes(ctx, r.ChainID, hashes)
	if err != nil {
		return fmt.Errorf("look up transactions of %s on chain %d: %w", r.Account.Signer, r.ChainID, err)
	}
	cases, _, err := r.Decide(ctx, keys(ids))
	errs := []error{err}
	for i, e := range r.entries {
		known, mined := false, false
		for range e.Txs {
			known, mined = known || outcomes[0].Known, mined || outcomes[0].Mined
			outcomes = outcomes[1:]
		}
		if mined || e.Nonce < r.state.Latest {
			continue // the tracker settles it
		}
		last := e.Txs[len(e.Txs)-1]
		c, decided := cases[e.Order]
		switch {
		case decided && !isNoop(last) && unwanted(c, e):
			errs = append(errs, r.replace(ctx, &r.entries[i], nil, swap.Case{}))
		case !known:
			if err := r.hold.Check(); err != nil {
				return errors.Join(append(errs, err)...)
			}
			r.done.Resent++
			errs = append(errs, r.Backend.Send(ctx, r.ChainID, last.Raw))
		case int64(r.state.Head.Time-last.Head.Time) >= max(bumpAfter, r.chain.Inclusion):
			if isNoop(last) {
				errs = append(errs, r.replace(ctx, &r.entries[i], nil, swap.Case{}))
			} else if a, ok := c.Decision.Wanted(e.Action); ok {
				errs = append(errs, r.replace(ctx, &r.entries[i], &a, c))
			}
		}
	}
	return errors.Join(errs...)
}

// unwanted: the plan forbids what is in flight, and it may still do harm. A
// call on a leg that has ended merely reverts.
func unwanted(c swap.Case, e Entry) bool {
	if _, ok := c.Decision.Wanted(e.Action); ok {
		return false
	}
	for _, l := range append([]swap.LegState{c.State.Src}, c.State.Dsts...) {
		if l.ChainID == e.ChainID && l.Escrow == e.Action.Escrow {
			return l.Status == swap.LegOpen
		}
	}
	return false
}

// replace signs a transaction of the same nonce at a higher price: the same
// action, or nothing at all where action is nil.
func (r *drain) replace(ctx context.Context, e *Entry, action *swap.Action, c swap.Case) error {
	last := e.Txs[len(e.Txs)-1]
	call := noop(r.Account)
	limit := *new(uint256.Int).SetAllOne()
	if action != nil {
		var err error
		if call, err = Build(c, *action); err != nil {
			return err
		}
		if err := Guard(r.Policy, c, *action, call); err != nil {
			return err
		}
		limit = action.FeeCap
	} else {
		// A replacement by nothing may cost what the action might have.
		limit.Mul(&last.FeeCap, uint256.NewInt(2*last.Gas))
	}
	fees, ok := Price(r.state, call.Gas, limit, &last)
	if !ok {
		if action != nil {
			r.find(swap.FeeCapLow, swap.Critical, *action, "the cap leaves no room to replace a waiting transaction")
		}
		return nil
	}
	tx, err := r.sign(ctx, call, e.Nonce, fees)
	if err != nil {
		return err
	}
	next := *e
	next.Txs = append(slices.Clone(e.Txs), tx)
	if err := r.hold.Check(); err != nil {
		return err
	}
	if err := r.Journal.Record(ctx, r.hold.Fence(), next, nil); err != nil {
		return fmt.Errorf("journal replacement of nonce %d: %w", e.Nonce, err)
	}
	next.Version++
	*e = next
	r.done.Bumped++
	return r.Backend.Send(ctx, r.ChainID, tx.Raw)
}

// ready is work that passed the plan.
type ready struct {
	work swap.Work
	swap.Case
}

// pass sends everything that is due now. next is the block time for which it is
// worth waiting, zero if there is none.
func (r *drain) pass(ctx context.Context) (next swap.ChainTime, err error) {
	works, err := r.sendable(ctx)
	if err != nil || len(works) == 0 {
		return 0, err
	}
	ids := map[swap.OrderID]bool{}
	for _, w := range works {
		ids[w.Order] = true
	}
	cases, views, err := r.Decide(ctx, keys(ids))
	errs := []error{err}
	view, ok := views[r.ChainID]
	if !ok {
		return 0, errors.Join(append(errs, fmt.Errorf("no view of chain %d", r.ChainID))...)
	}
	r.state.Head = view.Head

	var due []ready
	for _, w := range works {
		c, ok := cases[w.Order]
		if !ok {
			continue // its source chain cannot be read now
		}
		a, wanted := c.Decision.Wanted(w.Key())
		if !wanted {
			w.State, w.Why = swap.WorkObsolete, swap.Reason("not wanted on a fresh view")
			errs = append(errs, conflictIsFine(r.Works.Save(ctx, w)))
			r.done.Obsolete++
			continue
		}
		w.Action = a
		due = append(due, ready{w, c})
	}
	slices.SortStableFunc(due, byUrgency)
	for _, d := range due {
		at := r.sendAt(d.work.From)
		if ahead := at.Sub(view.Head.Time); ahead > 0 {
			if ahead <= waitAhead && (next == 0 || at < next) {
				next = at
			}
			r.done.Waiting++
			continue
		}
		if len(r.entries) >= r.config.PoolCap {
			r.done.Waiting++
			continue
		}
		if err := r.send(ctx, d); err != nil {
			errs = append(errs, fmt.Errorf("%s of escrow %s: %w", d.work.Call, d.work.Escrow, err))
			if r.hold.Check() != nil {
				break
			}
		}
	}
	return next, errors.Join(errs...)
}

// sendable lists the account's live work that has no transaction in flight.
func (r *drain) sendable(ctx context.Context) ([]swap.Work, error) {
	var out []swap.Work
	for taker, t := range r.chain.Takers {
		if t.Signer != r.Account.Signer && r.chain.AccessTokenSigner != r.Account.Signer {
			continue
		}
		live, err := r.Works.Live(ctx, r.ChainID, taker)
		if err != nil {
			return nil, fmt.Errorf("read live work of %s on chain %d: %w", taker, r.ChainID, err)
		}
		for _, w := range live {
			if w.Action.Signer == r.Account.Signer && w.Sendable(r.state.Head.Time) {
				out = append(out, w)
			}
		}
	}
	return out, nil
}

// sendAt is the head time from which a transaction cannot be included too
// early: the block after it must be legal. Where block times are irregular the
// next block may carry the smallest possible step, or share the time of the
// head, so the head itself must be legal.
func (r *drain) sendAt(from swap.ChainTime) swap.ChainTime {
	if r.config.Regular {
		return from - swap.ChainTime(r.chain.MinBlockTime)
	}
	return from
}

// await waits until the head reaches the time, as long as the context leaves
// time to work afterwards.
func (r *drain) await(ctx context.Context, at swap.ChainTime) (bool, error) {
	pause := min(max(time.Duration(r.chain.MinBlockTime)*time.Second/4, pollLeast), pollMost)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for start := r.state.Head.Time; ; timer.Reset(pause) {
		if end, ok := ctx.Deadline(); ok && time.Until(end) < settleReserve+pause {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-timer.C:
		}
		head, age, err := r.Backend.Head(ctx, r.ChainID)
		if err != nil {
			return false, fmt.Errorf("read head of chain %d: %w", r.ChainID, err)
		}
		if head.Time >= at {
			return true, nil
		}
		if head.Time == start && age > waitAhead*2*time.Second {
			return false, nil // the chain stands still; the echo or the sweep rings again
		}
	}
}

// send takes one action all the way: rehearse, price, sign, journal, broadcast.
func (r *drain) send(ctx context.Context, d ready) error {
	a := d.work.Action
	call, err := Build(d.Case, a)
	if err != nil {
		return err
	}
	if err := Guard(r.Policy, d.Case, a, call); err != nil {
		return err
	}
	at := max(a.From, r.state.Head.Time+swap.ChainTime(max(1, r.chain.MinBlockTime)))
	rehearsal, err := r.Backend.Rehearse(ctx, call, at)
	if err != nil {
		return fmt.Errorf("rehearse: %w", err)
	}
	early := rehearsal.AtHead && rehearsal.Revert == swap.RevertInvalidTime && a.From > r.state.Head.Time
	if !rehearsal.Revert.OK() && !early {
		r.find(swap.CallReverts, swap.Critical, a, "the chain answers "+string(rehearsal.Revert))
		return r.refuse(ctx, d.work, swap.Reason("reverts: "+string(rehearsal.Revert)))
	}
	fees, ok := Price(r.state, call.Gas, a.FeeCap, nil)
	if !ok {
		r.find(swap.FeeCapLow, swap.Critical, a, "the cap does not cover the chain's base fee")
		return r.refuse(ctx, d.work, "fee cap below the base fee")
	}
	cost, overflow := new(uint256.Int).MulOverflow(&fees.FeeCap, uint256.NewInt(call.Gas))
	if overflow || r.state.Balance.Lt(cost) {
		r.find(swap.SignerDry, swap.Critical, a, "the signer's balance does not cover the gas")
		return r.refuse(ctx, d.work, "signer cannot pay for gas")
	}
	tx, err := r.sign(ctx, call, r.next, fees)
	if err != nil {
		return err
	}
	e := Entry{Account: r.Account, Nonce: r.next, Order: a.Order, Action: a.Key(), State: Open, Txs: []Tx{tx}}
	w := d.work
	w.State, w.Why, w.RetryAt = swap.WorkSubmitted, "", 0
	if err := r.hold.Check(); err != nil {
		return err
	}
	if err := r.Journal.Record(ctx, r.hold.Fence(), e, &w); err != nil {
		if errors.Is(err, swap.ErrConflict) {
			// Somebody was faster with the nonce or the action: look again.
			if again := r.open(ctx); again != nil {
				return again
			}
			return nil
		}
		return fmt.Errorf("journal nonce %d: %w", e.Nonce, err)
	}
	e.Version++
	r.entries = append(r.entries, e)
	r.next++
	r.state.Balance.SubOverflow(&r.state.Balance, cost)
	r.done.Sent++
	r.Log.InfoContext(ctx, "sending", "order", a.Order.String(), "chain", a.ChainID, "escrow", a.Escrow.Hex(),
		"action", a.Call.String(), "tx", tx.Hash.Hex(), "nonce", e.Nonce)
	// From here on the bytes are in the journal: whatever becomes of this
	// broadcast, the next holder repeats it.
	return r.Backend.Send(ctx, r.ChainID, tx.Raw)
}

// refuse puts an action off that the chain would not take now.
func (r *drain) refuse(ctx context.Context, w swap.Work, why swap.Reason) error {
	now := r.state.Head.Time
	wait := int64(firstRetry) << min(w.Attempt-1, 6)
	wait = min(wait, lastRetry)
	if w.Hard != 0 {
		wait = max(1, min(wait, w.Hard.Sub(now)/urgent))
	}
	w.State, w.Why, w.RetryAt = swap.WorkRefused, why, now.Add(wait)
	w.Attempt++
	r.done.Refused++
	r.Log.WarnContext(ctx, "refused", "order", w.Order.String(), "chain", w.ChainID, "escrow", w.Escrow.Hex(),
		"action", w.Call.String(), "reason", string(why))
	return conflictIsFine(r.Works.Save(ctx, w))
}

// sign builds the transaction and has it signed. The recovered sender must be
// the account: a key that is not what the configuration says never gets to the
// journal.
func (r *drain) sign(ctx context.Context, c Call, nonce uint64, f Fees) (Tx, error) {
	to, chain := c.To, new(big.Int).SetUint64(r.ChainID)
	var inner types.TxData = &types.DynamicFeeTx{ChainID: chain, Nonce: nonce, GasTipCap: f.TipCap.ToBig(),
		GasFeeCap: f.FeeCap.ToBig(), Gas: c.Gas, To: &to, Data: c.Data}
	if r.state.Legacy {
		inner = &types.LegacyTx{Nonce: nonce, GasPrice: f.FeeCap.ToBig(), Gas: c.Gas, To: &to, Data: c.Data}
	}
	signer := types.LatestSignerForChainID(chain)
	tx := types.NewTx(inner)
	sig, err := r.Drainer.Signer.Sign(ctx, r.Account.Signer, signer.Hash(tx))
	if err != nil {
		return Tx{}, fmt.Errorf("sign nonce %d: %w", nonce, err)
	}
	if tx, err = tx.WithSignature(signer, sig[:]); err != nil {
		return Tx{}, fmt.Errorf("sign nonce %d: %w", nonce, err)
	}
	if from, err := types.Sender(signer, tx); err != nil || from != r.Account.Signer {
		return Tx{}, fmt.Errorf("sign nonce %d: signature is of %s, want %s", nonce, from, r.Account.Signer)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return Tx{}, fmt.Errorf("encode nonce %d: %w", nonce, err)
	}
	return Tx{Hash: tx.Hash(), Raw: raw, Gas: c.Gas, FeeCap: f.FeeCap, TipCap: f.TipCap,
		SignedAt: time.Now().UTC(), Head: r.state.Head}, nil
}

func (r *drain) find(code swap.FindingCode, severity swap.Severity, a swap.Action, detail string) {
	r.findings = append(r.findings, swap.Finding{Code: code, Severity: severity, Order: a.Order, ChainID: a.ChainID,
		Escrow: a.Escrow, Call: a.Call, Deadline: a.Hard, AtRisk: a.AtRisk, Detail: detail})
}

// isNoop recognises a replacement by nothing: it is the only kind of ours that
// needs no more gas than a transfer.
func isNoop(t Tx) bool { return t.Gas == gasNoop }

// byUrgency orders by bucket of hard deadline (none is last), then by value,
// a token without a price before any other.
func byUrgency(a, b ready) int {
	return cmp.Or(
		cmp.Compare(bucket(a.work.Action), bucket(b.work.Action)),
		-cmp.Compare(rank(a.work.Priceless), rank(b.work.Priceless)),
		-a.work.AtRisk.Cmp(&b.work.AtRisk),
		cmp.Compare(a.work.Key().String(), b.work.Key().String()))
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

func conflictIsFine(err error) error {
	if errors.Is(err, swap.ErrConflict) {
		return nil
	}
	return err
}

func keys(m map[swap.OrderID]bool) []swap.OrderID {
	out := make([]swap.OrderID, 0, len(m))
	for id := range m {
		out = append(out, id)
	}
	return out
}
