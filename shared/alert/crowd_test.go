package alert_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

// decoys are n new ones, the nth of them numbered first.
func decoys(first, n int) (alerts []alert.Alert) {
	for i := range n {
		alerts = append(alerts, alert.Alert{Kind: alert.DecoyDst, Chain: 10, Order: "8453:0xa", Escrow: fmt.Sprintf("0x%040x", first+i),
			What: "not what the maker expects: token"})
	}
	return alerts
}

// The flood of the demonstration: 150 decoys of one order beside three others
// on two chains, and 150 escrows of no order. One alert and one message for each
// kind and chain.
func TestDecoysAreToldTogether(t *testing.T) {
	w := newWatch(t)
	saves := w.counted("save")
	alerts := decoys(0, 152)
	other := decoys(200, 1)[0]
	other.Chain = 8453
	alerts = append(alerts, other)
	for range 150 {
		alerts = append(alerts, alert.Alert{Kind: alert.ParkedDst, Chain: 10, What: "names our taker"})
	}
	sent, err := w.pass(0, alerts...)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"WARNING: decoy-dst on chain 10", "WARNING: decoy-dst on chain 8453", "WARNING: parked-dst on chain 10"}
	if got := subjects(sent); !slices.Equal(got, want) {
		t.Fatalf("sent %q, want %q", got, want)
	}
	for i, what := range []string{
		"What: 152 of them, one is escrow 0x0000000000000000000000000000000000000000 of order 8453:0xa: not what the maker expects: token\n",
		"What: escrow 0x00000000000000000000000000000000000000c8 of order 8453:0xa: not what the maker expects: token\n",
		"What: 150 of them: names our taker\n",
	} {
		if !strings.Contains(sent[i].Body, what) {
			t.Errorf("%s says\n%s\nwant in it %s", want[i], sent[i].Body, what)
		}
	}
	if *saves != 6 { // each raised and noted as delivered
		t.Errorf("%d saves", *saves)
	}
	if n := strings.Count(w.log.String(), `"msg":"alert"`); n != 3 {
		t.Errorf("%d alerts in the log", n)
	}
	// Each by itself can be looked up, within bounds: 100 of each kind and chain.
	if n := strings.Count(w.log.String(), `"msg":"counted"`); n != 201 || !strings.Contains(w.log.String(), decoys(99, 1)[0].Escrow) {
		t.Errorf("%d counted in the log", n)
	}
}

// A decoy every two minutes for three days: a write each time, and a message
// less and less often; then a quiet day, and the next one is news again.
func TestACrowdThatGoesOn(t *testing.T) {
	w := newWatch(t)
	var at []time.Duration
	pass := func(after time.Duration, i int) []alert.Message {
		t.Helper()
		sent, err := w.pass(after, decoys(i, 1)...)
		if err != nil {
			t.Fatal(err)
		}
		return sent
	}
	i := 0
	for after := time.Duration(0); after < 72*time.Hour; after += 2 * time.Minute {
		if sent := pass(after, i); len(sent) > 0 {
			at = append(at, after)
			if n := len(at); n == 2 && !strings.Contains(sent[0].Body, "What: 1 more, 6 since 2026-03-01T12:00:00Z, one is escrow") {
				t.Errorf("second message:\n%s", sent[0].Body)
			}
		}
		i++
	}
	want := []time.Duration{0, 10 * time.Minute, 30 * time.Minute, 70 * time.Minute, 150 * time.Minute, 310 * time.Minute}
	for next := 550 * time.Minute; next < 72*time.Hour; next += 240 * time.Minute {
		want = append(want, next)
	}
	if fmt.Sprint(at) != fmt.Sprint(want) {
		t.Errorf("announced after %v\nwant %v", at, want)
	}
	last := 72*time.Hour - 2*time.Minute
	if sent := pass(last+24*time.Hour, i); len(sent) != 1 || strings.Contains(sent[0].Body, "Announced") || strings.Contains(sent[0].Body, "since") {
		t.Errorf("after a quiet day: %+v", sent)
	}
}

// Criticals of the same kind are told one by one, at once.
func TestACrowdHidesNothingCritical(t *testing.T) {
	w := newWatch(t)
	alerts := decoys(0, 50)
	if _, err := w.pass(0, alerts...); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		alerts[i].Severity = alert.Critical
	}
	sent, err := w.pass(time.Second, alerts...)
	if err != nil || len(sent) != 1 || sent[0].Subject != "CRITICAL: decoy-dst on chain 10 (2)" || !strings.Contains(sent[0].Body, "escrow "+alerts[1].Escrow) {
		t.Errorf("sent %+v, %v", sent, err)
	}
}

// Whatever single call fails, applied or not: the crowd is told.
func TestNoSingleFailureLosesACrowd(t *testing.T) {
	crossed(t, func(pass int) []alert.Alert { return decoys(pass, 5) })
}

// A crowd that grows while its announcement waits for delivery is delivered by
// the next Flush, and once.
func TestACrowdThatGrowsWhileItWaits(t *testing.T) {
	w := newWatch(t)
	d, down := w.desk(), true
	w.Fail(func(op string) faulttest.Fault {
		if op == "publish" && down {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	for i := range 2 {
		if err := d.Raise(t.Context(), decoys(i, 1)[0], t0); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(t.Context(), t0); !errors.Is(err, faulttest.ErrInjected) {
			t.Fatal(err)
		}
	}
	down = false
	if err := d.Flush(t.Context(), t0); err != nil {
		t.Fatal(err)
	}
	if sent, err := w.pass(time.Minute); err != nil || len(sent) != 0 || len(w.Sent()) != 1 {
		t.Errorf("sent %d, and then %+v, %v", len(w.Sent()), sent, err)
	}
}
