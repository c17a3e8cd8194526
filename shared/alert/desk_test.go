package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// watch is one store and publisher with passes over it, each with a desk of its own.
type watch struct {
	*alerttest.Memory
	t   *testing.T
	log bytes.Buffer
}

func newWatch(t *testing.T) *watch { return &watch{Memory: alerttest.NewMemory(), t: t} }

func (w *watch) desk() *alert.Desk {
	return alert.NewDesk(w, w, slog.New(slog.NewJSONHandler(&w.log, nil)))
}

// pass raises the alerts and flushes, and returns what was published meanwhile.
func (w *watch) pass(after time.Duration, alerts ...alert.Alert) (sent []alert.Message, err error) {
	before := len(w.Sent())
	d, now := w.desk(), t0.Add(after)
	var errs []error
	for _, a := range alerts {
		errs = append(errs, d.Raise(w.t.Context(), a, now))
	}
	errs = append(errs, d.Flush(w.t.Context(), now))
	return w.Sent()[before:], errors.Join(errs...)
}

// counted counts the calls of an operation. None fails.
func (w *watch) counted(op string) *int {
	n := new(int)
	w.Fail(func(called string) faulttest.Fault {
		if called == op {
			*n++
		}
		return faulttest.OK
	})
	return n
}

// What was resolved by a clock that is a day ahead is announced today, and not taken from a pass that is about to.
func TestResolvedByAClockThatIsAhead(t *testing.T) {
	for ahead, want := range map[time.Duration]int{24 * time.Hour: 1, time.Second: 0} {
		w := newWatch(t)
		a := alert.Alert{Kind: alert.ChainBehind, Chain: 10}
		if _, err := w.pass(0, a); err != nil {
			t.Fatal(err)
		}
		if _, was, err := alert.Resolve(t.Context(), w, a.Key(), "anna: seen", t0.Add(time.Minute+ahead)); err != nil || !was {
			t.Fatal(was, err)
		}
		sent, err := w.pass(time.Minute)
		if err != nil || len(sent) != want {
			t.Errorf("ahead by %s: sent %q, %v", ahead, subjects(sent), err)
		}
	}
}

func subjects(sent []alert.Message) (out []string) {
	for _, m := range sent {
		out = append(out, m.Subject)
	}
	return out
}

// crossed lets one call fail, each in turn, applied or not, in three passes that raise something: it reaches
// the publisher, and a failure is returned.
func crossed(t *testing.T, raised func(pass int) []alert.Alert) {
	t.Helper()
	for _, op := range []string{"load", "save", "pending", "book", "publish"} {
		for _, fault := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
			for nth := 1; nth <= 5; nth++ {
				w, n, hit := newWatch(t), 0, false
				w.Fail(func(called string) faulttest.Fault {
					if called == op {
						if n++; n == nth {
							hit = true
							return fault
						}
					}
					return faulttest.OK
				})
				var errs []error
				for pass := range 3 {
					_, err := w.pass(time.Duration(pass)*20*time.Second, raised(pass)...)
					errs = append(errs, err)
				}
				sent, err := len(w.Sent()), errors.Join(errs...)
				if sent == 0 {
					t.Errorf("%s %d fault %d: never sent", op, nth, fault)
				}
				if hit != (err != nil) {
					t.Errorf("%s %d fault %d: failed %v, told %v", op, nth, fault, hit, err)
				}
				if !hit && sent != 1 {
					t.Errorf("%s is not called %d times, and %d were sent", op, nth, sent)
				}
			}
		}
	}
}

func near(order string, level time.Duration) alert.Alert {
	return alert.Alert{Kind: alert.DeadlineNear, Chain: 10, Order: order, Escrow: "0xe5c", Level: level,
		What: "The destination leg is not withdrawn.", AtStake: "1250.5 USDC", UntilWhen: "12:05:00 UTC (DstCancellation)"}
}

