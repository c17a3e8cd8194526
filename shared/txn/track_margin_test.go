package txn_test

import (
	"fmt"
	"testing"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// The margin is the least time that the block of a transaction of ours left to
// a hard deadline; what had none, or did not do its job, has no margin.
func TestMargin(t *testing.T) {
	r := newTracked(t)
	hard := func(left int64) func(*swap.Work) {
		return func(w *swap.Work) { w.Hard = at(90).Time.Add(left) }
	}
	for nonce, change := range []func(*swap.Work){hard(40), hard(-3), hard(7), hard(-100), func(*swap.Work) {}} {
		e, _ := r.entry(watchtest.Address(), uint64(nonce), 80, change)
		r.mined(e.Txs[0].Hash, 90, nonce != 3)
	}
	r.state.Latest = 5
	res, err := r.track()
	if want := (txn.Tracked{Open: 5, Confirmed: 4, Reverted: 1, Reopened: 1, Timed: 3, Margin: -3}); err != nil || res != want {
		t.Errorf("%+v, %v, want %+v", res, err, want)
	}
}

// What a transaction did and cost stays in its entry, with the nearest deadline of
// what it did. A nonce that somebody else used cost us nothing.
func TestResult(t *testing.T) {
	r := newTracked(t)
	cost := *uint256.NewInt(123)
	both, works := r.batch(0, 2)
	for i, left := range []int64{40, 7} {
		w := r.work(works[i].Key())
		w.Hard = at(90).Time.Add(left)
		if err := r.works.Save(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	failed, _ := r.entry(watchtest.Address(), 1, 80, func(w *swap.Work) { w.Hard = at(95).Time })
	r.entry(watchtest.Address(), 2, 80)
	for _, e := range []txn.Entry{both, failed} {
		h := e.Txs[0].Hash
		r.mined(h, 90, e.Nonce == 0)
		o := r.outcomes[h]
		o.Cost, o.GasUsed = cost, 45
		r.outcomes[h] = o
	}
	r.state.Latest, r.state.Settled = 3, 3
	if _, err := r.track(); err != nil {
		t.Fatal(err)
	}
	want := []txn.Result{
		{Tx: both.Txs[0].Hash, Block: at(90), GasUsed: 45, Cost: cost, Hard: at(90).Time.Add(7)},
		{Tx: failed.Txs[0].Hash, Block: at(90), GasUsed: 45, Cost: cost, Reverted: true},
		{},
	}
	for _, e := range r.journal.All(r.Account) {
		watchtest.Equal(t, fmt.Sprint("result of nonce ", e.Nonce, ", ", e.State), want[e.Nonce], e.Result)
	}
}
