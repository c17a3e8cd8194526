package jobtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// Memory is a job.Locker and a job.Recorder in memory. It is safe for concurrent use, it panics
// when an invariant of its own breaks. Its calls are "acquire", "renew", "release", "finished" and "record".
type Memory struct {
	faulttest.Faults
	mu     sync.Mutex
	leases map[string]*leaseItem
	runs   map[string]job.Record
}

type leaseItem struct {
	job.Lease
	job, released string
	tick          time.Time
	cause         job.Cause
	releasedFence int64
	held          bool
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{leases: map[string]*leaseItem{}, runs: map[string]job.Record{}}
}

func (m *Memory) do(ctx context.Context, op string, apply func() error) error {
	return m.Do(ctx, op, faulttest.Under(&m.mu, apply))
}

// Acquire implements job.Locker.
func (m *Memory) Acquire(ctx context.Context, c job.Claim) (got job.Lease, err error) {
	if err := c.Validate(); err != nil {
		return job.Lease{}, err
	}
	err = m.do(ctx, "acquire", func() error {
		it := m.leases[c.Key]
		if it == nil {
			it = &leaseItem{Lease: job.Lease{Key: c.Key}}
			m.leases[c.Key] = it
		}
		if it.held && it.Until.After(c.Now) {
			if it.Token != c.Token {
				if c.Want {
					it.Wanted++
				}
				got.Until = it.Until
				return job.ErrHeld
			}
			got = it.Lease
			return nil
		}
		var orphan *job.Orphan
		if it.held {
			orphan = &job.Orphan{Job: it.job, Tick: it.tick, Cause: it.cause, Token: it.Token, Fence: it.Fence}
		}
		it.held, it.job, it.tick, it.cause = true, c.Job, c.Tick, c.Cause
		it.Token, it.Until, it.Orphan = c.Token, c.Until, orphan
		it.Fence++
		got = it.Lease
		return nil
	})
	if err != nil && !errors.Is(err, job.ErrHeld) {
		return job.Lease{}, err
	}
	return got, err
}

// Renew implements job.Locker.
func (m *Memory) Renew(ctx context.Context, l job.Lease, until time.Time) error {
	return m.do(ctx, "renew", func() error {
		it := m.leases[l.Key]
		if it == nil || !it.held || it.Token != l.Token || it.Fence != l.Fence {
			return job.ErrLost
		}
		if until.After(it.Until) {
			it.Until = until
		}
		return nil
	})
}

// Release implements job.Locker.
func (m *Memory) Release(ctx context.Context, l job.Lease) (wanted int64, err error) {
	err = m.do(ctx, "release", func() error {
		it := m.leases[l.Key]
		if it == nil {
			panic("release of a lease that never was: " + l.Key)
		}
		wanted = it.Wanted
		mine := it.held && it.Token == l.Token && it.Fence == l.Fence
		switch {
		case !mine && it.released == l.Token && it.releasedFence == l.Fence:
			return nil
		case !mine:
			return job.ErrLost
		case it.Wanted != l.Wanted:
			return job.ErrWanted
		}
		it.held, it.released, it.releasedFence = false, l.Token, l.Fence
		return nil
	})
	return wanted, err
}

func runKey(name string, scheduled time.Time) string {
	return name + "#" + scheduled.UTC().Format(time.RFC3339Nano)
}

// Finished implements job.Recorder.
func (m *Memory) Finished(ctx context.Context, name string, scheduled time.Time) (done bool, err error) {
	err = m.do(ctx, "finished", func() error {
		done = m.runs[runKey(name, scheduled)].State == job.Done
		return nil
	})
	return done, err
}

// Record implements job.Recorder.
func (m *Memory) Record(ctx context.Context, r job.Record) error {
	return m.do(ctx, "record", func() error {
		if r.Job == "" || r.Scheduled.IsZero() || r.State < job.Abandoned || r.State > job.Done || len(r.Reason) > job.MaxReason || r.Class != "" && !r.Class.Known() {
			panic(fmt.Sprintf("malformed record %+v", r))
		}
		key := runKey(r.Job, r.Scheduled)
		if m.runs[key].State >= r.State {
			return nil
		}
		m.runs[key] = r
		return nil
	})
}

// Run is the stored end of one run.
func (m *Memory) Run(name string, scheduled time.Time) (job.Record, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.runs[runKey(name, scheduled)]
	return r, ok
}

// Runs are all stored runs of a job, in no order.
func (m *Memory) Runs(name string) []job.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []job.Record
	for _, r := range m.runs {
		if r.Job == name {
			out = append(out, r)
		}
	}
	return out
}

// Lease is how a lease stands: who holds it, for which tick and until when. held is false if nobody
// does, though it may have expired if somebody does.
func (m *Memory) Lease(key string) (held bool, token string, tick, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it := m.leases[key]
	if it == nil {
		return false, "", time.Time{}, time.Time{}
	}
	return it.held, it.Token, it.tick, it.Until
}

// Stats are the sums over the stored runs of a job.
func (m *Memory) Stats(name string) (s job.Stats) {
	for _, r := range m.Runs(name) {
		s.Add(r)
	}
	return s
}
