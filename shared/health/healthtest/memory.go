// Package healthtest holds what proves an implementation of package health's
// storage: a conformance suite, and an implementation in memory that can fail.
package healthtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/health"
)

// ErrInjected is what a call told to fail returns.
var ErrInjected = errors.New("injected failure")

// Fault is what happens to one call.
type Fault int

// The faults.
const (
	OK       Fault = iota
	Refused        // fails, nothing applied
	LostSent       // fails, although it was applied
)

// Memory is a health.Store, safe for concurrent use. What is stored is text, as in
// any store. The zero value is empty and ready.
type Memory struct {
	// Fail is asked once per call with its name; nil injects nothing.
	Fail func(op string) Fault

	mu      sync.Mutex
	raw     []byte
	version int64
	last    string // what the present version was made of
}

func (m *Memory) do(ctx context.Context, op string, apply func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	fault := OK
	if m.Fail != nil {
		fault = m.Fail(op)
	}
	if fault == Refused {
		return fmt.Errorf("%s: %w", op, ErrInjected)
	}
	m.mu.Lock()
	err := apply()
	m.mu.Unlock()
	if err == nil && fault == LostSent {
		return fmt.Errorf("%s: %w (applied)", op, ErrInjected)
	}
	return err
}

// Load implements health.Reader.
func (m *Memory) Load(ctx context.Context, now time.Time) (s health.State, err error) {
	err = m.do(ctx, "load", func() error {
		if m.raw == nil {
			return nil
		}
		if err := json.Unmarshal(m.raw, &s); err != nil {
			return err
		}
		if now.Sub(s.Latest.At) > health.Keep {
			s = health.State{}
		}
		s.Version = m.version
		return nil
	})
	return s, err
}

// Save implements health.Store.
func (m *Memory) Save(ctx context.Context, s health.State) error {
	return m.do(ctx, "save", func() error {
		version := s.Version
		s.Version = 0
		raw, err := json.Marshal(&s)
		if err != nil {
			return err
		}
		made := fmt.Sprintf("%d %s", version, raw)
		switch {
		case made == m.last:
			return nil
		case version != m.version:
			return health.ErrConflict
		}
		m.raw, m.version, m.last = raw, version+1, made
		return nil
	})
}
