package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
)

// ChainConfig is what following one chain takes.
type ChainConfig struct {
	Factories []swap.Factory
	// Confirmations is the depth at which a block counts as final.
	Confirmations uint64
	// Rewind is how many blocks are read again when a final block turns out to
	// have been replaced, and how deep an order's end must lie below the final
	// mark before the order is closed.
	Rewind uint64
}

// Follower runs passes. It holds no state between them.
type Follower struct {
	Chain  Chain
	Probe  Probe
	Orders Orders
	Facts  Facts
	Parked Parked
	Replan Replan
	Report Report
	// Chains are those to be read. One of Policy's that is missing here counts
	// as a chain that cannot be read at the moment.
	Chains map[uint64]ChainConfig
	Policy swap.Policy
	Log    *slog.Logger // nil: none
}

// Result counts what a pass did.
type Result struct {
	Chains   map[uint64]Progress
	Adopted  int           // orders and dst legs taken up
	Decoys   int           // final legs that name us and are not what they seem
	Refused  int           // final src legs not worth following
	Secrets  int           // learned
	Events   int           // final events stored
	Closed   int           // orders finished
	Saved    int           // order writes
	HeadAge  time.Duration // of the oldest head, by the wall clock; negative: none is known. See chainPass.seen
	Complete bool          // every chain was read to its head and has no history left to read
}

// Progress says how far a chain has been read, in block numbers.
type Progress struct {
	From  uint64 // final mark at the start of the pass
	Final uint64 // final mark at its end
	Seen  uint64
	Head  uint64
	Trail uint64 // how far a history behind From has been read; zero when there is none
}

// Pass reads what is new on every chain, brings the orders up to date and has
// the changed ones planned. A chain that cannot be read does not hold up the
// others: nothing is concluded from its silence, and its error is returned
// after everything else has been done. A store that cannot be read or written
// ends the pass; swap.ErrConflict then says that another pass was faster.
//
// What takes more than one span is read in rounds, each stored before the
// next, for as long as the context leaves time.
func (f *Follower) Pass(ctx context.Context) (Result, error) {
	p := &pass{Follower: f, started: time.Now(), chains: map[uint64]*chainPass{}, orders: map[swap.OrderID]*tracked{},
		byHashlock: map[common.Hash]map[swap.OrderID]bool{}, found: map[swap.Finding]bool{}, counts: map[sort]int{}}
	errs := []error{p.run(ctx)}
	p.report(ctx)
	errs = append(errs, p.errs...)
	for _, c := range p.sorted() {
		errs = append(errs, c.err)
	}
	p.summarise()
	return p.res, errors.Join(errs...)
}

func (p *pass) run(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	if err := p.loadDue(ctx); err != nil {
		return err
	}
	for before := p.progress(); ; {
		p.read(ctx)
		if err := p.take(ctx); err != nil {
			return err
		}
		if !p.more() || p.late(ctx) {
			break
		}
		after := p.progress()
		if maps.Equal(before, after) {
			p.errs = append(p.errs, errors.New("a round got nowhere"))
			break
		}
		before = after
	}
	if err := p.release(ctx); err != nil {
		return err
	}
	return p.plan(ctx)
}

// pass is one run. Only reading is concurrent, each chain in its own part.
type pass struct {
	*Follower
	started  time.Time
	res      Result
	chains   map[uint64]*chainPass
	orders   map[swap.OrderID]*tracked
	due      map[swap.OrderID]bool
	errs     []error // that did not end the pass
	findings []swap.Finding
	found    map[swap.Finding]bool
	counts   map[sort]int
	// byHashlock lists the open orders of a hashlock, on all chains.
	byHashlock map[common.Hash]map[swap.OrderID]bool
}

