package balancetest_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/balance/balancetest"
)

func TestMemoryKeepsTheGuarantees(t *testing.T) {
	balancetest.TestStore(t, func(*testing.T) balancetest.Store { return &balancetest.Memory{} })
}
