package daily

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/report"
)

type history map[uint64][]balance.Snapshot

var errNoHistory = errors.New("no history")

func (h history) Snapshots(_ context.Context, chain uint64, _, last, now time.Time) ([]balance.Snapshot, error) {
	if !last.Before(now) {
		return nil, errors.New("asked for the next day")
	}
	if s, ok := h[chain]; ok {
		return s, nil
	}
	return nil, errNoHistory
}

func TestBalances(t *testing.T) {
	start := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	signer, taker, token := common.Address{1}, common.Address{2}, common.Address{3}
	five, six, low := *uint256.NewInt(5), *uint256.NewInt(6), *uint256.NewInt(2)
	of := func(a uint256.Int, failed string) []balance.Held {
		return []balance.Held{{Account: signer, Amount: a, Symbol: "ETH", Decimals: 18, Failed: failed}, {Account: taker, Token: token, Symbol: "T", Decimals: 6, Amount: a, Least: low}}
	}
	h := history{10: {
		{ChainID: 10, At: start, Holdings: of(five, "")},
		{ChainID: 10, At: start.Add(time.Hour), Holdings: of(six, "reverts"), Gas: []balance.Gas{{Signer: signer, Payable: 1 << 40, Read: true, Priced: true}}},
	}, 11: nil}
	file := env.Chains{Chains: []env.Chain{{ID: 10, Name: "ten"}, {ID: 11, Name: "eleven"}, {ID: 12, Name: "twelve"}}, Signers: []env.Signer{{Name: "resolver", Address: signer}}}
	got, err := balances(h, file)(t.Context(), start, start.Add(24*time.Hour))
	if !errors.Is(err, errNoHistory) {
		t.Errorf("%v", err)
	}
	want := []report.Balance{
		{Chain: "ten", Account: "resolver", Token: report.Wei(five), Runway: 1<<31 - 1, Points: []report.Point{{At: start, Raw: five}}},
		{Chain: "ten", Account: taker.Hex(), Token: report.Amount{Raw: six, Decimals: 6, Symbol: "T"}, Low: low, Runway: -1,
			Points: []report.Point{{At: start, Raw: five}, {At: start.Add(time.Hour), Raw: six}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

type kept health.State

func (k kept) Load(context.Context, time.Time) (health.State, error) { return health.State(k), nil }

func TestFitness(t *testing.T) {
	start := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	end := start.Add(24 * time.Hour)
	bad := []health.Component{{Name: "endpoint", Status: health.Degraded, Detail: "lags"}}
	for name, c := range map[string]struct {
		state health.State
		want  report.Health
	}{
		"never":      {health.State{}, report.Health{}},
		"before":     {health.State{Settled: health.Healthy, Since: start.Add(-1)}, report.Health{First: "healthy"}},
		"in it":      {health.State{Settled: health.Degraded, Since: start, Latest: health.Report{At: end.Add(-1), Components: bad}}, report.Health{Changes: []report.HealthChange{{At: start, To: "degraded", Why: "endpoint is degraded: lags"}}}},
		"seen since": {health.State{Settled: health.Degraded, Since: start, Latest: health.Report{At: end, Components: bad}}, report.Health{Changes: []report.HealthChange{{At: start, To: "degraded"}}}},
		"after it":   {health.State{Settled: health.Degraded, Since: end}, report.Health{}},
	} {
		got, err := fitness(kept(c.state))(t.Context(), start, end)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}
