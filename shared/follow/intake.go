package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// Bounds of what strangers can make us do. Decoys are free for an attacker;
// these make them nearly free for us.
const (
	// maxSiblings is how many open orders may share a hashlock before another
	// one is taken up only if an account of ours created it. Reused secrets are
	// rare, and the work per dst escrow grows with them.
	maxSiblings = 32
	// maxExtras is how many dst escrows beside a proven leg a pass looks at per
	// chain.
	maxExtras = 100
)

// intake is what a round takes up. It is gathered before any order is changed:
// a chain that fails meanwhile is left out and the rest gathered anew.
type intake struct {
	*pass
	fresh  map[swap.OrderID]*tracked
	legs   []adoption
	proven map[swap.OrderID]bool   // has a dst leg, or will have
	placed map[common.Address]bool // dst escrows that some order has, or will have
	mine   []adoption              // known legs found to be of our making
	makers []maker                 // of the sources of known orders, as found now
	parks  []swap.DstCreated
	lost   map[common.Address]bool     // of those parked: of our own making, and nothing explains them
	seek   map[uint64][]swap.OrderID   // by dst chain: to be looked for later
	events map[*chainPass][]occurrence // of what is scanned back
}

// maker says whether an account of ours made an order's source.
type maker struct {
	order *tracked
	ours  bool
}

// adoption is a dst escrow of an order: a proven leg, or a candidate.
type adoption struct {
	order *tracked
	chain *chainPass
	dst   destination
	leg   *swap.Leg // nil: nothing is proven
	ours  bool
	sure  bool // final, and no part of this reading: from the parked ones
}

// chainError is a failure of one chain; the others go on.
type chainError struct {
	chain *chainPass
	err   error
}

func (e *chainError) Error() string { return e.err.Error() }
func (e *chainError) Unwrap() error { return e.err }

func (c *chainPass) failed(err error, format string, args ...any) error {
	return &chainError{c, fmt.Errorf("%s of chain %d: %w", fmt.Sprintf(format, args...), c.id, err)}
}

// take brings what the round has read into the orders, stores them, and then
// moves the marks. If it fails or dies before that, the next pass reads the
// same blocks again. It returns errors of the store only.
func (p *pass) take(ctx context.Context) error {
	for {
		in := &intake{pass: p, fresh: map[swap.OrderID]*tracked{}, proven: map[swap.OrderID]bool{}, placed: map[common.Address]bool{}, lost: map[common.Address]bool{},
			seek: map[uint64][]swap.OrderID{}, events: map[*chainPass][]occurrence{}}
		err := in.gather(ctx)
		if err == nil {
			return in.commit(ctx)
		}
		broken, ok := errors.AsType[*chainError](err)
		if !ok {
			return err
		}
		p.giveUp(ctx, broken.chain, err)
	}
}

// reads lists the chains that are part of this round.
func (p *pass) reads() []*chainPass {
	return slices.DeleteFunc(p.sorted(), func(c *chainPass) bool { return c.read == nil })
}

func (in *intake) gather(ctx context.Context) error {
	chains := in.reads()
	for _, c := range chains {
		if err := in.recall(ctx, c); err != nil {
			return err
		}
	}
	// Sources first, on all chains: a dst leg can only be judged by its source.
	for _, c := range chains {
		if err := in.sources(ctx, c); err != nil {
			return err
		}
	}
	for _, c := range chains {
		if err := in.destinations(ctx, c); err != nil {
			return err
		}
	}
	for _, c := range chains {
		if err := in.lookForParked(ctx, c); err != nil {
			return err
		}
	}
	if err := in.ownParked(ctx); err != nil {
		return err
	}
	return in.scan(ctx)
}

