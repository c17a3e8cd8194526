package watch

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

func TestRings(t *testing.T) {
	const chain, head = uint64(10), swap.ChainTime(1000)
	signer := common.Address{7}
	action := swap.Action{ChainID: chain, Escrow: common.Address{1}, Call: swap.Cancel, Signer: signer}
	stored := func(state swap.WorkState, retryAt swap.ChainTime) *swap.Work {
		return &swap.Work{Action: action, State: state, RetryAt: retryAt}
	}
	for _, c := range []struct {
		name  string
		from  swap.ChainTime
		age   time.Duration
		work  *swap.Work
		edit  func(*swap.Action)
		after []time.Duration // from now
	}{
		{name: "long since legal", from: 1, after: []time.Duration{0}},
		{name: "legal now", from: head, after: []time.Duration{0}},
		{name: "in a second", from: head + 1, after: []time.Duration{0, 5 * time.Second}},
		{name: "in three seconds", from: head + 3, after: []time.Duration{0, 7 * time.Second}},
		{name: "in four seconds", from: head + 4, after: []time.Duration{time.Second, 8 * time.Second}},
		{name: "at the horizon", from: head + 60, after: []time.Duration{57 * time.Second, 64 * time.Second}},
		{name: "beyond the horizon", from: head + 61},
		{name: "at the end of time", from: math.MaxInt64},
		{name: "the head is old", from: head + 10, age: 4 * time.Second, after: []time.Duration{3 * time.Second, 10 * time.Second}},
		{name: "the head is older than the time left", from: head + 10, age: time.Hour, after: []time.Duration{0, 0}},
		{name: "planned", from: head, work: stored(swap.WorkPlanned, 0), after: []time.Duration{0}},
		{name: "in flight: the tracker rings", from: head, work: stored(swap.WorkSubmitted, 0)},
		{name: "refused, before its retry", from: head, work: stored(swap.WorkRefused, head+1)},
		{name: "refused, at its retry", from: head, work: stored(swap.WorkRefused, head), after: []time.Duration{0}},
		{name: "not to be made", from: head, edit: func(a *swap.Action) { a.Refused = swap.NotWorthIt }},
		{name: "chain not read", from: head, edit: func(a *swap.Action) { a.ChainID++ }},
	} {
		a := action
		a.From = c.from
		live := map[swap.ActionKey]swap.Work{}
		if c.work != nil {
			live[c.work.Key()] = *c.work
		}
		if c.edit != nil {
			c.edit(&a)
		}
		views := swap.Views{chain: {ChainID: chain, Head: swap.Block{Number: 1, Time: head}, HeadAge: c.age}}
		var got []time.Duration
		for _, r := range rings(swap.Decision{Actions: []swap.Action{a}}, live, views, 60) {
			if r.ChainID != chain || r.Signer != signer || r.After < 0 {
				t.Errorf("%s: %+v", c.name, r)
			}
			got = append(got, r.After)
		}
		if !slices.Equal(got, c.after) {
			t.Errorf("%s: %v, want %v", c.name, got, c.after)
		}
	}
}

func TestDistinct(t *testing.T) {
	a, b := common.Address{1}, common.Address{2}
	in := []Ring{{1, a, 0}, {1, a, 999 * time.Millisecond}, {1, a, time.Second}, {1, b, 0}, {2, a, 0}, {1, a, 0}}
	if got, want := distinct(slices.Clone(in)), []Ring{in[0], in[2], in[3], in[4]}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
