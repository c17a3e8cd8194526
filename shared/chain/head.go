package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const (
	// A head is stale when it is older than staleBlocks block times and as much
	// behind a peer's. minStaleAge keeps an ordinary hiccup of a fast chain from
	// being called stale.
	staleBlocks = 5
	minStaleAge = 15 * time.Second
	// maxForkDepth bounds the depth at which endpoints must agree. Above it
	// they may differ for a moment, as branches at the tip do.
	maxForkDepth = 8
	// headGrace is how long the other endpoints may take after the first one
	// has told its head.
	headGrace = 750 * time.Millisecond
)

func (ch *chain) staleAge() time.Duration { return max(staleBlocks*ch.BlockTime, minStaleAge) }

// forkDepth is the depth at which endpoints must agree on a block.
func (ch *chain) forkDepth() uint64 { return max(1, min(ch.Confirmations, maxForkDepth)) }

// Head reads the head, and its age by the wall clock, never negative. All
// endpoints in good standing are asked at once, and the newest head wins;
// those that are stale or on another branch are put aside. Calls: one for each
// endpoint, plus one for each peer of the winner whose head differs.
func (c *Client) Head(ctx context.Context, id uint64) (swap.Block, time.Duration, error) {
	ch, err := c.chain(id)
	if err != nil {
		return swap.Block{}, 0, err
	}
	var head swap.Block
	err = ch.retry(ctx, func() error {
		var err error
		head, err = ch.snapshot(ctx)
		return err
	})
	if err != nil {
		return swap.Block{}, 0, fmt.Errorf("read head of chain %d: %w", id, err)
	}
	return head, max(0, time.Since(time.Unix(int64(head.Time), 0))), nil
}

// told is what one endpoint says is the head.
type told struct {
	e    *endpoint
	head swap.Block
	err  error
}

// future tells whether a head lies further in the future than clocks differ. To go by its time would be to take for
// past what is not: windows that are open would count as closed.
func (ch *chain) future(head swap.Block) bool {
	return time.Until(time.Unix(int64(head.Time), 0)) > ch.staleAge()
}

// snapshot asks for the heads, in one round over all endpoints. A head of the future is gone by only if there is no
// other: then it is the clock here that may be wrong.
func (ch *chain) snapshot(ctx context.Context) (swap.Block, error) {
	var good, rest []*endpoint
	for _, e := range ch.order(0) {
		if e.asideUntil().IsZero() {
			good = append(good, e)
		} else {
			rest = append(rest, e)
		}
	}
	heads, errs := ch.askHeads(ctx, good)
	var credible, future []told
	for _, t := range heads {
		if ch.future(t.head) {
			future = append(future, t)
		} else {
			credible = append(credible, t)
		}
	}
	if len(credible) > 0 {
		return ch.believe(ctx, credible, future), nil
	}
	// Nobody in good standing answers what can be: one of the others must do, and the
	// first that answers does. But if there is a head of the future, they are what it
	// is given up for: then none counts that is known to be on another branch, and the
	// others have to agree.
	for _, e := range rest {
		if ctx.Err() != nil {
			break
		}
		head, err := e.latest(ctx)
		switch {
		case err != nil:
			e.note(err)
			errs = append(errs, err)
		case ch.future(head):
			future = append(future, told{e: e, head: head})
		case len(future) == 0:
			e.works()
			return head, nil
		case !e.forked():
			e.works()
			credible = append(credible, told{e: e, head: head})
		}
	}
	if len(credible) > 0 {
		return ch.believe(ctx, credible, future), nil
	}
	if len(future) > 0 {
		return ch.choose(ctx, future), nil
	}
	return swap.Block{}, join(errs)
}

// believe picks one of the credible heads, and puts aside who told one of the future.
func (ch *chain) believe(ctx context.Context, credible, future []told) swap.Block {
	for _, t := range future {
		t.e.setAside(asideShort, Future, "a head in the future")
	}
	return ch.choose(ctx, credible)
}

func (e *endpoint) latest(ctx context.Context) (swap.Block, error) {
	c := latestCall()
	if err := e.batch(ctx, c); err != nil {
		return swap.Block{}, err
	}
	_, head, err := decodeLatest(e, c)
	return head, err
}