// chainPass is one chain within a pass.
type chainPass struct {
	ChainConfig
	id     uint64
	takers map[common.Address]swap.TakerPolicy
	stored swap.Provisional // as it is in the store
	facts  swap.Provisional // as the next write will build on it
	book   map[common.Address][]Watched
	head   swap.Block
	age    time.Duration
	mark   swap.Block // what the chain has at the final mark
	start  uint64     // final mark at the start of the pass
	opened bool       // its marks could be read

	out     bool  // not read, or not any more
	err     error // why, if it is a failure
	rounds  int   // stored
	done    bool  // read to the head
	stuck   bool  // its history cannot be read now; err says why
	turn    bool  // reads its history in this round
	read    *reading
	known   swap.ChainTime // sources of the history are known up to here
	waiting swap.ChainTime // the time of a dst leg that waits for another chain's history
	blocks  map[uint64]swap.Block
	judged  map[judgement]bool // dst escrows found to be nothing to an order, in this pass; true: of another order
	refused map[common.Address]bool
	extras  int
}

type judgement struct {
	escrow common.Address
	order  swap.OrderID
}

func (c *chainPass) finalTarget() uint64 { return c.head.Number - min(c.head.Number, c.Confirmations) }

// behind reports whether a history is left to be read up to the final mark.
func (c *chainPass) behind() bool {
	t := c.facts.Sync.Trail
	return t != (swap.Block{}) && t.Number < c.facts.From.Number
}

// walks reports whether the history is being read in this pass.
func (c *chainPass) walks() bool { return !c.out && !c.stuck && c.behind() }

// fail takes the chain out of the pass; what of it is stored stays.
func (c *chainPass) fail(err error) {
	c.out, c.read, c.facts = true, nil, c.stored
	if c.err == nil {
		c.err = err
	}
}

// sorted lists the chains in a fixed order.
func (p *pass) sorted() []*chainPass {
	out := make([]*chainPass, 0, len(p.chains))
	for _, id := range slices.Sorted(maps.Keys(p.chains)) {
		out = append(out, p.chains[id])
	}
	return out
}

// progress is how far the chains have come; each round changes it.
func (p *pass) progress() map[uint64]progress {
	out := map[uint64]progress{}
	for id, c := range p.chains {
		out[id] = progress{c.stored.From, c.stored.To, c.stored.Sync.Trail, c.known, c.waiting, c.out, c.stuck}
	}
	return out
}

type progress struct {
	from, to, trail swap.Block
	known, waiting  swap.ChainTime
	out, stuck      bool
}

// more reports whether any chain has something left to read.
func (p *pass) more() bool {
	for _, c := range p.chains {
		if !c.out && !c.done || c.walks() {
			return true
		}
	}
	return false
}

