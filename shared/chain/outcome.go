package chain

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// wireReceipt is the part of a receipt that is read.
type wireReceipt struct {
	Tx        *common.Hash `json:"transactionHash"`
	BlockHash *common.Hash `json:"blockHash"`
	Block     quantity     `json:"blockNumber"`
	Status    quantity     `json:"status"`
	GasUsed   quantity     `json:"gasUsed"`
	Price     quantity     `json:"effectiveGasPrice"`
	L1Fee     quantity     `json:"l1Fee"` // OP stack and its kin: the data fee, in wei
	Logs      *[]wireLog   `json:"logs"`
}

// Outcomes looks transactions up by hash. One that an endpoint does not know,
// or knows unmined, is looked for at the others in good standing too: a node
// that lags by a block must not make a mined transaction look dropped. The
// block of a mined one is the canonical block of that number; if its hash is
// not the receipt's, the chain is moving and the endpoint is asked again.
//
// Cost is gas used times the effective price, plus l1Fee where a receipt has
// it. An operator fee of the OP stack, zero on the chains known to us, is not
// counted. A receipt without its list of logs is malformed: what a transaction
// did is read from there.
func (c *Client) Outcomes(ctx context.Context, id uint64, hashes []common.Hash) ([]txn.Outcome, error) {
	ch, err := c.chain(id)
	if err != nil {
		return nil, err
	}
	out := make([]txn.Outcome, len(hashes))
	err = ch.search(ctx, len(hashes), func(ctx context.Context, e *endpoint, left []int) ([]int, error) {
		asked := make([]common.Hash, len(left))
		for i, n := range left {
			asked[i] = hashes[n]
		}
		found, err := e.outcomes(ctx, asked)
		if err != nil {
			return nil, err
		}
		var missing []int
		for i, n := range left {
			if !found[i].Mined {
				found[i].Known = found[i].Known || out[n].Known
				missing = append(missing, n)
			}
			out[n] = found[i]
		}
		return missing, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read outcomes of %d transactions of chain %d: %w", len(hashes), id, err)
	}
	return out, nil
}

// outcomes is what one endpoint knows.
func (e *endpoint) outcomes(ctx context.Context, hashes []common.Hash) ([]txn.Outcome, error) {
	calls := make([]*call, 0, 2*len(hashes))
	for _, h := range hashes {
		calls = append(calls, txCall(h), newCall("eth_getTransactionReceipt", h))
	}
	if err := e.do(ctx, calls...); err != nil {
		return nil, err
	}
	out := make([]txn.Outcome, len(hashes))
	blocks := map[uint64]*call{}
	var headers []*call
	for i, h := range hashes {
		tx, err := decodeTx(e, calls[2*i], h)
		if err != nil {
			return nil, err
		}
		if out[i], err = decodeReceipt(e, calls[2*i+1], h, tx); err != nil {
			return nil, err
		}
		if n := out[i].Block.Number; out[i].Mined && blocks[n] == nil {
			blocks[n] = blockCall(n)
			headers = append(headers, blocks[n])
		}
	}
	if err := e.do(ctx, headers...); err != nil {
		return nil, err
	}
	for i := range out {
		o := &out[i]
		if !o.Mined {
			continue
		}
		b, err := decodeBlock(e, blocks[o.Block.Number], o.Block.Number)
		if err != nil {
			return nil, err
		}
		if b.Hash != o.Block.Hash {
			return nil, e.fault(classReorg, "eth_getTransactionReceipt", "")
		}
		o.Block = b
		for i := range o.Events {
			o.Events[i].At.Time = b.Time
		}
	}
	return out, nil
}

// decodeEvents reads what escrows say in a receipt's logs. A log that only looks
// like an escrow's is none.
func decodeEvents(e *endpoint, c *call, r wireReceipt) ([]swap.EscrowEvent, error) {
	var out []swap.EscrowEvent
	for _, w := range *r.Logs {
		l, ok := w.log(e.chain.ID)
		if !ok || l.At.Tx != *r.Tx || l.At.BlockHash != *r.BlockHash {
			return nil, e.fault(classMalformed, c.method, "receipt with a log that is not its own")
		}
		if ev, ok, err := swap.DecodeEscrow(l); ok && err == nil {
			out = append(out, ev)
		}
	}
	return out, nil
}

// decodeReceipt joins what was said of a transaction and of its receipt; the
// time of the block is still missing.
func decodeReceipt(e *endpoint, c *call, hash common.Hash, tx *wireTx) (txn.Outcome, error) {
	o := txn.Outcome{Known: tx != nil}
	if isNull(c.result) {
		return o, nil
	}
	r, err := decode[wireReceipt](e, c)
	if err != nil {
		return o, err
	}
	if r.Tx == nil || *r.Tx != hash {
		return o, e.fault(classMalformed, c.method, "receipt of another transaction")
	}
	number, okN := r.Block.u64()
	status, okS := r.Status.u64()
	gas, okG := r.GasUsed.u64()
	if r.BlockHash == nil || r.Logs == nil || !okN || !okS || status > 1 || !okG {
		return o, e.fault(classMalformed, c.method, "receipt with a field missing or out of bounds")
	}
	if tx != nil && tx.BlockHash != nil && *tx.BlockHash != *r.BlockHash {
		return o, e.fault(classReorg, c.method, "")
	}
	price := r.Price
	if !price.set && tx != nil {
		price = tx.GasPrice
	}
	if !price.set {
		return o, e.fault(classMalformed, c.method, "receipt without a price")
	}
	var cost uint256.Int
	_, over := cost.MulOverflow(&price.n, uint256.NewInt(gas))
	if !over {
		_, over = cost.AddOverflow(&cost, &r.L1Fee.n)
	}
	if over {
		return o, e.fault(classMalformed, c.method, "cost out of bounds")
	}
	events, err := decodeEvents(e, c, r)
	if err != nil {
		return o, err
	}
	return txn.Outcome{
		Known: true, Mined: true, Success: status == 1, GasUsed: gas, Cost: cost, Events: events,
		Block: swap.Block{Number: number, Hash: *r.BlockHash},
	}, nil
}