// askHeads asks the endpoints at the same time and returns the answers in the
// order of the endpoints. Those that keep the others waiting are given up.
func (ch *chain) askHeads(ctx context.Context, from []*endpoint) (heads []told, errs []error) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan int, len(from))
	all := make([]told, len(from))
	for i, e := range from {
		go func() {
			head, err := e.latest(asking)
			all[i] = told{e, head, err}
			answers <- i
		}()
	}
	var grace <-chan time.Time
	late := false
	for left := len(from); left > 0; {
		select {
		case i := <-answers:
			left--
			if all[i].err == nil && grace == nil {
				timer := time.NewTimer(headGrace)
				defer timer.Stop()
				grace = timer.C
			}
		case <-grace:
			// The requests under way end at once; their answers are awaited, so
			// that nothing of this call is left behind.
			late = true
			cancel()
			grace = make(chan time.Time)
		}
	}
	for _, t := range all {
		switch _, isFault := errors.AsType[*fault](t.err); {
		case t.err == nil:
			heads = append(heads, t)
		case late && ctx.Err() == nil && !isFault:
			if t.e.tooSlow() {
				t.e.setAside(asideShort, Unreachable, conducts[classTimeout].name)
			}
		default:
			if ctx.Err() == nil {
				t.e.note(t.err)
			}
			errs = append(errs, t.err)
		}
	}
	return heads, errs
}

// choose picks the head to go by and puts aside what contradicts it.
func (ch *chain) choose(ctx context.Context, heads []told) swap.Block {
	best := newest(heads)
	fresh := heads[:0:0]
	for _, t := range heads {
		// Both clocks: while a chain that was halted catches up, every head is
		// old; and a peer with a time in the future proves nothing.
		age := time.Since(time.Unix(int64(t.head.Time), 0))
		behind := time.Duration(best.head.Time.Sub(t.head.Time)) * time.Second
		if min(age, behind) > ch.staleAge() {
			t.e.setAside(asideShort, Stale, "head stands still while a peer goes on")
			continue
		}
		fresh = append(fresh, t)
	}
	return ch.agree(ctx, fresh).head
}

// newest is the highest head; the first of several equal ones.
func newest(heads []told) told {
	best := heads[0]
	for _, t := range heads[1:] {
		if t.head.Number > best.head.Number {
			best = t
		}
	}
	return best
}

// agree compares the newest head's chain with those of the others. With one
// against one, the longer chain is believed, then the operator's order; with
// more, the majority.
func (ch *chain) agree(ctx context.Context, heads []told) told {
	best := newest(heads)
	var against []told
	for _, t := range heads {
		if t.e != best.e && ch.forked(ctx, best, t) {
			against = append(against, t)
		}
	}
	const detail = "another block than a peer at the same height"
	if 2*len(against) > len(heads) {
		best.e.setAside(asideFork, Forked, detail)
		return newest(against)
	}
	for _, t := range against {
		t.e.setAside(asideFork, Forked, detail)
	}
	return best
}

// forked reports whether two endpoints have different blocks at a height both
// have reached. A difference at the very tip is no fork yet: both are asked
// for a block some way below. An endpoint that cannot say is not accused.
func (ch *chain) forked(ctx context.Context, high, low told) bool {
	same := func(a, b told, number uint64) (equal, known bool) {
		x, err := a.blockAt(ctx, number)
		if err != nil {
			return false, false
		}
		y, err := b.blockAt(ctx, number)
		return err == nil && x.Hash == y.Hash, err == nil
	}
	tip := low.head.Number
	if equal, known := same(high, low, tip); equal || !known || tip == 0 {
		return false
	}
	equal, known := same(high, low, tip-min(tip, ch.forkDepth()))
	return known && !equal
}

func (t told) blockAt(ctx context.Context, number uint64) (swap.Block, error) {
	if number == t.head.Number {
		return t.head, nil
	}
	b, err := t.e.block(ctx, number)
	if err != nil && ctx.Err() == nil {
		t.e.note(err)
	}
	return b, err
}

func (e *endpoint) block(ctx context.Context, number uint64) (swap.Block, error) {
	c := blockCall(number)
	if err := e.batch(ctx, c); err != nil {
		return swap.Block{}, err
	}
	return decodeBlock(e, c, number)
}

// Block reads a block by number. A block that no endpoint has is an error.
func (c *Client) Block(ctx context.Context, id, number uint64) (swap.Block, error) {
	ch, err := c.chain(id)
	if err != nil {
		return swap.Block{}, err
	}
	var b swap.Block
	err = ch.try(ctx, func() []*endpoint { return ch.order(number) }, func(ctx context.Context, e *endpoint) error {
		var err error
		b, err = e.block(ctx, number)
		return err
	})
	if err != nil {
		return swap.Block{}, fmt.Errorf("read block %d of chain %d: %w", number, id, err)
	}
	return b, nil
}
