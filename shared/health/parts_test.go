package health

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// expectation is what one component has to be.
type expectation struct {
	status   Status
	critical bool
	says     string
}

func check(t *testing.T, name string, got []Component, want ...expectation) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d components, want %d: %+v", name, len(got), len(want), got)
		return
	}
	for i, w := range want {
		if g := got[i]; g.Status != w.status || g.Critical != w.critical || !strings.Contains(g.Detail, w.says) || w.says == "" && g.Status == Healthy && g.Detail != "" {
			t.Errorf("%s: %+v, want %s, critical %v, %q", name, g, w.status, w.critical, w.says)
		}
	}
}

func look1(t *testing.T, p Probe) []Component { return Look(t.Context(), []Probe{p}) }

var errDown = errors.New("down")

func TestStoreProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := func(takes time.Duration, err error) func(context.Context) error {
			return func(context.Context) error {
				time.Sleep(takes) // of the bubble
				return err
			}
		}
		check(t, "answers", look1(t, StoreProbe(read(0, nil))), expectation{Healthy, true, ""})
		check(t, "a second", look1(t, StoreProbe(read(time.Second, nil))), expectation{Healthy, true, ""})
		check(t, "slow", look1(t, StoreProbe(read(1001*time.Millisecond, nil))), expectation{Degraded, true, "takes 1001 ms"})
		check(t, "down", look1(t, StoreProbe(read(0, errDown))), expectation{Unhealthy, true, "down"})
	})
}

func TestQueueProbe(t *testing.T) {
	probe := func(dead bool, d Depth, err error) []Component {
		return look1(t, QueueProbe(Queue{Name: "q", URL: "u", Dead: dead}, func(_ context.Context, url string) (Depth, error) {
			if url != "u" {
				t.Errorf("asked for %q", url)
			}
			return d, err
		}))
	}
	check(t, "empty", probe(false, Depth{}, nil), expectation{Healthy, false, ""})
	check(t, "busy", probe(false, Depth{Waiting: 999, InFlight: 5000, Delayed: 5000}, nil), expectation{Healthy, false, ""})
	check(t, "nobody listens", probe(false, Depth{Waiting: 1000}, nil), expectation{Degraded, false, "1000 messages wait"})
	check(t, "dead and empty", probe(true, Depth{}, nil), expectation{Healthy, false, ""})
	check(t, "dead and not", probe(true, Depth{Waiting: 1}, nil), expectation{Degraded, false, "1 message lies in it, which nobody reads"})
	check(t, "dead and being looked at", probe(true, Depth{InFlight: 2}, nil), expectation{Degraded, false, "2 messages lie in it"})
	check(t, "gone", probe(false, Depth{}, errDown), expectation{Unhealthy, false, "down"})
}

func TestSubscriptionsProbe(t *testing.T) {
	probe := func(confirmed, pending int, err error) []Component {
		return look1(t, SubscriptionsProbe("subscriptions", func(context.Context) (int, int, error) { return confirmed, pending, err }))
	}
	check(t, "somebody", probe(1, 0, nil), expectation{Healthy, true, ""})
	check(t, "nobody", probe(0, 0, nil), expectation{Unhealthy, true, "nobody is subscribed"})
	check(t, "one has not confirmed", probe(1, 1, nil), expectation{Unhealthy, true, "1 subscriptions are not confirmed"})
	check(t, "nobody has", probe(0, 2, nil), expectation{Unhealthy, true, "nobody is subscribed; 2 subscriptions"})
	check(t, "not reachable", probe(0, 0, errDown), expectation{Degraded, true, "down"})
}

