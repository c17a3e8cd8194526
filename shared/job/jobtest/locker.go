// Package jobtest holds what proves an implementation of package job's storage interfaces:
// conformance suites for any of them, and in-memory ones that can fail.
package jobtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// epoch is the wall clock at which the suites start. Time is an argument everywhere, so no test
// waits for it.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const leaseTime = 12 * time.Second

func at(d time.Duration) time.Time { return epoch.Add(d) }

// claim asks for a fresh key that no other test uses, so one shared table serves the whole suite.
func claim(key, token string, now time.Duration) job.Claim {
	return job.Claim{Key: key, Token: token, Job: "job-of-" + token, Tick: at(now).Truncate(time.Minute),
		Now: at(now), Until: at(now + leaseTime)}
}

func freshKey(t *testing.T) string { return "conformance#" + t.Name() + "#" + rand.Text() }

func mustAcquire(t *testing.T, l job.Locker, c job.Claim) job.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), c)
	if err != nil {
		t.Fatalf("acquire by %s at %s: %v", c.Token, c.Now, err)
	}
	if lease.Key != c.Key || lease.Token != c.Token || lease.Fence < 1 {
		t.Fatalf("acquire by %s gave %+v", c.Token, lease)
	}
	return lease
}

func mustHold(t *testing.T, l job.Locker, c job.Claim) {
	t.Helper()
	lease, err := l.Acquire(t.Context(), c)
	if !errors.Is(err, job.ErrHeld) {
		t.Fatalf("acquire by %s at %s: got %+v, %v; want ErrHeld", c.Token, c.Now, lease, err)
	}
	if lease != (job.Lease{Until: lease.Until}) || !lease.Until.After(c.Now) {
		t.Fatalf("acquire by %s at %s was told %+v, want the holder's end alone", c.Token, c.Now, lease)
	}
}

func mustRelease(t *testing.T, l job.Locker, lease job.Lease) {
	t.Helper()
	if _, err := l.Release(t.Context(), lease); err != nil {
		t.Fatalf("release by %s: %v", lease.Token, err)
	}
}

