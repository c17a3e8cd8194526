package txn

import (
	"context"
	"fmt"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const (
	// waitAhead is how far ahead of the head, in seconds of block time, an
	// action is waited for instead of being left to the next doorbell: the
	// doorbell rings three seconds early, and a queue's delay is a second off.
	waitAhead = 8
	// waitMore is how long the chain may take beyond its clock before the
	// waiting ends: it stands still then, and the echo or a sweep rings again.
	waitMore = 16 * time.Second
	// settleReserve is the time left to an invocation at which waiting ends.
	settleReserve = 2 * time.Second
	// pollLeast and pollMost bound the pause between two looks at the head.
	pollLeast = 150 * time.Millisecond
	pollMost  = time.Second
)

// sendAt is sendableFrom for the drain's account.
func (r *drain) sendAt(from swap.ChainTime) swap.ChainTime {
	return sendableFrom(from, r.chain, r.config)
}

// sendableFrom is the head time from which a transaction cannot be included too
// early: the block after it must be legal. Where block times are irregular the
// next block may carry the smallest possible step, or share the time of the
// head, so the head itself must be legal.
func sendableFrom(legal swap.ChainTime, chain swap.ChainPolicy, c ChainConfig) swap.ChainTime {
	if c.Regular {
		return legal.Add(-chain.MinBlockTime)
	}
	return legal
}

// await waits for the next block on the way to the time, as long as the context
// leaves time to work afterwards. It reports whether there is one. Block by
// block, because whoever rings meanwhile finds the account taken: what he rings
// for would otherwise have to wait as long as this does.
func (r *drain) await(ctx context.Context, at swap.ChainTime) (bool, error) {
	pause := min(max(time.Duration(r.chain.MinBlockTime)*time.Second/4, pollLeast), pollMost)
	end := time.Now().Add(time.Duration(at.Sub(r.head.Time))*time.Second + waitMore)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-settleReserve).Before(end) {
		end = deadline.Add(-settleReserve)
	}
	var failed error
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for ; time.Until(end) >= pause; timer.Reset(pause) {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-timer.C:
		}
		head, _, err := r.Backend.Head(ctx, r.ChainID)
		if err != nil && ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if err != nil {
			failed = fmt.Errorf("read head of chain %d: %w", r.ChainID, err)
			continue // what is waited for is still to come
		}
		failed = nil
		if head.Time > max(r.head.Time, r.seen) {
			r.seen = head.Time // plans may be made at an older head: still one look a block
			return true, nil
		}
	}
	return false, failed
}
