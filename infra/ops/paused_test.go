package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/guard"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// A job that raises no alerts of its own tells people of its pause, which its role has to allow, and of its end.
func TestAPausedJobTellsOfIt(t *testing.T) {
	r := newRig(t)
	told := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Alerts(ctx, func(a stack.Alert) { told <- a.Subject + "\n" + a.Message }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	hear := func(want string) {
		t.Helper()
		select {
		case got := <-told:
			if !strings.Contains(got, want) {
				t.Errorf("told %q, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("nobody was told: %q", want)
		}
	}
	for _, name := range []string{job.StatePersistence, job.OrderCleanup} {
		scope := control.Scope{Job: name}
		if _, err := control.Set(t.Context(), r.store.Control(), control.Pause{Scope: scope, By: "anna", Why: "a look at it"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		r.must(name)
		hear("anna has paused job " + name)
		if _, err := control.Lift(t.Context(), r.store.Control(), scope); err != nil {
			t.Fatal(err)
		}
		r.must(name)
		hear("the pause ended")
		if !slices.Contains(r.Guard.Used(), guard.Use{Function: name, Action: "sns:Publish", Resource: "Alerts"}) {
			t.Errorf("%s published nothing itself", name)
		}
	}
}
