package swap

import (
	"strings"
	"testing"
	"time"
)

// The mistakes of the proposal that started the project, as far as they are this
// package's: each test is named after one, and shows that it is not made.

func TestCancelsDstInTheThirtySecondsBeforeItsCancellationAndNeverAfter(t *testing.T) {
	runAll(t, []situation{{name: "dst open", given: []step{withDst}, moments: []moment{
		bothAt(240, "src.cancel!dst-logs-not-past dst.cancel+30"),
		bothAt(269, "src.cancel!dst-logs-not-past dst.cancel+1"),
		bothAt(270, "src.cancel!dst-logs-not-past dst.cancel"),
		bothAt(275, "src.cancel+25 dst.cancel"),
		bothAt(290, "src.cancel+10 dst.cancel"),
	}}})
}

// dst's windows begin when dst was created, and run by dst's clock: src's offsets
// from src's creation would let it be cancelled thirty seconds too late here.
func TestUsesTheTimelocksOfSrcForDst(t *testing.T) {
	for _, f := range Families() {
		w := newWorld(f, withDst)
		for _, c := range []struct {
			src, dst int64
			open     bool
		}{{500, 269, false}, {0, 270, true}} { // src's clock has no say
			_, d := w.plan(t, c.src, c.dst)
			open := false
			for _, a := range d.Actions {
				open = open || a.Side == Dst && a.Call == Cancel && a.Refused == "" && a.From <= w.views[dstChain].Head.Time
			}
			if open != c.open {
				t.Errorf("%s: at %d on src and %d on dst dst may be cancelled: %v; %s", f, c.src, c.dst, open, say(w, d))
			}
		}
	}
}

// Windows open and close by block time: a head that is hours old by the wall clock
// does not open one.
func TestComparesTheWallClockWithTimelocks(t *testing.T) {
	for _, f := range Families() {
		w := newWorld(f, withDst)
		w.at(269, 269)
		v := w.views[dstChain]
		v.HeadAge = 3 * time.Hour
		w.views[dstChain] = v
		if _, d := w.decide(t); !strings.Contains(say(w, d), "dst.cancel+1") {
			t.Errorf("%s: a second before, on a chain that stands still for three hours: %s", f, say(w, d))
		}
	}
}
