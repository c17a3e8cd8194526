package job

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Slots is how many deferrable jobs may work at once, over all processes. Most of them are due in the
// same second, because one deployment made their rules, and what they share with the critical jobs is
// counted by the second: the requests that a provider of an endpoint allows, and a table's throughput.
// Four are fewer than the five critical jobs, so that together they at most double what those ask for;
// and a dozen jobs of up to ten seconds each are through in half a minute, which is the half of a
// minute's budget that a run may wait. A run that waits occupies one of the account's concurrent
// executions, which is why it does not wait for longer.
//
// It costs a deferrable run that finds a slot at once two writes more: six for an idle one instead of
// the four of a critical job, which never asks for a slot; and one more every RenewEvery while it works.
const Slots = 4

// SlotKey is the lease of a slot, from 0.
func SlotKey(i int) string { return fmt.Sprintf("slot#%d", i) }

// How long a run that finds no slot waits before it asks again: longer from time to time and never
// the same for two runs.
const (
	firstSlotWait = 250 * time.Millisecond
	maxSlotWait   = 4 * time.Second
)

// errNoSlot says that as many deferrable jobs were at work all the time.
var errNoSlot = errors.New("no slot is free")

// takeSlot takes one of the slots, waiting for up to patience until one is free. It is renewed like any
// lease while the run works, so that a killed run, which releases nothing, keeps it from others no longer
// than LeaseTime, and not for what was left of its invocation. A run that loses its slot works on: being
// without it harms nobody. The claim's key and times are filled in.
func takeSlot(ctx context.Context, locker Locker, c Claim, deadline time.Time, patience time.Duration) (*Hold, error) {
	end := time.Now().Add(patience)
	usual := fnv.New32a()
	_, _ = usual.Write([]byte(c.Job)) // never fails
	slot := int(usual.Sum32() % Slots)
	for wait := firstSlotWait; ; wait = min(2*wait, maxSlotWait) {
		var failed error
		for range Slots {
			c.Key, c.Now = SlotKey(slot), time.Now()
			c.Until = endOf(c.Now, deadline)
			lease, err := locker.Acquire(ctx, c)
			if err == nil {
				return keep(ctx, locker, lease, c.Now, deadline), nil
			}
			if !errors.Is(err, ErrHeld) {
				failed = fmt.Errorf("acquire lease %s: %w", c.Key, err)
				break // it may be ours: ask for the same one again
			}
			slot = (slot + 1) % Slots
		}
		pause := wait/2 + rand.N(wait/2)
		if time.Until(end) < pause {
			if failed != nil {
				return nil, failed
			}
			return nil, errNoSlot
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(failed, fmt.Errorf("wait for a slot: %w", context.Cause(ctx)))
		}
	}
}

// leaveSlot gives the slot of this run back, if it has one. That it is lost is no news.
func (r *Run) leaveSlot(ctx context.Context) error {
	if r.slot == nil {
		return nil
	}
	if err := r.slot.release(ctx, true); !errors.Is(err, ErrLost) {
		return err
	}
	return nil
}
