package txn

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

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
)

// fill takes parcels all the way, as many as there is room for: rehearse, price,
// sign, journal, broadcast. What has to wait for the outside is done several at
// a time. The journal is written in the order of the nonces and no further than
// the first failure: a crash in between leaves no nonce out.
func (r *drain) fill(ctx context.Context, parcels []parcel, room int) error {
	outs := make([]struct {
		good []parcel
		bad  []refusal
		err  error
	}, len(parcels))
	r.each(len(parcels), func(i int) {
		o := &outs[i]
		o.good, o.bad, o.err = r.rehearse(ctx, parcels[i].items, true)
	})
	var good []parcel
	var errs []error
	for i, o := range outs {
		r.refuseAll(o.bad)
		errs = append(errs, o.err)
		if o.err != nil {
			r.retry(parcels[i].items)
		}
		for _, p := range o.good {
			able, err := r.able(ctx, p)
			good, errs = append(good, able...), append(errs, err)
		}
	}
	if len(good) > room { // halves of what was to be one
		r.wait(good[room:])
		good = good[:room]
	}
	priced := good[:0]
	for _, p := range good {
		if r.price(&p) {
			priced = append(priced, p)
		}
	}
	if len(priced) == 0 {
		return errors.Join(errs...)
	}
	for tries := range 2 {
		rest, err := r.sendAsOne(ctx, priced)
		errs = append(errs, err)
		if priced = rest; len(priced) == 0 || r.stopped() {
			break
		}
		if tries > 0 { // a key that cannot be used, most likely
			r.wait(priced)
		}
	}
	return errors.Join(errs...)
}

// sendAsOne signs parcels for nonces in a row, then journals and broadcasts one
// after the other. Behind a signature that failed the nonces are wrong: those
// parcels are returned.
func (r *drain) sendAsOne(ctx context.Context, parcels []parcel) (rest []parcel, err error) {
	nonces, err := r.take(ctx, len(parcels))
	if err != nil || len(nonces) == 0 {
		r.wait(parcels)
		return nil, err
	}
	r.wait(parcels[len(nonces):])
	parcels = parcels[:len(nonces)]
	signed := make([]error, len(parcels))
	r.each(len(parcels), func(i int) {
		parcels[i].tx, signed[i] = r.sign(ctx, parcels[i].call, nonces[i], parcels[i].fees)
	})
	var errs []error
	for i, p := range parcels {
		if signed[i] != nil {
			r.retry(p.items)
			return parcels[i+1:], errors.Join(append(errs, about(p.items, signed[i]))...)
		}
		if err := r.send(ctx, p, nonces[i]); err != nil {
			errs = append(errs, about(p.items, err))
			r.retry(p.items)
		}
		if r.stopped() {
			r.wait(parcels[i+1:])
			break
		}
	}
	return nil, errors.Join(errs...)
}

// retry has the next block look again at what failed, if it may not wait for the
// next doorbell: an error of the outside is seldom the same a block later.
func (r *drain) retry(items []ready) {
	for _, d := range items {
		r.left = r.left || r.near(d.work.Action)
	}
}

// wait leaves parcels to the next pass.
func (r *drain) wait(parcels []parcel) {
	for _, p := range parcels {
		r.done.Waiting += len(p.items)
		r.left = true
	}
}

// send journals a signed parcel and broadcasts it.
func (r *drain) send(ctx context.Context, p parcel, nonce uint64) error {
	e := Entry{Account: r.Account, Nonce: nonce, State: Open, Txs: []Tx{p.tx}}
	works := make([]swap.Work, len(p.items))
	for i, d := range p.items {
		works[i] = d.work
		works[i].State, works[i].Why, works[i].RetryAt = swap.WorkSubmitted, "", 0
		e.Acts = append(e.Acts, Act{d.work.Order, d.work.Key()})
	}
	if err := r.record(ctx, e, works); err != nil {
		return err
	}
	r.add(e)
	r.touched[nonce] = true
	r.done.Sent += len(p.items)
	for _, d := range p.items {
		a := d.work.Action
		r.Log.InfoContext(ctx, "sending", "order", a.Order.String(), "chain", a.ChainID, "escrow", a.Escrow.Hex(),
			"action", a.Call.String(), "tx", p.tx.Hash.Hex(), "nonce", nonce, "together", len(p.items))
	}
	// From here on the bytes are in the journal: whatever becomes of this
	// broadcast, the next holder repeats it.
	return r.Trace.transaction(ctx, "send", e, p.tx.Hash, func(ctx context.Context) error { return r.broadcast(ctx, p.tx) })
}

// dataFee reads what a rollup asks for the data of a call.
func (r *drain) dataFee(ctx context.Context, c Call) (fee uint256.Int, err error) {
	raw, err := r.unsigned(c, r.state.Latest, Fees{*higher(&r.state.BaseFee, &r.state.Tip), r.state.Tip}).MarshalBinary()
	if err == nil {
		fee, err = r.Backend.DataFee(ctx, r.ChainID, raw)
	}
	if err != nil {
		return fee, fmt.Errorf("read data fee: %w", err)
	}
	return fee, nil
}

// record journals an entry.
func (r *drain) record(ctx context.Context, e Entry, works []swap.Work) error {
	return r.write(ctx, e.Nonce, func() error { return r.Journal.Record(ctx, r.hold.Fence(), e, works) })
}

// write changes the journal at a nonce. A write without an answer is repeated
// once, which succeeds if it was applied.
func (r *drain) write(ctx context.Context, nonce uint64, do func() error) (err error) {
	for range 2 {
		if err := r.hold.Check(); err != nil {
			return err
		}
		err = do()
		r.conflict = errors.Is(err, swap.ErrConflict)
		if r.unsure = err != nil && !r.conflict; !r.unsure || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("journal nonce %d: %w", nonce, err)
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

// refuse puts an action off that the chain would not take now.
func (r *drain) refuse(w swap.Work, why swap.Reason) {
	r.done.Refused++
	r.Log.Warn("refused", "order", w.Order.String(), "chain", w.ChainID, "escrow", w.Escrow.Hex(),
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

// unsigned is the transaction of a call.
func (r *drain) unsigned(c Call, nonce uint64, f Fees) *types.Transaction {
	to := c.To
	if r.state.Legacy {
		return types.NewTx(&types.LegacyTx{Nonce: nonce, GasPrice: f.FeeCap.ToBig(), Gas: c.Gas, To: &to, Data: c.Data})
	}
	return types.NewTx(&types.DynamicFeeTx{ChainID: new(big.Int).SetUint64(r.ChainID), Nonce: nonce, GasTipCap: f.TipCap.ToBig(),
		GasFeeCap: f.FeeCap.ToBig(), Gas: c.Gas, To: &to, Data: c.Data})
}

// sign builds the transaction and has it signed. The recovered sender must be
// the account: a key that is not what the configuration says never gets to the
// journal.
func (r *drain) sign(ctx context.Context, c Call, nonce uint64, f Fees) (Tx, error) {
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(r.ChainID))
	tx := r.unsigned(c, nonce, f)
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
