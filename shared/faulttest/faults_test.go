package faulttest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

func TestFaults(t *testing.T) {
	refusal := errors.New("refused by the store")
	for _, c := range []struct {
		fault              faulttest.Fault
		applies, ends, own bool // ends: with an injected failure; own: with the call's own
	}{
		{faulttest.OK, true, false, true},
		{faulttest.Refused, false, true, false},
		{faulttest.Lost, true, true, false}, // nobody hears of the refusal
	} {
		for _, result := range []error{nil, refusal} {
			var f faulttest.Faults
			f.FailAbout(func(op, about string) faulttest.Fault {
				if op != "save" || about != "x" {
					t.Errorf("asked of %s about %q", op, about)
				}
				return c.fault
			})
			applied := false
			err := f.DoAbout(t.Context(), "save", "x", func() error { applied = true; return result })
			if applied != c.applies || errors.Is(err, faulttest.ErrInjected) != c.ends || errors.Is(err, refusal) != (c.own && result != nil) {
				t.Errorf("fault %d of what answers %v: applied %t, %v", c.fault, result, applied, err)
			}
		}
	}
}

func TestCallsAreCounted(t *testing.T) {
	var f faulttest.Faults
	f.Fail(func(op string) faulttest.Fault {
		if op == "load" {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	nothing := func() error { return nil }
	for _, op := range []string{"load", "save", "load"} {
		if err := f.Do(t.Context(), op, nothing); errors.Is(err, faulttest.ErrInjected) != (op == "load") {
			t.Errorf("%s: %v", op, err)
		}
	}
	if err := f.Do(ended, "save", func() error { t.Error("applied"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	if f.Calls("load") != 2 || f.Calls("save") != 1 || !slices.Equal(f.Log(), []string{"load", "save", "load"}) {
		t.Errorf("calls %q", f.Log())
	}
	f.Fail(nil)
	if err := f.Do(t.Context(), "load", nothing); err != nil {
		t.Errorf("without a plan: %v", err)
	}
}
