package controltest_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/control/controltest"
)

func TestMemory(t *testing.T) {
	controltest.TestStore(t, func(*testing.T) control.Store { return controltest.NewMemory() })
}