// TestLocker runs the guarantees of job.Locker against an implementation. open is called once per
// subtest; what it returns may share one store, since every subtest uses keys of its own.
func TestLocker(t *testing.T, open func(t *testing.T) job.Locker) {
	t.Run("first claim wins, second is held", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		if a.Orphan != nil || a.Wanted != 0 || !a.Until.Equal(at(leaseTime)) {
			t.Errorf("first lease %+v: want no orphan, nothing wanted, until %s", a, at(leaseTime))
		}
		mustHold(t, l, claim(key, "b", time.Second))
		mustRelease(t, l, a) // a losing claim without Want left no sign
	})

	t.Run("keys are independent", func(t *testing.T) {
		l := open(t)
		mustAcquire(t, l, claim(freshKey(t), "a", 0))
		mustAcquire(t, l, claim(freshKey(t), "b", 0))
	})

	t.Run("claiming again with the same token is the same lease", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		again := mustAcquire(t, l, claim(key, "a", 0))
		if again.Fence != a.Fence || !again.Until.Equal(a.Until) {
			t.Errorf("repeated claim: fence %d until %s, want %d until %s", again.Fence, again.Until, a.Fence, a.Until)
		}
		mustHold(t, l, claim(key, "b", time.Second))
		mustRelease(t, l, again)
	})

	t.Run("expiry is tested by the claim, to the millisecond", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		mustHold(t, l, claim(key, "b", leaseTime-time.Millisecond))
		b := mustAcquire(t, l, claim(key, "b", leaseTime))
		if b.Fence <= a.Fence {
			t.Errorf("fence %d after %d: want greater", b.Fence, a.Fence)
		}
	})

	t.Run("take-over names what the dead holder ran, also on repetition", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		of := claim(key, "a", 0)
		of.Cause = job.Cause{Queued: true, SentBy: "x y"}
		a := mustAcquire(t, l, of)
		for _, try := range []string{"first", "repeated"} {
			b := mustAcquire(t, l, claim(key, "b", leaseTime))
			want := job.Orphan{Job: "job-of-a", Tick: at(0), Cause: of.Cause, Token: "a", Fence: a.Fence}
			switch {
			case b.Orphan == nil:
				t.Fatalf("%s take-over has no orphan", try)
			case b.Orphan.Job != want.Job || b.Orphan.Cause != want.Cause || b.Orphan.Token != want.Token || b.Orphan.Fence != want.Fence || !b.Orphan.Tick.Equal(want.Tick):
				t.Errorf("%s take-over: orphan %+v, want %+v", try, *b.Orphan, want)
			}
		}
	})

	t.Run("what a tick started is not taken for what messages started before", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		of := claim(key, "a", 0)
		of.Cause = job.Cause{Queued: true, SentBy: "x"}
		mustRelease(t, l, mustAcquire(t, l, of))
		mustAcquire(t, l, claim(key, "b", time.Second))
		c := mustAcquire(t, l, claim(key, "c", time.Second+leaseTime))
		if c.Orphan == nil || c.Orphan.Token != "b" || c.Orphan.Cause != (job.Cause{}) {
			t.Errorf("orphan %+v, want that of b, of a tick", c.Orphan)
		}
	})

	t.Run("a released lease leaves no orphan and its fence behind", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		mustRelease(t, l, a)
		b := mustAcquire(t, l, claim(key, "b", time.Second))
		if b.Orphan != nil || b.Fence <= a.Fence {
			t.Errorf("lease after release: %+v, want no orphan and a fence above %d", b, a.Fence)
		}
		// The orphan of an earlier generation must not come back either.
		mustRelease(t, l, b)
		c := mustAcquire(t, l, claim(key, "c", 2*time.Second))
		if c.Orphan != nil {
			t.Errorf("third lease has orphan %+v", *c.Orphan)
		}
	})

	t.Run("an orphan is named once, not to the next generation", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		mustAcquire(t, l, claim(key, "a", 0))
		b := mustAcquire(t, l, claim(key, "b", leaseTime))
		mustRelease(t, l, b)
		if c := mustAcquire(t, l, claim(key, "c", leaseTime+time.Second)); c.Orphan != nil {
			t.Errorf("orphan %+v named again", *c.Orphan)
		}
	})

	t.Run("releasing again is success and disturbs nobody", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		mustRelease(t, l, a)
		mustRelease(t, l, a)
		b := mustAcquire(t, l, claim(key, "b", time.Second))
		mustRelease(t, l, a)
		mustHold(t, l, claim(key, "c", 2*time.Second))
		mustRelease(t, l, b)
	})

	t.Run("renewing moves the end", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		for range 2 { // repetition is safe
			if err := l.Renew(t.Context(), a, at(leaseTime+4*time.Second)); err != nil {
				t.Fatalf("renew: %v", err)
			}
		}
		mustHold(t, l, claim(key, "b", leaseTime+4*time.Second-time.Millisecond))
		b := mustAcquire(t, l, claim(key, "b", leaseTime+4*time.Second))
		if b.Orphan == nil || b.Orphan.Token != "a" {
			t.Errorf("take-over of a renewed lease: orphan %+v", b.Orphan)
		}
	})

	t.Run("renewing never moves the end back", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		for _, until := range []time.Duration{2 * leaseTime, leaseTime + time.Second, time.Second} {
			if err := l.Renew(t.Context(), a, at(until)); err != nil {
				t.Fatalf("renew until %s: %v", until, err)
			}
		}
		mustHold(t, l, claim(key, "b", 2*leaseTime-time.Millisecond))
		mustAcquire(t, l, claim(key, "b", 2*leaseTime))
	})

	t.Run("an expired lease nobody took can be renewed", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		if err := l.Renew(t.Context(), a, at(3*leaseTime)); err != nil {
			t.Fatalf("renew: %v", err)
		}
		mustHold(t, l, claim(key, "b", 2*leaseTime))
	})

	t.Run("a zombie can neither renew nor release", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		b := mustAcquire(t, l, claim(key, "b", leaseTime))
		if err := l.Renew(t.Context(), a, at(9*leaseTime)); !errors.Is(err, job.ErrLost) {
			t.Errorf("zombie renew: %v, want ErrLost", err)
		}
		if _, err := l.Release(t.Context(), a); !errors.Is(err, job.ErrLost) {
			t.Errorf("zombie release: %v, want ErrLost", err)
		}
		mustHold(t, l, claim(key, "c", leaseTime+time.Second))
		mustRelease(t, l, b)
		if err := l.Renew(t.Context(), b, at(9*leaseTime)); !errors.Is(err, job.ErrLost) {
			t.Errorf("renew after release: %v, want ErrLost", err)
		}
	})

	t.Run("the same token in a later generation does not revive the earlier lease", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		old := mustAcquire(t, l, claim(key, "a", 0))
		mustRelease(t, l, mustAcquire(t, l, claim(key, "b", leaseTime)))
		cur := mustAcquire(t, l, claim(key, "a", leaseTime+time.Second))
		if err := l.Renew(t.Context(), old, at(9*leaseTime)); !errors.Is(err, job.ErrLost) {
			t.Errorf("renew with an old fence: %v, want ErrLost", err)
		}
		mustRelease(t, l, cur)
	})

	t.Run("a wanted lease is not released until looked at again", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		a := mustAcquire(t, l, claim(key, "a", 0))
		ring := claim(key, "b", time.Second)
		ring.Want = true
		mustHold(t, l, ring)
		wanted, err := l.Release(t.Context(), a)
		if !errors.Is(err, job.ErrWanted) || wanted <= a.Wanted {
			t.Fatalf("release of a wanted lease: %d, %v; want ErrWanted and a count above %d", wanted, err, a.Wanted)
		}
		mustHold(t, l, claim(key, "c", 2*time.Second)) // still held
		a.Wanted = wanted
		mustHold(t, l, ring) // asked once more while it looks
		if wanted, err = l.Release(t.Context(), a); !errors.Is(err, job.ErrWanted) {
			t.Fatalf("second release: %v, want ErrWanted", err)
		}
		a.Wanted = wanted
		mustRelease(t, l, a)
		b := mustAcquire(t, l, ring)
		if b.Wanted != wanted {
			t.Errorf("next holder saw %d wanted, want %d", b.Wanted, wanted)
		}
		mustRelease(t, l, b)
	})

	t.Run("what was wanted of a dead holder does not keep the next one", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		mustAcquire(t, l, claim(key, "a", 0))
		ring := claim(key, "b", time.Second)
		ring.Want = true
		mustHold(t, l, ring)
		mustRelease(t, l, mustAcquire(t, l, claim(key, "c", leaseTime)))
	})

	t.Run("unusable claims are refused", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		bad := map[string]job.Claim{
			"no key":           claim("", "a", 0),
			"no token":         claim(key, "", 0),
			"ends at start":    {Key: key, Token: "a", Now: at(0), Until: at(0)},
			"no time":          {Key: key, Token: "a"},
			"ends before now.": {Key: key, Token: "a", Now: at(0), Until: at(-1)},
		}
		for name, c := range bad {
			if lease, err := l.Acquire(t.Context(), c); err == nil || errors.Is(err, job.ErrHeld) {
				t.Errorf("%s: got %+v, %v; want an error", name, lease, err)
			}
		}
		mustAcquire(t, l, claim(key, "a", 0)) // and nothing was stored
	})

	t.Run("of many concurrent claims one wins, generation after generation", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		const runs, generations = 16, 5
		var last int64
		for g := range generations {
			now := time.Duration(g) * leaseTime // each generation finds the former one expired
			var wins atomic.Int64
			var fence atomic.Int64
			var wg sync.WaitGroup
			for i := range runs {
				wg.Go(func() {
					lease, err := l.Acquire(t.Context(), claim(key, fmt.Sprintf("g%d-r%d", g, i), now))
					switch {
					case err == nil:
						wins.Add(1)
						fence.Store(lease.Fence)
					case !errors.Is(err, job.ErrHeld):
						t.Errorf("claim: %v", err)
					}
				})
			}
			wg.Wait()
			if wins.Load() != 1 || fence.Load() <= last {
				t.Fatalf("generation %d: %d winners, fence %d after %d", g, wins.Load(), fence.Load(), last)
			}
			last = fence.Load()
		}
	})

	t.Run("no doorbell is lost between look and release", func(t *testing.T) {
		l, key := open(t), freshKey(t)
		const ringers, rings = 8, 6
		var work atomic.Int64 // stands for the actions table: written before the bell is rung
		var busy atomic.Int32
		ring := func(token string) error {
			work.Add(1)
			c := claim(key, token, 0)
			c.Want = true
			lease, err := l.Acquire(t.Context(), c)
			if errors.Is(err, job.ErrHeld) {
				return nil
			}
			if err != nil {
				return err
			}
			for {
				if busy.Add(1) != 1 {
					return errors.New("two runs hold the lease")
				}
				work.Store(0) // whoever holds the lease sees all work written before it looked
				busy.Add(-1)
				wanted, err := l.Release(t.Context(), lease)
				if !errors.Is(err, job.ErrWanted) {
					return err
				}
				lease.Wanted = wanted
			}
		}
		var wg sync.WaitGroup
		for r := range ringers {
			wg.Go(func() {
				for i := range rings {
					if err := ring(fmt.Sprintf("r%d-%d", r, i)); err != nil {
						t.Errorf("ring: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if left := work.Load(); left != 0 {
			t.Errorf("%d pieces of work nobody looked at", left)
		}
	})
}
