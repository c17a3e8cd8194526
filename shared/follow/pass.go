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

// Bounds of one pass. Decoys are free for an attacker; these make them nearly
// free for us.
const (
	// maxLookups is how many creating transactions one batch asks for.
	maxLookups = 100
	// maxExtras is how many dst escrows beside a proven leg a pass looks at per
	// chain.
	maxExtras = 100
	// maxDetails is how many findings of one kind a pass reports one by one per
	// chain; beyond it only the count grows.
	maxDetails = 20
	// reserve is the time that must be left to plan and to close the pass.
	reserve = 3 * time.Second
)

// ChainConfig is what following one chain takes.
type ChainConfig struct {
	Factories []swap.Factory
	// Confirmations is the depth at which a block counts as final.
	Confirmations uint64
	// Rewind is how many blocks are read again when a final block turns out to
	// have been replaced.
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
	Chains map[uint64]ChainConfig
	Policy swap.Policy
	Log    *slog.Logger
}

// Result counts what a pass did.
type Result struct {
	Chains   map[uint64]Progress
	Adopted  int           // orders and dst legs taken up
	Decoys   int           // legs that name us and are not what they seem
	Refused  int           // src legs not worth following
	Secrets  int           // learned
	Events   int           // final events stored
	Closed   int           // orders finished
	Saved    int           // order writes
	HeadAge  time.Duration // of the oldest head, by the wall clock
	Complete bool          // every chain was read to its head
}

// Progress says how far a chain has been read.
type Progress struct {
	From, Final, Seen, Head uint64
}

// Pass reads what is new on every chain, brings the orders up to date and has
// the changed ones planned. A chain that cannot be read does not hold up the
// others: nothing is concluded from its silence.
//
// A long history is read in rounds, each stored before the next, for as long
// as the context leaves time; until every chain has been read to its head
// nothing is planned, because half a history proves nothing.
func (f *Follower) Pass(ctx context.Context) (Result, error) {
	p := &pass{Follower: f, chains: map[uint64]*chainPass{}, orders: map[swap.OrderID]*tracked{}, details: map[detailKey]int{},
		byHashlock: map[common.Hash]map[swap.OrderID]bool{}}
	p.res.Chains = map[uint64]Progress{}
	errs := []error{p.open(ctx), p.loadDue(ctx)}
	for {
		more, err := p.round(ctx)
		errs = append(errs, err)
		if err != nil || !more {
			break
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < reserve || ctx.Err() != nil {
			break
		}
	}
	p.res.Complete = len(p.chains) == len(f.Policy.Chains)
	for id, c := range p.chains {
		p.res.Chains[id] = Progress{c.start, c.facts.From.Number, c.facts.To.Number, c.head.Number}
		p.res.Complete = p.res.Complete && c.complete()
		p.res.HeadAge = max(p.res.HeadAge, c.age)
	}
	if p.res.Complete {
		errs = append(errs, p.plan(ctx))
	}
	if len(p.findings) > 0 {
		errs = append(errs, f.Report(ctx, p.findings))
	}
	return p.res, errors.Join(errs...)
}

type pass struct {
	*Follower
	res      Result
	chains   map[uint64]*chainPass
	orders   map[swap.OrderID]*tracked
	findings []swap.Finding
	details  map[detailKey]int
	due      map[swap.OrderID]bool
	// byHashlock lists the open orders of a hashlock, on all chains.
	byHashlock map[common.Hash]map[swap.OrderID]bool
}

// chainPass is one chain within a pass.
type chainPass struct {
	ChainConfig
	id     uint64
	head   swap.Block
	age    time.Duration
	start  uint64           // final mark at the start of the pass
	facts  swap.Provisional // as stored
	rows   []Watched        // the book as stored
	book   map[common.Address][]Watched
	read   *reading
	txs    map[common.Hash]Transaction
	extras int
	failed bool
}

func (c *chainPass) finalTarget() uint64 {
	if c.head.Number < c.Confirmations {
		return 0
	}
	return c.head.Number - c.Confirmations
}

func (c *chainPass) complete() bool { return !c.failed && c.facts.To.Number >= c.head.Number }

// tracked is an order in memory, with what has to be done about it.
type tracked struct {
	swap.Order
	dirty   bool // differs from what is stored
	touched bool // to be planned
	// unparked: the parked dst escrows have been looked through.
	unparked bool
}

type detailKey struct {
	code  swap.FindingCode
	chain uint64
}

// open takes the snapshot of the pass: marks, watch book and head per chain.
func (p *pass) open(ctx context.Context) error {
	ids := slices.Sorted(maps.Keys(p.Chains))
	opened := make([]*chainPass, len(ids))
	errs := make([]error, len(ids))
	var g errgroup.Group
	for i, id := range ids {
		g.Go(func() error {
			opened[i], errs[i] = p.openChain(ctx, id)
			return nil
		})
	}
	_ = g.Wait() // the errors are in the slice
	for i, id := range ids {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("open chain %d: %w", id, errs[i])
			continue
		}
		p.chains[id] = opened[i]
		for _, w := range opened[i].rows {
			p.enter(opened[i], w)
		}
	}
	for _, c := range p.chains {
		if err := p.checkMark(ctx, c); err != nil {
			errs = append(errs, fmt.Errorf("check final block of chain %d: %w", c.id, err))
			c.failed = true
		}
	}
	return errors.Join(errs...)
}

