package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// What the watchdog wrote is what others read of the jobs, by name.
func TestJobHealth(t *testing.T) {
	s := newStore(t).over(ownJobs(t))
	if _, _, err := s.Runs().JobHealth(t.Context()); !errors.Is(err, ErrNoHealth) {
		t.Errorf("before the first pass: %v", err)
	}
	minutely := job.Cadence{Period: time.Minute, Timeout: 50 * time.Second, Margin: time.Second, Grace: 2 * time.Minute}
	w := watchdog.Watchdog{Runs: s.Runs(), Books: s.Runs(), Profile: job.Mainnet, Log: slog.New(slog.DiscardHandler),
		Jobs: []job.Spec{{Name: "zeal", Mainnet: minutely}, {Name: "alms", Critical: true, Mainnet: minutely}, {Name: "test only", Test: minutely}}}
	pub := alerttest.NewMemory()
	for _, at := range []time.Duration{0, 10 * time.Minute} {
		if err := s.Runs().Record(t.Context(), job.Record{Job: "zeal", Scheduled: epoch.Add(at), State: job.Done, Token: "a", Started: epoch.Add(at), Ended: epoch.Add(at + time.Second), Attempts: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Round(t.Context(), alert.NewDesk(s.Alerts(), pub, w.Log), epoch.Add(at+2*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	all, at, err := s.Runs().JobHealth(t.Context())
	if err != nil || len(all) != 2 || !at.Equal(epoch.Add(10*time.Minute+2*time.Second)) {
		t.Fatalf("%d jobs at %s, %v", len(all), at, err)
	}
	if all[0].Job != "alms" || all[0].State != watchdog.Missing || !all[0].Critical || !all[0].At.Equal(at) {
		t.Errorf("%+v", all[0])
	}
	if all[1].Job != "zeal" || all[1].State != watchdog.Well || all[1].Rate() != 100 || all[1].Missed() != 9 {
		t.Errorf("%+v", all[1])
	}
}

// Run items outlive what is looked at of them.
func TestRunsAreKeptAsLongAsTheyAreLookedAt(t *testing.T) {
	s := newStore(t)
	for _, spec := range job.Table {
		tick := epoch
		if err := s.Runs().Record(t.Context(), job.Record{Job: spec.Name, Scheduled: tick, State: job.Done, Token: "a", Started: tick, Ended: tick, Attempts: 1}); err != nil {
			t.Fatal(err)
		}
		it, err := s.get(t.Context(), s.tables.Jobs, runKey(spec.Name, tick))
		if err != nil {
			t.Fatal(err)
		}
		kept := time.Unix(it.int(attrExpires), 0).Sub(tick)
		for _, p := range []job.Profile{job.Test, job.Mainnet} {
			if sight := watchdog.Sight(spec.Cadence(p)); kept < sight || kept < 24*time.Hour {
				t.Errorf("%s is kept for %s, and looked at for %s", spec.Name, kept, sight)
			}
		}
	}
}

// upTo draws a time below d.
func upTo(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(d)))
}

// fate is what becomes of a tick.
type fate int

const (
	ends fate = iota
	fails
	dies
	stays // no event comes
)

// fates draws what becomes of n ticks: mostly they end well, and now and then
// something goes wrong for a while. The first and the last calm ticks are well.
func fates(rng *rand.Rand, n, calm int) []fate {
	out := make([]fate, n)
	for i := calm; i < n-calm; {
		if rng.IntN(25) > 0 {
			i++
			continue
		}
		kind := fails + fate(rng.IntN(3))
		for range 1 + rng.IntN(6) {
			if i < n-calm {
				out[i] = kind
				i++
			}
		}
	}
	return out
}

// player plays the runs of one job by the protocol of package job: lease, take-over
// of a dead holder's, run item, release.
type player struct {
	spec  job.Spec
	c     job.Cadence
	fates []fate
	// What is true: ticks that nothing ran for, and those that died, with the end of
	// their lease.
	missed map[time.Time]bool
	died   map[time.Time]time.Time
	ran    []job.Record // what is recorded by now
}

// step is something that happens at a time.
type step struct {
	at time.Time
	do func()
}

func (p *player) steps(t *testing.T, s *Store, rng *rand.Rand) (out []step) {
	record := func(r job.Record) {
		if err := s.Runs().Record(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		p.ran = append(p.ran, r)
	}
	for i, f := range p.fates {
		tick := epoch.Add(time.Duration(i) * p.c.Period)
		if f == stays {
			p.missed[tick] = true
			continue
		}
		start := tick.Add(upTo(rng, p.c.Period/10))
		end := start.Add(upTo(rng, p.c.Period*7/10))
		claim := job.Claim{Key: job.JobKey(p.spec.Name), Token: fmt.Sprintf("%s %d", p.spec.Name, i), Job: p.spec.Name, Tick: tick, Now: start, Until: end.Add(job.LeaseTime)} // as renewed
		var lease job.Lease
		out = append(out, step{start, func() {
			var err error
			lease, err = s.Leases().Acquire(t.Context(), claim)
			switch {
			case errors.Is(err, job.ErrHeld):
				p.missed[tick] = true
			case err != nil:
				t.Fatal(err)
			case f == dies:
				p.died[tick] = claim.Until
			}
			if o := lease.Orphan; o != nil {
				record(job.Record{Job: o.Job, Scheduled: o.Tick, State: job.Abandoned, Token: o.Token, Fence: o.Fence, Started: start, Ended: start, Reason: "its lease expired without release"})
			}
		}})
		if f == dies {
			continue
		}
		out = append(out, step{end, func() {
			if lease.Key == "" {
				return
			}
			r := job.Record{Job: p.spec.Name, Scheduled: tick, State: job.Done, Token: claim.Token, Fence: lease.Fence, Started: start, Ended: end, Attempts: 1}
			if f == fails {
				r.State, r.Reason = job.Failed, "chain 10 is away"
			}
			record(r)
			if _, err := s.Leases().Release(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
		}})
	}
	return out
}

// state is how the job does at now, from what is true of it. Whatever else there is
// to say is "".
func (p *player) state(now time.Time) watchdog.State {
	recorded := slices.SortedFunc(slices.Values(p.ran), func(a, b job.Record) int { return a.Scheduled.Compare(b.Scheduled) })
	var last time.Time
	if n := len(recorded); n > 0 {
		last = recorded[n-1].Scheduled
	}
	for tick := range p.missed {
		if tick.After(last) && now.Sub(tick) >= p.c.Grace {
			return watchdog.Missing
		}
	}
	for tick, end := range p.died {
		told := slices.ContainsFunc(recorded, func(r job.Record) bool { return r.State == job.Abandoned && r.Scheduled.Equal(tick) })
		if !told && !now.Before(end.Add(job.Skew)) {
			return watchdog.Hung
		}
	}
	if n := len(recorded); n >= 2 && recorded[n-1].State != job.Done && recorded[n-2].State != job.Done {
		return watchdog.Failing
	}
	return ""
}

// late tells whether nothing of that tick or a later one ended well in time.
func (p *player) late(tick time.Time) bool {
	return !slices.ContainsFunc(p.ran, func(r job.Record) bool {
		return r.State == job.Done && !r.Scheduled.Before(tick) && r.Ended.Sub(tick) <= p.c.Grace
	})
}

// Two hours of four jobs whose runs are missed, fail and die at random, over the
// real store, with a watchdog that looks every minute or so. Exactly what was
// missed or died is told, and each pass knows how each job does; in the end every
// alert is resolved but that of the one job that never comes back. The second time
// the watchdog's requests and its messages fail at random as well: then it may tell
// twice, but still nothing that is not so, and nothing less.
func TestTwoHoursOfMissingFailingAndHangingRuns(t *testing.T) {
	for _, faults := range []bool{false, true} {
		t.Run(fmt.Sprintf("faults %v", faults), func(t *testing.T) {
			t.Parallel()
			twoHours(t, faults)
		})
	}
}

func twoHours(t *testing.T, faults bool) {
	length, least := 2*time.Hour, 50
	if testing.Short() {
		length, least = length/4, least/5
	}
	const quiet = 16 * time.Minute // after length nothing fails any more
	rng := rand.New(rand.NewPCG(7, 8))
	table := ownJobs(t)
	s := newStore(t).over(table)
	var players []*player
	var steps []step
	var specs []job.Spec
	for i, seconds := range []time.Duration{10, 15, 30, 60} {
		p := seconds * time.Second
		c := job.Cadence{Period: p, Timeout: p - time.Second, Margin: time.Second, Grace: 3 * p}
		spec := job.Spec{Name: fmt.Sprintf("every-%d", seconds), Critical: i < 3, Exclusive: true, Test: c}
		pl := &player{spec: spec, c: c, fates: fates(rng, int((length+quiet)/p), int((quiet-time.Minute)/p)), missed: map[time.Time]bool{}, died: map[time.Time]time.Time{}}
		if i == 2 { // and this one stays away in the end
			for n := range 24 {
				pl.fates[len(pl.fates)-1-n] = ends
				if n < 12 {
					pl.fates[len(pl.fates)-1-n] = stays
				}
			}
		}
		players, specs, steps = append(players, pl), append(specs, spec), append(steps, pl.steps(t, s, rng)...)
	}
	gone := players[2]
	slices.SortStableFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })

	var log bytes.Buffer
	pub, tr := alerttest.NewMemory(), &transport{}
	watcher := newStore(t, tr.through(3)).over(table)
	if faults {
		var mu sync.Mutex
		dice := rand.New(rand.NewPCG(9, 10))
		roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return dice.IntN(n) }
		tr.reset(func(_ int, _ string, forward func() (*http.Response, error)) (*http.Response, error) {
			switch roll(30) {
			case 0, 1:
				return lose(forward)
			case 2, 3:
				return nil, errCut
			case 4:
				return failing("ValidationException", "") // nothing that the SDK would try again
			}
			return forward()
		})
		pub.Fail(func(string) faulttest.Fault { return faulttest.Fault(max(0, roll(12)-9)) })
	}
	dog := watchdog.Watchdog{Runs: watcher.Runs(), Books: watcher.Runs(), Jobs: specs, Profile: job.Test, Log: slog.New(slog.NewJSONHandler(&log, nil))}
	passes, failed := 0, 0
	round := func(now time.Time) {
		all, err := dog.Round(t.Context(), alert.NewDesk(watcher.Alerts(), pub, slog.New(slog.DiscardHandler)), now)
		passes++
		if err != nil {
			failed++
			if !faults {
				t.Fatal(err)
			}
		}
		for _, h := range all {
			i := slices.IndexFunc(specs, func(s job.Spec) bool { return s.Name == h.Job })
			got := h.State
			if got != watchdog.Missing && got != watchdog.Hung && got != watchdog.Failing {
				got = ""
			}
			if want := players[i].state(now); got != want {
				t.Errorf("%s at %s is %q, want %q", h.Job, now.Sub(epoch), got, want)
			}
		}
	}
	next, last := epoch.Add(time.Second), time.Time{}
	for _, st := range steps {
		for ; next.Before(st.at); next = next.Add(50*time.Second + upTo(rng, 20*time.Second)) {
			if next.After(epoch.Add(length)) {
				tr.reset(nil)
				pub.Fail(nil)
			}
			round(next)
			last = next
		}
		st.do()
	}

	type told struct {
		job  string
		tick time.Time
		died bool
	}
	lapsed, hung := map[told]int{}, map[told]bool{}
	for line := range strings.Lines(log.String()) {
		var l struct {
			Msg, State string
			Job        string `json:"watched_job"`
			Tick       time.Time
			Died, Late bool
			Hanging    time.Time `json:"hanging_tick"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		pl := players[slices.IndexFunc(specs, func(s job.Spec) bool { return s.Name == l.Job })]
		switch {
		case l.Msg == "job lapsed":
			lapsed[told{l.Job, l.Tick, l.Died}]++
			if l.Late != pl.late(l.Tick) {
				t.Errorf("%s: the tick of %s is called late: %v", l.Job, l.Tick.Sub(epoch), l.Late)
			}
		case !l.Hanging.IsZero():
			hung[told{l.Job, l.Hanging, true}] = true
		}
	}
	missed, died := 0, 0
	for _, pl := range players {
		for tick := range pl.missed {
			missed++
			n := lapsed[told{pl.spec.Name, tick, false}]
			if tell := !tick.After(last.Add(-pl.c.Grace)); n > 0 != tell || n > 1 && !faults {
				t.Errorf("%s: the missed tick of %s is told %d times", pl.spec.Name, tick.Sub(epoch), n)
			}
			delete(lapsed, told{pl.spec.Name, tick, false})
		}
		for tick := range pl.died {
			died++
			key := told{pl.spec.Name, tick, true}
			if n := lapsed[key]; n == 0 && !hung[key] || !faults && (n > 1 || n == 1 && hung[key]) {
				t.Errorf("%s: the run that died of %s is told %d times as lapsed, hung %v", pl.spec.Name, tick.Sub(epoch), n, hung[key])
			}
			delete(lapsed, key)
			delete(hung, key)
		}
	}
	for k := range lapsed {
		t.Errorf("told, and not so: %+v", k)
	}
	for k := range hung {
		t.Errorf("told as hanging, and not so: %+v", k)
	}
	if missed < least || died < least/5 || faults && failed < 5 {
		t.Errorf("%d missed, %d died, %d of %d passes failed: that proves little", missed, died, failed, passes)
	}

	for _, pl := range players {
		for _, kind := range []alert.Kind{alert.JobMissing, alert.JobHung, alert.JobFailing, alert.JobLapsed, alert.JobSlow} {
			e, err := s.Alerts().Load(t.Context(), alert.Alert{Kind: kind, Account: pl.spec.Name}.Key())
			if err != nil {
				t.Fatal(err)
			}
			open := e.State != "" && e.State != alert.Resolved
			if want := pl == gone && kind == alert.JobMissing; open != want {
				t.Errorf("%s of %s is %s", kind, pl.spec.Name, e.State)
			}
			if e.State == alert.Resolved && e.Proof == "" || e.State != "" && e.NotifiedAt.IsZero() {
				t.Errorf("%s of %s: %+v", kind, pl.spec.Name, e)
			}
			if critical := e.Severity == alert.Critical; e.State != "" && critical && !pl.spec.Critical {
				t.Errorf("%s of %s is critical", kind, pl.spec.Name)
			}
		}
	}
	t.Logf("%d steps, %d passes of which %d failed, %d ticks missed, %d runs died, %d messages", len(steps), passes, failed, missed, died, len(pub.Sent()))
}
