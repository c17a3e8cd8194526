package chain

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// maxReadings is how many spans are remembered per chain, to give their second
// reading to another endpoint.
const maxReadings = 64

// reading says which endpoint read a span.
type reading struct {
	from, to uint64
	e        *endpoint
}

// filter is one log filter: what is asked and what may be answered.
type filter struct {
	addresses []common.Address
	topics    []common.Hash
}

// Logs reads one span: at most Config.LogSpan blocks from q.From. The last
// block's header is read before and after the logs in the same batch, and the
// span counts only if both agree with each other and with the logs. Calls: 2
// for the header, ⌈factories/chunk⌉ and ⌈escrows/chunk⌉ for the logs, and one
// for each block with logs where the node's logs carry no block time.
//
// The span is halved when the endpoint finds it too wide or too rich, and at a
// single block the address list is; any other failure goes to the next
// endpoint with the full span. If no endpoint has block q.To, what is there is
// read; Span.End before q.From means nothing was.
func (c *Client) Logs(ctx context.Context, q follow.Query) (follow.Span, error) {
	ch, err := c.chain(q.ChainID)
	if err != nil {
		return follow.Span{}, err
	}
	if q.To < q.From {
		return follow.Span{}, fmt.Errorf("read logs of chain %d: blocks %d to %d are no range", q.ChainID, q.From, q.To)
	}
	to := min(q.To, q.From+ch.LogSpan-1)
	if to < q.From { // overflow
		to = q.To
	}
	var span follow.Span
	read := func(ctx context.Context, e *endpoint, to uint64) error {
		var err error
		span, err = e.span(ctx, q, to)
		if err == nil {
			ch.remember(reading{q.From, span.End.Number, e}, q.Again)
		}
		return err
	}
	order := func() []*endpoint { return ch.readers(q, to) }
	whole := func(ctx context.Context, e *endpoint) error { return read(ctx, e, to) }
	part := func(ctx context.Context, e *endpoint) error {
		head, err := e.latest(ctx)
		if err != nil {
			return err
		}
		if head.Number < q.From {
			span = follow.Span{}
			return nil
		}
		return read(ctx, e, min(to, head.Number))
	}
	err = ch.retry(ctx, func() error {
		err := ch.once(ctx, order(), whole)
		if err != nil && ctx.Err() == nil && lacking(err) {
			// The head was told by an endpoint that is gone now: take what the
			// others have.
			err = ch.once(ctx, order(), part)
		}
		return err
	})
	if err != nil {
		return follow.Span{}, fmt.Errorf("read logs of chain %d, blocks %d to %d: %w", q.ChainID, q.From, to, err)
	}
	return span, nil
}

// lacking reports whether an endpoint failed only for want of the block.
func lacking(err error) bool {
	return slices.ContainsFunc(faults(err), func(f *fault) bool { return f.class == classBehind })
}

// readers orders the endpoints for a reading. A second reading goes to another
// endpoint than the first: to one that has not read these blocks in this
// process or, in a new process, to the second of the list.
func (ch *chain) readers(q follow.Query, to uint64) []*endpoint {
	order := ch.order(to)
	if !q.Again || len(order) < 2 {
		return order
	}
	avoid := order[0]
	ch.mu.Lock()
	for _, r := range ch.readings {
		if r.from <= to && r.to >= q.From {
			avoid = r.e
		}
	}
	ch.mu.Unlock()
	i := slices.Index(order, avoid)
	order = slices.Delete(order, i, i+1)
	// Behind the others in good standing, before those aside.
	i = len(order)
	if avoid.asideUntil().IsZero() {
		i = slices.IndexFunc(order, func(e *endpoint) bool { return !e.asideUntil().IsZero() })
		if i < 0 {
			i = len(order)
		}
	}
	return slices.Insert(order, i, avoid)
}

// remember keeps who read a span first, and tells when the same endpoint read
// it a second time.
func (ch *chain) remember(r reading, again bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if again {
		for _, old := range ch.readings {
			if old.e == r.e && old.from <= r.to && old.to >= r.from && len(ch.endpoints) > 1 {
				r.e.tell(SameReader, "no other endpoint could read the blocks again")
				return
			}
		}
		return
	}
	// A newer first reading of the same blocks replaces the older.
	ch.readings = slices.DeleteFunc(ch.readings, func(old reading) bool { return r.from <= old.from && old.to <= r.to })
	ch.readings = append(ch.readings, r)
	if n := len(ch.readings) - maxReadings; n > 0 {
		ch.readings = slices.Delete(ch.readings, 0, n)
	}
}

// span reads blocks q.From to at most to from this endpoint.
func (e *endpoint) span(ctx context.Context, q follow.Query, to uint64) (follow.Span, error) {
	blocks := e.learned(classWide, to-q.From+1)
	chunk := e.learned(classAddresses, uint64(e.chain.AddressChunk))
	var wide, crowded bool
	for {
		span, err := e.readSpan(ctx, q, q.From+blocks-1, int(chunk))
		if err == nil {
			if wide {
				e.learn(classWide, blocks)
			}
			if crowded {
				e.learn(classAddresses, chunk)
			}
			return span, nil
		}
		switch c := classOf(err); {
		case (c == classWide || c == classMany) && blocks > 1:
			blocks /= 2
			wide = wide || c == classWide
		case (c == classWide || c == classMany || c == classAddresses || c == classBatch) && chunk > 1:
			chunk = (chunk + 1) / 2 // classBatch: one filter alone is too long a request
			crowded = crowded || c == classAddresses
		default:
			return follow.Span{}, err
		}
	}
}

// readSpan is one attempt at a span.
func (e *endpoint) readSpan(ctx context.Context, q follow.Query, to uint64, chunk int) (follow.Span, error) {
	var filters []filter
	for part := range slices.Chunk(q.Factories, chunk) {
		filters = append(filters, filter{part, q.Topics})
	}
	for part := range slices.Chunk(q.Escrows, chunk) {
		filters = append(filters, filter{part, swap.EscrowTopics()})
	}
	before, after := blockCall(to), blockCall(to)
	calls := []*call{before}
	for _, f := range filters {
		calls = append(calls, newCall("eth_getLogs", map[string]any{
			"fromBlock": hexutil.EncodeUint64(q.From),
			"toBlock":   hexutil.EncodeUint64(to),
			"address":   f.addresses,
			"topics":    []any{f.topics},
		}))
	}
	if len(filters) > 0 {
		calls = append(calls, after)
	} else {
		after = before
	}
	if err := e.do(ctx, calls...); err != nil {
		return follow.Span{}, err
	}
	end, err := decodeBlock(e, before, to)
	if err != nil {
		return follow.Span{}, err
	}
	if again, err := decodeBlock(e, after, to); err != nil {
		return follow.Span{}, err
	} else if again.Hash != end.Hash {
		return follow.Span{}, e.fault(classReorg, "eth_getLogs", "")
	}
	s := &spanReader{e: e, from: q.From, end: end, chain: q.ChainID}
	for i, f := range filters {
		if err := s.add(f, calls[i+1]); err != nil {
			return follow.Span{}, err
		}
	}
	return s.finish(ctx)
}
