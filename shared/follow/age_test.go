package follow_test

import (
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// A chain whose head cannot be read is as old as the last block that was read of it,
// however fresh the others are; one of which nothing was ever read is old by any measure,
// and where not even the marks can be read nothing is known.
func TestAChainThatShowsNothingIsNotFresh(t *testing.T) {
	w, _ := started(t, swap.OneInchV11)
	seen := time.Since(time.Unix(int64(w.stored(chainB).To.Time), 0))
	if seen < time.Minute {
		t.Fatalf("the simulated chain was read %s ago by the wall clock: the test shows nothing", seen)
	}
	if res := w.pass(); res.HeadAge < 0 || res.HeadAge > time.Minute {
		t.Errorf("with both heads: %s", res.HeadAge)
	}
	w.down("rpc.head.2")
	if res := w.fails(); res.HeadAge < seen || res.HeadAge > seen+time.Hour {
		t.Errorf("without one: %s, last seen %s ago", res.HeadAge, seen)
	}
	w.down("facts.read")
	if res := w.fails(); res.HeadAge >= 0 {
		t.Errorf("without the marks: %s", res.HeadAge)
	}

	fresh := newWorld(t)
	fresh.down("rpc.head.2")
	if res := fresh.fails(); res.HeadAge != 24*time.Hour {
		t.Errorf("never read: %s", res.HeadAge)
	}
}
