package watch

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// A delay is told of work that stands there undone, not of what has only just
// been found out, nor of what is under way.
func TestNewsOfDelays(t *testing.T) {
	const chain, head = 10, swap.ChainTime(1000)
	policy := swap.Policy{Overdue: 15, SyncLag: 75}
	escrow := common.Address{1}
	views := swap.Views{chain: {ChainID: chain, Head: swap.Block{Number: 1, Time: head}}}
	work := func(s swap.WorkState, escrow common.Address, call swap.Call) []swap.Work {
		return []swap.Work{{Action: swap.Action{ChainID: chain, Escrow: escrow, Call: call}, State: s}}
	}
	for _, c := range []struct {
		name  string
		late  int64 // seconds since it was due
		work  []swap.Work
		blind bool // the stored work could not be read
		told  bool
	}{
		{"found out just now", 40, nil, false, false},
		{"other call stored", 40, work(swap.WorkPlanned, escrow, swap.Cancel), false, false},
		{"other escrow stored", 40, work(swap.WorkPlanned, common.Address{2}, swap.Withdraw), false, false},
		{"planned before", 16, work(swap.WorkPlanned, escrow, swap.Withdraw), false, true},
		{"refused", 16, work(swap.WorkRefused, escrow, swap.Withdraw), false, true},
		{"sent", 90, work(swap.WorkSubmitted, escrow, swap.Withdraw), false, false},
		{"sent long ago", 91, work(swap.WorkSubmitted, escrow, swap.Withdraw), false, true},
		{"work unreadable", 40, nil, true, true},
	} {
		state := swap.State{}
		state.Src.ChainID = chain
		late := swap.Finding{Code: swap.ActionOverdue, ChainID: chain, Escrow: escrow, Call: swap.Withdraw, Since: head.Add(-c.late)}
		other := swap.Finding{Code: swap.NegativeGap, ChainID: chain, Escrow: escrow}
		pc := &plannedCase{Case: swap.Case{State: state, Decision: swap.Decision{Findings: []swap.Finding{late, other}}}}
		live := liveWork{byOrder: map[swap.OrderID][]swap.Work{state.ID: c.work}, ok: map[account]bool{}}
		pc.accounts(func(a account) { live.ok[a] = !c.blind })
		got := (&Planner{Policy: policy}).news(pc, live, views)
		if want := map[bool]int{true: 2, false: 1}[c.told]; len(got) != want || got[len(got)-1] != other {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
