package healthtest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/shared/health"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// State is one with everything in it.
func State(version int64) health.State {
	report := health.Report{At: epoch, Found: health.Degraded, Components: []health.Component{
		{Name: "store", Status: health.Healthy, Critical: true, Latency: 4},
		{Name: "queue ☂", Status: health.Degraded, Detail: "5 messages lie in it", Numbers: map[string]int64{"waiting": 5}},
		{Name: "job x", Status: health.Unknown},
	}}
	return health.State{Settled: health.Unhealthy, Since: epoch.Add(-time.Hour), Latest: report, Previous: report, Row: 2, Worst: health.Degraded, Version: version}
}

// TestStore runs the guarantees of health.Store against an implementation. Each
// subtest opens a store and takes its item as it finds it.
func TestStore(t *testing.T, open func(t *testing.T) health.Store) {
	load := func(t *testing.T, s health.Store, now time.Time) health.State {
		t.Helper()
		got, err := s.Load(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	save := func(t *testing.T, s health.Store, st health.State) {
		t.Helper()
		if err := s.Save(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("a state reads back as saved, its version counted up", func(t *testing.T) {
		s := open(t)
		want := State(load(t, s, epoch).Version)
		save(t, s, want)
		want.Version++
		if diff := cmp.Diff(want, load(t, s, epoch)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})

	t.Run("a save needs the version that was read", func(t *testing.T) {
		s := open(t)
		before := load(t, s, epoch).Version
		save(t, s, State(before))
		for _, version := range []int64{before, before + 2} {
			bad := State(version)
			bad.Row = 7
			if err := s.Save(t.Context(), bad); !errors.Is(err, health.ErrConflict) {
				t.Errorf("at version %d: %v", version, err)
			}
		}
		if got := load(t, s, epoch); got.Row != 2 {
			t.Errorf("row %d", got.Row)
		}
	})

	t.Run("our own save whose answer was lost is success", func(t *testing.T) {
		s := open(t)
		before := load(t, s, epoch).Version
		save(t, s, State(before))
		save(t, s, State(before))
		if got := load(t, s, epoch).Version; got != before+1 {
			t.Errorf("version %d after one save at %d, made twice", got, before)
		}
	})

	t.Run("what is older than seven days says nothing any more, and can be replaced", func(t *testing.T) {
		s := open(t)
		save(t, s, State(load(t, s, epoch).Version))
		if got := load(t, s, epoch.Add(health.Keep)); got.Settled != health.Unhealthy {
			t.Errorf("at the end: %s", got.Settled)
		}
		old := load(t, s, epoch.Add(health.Keep+time.Nanosecond))
		if diff := cmp.Diff(health.State{Version: old.Version}, old); diff != "" || old.Version == 0 {
			t.Errorf("after it (-want +got):\n%s", diff)
		}
		fresh := State(old.Version)
		fresh.Latest.At = epoch.Add(2 * health.Keep)
		save(t, s, fresh)
	})

	t.Run("of concurrent writers one succeeds", func(t *testing.T) {
		s := open(t)
		before := load(t, s, epoch).Version
		var wg sync.WaitGroup
		var won atomic.Int64
		for i := range 8 {
			wg.Go(func() {
				st := State(before)
				st.Row = i
				switch err := s.Save(t.Context(), st); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, health.ErrConflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d writers won", won.Load())
		}
	})
}
