package devchain

import (
	"context"
	"fmt"
	"time"
)

// Run mines a block every period, stamped with what clock says (Unix seconds),
// until ctx ends, which is no error. A tick at which the clock has not moved
// past the head mines nothing, a late tick mines one block: gaps in the
// timestamps are missed slots.
//
// Ticks are aligned to the clock's steps, so that with a period of 1 s and a
// wall clock each second gets its block.
func (c *Chain) Run(ctx context.Context, period time.Duration, clock func() uint64) error {
	if period <= 0 {
		return fmt.Errorf("run chain %d: period %s is not positive", c.id, period)
	}
	if !align(ctx, period, clock) {
		return nil
	}
	ticks := time.NewTicker(period)
	defer ticks.Stop()
	for {
		if err := c.tick(clock()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// align waits for the next change of the clock, at most one period. A tick at
// the edge of a second would now fall before it, now after it.
func align(ctx context.Context, period time.Duration, clock func() uint64) bool {
	poll := time.NewTicker(max(period/50, time.Millisecond))
	defer poll.Stop()
	limit := time.NewTimer(period)
	defer limit.Stop()
	for start := clock(); clock() == start; {
		select {
		case <-ctx.Done():
			return false
		case <-limit.C:
			return true
		case <-poll.C:
		}
	}
	return ctx.Err() == nil
}

// tick mines a block if the clock has moved past the head.
func (c *Chain) tick(now uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now <= c.eth.BlockChain().CurrentBlock().Time {
		return nil
	}
	_, err := c.mineLocked(content{time: now, pool: true})
	return err
}

// Serve runs one chain by the wall clock until ctx ends, then closes it. It is
// the body of a command that offers a chain as a process of its own. ready is
// called once the endpoint answers.
func Serve(ctx context.Context, cfg Config, period time.Duration, ready func(*Chain)) (err error) {
	c, err := New(cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := c.Close(); err == nil {
			err = closeErr
		}
	}()
	ready(c)
	return c.Run(ctx, period, func() uint64 { return uint64(time.Now().Unix()) })
}