// sources takes up the source legs that name one of our takers. Those of the
// 1inch factories come from an order fill only; others may be made by anyone,
// and count if they are worth a call or of our own making.
func (in *intake) sources(ctx context.Context, c *chainPass) error {
	ids := map[swap.OrderID]bool{}
	for _, s := range c.read.srcs {
		ids[idOf(s)] = true
		for id := range in.byHashlock[s.Leg.Immutables.Hashlock] {
			ids[id] = true
		}
	}
	if err := in.load(ctx, ids); err != nil {
		return err
	}
	wants := map[bool][]want{} // by whether they are of a history
	ask := func(s source, use func(ours bool)) {
		history := s.window == past
		wants[history] = append(wants[history], want{at: s.Leg.Created, use: func(tx Transaction) int {
			use(in.Policy.Chains[c.id].Ours(tx.From))
			return 0
		}})
	}
	for _, s := range c.read.srcs {
		made := s.Leg.Family == swap.BMNv4 // by whom?
		switch o := in.orders[idOf(s)]; {
		case in.fresh[idOf(s)] != nil || c.refused[s.Leg.Escrow]:
		case o != nil && !(o.Closed && !o.Src.Final):
			// Known. One that was closed because its source had vanished, and
			// that is there again, is opened again.
			again := s.Leg.Created.Tx != o.Src.Created.Tx // by somebody else, perhaps
			if made && !o.Src.Final && (again || s.window != loose && !o.Src.Ours) {
				ask(s, func(ours bool) { in.makers = append(in.makers, maker{o, ours}) })
			}
		case made:
			ask(s, func(ours bool) { in.startIfMeant(c, s, ours) })
		default:
			in.start(s, false)
		}
	}
	for _, s := range c.read.long {
		if s.Leg.Family == swap.BMNv4 {
			ask(s, func(ours bool) { in.tooLong(s, ours) })
		} else {
			in.tooLong(s, true)
		}
	}
	for _, history := range []bool{true, false} {
		slices.SortStableFunc(wants[history], func(a, b want) int { return cmp.Compare(a.at.Block, b.at.Block) })
		if err := in.lookUpWithin(ctx, c, wants[history], history); err != nil {
			return err
		}
	}
	c.read.through = min(c.read.through, c.read.trail.Time) // if it was cut
	return nil
}

// startIfMeant takes up a source that anyone can have made, if it is worth a
// call by itself or an account of ours created it: then there is a reason.
func (in *intake) startIfMeant(c *chainPass, s source, ours bool) {
	worth := in.Policy.Worth(s.Leg)
	if ours || worth && in.siblings(s) < maxSiblings {
		in.start(s, ours)
		return
	}
	c.refused[s.Leg.Escrow] = true
	if s.window == loose {
		return // told once, when it is final
	}
	in.res.Refused++
	f := swap.Finding{Code: swap.Worthless, Severity: swap.Info, Order: idOf(s), ChainID: c.id, Escrow: s.Leg.Escrow,
		Detail: "src created by somebody else, and no amount of a listed token that is worth a call"}
	if worth {
		f.Severity, f.Detail = swap.Critical, "src created by somebody else, and very many others have its hashlock"
	}
	in.find(f)
}

// tooLong tells of a source that is not taken up because no store would hold
// it. One that is meant needs a person, at once: nobody else looks after it.
func (in *intake) tooLong(s source, meant bool) {
	f := swap.Finding{Code: swap.HostileLog, Severity: swap.Warning, Order: idOf(s), ChainID: s.Leg.ChainID, Escrow: s.Leg.Escrow,
		Detail: "src with parameters that are too long to be followed"}
	if meant {
		f.Code, f.Severity = swap.CannotAct, swap.Critical
	}
	if s.window != loose {
		in.res.Refused++
	}
	if s.window != loose || meant {
		in.find(f)
	}
}

func idOf(s source) swap.OrderID { return swap.OrderID{ChainID: s.Leg.ChainID, Escrow: s.Leg.Escrow} }

// siblings counts the other open orders with the source's hashlock.
func (in *intake) siblings(s source) int {
	n := len(in.byHashlock[s.Leg.Immutables.Hashlock])
	for _, o := range in.fresh {
		if o.Hashlock() == s.Leg.Immutables.Hashlock {
			n++
		}
	}
	return n
}

