package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

// balances answers probes of the rig.
type balances struct {
	*rig
	token  uint64
	err    error
	odd    bool // one answer too many
	probes int
}

func (b *balances) Balances(ctx context.Context, chain uint64, at swap.Block, of []watch.Holding) ([]swap.Balance, error) {
	b.probes++
	if b.err != nil {
		return nil, b.err
	}
	out := make([]swap.Balance, len(of))
	if b.odd {
		out = append(out, swap.Balance{})
	}
	for i := range of {
		if at != b.heads[chain] || of[i].Token == of[i].Escrow {
			b.err = fmt.Errorf("asked for %+v at %+v", of, at)
			return nil, b.err
		}
		out[i].Block = at
		out[i].Token.SetUint64(b.token)
	}
	return out, nil
}

// seenFunded: the src leg held its amount when it was last looked at.
func seenFunded(o *swap.Order) {
	paid(o)
	o.Src.Balance = swap.Balance{Block: swap.Block{Number: 1000, Time: epoch}, Token: o.Src.Immutables.AmountInt(), Native: o.Src.Immutables.DepositInt()}
}

// toldOfTime lists the findings about time since the last call.
func (r *rig) toldOfTime() string {
	var out []string
	for _, f := range r.told {
		if f.Code == swap.ActionOverdue || f.Code == swap.DeadlineNear || f.Code == swap.DeadlineLost {
			out = append(out, fmt.Sprint(f.Code, ":", f.Severity))
		}
	}
	r.told = nil
	slices.Sort(out)
	return strings.Join(out, " ")
}

// A claim with a hard deadline at 300, stored at 210: overdue after 270, near
// from 200, out of reach from 299. What the chain has done, nobody is woken for.
func TestNobodyIsWokenForWhatIsDone(t *testing.T) {
	const near, late = "deadline-near:critical", "action-overdue:critical deadline-near:critical"
	for _, c := range []struct {
		name   string
		at     int64
		probe  func(*balances) // nil: no probe
		want   string
		probed int
	}{
		{"near", 210, func(*balances) {}, near, 1},
		{"one period after it was stored", 270, func(*balances) {}, near, 1},
		{"a second more", 271, func(*balances) {}, late, 1},
		{"out of reach", 298, func(*balances) {}, late + " deadline-unreachable:critical", 1},
		{"out of reach, and mined", 298, func(b *balances) { b.token = 0 }, "", 1},
		{"mined, and its log not read", 271, func(b *balances) { b.token = 0 }, "", 1},
		{"the balance cannot be read", 271, func(b *balances) { b.err = errors.New("no answer") }, late, 1},
		{"more balances than were asked for", 271, func(b *balances) { b.token, b.odd = 0, true }, late, 1},
		{"nobody to ask", 271, nil, late, 0},
	} {
		r := newRig()
		o := r.put(t, seenFunded)
		slow := r.Policy.Chains[srcChain]
		slow.Inclusion = 2
		r.Policy.Chains[srcChain] = slow
		b := &balances{rig: r, token: o.Src.Immutables.Amount.Big().Uint64()}
		if c.probe != nil {
			c.probe(b)
			r.Probe = b
		}
		r.at(210)
		if c.at > 210 {
			r.Planner.Probe = nil
			r.sweep(t)
			r.told = nil
			if c.probe != nil {
				r.Probe = b
			}
		}
		r.at(c.at)
		res := r.sweep(t)
		if got := r.toldOfTime(); got != c.want || b.probes != c.probed {
			t.Errorf("%s: told %q, want %q; %d probes", c.name, got, c.want, b.probes)
		}
		if want := strings.Count(c.want, "overdue:critical"); res.Overdue != want {
			t.Errorf("%s: %d overdue, want %d", c.name, res.Overdue, want)
		}
		if critical := strings.Contains(c.want, ":critical"); (res.AtRisk == 1) != critical || res.AtRisk > 1 {
			t.Errorf("%s: %d swaps at risk of the one", c.name, res.AtRisk)
		}
	}
}

