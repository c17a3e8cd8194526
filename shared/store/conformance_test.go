package store

import (
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/balance/balancetest"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup/cleanuptest"
	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/control/controltest"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/follow/followtest"
	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/health/healthtest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
	"github.com/bridge-me-not/resolver-cron/shared/report"
	"github.com/bridge-me-not/resolver-cron/shared/report/reporttest"
	"github.com/bridge-me-not/resolver-cron/shared/settings"
	"github.com/bridge-me-not/resolver-cron/shared/settings/settingstest"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/tally/tallytest"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog/watchdogtest"
)

var (
	_ watch.Orders         = Orders{}
	_ watch.Facts          = Facts{}
	_ watch.Actions        = Actions{}
	_ follow.Orders        = Orders{}
	_ follow.Facts         = Facts{}
	_ follow.Parked        = Parked{}
	_ txn.Journal          = Journal{}
	_ txn.Works            = Actions{}
	_ job.Locker           = Leases{}
	_ job.Recorder         = Runs{}
	_ watchdog.Runs        = Runs{}
	_ watchdog.Books       = Runs{}
	_ alert.Store          = Alerts{}
	_ alert.List           = Alerts{}
	_ control.Store        = Control{}
	_ settings.Store       = Settings{}
	_ balance.Book         = Balances{}
	_ balance.History      = Balances{}
	_ health.Store         = Health{}
	_ snapshottest.Storage = Snapshots{}
	_ cleanup.Orders       = Closed{}
	_ cleanup.Batches      = Closed{}
	_ cleanup.Damages      = Closed{}
	_ tally.Feed           = Feed{}
	_ tally.Hours          = Tallies{}
	_ tally.Latest         = Tallies{}
	_ report.Notes         = Reports{}
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
	t.Run("watchdog.Runs", func(t *testing.T) {
		watchdogtest.TestRuns(t, func(t *testing.T) watchdogtest.RunsFixture {
			s := newStore(t)
			return watchdogtest.RunsFixture{Runs: s.Runs(), Recorder: s.Runs(), Locker: s.Leases()}
		})
	})
	t.Run("watchdog.Books", func(t *testing.T) {
		watchdogtest.TestBooks(t, func(t *testing.T) (watchdog.Books, func() watchdog.Books) {
			jobs := ownJobs(t)
			return newStore(t).over(jobs).Runs(), func() watchdog.Books { return newStore(t).over(jobs).Runs() }
		})
	})
	t.Run("settings.Store", func(t *testing.T) {
		settingstest.TestStore(t, func(t *testing.T) settings.Store { return newStore(t).Settings() })
	})
	t.Run("alert.Store", func(t *testing.T) {
		alerttest.TestStore(t, func(t *testing.T) alerttest.Listed { return newStore(t).Alerts() })
	})
	t.Run("control.Store", func(t *testing.T) {
		controltest.TestStore(t, func(t *testing.T) control.Store { return withJobs(t).Control() })
	})
	t.Run("health.Store", func(t *testing.T) {
		healthtest.TestStore(t, func(t *testing.T) health.Store { return newStore(t).Health() })
	})
	t.Run("balance.Book and History", func(t *testing.T) {
		balancetest.TestStore(t, func(t *testing.T) balancetest.Store { return newStore(t).Balances() })
	})
	t.Run("report.Notes", func(t *testing.T) {
		reporttest.TestNotes(t, report.NoteTTL, func(t *testing.T) reporttest.Notes { return newStore(t).Reports(report.NoteTTL) })
	})
	t.Run("snapshot", func(t *testing.T) {
		snapshottest.TestState(t, func(t *testing.T) snapshottest.Storage { return ownTables(t).Snapshots() })
	})
	t.Run("cleanup", func(t *testing.T) {
		cleanuptest.TestTables(t, func(t *testing.T) cleanuptest.Fixture {
			s := ownTables(t)
			return cleanuptest.Fixture{Orders: s.Closed(), Batches: s.Closed(), Damages: s.Closed(), Work: s.work, Close: s.finish, Write: s.rewrite}
		})
	})
	t.Run("tally", func(t *testing.T) {
		tallytest.Test(t, func(t *testing.T) tallytest.Fixture { return apart(t).tally(t) })
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
	r, err := readRecord(it)
	if err != nil {
		t.Fatal(err)
	}
	return r, true
}

func (s *Store) stats(t *testing.T, name string) job.Stats {
	t.Helper()
	sums, err := s.Runs().Sums(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return sums
}
