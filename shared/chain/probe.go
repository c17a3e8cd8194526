package chain

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// balanceGas bounds what a token may burn when asked for a balance: ten times
// what rebasing tokens need, a blink for the node.
const balanceGas = 1_000_000

// balanceOf is the selector of balanceOf(address).
var balanceOf = selector("balanceOf(address)")

// Balances reads token and native balances at one block, by its hash where the
// node takes hashes, else by its number with the hash checked in the same
// batch. A token that reverts, burns its gas, answers less than a word or fails in a
// way nobody foresaw is Mute, and does not disturb the others, nor does one that
// answers with megabytes: what is not known must not look like an empty escrow.
// Those that are mute at one endpoint are asked of the others, if there is time.
func (c *Client) Balances(ctx context.Context, id uint64, at swap.Block, of []follow.Holding) ([]swap.Balance, error) {
	ch, err := c.chain(id)
	if err != nil {
		return nil, err
	}
	if len(of) == 0 {
		return nil, nil
	}
	out := make([]swap.Balance, len(of))
	read := false
	err = ch.search(ctx, len(of), func(ctx context.Context, e *endpoint, left []int) ([]int, error) {
		asked := make([]follow.Holding, len(left))
		for i, n := range left {
			asked[i] = of[n]
		}
		got, err := e.balances(ctx, at, asked)
		if err != nil {
			return nil, err
		}
		read = true
		var mute []int
		for i, n := range left {
			if out[n] = got[i]; got[i].Mute {
				mute = append(mute, n)
			}
		}
		return mute, nil
	})
	if err != nil && !read { // else there was no time to ask another about those that are mute
		return nil, fmt.Errorf("read %d balances of chain %d at block %d: %w", len(of), id, at.Number, err)
	}
	return out, nil
}

func (e *endpoint) balances(ctx context.Context, at swap.Block, of []follow.Holding) ([]swap.Balance, error) {
	if e.feature(&e.byHash, unknown) != unsupported {
		ref := map[string]any{"blockHash": at.Hash, "requireCanonical": true}
		out, err := e.balancesBy(ctx, at, ref, of)
		if err == nil {
			e.feature(&e.byHash, supported)
			return out, nil
		}
		if c := classOf(err); c != classRequest && c != classUnsupported {
			return nil, err
		}
		e.feature(&e.byHash, unsupported)
	}
	check := blockCall(at.Number)
	out, err := e.balancesBy(ctx, at, hexutil.EncodeUint64(at.Number), of, check)
	if err != nil {
		return nil, err
	}
	b, err := decodeBlock(e, check, at.Number)
	if err != nil {
		return nil, err
	}
	if b.Hash != at.Hash {
		return nil, e.fault(classReorg, check.method, "")
	}
	return out, nil
}

// balancesBy reads at the block that ref names; further calls go into the same
// batch, behind the balances.
func (e *endpoint) balancesBy(ctx context.Context, at swap.Block, ref any, of []follow.Holding, more ...*call) ([]swap.Balance, error) {
	var calls []*call
	native := make([]*call, len(of))
	token := make([]*call, len(of))
	for i, h := range of {
		native[i] = newCall("eth_getBalance", h.Escrow, ref)
		calls = append(calls, native[i])
		if h.Token == (common.Address{}) {
			continue
		}
		token[i] = balanceCall(h.Token, h.Escrow, ref)
		calls = append(calls, token[i])
	}
	if err := e.bit(ctx, append(calls, more...)); err != nil {
		return nil, err
	}
	for _, c := range more {
		if c.failed != nil {
			return nil, c.failed
		}
	}
	out := make([]swap.Balance, len(of))
	for i := range of {
		wei, err := decode[quantity](e, native[i])
		if err != nil {
			return nil, err
		}
		b := swap.Balance{Block: at, Native: wei.n}
		if token[i] == nil {
			b.Token = wei.n
		} else if known, err := tokenBalance(e, token[i], &b.Token); err != nil {
			return nil, err
		} else {
			b.Mute = !known
		}
		out[i] = b
	}
	return out, nil
}

// balanceCall asks a token what an account holds.
func balanceCall(token, account common.Address, ref any) *call {
	return newCall("eth_call", map[string]any{
		"to": token, "gas": hexutil.EncodeUint64(balanceGas),
		"data": hexutil.Bytes(append(slices.Clone(balanceOf), common.LeftPadBytes(account[:], 32)...)),
	}, ref)
}

