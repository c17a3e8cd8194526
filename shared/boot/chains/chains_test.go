package chains

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// onDuty are parts in the middle of a scheduled run, and what people get to see.
func onDuty() (*Parts, *alerttest.Memory) {
	m := alerttest.NewMemory()
	p := &Parts{Base: &boot.Base{Log: slog.New(slog.DiscardHandler)}}
	p.desk.Store(alert.NewDesk(m, m, p.Log))
	return p, m
}

func subjects(m *alerttest.Memory) string {
	var out []string
	for _, s := range m.Sent() {
		out = append(out, s.Subject)
	}
	return strings.Join(out, "; ")
}

// A chain that is behind is one alert, whatever is wrong with it and however
// much hangs on it; when it is followed again the alert is taken back, once.
func TestAChainBehindIsOneAlertThatEnds(t *testing.T) {
	p, m := onDuty()
	for _, f := range []swap.Finding{
		{Code: swap.ChainBehind, Severity: swap.Warning, ChainID: 10, Detail: "its logs are not read"},
		{Code: swap.ChainBehind, Severity: swap.Warning, ChainID: 10, Detail: "its head is old"},
		{Code: swap.ChainBehind, Severity: swap.Critical, ChainID: 10, Detail: "orders near a deadline wait for it", AtRisk: *uint256.NewInt(7)},
	} {
		if err := p.Report(t.Context(), []swap.Finding{f}); err != nil {
			t.Fatal(err)
		}
	}
	for _, chain := range []uint64{8453, 10, 10} {
		if err := p.over(t.Context(), swap.ChainBehind, chain, "head 12, logs read to 12, final to 2"); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.desk.Load().Flush(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := subjects(m); got != "WARNING: chain-behind on chain 10; CRITICAL, ESCALATED: chain-behind on chain 10; RESOLVED: chain-behind on chain 10" {
		t.Errorf("sent %q", got)
	}
	p.desk.Store(nil)
	if err := p.over(t.Context(), swap.ChainBehind, 10, "x"); err == nil {
		t.Error("resolved without a desk")
	}
}

// Two reports of a pass with 150 decoys each are one message that shows one of
// them.
func TestDecoysOfAPassAreOneMessage(t *testing.T) {
	p, m := onDuty()
	for round := range 2 {
		var findings []swap.Finding
		for i := range 150 {
			findings = append(findings, swap.Finding{Code: swap.DecoyDst, Severity: swap.Warning, Order: swap.OrderID{ChainID: 8453, Escrow: common.Address{1}},
				ChainID: 10, Escrow: common.BigToAddress(big.NewInt(int64(1000*round + i + 1))), Detail: "not what the maker expects: token"})
		}
		if err := p.Report(t.Context(), findings); err != nil {
			t.Fatal(err)
		}
	}
	if got := subjects(m); got != "WARNING: decoy-dst on chain 10" {
		t.Fatalf("sent %q", got)
	}
	want := fmt.Sprintf("150 of them, one is escrow %s of order 8453:0x01", common.BigToAddress(big.NewInt(1)))
	if body := m.Sent()[0].Body; !strings.Contains(body, want) {
		t.Errorf("body %s", body)
	}
}

func TestAtStakeIsReadable(t *testing.T) {
	for wei, want := range map[string]string{"0": "0", "1": "0.000000000000000001", "1000000000000000000": "1", "1250000000000000000": "1.25", "999999999999999999": "0.999999999999999999",
		"115792089237316195423570985008687907853269984665640564039457584007913129639935": "115792089237316195423570985008687907853269984665640564039457.584007913129639935"} {
		if got := coins(*uint256.MustFromDecimal(wei)); got != want {
			t.Errorf("%s wei are %s coins, want %s", wei, got, want)
		}
	}
	if a := toAlert(swap.Finding{Code: swap.DeadlineNear, AtRisk: *uint256.NewInt(5e17)}); a.AtStake != "0.5 of the native coin, by the reference prices" {
		t.Errorf("at stake: %s", a.AtStake)
	}
}

// The words by which a chain's failures say what they are, are classes of runs.
func TestEndpointFailuresHaveAClass(t *testing.T) {
	client, err := chain.New([]chain.Config{{ID: 1, Endpoints: []chain.Endpoint{{Name: "nobody", URL: "http://127.0.0.1:1"}}, Timeout: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // no time for another round
	defer cancel()
	_, _, err = client.Head(ctx, 1)
	if got := job.ClassOf(err); got != job.ClassRPC {
		t.Errorf("%v: class %q", err, got)
	}
	if u := job.RPC(client.Usage()); u.Calls == 0 || u.Failed != u.Calls {
		t.Errorf("%+v", u)
	}
}