func TestOutboxProbe(t *testing.T) {
	probe := func(err error, ages ...time.Duration) []Component {
		var waiting []alert.Entry
		for _, a := range ages {
			waiting = append(waiting, alert.Entry{RaisedAt: begin.Add(-a)})
		}
		return look1(t, OutboxProbe(func(context.Context, int, time.Time, time.Duration) ([]alert.Entry, error) { return waiting, err }, begin))
	}
	check(t, "empty", probe(nil), expectation{Healthy, true, ""})
	check(t, "on their way", probe(nil, 119*time.Second, -time.Minute), expectation{Healthy, true, ""})
	check(t, "late", probe(nil, 2*time.Minute, 9*time.Minute), expectation{Degraded, true, "2 alerts wait longer than 2m0s"})
	check(t, "stuck", probe(nil, 2*time.Minute, 10*time.Minute), expectation{Unhealthy, true, "1 alerts wait longer than 10m0s"})
	check(t, "of a clock that was ahead", probe(nil, -10*time.Minute), expectation{Unhealthy, true, "1 alerts wait longer than 10m0s"})
	check(t, "not read", probe(errDown), expectation{Degraded, true, "down"})
	check(t, "read in part", probe(errDown, 10*time.Minute), expectation{Unhealthy, true, "1 alerts wait"})
}

func TestCapacityProbe(t *testing.T) {
	probe := func(limit int, open map[uint64]int, err error) []Component {
		return look1(t, CapacityProbe([]uint64{1, 2}, func(_ context.Context, chain uint64) (int, error) { return open[chain], err }, limit))
	}
	check(t, "little", probe(1000, map[uint64]int{1: 800, 2: 99}, nil), expectation{Healthy, false, ""})
	check(t, "nine tenths", probe(1000, map[uint64]int{1: 800, 2: 100}, nil), expectation{Degraded, false, "900 swaps are open"})
	check(t, "all of it", probe(1000, map[uint64]int{1: 1000}, nil), expectation{Unhealthy, false, "1000 swaps are open, and the limit is 1000"})
	check(t, "a limit of one", probe(1, nil, nil), expectation{Healthy, false, ""})
	check(t, "not counted", probe(1000, nil, errDown), expectation{Degraded, false, "down"})
}

func TestFactoriesProbe(t *testing.T) {
	probe := func(bad []string, err error) []Component {
		return look1(t, FactoriesProbe(10, func(context.Context) (int, []string, error) { return 2, bad, err }))
	}
	check(t, "proven", probe(nil, nil), expectation{Healthy, false, ""})
	check(t, "not read", probe(nil, errDown), expectation{Degraded, false, "down"})
	check(t, "refuted", probe([]string{"FACTORY is another", "and one more"}, nil), expectation{Unhealthy, true, "FACTORY is another; and one more"})
	check(t, "refuted, and another not read", probe([]string{"FACTORY is another"}, errDown), expectation{Unhealthy, true, "FACTORY is another"})
}

