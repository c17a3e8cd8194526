package chains

import (
	"errors"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/control/controltest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

func TestHeldBack(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	act := func(side swap.Side, call swap.Call) swap.Action {
		return swap.Action{ChainID: 10, Side: side, Call: call}
	}
	for _, c := range []struct {
		name       string
		a          swap.Action
		held, even bool // even: though claims are to stop too
	}{
		{"claim", act(swap.Src, swap.Withdraw), false, true},
		{"public claim", act(swap.Src, swap.PublicWithdraw), false, true},
		{"paying the maker", act(swap.Dst, swap.Withdraw), true, true},
		{"dst cancel", act(swap.Dst, swap.Cancel), true, true},
		{"src cancel", act(swap.Src, swap.Cancel), true, true},
		{"src rescue", act(swap.Src, swap.RescueFunds), true, true},
	} {
		p := control.Pause{From: t0, Until: t0.Add(time.Hour)}
		for _, claims := range []bool{false, true} {
			want := c.held
			if p.Claims = claims; claims {
				want = c.even
			}
			s := control.State{Pauses: []control.Pause{p}}
			if got := heldBack(s, c.a, t0); got != want {
				t.Errorf("%s, claims stop %t: held back %t", c.name, p.Claims, got)
			}
			if heldBack(s, c.a, t0.Add(time.Hour)) {
				t.Errorf("%s: held back after the end", c.name)
			}
		}
	}
}

// All accounts of a run go by one reading; its error is told once.
func TestPausesAreReadOnceInARun(t *testing.T) {
	m, reads, fail := controltest.NewMemory(), 0, false
	m.Fail(func(op string) controltest.Fault {
		if reads++; fail {
			return controltest.Refused
		}
		return controltest.OK
	})
	var p pauses
	from := control.NewReader(m)
	for i, run := range []*job.Run{{Token: "a"}, {Token: "a"}, {Token: "b"}} {
		if _, err := p.of(t.Context(), run, from); err != nil || reads != []int{1, 1, 2}[i] {
			t.Errorf("%d: %d reads, %v", i, reads, err)
		}
	}
	fail = true
	for i := range 2 {
		if _, err := p.of(t.Context(), &job.Run{Token: "c"}, from); errors.Is(err, controltest.ErrInjected) != (i == 0) || reads != 3 {
			t.Errorf("%d: %d reads, %v", i, reads, err)
		}
	}
}
