// Package healthtest holds what proves an implementation of package health's
// storage: a conformance suite, and an implementation in memory that can fail.
package healthtest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/health"
)

// Memory is a health.Store, safe for concurrent use. What is stored is text, as in
// any store. The zero value is empty and ready.
type Memory struct {
	faulttest.Faults
	mu      sync.Mutex
	raw     []byte
	version int64
	last    string // what the present version was made of
}

func (m *Memory) do(ctx context.Context, op string, apply func() error) error {
	return m.Do(ctx, op, faulttest.Under(&m.mu, apply))
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
