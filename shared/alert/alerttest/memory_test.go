package alerttest_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
)

func TestMemory(t *testing.T) {
	alerttest.TestStore(t, func(*testing.T) alerttest.Listed { return alerttest.NewMemory() })
}
