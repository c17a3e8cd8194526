package alerttest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

// ErrInjected is what a Memory or Outbox told to fail returns.
var ErrInjected = errors.New("injected failure")

// Fault is what happens to one call.
type Fault int

// The faults.
const (
	OK       Fault = iota
	Refused        // fails, nothing applied
	LostSent       // fails, although it was applied
)

// Memory is an alert.Store and an alert.Publisher in memory, safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	entries map[string]alert.Entry
	sent    []alert.Message
	fail    func(op string) Fault
}

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{entries: map[string]alert.Entry{}, fail: func(string) Fault { return OK }}
}

// Fail installs the fault plan: f is asked once per call with "load", "save", "pending" or
// "publish". nil ends all faults. f must not call the store.
func (m *Memory) Fail(f func(op string) Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f == nil {
		f = func(string) Fault { return OK }
	}
	m.fail = f
}

func (m *Memory) do(ctx context.Context, op string, apply func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	fault := m.fail(op)
	if fault == Refused {
		return fmt.Errorf("%s: %w", op, ErrInjected)
	}
	err := apply()
	if fault == LostSent {
		return fmt.Errorf("%s: %w (applied)", op, ErrInjected)
	}
	return err
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
		return nil
	})
}

// Pending implements alert.Store.
func (m *Memory) Pending(ctx context.Context, limit int) (list []alert.Entry, err error) {
	err = m.do(ctx, "pending", func() error {
		for _, e := range m.entries {
			if e.NotifiedAt.IsZero() && len(list) < limit {
				list = append(list, e)
			}
		}
		return nil
	})
	return list, err
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
