package swap

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/holiman/uint256"
)

// sayWakes writes wakes as seconds of the tests' clock; "-" for none.
func sayWakes(w Wakes) string {
	one := func(t ChainTime) string {
		if t == 0 {
			return "-"
		}
		return fmt.Sprint(t.Sub(zeroTime))
	}
	return one(w.Src) + " " + one(w.Dst)
}

func TestPlanWakes(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	warn := change(func(w *world) { w.policy.WarnLevels = []int64{60, 10} })
	long := change(func(w *world) { // src can be cancelled at 1000
		im := w.order.Src.Immutables
		locks := UnpackTimelocks(im.Timelocks)
		locks.Offsets[SrcCancellation] = 1000
		im.Timelocks = locks.Pack()
		w.replaceSrc(im)
	})
	done := []step{withDst, paid, final("src", Withdrawn, 101)}
	done = done[:len(done):len(done)]
	noPath := takerPath(PathNone, zeroAddress)
	unread := change(func(w *world) { w.leg("src").Balance = Balance{} })
	next := func(at int64) string { // one time in each twelve hours, by the address of the leg
		own := int64(binary.BigEndian.Uint32(newWorld(OneInchV1).order.ID.Escrow[16:])) % (12 * 3600)
		for t := own - int64(zeroTime)%(12*3600) - 12*3600; ; t += 12 * 3600 {
			if t > at {
				return fmt.Sprint(t, " -")
			}
		}
	}
	kept, keptLater := next(120), next(100_000)
	for _, c := range []struct {
		name  string
		given []step
		at    int64
		want  string // src, dst
	}{
		{"when the next call becomes legal", []step{withDst}, 50, "300 270"},
		{"at the first warning before", []step{withDst, warn}, 50, "240 210"},
		{"at the call after the warning", []step{withDst, warn}, 240, "300 270"},
		{"in every sweep while a call is due", []step{withDst}, 350, "300 270"},
		{"in every sweep while a claim is due", []step{withDst, paid}, 150, "100 -"},
		{"in every sweep while logs are waited for", []step{withDst}, 272, "300 270"},
		{"long before the rescue", []step{withDst, paid}, 310, "400 -"},
		{"with a back-off where only a person can help", []step{withDst, paid, on(srcChain, func(c *ChainPolicy) { c.FeeCap = nil })}, 150, "400 -"},
		{"in every sweep while a claim lacks its deposit", []step{withDst, paid, holding("src", 80, 256, 0)}, 150, "100 -"},
		{"with a back-off where a cancellation lacks its deposit", []step{holding("src", 80, 256, 0)}, 310, "400 -"},
		{"seldom where it is not worth it", []step{on(srcChain, func(c *ChainPolicy) {
			c.FeeCap = map[Call]uint256.Int{Cancel: *uint256.NewInt(1000)}
		})}, 350, "2800 -"},
		{"when it waits for finality", []step{withDst, seen("dst", Withdrawn, 75), seen("src", Withdrawn, 101)}, 105, "400 -"},
		{"seldom where only funds are kept that nobody can fetch", append(done, noPath, holding("src", 110, 11, 0)), 120, kept},
		{"with a back-off while something else is not final", []step{withDst, seen("dst", Withdrawn, 75), final("src", Withdrawn, 101), noPath, holding("src", 110, 11, 0)}, 120, "400 -"},
		{"with a back-off where balances could not be read", append(done, unread), 200, "400 -"},
		{"seldom where they cannot be read for long", append(done, unread), 100_000, keptLater},
		{"at once when it is finished, to be closed", []step{withDst, paid, final("src", Withdrawn, 101)}, 110, "0 -"},
		{"never once it is closed", []step{change(func(w *world) { w.order.Closed = true })}, 110, "- -"},
		{"when balances are probed", []step{long}, 110, "700 -"},
		{"until the probed balance is there", []step{long}, 710, "760 -"},
		{"until the probed balance is there, the token being silent", []step{long, silent("src", 705, 32)}, 730, "760 -"},
		{"until a token tells what it never has told", []step{long, mute("src", 705, 32)}, 730, "760 -"},
		{"no more once it is there", []step{long, holding("src", 705, 256, 32)}, 730, "1000 -"},
		{"again and again over an unproven dst escrow that may be the true one", []step{long, change(func(w *world) {
			w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: stranger, At: place(20, 0)})
			w.order.SetBalance(dstChain, stranger, Balance{Block: block(20), Token: *uint256.NewInt(512)})
		})}, 110, "400 -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(OneInchV1, c.given...)
			_, d := w.plan(t, c.at, c.at)
			if got := sayWakes(d.Wakes); got != c.want {
				t.Errorf("wakes %s, want %s: %s", got, c.want, say(w, d))
			}
		})
	}
}

