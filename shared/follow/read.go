package follow

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// window says where in a reading a log was found.
type window uint8

const (
	past  window = iota // in the history behind the marks: final
	firm                // between the final mark and where it will be: final
	loose               // above that: provisional
)

// reading is what one round has read of one chain, decoded.
type reading struct {
	final swap.Block // the marks after the round
	seen  swap.Block
	// above: provisional facts about blocks above this one were not read again
	// and stand as they were.
	above uint64
	trail swap.Block // how far the history is read after the round; zero if it was not
	// through is up to when the sources of the history are known with this
	// round; it may be later than trail.
	through swap.ChainTime
	srcs    []source
	long    []source // with parameters too long to be followed
	dsts    []destination
	events  []occurrence // of escrows in the book
	lies    []lie
	// confirmed are creations that an earlier reading saw and this one should
	// have seen.
	confirmed []creation
	recalled  bool // what an earlier reading saw has been compared
	// withheld are the addresses of logs that only one of two endpoints shows.
	withheld []common.Address
}

type creation struct {
	escrow common.Address
	at     swap.Position
}

// lie is a log that does not decode or was not asked for.
type lie struct {
	swap.Log
	detail string
	window window
}

type source struct {
	*swap.SrcCreated
	window window
}

type destination struct {
	swap.DstCreated
	window window
}

type occurrence struct {
	swap.EscrowEvent
	window window
}

// read reads one span of every chain that is not done, and nothing of the
// others. A chain that fails is out of the pass.
func (p *pass) read(ctx context.Context) {
	p.turns()
	var g sync.WaitGroup
	errs := map[*chainPass]*error{}
	for _, c := range p.sorted() {
		if c.out {
			continue
		}
		err := new(error)
		errs[c] = err
		g.Go(func() {
			rpc, cancel := p.share(ctx, 3)
			defer cancel()
			c.read, *err = p.readChain(rpc, c)
		})
	}
	g.Wait()
	for _, c := range p.sorted() {
		err := errs[c]
		switch {
		case err == nil || *err == nil:
		case c.read == nil:
			p.giveUp(ctx, c, fmt.Errorf("read logs of chain %d: %w", c.id, *err))
		case c.rounds == 0 || !p.late(ctx):
			c.stuck, c.err = true, fmt.Errorf("read the history of chain %d: %w", c.id, *err)
		}
	}
}

// turns gives the round to the chain whose history is furthest behind in time:
// so a dst leg is read when its source is known, mostly.
func (p *pass) turns() {
	reach := func(c *chainPass) swap.ChainTime { return max(c.facts.Sync.Trail.Time, c.waiting) }
	var first swap.ChainTime
	any := false
	for _, c := range p.chains {
		if c.turn = c.walks(); c.turn && (!any || reach(c) < first) {
			any, first = true, reach(c)
		}
	}
	for _, c := range p.chains {
		c.turn = c.turn && reach(c) == first
	}
}

func (p *pass) readChain(ctx context.Context, c *chainPass) (*reading, error) {
	r := &reading{final: c.facts.From, seen: c.facts.To, above: c.facts.From.Number}
	escrows := slices.SortedFunc(maps.Keys(c.book), common.Address.Cmp)
	if !c.done {
		if err := p.readMain(ctx, c, r, escrows); err != nil {
			return nil, err
		}
	}
	if c.turn {
		// The history ends where the marks were before this round: up to there
		// they did not know the escrows that the history brings. That it cannot
		// be read must not hold up what happens now.
		logs, end, err := p.readTwice(ctx, c, r, c.query(c.facts.Sync.Trail.Number+1, c.facts.From.Number, escrows))
		if err != nil {
			return r, err
		}
		r.trail, r.through = end, end.Time
		p.decode(c, r, logs, past)
	}
	return r, nil
}

// readMain reads each new block once, each provisional one again, and each
// block that has become final a second time, from another endpoint.
func (p *pass) readMain(ctx context.Context, c *chainPass, r *reading, escrows []common.Address) error {
	known := max(c.facts.From.Number, c.facts.To.Number)
	var again []swap.Log
	to := c.finalTarget()
	if to > r.final.Number {
		q := c.query(r.final.Number+1, to, escrows)
		q.Again = true
		span, err := p.span(ctx, q)
		if err != nil {
			return err
		}
		again, r.final = span.Logs, span.End
	}
	r.above = r.final.Number
	end, until := r.final, c.head.Number
	if r.final.Number < to {
		until = r.final.Number // more of it is final: the rest comes in the next round
	}
	var first []swap.Log
	for from := min(known, r.final.Number) + 1; from <= until; from = end.Number + 1 {
		span, err := p.span(ctx, c.query(from, until, escrows))
		if err != nil {
			return err
		}
		first, end = append(first, span.Logs...), span.End
	}
	firms := slices.IndexFunc(first, func(l swap.Log) bool { return l.At.Block > r.final.Number })
	if firms < 0 {
		firms = len(first)
	}
	logs, err := p.merge(ctx, c, r, first[:firms], again, known)
	if err != nil {
		return err
	}
	p.decode(c, r, logs, firm)
	p.decode(c, r, first[firms:], loose)
	switch {
	case r.final.Number < to:
		if r.seen.Number < r.final.Number {
			r.seen = r.final
		}
	case r.seen.Number <= end.Number:
		r.seen, r.above = end, math.MaxUint64
	default:
		// A head below what was seen comes from a node that lags: what was seen
		// above it is not gone.
		r.above = end.Number
	}
	return nil
}