// What is no more than good to know is logged and listed, once; nobody is sent a message of it, nor of its end,
// unless it has become worse meanwhile.
func TestGoodToKnow(t *testing.T) {
	for worse, want := range map[bool][]string{
		false: nil,
		true:  {"WARNING: deadline-near on chain 10, less than 5 min left", "RESOLVED: deadline-near on chain 10"},
	} {
		w, a := newWatch(t), near("o1", 5*time.Minute)
		a.Severity = alert.Info
		pass := func(after time.Duration, a alert.Alert) {
			t.Helper()
			if _, err := w.pass(after, a); err != nil {
				t.Fatal(err)
			}
		}
		pass(0, a)
		if worse {
			pass(20*time.Second, near("o1", 5*time.Minute))
		}
		a.Level = time.Minute
		pass(time.Minute, a)
		pass(2*alert.QuietTime-time.Minute, a)
		if open, err := w.Open(t.Context(), t0); err != nil || len(open) != 1 {
			t.Errorf("open %v, %v", open, err)
		}
		if n, _, err := w.Undelivered(t.Context()); err != nil || n != 0 && !worse {
			t.Errorf("%d undelivered, %v", n, err)
		}
		d := w.desk()
		if err := errors.Join(d.Resolve(t.Context(), a.Key(), "cancelled in 0xabc, final", t0.Add(time.Hour)), d.Flush(t.Context(), t0.Add(time.Hour))); err != nil || d.Waiting() != 0 {
			t.Errorf("%v, %d waiting", err, d.Waiting())
		}
		if got := subjects(w.Sent()); !slices.Equal(got, want) {
			t.Errorf("worse %t: sent %q, want %q", worse, got, want)
		}
		lines := map[bool]int{false: 2, true: 3}[worse] // opened, worse, over
		if got := strings.Count(w.log.String(), `"msg":"alert"`); got != lines {
			t.Errorf("worse %t: %d lines, want %d", worse, got, lines)
		}
	}
}

func TestACrowdThatIsGoodToKnow(t *testing.T) {
	w := newWatch(t)
	for _, after := range []time.Duration{0, time.Minute, 2 * alert.QuietTime} {
		if sent, err := w.pass(after, alert.Alert{Kind: alert.Worthless, Chain: 10, Order: fmt.Sprint("o", after)}); err != nil || len(sent) != 0 {
			t.Errorf("after %s: sent %q, %v", after, subjects(sent), err)
		}
	}
	if open, err := w.Open(t.Context(), t0); err != nil || len(open) != 1 || open[0].Count != 3 {
		t.Errorf("open %+v, %v", open, err)
	}
	if n, _, err := w.Undelivered(t.Context()); err != nil || n != 0 {
		t.Errorf("%d undelivered, %v", n, err)
	}
}

func TestMessageForAPerson(t *testing.T) {
	w := newWatch(t)
	sent, err := w.pass(0, near("o1", 5*time.Minute))
	if err != nil || len(sent) != 1 {
		t.Fatalf("%d sent, %v", len(sent), err)
	}
	info := alert.Kinds[alert.DeadlineNear]
	want := alert.Message{Kind: alert.DeadlineNear, Severity: alert.Warning, Chain: 10,
		Subject: "WARNING: deadline-near on chain 10, less than 5 min left",
		Body: info.Meaning + "\nWhat to do: " + info.WhatToDo + "\n\nWhere: order o1, escrow 0xe5c\nWhat: The destination leg is not withdrawn.\n" +
			"At stake: 1250.5 USDC\nUntil: 12:05:00 UTC (DstCancellation)\nKey: deadline-near|10|o1|0xe5c|\n"}
	if sent[0] != want {
		t.Errorf("got  %+v\nwant %+v", sent[0], want)
	}
	var line map[string]any
	if err := json.Unmarshal(w.log.Bytes(), &line); err != nil {
		t.Fatalf("log %q: %v", w.log.String(), err)
	}
	for k, v := range map[string]any{"msg": "alert", "level": "WARN", "kind": "deadline-near", "state": "open", "chain": 10.0, "order": "o1", "left_s": 300.0} {
		if line[k] != v {
			t.Errorf("log line: %s = %v, want %v", k, line[k], v)
		}
	}
}

