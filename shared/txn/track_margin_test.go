package txn_test

import (
	"testing"

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
