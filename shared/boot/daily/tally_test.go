package daily

import (
	"context"
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

func (h hours) Events(_ context.Context, hour tally.Hour) ([]tally.Event, error) { return h[hour], nil }

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

// A day that is not over is told with the step that is under way.
func TestWholeSteps(t *testing.T) {
	for at, want := range map[time.Duration]time.Duration{0: 0, 24 * time.Hour: 24 * time.Hour, time.Second: tally.Step, tally.Step: tally.Step, tally.Step + 1: 2 * tally.Step} {
		if got := stepEnd(midnight.Add(at)); !got.Equal(midnight.Add(want)) {
			t.Errorf("%s after midnight: %s", at, got)
		}
	}
}

func TestMargins(t *testing.T) {
	var c tally.Counts
	for _, s := range []int64{0, 59, 60, 299, 300, 301, 3599, 3600, 100_000} {
		c.SentMargin.Add(s)
	}
	c.Late = 2
	m := margins(c)
	n := map[time.Duration]int{}
	for _, b := range m.Buckets {
		n[b.From] = b.N
	}
	if n[-1] != 2 || n[0] != 2 || n[time.Minute] != 1 || n[24*time.Hour] != 1 || m.Total() != 11 || m.Least >= 0 || m.P01 >= 0 {
		t.Errorf("%+v", m)
	}
	// A cell may lie across an edge: what is in it counts as more, by a part in 32 at most.
	if m.Met < 5 || m.Met > 6 {
		t.Errorf("%d reached the objective", m.Met)
	}
	var none tally.Counts
	if m := margins(none); m.Total() != 0 || m.Least != 0 {
		t.Errorf("%+v", m)
	}
	none.SentMargin.Add(math.MaxInt64)
	if m := margins(none); m.Total() != 1 || m.Met != 1 {
		t.Errorf("%+v", m)
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
