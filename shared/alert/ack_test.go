package alert_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

func TestAcknowledgedIsNotRepeated(t *testing.T) {
	w := newWatch(t)
	a := near("o1", 10*time.Minute)
	if sent, err := w.pass(0, a); err != nil || len(sent) != 1 {
		t.Fatalf("%d sent, %v", len(sent), err)
	}
	e, err := alert.Acknowledge(t.Context(), w, a.Key(), " somebody ", "I am\non it", t0.Add(time.Minute))
	if err != nil || e.State != alert.Acknowledged || e.AckedBy != "somebody" || e.AckNote != "I am on it" || !e.AckedAt.Equal(t0.Add(time.Minute)) {
		t.Fatalf("%+v, %v", e, err)
	}
	// The same again changes nothing, and the first stands.
	again, err := alert.Acknowledge(t.Context(), w, a.Key(), "somebody else", "", t0.Add(2*time.Minute))
	if err != nil || again != e {
		t.Errorf("again: %+v, %v", again, err)
	}
	for after := 2 * time.Minute; after < 10*time.Hour; after += 10 * time.Minute {
		if sent, err := w.pass(after, a); err != nil || len(sent) != 0 {
			t.Fatalf("after %s: %d sent, %v", after, len(sent), err)
		}
	}
	if open, err := w.Open(t.Context(), t0.Add(10*time.Hour)); err != nil || len(open) != 1 || open[0].State != alert.Acknowledged {
		t.Errorf("open: %+v, %v", open, err)
	}
	a.Level = 5 * time.Minute
	sent, err := w.pass(10*time.Hour, a)
	if err != nil || len(sent) != 1 || sent[0].Subject != "WARNING, ESCALATED: deadline-near on chain 10, less than 5 min left" {
		t.Errorf("tighter: %+v, %v", sent, err)
	}
	if open, err := w.Open(t.Context(), t0.Add(10*time.Hour)); err != nil || len(open) != 1 || open[0].AckedBy != "" || !open[0].AckedAt.IsZero() {
		t.Errorf("who acknowledged the former level is still named: %+v, %v", open, err)
	}
	if _, err = alert.Acknowledge(t.Context(), w, a.Key(), "somebody", "", t0.Add(10*time.Hour)); err != nil {
		t.Fatal(err)
	}
	d := w.desk()
	if err := errors.Join(d.Resolve(t.Context(), a.Key(), "withdrawn, final", t0.Add(11*time.Hour)), d.Flush(t.Context(), t0.Add(11*time.Hour))); err != nil {
		t.Fatal(err)
	}
	if all := w.Sent(); len(all) != 3 || all[2].Subject != "RESOLVED: deadline-near on chain 10" {
		t.Errorf("sent %q", subjects(all))
	}
}

func TestWhatCannotBeAcknowledged(t *testing.T) {
	w := newWatch(t)
	a, late := near("o1", time.Minute), alert.Alert{Kind: alert.ActionOverdue, Chain: 10, Order: "late"}
	if _, err := w.pass(0, a, late); err != nil {
		t.Fatal(err)
	}
	if _, err := alert.Acknowledge(t.Context(), w, a.Key(), " ", "x", t0); err == nil || errors.Is(err, alert.ErrNotOpen) || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("by nobody: %v", err)
	}
	d := w.desk()
	if err := d.Resolve(t.Context(), a.Key(), "proof", t0); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"resolved": a.Key(), "never raised": near("other", 0).Key(), "suspected": late.Key(), "no key": ""} {
		if _, err := alert.Acknowledge(t.Context(), w, key, "somebody", "", t0); !errors.Is(err, alert.ErrNotOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := near("o2", time.Minute)
	if _, err := w.pass(0, b); err != nil {
		t.Fatal(err)
	}
	if _, err := alert.Acknowledge(t.Context(), w, b.Key(), "somebody", "", t0.Add(40*24*time.Hour)); !errors.Is(err, alert.ErrNotOpen) {
		t.Errorf("expired: %v", err)
	}
}

// Whether the answer of one write is lost or it was refused: the call can be
// made again, and the alert is acknowledged once.
func TestAcknowledgeSurvivesAFailure(t *testing.T) {
	for _, op := range []string{"load", "save"} {
		for _, fault := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
			w, n := newWatch(t), 0
			a := near("o1", time.Minute)
			if _, err := w.pass(0, a); err != nil {
				t.Fatal(err)
			}
			w.Fail(func(called string) faulttest.Fault {
				if called == op {
					if n++; n == 1 {
						return fault
					}
				}
				return faulttest.OK
			})
			if _, err := alert.Acknowledge(t.Context(), w, a.Key(), "somebody", "", t0.Add(time.Second)); !errors.Is(err, faulttest.ErrInjected) {
				t.Errorf("%s %d: %v", op, fault, err)
			}
			if e, err := alert.Acknowledge(t.Context(), w, a.Key(), "somebody", "", t0.Add(2*time.Second)); err != nil || e.State != alert.Acknowledged {
				t.Errorf("%s %d, again: %+v, %v", op, fault, e, err)
			}
		}
	}
}

// A person who knows needs no message; and a raise and an acknowledgement at the
// same time lose neither.
func TestAcknowledgeWithdrawsWhatWaits(t *testing.T) {
	w := newWatch(t)
	a := near("o1", 10*time.Minute)
	if err := w.desk().Raise(t.Context(), a, t0); err != nil { // and the pass dies
		t.Fatal(err)
	}
	if _, err := alert.Acknowledge(t.Context(), w, a.Key(), "somebody", "", t0); err != nil {
		t.Fatal(err)
	}
	if sent, err := w.pass(time.Minute); err != nil || len(sent) != 0 {
		t.Errorf("sent %q, %v", subjects(sent), err)
	}
	a.Level = time.Minute
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := alert.Acknowledge(t.Context(), w, a.Key(), "somebody", "", t0.Add(time.Minute)); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if _, _, err := alert.Raise(t.Context(), w, a, t0.Add(time.Minute)); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	e, err := w.Load(t.Context(), a.Key())
	if err != nil || e.Level != time.Minute || e.State != alert.Escalated && e.State != alert.Acknowledged {
		t.Errorf("%+v, %v", e, err)
	}
}