func (p *pass) openChain(ctx context.Context, id uint64) (*chainPass, error) {
	c := &chainPass{ChainConfig: p.Chains[id], id: id, book: map[common.Address][]Watched{}, txs: map[common.Hash]Transaction{}}
	var err error
	if c.facts, err = p.Facts.Provisional(ctx, id); err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	if c.head, c.age, err = p.Chain.Head(ctx, id); err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	if c.facts.From == (swap.Block{}) {
		// First sync: nothing of ours can be older than the oldest factory.
		first := c.finalTarget()
		for _, f := range c.Factories {
			first = min(first, max(f.FromBlock, 1)-1)
		}
		prev := c.facts
		if c.facts.From, err = p.Chain.Block(ctx, id, first); err != nil {
			return nil, fmt.Errorf("read first block: %w", err)
		}
		c.facts.To = c.facts.From
		if err := p.Facts.Replace(ctx, prev, c.facts); err != nil {
			return nil, fmt.Errorf("store first mark: %w", err)
		}
	}
	c.start = c.facts.From.Number
	if c.rows, err = p.Orders.Watched(ctx, id); err != nil {
		return nil, fmt.Errorf("read watch book: %w", err)
	}
	return c, nil
}

// views are the chains as this pass has read them.
func (p *pass) views() swap.Views {
	v := swap.Views{}
	for id, c := range p.chains {
		v[id] = swap.ChainView{ChainID: id, Head: c.head, HeadAge: c.age, SyncedTo: c.facts.To, Final: c.facts.From}
	}
	return v
}

func (p *pass) allFacts() map[uint64]swap.Provisional {
	facts := map[uint64]swap.Provisional{}
	for id, c := range p.chains {
		facts[id] = c.facts
	}
	return facts
}

// loadDue brings the orders into memory whose time has come.
func (p *pass) loadDue(ctx context.Context) error {
	p.due = map[swap.OrderID]bool{}
	for id, c := range p.chains {
		for _, side := range []swap.Side{swap.Src, swap.Dst} {
			ids, err := p.Orders.Due(ctx, id, side, c.head.Time.Add(p.Policy.Horizon))
			if err != nil {
				return fmt.Errorf("list %s orders due on chain %d: %w", side, id, err)
			}
			for _, id := range ids {
				p.due[id] = true
			}
		}
	}
	return p.load(ctx, p.due)
}

// load brings orders into memory, consistently; those already there stay.
func (p *pass) load(ctx context.Context, ids map[swap.OrderID]bool) error {
	var missing []swap.OrderID
	for id := range ids {
		if p.orders[id] == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	orders, err := p.Orders.Load(ctx, missing)
	if err != nil {
		return fmt.Errorf("load orders: %w", err)
	}
	for _, o := range orders {
		p.orders[o.ID] = &tracked{Order: o}
	}
	return nil
}

// find adds a finding, and counts instead once a pass has many of its kind.
func (p *pass) find(f swap.Finding) {
	k := detailKey{f.Code, f.ChainID}
	if p.details[k]++; p.details[k] <= maxDetails {
		p.findings = append(p.findings, f)
	}
}
