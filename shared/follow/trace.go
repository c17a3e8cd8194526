package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// traces looks into the cancellations whose events do not say where the money
// went, batched per chain. One whose transaction cannot be read is looked into
// again in the next pass that plans its order, which stays open until then.
func (p *pass) traces(ctx context.Context, orders []*tracked, facts map[uint64]swap.Provisional) error {
	type wanted struct {
		swap.Cancellation
		owner *tracked
	}
	tokens, coins := map[uint64][]wanted{}, map[uint64][]wanted{}
	for _, o := range orders {
		s := swap.Fold(o.Order, facts)
		for _, c := range s.WantTraces() {
			of := tokens
			if c.IsNative() {
				of = coins
			}
			of[c.ChainID] = append(of[c.ChainID], wanted{c, o})
		}
	}
	store := func(w wanted, t swap.Trace) {
		t.Tx, t.Block = w.At.Tx, w.At.BlockHash
		w.owner.note(func(o *swap.Order) bool { return o.AddTrace(w.ChainID, w.Escrow, t) })
	}
	var errs []error
	for _, c := range p.sorted() {
		if of := tokens[c.id]; len(of) > 0 {
			asked := make([]Payout, len(of))
			for i, w := range of {
				asked[i] = Payout{Tx: w.At.Tx, Block: w.At.BlockHash, Escrow: w.Escrow, Token: w.Immutables.TokenAddress()}
			}
			paid, err := ask(ctx, c.id, len(of), func(ctx context.Context) ([]Paid, error) { return p.Probe.Payouts(ctx, c.id, asked) })
			errs = append(errs, err)
			for i, got := range paid {
				if got.Known {
					store(of[i], tally(of[i].Leg, got.Transfers))
				}
			}
		}
		if of := coins[c.id]; len(of) > 0 {
			hashes := make([]common.Hash, len(of))
			for i, w := range of {
				hashes[i] = w.At.Tx
			}
			txs, err := ask(ctx, c.id, len(of), func(ctx context.Context) ([]Transaction, error) { return p.Probe.Transactions(ctx, c.id, hashes) })
			errs = append(errs, err)
			for i, tx := range txs {
				if tx.From == (common.Address{}) {
					continue // not known
				}
				var t swap.Trace
				if p.Policy.Chains[c.id].Ours(tx.From) || tx.To == of[i].Escrow && of[i].Returns(tx.Input) {
					t.Returned = of[i].Immutables.AmountInt()
				}
				store(of[i], t)
			}
		}
	}
	return errors.Join(errs...)
}

// ask reads as much as is asked for, within half of the time that is left, or
// what of it can be read.
func ask[T any](ctx context.Context, chain uint64, n int, read func(context.Context) ([]T, error)) ([]T, error) {
	rpc, cancel := half(ctx)
	defer cancel()
	got, err := read(rpc)
	if len(got) != n {
		got, err = nil, cmp.Or(err, fmt.Errorf("%d answers to %d questions", len(got), n))
	}
	if err != nil {
		return got, fmt.Errorf("look into %d cancellations on chain %d: %w", n, chain, err)
	}
	return got, nil
}

// tally sums what came back to the taker of a leg, and what did not.
func tally(l swap.Leg, transfers []Transfer) (t swap.Trace) {
	taker := l.Immutables.TakerAddress()
	for _, m := range transfers {
		sum := &t.Astray
		if m.To == taker {
			sum = &t.Returned
		}
		if _, overflow := sum.AddOverflow(sum, &m.Amount); overflow {
			sum.SetAllOne()
		}
	}
	return t
}
