package alert_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

// What all processes together may send in ten minutes.
const (
	capWindow    = 10 * time.Minute
	capMost      = 20
	capSummaries = 3  // of the criticals, and as many of the others
	capUrgents   = 14 // with no summary
	capOthers    = 7  // of those, short of critical
)

// clocked notes when each message was sent.
type clocked struct {
	alert.Publisher
	now time.Time
	at  func(time.Time, alert.Message)
}

func (c clocked) Publish(ctx context.Context, m alert.Message) error {
	err := c.Publisher.Publish(ctx, m)
	if err == nil {
		c.at(c.now, m)
	}
	return err
}

// many are alerts of n different groups.
func many(n int, s alert.Severity) (alerts []alert.Alert) {
	for i := range n {
		alerts = append(alerts, alert.Alert{Kind: alert.CallReverts, Severity: s, Chain: uint64(i + 1), Order: fmt.Sprintf("order-%03d", i), What: "w"})
	}
	return alerts
}

// A thousand alerts of many kinds over many passes of many processes: never more
// messages than the cap, and in the end each alert was told.
func TestAThousandAlertsAreFewMessages(t *testing.T) {
	var kinds []alert.Kind
	for _, k := range slices.Sorted(maps.Keys(alert.Kinds)) {
		if k != alert.ActionOverdue { // told only when raised twice
			kinds = append(kinds, k)
		}
	}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			w := newWatch(t)
			var mu sync.Mutex
			sent := map[time.Time][]alert.Message{}
			pass := func(now time.Time, alerts ...alert.Alert) {
				t.Helper()
				var wg sync.WaitGroup
				for desk := range 4 {
					d := alert.NewDesk(w, clocked{w, now, func(at time.Time, m alert.Message) {
						mu.Lock()
						defer mu.Unlock()
						sent[at.Truncate(capWindow)] = append(sent[at.Truncate(capWindow)], m)
					}}, slog.New(slog.DiscardHandler))
					wg.Go(func() {
						for i, a := range alerts {
							if (i+desk)%2 == 0 { // each by two of them
								if err := d.Raise(t.Context(), a, now); err != nil {
									t.Error(err)
								}
							}
						}
						if err := d.Flush(t.Context(), now); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
			}
			now, raised := t0, map[string]alert.Alert{}
			for n := 0; n < 1000; {
				var alerts []alert.Alert
				for range min(1000-n, 1+rng.IntN(40)) {
					a := alert.Alert{Kind: kinds[rng.IntN(len(kinds))], Severity: alert.Severity(rng.IntN(4)), Chain: uint64(1 + rng.IntN(4)), Order: fmt.Sprintf("order-%04d", n),
						Level: time.Duration(rng.IntN(3)) * time.Minute}
					alerts, raised[a.Key()] = append(alerts, a), a
					n++
				}
				pass(now, alerts...)
				now = now.Add(time.Duration(5+rng.IntN(60)) * time.Second)
			}
			for range 3000 {
				n, _, err := w.Undelivered(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					break
				}
				pass(now)
				now = now.Add(time.Minute)
			}
			told, whole := map[string]bool{}, 0
			for window, messages := range sent {
				others := 0
				for _, m := range messages {
					if m.Severity < alert.Critical {
						others++
					}
					for word := range strings.FieldsFuncSeq(m.Body, func(r rune) bool { return strings.ContainsRune(" ,;|\n", r) }) {
						told[word] = true
					}
					if strings.Contains(m.Body, "more: see the log lines") {
						told[string(m.Kind)], told[m.Body] = true, true
					}
				}
				if len(messages) > capMost || others > capOthers+capSummaries {
					t.Errorf("%d messages, %d of them short of critical, in the window of %s", len(messages), others, window)
				}
				whole += len(messages)
			}
			for key, a := range raised {
				if crowd := strings.Contains("decoy-dst funds-held parked-dst hostile-log dst-unproven not-worth-its-gas", string(a.Kind)); crowd && a.Severity < alert.Critical {
					continue // told with their number
				}
				if e, err := w.Load(t.Context(), key); err != nil || e.NotifiedAt.IsZero() {
					t.Errorf("%s was never told: %+v, %v", key, e, err)
				}
				if !told[a.Order] && !told[string(a.Kind)] {
					t.Errorf("%s is in no message", key)
				}
			}
			t.Logf("1000 alerts in %d messages, all told after %s", whole, now.Sub(t0))
		})
	}
}

