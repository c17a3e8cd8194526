package store

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup/cleanuptest"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/follow/followtest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
	"github.com/bridge-me-not/resolver-cron/shared/report"
	"github.com/bridge-me-not/resolver-cron/shared/report/reporttest"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

var (
	_ watch.Orders  = Orders{}
	_ watch.Facts   = Facts{}
	_ watch.Actions = Actions{}
	_ follow.Orders = Orders{}
	_ follow.Facts  = Facts{}
	_ follow.Parked = Parked{}
	_ txn.Journal   = Journal{}
	_ txn.Works     = Actions{}
	_ job.Locker    = Leases{}
	_ job.Recorder  = Runs{}
	_ alert.Store   = Alerts{}
	_ report.Notes  = Reports{}

	_ snapshottest.Storage = Snapshots{}
	_ cleanup.Orders       = Closed{}
	_ cleanup.Batches      = Closed{}
)

func TestConformance(t *testing.T) {
	t.Run("watch.Orders", func(t *testing.T) {
		watchtest.TestOrders(t, func(t *testing.T) watchtest.OrdersFixture { return newStore(t).Orders() })
	})
	t.Run("watch.Actions", func(t *testing.T) {
		watchtest.TestActions(t, func(t *testing.T) watchtest.ActionsFixture {
			s := newStore(t)
			return watchtest.ActionsFixture{Actions: s.Actions(), History: s.history}
		})
	})
	t.Run("follow.Orders", func(t *testing.T) {
		followtest.TestOrders(t, func(t *testing.T) follow.Orders { return newStore(t).Orders() })
	})
	t.Run("follow.Facts", func(t *testing.T) {
		followtest.TestFacts(t, largeFacts, func(t *testing.T) follow.Facts { return newStore(t).Facts() })
	})
	t.Run("follow.Parked", func(t *testing.T) {
		followtest.TestParked(t, func(t *testing.T) followtest.ParkedFixture {
			s := newStore(t)
			s.parked = parking{room: 12, keep: time.Hour}
			var mu sync.Mutex
			now := time.Unix(1_750_000_000, 0)
			s.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
			return followtest.ParkedFixture{Parked: s.Parked(), Room: 12, Keep: time.Hour,
				Advance: func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }}
		})
	})
	t.Run("txn.Journal", func(t *testing.T) {
		txntest.TestJournal(t, func(t *testing.T) txntest.Fixture {
			s := newStore(t)
			return txntest.Fixture{Journal: s.Journal(), Works: s.Actions(), Grant: s.grant, Release: s.letGo, Settled: s.settled, History: s.history}
		})
	})
	t.Run("job.Locker", func(t *testing.T) {
		jobtest.TestLocker(t, func(t *testing.T) job.Locker { return newStore(t).Leases() })
	})
	t.Run("job.Recorder", func(t *testing.T) {
		jobtest.TestRecorder(t, func(t *testing.T) jobtest.RecorderFixture {
			s := newStore(t)
			return jobtest.RecorderFixture{Recorder: s.Runs(), Read: s.run, Stats: s.stats}
		})
	})
	t.Run("alert.Store", func(t *testing.T) {
		alerttest.TestStore(t, func(t *testing.T) alert.Store { return newStore(t).Alerts() })
	})
	t.Run("report.Notes", func(t *testing.T) {
		reporttest.TestNotes(t, report.NoteTTL, func(t *testing.T) reporttest.Notes { return newStore(t).Reports() })
	})
	t.Run("snapshot", func(t *testing.T) {
		snapshottest.TestState(t, func(t *testing.T) snapshottest.Storage { return ownTables(t).Snapshots() })
	})
	t.Run("cleanup", func(t *testing.T) {
		cleanuptest.TestTables(t, func(t *testing.T) cleanuptest.Fixture {
			s := ownTables(t)
			return cleanuptest.Fixture{Orders: s.Closed(), Batches: s.Closed(), Close: s.finish, Write: s.rewrite}
		})
	})
}

// history reads the finished work of an order.
func (s *Store) history(t *testing.T, id swap.OrderID) (out []swap.Work) {
	t.Helper()
	for it, err := range s.query(t.Context(), partition(s.tables.Orders, orderPrefix+id.String(), historyPrefix)) {
		if err != nil {
			t.Fatal(err)
		}
		w, err := readWork(it)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, w)
	}
	return out
}

// grant takes a lease after whoever has it died.
func (s *Store) grant(t *testing.T, lease, owner string) txn.Fence {
	t.Helper()
	now := time.Unix(1_750_000_000, 0)
	it, err := s.get(t.Context(), s.tables.Jobs, key(lease, leaseSK))
	if err != nil {
		t.Error(err)
		return txn.Fence{}
	}
	if end := millis(it.int("ends")); end.After(now) {
		now = end
	}
	got, err := s.Leases().Acquire(t.Context(), job.Claim{Key: lease, Token: owner, Now: now, Until: now.Add(12 * time.Second)})
	if err != nil {
		t.Error(err)
		return txn.Fence{}
	}
	return txn.Fence{Lease: lease, Owner: owner, Generation: uint64(got.Fence)}
}

func (s *Store) letGo(t *testing.T, f txn.Fence) {
	t.Helper()
	if _, err := s.Leases().Release(t.Context(), job.Lease{Key: f.Lease, Token: f.Owner, Fence: int64(f.Generation)}); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) settled(t *testing.T, a txn.Account, nonce uint64) (txn.Entry, bool) {
	t.Helper()
	it, err := s.get(t.Context(), s.tables.Journal, key(s.accountKey(a.ChainID, a.Signer), nonceSK(donePrefix, nonce)))
	if err != nil {
		t.Fatal(err)
	}
	if it == nil {
		return txn.Entry{}, false
	}
	e, err := readEntry(it)
	if err != nil {
		t.Fatal(err)
	}
	return e, true
}

func (s *Store) run(t *testing.T, name string, scheduled time.Time) (job.Record, bool) {
	t.Helper()
	it, err := s.get(t.Context(), s.tables.Jobs, runKey(name, scheduled))
	if err != nil {
		t.Fatal(err)
	}
	if it == nil {
		return job.Record{}, false
	}
	at, err := time.Parse(tickLayout, it.text(attrSK))
	if err != nil {
		t.Fatal(err)
	}
	return job.Record{Job: strings.TrimPrefix(it.text(attrPK), "run#"), Scheduled: at, State: job.State(it.int(attrRank)), Token: it.text("holder"),
		Fence: it.int("fence"), Started: tick(it.text("started")), Ended: tick(it.text("ended")), Attempts: int(it.int("attempts")), Reason: it.text("reason")}, true
}

func (s *Store) stats(t *testing.T, name string) job.Stats {
	t.Helper()
	it, err := s.get(t.Context(), s.tables.Jobs, statsKey(name))
	if err != nil {
		t.Fatal(err)
	}
	return job.Stats{Done: it.int("done"), Failed: it.int("failed"), Abandoned: it.int("abandoned"), Busy: time.Duration(it.int("busy_ms")) * time.Millisecond}
}
