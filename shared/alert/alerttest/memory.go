package alerttest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

// Memory is an alert.Store, an alert.List and an alert.Publisher in memory, safe for concurrent use. Its calls are "load",
// "save", "pending", "book", "list" and "publish".
type Memory struct {
	faulttest.Faults
	mu      sync.Mutex
	entries map[string]alert.Entry
	lives   map[life]alert.Entry // that have ended
	booked  map[string]int
	sent    []alert.Message
}

// life is when a life ended, and the alert's key.
type life struct{ ended, key string }

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{entries: map[string]alert.Entry{}, lives: map[life]alert.Entry{}, booked: map[string]int{}}
}

func (m *Memory) do(ctx context.Context, op string, apply func() error) error {
	return m.Do(ctx, op, faulttest.Under(&m.mu, apply))
}

// Load implements alert.Store.
func (m *Memory) Load(ctx context.Context, key string) (e alert.Entry, err error) {
	err = m.do(ctx, "load", func() error { e = m.entries[key]; return nil })
	return e, err
}

// Save implements alert.Store.
func (m *Memory) Save(ctx context.Context, e alert.Entry) error {
	return m.do(ctx, "save", func() error {
		if e.Write == "" || e.ExpiresAt.IsZero() || e.State == "" {
			panic(fmt.Sprintf("malformed entry %+v", e))
		}
		old := m.entries[e.Key()]
		if old.Version == e.Version+1 && old.Write == e.Write {
			return nil
		}
		if old.Version != e.Version {
			return alert.ErrConflict
		}
		e.Version++
		m.entries[e.Key()] = e
		if e.State == alert.Resolved {
			m.lives[life{e.RaisedAt.UTC().Format(time.RFC3339Nano), e.Key()}] = e
		}
		return nil
	})
}

// Due implements alert.Store.
func (m *Memory) Due(ctx context.Context, limit int, now time.Time, age time.Duration) (list []alert.Entry, err error) {
	err = m.do(ctx, "pending", func() error {
		list = m.those(func(e alert.Entry) bool { return e.NotifiedAt.IsZero() && alert.Away(e.RaisedAt, now, age) })
		slices.SortStableFunc(list, func(a, b alert.Entry) int {
			return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.RaisedAt.Compare(b.RaisedAt))
		})
		list = list[:min(len(list), max(limit, 0))]
		return nil
	})
	return list, err
}

// those lists entries in the order of their keys.
func (m *Memory) those(wanted func(alert.Entry) bool) (list []alert.Entry) {
	var keys []string
	for key, e := range m.entries {
		if wanted(e) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		list = append(list, m.entries[key])
	}
	return list
}

// Book implements alert.Store.
func (m *Memory) Book(ctx context.Context, name string, n, limit int, _ time.Time) (ok bool, err error) {
	err = m.do(ctx, "book", func() error {
		if ok = m.booked[name]+n <= limit || n < 0; ok {
			m.booked[name] = max(0, m.booked[name]+n)
		}
		return nil
	})
	return ok, err
}

// Open implements alert.List.
func (m *Memory) Open(ctx context.Context, now time.Time) (list []alert.Entry, err error) {
	err = m.do(ctx, "list", func() error {
		list = m.those(func(e alert.Entry) bool {
			return e.State != alert.Resolved && e.State != alert.Suspected && now.Before(e.ExpiresAt)
		})
		return nil
	})
	return list, err
}

// Resolved implements alert.List.
func (m *Memory) Resolved(ctx context.Context, since, now time.Time) (list []alert.Entry, err error) {
	if first := now.Add(-alert.Listed); since.Before(first) {
		since = first
	}
	err = m.do(ctx, "list", func() error {
		for _, e := range m.lives {
			if !e.RaisedAt.Before(since) && !e.RaisedAt.After(now) {
				list = append(list, e)
			}
		}
		slices.SortFunc(list, func(a, b alert.Entry) int {
			return cmp.Or(a.RaisedAt.Compare(b.RaisedAt), cmp.Compare(a.Key(), b.Key()))
		})
		return nil
	})
	return list, err
}

// Undelivered implements alert.List.
func (m *Memory) Undelivered(ctx context.Context) (n int, oldest time.Time, err error) {
	err = m.do(ctx, "list", func() error {
		list := m.those(func(e alert.Entry) bool { return e.NotifiedAt.IsZero() })
		if n = len(list); n > 0 {
			oldest = slices.MinFunc(list, func(a, b alert.Entry) int { return a.RaisedAt.Compare(b.RaisedAt) }).RaisedAt
		}
		return nil
	})
	return n, oldest, err
}

// Publish implements alert.Publisher.
func (m *Memory) Publish(ctx context.Context, msg alert.Message) error {
	return m.do(ctx, "publish", func() error { m.sent = append(m.sent, msg); return nil })
}

// Sent are the messages published so far, or since Forget.
func (m *Memory) Sent() []alert.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]alert.Message(nil), m.sent...)
}

// Forget forgets the messages.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = nil
}
