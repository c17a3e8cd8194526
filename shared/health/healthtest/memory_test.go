package healthtest_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/health/healthtest"
)

func TestMemoryKeepsTheGuarantees(t *testing.T) {
	healthtest.TestStore(t, func(*testing.T) health.Store { return &healthtest.Memory{} })
}
