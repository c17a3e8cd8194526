package txn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const (
	// firstRetry and lastRetry bound the back-off of a call that the chain
	// refuses although it is legal, in seconds of block time.
	firstRetry = 30
	lastRetry  = 1800
	// urgent is the share of the time left to a hard deadline after which a
	// refused call is tried again, whatever its back-off.
	urgent = 4
	// headLag is how far, in seconds of block time, the head of the endpoint
	// that a call was rehearsed at may lie behind the one that it was judged by.
	headLag = 30
	// nearDeadline: actions whose hard deadline falls into the same bucket of
	// this many seconds go in order of value.
	nearDeadline = 60
)

// send takes one action all the way: rehearse, price, sign, journal, broadcast.
func (r *drain) send(ctx context.Context, d ready) error {
	a := d.work.Action
	call, err := r.build(d.Case, a)
	if err != nil {
		return err
	}
	at := max(a.From, r.head.Time.Add(r.chain.MinBlockTime)) // of the next block, at the earliest
	rehearsal, err := r.Backend.Rehearse(ctx, call, at)
	if err != nil {
		return fmt.Errorf("rehearse: %w", err)
	}
	// The plan's arithmetic of windows is exact: where the node judged by its
	// own head, InvalidTime around the start means "not yet".
	early := rehearsal.AtHead && rehearsal.Revert == swap.RevertInvalidTime && a.From.Add(headLag) > r.head.Time
	if !rehearsal.Revert.OK() && !early {
		severity := swap.Critical
		if d.work.Attempt <= 1 && a.Hard == 0 {
			severity = swap.Warning // somebody else may just have done it
		}
		r.find(swap.CallReverts, severity, a, "the chain answers "+string(rehearsal.Revert))
		r.refuse(ctx, d.work, swap.Reason("reverts: "+string(rehearsal.Revert)))
		return nil
	}
	fees, ok := Price(r.state, call.Gas, a.FeeCap, nil)
	if !ok {
		r.find(swap.FeeCapLow, swap.Critical, a, "the cap does not cover the chain's base fee")
		r.refuse(ctx, d.work, "fee cap below the base fee")
		return nil
	}
	price := cost(call.Gas, &fees.FeeCap)
	if r.state.Balance.Lt(price) {
		r.find(swap.SignerDry, swap.Critical, a, "the signer's balance does not cover the gas")
		r.refuse(ctx, d.work, "signer cannot pay for gas")
		return nil
	}
	nonce, _ := r.nonce()
	tx, err := r.sign(ctx, call, nonce, fees)
	if err != nil {
		return err
	}
	e := Entry{Account: r.Account, Nonce: nonce, Acts: []Act{{a.Order, a.Key()}}, State: Open, Txs: []Tx{tx}}
	w := d.work
	w.State, w.Why, w.RetryAt = swap.WorkSubmitted, "", 0
	if err := r.record(ctx, e, []swap.Work{w}); err != nil {
		return err
	}
	r.add(e)
	r.state.Balance = *minus(&r.state.Balance, price)
	r.done.Sent++
	r.Log.InfoContext(ctx, "sending", "order", a.Order.String(), "chain", a.ChainID, "escrow", a.Escrow.Hex(),
		"action", a.Call.String(), "tx", tx.Hash.Hex(), "nonce", e.Nonce)
	// From here on the bytes are in the journal: whatever becomes of this
	// broadcast, the next holder repeats it.
	return r.broadcast(ctx, tx)
}

// build makes an action's call and has it guarded.
func (r *drain) build(c swap.Case, a swap.Action) (Call, error) {
	if a.Signer != r.Account.Signer || a.ChainID != r.ChainID {
		return Call{}, fmt.Errorf("build %s: signed by %s on chain %d", a.Call, a.Signer, a.ChainID)
	}
	call, err := Build(c, a)
	if err != nil {
		return Call{}, err
	}
	return call, Guard(r.Policy, c, a, call)
}

// record journals an entry. A write without an answer is repeated once, which
// succeeds if it was applied.
func (r *drain) record(ctx context.Context, e Entry, works []swap.Work) (err error) {
	for range 2 {
		if err := r.hold.Check(); err != nil {
			return err
		}
		err = r.Journal.Record(ctx, r.hold.Fence(), e, works)
		r.conflict = errors.Is(err, swap.ErrConflict)
		if r.unsure = err != nil && !r.conflict; !r.unsure || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("journal nonce %d: %w", e.Nonce, err)
	}
	return nil
}

// broadcast sends bytes that stand in the journal.
func (r *drain) broadcast(ctx context.Context, t Tx) error {
	if err := r.Backend.Send(ctx, r.ChainID, t.Raw); err != nil {
		return fmt.Errorf("broadcast %s: %w", t.Hash, err)
	}
	return nil
}

// add puts a new entry where its nonce belongs.
func (r *drain) add(e Entry) {
	i := 0
	for i < len(r.entries) && r.entries[i].Nonce < e.Nonce {
		i++
	}
	r.entries = append(r.entries[:i:i], append([]Entry{e}, r.entries[i:]...)...)
}

// refuse puts an action off that the chain would not take now.
func (r *drain) refuse(ctx context.Context, w swap.Work, why swap.Reason) {
	r.done.Refused++
	r.Log.WarnContext(ctx, "refused", "order", w.Order.String(), "chain", w.ChainID, "escrow", w.Escrow.Hex(),
		"action", w.Call.String(), "reason", string(why))
	r.refused = append(r.refused, putOff(w, why, r.head.Time))
}

// putOff refuses work until its back-off ends: longer with each attempt, but
// never more than a share of the time left to a hard deadline.
func putOff(w swap.Work, why swap.Reason, now swap.ChainTime) swap.Work {
	wait := min(int64(firstRetry)<<min(max(w.Attempt, 1)-1, 6), lastRetry)
	if left := w.Hard.Sub(now); w.Hard != 0 && left > 0 {
		wait = max(1, min(wait, left/urgent))
	}
	w.State, w.Why, w.RetryAt = swap.WorkRefused, why, now.Add(wait)
	w.Attempt++
	return w
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
	from, err := types.Sender(signer, tx)
	if err != nil {
		return Tx{}, fmt.Errorf("sign nonce %d: %w", nonce, err)
	}
	if from != r.Account.Signer {
		return Tx{}, fmt.Errorf("sign nonce %d: signature is of %s, want %s", nonce, from, r.Account.Signer)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return Tx{}, fmt.Errorf("encode nonce %d: %w", nonce, err)
	}
	return Tx{Hash: tx.Hash(), Raw: raw, Gas: c.Gas, FeeCap: f.FeeCap, TipCap: f.TipCap,
		SignedAt: time.Now().UTC(), Head: r.head}, nil
}

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
