package job

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Lease times. A holder renews twice before a lease of LeaseTime would run out and trusts it until
// Skew before its end, so that clocks may differ by Skew between hosts, and an effect begun just
// inside the trust window ends inside the lease. All count from the start of the attempt, never
// from its answer.
const (
	LeaseTime  = 12 * time.Second
	RenewEvery = 4 * time.Second
	Skew       = 2 * time.Second

	renewRetry = time.Second // after an attempt whose outcome is unknown

	// maxAhead is how much longer than LeaseTime the lease of another may last by our clock. One that lasts
	// longer was taken by a clock that is far ahead, and would keep everybody away, in peace, until that time.
	maxAhead = minStale
)

// Hold is a lease while its holder works. It renews the lease in the background and cancels the
// work's context, with ErrLost as the cause, when it is lost or could not be renewed in time.
// It is safe for concurrent use.
type Hold struct {
	locker   Locker
	deadline time.Time // of the invocation: a lease never outlives it by more than Skew
	ctx      context.Context
	cancel   context.CancelCauseFunc
	expire   *time.Timer // ends the work when the trust window does
	stop     func()      // ends the renewing goroutine and waits for it

	mu     sync.Mutex
	lease  Lease
	start  time.Time     // of the last attempt that succeeded, with its monotonic reading
	window time.Duration // how long after start the lease is trusted
	lost   error
}

// endOf is when a lease asked for at now should end: after LeaseTime, but not long after the
// invocation, which releases nothing when it is killed.
func endOf(now, deadline time.Time) time.Time {
	until := now.Add(LeaseTime)
	if last := deadline.Add(Skew); last.Before(until) {
		return last
	}
	return until
}

// acquire takes the lease and keeps it until release. c.Now and c.Until are filled in; deadline is
// when the invocation is killed. ErrHeld: another run holds it, which ends with that run. The work runs under h.ctx, which ends with ctx, with the
// release, or when the lease is lost.
func acquire(ctx context.Context, locker Locker, c Claim, deadline time.Time) (*Hold, error) {
	var lease Lease
	var err error
	for range 2 { // an outcome that is unknown is asked for again: our token answers
		c.Now = time.Now()
		c.Until = endOf(c.Now, deadline)
		lease, err = locker.Acquire(ctx, c)
		if err == nil || errors.Is(err, ErrHeld) || ctx.Err() != nil {
			break
		}
	}
	if ahead := lease.Until.Sub(c.Now); errors.Is(err, ErrHeld) && ahead > LeaseTime+maxAhead {
		err = fmt.Errorf("another run's ends in %s, and none is taken for more than %s: a clock is wrong", ahead.Round(time.Second), LeaseTime)
	}
	if err != nil {
		return nil, fmt.Errorf("acquire lease %s: %w", c.Key, err)
	}
	return keep(ctx, locker, lease, c.Now, deadline), nil
}

// keep renews a lease that an attempt begun at start got, until it is released, lost, or ctx ends.
func keep(ctx context.Context, locker Locker, l Lease, start, deadline time.Time) *Hold {
	h := &Hold{locker: locker, deadline: deadline, lease: l, start: start, window: l.Until.Sub(start) - Skew}
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	h.expire = time.AfterFunc(time.Until(start.Add(h.window)), func() { _ = h.Check(time.Now()) })
	h.keepRenewing()
	return h
}

// Lease is the lease that is held, for adapters that test its fence in their own transactions.
func (h *Hold) Lease() Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lease
}

// Check tells whether the lease may still be trusted at now (time.Now, with its monotonic
// reading). Call it before each effect. The error is ErrLost, also after the release, and stays.
func (h *Hold) Check(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost != nil {
		return h.lost
	}
	// The monotonic clock stands still while a virtual machine is frozen, and the wall clock can
	// be set back: whichever has gone further counts.
	if passed := max(now.Sub(h.start), now.Round(0).Sub(h.start.Round(0))); passed >= h.window {
		h.lose(fmt.Errorf("lease %s not renewed for %s: %w", h.lease.Key, passed.Round(time.Millisecond), ErrLost))
	}
	return h.lost
}

func (h *Hold) lose(err error) {
	h.lost = err
	h.cancel(err)
}

func (h *Hold) keepRenewing() {
	ctx, cancel := context.WithCancel(h.ctx)
	done := make(chan struct{})
	h.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		h.renew(ctx)
	}()
}

func (h *Hold) renew(ctx context.Context) {
	timer := time.NewTimer(RenewEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		switch err := h.renewOnce(ctx); {
		case err == nil:
			timer.Reset(RenewEvery)
		case errors.Is(err, ErrLost):
			h.mu.Lock()
			h.lose(fmt.Errorf("renew lease %s: %w", h.lease.Key, err))
			h.mu.Unlock()
			return
		default: // unknown outcome: if this goes on, the trust window ends
			timer.Reset(renewRetry)
		}
	}
}

func (h *Hold) renewOnce(ctx context.Context) error {
	lease := h.Lease()
	now := time.Now()
	until := endOf(now, h.deadline)
	if !until.After(lease.Until) {
		return nil // it already lasts as long as the invocation may
	}
	// An attempt that takes longer than a beat is given up for the next one.
	attempt, cancel := context.WithTimeout(ctx, RenewEvery)
	defer cancel()
	if err := h.locker.Renew(attempt, lease, until); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost == nil {
		h.lease.Until, h.start, h.window = until, now, until.Sub(now)-Skew
		h.expire.Reset(time.Until(now.Add(h.window)))
	}
	return nil
}

// seen notes how often the lease was wanted by now.
func (h *Hold) seen(wanted int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lease.Wanted = wanted
}

// release ends the hold; ctx is not the work's, which may have ended. If the lease is wanted it
// returns ErrWanted and the hold goes on, unless force is set. After any other answer the hold is
// over: what could not be released expires by itself.
func (h *Hold) release(ctx context.Context, force bool) error {
	h.stop() // a renewal that came after the release would look like a loss
	var err error
	for range 3 { // a lost answer is asked for again, and so is a wanted lease if forced
		var wanted int64
		wanted, err = h.locker.Release(ctx, h.Lease())
		if errors.Is(err, ErrWanted) {
			h.seen(wanted)
			if !force {
				h.keepRenewing()
				return err
			}
			continue
		}
		if err == nil || errors.Is(err, ErrLost) || ctx.Err() != nil {
			break
		}
	}
	h.expire.Stop()
	h.mu.Lock()
	h.cancel(context.Canceled)
	if h.lost == nil {
		h.lost = fmt.Errorf("lease %s is released: %w", h.lease.Key, ErrLost)
	}
	h.mu.Unlock()
	if err != nil {
		return fmt.Errorf("release lease %s: %w", h.lease.Key, err)
	}
	return nil
}
