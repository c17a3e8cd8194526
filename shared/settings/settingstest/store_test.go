package settingstest

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/settings"
)

func TestMemory(t *testing.T) {
	TestStore(t, func(*testing.T) settings.Store { return NewMemory() })
}
