package daily

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/report"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

var (
	midnight = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	day      = midnight.Add(24 * time.Hour)
	usdc     = common.Address{0xc0}
	file     = env.Chains{Chains: []env.Chain{{ID: 10, Name: "optimism", ChainPolicy: swap.ChainPolicy{
		Tokens: map[common.Address]swap.TokenPolicy{usdc: {Symbol: "USDC", Decimals: 6, WeiPerUnit: *uint256.NewInt(3e14)}}}}}}
)

func at(d time.Duration) swap.ChainTime { return swap.ChainTime(midnight.Add(d).Unix()) }

func order(n byte) swap.OrderID { return swap.OrderID{ChainID: 10, Escrow: common.Address{n}} }

func of(token common.Address, n uint64) []tally.Amount {
	return []tally.Amount{{Token: tally.Token{ChainID: 10, Address: token}, Units: *uint256.NewInt(n)}}
}

type hours map[tally.Hour][]tally.Event

func (h hours) Between(_ context.Context, first, last tally.Hour) (all []tally.Event, _ error) {
	for hour := first; hour <= last; hour++ {
		all = append(all, h[hour]...)
	}
	return all, nil
}

func feedOf(events ...tally.Event) hours {
	h := hours{}
	for _, e := range events {
		h[e.Hour()] = append(h[e.Hour()], e)
	}
	return h
}

