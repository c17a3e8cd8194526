package chain

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// topicTransfer is Transfer(address indexed,address indexed,uint256) of ERC-20.
var topicTransfer = common.HexToHash("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")

// Payouts reads from receipts what transactions moved of a token out of an
// escrow. A receipt that the first endpoint does not have, or has of another
// block, is looked for at the others before the zero value is given.
func (c *Client) Payouts(ctx context.Context, id uint64, of []follow.Payout) ([]follow.Paid, error) {
	ch, err := c.chain(id)
	if err != nil {
		return nil, err
	}
	out := make([]follow.Paid, len(of))
	err = ch.search(ctx, len(of), func(ctx context.Context, e *endpoint, left []int) ([]int, error) {
		calls := make([]*call, len(left))
		for i, n := range left {
			calls[i] = newCall("eth_getTransactionReceipt", of[n].Tx)
		}
		if err := e.do(ctx, calls...); err != nil {
			return nil, err
		}
		var missing []int
		for i, n := range left {
			paid, err := decodePaid(e, calls[i], of[n])
			if err != nil {
				return nil, err
			}
			if out[n] = paid; !paid.Known {
				missing = append(missing, n)
			}
		}
		return missing, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %d receipts of chain %d: %w", len(of), id, err)
	}
	return out, nil
}

func decodePaid(e *endpoint, c *call, of follow.Payout) (p follow.Paid, err error) {
	if c.failed == nil && isNull(c.result) {
		return p, nil
	}
	r, err := decode[wireReceipt](e, c)
	if err != nil {
		return p, err
	}
	if r.Tx == nil || *r.Tx != of.Tx {
		return p, e.fault(classMalformed, c.method, "receipt of another transaction")
	}
	if r.BlockHash == nil || r.Logs == nil {
		return p, e.fault(classMalformed, c.method, "receipt with a field missing or out of bounds")
	}
	if *r.BlockHash != of.Block {
		return p, nil
	}
	p.Known = true
	for _, w := range *r.Logs {
		l, ok := w.log(e.chain.ID)
		if !ok || l.At.Tx != *r.Tx || l.At.BlockHash != *r.BlockHash {
			return follow.Paid{}, e.fault(classMalformed, c.method, "receipt with a log that is not its own")
		}
		if t, ok := transferOf(l, of); ok {
			p.Transfers = append(p.Transfers, t)
		}
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