func TestDedupRepetitionAndEscalation(t *testing.T) {
	w := newWatch(t)
	steps := []struct {
		name    string
		after   time.Duration
		level   time.Duration
		subject string // empty: nothing is sent
	}{
		{"first", 0, 10 * time.Minute, "WARNING: deadline-near on chain 10, less than 10 min left"},
		{"ten seconds later", 10 * time.Second, 10 * time.Minute, ""},
		{"tighter", 20 * time.Second, 5 * time.Minute, "WARNING, ESCALATED: deadline-near on chain 10, less than 5 min left"},
		{"the same", 30 * time.Second, 5 * time.Minute, ""},
		{"tightest", 40 * time.Second, time.Minute, "WARNING, ESCALATED: deadline-near on chain 10, less than 1 min left"},
		{"it lasts", 40*time.Second + alert.QuietTime, time.Minute, "WARNING, ESCALATED: deadline-near on chain 10, less than 1 min left"},
	}
	for _, step := range steps {
		sent, err := w.pass(step.after, near("o1", step.level))
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		switch {
		case step.subject == "" && len(sent) > 0:
			t.Errorf("%s: sent %q", step.name, sent[0].Subject)
		case step.subject != "" && (len(sent) != 1 || sent[0].Subject != step.subject):
			t.Errorf("%s: sent %+v, want %q", step.name, sent, step.subject)
		}
		if step.name == "it lasts" && !strings.Contains(sent[0].Body, "Announced 3 times before, since 2026-03-01T12:00:00Z.") {
			t.Errorf("body %q", sent[0].Body)
		}
	}
}

func TestOneMessageForEachKindChainAndLevel(t *testing.T) {
	w := newWatch(t)
	var alerts []alert.Alert
	for i := range 30 {
		alerts = append(alerts, near(fmt.Sprintf("order-%02d", i), 10*time.Minute))
	}
	other := near("other", 10*time.Minute)
	other.Chain = 8453
	alerts = append(alerts, near("urgent", time.Minute), other, alert.Alert{Kind: alert.FundsGone, Chain: 10, Order: "late"}, alerts[0], alerts[1])
	sent, err := w.pass(0, alerts...)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"CRITICAL: funds-gone on chain 10",
		"WARNING: deadline-near on chain 10, less than 1 min left",
		"WARNING: deadline-near on chain 10, less than 10 min left (30)",
		"WARNING: deadline-near on chain 8453, less than 10 min left",
	}
	if got := subjects(sent); !slices.Equal(got, want) {
		t.Fatalf("subjects %q\nwant %q", got, want)
	}
	for i := range 30 {
		if !strings.Contains(sent[2].Body, fmt.Sprintf("order order-%02d,", i)) {
			t.Errorf("order-%02d is not listed", i)
		}
	}
}

// A bad day costs a bounded number of writes and one message; criticals are never folded.
func TestManyAlikeAreBounded(t *testing.T) {
	w := newWatch(t)
	saves := w.counted("save")
	many := func(kind alert.Kind) (alerts []alert.Alert) {
		for i := range 3000 {
			alerts = append(alerts, alert.Alert{Kind: kind, Chain: 10, Escrow: fmt.Sprintf("0x%040x", i)})
		}
		return alerts
	}
	sent, err := w.pass(0, many(alert.NegativeGap)...)
	if err != nil || len(sent) != 1 || sent[0].Subject != "WARNING: negative-safety-gap on chain 10 (101)" || !strings.Contains(sent[0].Body, "2900 more like these") {
		t.Fatalf("sent %d, %v", len(sent), err)
	}
	if *saves != 202 { // each raised and noted as delivered
		t.Errorf("%d saves", *saves)
	}
	*saves = 0
	if sent, err = w.pass(time.Minute, many(alert.NegativeGap)...); err != nil || len(sent) != 0 || *saves != 0 {
		t.Errorf("the same again: sent %+v, %v, %d saves", sent, err, *saves)
	}
	if sent, err = w.pass(0, many(alert.FundsGone)...); err != nil || len(sent) != 1 || !strings.HasSuffix(sent[0].Subject, "(3000)") {
		t.Errorf("criticals: sent %d, %v", len(sent), err)
	}
}

