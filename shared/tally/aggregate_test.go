package tally_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/tally/tallytest"
)

func TestMemory(t *testing.T) {
	tallytest.Test(t, func(*testing.T) tallytest.Fixture { return tallytest.NewMemory().Fixture() })
}

// hooked is a feed and hours between whose calls other things happen: whole
// passes of other processes, and writers.
type hooked struct {
	tally.Feed
	tally.Hours
	tally.Latest
	before func()
}

func (h hooked) Events(ctx context.Context, hour tally.Hour) ([]tally.Event, error) {
	h.before()
	return h.Feed.Events(ctx, hour)
}

func (h hooked) Clear(ctx context.Context, marks []tally.Mark) error {
	h.before()
	return h.Feed.Clear(ctx, marks)
}

func (h hooked) Hour(ctx context.Context, hour tally.Hour) (tally.Stored, error) {
	h.before()
	return h.Hours.Hour(ctx, hour)
}

func (h hooked) Put(ctx context.Context, s tally.Stored) error {
	h.before()
	return h.Hours.Put(ctx, s)
}

func (h hooked) SetSums(ctx context.Context, s tally.Sums) error {
	h.before()
	return h.Latest.SetSums(ctx, s)
}

// Whatever is written, whenever, with a clock that goes back and a store that
// loses requests and answers; however many passes run at once, cut short anywhere:
// a pass that comes through has counted what a naive count of everything counts.
func TestAgainstANaiveCount(t *testing.T) {
	seeds := uint64(100)
	if testing.Short() {
		seeds /= 10
	}
	for seed := range seeds {
		if play(t, seed); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func play(t *testing.T, seed uint64) {
	m := tallytest.NewMemory()
	p := tallytest.NewPlay(m.Fixture(), seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(seed, 2)) // of the faults, which come on many goroutines
	faults := func(percent int) {
		m.Fail(func(string) faulttest.Fault {
			mu.Lock()
			defer mu.Unlock()
			switch n := dice.IntN(200); {
			case n < percent:
				return faulttest.Refused
			case n < 2*percent:
				return faulttest.Lost
			}
			return faulttest.OK
		})
	}
	ctx := t.Context()
	for range 60 {
		faults(10)
		for range r.IntN(6) {
			if err := p.Write(ctx); err != nil {
				t.Fatal(err)
			}
		}
		p.Tick()
		switch r.IntN(4) {
		case 0: // a pass beside which others run, and writers
			var between sync.Mutex
			h := hooked{m, m, m, func() {
				between.Lock()
				defer between.Unlock()
				switch r.IntN(6) {
				case 0, 1:
					if err := p.Write(ctx); err != nil {
						t.Error(err)
					}
				case 2:
					_, _ = p.Aggregator().Pass(ctx, p.Now) // may fail
				}
			}}
			faults(1)
			a := tally.Aggregator{Feed: h, Hours: h, Latest: h, Runs: m.Since, Jobs: tallytest.Jobs}
			_, _ = a.Pass(ctx, p.Now) // may fail
		case 1:
			_, _ = p.Pass(ctx) // may fail
		}
		m.Fail(nil)
		if p.Overdue() {
			if _, err := p.Pass(ctx); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
	res, now := p.Finish(t)
	p.Check(t, res, now)
	again, err := p.Pass(ctx)
	if err != nil || again.Written != 0 || again.Marks != 0 {
		t.Errorf("a pass after the last one wrote %d hours for %d marks (%v)", again.Written, again.Marks, err)
	}
}

// A pass is killed before and after each of its effects, and run again.
func TestKilledAnywhere(t *testing.T) {
	stride := 1
	if testing.Short() {
		stride = 7
	}
	for _, fault := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
		for step := 0; ; step += stride {
			m := tallytest.NewMemory()
			p := tallytest.NewPlay(m.Fixture(), 7)
			for range 60 {
				if err := p.Write(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			ctx, kill := context.WithCancel(t.Context())
			var calls atomic.Int64
			m.Fail(func(string) faulttest.Fault {
				if calls.Add(1) == int64(step)+1 {
					kill() // nothing that comes after gets through
					return fault
				}
				return faulttest.OK
			})
			_, err := p.Pass(ctx)
			kill()
			m.Fail(nil)
			if calls.Load() <= int64(step) {
				if err != nil {
					t.Fatalf("nobody killed it: %v", err)
				}
				if step < 20 {
					t.Fatalf("only %d steps", step)
				}
				break
			}
			if err == nil {
				t.Fatalf("killed at call %d: no error", step)
			}
			res, now := p.Finish(t)
			p.Check(t, res, now)
			if t.Failed() {
				t.Fatalf("killed at call %d by %v", step, fault)
			}
		}
	}
}

// The seed's metrics counted only orders that were created in the last five
// minutes. Here a swap counts when something happens to it, however old it is.
func TestMetricsCountOnlyOrdersCreatedInTheLastFiveMinutes(t *testing.T) {
	m := tallytest.NewMemory()
	f := m.Fixture()
	f.SetNow(tallytest.Epoch.Add(2 * time.Hour))
	o, secret := tallytest.Order(tallytest.Epoch)
	tallytest.End(&o, &o.Dsts[0], swap.Withdrawn, tallytest.Epoch.Add(50*time.Minute), secret)
	tallytest.End(&o, &o.Src, swap.Withdrawn, tallytest.Epoch.Add(52*time.Minute), secret)
	if err := f.Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	now := tallytest.Epoch.Add(55 * time.Minute)
	a := tally.Aggregator{Feed: m, Hours: m, Latest: m, Runs: m.Since}
	if _, err := a.Pass(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	last, err := tally.Reader{Hours: m, Latest: m}.Between(t.Context(), now.Add(-5*time.Minute), now)
	if err != nil {
		t.Fatal(err)
	}
	if c := last.Swaps; c.Created != 0 || c.Completed != 1 || c.Completion.Mean() != 52*60 || c.Margin.Min != 8*60 || len(c.Volume) != 2 {
		t.Errorf("the last five minutes: %+v", c)
	}
}

// A clock that runs behind does not undo a loss that has been counted: nobody would
// look at its hour again.
func TestALossStaysCounted(t *testing.T) {
	m := tallytest.NewMemory()
	f := m.Fixture()
	f.SetNow(tallytest.Epoch.Add(3 * time.Hour))
	o, secret := tallytest.Order(tallytest.Epoch.Add(-10 * time.Minute)) // its deadline is ten to one
	tallytest.End(&o, &o.Dsts[0], swap.Withdrawn, tallytest.Epoch, secret)
	if err := f.Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	a := tally.Aggregator{Feed: m, Hours: m, Latest: m, Runs: m.Since}
	lost := func(now time.Duration, want uint64) {
		t.Helper()
		if _, err := a.Pass(t.Context(), tallytest.Epoch.Add(now)); err != nil {
			t.Fatal(err)
		}
		day, err := tally.Reader{Hours: m, Latest: m}.Day(t.Context(), tallytest.Epoch)
		if err != nil || day.Swaps.Lost.Total() != want {
			t.Errorf("after %s: lost %v, want %d (%v)", now, day.Swaps.Lost, want, err)
		}
	}
	lost(79*time.Minute, 0)
	lost(80*time.Minute, 1)
	lost(60*time.Minute, 1)
	o.Version = 1
	tallytest.End(&o, &o.Src, swap.Withdrawn, tallytest.Epoch.Add(49*time.Minute), secret) // learned late
	if err := f.Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	lost(81*time.Minute, 0)
}

// An hour that cannot be read does not keep the others from being counted, and
// is counted when it can.
func TestOneHourFails(t *testing.T) {
	m := tallytest.NewMemory()
	f := m.Fixture()
	now := tallytest.Epoch.Add(5 * time.Hour)
	f.SetNow(now)
	for i := range 3 {
		o, _ := tallytest.Order(tallytest.Epoch.Add(time.Duration(i) * time.Hour))
		if err := f.Save(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	broken := tally.HourAt(tallytest.Epoch) + 1
	h := failing{m, broken}
	a := tally.Aggregator{Feed: h, Hours: m, Latest: m, Runs: m.Since}
	res, err := a.Pass(t.Context(), now)
	if !errors.Is(err, errBroken) || res.Sums.Through.Equal(now) || res.Sums.Day.Swaps.Created != 2 {
		t.Errorf("%v; counted through %s, %d created", err, res.Sums.Through, res.Sums.Day.Swaps.Created)
	}
	if marks, _ := m.Marks(t.Context(), 10); len(marks) != 1 {
		t.Errorf("%d marks are left, want that of the hour that failed", len(marks))
	}
	a.Feed = m
	if res, err = a.Pass(t.Context(), now); err != nil || res.Sums.Day.Swaps.Created != 3 || !res.Sums.Through.Equal(now) {
		t.Errorf("%v; counted through %s, %d created", err, res.Sums.Through, res.Sums.Day.Swaps.Created)
	}
}

var errBroken = errors.New("broken")

type failing struct {
	tally.Feed
	hour tally.Hour
}

func (f failing) Events(ctx context.Context, h tally.Hour) ([]tally.Event, error) {
	if h == f.hour {
		return nil, errBroken
	}
	return f.Feed.Events(ctx, h)
}

// Runs that cannot be read fail the pass, and the swaps are counted.
func TestRunsFail(t *testing.T) {
	m := tallytest.NewMemory()
	f := m.Fixture()
	now := tallytest.Epoch.Add(time.Minute)
	f.SetNow(now)
	o, _ := tallytest.Order(tallytest.Epoch)
	if err := f.Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	a := tally.Aggregator{Feed: m, Hours: m, Latest: m, Jobs: []string{"one"},
		Runs: func(context.Context, string, time.Time) ([]job.Record, error) { return nil, errBroken }}
	if _, err := a.Pass(t.Context(), now); !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
	s, err := m.Hour(t.Context(), tally.HourAt(now))
	if err != nil || s.Swaps[0] == nil || s.Swaps[0].Created != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// More marks than a pass takes are taken by the next ones.
func TestManyMarks(t *testing.T) {
	m := tallytest.NewMemory()
	f := m.Fixture()
	now := tallytest.Epoch.Add(time.Minute)
	f.SetNow(now)
	const orders = 2_500
	for range orders {
		o, _ := tallytest.Order(tallytest.Epoch)
		if err := f.Save(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	a := tally.Aggregator{Feed: m, Hours: m, Latest: m, Runs: m.Since}
	var more []string
	for range 3 {
		res, err := a.Pass(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, fmt.Sprint(res.Marks, res.More))
	}
	if want := []string{"2000 true", "500 false", "0 false"}; !slices.Equal(more, want) {
		t.Errorf("marks %v, want %v", more, want)
	}
	s, _ := m.Hour(t.Context(), tally.HourAt(now))
	if s.Swaps[0].Created != orders {
		t.Errorf("%d created, want %d", s.Swaps[0].Created, orders)
	}
}

// Amounts that are too large end at the largest number, and more tokens than there
// is room for are told by their number.
func TestHostileAmounts(t *testing.T) {
	m := tallytest.NewMemory()
	f := m.Fixture()
	now := tallytest.Epoch.Add(10 * time.Minute)
	f.SetNow(now)
	largest := *new(uint256.Int).SetAllOne()
	save := func(token common.Address) {
		t.Helper()
		o, _ := tallytest.Order(tallytest.Epoch)
		o.Src.Immutables.Token, o.Src.Immutables.Amount = common.BytesToHash(token[:]), largest.Bytes32()
		if err := f.Save(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	known := tally.Token{ChainID: tallytest.SrcChain}
	for i := range tally.MaxTokens + 6 {
		save(common.BigToAddress(big.NewInt(int64(i))))
	}
	save(known.Address)
	a := tally.Aggregator{Feed: m, Hours: m, Latest: m, Runs: m.Since}
	res, err := a.Pass(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	c := res.Sums.Hour.Swaps
	if c.Created != tally.MaxTokens+7 || len(c.Offered) != tally.MaxTokens || c.Unsummed < 6 || c.Unsummed > 7 {
		t.Errorf("%d created, %d tokens, %d amounts left out", c.Created, len(c.Offered), c.Unsummed)
	}
	for _, a := range c.Offered {
		if a.Units != largest {
			t.Errorf("%s: %s", a.Token, &a.Units)
		}
	}
}
