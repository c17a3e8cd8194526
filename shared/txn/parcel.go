package txn

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const (
	// maxBatchGas is the most gas of one transaction: a third of a block of 30
	// million, so that it finds room in the next one, and well below the 2^24 that
	// EIP-7825 allows a transaction at all.
	maxBatchGas = 10_000_000
	// maxRehearsals is the most calls that one pass rehearses. To find one bad
	// action among MaxActs takes eleven; if all are bad, twice their number. What
	// is left over waits for the next pass, when the bad ones are put off.
	maxRehearsals = 256
)

// parcel is what goes into one transaction: one action, or several calls of one
// resolver contract, the most urgent first.
type parcel struct {
	items []ready
	call  Call
	data  uint256.Int // the rollup's fee for its data, wei
	fees  Fees
	price uint256.Int // the most that it can cost, wei
	tx    Tx
}

// pack puts what is due into parcels, in the order given: each action joins the
// first parcel of its resolver contract that has room, so that nothing waits for
// a fuller one and nothing urgent moves back. Actions that reverted together go
// in ever smaller parcels, at last alone.
func pack(due []ready) (out []parcel) {
	type group struct {
		taker common.Address
		most  int
	}
	open := map[group]int{}
	for _, d := range due {
		a, gas := d.work.Action, gasOf(d.Case, d.work.Action)
		g := group{a.Taker, batchLimit(d.work)}
		i, ok := open[g]
		if a.Path != swap.PathResolver || !ok || len(out[i].items) >= g.most || out[i].call.Gas+gas > maxBatchGas {
			out = append(out, parcel{})
			i = len(out) - 1
			out[i].call.Gas = gasResolver
			if a.Path == swap.PathResolver {
				open[g] = i
			}
		}
		out[i].items = append(out[i].items, d)
		out[i].call.Gas += gas
	}
	return out
}

// batchLimit is the most actions that may share a transaction with this one.
func batchLimit(w swap.Work) int {
	if w.Why == revertedTogether || w.State == swap.WorkSubmitted {
		return max(1, MaxActs>>min(w.Attempt+1, 5))
	}
	return MaxActs
}

// assemble builds the call of a parcel and has it guarded.
func (r *drain) assemble(items []ready) (Call, error) {
	for _, d := range items {
		if a := d.work.Action; a.Signer != r.Account.Signer || a.ChainID != r.ChainID {
			return Call{}, fmt.Errorf("build %s: signed by %s on chain %d", a.Call, a.Signer, a.ChainID)
		}
	}
	parts := make([]Part, len(items))
	for i, d := range items {
		parts[i] = Part{d.Case, d.work.Action}
	}
	call, err := BuildAll(parts)
	if err != nil {
		return Call{}, err
	}
	return call, GuardAll(r.Policy, parts, call)
}

// rehearse finds out which parts of a parcel the chain would take. It rehearses
// the whole; if that is refused, each half by itself, so that one bad action
// never holds the others. What is left is returned as parcels; what is refused
// alone is put off, and what could not be rehearsed any more waits. whole: the
// items are not a half.
func (r *drain) rehearse(ctx context.Context, items []ready, whole bool) (good []parcel, bad []refusal, err error) {
	call, err := r.assemble(items)
	if err != nil && len(items) > 1 {
		return r.halves(ctx, items) // only the one that cannot be built is an error
	}
	if err != nil {
		return nil, nil, about(items, err)
	}
	if r.rehearsals.Add(-1) < 0 {
		return nil, []refusal{{items: items}}, nil
	}
	at := r.head.Time.Add(r.chain.MinBlockTime) // of the next block, at the earliest
	near := true
	for _, d := range items {
		at = max(at, d.work.From)
		near = near && d.work.From.Add(headLag) > r.head.Time
	}
	rehearsal, err := r.Backend.Rehearse(ctx, call, at)
	if err != nil {
		return nil, nil, about(items, fmt.Errorf("rehearse: %w", err))
	}
	// The plan's arithmetic of windows is exact: where the node judged by its
	// own head, InvalidTime around the start means "not yet".
	early := rehearsal.AtHead && rehearsal.Revert == swap.RevertInvalidTime && near
	if rehearsal.Revert.OK() || early {
		data, err := r.dataFee(ctx, call)
		if err != nil {
			return nil, nil, about(items, err)
		}
		return []parcel{{items: items, call: call, data: data}}, nil, nil
	}
	if whole && items[0].work.Path == swap.PathResolver {
		shut, err := r.shut(ctx, call, at)
		if err != nil {
			return nil, nil, about(items, err)
		}
		if shut {
			return nil, []refusal{{items, rehearsal.Revert, true}}, nil
		}
	}
	if len(items) == 1 {
		return nil, []refusal{{items, rehearsal.Revert, false}}, nil
	}
	return r.halves(ctx, items)
}

func (r *drain) halves(ctx context.Context, items []ready) (good []parcel, bad []refusal, err error) {
	g, b, err := r.rehearse(ctx, items[:len(items)/2], false)
	h, c, more := r.rehearse(ctx, items[len(items)/2:], false)
	return append(g, h...), append(b, c...), errors.Join(err, more)
}

// about names what an error is about.
func about(items []ready, err error) error {
	w := items[0].work
	if len(items) > 1 {
		return fmt.Errorf("%s of escrow %s and %d more: %w", w.Call, w.Escrow, len(items)-1, err)
	}
	return fmt.Errorf("%s of escrow %s: %w", w.Call, w.Escrow, err)
}

// shut reports whether a resolver contract that refused calls refuses its signer:
// then it refuses to make no call at all too.
func (r *drain) shut(ctx context.Context, call Call, at swap.ChainTime) (bool, error) {
	call.Data = swap.EncodeArbitraryCalls(nil, nil)
	rehearsal, err := r.Backend.Rehearse(ctx, call, at)
	if err != nil {
		return false, fmt.Errorf("rehearse no call of resolver contract %s: %w", call.To, err)
	}
	return !rehearsal.Revert.OK(), nil
}

// refusal is what the chain does not take now. Without a revert: nobody asked,
// since this pass has rehearsed enough.
type refusal struct {
	items  []ready
	revert swap.Revert
	shut   bool // the resolver contract refuses the signer, whatever the call
}

// refuseAll puts off what the chain would not take, and says why.
func (r *drain) refuseAll(refused []refusal) {
	for _, f := range refused {
		for _, d := range f.items {
			a := d.work.Action
			switch {
			case f.revert == swap.RevertNone:
				r.done.Waiting++
				r.left = true
			case d.work.State == swap.WorkSubmitted:
				// Its first transaction is not settled yet; that it is refused
				// may be because it was mined after all.
				if a.Hard != 0 {
					r.find(swap.CallReverts, swap.Warning, a, "sent before, and the chain now answers "+string(f.revert))
				}
			case f.shut:
				r.find(swap.CallReverts, swap.Critical, a, "resolver contract "+a.Taker.Hex()+" refuses its signer "+a.Signer.Hex()+": "+string(f.revert))
				r.refuse(d.work, swap.Reason("resolver contract refuses its signer: "+string(f.revert)))
			default:
				severity := swap.Critical
				if d.work.Attempt <= 1 && a.Hard == 0 {
					severity = swap.Warning // somebody else may just have done it
				}
				r.find(swap.CallReverts, severity, a, "the chain answers "+string(f.revert))
				r.refuse(d.work, swap.Reason("reverts: "+string(f.revert)))
			}
		}
	}
}
