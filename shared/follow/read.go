package follow

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
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
	above  uint64
	trail  swap.Block // how far the history is read after the round; zero if it was not
	srcs   []source
	dsts   []destination
	events []occurrence // of escrows in the book
	lies   []lie
	// confirmed are creations that an earlier reading saw and this one should
	// have seen.
	confirmed []creation
	recalled  bool // what an earlier reading saw has been compared
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
	var g errgroup.Group
	errs := map[*chainPass]*error{}
	for _, c := range p.sorted() {
		if c.out {
			continue
		}
		err := new(error)
		errs[c] = err
		g.Go(func() error {
			rpc, cancel := p.share(ctx, 3)
			defer cancel()
			c.read, *err = p.readChain(rpc, c)
			return nil
		})
	}
	_ = g.Wait() // the errors are in the map
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
		// they did not know the escrows that the history brings.
		// That it cannot be read must not hold up what happens now.
		var err error
		r.trail, err = p.span(ctx, c, c.query(c.facts.Sync.Trail.Number+1, c.facts.From.Number, escrows, false), r, past)
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// readMain reads the next final span, from another endpoint than the one that
// saw the blocks first, and the provisional rest if the final part is done.
func (p *pass) readMain(ctx context.Context, c *chainPass, r *reading, escrows []common.Address) (err error) {
	if to := c.finalTarget(); to > r.final.Number {
		if r.final, err = p.span(ctx, c, c.query(r.final.Number+1, to, escrows, true), r, firm); err != nil {
			return err
		}
		r.above = r.final.Number
		if r.final.Number < to {
			if r.seen.Number < r.final.Number {
				r.seen = r.final
			}
			return nil
		}
	}
	seen := r.final
	for seen.Number < c.head.Number {
		if seen, err = p.span(ctx, c, c.query(seen.Number+1, c.head.Number, escrows, false), r, loose); err != nil {
			return err
		}
		r.above = seen.Number
	}
	// A head below what was seen comes from a node that lags: what was seen
	// above it is not gone.
	if r.seen.Number <= seen.Number {
		r.seen, r.above = seen, math.MaxUint64
	}
	return nil
}

// span reads at least one block and decodes its logs into r.
func (p *pass) span(ctx context.Context, c *chainPass, q Query, r *reading, w window) (swap.Block, error) {
	span, err := p.Chain.Logs(ctx, q)
	if err != nil {
		return swap.Block{}, err
	}
	if span.End.Number < q.From || span.End.Number > q.To {
		return swap.Block{}, fmt.Errorf("blocks %d to %d were asked for and read up to %d", q.From, q.To, span.End.Number)
	}
	p.decode(c, r, span.Logs, q.From, span.End.Number, w)
	return span.End, nil
}

func (c *chainPass) query(from, to uint64, escrows []common.Address, again bool) Query {
	q := Query{ChainID: c.id, From: from, To: to, Escrows: escrows, Again: again}
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
func (p *pass) decode(c *chainPass, r *reading, logs []swap.Log, from, to uint64, w window) {
	for _, l := range logs {
		if l.ChainID != c.id || l.At.Block < from || l.At.Block > to {
			r.lies = append(r.lies, lie{l, "outside of what was asked for", w})
			continue
		}
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
			if c.ours(ev.Leg.Immutables.TakerAddress()) {
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