func TestExposures(t *testing.T) {
	f := feedOf(
		tally.Event{Kind: tally.Created, At: at(-8 * 24 * time.Hour), Order: order(1), Amounts: of(usdc, 2e6)}, // still open
		tally.Event{Kind: tally.Created, At: at(-6 * 24 * time.Hour), Order: order(6), Amounts: of(usdc, 2e6)}, // over before the day
		tally.Event{Kind: tally.Rescued, At: at(-3 * 24 * time.Hour), Order: order(6)},
		tally.Event{Kind: tally.Cancelled, At: at(-4*24*time.Hour - 5), Order: order(7)}, // by a clock that is behind
		tally.Event{Kind: tally.Created, At: at(-4*24*time.Hour + 5), Order: order(7), Amounts: of(usdc, 2e6)},
		tally.Event{Kind: tally.Created, At: at(time.Hour), Order: order(2), Amounts: of(usdc, 1e6)},
		tally.Event{Kind: tally.Completed, At: at(2 * time.Hour), Order: order(2)},
		tally.Event{Kind: tally.Created, At: at(3 * time.Hour), Order: order(3), Amounts: of(common.Address{9}, 5)}, // of no price
		tally.Event{Kind: tally.Lost, Reason: tally.DstPaidSrcExpired, At: at(4 * time.Hour), Order: order(3)},      // waits for its rescue
		tally.Event{Kind: tally.Created, At: at(5 * time.Hour), Order: order(4), Amounts: of(common.Address{}, 7)},
		tally.Event{Kind: tally.Lost, Reason: tally.TokensAstray, At: at(6 * time.Hour), Order: order(4)},
		tally.Event{Kind: tally.Created, At: at(7 * time.Hour), Order: order(5), Amounts: of(common.Address{}, 8)},
		tally.Event{Kind: tally.Lost, Reason: tally.MakerUnpaid, At: at(24*time.Hour - 10*time.Minute), Due: true, Order: order(5)}, // not yet
		tally.Event{Kind: tally.Completed, At: at(24 * time.Hour), Order: order(5)},                                                 // of the next day
	)
	got, err := exposed(f, file)(t.Context(), midnight, day)
	if err != nil {
		t.Fatal(err)
	}
	when := func(d time.Duration) time.Time { return midnight.Add(d) }
	want := []report.Exposure{
		{From: when(-8 * 24 * time.Hour), Value: *uint256.NewInt(6e14)},
		{From: when(time.Hour), Until: when(2 * time.Hour), Value: *uint256.NewInt(3e14)},
		{From: when(3 * time.Hour)},
		{From: when(5 * time.Hour), Until: when(6 * time.Hour), Value: *uint256.NewInt(7)},
		{From: when(7 * time.Hour), Value: *uint256.NewInt(8)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A pass takes only so many marks: a report of a busy day waits for the last of them, for as long as it has.
func TestTheDayIsCountedToItsEnd(t *testing.T) {
	errPass := errors.New("no store")
	for name, c := range map[string]struct {
		more   int // passes that leave something
		failed int // the pass that fails
		want   int
		err    error
	}{
		"nothing is left":  {0, 0, 1, nil},
		"three are left":   {3, 0, 4, nil},
		"one fails":        {3, 2, 2, errPass},
		"more than can be": {1 << 30, 0, 7, context.Canceled},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		err := caughtUp(func(context.Context) (tally.Result, error) {
			if n++; n == 7 {
				cancel()
			}
			if n == c.failed {
				return tally.Result{}, errPass
			}
			return tally.Result{More: n <= c.more}, nil
		})(ctx)
		cancel()
		if n != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: %d passes, %v", name, n, err)
		}
	}
}

// A day that is not over is told with the step that is under way.
func TestWholeSteps(t *testing.T) {
	for at, want := range map[time.Duration]time.Duration{0: 0, 24 * time.Hour: 24 * time.Hour, time.Second: tally.Step, tally.Step: tally.Step, tally.Step + 1: 2 * tally.Step} {
		if got := stepEnd(midnight.Add(at)); !got.Equal(midnight.Add(want)) {
			t.Errorf("%s after midnight: %s", at, got)
		}
	}
}

// sentWith are the counts of transactions with those margins, in seconds.
func sentWith(margins ...int64) (c tally.Counts) {
	for _, m := range margins {
		if m < 0 {
			c.Late, c.LateBy = c.Late+1, max(c.LateBy, uint64(-m))
			continue
		}
		c.SentMargin.Add(m)
		if m < int64(tally.Objective/time.Second) {
			c.Tight++
		}
	}
	return c
}

// What reached the objective is exact, what so many had left never too much, and what was late counts among all.
func TestMargins(t *testing.T) {
	many := func(n int, m int64, more ...int64) []int64 {
		for range n {
			more = append(more, m)
		}
		return more
	}
	for name, c := range map[string]struct {
		margins         []int64
		late, met       int
		least, p01, p50 int64
	}{
		"none":                    {nil, 0, 0, 0, 0, 0},
		"about the objective":     {[]int64{0, 59, 60, 296, 299, 300, 301, 3599, 3600, 100_000}, 0, 5, 0, 0, 296},
		"some late":               {[]int64{-2, -7, 0, 59, 60, 299, 300, 301, 3599, 3600, 100_000}, 2, 5, -7, -7, 296},
		"most late":               {[]int64{-2, -7, -3, 4000}, 3, 1, -7, -7, -7},
		"all late":                {[]int64{-2}, 1, 0, -2, -2, -2},
		"one of a hundred late":   {many(99, 600, -5), 1, 99, -5, 600, 600},
		"two of a hundred late":   {many(98, 600, -5, -9), 2, 98, -9, -9, 600},
		"half of them late":       {[]int64{-1, 20}, 1, 0, -1, -1, 20},
		"the largest":             {[]int64{math.MaxInt64}, 0, 1, 1 << 32, 1 << 32, 1 << 32},
		"one before a cell's end": {many(100, 303), 0, 100, 303, 303, 303},
	} {
		m := margins(sentWith(c.margins...))
		n := map[time.Duration]int{}
		met := 0
		for _, b := range m.Buckets {
			if n[b.From] = b.N; b.From >= m.Objective {
				met += b.N
			}
			if b.N < 0 {
				t.Errorf("%s: %+v", name, b)
			}
		}
		s := func(n int64) time.Duration { return time.Duration(n) * time.Second }
		if n[-1] != c.late || m.Met != c.met || met != c.met || m.Total() != len(c.margins) || m.Least != s(c.least) || m.P01 != s(c.p01) || m.P50 != s(c.p50) {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestTell(t *testing.T) {
	gas := func(n uint64) []tally.Gas {
		return []tally.Gas{{ChainID: 10, Mined: 4, Reverted: 1, Cost: *uint256.NewInt(n)}}
	}
	today := tally.Period{From: midnight, To: day, Swaps: tally.Counts{Created: 5, Completed: 3, Cancelled: 1, Lost: tally.Numbers{tally.PaidTwice: 2},
		Volume: of(usdc, 4_125_000_000), Gas: gas(100)}, Runs: tally.Runs{Done: 7, Errors: tally.Numbers{"timeout": 3}}}
	before := tally.Period{Swaps: tally.Counts{Created: 4, Gas: gas(90)}}
	hour := tally.Period{From: midnight.Add(13 * time.Hour), Swaps: tally.Counts{Created: 5}}
	got := tell(today, []tally.Period{{From: midnight}, hour}, before, midnight, prices(file))
	ninety := *uint256.NewInt(90)
	want := report.Tallied{
		Swaps: report.Swaps{Counts: report.Counts{Created: 5, Completed: 3, Cancelled: 1, Lost: 2}, Before: &report.Counts{Created: 4},
			Hours:  []report.Hour{{Hour: 13, Counts: report.Counts{Created: 5}}},
			Volume: []report.Volume{{Chain: "optimism", Token: report.Amount{Raw: *uint256.NewInt(4_125_000_000), Decimals: 6, Symbol: "USDC"}, Value: *uint256.NewInt(4125 * 3e14)}},
			Errors: []report.ErrorClass{{Class: "timeout", N: 3}}},
		Margins: report.Margins{Objective: objective, Target: target},
		Gas:     []report.Gas{{Chain: "optimism", Transactions: 4, Reverted: 1, Spent: report.Wei(*uint256.NewInt(100)), Before: &ninety}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := tell(today, nil, tally.Period{}, midnight, prices(file)); got.Swaps.Before != nil || got.Gas[0].Before != nil {
		t.Error("a day before that nobody counted is told of")
	}
	l := lost(tally.Event{At: at(time.Hour), ChainID: 10, Order: order(1), Reason: tally.PaidTwice, Amounts: of(usdc, 5_000_000)}, prices(file))
	if l.Amount.String() != "5 USDC" || l.Chain != "optimism" || l.What != tally.PaidTwice {
		t.Errorf("%+v", l)
	}
}
