package cleanuptest

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
)

func TestTablesInMemory(t *testing.T) {
	TestTables(t, func(*testing.T) Fixture {
		s := NewTables(nil)
		return Fixture{Orders: s, Batches: s, Damages: s,
			Close: func(_ *testing.T, f cleanup.Finished) cleanup.Finished { s.Save(f); return f },
			Write: func(_ *testing.T, f cleanup.Finished, closed bool) cleanup.Finished {
				f.Order.Version++
				f.Order.Closed = closed
				s.Save(f)
				return f
			}}
	})
}
