package txn

import (
	"context"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
)

// Trace runs a step of the work as a part of that name of the run's trace, found
// by what it is about. nil only runs it.
type Trace func(ctx context.Context, name string, about map[string]string, step func(context.Context) error) error

func (t Trace) run(ctx context.Context, name string, about map[string]string, step func(context.Context) error) error {
	if t == nil {
		return step(ctx)
	}
	return t(ctx, name, about, step)
}

// transaction is run for a step with one transaction. Each of its actions has a
// part of its own within, so that the trace is found by every order.
func (t Trace) transaction(ctx context.Context, name string, e Entry, tx common.Hash, step func(context.Context) error) error {
	chain := strconv.FormatUint(e.ChainID, 10)
	about := map[string]string{"chain": chain, "signer": e.Signer.Hex(), "nonce": strconv.FormatUint(e.Nonce, 10), "tx": tx.Hex()}
	return t.run(ctx, name, about, func(ctx context.Context) error {
		for _, a := range e.Acts {
			about := map[string]string{"chain": chain, "order": a.Order.String(), "escrow": a.Action.Escrow.Hex(), "action": a.Action.Call.String()}
			if err := t.run(ctx, "action", about, func(context.Context) error { return nil }); err != nil {
				return err
			}
		}
		return step(ctx)
	})
}
