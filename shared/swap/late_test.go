package swap

import (
	"testing"
	"time"

	"github.com/holiman/uint256"
)

// When an action is late, at the edges: one period of the net (10 s) by the
// clock of its own chain, from the latest of window, creation and storing; 15 s
// more while a transaction is under way.
func TestLate(t *testing.T) {
	paid := []step{withDst, final("dst", Withdrawn, 75)} // src.withdraw from 100, hard deadline 300
	owed := []step{withDst, final("src", Withdrawn, 40)} // dst.withdraw from 70
	past := func(w *world) { w.replaceSrc(w.order.Src.Immutables.WithDeployedAt(1)) }
	for _, c := range []struct {
		name     string
		given    []step
		only     Family
		src, dst int64 // heads
		age      time.Duration
		stored   int64 // second; -1: when is not known
		state    WorkState
		want     string // "" : not late
	}{
		{name: "one period after the window's start", given: paid, src: 110, dst: 110, stored: 50, state: WorkPlanned},
		{name: "a second more", given: paid, src: 111, dst: 111, stored: 50, state: WorkPlanned, want: "critical@src"},
		{name: "one period after it was stored", given: paid, src: 160, dst: 160, stored: 150, state: WorkPlanned},
		{name: "a second more than that", given: paid, src: 161, dst: 161, stored: 150, state: WorkPlanned, want: "critical@src"},
		{name: "stored, nobody knows when", given: paid, src: 110, dst: 110, stored: -1, state: WorkPlanned},
		{name: "stored, nobody knows when, a second more", given: paid, src: 111, dst: 111, stored: -1, state: WorkPlanned, want: "critical@src"},
		{name: "one period after the creation of a leg with an early window", given: []step{past}, only: BMNv4, src: 10, dst: 10, stored: -1, state: WorkPlanned},
		{name: "a second more after the creation", given: []step{past}, only: BMNv4, src: 11, dst: 11, stored: -1, state: WorkPlanned, want: "critical@src"},
		{name: "refused by the chain", given: paid, src: 111, dst: 111, stored: 50, state: WorkRefused, want: "critical@src"},
		{name: "found out just now", given: paid, src: 200, dst: 200, state: ""},
		{name: "before the window", given: paid, src: 99, dst: 99, stored: 50, state: WorkPlanned},
		// The other chain's clock does not count, however far it is off.
		{name: "dst far behind", given: paid, src: 110, dst: 76, stored: 50, state: WorkPlanned},
		{name: "dst far behind, late", given: paid, src: 111, dst: 76, stored: 50, state: WorkPlanned, want: "critical@src"},
		{name: "dst far ahead", given: paid, src: 110, dst: 5000, stored: 50, state: WorkPlanned},
		{name: "dst far ahead, late", given: paid, src: 111, dst: 5000, stored: 50, state: WorkPlanned, want: "critical@src"},
		{name: "payment seen with a time of the past, dst catching up", given: []step{withDst, final("dst", Withdrawn, 80)}, src: 260, dst: 85, stored: 255, state: WorkPlanned},
		{name: "its own chain stands still, and was on time", given: paid, src: 105, dst: 900, age: time.Hour, stored: 50, state: WorkPlanned},
		// A transaction under way has the time that reading its logs takes.
		{name: "sent, principal at risk", given: paid, src: 125, dst: 125, stored: 50, state: WorkSubmitted},
		{name: "sent, principal at risk, a second more", given: paid, src: 126, dst: 126, stored: 50, state: WorkSubmitted, want: "critical@src"},
		{name: "sent, no principal at risk", src: 325, dst: 325, stored: 250, state: WorkSubmitted},
		{name: "sent, no principal at risk, a second more", src: 326, dst: 326, stored: 250, state: WorkSubmitted, want: "warning@src"},
		{name: "not sent, no principal at risk", src: 311, dst: 311, stored: 250, state: WorkPlanned, want: "critical@src"},
		{name: "the maker is owed", given: owed, src: 80, dst: 80, stored: 50, state: WorkPlanned},
		{name: "the maker is owed, a second more", given: owed, src: 80, dst: 81, stored: 50, state: WorkPlanned, want: "critical@dst"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := OneInchV1
			if c.only != FamilyUnknown {
				f = c.only
			}
			w := newWorld(f, c.given...)
			w.at(c.src, c.dst)
			halt(srcChain, c.age)(w)
			s, d := w.decide(t)
			var live []Work
			for _, a := range d.Actions {
				if c.state == "" || a.Refused != "" {
					continue
				}
				x := Work{Action: a, State: c.state, Attempt: 1, Stored: zeroTime.Add(c.stored)}
				if c.stored < 0 {
					x.Stored = 0
				}
				other := x // of an order that shares the escrow
				other.Order.Escrow[0]++
				other.Stored = 1
				live = append(live, other, x)
			}
			got := ""
			for _, f := range Late(Case{State: s, Decision: d}, live, w.views, w.policy) {
				got += f.Severity.String() + "@" + w.name(f.Escrow)
				if f.Code != ActionOverdue || f.Order != w.order.ID || f.Detail == "" || f.AtRisk.IsZero() {
					t.Errorf("%+v", f)
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q: %s", got, c.want, say(w, d))
			}
			w.policy.Overdue = 0
			if n := len(Late(Case{State: s, Decision: d}, live, w.views, w.policy)); n != 0 {
				t.Errorf("%d late where nothing ever is", n)
			}
		})
	}
}