// A claim under way: a warning while there is time for another attempt (62 s
// here), and overdue only after the logs have had the time to be read.
func TestATransactionUnderWayChangesTheSeverity(t *testing.T) {
	for _, c := range []struct {
		at   int64
		want string
	}{
		{210, "deadline-near:warning"},
		{237, "deadline-near:warning"},
		{238, "deadline-near:critical"},
		{290, "deadline-near:critical"},
		{291, "action-overdue:critical deadline-near:critical"},
	} {
		r := newRig()
		r.put(t, seenFunded)
		r.at(200)
		r.sweep(t)
		r.told = nil
		w := r.actions.All()[0]
		w.State = swap.WorkSubmitted
		if err := r.actions.Together([]swap.Work{w}, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		r.at(c.at)
		r.sweep(t)
		if got := r.toldOfTime(); got != c.want {
			t.Errorf("at %d: %q, want %q", c.at, got, c.want)
		}
	}
}

// A cancellation that was sent may wait for a better price: it is told, and is nothing that alarms count.
func TestWhatMayWaitIsNotCounted(t *testing.T) {
	for _, c := range []struct {
		state   swap.WorkState
		want    string
		counted int
	}{
		{swap.WorkPlanned, "action-overdue:critical", 1},
		{swap.WorkSubmitted, "action-overdue:warning", 0},
	} {
		r := newRig()
		r.put(t, nil)
		r.at(251) // dst can be cancelled since 250
		r.sweep(t)
		w := r.actions.All()[0]
		w.State = c.state
		if err := r.actions.Together([]swap.Work{w}, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		r.told = nil
		r.at(345) // src only since 300
		res := r.sweep(t)
		if got := r.toldOfTime(); got != c.want || res.Overdue != c.counted || res.AtRisk != c.counted {
			t.Errorf("%s: told %q, %d overdue, %d at risk; want %q, %d", c.state, got, res.Overdue, res.AtRisk, c.want, c.counted)
		}
	}
}

// Work notes when it was first stored, by its own chain's head, and keeps it.
func TestWorkKnowsWhenItWasStored(t *testing.T) {
	r := newRig()
	r.put(t, paid)
	r.heads[dstChain] = swap.Block{Number: 9, Time: epoch + 9000}
	r.at(60)
	for _, at := range []int64{60, 150} {
		r.at(at)
		r.heads[dstChain] = swap.Block{Number: 5000, Time: epoch + 5000}
		r.sweep(t)
		if w := r.actions.All(); len(w) != 1 || w[0].Stored != epoch+60 {
			t.Fatalf("at %d: %+v", at, w)
		}
	}
}

// The work of a taker that cannot be read says nothing about delays; deadlines
// are told as they are.
func TestNewsWithUnreadableWork(t *testing.T) {
	r := newRig()
	o := r.put(t, seenFunded)
	r.at(210)
	r.sweep(t)
	r.told = nil
	r.at(290)
	r.Actions = unreadable{r.actions, o.Src.Immutables.TakerAddress()}
	if _, err := r.Sweep(t.Context(), watch.Upcoming); err == nil {
		t.Error("no error")
	}
	if got := r.toldOfTime(); got != "deadline-near:critical" {
		t.Errorf("told %q", got)
	}
}

// What wakes nobody is not asked about, and a rescue takes what is left when the
// leg has ended in no other way.
func TestNothingIsAskedInVain(t *testing.T) {
	r := newRig()
	r.put(t, nil)
	b := &balances{rig: r}
	r.Probe = b
	r.at(200) // dst can be cancelled at 250, src at 300
	r.sweep(t)
	if got := r.toldOfTime(); got != "deadline-near:info deadline-near:warning" || b.probes != 0 {
		t.Errorf("cancellations: told %q, %d probes", got, b.probes)
	}
	r = newRig()
	r.put(t, func(o *swap.Order) { o.Src.RescueDelay = 400; seenFunded(o) })
	b = &balances{rig: r}
	r.Probe = b
	for _, at := range []int64{390, 470} {
		r.at(at)
		r.sweep(t)
	}
	if got := r.toldOfTime(); got != "action-overdue:critical action-overdue:critical" || b.probes != 0 {
		t.Errorf("a rescue: told %q, %d probes", got, b.probes)
	}
}

// Many doubts are asked about in few calls, each escrow once, and after the
// executor was rung.
func TestProbesAreBatched(t *testing.T) {
	r := newRig()
	const n = 501
	var amount uint64
	for range n {
		o := r.store(t, func(o *swap.Order) {
			o.Src.Immutables.Taker, o.Dsts[0].Immutables.Taker = swap.Word{31: 1}, swap.Word{31: 1} // one taker: one partition of work
			seenFunded(o)
		})
		amount = o.Src.Immutables.Amount.Big().Uint64()
	}
	r.at(200)
	r.sweep(t)
	r.told = nil
	b := &balances{rig: r, token: amount}
	r.Probe = b
	r.at(280) // near and overdue, each
	r.sweep(t)
	if got := strings.Count(r.toldOfTime(), "critical"); got != 2*n || b.probes != 2 {
		t.Errorf("%d told, %d probes, %v", got, b.probes, b.err)
	}
}
