// Package balancetest holds what proves an implementation of package balance's
// storage: a conformance suite, and an implementation in memory that can fail.
package balancetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

// Memory is a balance.Book and a balance.History, safe for concurrent use. What
// is stored is text, as in any store, so that readers share nothing with it. The
// zero value is empty and ready.
type Memory struct {
	faulttest.Faults
	mu    sync.Mutex
	items map[string][]byte // by chain and time
}

func key(chain uint64, at time.Time) string {
	return fmt.Sprintf("%020d %s", chain, at.UTC().Format("2006-01-02T15:04:05.000000000"))
}

func (m *Memory) do(ctx context.Context, op string, apply func() error) error {
	return m.Do(ctx, op, faulttest.Under(&m.mu, apply))
}

// Save implements balance.Book.
func (m *Memory) Save(ctx context.Context, s balance.Snapshot) error {
	return m.do(ctx, "save", func() error {
		if s.ChainID == 0 || s.At.IsZero() {
			return errors.New("save: without a chain or a time")
		}
		k := key(s.ChainID, s.At)
		if raw, ok := m.items[k]; ok {
			var old balance.Snapshot
			if err := json.Unmarshal(raw, &old); err != nil {
				return err
			}
			if old.Missing() <= s.Missing() {
				return nil
			}
		}
		raw, err := json.Marshal(&s)
		if err != nil {
			return err
		}
		if m.items == nil {
			m.items = map[string][]byte{}
		}
		m.items[k] = raw
		return nil
	})
}

// Latest implements balance.Book.
func (m *Memory) Latest(ctx context.Context, chain uint64, now time.Time) (s balance.Snapshot, err error) {
	err = m.do(ctx, "latest", func() error {
		all, err := m.within(chain, now.Add(-balance.Keep), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
		if err == nil && len(all) > 0 {
			s = all[len(all)-1]
		}
		return err
	})
	return s, err
}

// Snapshots implements balance.History.
func (m *Memory) Snapshots(ctx context.Context, chain uint64, first, last, now time.Time) (out []balance.Snapshot, err error) {
	if oldest := now.Add(-balance.Keep); first.Before(oldest) {
		first = oldest
	}
	err = m.do(ctx, "snapshots", func() error {
		out, err = m.within(chain, first, last)
		return err
	})
	return out, err
}

func (m *Memory) within(chain uint64, first, last time.Time) ([]balance.Snapshot, error) {
	var keys []string
	for k := range m.items {
		if k >= key(chain, first) && k <= key(chain, last) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var out []balance.Snapshot
	for _, k := range keys {
		var s balance.Snapshot
		if err := json.Unmarshal(m.items[k], &s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
