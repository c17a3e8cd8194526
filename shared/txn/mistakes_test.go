package txn_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// The proposal calls an order cancelled as soon as it has sent the cancellation,
// whatever becomes of it.
func TestIgnoresTheResultOfACancellation(t *testing.T) {
	r := newTracked(t)
	e, w := r.entry(watchtest.Address(), 0, 95, func(w *swap.Work) { w.Call = swap.Cancel })
	if got := r.work(w.Key()); got.State != swap.WorkSubmitted {
		t.Fatalf("sent, and %s", got.State)
	}
	r.mined(e.Txs[0].Hash, 90, false)
	r.state.Latest = 1
	if _, err := r.track(); err != nil {
		t.Fatal(err)
	}
	if got := r.work(w.Key()); got.State != swap.WorkRefused || got.RetryAt == 0 {
		t.Errorf("reverted, and %s; want it to be tried again", got.State)
	}
}
