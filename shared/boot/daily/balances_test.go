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
		return []balance.Held{{Account: signer, Amount: a, Symbol: "ETH", Decimals: 18, Failed: failed}, {Account: taker, Token: token, Symbol: "T", Decimals: 6, Amount: a, Least: low, Level: balance.Low}}
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
		{Chain: "ten", Account: "resolver", Token: report.Wei(five), Unread: true, Runway: 1<<31 - 1, Points: []report.Point{{At: start, Raw: five}}},
		{Chain: "ten", Account: taker.Hex(), Token: report.Amount{Raw: six, Decimals: 6, Symbol: "T"}, Low: low, Short: true, Runway: -1,
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
	change := func(at time.Time, to health.Status, why string) health.Change {
		return health.Change{At: at, To: to, Why: why}
	}
	for name, c := range map[string]struct {
		changes []health.Change
		want    report.Health
	}{
		"never":    {nil, report.Health{}},
		"before":   {[]health.Change{change(start.Add(-2), health.Degraded, "x"), change(start.Add(-1), health.Healthy, "")}, report.Health{First: "healthy"}},
		"after it": {[]health.Change{change(end, health.Degraded, "x")}, report.Health{}},
		"in it, before and after": {[]health.Change{change(start.Add(-1), health.Unhealthy, "y"), change(start, health.Degraded, "x"), change(end.Add(-1), health.Healthy, ""), change(end, health.Unhealthy, "z")},
			report.Health{First: "unhealthy", Changes: []report.HealthChange{{At: start, To: "degraded", Why: "x"}, {At: end.Add(-1), To: "healthy"}}}},
	} {
		got, err := fitness(kept{Changes: c.changes})(t.Context(), start, end)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}
