package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// The last run of a job is the newest of those that have not expired, whatever the TTL service did.
func TestTheLastRun(t *testing.T) {
	s, name := newStore(t), "last-"+watchtest.Address().Hex()
	tick := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	last := func(now time.Time) (job.Record, bool) {
		t.Helper()
		got, ever, err := s.Runs().Last(t.Context(), name, now)
		if err != nil {
			t.Fatal(err)
		}
		return got, ever
	}
	if got, ever := last(tick); got != (job.Record{}) || ever {
		t.Errorf("before any: %+v, %v", got, ever)
	}
	var want job.Record
	for i, state := range []job.State{job.Done, job.Failed} {
		want = job.Record{Job: name, Scheduled: tick.Add(time.Duration(i) * time.Minute), State: state, Token: "t", Fence: 3,
			Started: tick.Add(time.Duration(i)*time.Minute + time.Second), Ended: tick.Add(time.Duration(i)*time.Minute + 2*time.Second), Attempts: 1, Reason: "why"}
		if err := s.Runs().Record(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	got, ever := last(tick.Add(time.Hour))
	if diff := cmp.Diff(want, got); diff != "" || !ever {
		t.Errorf("ever %v (-want +got):\n%s", ever, diff)
	}
	end := want.Ended.Add(job.RunTTL)
	if got, ever := last(end.Add(-time.Second)); got != want || !ever {
		t.Errorf("before its end: %+v, %v", got, ever)
	}
	if got, ever := last(end); got != (job.Record{}) || !ever {
		t.Errorf("at its end: %+v, %v", got, ever)
	}
	for _, at := range []time.Time{tick, tick.Add(time.Minute)} { // as the TTL service does in the end
		k := runKey(name, at)
		if err := s.write(t.Context(), remove(testTables.Jobs, k, condition{"attribute_exists(#pk)", nil}), remove(testTables.Jobs, key("nobody", name), absent)); err != nil {
			t.Fatal(err)
		}
	}
	if got, ever := last(tick); got != (job.Record{}) || !ever {
		t.Errorf("deleted: %+v, %v", got, ever)
	}
}

// What is open is counted by its sources alone, without reading an order.
func TestOpenOrdersAreCounted(t *testing.T) {
	s, src, dst := newStore(t), watchtest.Chain(), watchtest.Chain()
	for range 3 {
		o, _ := watchtest.Order(src, dst)
		if err := s.Orders().Save(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	closed, _ := watchtest.Order(src, dst)
	closed.Closed = true
	if err := s.Orders().Save(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	for chain, want := range map[uint64]int{src: 3, dst: 0} {
		if got, err := s.Orders().Open(t.Context(), chain); got != want || err != nil {
			t.Errorf("chain %d: %d, %v, want %d", chain, got, err, want)
		}
	}
}

func TestPingReadsEveryTable(t *testing.T) {
	s := newStore(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, lost := range []*string{&s.tables.Orders, &s.tables.Actions, &s.tables.Journal, &s.tables.Jobs} {
		name := *lost
		*lost = "no-such-table"
		if err := s.Ping(t.Context()); err == nil {
			t.Errorf("without %s all is well", name)
		}
		*lost = name
	}
}
