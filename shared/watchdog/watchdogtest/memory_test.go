package watchdogtest_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog/watchdogtest"
)

func TestMemory(t *testing.T) {
	t.Run("Runs", func(t *testing.T) {
		watchdogtest.TestRuns(t, func(*testing.T) watchdogtest.RunsFixture {
			m := watchdogtest.NewMemory()
			return watchdogtest.RunsFixture{Runs: m, Recorder: m, Locker: m}
		})
	})
	t.Run("Books", func(t *testing.T) {
		watchdogtest.TestBooks(t, func(*testing.T) (watchdog.Books, func() watchdog.Books) {
			m := watchdogtest.NewMemory()
			return m, func() watchdog.Books { return m }
		})
	})
}