// What only waits is not late.
func TestLateLeavesWhatWaits(t *testing.T) {
	w := newWorld(OneInchV1, withDst)
	_, wanted := w.plan(t, 275, 275)
	w.at(400, 400)
	w.views[dstChain] = ChainView{ChainID: dstChain, Head: block(400), SyncedTo: block(269), Final: block(264)}
	w.views[srcChain] = ChainView{ChainID: srcChain, Head: block(400), SyncedTo: block(300), Final: block(300)}
	s, d := w.decide(t)
	var live []Work
	for _, a := range wanted.Actions {
		live = append(live, Work{Action: a, State: WorkPlanned, Attempt: 1, Stored: zeroTime.Add(275)})
	}
	if got := Late(Case{State: s, Decision: d}, live, w.views, w.policy); len(got) != 0 || len(live) != 2 {
		t.Errorf("%s: %+v", say(w, d), got)
	}
}

// A deadline's severity while a transaction is under way: 14 seconds are
// reckoned with until it is noticed that it failed and another one is included.
func TestEased(t *testing.T) {
	for _, c := range []struct {
		name  string
		at    int64
		state WorkState
		want  Severity
	}{
		{"planned", 240, WorkPlanned, Critical},
		{"refused", 240, WorkRefused, Critical},
		{"sent, with time for another attempt", 240, WorkSubmitted, Warning},
		{"sent, with the last second for another attempt", 285, WorkSubmitted, Warning},
		{"sent, too late for another attempt", 286, WorkSubmitted, Critical},
	} {
		w := newWorld(OneInchV1, withDst, final("dst", Withdrawn, 75), change(func(w *world) { w.policy.WarnLevels = []int64{60} }))
		s, d := w.plan(t, c.at, c.at)
		work := Work{Action: d.Actions[0], State: c.state, Attempt: 1}
		other := Work{Action: d.Actions[0], State: WorkSubmitted, Attempt: 1} // of another order or leg: says nothing
		other.Order.Escrow[0]++
		stray := Work{Action: d.Actions[0], State: WorkSubmitted, Attempt: 1}
		stray.Call = Cancel
		f := Eased(d.Findings[0], Case{State: s, Decision: d}, []Work{other, stray, work}, w.views, w.policy)
		if f.Severity != c.want || f.Code != DeadlineNear {
			t.Errorf("%s: %+v", c.name, f)
		}
		lost := Finding{Code: DeadlineLost, Severity: Critical, ChainID: srcChain, Escrow: f.Escrow, Call: Withdraw, Deadline: f.Deadline}
		if got := Eased(lost, Case{State: s, Decision: d}, []Work{work}, w.views, w.policy); got != lost {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestEmptied(t *testing.T) {
	now := func(token uint64) Balance { return Balance{Block: block(200), Token: *uint256.NewInt(token)} }
	for _, c := range []struct {
		name  string
		given []step
		now   Balance
		want  bool
	}{
		{"it holds its amount", nil, now(256), false},
		{"a unit less", nil, now(255), true},
		{"not read", nil, Balance{}, false},
		{"never read before", []step{change(func(w *world) { w.order.Src.Balance = Balance{} })}, now(0), false},
		{"short before", []step{holding("src", 100, 255, 32)}, now(0), false},
		{"ended as far as is known", []step{final("src", Cancelled, 150), holding("src", 100, 256, 32)}, now(0), false},
	} {
		w := newWorld(OneInchV1, c.given...)
		s := Fold(w.order, w.facts)
		if got := s.Emptied(srcChain, w.order.ID.Escrow, c.now); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
		if s.Emptied(dstChain, w.order.ID.Escrow, c.now) {
			t.Errorf("%s: of another chain", c.name)
		}
	}
}