// A back-off is the same between two looks: looking does not write.
func TestPlanWakesAreStable(t *testing.T) {
	for name, given := range map[string][]step{
		"claim pending": {withDst, public}, "no path": {withDst, takerPath(PathNone, zeroAddress)},
		"src claimed": {withDst, withDstAt(40), final("src", Withdrawn, 101)}, "expired": {withDst, final("dst", Withdrawn, 75)},
		"finality": {withDst, seen("dst", Withdrawn, 75), seen("src", Withdrawn, 101)}, "unfunded": {withDst, holding("src", 1, 256, 0)},
	} {
		w := newWorld(OneInchV1, given...)
		changes := 0
		var last Wakes
		for at := int64(310); at < 1600; at += 10 {
			if _, d := w.plan(t, at, at); d.Wakes != last {
				changes, last = changes+1, d.Wakes
			}
		}
		// 1290 seconds hold two multiples of the back-off.
		if changes > 4 {
			t.Errorf("%s: wakes changed %d times", name, changes)
		}
	}
}

func TestPlanDeadlines(t *testing.T) {
	warn := change(func(w *world) { w.policy.WarnLevels = []int64{60, 10}; w.policy.Overdue = 0 })
	for _, c := range []situation{
		{name: "claim", given: []step{warn, withDst, final("dst", Withdrawn, 75)}, moments: []moment{
			bothAt(239, "src.withdraw"),
			bothAt(240, "src.withdraw", "deadline-near:critical@src<60"),
			bothAt(289, "src.withdraw", "deadline-near:critical@src<60"),
			bothAt(290, "src.withdraw", "deadline-near:critical@src<10"),
			bothAt(297, "src.withdraw", "deadline-near:critical@src<10"),
			bothAt(298, "src.withdraw", "deadline-near:critical@src<10 deadline-unreachable:critical@src"),
		}},
		{name: "cancellations", given: []step{warn, withDst}, moments: []moment{
			bothAt(209, "src.cancel!dst-logs-not-past dst.cancel+61"),
			bothAt(210, "src.cancel!dst-logs-not-past dst.cancel+60", "deadline-near:warning@dst<60"),
			bothAt(260, "src.cancel!dst-logs-not-past dst.cancel+10", "deadline-near:info@src<60 deadline-near:warning@dst<60"),
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel", "deadline-near:info@src<60"),
			bothAt(300, "src.cancel dst.cancel"),
		}},
		{name: "payment owed", given: []step{warn, withDst, final("src", Withdrawn, 101)}, moments: []moment{
			bothAt(210, "dst.withdraw", "deadline-near:critical@dst<60"),
			bothAt(268, "dst.withdraw", "deadline-near:critical@dst<10 deadline-unreachable:critical@dst"),
		}},
		{name: "a call that nobody can make still has its deadline", given: []step{warn, withDst, final("dst", Withdrawn, 75), takerPath(PathNone, zeroAddress)}, moments: []moment{
			bothAt(240, "src.withdraw!no-path", "cannot-act:critical@src deadline-near:critical@src<60"),
		}},
	} {
		c.run(t)
	}
}

