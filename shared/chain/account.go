package chain

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// Account reads a signer's nonces and balance and the fee market from one
// endpoint: the head first, then everything at its number in one batch, which
// also reads its header again. A head that was replaced in between fails the
// reading, and the endpoint is asked anew.
//
// A block without a base fee makes the chain legacy. The tip is
// eth_maxPriorityFeePerGas; where a node has no such method, what eth_gasPrice
// is above the base fee. Settled is zero, which settles nothing, where the node
// no longer has the state of that depth; Trouble tells it.
func (c *Client) Account(ctx context.Context, a txn.Account, depth uint64) (txn.AccountState, error) {
	ch, err := c.chain(a.ChainID)
	if err != nil {
		return txn.AccountState{}, err
	}
	var state txn.AccountState
	err = ch.try(ctx, func() []*endpoint { return ch.order(ch.newest()) }, func(ctx context.Context, e *endpoint) error {
		var err error
		state, err = e.account(ctx, a, depth)
		return err
	})
	if err != nil {
		return txn.AccountState{}, fmt.Errorf("read account %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	return state, nil
}

func (e *endpoint) account(ctx context.Context, a txn.Account, depth uint64) (txn.AccountState, error) {
	tip, price := newCall("eth_maxPriorityFeePerGas"), newCall("eth_gasPrice")
	top := latestCall()
	if err := e.batch(ctx, top, tip, price); err != nil {
		return txn.AccountState{}, err
	}
	h, head, err := decodeLatest(e, top)
	if err != nil {
		return txn.AccountState{}, err
	}
	s := txn.AccountState{Head: head, BaseFee: h.BaseFee.n, Legacy: !h.BaseFee.set}
	if s.Tip, err = e.tip(tip, price, h); err != nil {
		return txn.AccountState{}, err
	}

	number := hexutil.EncodeUint64(head.Number)
	latest := newCall("eth_getTransactionCount", a.Signer, number)
	settled := newCall("eth_getTransactionCount", a.Signer, hexutil.EncodeUint64(head.Number-min(head.Number, depth)))
	pending := newCall("eth_getTransactionCount", a.Signer, "pending")
	balance := newCall("eth_getBalance", a.Signer, number)
	check := blockCall(head.Number)
	if err := e.batch(ctx, latest, settled, pending, balance, check); err != nil {
		return txn.AccountState{}, err
	}
	if s.Latest, err = decodeNonce(e, latest); err != nil {
		return txn.AccountState{}, err
	}
	if settled.failed != nil && settled.failed.class == classState {
		e.tell(NoHistory, "does not keep the state of final blocks")
	} else if s.Settled, err = decodeNonce(e, settled); err != nil {
		return txn.AccountState{}, err
	}
	if s.Pending, err = decodeNonce(e, pending); err != nil {
		return txn.AccountState{}, err
	}
	wei, err := decode[quantity](e, balance)
	if err != nil {
		return txn.AccountState{}, err
	}
	s.Balance = wei.n
	now, err := decodeBlock(e, check, head.Number)
	if err != nil {
		return txn.AccountState{}, err
	}
	if now.Hash != head.Hash {
		return txn.AccountState{}, e.fault(classReorg, check.method, "")
	}
	if s.Settled > s.Latest {
		return txn.AccountState{}, e.fault(classMalformed, settled.method, "nonce fell")
	}
	return s, nil
}

// tip chooses among what the node suggests.
func (e *endpoint) tip(tip, price *call, h header) (uint256.Int, error) {
	lacks := tip.failed != nil && slices.Contains([]class{classUnsupported, classRequest, classOther}, tip.failed.class)
	if h.BaseFee.set && !lacks {
		t, err := decode[quantity](e, tip)
		return t.n, err
	}
	p, err := decode[quantity](e, price)
	if err != nil || !h.BaseFee.set {
		return p.n, err
	}
	var t uint256.Int
	if p.n.Gt(&h.BaseFee.n) {
		t.Sub(&p.n, &h.BaseFee.n)
	}
	return t, nil
}

func decodeNonce(e *endpoint, c *call) (uint64, error) {
	q, err := decode[quantity](e, c)
	if err != nil {
		return 0, err
	}
	n, ok := q.u64()
	if !ok {
		return 0, e.fault(classMalformed, c.method, "nonce out of bounds")
	}
	return n, nil
}
