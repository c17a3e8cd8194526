package jobtest_test

import (
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
)

func TestMemory(t *testing.T) {
	t.Run("Locker", func(t *testing.T) {
		jobtest.TestLocker(t, func(*testing.T) job.Locker { return jobtest.NewMemory() })
	})
	t.Run("Recorder", func(t *testing.T) {
		jobtest.TestRecorder(t, func(*testing.T) jobtest.RecorderFixture {
			m := jobtest.NewMemory()
			return jobtest.RecorderFixture{Recorder: m,
				Read:  func(_ *testing.T, name string, tick time.Time) (job.Record, bool) { return m.Run(name, tick) },
				Stats: func(_ *testing.T, name string) job.Stats { return m.Stats(name) }}
		})
	})
}