// start begins an order, or opens one again. ours: an account of ours is known
// to have created its source.
func (in *intake) start(s source, ours bool) {
	o := &tracked{Order: swap.NewOrder(*s.SrcCreated)}
	if old := in.orders[idOf(s)]; old != nil {
		o.Order = old.Order
	}
	held := s.window == past || in.unread(o.ID.ChainID) || in.unread(o.DstChainID())
	o.edit(func(o *swap.Order) bool {
		o.Closed, o.Held = false, held
		o.Src.Ours = o.Src.Ours || ours
		return true
	})
	in.fresh[o.ID] = o
	for _, id := range sortedIDs(in.byHashlock[o.Hashlock()]) {
		if sibling := in.orders[id]; sibling != nil && id != o.ID {
			o.edit(func(o *swap.Order) bool { return inherit(o, sibling.Order) })
		}
	}
	in.proven[o.ID] = len(o.Dsts) > 0
}

// inherit gives an order what is known of its dst side by another one with the
// same hashlock: a source that a reorganisation moved to another address finds
// its dst legs there, since nobody will create them again.
func inherit(o *swap.Order, from swap.Order) (changed bool) {
	for _, d := range from.Dsts {
		if o.Matches(d.Leg) == "" && o.AddDst(d.Leg, d.Ours) {
			o.Dsts[len(o.Dsts)-1] = d
			changed = true
		}
	}
	for _, c := range from.Candidates {
		if c.ChainID == o.DstChainID() && o.AddCandidate(swap.DstCreated{ChainID: c.ChainID, Escrow: c.Escrow, At: c.Created}) {
			changed = true
		}
	}
	for _, ev := range from.Events {
		changed = o.AddEvent(ev) || changed
	}
	if from.Secret != nil {
		changed = o.Learn(*from.Secret) || changed
	}
	return changed
}

// unread reports whether a configured chain's history has never been read to
// its end.
func (p *pass) unread(chain uint64) bool {
	c := p.chains[chain]
	return c != nil && !c.stored.Sync.Done
}

// destinations judges the dst escrows that name one of our takers.
func (in *intake) destinations(ctx context.Context, c *chainPass) error {
	ids := map[swap.OrderID]bool{}
	var history, recent []destination
	for _, d := range c.read.dsts {
		for id := range in.byHashlock[d.Hashlock] {
			ids[id] = true
		}
		if d.window == past {
			history = append(history, d)
		} else {
			recent = append(recent, d)
		}
	}
	if err := in.load(ctx, ids); err != nil {
		return err
	}
	if err := in.destinationsOf(ctx, c, history, true); err != nil {
		return err
	}
	return in.destinationsOf(ctx, c, recent, false)
}

func (in *intake) destinationsOf(ctx context.Context, c *chainPass, dsts []destination, history bool) error {
	slices.SortStableFunc(dsts, func(a, b destination) int {
		switch {
		case a.At.Less(b.At):
			return -1
		case b.At.Less(a.At):
			return 1
		}
		return 0
	})
	var pairs []adoption
	for _, d := range dsts {
		matched := false
		for _, o := range in.matching(c, d.DstCreated) {
			matched = true
			pairs = append(pairs, adoption{order: o, chain: c, dst: d})
		}
		switch {
		case matched || d.window == loose:
		case history && in.waits(c, d):
			// Its source may lie in what another chain has yet to read.
			c.waiting = d.At.Time
			if err := in.cut(ctx, c, past, d.At.Block); err != nil {
				return err
			}
			return in.judge(ctx, c, pairs, history)
		default:
			in.parks = append(in.parks, d.DstCreated)
		}
	}
	return in.judge(ctx, c, pairs, history)
}

