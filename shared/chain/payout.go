package chain

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// topicTransfer is Transfer(address indexed,address indexed,uint256) of ERC-20.
var topicTransfer = common.HexToHash("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")

// Payouts reads what transactions moved of a token out of an escrow from the logs
// of both in the transaction's block, and not from the receipt: who empties an
// escrow writes that, and could fill it beyond every bound. An answer counts if it
// holds the cancellation itself; what one endpoint does not show is looked for at
// the others before the zero value is given. A block that is too rich for all of
// them is an error, beside which the others' answers are given.
func (c *Client) Payouts(ctx context.Context, id uint64, of []follow.Payout) ([]follow.Paid, error) {
	ch, err := c.chain(id)
	if err != nil {
		return nil, err
	}
	out := make([]follow.Paid, len(of))
	var rich error
	err = ch.search(ctx, len(of), func(ctx context.Context, e *endpoint, left []int) ([]int, error) {
		missing, r, err := e.payouts(ctx, of, left, out)
		rich = cmp.Or(r, rich)
		return missing, err
	})
	unknown := func(p follow.Paid) bool { return !p.Known }
	if err == nil && slices.ContainsFunc(out, unknown) {
		err = rich
	}
	if err != nil {
		return out, fmt.Errorf("read %d payouts of chain %d: %w", len(of), id, err)
	}
	return out, nil
}

// payouts asks one endpoint for those that are left, and returns which it does not
// know, with an error if some of them are too rich. Those are found by halving, so
// that they hide no others.
func (e *endpoint) payouts(ctx context.Context, of []follow.Payout, left []int, out []follow.Paid) (missing []int, rich, err error) {
	calls := make([]*call, len(left))
	for i, n := range left {
		calls[i] = newCall("eth_getLogs", map[string]any{
			"blockHash": of[n].Block,
			"address":   []common.Address{of[n].Escrow, of[n].Token},
			"topics":    []any{append(swap.EscrowTopics(), topicTransfer)},
		})
	}
	err = e.batch(ctx, calls...)
	if classOf(err) == classMany && len(left) > 1 {
		for _, half := range [][]int{left[:len(left)/2], left[len(left)/2:]} {
			m, r, err := e.payouts(ctx, of, half, out)
			if err != nil {
				return nil, nil, err
			}
			missing, rich = append(missing, m...), cmp.Or(rich, r)
		}
		return missing, rich, nil
	}
	if classOf(err) == classMany {
		return left, err, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for i, n := range left {
		paid, err := decodePaid(e, calls[i], of[n])
		switch c := classOf(err); {
		case c == classMany:
			rich = err
		case err != nil && c != classBehind:
			return nil, nil, err
		}
		if out[n] = paid; !paid.Known {
			missing = append(missing, n)
		}
	}
	return missing, rich, nil
}

func decodePaid(e *endpoint, c *call, of follow.Payout) (p follow.Paid, err error) {
	logs, err := decode[[]wireLog](e, c)
	if err != nil {
		return p, err
	}
	seen := map[uint]bool{}
	for _, w := range logs {
		l, ok := w.log(e.chain.ID)
		if !ok || l.At.BlockHash != of.Block || seen[l.At.Index] {
			return follow.Paid{}, e.fault(classMalformed, c.method, "log that is incomplete, of another block, or told twice")
		}
		seen[l.At.Index] = true
		if w.Removed || l.At.Tx != of.Tx {
			continue
		}
		if t, ok := transferOf(l, of); ok {
			p.Transfers = append(p.Transfers, t)
		}
		if l.Address != of.Escrow {
			continue
		}
		ev, ok, err := swap.DecodeEscrow(l)
		if err != nil {
			return follow.Paid{}, e.fault(classMalformed, c.method, err.Error())
		}
		p.Known = p.Known || ok && ev.Kind == swap.Cancelled
	}
	if !p.Known {
		p.Transfers = nil
	}
	return p, nil
}

// transferOf reads a log as a transfer of the token out of the escrow.
func transferOf(l swap.Log, of follow.Payout) (t follow.Transfer, ok bool) {
	if l.Address != of.Token || len(l.Topics) != 3 || l.Topics[0] != topicTransfer || len(l.Data) != 32 ||
		l.Topics[1] != common.BytesToHash(of.Escrow[:]) {
		return t, false
	}
	t.To = common.BytesToAddress(l.Topics[2][:])
	t.Amount = *new(uint256.Int).SetBytes32(l.Data)
	return t, true
}