// open takes the snapshot of the pass: marks, watch book and head per chain.
// The books of chains that cannot be read are needed too: their orders have
// legs on the others.
func (p *pass) open(ctx context.Context) error {
	var g errgroup.Group
	for id := range p.Policy.Chains {
		p.chains[id] = &chainPass{id: id, out: true}
	}
	for id, cfg := range p.Chains {
		p.chains[id] = &chainPass{id: id, ChainConfig: cfg, takers: p.Policy.Chains[id].Takers}
	}
	for _, c := range p.chains {
		c.book, c.blocks = map[common.Address][]Watched{}, map[uint64]swap.Block{}
		c.judged, c.refused = map[judgement]bool{}, map[common.Address]bool{}
		g.Go(func() error { return p.openChain(ctx, c) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, c := range p.sorted() {
		for _, rows := range c.book {
			for _, w := range rows {
				p.list(w)
			}
		}
		if c.out {
			continue
		}
		if err := p.ready(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// openChain returns the errors of the store; those of the chain stay with it.
func (p *pass) openChain(ctx context.Context, c *chainPass) error {
	var err error
	if c.stored, err = p.Facts.Provisional(ctx, c.id); err != nil {
		return fmt.Errorf("read marks of chain %d: %w", c.id, err)
	}
	c.facts, c.start, c.opened = c.stored, c.stored.From.Number, true
	rows, err := p.Orders.Watched(ctx, c.id)
	if err != nil {
		return fmt.Errorf("read watch book of chain %d: %w", c.id, err)
	}
	for _, w := range rows {
		c.book[w.Escrow] = append(c.book[w.Escrow], w)
	}
	if c.out {
		return nil
	}
	rpc, cancel := p.share(ctx, 4)
	defer cancel()
	if c.head, c.age, err = p.Chain.Head(rpc, c.id); err != nil {
		c.head = swap.Block{}
		c.fail(fmt.Errorf("read head of chain %d: %w", c.id, err))
		return nil
	}
	if from := c.facts.From; from != (swap.Block{}) && from.Number <= c.head.Number {
		if c.mark, err = p.Chain.Block(rpc, c.id, from.Number); err != nil {
			c.fail(fmt.Errorf("read the final mark of chain %d: %w", c.id, err))
		}
	}
	return nil
}

// views are the chains as this pass has read them. One without a head has no
// view; one whose logs could not be read has old marks.
func (p *pass) views() swap.Views {
	v := swap.Views{}
	for id, c := range p.chains {
		if c.head != (swap.Block{}) {
			synced, final := c.stored.Marks()
			v[id] = swap.ChainView{ChainID: id, Head: c.head, HeadAge: c.age, SyncedTo: synced, Final: final}
		}
	}
	return v
}

func (p *pass) allFacts() map[uint64]swap.Provisional {
	facts := map[uint64]swap.Provisional{}
	for id, c := range p.chains {
		facts[id] = c.stored
	}
	return facts
}

// list enters an order under its hashlock.
func (p *pass) list(w Watched) {
	ids := p.byHashlock[w.Hashlock]
	if ids == nil {
		ids = map[swap.OrderID]bool{}
		p.byHashlock[w.Hashlock] = ids
	}
	ids[w.Order] = true
}

// loadDue brings the orders into memory whose time has come.
func (p *pass) loadDue(ctx context.Context) error {
	p.due = map[swap.OrderID]bool{}
	for _, c := range p.sorted() {
		if c.head == (swap.Block{}) {
			continue
		}
		for _, side := range []swap.Side{swap.Src, swap.Dst} {
			ids, err := p.Orders.Due(ctx, c.id, side, c.head.Time.Add(p.Policy.Horizon))
			if err != nil {
				return fmt.Errorf("list %s orders due on chain %d: %w", side, c.id, err)
			}
			for _, id := range ids {
				p.due[id] = true
			}
		}
	}
	if err := p.load(ctx, p.due); err != nil {
		// They are only to be planned: what can be read of them is, and what
		// happens on the chains is taken in.
		p.errs = append(p.errs, fmt.Errorf("load due orders: %w", err))
	}
	return nil
}

func (p *pass) summarise() {
	p.res.Chains, p.res.Complete, p.res.HeadAge = map[uint64]Progress{}, len(p.chains) > 0, -1
	for id, c := range p.chains {
		p.res.Chains[id] = Progress{From: c.start, Final: c.stored.From.Number, Seen: c.stored.To.Number, Head: c.head.Number,
			Trail: c.stored.Sync.Trail.Number}
		p.res.Complete = p.res.Complete && c.done && c.err == nil && c.stored.Sync.Done && c.stored.Sync.Trail == (swap.Block{})
		if c.opened { // else its marks could not be read, which says nothing of the chain
			p.res.HeadAge = max(p.res.HeadAge, c.seen(p.started))
		}
	}
}

// unseen is the age of a head that nobody has ever seen: old by any measure.
const unseen = 24 * time.Hour

// seen is how old, at now, the newest block is that anybody has seen of the chain: its
// head or, where that cannot be read, the last block whose logs were. A chain that
// shows nothing is not a fresh one.
func (c *chainPass) seen(now time.Time) time.Duration {
	switch {
	case c.head != (swap.Block{}):
		return c.age
	case c.stored.To == (swap.Block{}):
		return unseen
	}
	return max(0, now.Sub(time.Unix(int64(c.stored.To.Time), 0)))
}