func TestSignersProbe(t *testing.T) {
	signer := common.Address{5}
	gas := func(level balance.Level) balance.Snapshot {
		return balance.Snapshot{ChainID: 10, At: begin.Add(-time.Minute), Holdings: []balance.Held{{Account: signer, Level: level}},
			Gas: []balance.Gas{{Signer: signer, Level: level, Read: true, Priced: true, Counted: true, Payable: 7, Owed: 2}}}
	}
	type given struct {
		s       balance.Snapshot
		err     error
		flying  int
		age     time.Duration
		foreign bool
		lost    error // of what is asked of the signer
	}
	for _, c := range []struct {
		name  string
		given given
		want  []expectation
	}{
		{"all is well", given{s: gas(balance.OK)}, []expectation{{Healthy, false, ""}, {Healthy, false, ""}}},
		{"nothing read yet", given{}, []expectation{{Unknown, false, "not read yet"}, {Unknown, false, ""}}},
		{"low", given{s: gas(balance.Low)}, []expectation{{Degraded, false, "1 holdings are low"}, {Degraded, false, "its gas is low"}}},
		{"dry", given{s: gas(balance.Critical)}, []expectation{{Degraded, false, "1 holdings are low"}, {Unhealthy, true, "does not pay"}}},
		{"balances cannot be read", given{err: errDown}, []expectation{{Degraded, false, "down"}, {Unknown, false, ""}}},
		{"an old reading", given{s: func() balance.Snapshot {
			s := gas(balance.OK)
			s.At = begin.Add(-15*time.Minute - time.Second)
			return s
		}()},
			[]expectation{{Degraded, false, "last read 15m1s ago"}, {Healthy, false, ""}}},
		{"a reading as old as it may be", given{s: func() balance.Snapshot { s := gas(balance.OK); s.At = begin.Add(-15 * time.Minute); return s }()},
			[]expectation{{Healthy, false, ""}, {Healthy, false, ""}}},
		{"a failed token", given{s: func() balance.Snapshot {
			s := gas(balance.OK)
			s.Holdings = append(s.Holdings, balance.Held{Failed: "reverted"})
			return s
		}()}, []expectation{{Degraded, false, "1 readings are missing"}, {Healthy, false, ""}}},
		{"gas that could not be read", given{s: func() balance.Snapshot {
			s := gas(balance.OK)
			s.Holdings[0].Failed, s.Holdings[0].Level, s.Gas[0].Read = "timeout", balance.Low, false
			return s
		}()}, []expectation{{Degraded, false, "1 readings are missing"}, {Degraded, false, "its gas could not be read"}}},
		{"on their way", given{s: gas(balance.OK), flying: 3, age: 2 * time.Hour}, []expectation{{Healthy, false, ""}, {Healthy, false, ""}}},
		{"on its way for long", given{s: gas(balance.OK), flying: 3, age: 2*time.Hour + time.Minute}, []expectation{{Healthy, false, ""}, {Degraded, false, "for 2h1m0s"}}},
		{"exclusive with foreign transactions", given{s: gas(balance.OK), foreign: true}, []expectation{{Healthy, false, ""}, {Degraded, false, "exclusive, and it has foreign transactions"}}},
		{"dry and with foreign transactions", given{s: gas(balance.Critical), foreign: true}, []expectation{{Degraded, false, ""}, {Unhealthy, true, "does not pay"}}},
		{"not told", given{s: gas(balance.OK), lost: errDown}, []expectation{{Healthy, false, ""}, {Degraded, false, "down"}}},
	} {
		k := Signer{Chain: 10, Address: signer, Custody: "exclusive",
			Flying: func(context.Context) (int, time.Time, error) {
				return c.given.flying, begin.Add(-c.given.age), c.given.lost
			},
			Foreign: func(context.Context) (bool, error) { return c.given.foreign, c.given.lost }}
		got := look1(t, SignersProbe(10, func(context.Context, uint64, time.Time) (balance.Snapshot, error) { return c.given.s, c.given.err }, []Signer{k}, 15*time.Minute, begin))
		check(t, c.name, got, c.want...)
		if c.given.s.ChainID != 0 && (got[1].Numbers["payable"] != map[bool]int64{true: 7}[c.given.s.Gas[0].Read] || got[1].Numbers["owed"] != 2) {
			t.Errorf("%s: numbers %v", c.name, got[1].Numbers)
		}
	}
}