// span reads at least one block.
func (p *pass) span(ctx context.Context, q Query) (Span, error) {
	span, err := p.Chain.Logs(ctx, q)
	if err == nil && (span.End.Number < q.From || span.End.Number > q.To) {
		err = fmt.Errorf("blocks %d to %d were asked for and read up to %d", q.From, q.To, span.End.Number)
	}
	span.Logs = slices.DeleteFunc(span.Logs, func(l swap.Log) bool {
		return l.ChainID != q.ChainID || l.At.Block < q.From || l.At.Block > span.End.Number // the reader has told
	})
	return span, err
}

// readTwice reads final blocks that were never read, from two endpoints.
func (p *pass) readTwice(ctx context.Context, c *chainPass, r *reading, q Query) ([]swap.Log, swap.Block, error) {
	first, err := p.span(ctx, q)
	if err != nil {
		return nil, swap.Block{}, err
	}
	q.To, q.Again = first.End.Number, true
	again, err := p.span(ctx, q)
	if err != nil {
		return nil, swap.Block{}, err
	}
	end := again.End
	shown := slices.DeleteFunc(first.Logs, func(l swap.Log) bool { return l.At.Block > end.Number })
	logs, err := p.merge(ctx, c, r, shown, again.Logs, q.From-1)
	return logs, end, err
}

// merge joins two readings of final blocks, the first of which only read those
// after known. What one endpoint keeps back the other one may show: a log
// counts if its block is on the chain.
func (p *pass) merge(ctx context.Context, c *chainPass, r *reading, first, again []swap.Log, known uint64) ([]swap.Log, error) {
	type spot struct {
		block common.Hash
		index uint
	}
	have := make(map[spot]bool, len(again))
	for _, l := range again {
		have[spot{l.At.BlockHash, l.At.Index}] = true
	}
	shown := make(map[spot]bool, len(first))
	out := again
	for _, l := range first {
		at := spot{l.At.BlockHash, l.At.Index}
		shown[at] = true
		if have[at] {
			continue
		}
		b, err := p.block(ctx, c, l.At.Block)
		if err != nil {
			return nil, err
		}
		if b.Hash == l.At.BlockHash {
			r.withheld = append(r.withheld, l.Address)
			out = append(out, l)
		}
	}
	for _, l := range again {
		if l.At.Block > known && !shown[spot{l.At.BlockHash, l.At.Index}] {
			r.withheld = append(r.withheld, l.Address)
		}
	}
	slices.SortStableFunc(out, func(a, b swap.Log) int {
		return cmp.Or(cmp.Compare(a.At.Block, b.At.Block), cmp.Compare(a.At.Index, b.At.Index))
	})
	return out, nil
}

func (c *chainPass) query(from, to uint64, escrows []common.Address) Query {
	q := Query{ChainID: c.id, From: from, To: to, Escrows: escrows}
	for _, f := range c.Factories {
		q.Factories = append(q.Factories, f.Address)
		for _, t := range swap.FactoryTopics(f.Family) {
			if !slices.Contains(q.Topics, t) {
				q.Topics = append(q.Topics, t)
			}
		}
	}
	return q
}

// decode sorts logs into what they say. A log that does not decode is a
// finding and nothing more: it stops nobody else's.
func (p *pass) decode(c *chainPass, r *reading, logs []swap.Log, w window) {
	for _, l := range logs {
		f, ok := c.factory(l.Address)
		if !ok {
			if ev, ok, err := swap.DecodeEscrow(l); err != nil {
				r.lies = append(r.lies, lie{l, err.Error(), w})
			} else if ok && len(c.book[l.Address]) > 0 {
				r.events = append(r.events, occurrence{ev, w})
			}
			continue
		}
		ev, err := f.Decode(l)
		if err != nil {
			r.lies = append(r.lies, lie{l, err.Error(), w})
			continue
		}
		switch ev := ev.(type) {
		case *swap.SrcCreated:
			switch {
			case !c.ours(ev.Leg.Immutables.TakerAddress()):
			case ev.TooLong():
				r.long = append(r.long, source{ev, w})
			default:
				r.srcs = append(r.srcs, source{ev, w})
			}
		case *swap.DstCreated:
			if c.ours(ev.Taker) {
				r.dsts = append(r.dsts, destination{*ev, w})
			}
		}
	}
}

func (c *chainPass) ours(taker common.Address) bool { _, ok := c.takers[taker]; return ok }

func (c *chainPass) factory(a common.Address) (swap.Factory, bool) {
	for _, f := range c.Factories {
		if f.Address == a {
			return f, true
		}
	}
	return swap.Factory{}, false
}
