package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

var _ balance.Chain = (*Client)(nil)

// Fees reads the base fee of the head and the node's tip from one endpoint, and
// the data fee of the sample where the chain takes one.
func (c *Client) Fees(ctx context.Context, id uint64, sample []byte) (balance.Fees, error) {
	ch, err := c.chain(id)
	if err != nil {
		return balance.Fees{}, err
	}
	var f balance.Fees
	err = ch.try(ctx, func() []*endpoint { return ch.order(ch.newest()) }, func(ctx context.Context, e *endpoint) error {
		var err error
		f, err = e.fees(ctx)
		return err
	})
	if err != nil {
		return balance.Fees{}, fmt.Errorf("read fees of chain %d: %w", id, err)
	}
	if f.Data, err = c.DataFee(ctx, id, sample); err != nil {
		return balance.Fees{}, err
	}
	return f, nil
}

func (e *endpoint) fees(ctx context.Context) (f balance.Fees, err error) {
	top, tip, price := latestCall(), newCall("eth_maxPriorityFeePerGas"), newCall("eth_gasPrice")
	if err := e.batch(ctx, top, tip, price); err != nil {
		return f, err
	}
	h, _, err := decodeLatest(e, top)
	if err != nil {
		return f, err
	}
	if f.Tip, err = e.tip(tip, price, h); err != nil {
		return f, err
	}
	if f.BaseFee = h.BaseFee.n; !h.BaseFee.set {
		f.BaseFee, f.Tip = f.Tip, f.BaseFee // legacy: the price is all there is
	}
	return f, nil
}

// Holdings reads native and token balances at one block, by its hash where the
// node takes hashes, else by its number with the hash checked in the same batch.
// A token that reverts, answers nothing or less than a word, or fails in a way nobody
// foresaw, is Mute as in Balances: what an account holds is not zero because a token
// is broken. Of a longer answer the first word counts, as for a contract that asks.
//
// What one endpoint could not answer is asked of the others, if there is time, before
// it is Failed.
// Answers that are too large together are asked for in parts, so that a token
// that answers with megabytes fails alone.
func (c *Client) Holdings(ctx context.Context, id uint64, at swap.Block, of []balance.Holding) ([]balance.Reading, error) {
	ch, err := c.chain(id)
	if err != nil {
		return nil, err
	}
	out := make([]balance.Reading, len(of))
	read := false
	err = ch.search(ctx, len(of), func(ctx context.Context, e *endpoint, left []int) ([]int, error) {
		missing, err := e.holdings(ctx, at, of, left, out)
		read = read || err == nil
		return missing, err
	})
	if err != nil && !read { // else there was no time to ask another about those that Failed
		return nil, fmt.Errorf("read %d holdings of chain %d at block %d: %w", len(of), id, at.Number, err)
	}
	return out, nil
}

// holdings reads those that are left, and returns those that are still.
func (e *endpoint) holdings(ctx context.Context, at swap.Block, of []balance.Holding, left []int, out []balance.Reading) ([]int, error) {
	if e.feature(&e.byHash, unknown) != unsupported {
		calls := holdingCalls(of, left, map[string]any{"blockHash": at.Hash, "requireCanonical": true})
		if err := e.bit(ctx, calls); err != nil {
			return nil, err
		}
		refused := func(c *call) bool {
			return c.failed != nil && (c.failed.class == classRequest || c.failed.class == classUnsupported)
		}
		if !slices.ContainsFunc(calls, refused) {
			e.feature(&e.byHash, supported)
			return e.readings(calls, left, out)
		}
		e.feature(&e.byHash, unsupported)
	}
	check := blockCall(at.Number)
	calls := holdingCalls(of, left, hexutil.EncodeUint64(at.Number))
	if err := e.bit(ctx, append(slices.Clone(calls), check)); err != nil {
		return nil, err
	}
	b, err := decodeBlock(e, check, at.Number)
	if err != nil {
		return nil, err
	}
	if b.Hash != at.Hash {
		return nil, e.fault(classReorg, check.method, "")
	}
	return e.readings(calls, left, out)
}

func holdingCalls(of []balance.Holding, left []int, ref any) []*call {
	calls := make([]*call, len(left))
	for i, n := range left {
		h := of[n]
		if h.Token == (common.Address{}) {
			calls[i] = newCall("eth_getBalance", h.Account, ref)
		} else {
			calls[i] = balanceCall(h.Token, h.Account, ref)
		}
	}
	return calls
}

// bit is batch for calls whose answers may be too large together: then they are
// asked for by halves. One that is too large by itself has failed.
func (e *endpoint) bit(ctx context.Context, calls []*call) error {
	for len(calls) > 0 {
		n := min(len(calls), maxBatch)
		if err := e.halves(ctx, calls[:n]); err != nil {
			return err
		}
		calls = calls[n:]
	}
	return nil
}

func (e *endpoint) halves(ctx context.Context, calls []*call) error {
	err := e.batch(ctx, calls...)
	if err == nil || classOf(err) != classMany {
		return err
	}
	if len(calls) == 1 {
		calls[0].failed, _ = errors.AsType[*fault](err)
		return nil
	}
	half := len(calls) / 2
	if err := e.halves(ctx, calls[:half]); err != nil {
		return err
	}
	return e.halves(ctx, calls[half:])
}

// readings takes the answers over. If none of them is good for a reason that is
// the endpoint's, that is the error.
func (e *endpoint) readings(calls []*call, left []int, out []balance.Reading) ([]int, error) {
	var missing []int
	var theirs error
	read := make([]balance.Reading, len(calls))
	for i, c := range calls {
		r := &read[i]
		if c.method == "eth_getBalance" {
			wei, err := decode[quantity](e, c)
			if r.Amount = wei.n; err != nil {
				r.Failed, theirs = classOf(err).String(), err
			}
		} else if data, err := decode[hexutil.Bytes](e, c); err != nil {
			if r.Failed, r.Mute = classOf(err).String(), silent(classOf(err)); !r.Mute {
				theirs = err
			}
		} else if len(data) >= 32 {
			r.Amount.SetBytes(data[:32])
		} else if r.Failed, r.Mute = "answers nothing", true; len(data) > 0 {
			r.Failed = fmt.Sprintf("answers %d bytes", len(data))
		}
		if r.Failed != "" {
			missing = append(missing, left[i])
		}
	}
	if theirs != nil && len(missing) == len(left) {
		return nil, theirs
	}
	for i, r := range read {
		out[left[i]] = r
	}
	return missing, nil
}