func TestJobsProbe(t *testing.T) {
	j := func(critical bool, state watchdog.State) watchdog.Health {
		return watchdog.Health{Job: "x", Critical: critical, State: state, At: begin, Runs: 20, Done: 18, InARow: 2, Lately: 3 * time.Second, Budget: 4 * time.Second,
			Last: job.Record{State: job.Failed, Scheduled: begin.Add(-2 * time.Minute), Started: begin.Add(-119 * time.Second), Ended: begin.Add(-time.Minute)}, Hanging: begin.Add(-time.Hour)}
	}
	well := expectation{Healthy, false, ""}
	for _, c := range []struct {
		name string
		job  watchdog.Health
		want expectation
	}{
		{"well", j(true, watchdog.Well), expectation{Healthy, true, ""}},
		{"new", j(true, watchdog.New), expectation{Unknown, true, "has not run yet"}},
		{"slow", j(true, watchdog.Slow), expectation{Degraded, true, "its runs take 3s of 4s"}},
		{"failing", j(true, watchdog.Failing), expectation{Degraded, true, "its last 2 runs failed"}},
		{"hung", j(true, watchdog.Hung), expectation{Unhealthy, true, "its run for 2026-03-01T11:00:00Z began and did not end"}},
		{"missing", j(true, watchdog.Missing), expectation{Unhealthy, true, "has not run since 2026-03-01T11:58:00Z"}},
		{"missing, not critical", j(false, watchdog.Missing), expectation{Unhealthy, false, "has not run since"}},
		{"never seen", func() watchdog.Health { h := j(true, watchdog.Missing); h.Last = job.Record{}; return h }(), expectation{Unhealthy, true, "no run of it is known"}},
		{"in a state that is not known", j(true, "odd"), expectation{Degraded, true, "odd"}},
		{"looked at before the others", func() watchdog.Health { h := j(true, watchdog.Well); h.At = begin.Add(-time.Minute); return h }(),
			expectation{Degraded, true, "last looked at 2026-03-01T11:59:00Z"}},
		{"a clock that went back", func() watchdog.Health { h := j(true, watchdog.Well); h.Last.Ended = begin.Add(time.Hour); return h }(), expectation{Healthy, true, ""}},
	} {
		read := func(context.Context) ([]watchdog.Health, time.Time, error) {
			return []watchdog.Health{c.job}, begin, nil
		}
		check(t, c.name, look1(t, JobsProbe(read, "self", 4*time.Minute, begin)), well, c.want)
	}
	// Of whoever asks nothing is said: it runs.
	self := func(context.Context) ([]watchdog.Health, time.Time, error) {
		return []watchdog.Health{j(true, watchdog.Missing)}, begin, nil
	}
	check(t, "itself", look1(t, JobsProbe(self, "x", 4*time.Minute, begin)), well)
	check(t, "not read", look1(t, JobsProbe(func(context.Context) ([]watchdog.Health, time.Time, error) { return nil, time.Time{}, errDown }, "self", 4*time.Minute, begin)), expectation{Degraded, false, "down"})
	check(t, "no pass yet", look1(t, JobsProbe(func(context.Context) ([]watchdog.Health, time.Time, error) { return nil, time.Time{}, nil }, "self", 4*time.Minute, begin)),
		expectation{Unknown, false, "the watchdog has not looked yet"})
	// A watchdog that stands still says nothing of the jobs any more: neither that they are well, nor that they are not.
	for age, want := range map[time.Duration][]expectation{
		4 * time.Minute:                  {well, {Unhealthy, true, "not run since"}},
		4*time.Minute + time.Second:      {{Unhealthy, false, "the watchdog last looked 4m1s ago"}},
		-time.Hour /* a clock behind */ : {well, {Unhealthy, true, "not run since"}},
	} {
		read := func(context.Context) ([]watchdog.Health, time.Time, error) {
			return []watchdog.Health{j(true, watchdog.Missing)}, begin, nil
		}
		check(t, age.String(), look1(t, JobsProbe(read, "self", 4*time.Minute, begin.Add(age))), want...)
	}
}

// DOMAIN §6: the balance health check is a stub. Ours is what balance-monitor read last: it says
// degraded and unhealthy when that is low, and does not stay well when nobody reads.
func TestTheBalanceHealthCheckIsNoStub(t *testing.T) {
	signer := common.Address{5}
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		level := balance.Level(1 + r.IntN(3))
		age := time.Duration(r.Int64N(int64(time.Hour)))
		s := balance.Snapshot{ChainID: 10, At: begin.Add(-age), Holdings: []balance.Held{{Account: signer, Level: level}},
			Gas: []balance.Gas{{Signer: signer, Level: level, Read: true, Priced: true, Counted: true}}}
		k := Signer{Chain: 10, Address: signer, Flying: func(context.Context) (int, time.Time, error) { return 0, time.Time{}, nil },
			Foreign: func(context.Context) (bool, error) { return false, nil }}
		got := Overall(look1(t, SignersProbe(10, func(context.Context, uint64, time.Time) (balance.Snapshot, error) { return s, nil }, []Signer{k}, 15*time.Minute, begin)))
		want := Healthy
		switch {
		case level == balance.Critical:
			want = Unhealthy
		case level == balance.Low || age > 15*time.Minute:
			want = Degraded
		}
		if got != want {
			t.Fatalf("%s, read %s ago: %s, want %s", level, age, got, want)
		}
	}
}