func TestResolveOnProof(t *testing.T) {
	w := newWatch(t)
	a := near("o1", time.Minute)
	if _, err := w.pass(0, a); err != nil {
		t.Fatal(err)
	}
	d := w.desk()
	if err := d.Resolve(t.Context(), a.Key(), "", t0); err == nil {
		t.Error("resolved without a proof")
	}
	for range 2 { // the second one finds nothing to do
		if err := d.Resolve(t.Context(), a.Key(), "withdrawn in 0xabc, final", t0.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Resolve(t.Context(), near("never raised", 0).Key(), "x", t0); err != nil {
		t.Errorf("resolving what is not open: %v", err)
	}
	if err := d.Flush(t.Context(), t0.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	sent := w.Sent()
	if len(sent) != 2 || sent[1].Subject != "RESOLVED: deadline-near on chain 10" || !strings.Contains(sent[1].Body, "Proof: withdrawn in 0xabc, final") ||
		strings.Contains(sent[1].Body, "What to do") {
		t.Errorf("sent %+v", sent)
	}
	if again, err := w.pass(2*time.Minute, a); err != nil || len(again) != 1 || !strings.HasPrefix(again[0].Subject, "WARNING:") {
		t.Errorf("raised again within the quiet time of the resolved one: %+v, %v", again, err)
	}
}

func TestDeliveryFailureIsVisibleAndRetried(t *testing.T) {
	w := newWatch(t)
	n := 0
	w.Fail(func(op string) faulttest.Fault {
		if op == "publish" {
			if n++; n == 1 {
				return faulttest.Refused
			}
		}
		return faulttest.OK
	})
	critical := alert.Alert{Kind: alert.FundsGone, Chain: 10, Order: "late"}
	sent, err := w.pass(0, critical, near("o1", time.Minute))
	if !errors.Is(err, faulttest.ErrInjected) || !strings.Contains(err.Error(), "funds-gone") {
		t.Errorf("error %v, want one that names the alert", err)
	}
	if len(sent) != 1 || sent[0].Kind != alert.DeadlineNear {
		t.Errorf("sent %+v: the rest is tried although the first failed", sent)
	}
	if sent, err = w.pass(10*time.Second, critical); err != nil || len(sent) != 0 {
		t.Errorf("too early for the outbox: sent %+v, %v", sent, err)
	}
	if sent, err = w.pass(15 * time.Second); err != nil || len(sent) != 1 || sent[0].Subject != "CRITICAL: funds-gone on chain 10" {
		t.Errorf("next pass: sent %+v, %v", sent, err)
	}
	if sent, err = w.pass(time.Minute); err != nil || len(sent) != 0 {
		t.Errorf("afterwards: sent %+v, %v", sent, err)
	}
}

// Whatever single call fails, applied or not: the alert reaches the publisher at the latest with the
// passes that follow, and a failure is returned.
func TestNoSingleFailureLosesAnAlert(t *testing.T) {
	crossed(t, func(int) []alert.Alert { return []alert.Alert{near("o1", time.Minute)} })
}

// meanwhile publishes after something else has happened.
type meanwhile struct {
	alert.Publisher
	happens func()
}

func (m meanwhile) Publish(ctx context.Context, msg alert.Message) error {
	m.happens()
	return m.Publisher.Publish(ctx, msg)
}

// Another run escalates while this one publishes: the escalation is announced nevertheless.
func TestDeliveryIsNotedOnlyForWhatWasDelivered(t *testing.T) {
	w := newWatch(t)
	other := w.desk()
	d := alert.NewDesk(w, meanwhile{w, func() {
		if err := other.Raise(t.Context(), near("o1", time.Minute), t0); err != nil {
			t.Error(err)
		}
	}}, slog.New(slog.DiscardHandler))
	if err := d.Raise(t.Context(), near("o1", 10*time.Minute), t0); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(t.Context(), t0); err != nil {
		t.Fatal(err)
	}
	// The other run dies before its flush; a later pass finds the escalation in the outbox.
	sent, err := w.pass(20 * time.Second)
	if err != nil || len(sent) != 1 || sent[0].Subject != "WARNING, ESCALATED: deadline-near on chain 10, less than 1 min left" {
		t.Errorf("sent %+v, %v", sent, err)
	}
}

// What has to last is told by the pass that sees it again; where nothing can be
// stored it is told at once.
func TestWhatHasToLastIsToldLater(t *testing.T) {
	late := alert.Alert{Kind: alert.ActionOverdue, Chain: 10, Order: "late"}
	w := newWatch(t)
	for _, step := range []struct {
		after time.Duration
		sent  int
	}{{0, 0}, {20 * time.Second, 0}, {time.Minute, 1}, {90 * time.Second, 0}} {
		sent, err := w.pass(step.after, late)
		if err != nil || len(sent) != step.sent {
			t.Errorf("after %s: sent %+v, %v", step.after, sent, err)
		}
	}
	if sent := w.Sent(); len(sent) != 1 || sent[0].Subject != "CRITICAL: action-overdue on chain 10" || strings.Contains(sent[0].Body, "Announced") {
		t.Errorf("sent %+v", sent)
	}
	w = newWatch(t)
	w.Fail(func(op string) faulttest.Fault {
		if op == "save" {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	if sent, err := w.pass(0, late); !errors.Is(err, faulttest.ErrInjected) || len(sent) != 1 {
		t.Errorf("sent %+v, %v", sent, err)
	}
}

func TestStoreAwayAnnouncesAllTheSame(t *testing.T) {
	w := newWatch(t)
	w.Fail(func(op string) faulttest.Fault {
		if op != "publish" {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	for _, a := range []alert.Alert{near("o1", time.Minute), decoys(0, 1)[0]} {
		sent, err := w.pass(0, a)
		if !errors.Is(err, faulttest.ErrInjected) || len(sent) != 1 {
			t.Errorf("sent %+v, %v; want it sent and the error", sent, err)
		}
	}
}

func TestADeskKeepsWhatNothingElseHolds(t *testing.T) {
	w := newWatch(t)
	w.Fail(func(string) faulttest.Fault { return faulttest.Refused })
	d := w.desk()
	if err := d.Raise(t.Context(), near("o1", time.Minute), t0); err == nil {
		t.Error("no error")
	}
	if err := d.Flush(t.Context(), t0); err == nil || d.Waiting() != 1 {
		t.Errorf("%v, %d waiting", err, d.Waiting())
	}
	w.Fail(nil)
	if err := d.Flush(t.Context(), t0); err != nil || d.Waiting() != 0 || len(w.Sent()) != 1 {
		t.Errorf("%v, %d waiting, %d sent", err, d.Waiting(), len(w.Sent()))
	}
}

func TestUnknownKindIsRefusedAndLogged(t *testing.T) {
	w := newWatch(t)
	if _, err := w.pass(0, alert.Alert{Kind: "fire", Chain: 10}); err == nil {
		t.Error("no error")
	}
	if !strings.Contains(w.log.String(), `"level":"ERROR"`) || !strings.Contains(w.log.String(), "fire") {
		t.Errorf("log %q", w.log.String())
	}
}

// Two functions see the same thing in the same second: one message.
func TestConcurrentPassesAnnounceOnce(t *testing.T) {
	m := alerttest.NewMemory()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			d := alert.NewDesk(m, m, slog.New(slog.DiscardHandler))
			for i := range 5 {
				if err := d.Raise(t.Context(), near(fmt.Sprint(i), time.Minute), t0); err != nil {
					t.Error(err)
				}
			}
			if err := d.Flush(t.Context(), t0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 5 {
		found := 0
		for _, msg := range m.Sent() {
			found += strings.Count(msg.Body, fmt.Sprintf("order %d,", i))
		}
		if found != 1 {
			t.Errorf("order %d was announced %d times", i, found)
		}
	}
}