func TestACriticalNeverWaitsBehindWarnings(t *testing.T) {
	w := newWatch(t)
	sent, err := w.pass(0, many(60, alert.Warning)...)
	if err != nil {
		t.Fatal(err)
	}
	if len(sent) != capOthers+1 || sent[capOthers].Kind != alert.Summary {
		t.Fatalf("sent %q", subjects(sent))
	}
	critical := alert.Alert{Kind: alert.FundsGone, Chain: 10, Order: "late"}
	if sent, err = w.pass(time.Second, append(many(60, alert.Info), critical)...); err != nil || len(sent) != 1 || sent[0].Subject != "CRITICAL: funds-gone on chain 10" {
		t.Errorf("sent %q, %v", subjects(sent), err)
	}
	// Left over by a pass that died, it comes before what has waited longer.
	other := critical
	other.Order = "later"
	if err := w.desk().Raise(t.Context(), other, t0.Add(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	if sent, err = w.pass(30 * time.Second); err != nil || len(sent) != 1 || !strings.Contains(sent[0].Body, "order later") {
		t.Errorf("sent %q, %v", subjects(sent), err)
	}
}

// What finds no room is told by a summary, which is its announcement; what has no
// room there either comes with the next.
func TestTheSummary(t *testing.T) {
	w := newWatch(t)
	const all = 150
	alerts := many(all, alert.Critical)
	for i := range alerts {
		alerts[i].AtStake, alerts[i].UntilWhen, alerts[i].What = "12 USDC", "12:05", strings.Repeat("x", 200)
	}
	sent, err := w.pass(0, alerts...)
	if err != nil || len(sent) != capUrgents+1 {
		t.Fatalf("%d sent, %v", len(sent), err)
	}
	s := sent[capUrgents]
	if s.Kind != alert.Summary || s.Severity != alert.Critical || s.Subject != "CRITICAL: 136 more alerts: call-reverts" || len(s.Body) > 25_000 {
		t.Errorf("%s, %d bytes", s.Subject, len(s.Body))
	}
	for _, want := range []string{"\nCRITICAL: call-reverts on chain 19 (1)\n", "\n- order order-018; at stake 12 USDC; until 12:05; xxx", "which follow within 3m20s", " call-reverts\n"} {
		if !strings.Contains(s.Body, want) {
			t.Errorf("the summary lacks %q:\n%s", want, s.Body)
		}
	}
	if n := strings.Count(s.Body, "What to do: "); n != 1 {
		t.Errorf("what to do is said %d times", n)
	}
	listed := strings.Count(s.Body, "\n- ")
	n, oldest, err := w.Undelivered(t.Context())
	if err != nil || n != all-capUrgents-listed || !strings.Contains(s.Body, fmt.Sprintf("And %d more", n)) || !oldest.Equal(t0) || n == 0 {
		t.Errorf("%d listed, %d undelivered since %s, %v", listed, n, oldest, err)
	}
	next := capWindow / capSummaries
	if sent, err = w.pass(next - 20*time.Second); err != nil || len(sent) != 0 {
		t.Errorf("too early: %q, %v", subjects(sent), err)
	}
	if sent, err = w.pass(next); err != nil || len(sent) != 1 || sent[0].Subject != fmt.Sprintf("CRITICAL: %d more alerts: call-reverts", n) {
		t.Errorf("the next: %q, %v", subjects(sent), err)
	}
	if n, _, err = w.Undelivered(t.Context()); err != nil || n != 0 {
		t.Errorf("%d undelivered, %v", n, err)
	}
}

// A flood of one kind leaves room for the others in the summary.
func TestAFloodOfOneKindHidesNoOther(t *testing.T) {
	w := newWatch(t)
	if _, err := w.pass(0, many(capOthers, alert.Warning)...); err != nil {
		t.Fatal(err)
	}
	var alerts []alert.Alert
	for i := range 90 {
		alerts = append(alerts, near(fmt.Sprintf("order-%02d", i), 10*time.Minute))
	}
	alerts = append(alerts, alert.Alert{Kind: alert.EndpointTrouble, Chain: 10, Account: "first stale", What: "endpoint first: its head stands still"})
	sent, err := w.pass(time.Second, alerts...)
	if err != nil || len(sent) != 1 || sent[0].Subject != "WARNING: 91 more alerts: deadline-near, endpoint-trouble" || strings.Count(sent[0].Body, "\n- ") != 7 ||
		!strings.Contains(sent[0].Body, "… and 84 more: see the log lines") || !strings.Contains(sent[0].Body, "- account first stale; endpoint first: its head stands still\n") {
		t.Errorf("%q, %v\n%s", subjects(sent), err, sent[0].Body)
	}
	if n, _, err := w.Undelivered(t.Context()); err != nil || n != 0 {
		t.Errorf("%d undelivered, %v", n, err)
	}
	// With the summary of the time used up and one group alone, it waits for the
	// next, which is then an ordinary message.
	if sent, err = w.pass(time.Minute, alert.Alert{Kind: alert.ChainBehind, Chain: 10}); err != nil || len(sent) != 0 {
		t.Errorf("sent %q, %v", subjects(sent), err)
	}
	if sent, err = w.pass(4 * time.Minute); err != nil || len(sent) != 1 || sent[0].Subject != "WARNING: chain-behind on chain 10" {
		t.Errorf("sent %q, %v", subjects(sent), err)
	}
}

// What is held back counts as waiting, and how long.
func TestWhatIsHeldBackIsVisible(t *testing.T) {
	w := newWatch(t)
	if _, err := w.pass(0, many(200, alert.Warning)...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pass(0, many(500, alert.Warning)[200:]...); err != nil {
		t.Fatal(err)
	}
	d := w.desk()
	for _, a := range many(5, alert.Info)[:3] {
		a.Order = "new"
		if err := d.Raise(t.Context(), a, t0.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(t.Context(), t0.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, _, err := w.Undelivered(t.Context())
	if err != nil || d.Waiting() != n || n < 4 || d.Oldest(t0.Add(2*time.Minute)) != 2*time.Minute {
		t.Errorf("%d waiting for %s; %d undelivered, %v", d.Waiting(), d.Oldest(t0.Add(2*time.Minute)), n, err)
	}
	if idle := w.desk(); idle.Waiting() != 0 || idle.Oldest(t0) != 0 {
		t.Errorf("an idle desk: %d, %s", idle.Waiting(), idle.Oldest(t0))
	}
}

// A topic that is away for a while does not use the places up.
func TestAnOutageOfTheTopicCostsNoPlace(t *testing.T) {
	w, down := newWatch(t), true
	w.Fail(func(op string) faulttest.Fault {
		if op == "publish" && down {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	if _, err := w.pass(0, many(5, alert.Critical)...); !errors.Is(err, faulttest.ErrInjected) {
		t.Fatal(err)
	}
	for after := 20 * time.Second; after < 5*time.Minute; after += 20 * time.Second {
		if _, err := w.pass(after); !errors.Is(err, faulttest.ErrInjected) {
			t.Fatalf("after %s: %v", after, err)
		}
	}
	down = false
	if sent, err := w.pass(5 * time.Minute); err != nil || len(sent) != 5 {
		t.Errorf("sent %q, %v", subjects(sent), err)
	}
}

// Processes that find the same leftovers do not all announce them.
func TestTheOutboxIsTakenUpByOne(t *testing.T) {
	w := newWatch(t)
	for _, a := range many(3, alert.Critical) {
		if err := w.desk().Raise(t.Context(), a, t0); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := alert.NewDesk(w, w, slog.New(slog.DiscardHandler)).Flush(t.Context(), t0.Add(time.Minute)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if sent := w.Sent(); len(sent) != 3 {
		t.Errorf("sent %q", subjects(sent))
	}
}
