package follow

import (
	"context"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// reserve is the time kept for planning and for closing the pass, out of what
// the context gives; of a short time a quarter.
const reserve = 3 * time.Second

// readUntil is when reading has to end; false if it may take for ever.
func (p *pass) readUntil(ctx context.Context) (time.Time, bool) {
	end, ok := ctx.Deadline()
	return end.Add(-min(reserve, end.Sub(p.started)/4)), ok
}

// share is the context for one chain's part of a step: the given fraction of
// the time left for reading, so that a chain that stalls leaves the rest to
// the others.
func (p *pass) share(ctx context.Context, fraction int) (context.Context, context.CancelFunc) {
	until, ok := p.readUntil(ctx)
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(until)/time.Duration(fraction))
}

// late reports whether the time for reading is used up.
func (p *pass) late(ctx context.Context) bool {
	until, ok := p.readUntil(ctx)
	return ok && !time.Now().Before(until) || ctx.Err() != nil
}

// giveUp takes a chain out of the pass because of an error while reading it.
// Running out of time after a round has been stored is no failure: the next
// pass goes on from there.
func (p *pass) giveUp(ctx context.Context, c *chainPass, err error) {
	if c.rounds > 0 && p.late(ctx) {
		err = nil
	}
	c.fail(err)
}

// block reads a block once in a pass, within a share of the time for reading.
func (p *pass) block(ctx context.Context, c *chainPass, number uint64) (swap.Block, error) {
	if b, ok := c.blocks[number]; ok {
		return b, nil
	}
	rpc, cancel := p.share(ctx, 2)
	defer cancel()
	b, err := p.Chain.Block(rpc, c.id, number)
	if err == nil {
		c.blocks[number] = b
	}
	return b, err
}