// silent reports whether a failure to call a token is taken for the token's own. Of
// one that nobody foresaw it is not known whose it is; were it the endpoint's, the
// others answer better, and if none does it fails nobody else's balance.
func silent(c class) bool { return c == classRevert || c == classMany || c == classOther }

// tokenBalance reads the answer of a token; false if it gives no balance. Of a
// longer answer the first word counts, as for a contract that asks.
func tokenBalance(e *endpoint, c *call, into *uint256.Int) (bool, error) {
	if c.failed != nil && silent(c.failed.class) {
		return false, nil
	}
	data, err := decode[hexutil.Bytes](e, c)
	if err != nil || len(data) < 32 {
		return false, err
	}
	into.SetBytes(data[:32])
	return true, nil
}

// wireTx is the part of a transaction that is read.
type wireTx struct {
	Hash      *common.Hash    `json:"hash"`
	From      *common.Address `json:"from"`
	To        *common.Address `json:"to"` // null where a contract is created
	Input     *hexutil.Bytes  `json:"input"`
	ChainID   quantity        `json:"chainId"` // not on legacy transactions
	BlockHash *common.Hash    `json:"blockHash"`
	Block     quantity        `json:"blockNumber"`
	GasPrice  quantity        `json:"gasPrice"`
}

func txCall(hash common.Hash) *call { return newCall("eth_getTransactionByHash", hash) }

// decodeTx reads a transaction; nil if the endpoint does not know it.
func decodeTx(e *endpoint, c *call, hash common.Hash) (*wireTx, error) {
	if c.failed == nil && isNull(c.result) {
		return nil, nil
	}
	tx, err := decode[wireTx](e, c)
	if err != nil {
		return nil, err
	}
	if tx.Hash == nil || *tx.Hash != hash || tx.From == nil || tx.Input == nil {
		return nil, e.fault(classMalformed, c.method, "another transaction than asked for")
	}
	if n, ok := tx.ChainID.u64(); tx.ChainID.set && (!ok || n != e.chain.ID) {
		return nil, e.fault(classMalformed, c.method, "transaction of another chain")
	}
	return &tx, nil
}

// Transactions reads sender (as the node recovered it), receiver and calldata. A hash
// that the first endpoint does not know is looked for at the others before the
// zero value is given.
func (c *Client) Transactions(ctx context.Context, id uint64, hashes []common.Hash) ([]follow.Transaction, error) {
	ch, err := c.chain(id)
	if err != nil {
		return nil, err
	}
	out := make([]follow.Transaction, len(hashes))
	err = ch.search(ctx, len(hashes), func(ctx context.Context, e *endpoint, left []int) ([]int, error) {
		calls := make([]*call, len(left))
		for i, n := range left {
			calls[i] = txCall(hashes[n])
		}
		if err := e.do(ctx, calls...); err != nil {
			return nil, err
		}
		var missing []int
		for i, n := range left {
			tx, err := decodeTx(e, calls[i], hashes[n])
			if err != nil {
				return nil, err
			}
			if tx == nil {
				missing = append(missing, n)
				continue
			}
			out[n] = follow.Transaction{From: *tx.From, Input: *tx.Input}
			if tx.To != nil {
				out[n].To = *tx.To
			}
		}
		return missing, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %d transactions of chain %d: %w", len(hashes), id, err)
	}
	return out, nil
}

// search asks one endpoint after the other for what the ones before it did not
// have: find returns the indices still missing. It fails if no endpoint
// answered at all, or time ends before all were asked: nobody must take what may
// still be found for what is not there.
func (ch *chain) search(ctx context.Context, n int, find func(ctx context.Context, e *endpoint, left []int) ([]int, error)) error {
	left := make([]int, n)
	for i := range left {
		left[i] = i
	}
	if n == 0 {
		return nil
	}
	return ch.retry(ctx, func() error {
		var errs []error
		answered := false
		for _, e := range ch.order(ch.newest()) {
			if answered && !e.asideUntil().IsZero() {
				break // not worth its time
			}
			missing, err := find(ctx, e, left)
			if err != nil {
				if ctx.Err() != nil {
					return err
				}
				e.note(err)
				errs = append(errs, err)
				continue
			}
			e.works()
			answered = true
			if left = missing; len(left) == 0 {
				return nil
			}
		}
		if answered {
			return nil
		}
		return join(errs)
	})
}