// The deadlines and the value of an action, as the executor ranks by them.
func TestPlanUrgency(t *testing.T) {
	w := newWorld(OneInchV1, withDst, final("dst", Withdrawn, 75))
	_, d := w.plan(t, 150, 150)
	if a := d.Actions[0]; a.Hard != zeroTime+300 || a.Soft != zeroTime+200 || a.AtRisk.Uint64() != 288 || a.Priceless {
		t.Errorf("claim: hard %d soft %d at risk %s priceless %t", a.Hard, a.Soft, a.AtRisk.Dec(), a.Priceless)
	}
	w = newWorld(OneInchV1, withDst, final("src", Withdrawn, 101))
	if _, d = w.plan(t, 150, 150); d.Actions[0].Hard != zeroTime+270 || d.Actions[0].Soft != zeroTime+170 || d.Actions[0].AtRisk.Uint64() != 528 {
		t.Errorf("payment: %+v", d.Actions[0])
	}
	w = newWorld(OneInchV1, withDst)
	if _, d = w.plan(t, 310, 310); d.Actions[0].Soft != zeroTime+400 || d.Actions[0].Hard != 0 || d.Actions[1].Soft != 0 || d.Actions[1].Hard != 0 {
		t.Errorf("cancellations: %+v", d.Actions)
	}
	w = newWorld(OneInchV1, byToken)
	if _, d = w.plan(t, 310, 310); d.Actions[0].Soft != 0 {
		t.Errorf("a public call has its deposit at stake from its first second, not from %d", d.Actions[0].Soft)
	}
	for chain := range w.policy.Chains {
		on(chain, func(c *ChainPolicy) { c.Tokens[srcCoin] = TokenPolicy{} })(w)
	}
	if _, d = w.plan(t, 310, 310); !d.Actions[0].Priceless || d.Actions[0].AtRisk.Uint64() != 32 {
		t.Errorf("a token without a price: %+v", d.Actions[0])
	}
}

func TestPlanNeedsTheSourceChain(t *testing.T) {
	w := newWorld(OneInchV1)
	if _, err := Plan(Fold(w.order, nil), Views{dstChain: w.views[dstChain]}, w.policy); err == nil {
		t.Error("planned without a view of the source chain")
	}
	delete(w.policy.Chains, srcChain)
	if _, err := Plan(Fold(w.order, nil), w.views, w.policy); err == nil {
		t.Error("planned without a policy for the source chain")
	}
}

// Orders that are kept for a person cost two looks a day, each at a time of its own,
// and a look in between writes nothing.
func TestKeptOrdersAreSeldomLookedAt(t *testing.T) {
	times := map[ChainTime]bool{}
	for n := range uint64(20) {
		w := newWorld(OneInchV1, change(func(w *world) {
			im := w.order.Src.Immutables
			im.OrderHash[31] = byte(n)
			w.replaceSrc(im)
		}), withDst, final("dst", Withdrawn, 75), final("src", Withdrawn, 101), takerPath(PathNone, zeroAddress), holding("src", 110, 11, 0))
		looks := 0
		var last Wakes
		for at := int64(200); at < 200+10*24*3600; at += 600 {
			_, d := w.plan(t, at, at)
			if d.Finished || len(d.Findings) != 1 || d.Findings[0].Code != FundsHeld || d.Findings[0].AtRisk != *uint256.NewInt(11) {
				t.Fatalf("at %d: finished %t, %+v", at, d.Finished, d.Findings)
			}
			if d.Wakes != last {
				looks, last = looks+1, d.Wakes
				times[last.Src%(12*3600)] = true
			}
		}
		if looks > 21 {
			t.Errorf("%d wakes in ten days", looks)
		}
	}
	if len(times) < 15 {
		t.Errorf("20 orders wake at %d times of the day", len(times))
	}
}
