package store

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

// What was ever stored costs nothing to who lists what is open, waits or ended
// lately.
func TestListingAlertsFollowsWhatIsListed(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC) // after what other tests leave
	newClient(t)                                        // makes the tables
	m := &meter{}
	s := newStore(t, m.measure)
	save := func(state alert.State, at time.Time) {
		t.Helper()
		e := alert.Entry{Alert: alert.Alert{Kind: alert.CallReverts, Severity: alert.Critical, Order: rand.Text(), What: "w"}, State: state, Write: rand.Text(),
			OpenedAt: at, RaisedAt: at, NotifiedAt: at, ExpiresAt: at.Add(time.Hour)}
		if err := s.Alerts().Save(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	cost := func() (open, resolved, waiting float64) {
		t.Helper()
		for _, c := range []struct {
			units *float64
			read  func() error
		}{
			{&open, func() error { _, err := s.Alerts().Open(t.Context(), now); return err }},
			{&resolved, func() error { _, err := s.Alerts().Resolved(t.Context(), now.Add(-time.Hour), now); return err }},
			{&waiting, func() error { _, _, err := s.Alerts().Undelivered(t.Context()); return err }},
		} {
			m.reset()
			if err := c.read(); err != nil {
				t.Fatal(err)
			}
			*c.units = m.reads
		}
		return open, resolved, waiting
	}
	for range 5 {
		save(alert.Open, now)
		save(alert.Resolved, now)
	}
	open, resolved, waiting := cost()
	m.reset()
	save(alert.Open, now)
	one := m.writes
	const old = 200
	for range old {
		save(alert.Resolved, now.Add(-48*time.Hour))
	}
	openAfter, resolvedAfter, waitingAfter := cost()
	if openAfter > open+2 || resolvedAfter != resolved || waitingAfter != waiting { // one more is open
		t.Errorf("read units: open %.1f, then %.1f; resolved %.1f, then %.1f; waiting %.1f, then %.1f", open, openAfter, resolved, resolvedAfter, waiting, waitingAfter)
	}
	t.Logf("with %d older ones: open %.1f, resolved %.1f, waiting %.1f read units; a save %.1f write units", old, openAfter, resolvedAfter, waitingAfter, one)
}
