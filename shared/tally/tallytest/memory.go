// Package tallytest has a fake of what package tally counts from and writes to, the
// conformance suite of its interfaces, and a random play that is held against a
// naive count of everything.
package tallytest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Memory is tally.Feed, tally.Hours and tally.Latest in memory, with the writers
// that fill them. What goes in and out is copied. It is safe for concurrent use.
//
// Calls: "marks", "events", "clear", "hour", "range", "put", "sums", "setsums",
// "since", "save", "settle", "reopen", "record".
type Memory struct {
	faulttest.Faults

	mu     sync.Mutex
	now    time.Time
	orders map[swap.OrderID]swap.Order
	rows   map[tally.Hour]map[string]tally.Event
	marks  map[string]tally.Mark
	used   map[string]bool // names of marks that were ever written
	hours  map[tally.Hour]tally.Stored
	sums   tally.Sums
	runs   map[string]job.Record
}

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{orders: map[swap.OrderID]swap.Order{}, rows: map[tally.Hour]map[string]tally.Event{}, marks: map[string]tally.Mark{},
		used: map[string]bool{}, hours: map[tally.Hour]tally.Stored{}, runs: map[string]job.Record{}}
}

// Fixture shows the memory to the suite and to a play.
func (m *Memory) Fixture() Fixture {
	return Fixture{Feed: m, Hours: m, Latest: m, Since: m.Since, Save: m.Save, Settle: m.Settle, Reopen: m.Reopen, Record: m.Record,
		SetNow: func(now time.Time) { m.mu.Lock(); defer m.mu.Unlock(); m.now = now }}
}

// do is Do, with apply under the lock.
func (m *Memory) do(ctx context.Context, op string, apply func() error) error {
	return m.Do(ctx, op, func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		return apply()
	})
}

// Save is follow.Orders.Save.
func (m *Memory) Save(ctx context.Context, o swap.Order) error {
	return m.do(ctx, "save", func() error {
		old := m.orders[o.ID]
		next := watchtest.Copy(o)
		next.Version++
		switch {
		case watchtest.Same(old, next):
			return nil // this very write, whose answer was lost
		case old.Version != o.Version:
			return swap.ErrConflict
		}
		var before []tally.Event
		if old.Version > 0 {
			before = tally.OfOrder(old)
		}
		m.orders[o.ID] = next
		m.feed(fmt.Sprintf("%s %d", o.ID, o.Version), before, tally.OfOrder(next))
		return nil
	})
}

// Settle writes the event of an entry that has ended.
func (m *Memory) Settle(ctx context.Context, e txn.Entry) error {
	return m.do(ctx, "settle", func() error { m.feed(entryName(e), nil, []tally.Event{EventOf(e)}); return nil })
}

// Reopen takes it back.
func (m *Memory) Reopen(ctx context.Context, e txn.Entry) error {
	return m.do(ctx, "reopen", func() error { m.feed(entryName(e)+" again", []tally.Event{EventOf(e)}, nil); return nil })
}

func entryName(e txn.Entry) string { return fmt.Sprintf("%d %s %d", e.ChainID, e.Signer, e.Nonce) }

// EventOf is the event of a mined entry.
func EventOf(e txn.Entry) tally.Event {
	ev := tally.Event{At: e.Result.Block.Time, Kind: tally.Sent, ChainID: e.ChainID, Account: e.Signer, Nonce: e.Nonce, Cost: e.Result.Cost,
		Reverted: e.Result.Reverted, Seconds: max(0, e.Result.Block.Time.Sub(e.Txs[0].Head.Time))}
	if len(e.Acts) > 0 {
		ev.Order = e.Acts[0].Order
	}
	if e.Result.Hard != 0 {
		ev.Margin, ev.Timed = e.Result.Hard.Sub(e.Result.Block.Time), true
	}
	return ev
}

// feed takes the rows of one state back and writes those of the next.
func (m *Memory) feed(name string, before, after []tally.Event) {
	hours := map[tally.Hour]bool{}
	old := func(e tally.Event) bool { return !time.Unix(int64(e.At), 0).Add(tally.KeepEvents).After(m.now) }
	before, after = slices.DeleteFunc(before, old), slices.DeleteFunc(after, old)
	for _, e := range before {
		if !slices.ContainsFunc(after, func(a tally.Event) bool { return watchtest.Same(a, e) }) {
			delete(m.rows[e.Hour()], e.Key())
			hours[e.Hour()] = true
		}
	}
	for _, e := range after {
		if slices.ContainsFunc(before, func(b tally.Event) bool { return watchtest.Same(b, e) }) {
			continue
		}
		if m.rows[e.Hour()] == nil {
			m.rows[e.Hour()] = map[string]tally.Event{}
		}
		m.rows[e.Hour()][e.Key()] = watchtest.Copy(e)
		hours[e.Hour()] = true
	}
	m.mark(name, hours, false)
}

