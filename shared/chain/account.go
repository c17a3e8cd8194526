package chain

import (
	"context"
	"fmt"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/holiman/uint256"
)

// Account reads a signer's nonces and balance and the fee market from one
// endpoint in one batch, begun and ended with its head: if the head moved in
// between, the batch is repeated. A block without a base fee makes the chain
// legacy. The tip is eth_maxPriorityFeePerGas; where a node has no such method,
// what eth_gasPrice is above the base fee.
func (c *Client) Account(ctx context.Context, a txn.Account) (txn.AccountState, error) {
	ch, err := c.chain(a.ChainID)
	if err != nil {
		return txn.AccountState{}, err
	}
	var state txn.AccountState
	err = ch.try(ctx, func() []*endpoint { return ch.order(ch.newest()) }, func(ctx context.Context, e *endpoint) error {
		var err error
		state, err = e.account(ctx, a)
		return err
	})
	if err != nil {
		return txn.AccountState{}, fmt.Errorf("read account %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	return state, nil
}

func (e *endpoint) account(ctx context.Context, a txn.Account) (txn.AccountState, error) {
	// A chain whose head moves with every batch is read as it is in the end.
	const attempts = 3
	for n := 1; ; n++ {
		state, settled, err := e.accountOnce(ctx, a)
		if err != nil || settled || n == attempts {
			return state, err
		}
	}
}

// accountOnce reads the account; settled reports that the head did not move
// while it was read. Where it did, the earlier head is returned, so that
// nothing is judged at a later block than it was read at.
func (e *endpoint) accountOnce(ctx context.Context, a txn.Account) (state txn.AccountState, settled bool, err error) {
	before, after := latestCall(), latestCall()
	latest := newCall("eth_getTransactionCount", a.Signer, "latest")
	pending := newCall("eth_getTransactionCount", a.Signer, "pending")
	balance := newCall("eth_getBalance", a.Signer, "latest")
	tip := newCall("eth_maxPriorityFeePerGas")
	price := newCall("eth_gasPrice")
	if err := e.batch(ctx, before, latest, pending, balance, tip, price, after); err != nil {
		return state, false, err
	}
	h, head, err := decodeLatest(e, before)
	if err != nil {
		return state, false, err
	}
	_, end, err := decodeLatest(e, after)
	if err != nil {
		return state, false, err
	}
	state = txn.AccountState{Head: head, BaseFee: h.BaseFee.n, Legacy: !h.BaseFee.set}
	if state.Latest, err = decodeNonce(e, latest); err != nil {
		return state, false, err
	}
	if state.Pending, err = decodeNonce(e, pending); err != nil {
		return state, false, err
	}
	wei, err := decode[quantity](e, balance)
	if err != nil {
		return state, false, err
	}
	state.Balance = wei.n
	if state.Tip, err = e.tip(tip, price, h); err != nil {
		return state, false, err
	}
	return state, head.Hash == end.Hash, nil
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