// matching lists the open orders that a dst escrow may belong to.
func (in *intake) matching(c *chainPass, d swap.DstCreated) (out []*tracked) {
	fits := func(o *tracked) bool {
		return !o.Closed && o.Hashlock() == d.Hashlock && o.DstChainID() == c.id && o.Src.Immutables.TakerAddress() == d.Taker
	}
	for _, id := range sortedIDs(in.byHashlock[d.Hashlock]) {
		if o := in.orders[id]; o != nil && in.fresh[id] == nil && fits(o) {
			out = append(out, o)
		}
	}
	for _, o := range in.freshOrders() {
		if fits(o) {
			out = append(out, o)
		}
	}
	return out
}

func (in *intake) freshOrders() []*tracked {
	ids := map[swap.OrderID]bool{}
	for id := range in.fresh {
		ids[id] = true
	}
	out := make([]*tracked, 0, len(ids))
	for _, id := range sortedIDs(ids) {
		out = append(out, in.fresh[id])
	}
	return out
}

// waits reports whether another chain is still reading its history up to the
// time of the dst escrow.
func (in *intake) waits(c *chainPass, d destination) bool {
	for _, other := range in.chains {
		if other == c || !other.walks() {
			continue
		}
		known := max(other.known, other.facts.Sync.Trail.Time)
		if other.read != nil {
			if other.read.trail.Number >= other.facts.From.Number {
				continue
			}
			known = max(known, other.read.through)
		}
		if known < d.At.Time {
			return true
		}
	}
	return false
}

// lookForParked looks for the dst legs of orders that were taken up after them.
func (in *intake) lookForParked(ctx context.Context, c *chainPass) error {
	ids := map[swap.OrderID]bool{}
	for _, id := range c.facts.Sync.Seek {
		ids[id] = true
	}
	if err := in.load(ctx, ids); err != nil {
		return err
	}
	var seekers []*tracked
	for _, id := range sortedIDs(ids) {
		if o := in.orders[id]; o != nil && in.fresh[id] == nil && !o.Closed {
			seekers = append(seekers, o)
		}
	}
	for _, o := range in.freshOrders() {
		if o.DstChainID() == c.id {
			seekers = append(seekers, o)
		}
	}
	lists := map[common.Hash][]swap.DstCreated{}
	var pairs []adoption
	for _, o := range seekers {
		parked, ok := lists[o.Hashlock()]
		if !ok {
			var err error
			if parked, err = in.Parked.Parked(ctx, c.id, o.Hashlock()); err != nil {
				return fmt.Errorf("read parked dst escrows of chain %d: %w", c.id, err)
			}
			lists[o.Hashlock()] = parked
		}
		for _, d := range parked {
			// Above the mark this round's own reading has it, or will.
			if d.Taker == o.Src.Immutables.TakerAddress() && d.At.Block <= c.facts.From.Number {
				pairs = append(pairs, adoption{order: o, chain: c, dst: destination{d, past}, sure: true})
			}
		}
	}
	return in.judge(ctx, c, pairs, true)
}

// ownParked finds out which of the dst escrows that fit no order are of our own
// making: there our money lies, and nobody will fetch it. While a chain cannot
// be read the source may be on it, so nothing is said then.
func (in *intake) ownParked(ctx context.Context) error {
	for _, c := range in.chains {
		if c.out || c.stuck || !c.stored.Sync.Done {
			return nil
		}
	}
	for _, c := range in.reads() {
		var wants []want
		for _, d := range in.parks {
			if d.ChainID == c.id && len(wants) < batchLookups {
				wants = append(wants, want{at: d.At, use: func(tx Transaction) int {
					in.lost[d.Escrow] = in.Policy.Chains[c.id].Ours(tx.From)
					return 0
				}})
			}
		}
		if _, err := in.lookUp(ctx, c, wants, false); err != nil {
			return err
		}
	}
	return nil
}

func sortedIDs(ids map[swap.OrderID]bool) []swap.OrderID {
	out := make([]swap.OrderID, 0, len(ids))
	for id := range ids {
		out = append(out, id)
	}
	slices.SortFunc(out, compareIDs)
	return out
}
