package cleanuptest

import (
	"encoding/json"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

func TestTablesInMemory(t *testing.T) {
	TestTables(t, func(*testing.T) Fixture {
		s := NewTables(nil)
		return Fixture{Orders: s, Batches: s, Damages: s,
			Work: func(_ *testing.T, o swap.Order, live bool) {
				s.Live(o.ID, live)
				if !live {
					s.mu.Lock()
					defer s.mu.Unlock()
					s.history[o.ID] = append(s.history[o.ID], cleanup.Item{Key: "hist#work#9", Version: 2, Body: json.RawMessage(`{}`)})
				}
			},
			Close: func(_ *testing.T, f cleanup.Finished) cleanup.Finished { s.Save(f); return f },
			Write: func(_ *testing.T, f cleanup.Finished, closed bool) cleanup.Finished {
				f.Order.Version++
				f.Order.Closed = closed
				s.Save(f)
				return f
			}}
	})
}