func (m *Memory) mark(name string, hours map[tally.Hour]bool, runs bool) {
	if len(hours) == 0 || m.used[name] {
		return
	}
	mark := tally.Mark{ID: name, Runs: runs}
	for h := range hours {
		mark.Hours = append(mark.Hours, h)
	}
	m.marks[name], m.used[name] = mark, true
}

// Record is job.Recorder's.
func (m *Memory) Record(ctx context.Context, r job.Record) error {
	return m.do(ctx, "record", func() error {
		k := r.Job + r.Scheduled.String()
		if m.runs[k].State >= r.State {
			return nil
		}
		m.runs[k] = r
		if r.Ended.Sub(r.Scheduled) > time.Hour {
			m.mark(k+r.Token, map[tally.Hour]bool{tally.HourAt(r.Scheduled): true}, true)
		}
		return nil
	})
}

// Since is a tally.Since.
func (m *Memory) Since(ctx context.Context, name string, after time.Time) (out []job.Record, err error) {
	err = m.do(ctx, "since", func() error {
		for _, r := range m.runs {
			if r.Job == name && r.Scheduled.After(after) && r.Ended.Add(job.RunTTL).After(m.now) {
				out = append(out, r)
			}
		}
		slices.SortFunc(out, func(a, b job.Record) int { return a.Scheduled.Compare(b.Scheduled) })
		return nil
	})
	return out, err
}

// Marks implements tally.Feed.
func (m *Memory) Marks(ctx context.Context, limit int) (out []tally.Mark, err error) {
	err = m.do(ctx, "marks", func() error {
		for _, mark := range m.marks {
			mark.Hours = slices.Clone(mark.Hours)
			out = append(out, mark)
		}
		slices.SortFunc(out, func(a, b tally.Mark) int { return strings.Compare(a.ID, b.ID) })
		out = out[:min(limit, len(out))]
		return nil
	})
	return out, err
}

// Events implements tally.Feed.
func (m *Memory) Events(ctx context.Context, h tally.Hour) (out []tally.Event, err error) {
	err = m.do(ctx, "events", func() error {
		for _, e := range m.rows[h] {
			out = append(out, watchtest.Copy(e))
		}
		return nil
	})
	return out, err
}

// Clear implements tally.Feed.
func (m *Memory) Clear(ctx context.Context, marks []tally.Mark) error {
	return m.do(ctx, "clear", func() error {
		for _, mark := range marks {
			delete(m.marks, mark.ID)
		}
		return nil
	})
}

// Hour implements tally.Hours.
func (m *Memory) Hour(ctx context.Context, h tally.Hour) (s tally.Stored, err error) {
	err = m.do(ctx, "hour", func() error {
		s = stored(m.hours[h])
		s.Hour = h
		return nil
	})
	return s, err
}

// stored copies an hour.
func stored(s tally.Stored) tally.Stored {
	s.Tally = watchtest.Copy(s.Tally)
	return s
}

// Range implements tally.Hours.
func (m *Memory) Range(ctx context.Context, first, last tally.Hour) (out []tally.Stored, err error) {
	err = m.do(ctx, "range", func() error {
		for h, s := range m.hours {
			if h >= first && h <= last && h.Start().Add(tally.Keep).After(m.now) {
				out = append(out, stored(s))
			}
		}
		slices.SortFunc(out, func(a, b tally.Stored) int { return cmp.Compare(a.Hour, b.Hour) })
		return nil
	})
	return out, err
}

// Put implements tally.Hours.
func (m *Memory) Put(ctx context.Context, s tally.Stored) error {
	return m.do(ctx, "put", func() error {
		old := m.hours[s.Hour]
		next := stored(s)
		next.Version++
		switch {
		case old.Version == next.Version && watchtest.Same(old.Tally, next.Tally):
			return nil // this very write, whose answer was lost
		case old.Version != s.Version:
			return tally.ErrConflict
		}
		m.hours[s.Hour] = next
		return nil
	})
}

// Sums implements tally.Latest.
func (m *Memory) Sums(ctx context.Context) (s tally.Sums, err error) {
	err = m.do(ctx, "sums", func() error {
		s = watchtest.Copy(m.sums)
		s.Version = m.sums.Version
		return nil
	})
	return s, err
}

// SetSums implements tally.Latest.
func (m *Memory) SetSums(ctx context.Context, s tally.Sums) error {
	return m.do(ctx, "setsums", func() error {
		switch {
		case m.sums.Version == s.Version+1 && watchtest.Same(m.sums, s):
			return nil // this very write, whose answer was lost
		case m.sums.Version != s.Version:
			return tally.ErrConflict
		}
		next := watchtest.Copy(s)
		next.Version = s.Version + 1
		m.sums = next
		return nil
	})
}

var (
	_ tally.Feed   = (*Memory)(nil)
	_ tally.Hours  = (*Memory)(nil)
	_ tally.Latest = (*Memory)(nil)
)
