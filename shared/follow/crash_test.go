package follow_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// script plays a history in which a pass has everything to do, and returns the
// steps between which passes run.
func script(w *world) []func() {
	a, b := w.chains[chainA], w.chains[chainB]
	one, two, three := w.trade(swap.OneInchV1), w.trade(swap.OneInchV11), w.trade(swap.BMNv4)
	taken := w.trade(swap.BMNv4)
	back := w.trade(swap.BMNv4, reverse)
	old := w.trade(swap.OneInchV11)
	decoy := three.dstImmutables()
	decoy.Amount = number(1)
	late := w.trade(swap.OneInchV1, withSecretOf(one))
	return []func(){
		func() { // a history before the first pass, dst before src in one of two
			a.mine(old.createSrc(taker))
			b.mine(old.createTrueDst(stranger), three.createTrueDst(stranger))
			b.mine(old.withdraw("dst"))
			b.mineEmpty(10)
			a.mine(old.withdraw("src"))
			a.mineEmpty(10)
		},
		func() {
			a.mine(one.createSrc(taker), two.createSrc(taker), taken.createSrc(taker))
			b.mine(back.createSrc(taker), three.createDst("decoy", stranger, decoy))
		},
		func() {
			b.mine(one.createTrueDst(taker), two.createTrueDst(helper), taken.createTrueDst(taker))
			a.mine(back.createTrueDst(taker), three.createSrc(taker))
		},
		func() {
			b.mine(one.withdraw("dst"), two.cancel("dst"), three.withdraw("dst"), stolen(taken))
			a.reorg(1, 1, nil)
			a.mine(back.withdraw("dst"))
		},
		func() {
			a.mineEmpty(confirmations)
			b.reorg(1, 2, nil)
			b.mineEmpty(confirmations)
			a.mine(late.createSrc(taker))
		},
		func() {
			a.mine(one.withdraw("src"), two.cancel("src"), taken.cancel("src"), three.withdraw("src"), late.withdraw("src"))
			b.mine(back.withdraw("src"), late.createTrueDst(taker))
			b.mine(late.withdraw("dst"))
		},
		func() {
			a.mineEmpty(confirmations + rewindDepth)
			b.mineEmpty(confirmations + rewindDepth)
		},
	}
}

// writes are the calls that change something. To die after any other one took
// effect is to die at it.
func writes(op string) bool {
	return slices.Contains([]string{"orders.save", "orders.wakes", "facts.replace", "parked.park", "actions.save"}, op)
}

// A pass is killed at each of its calls in turn, before the call took effect or,
// if it writes, after. Whatever was stored by then, the passes that follow come
// to the same end as those that were never disturbed. That is not played where
// it dies at a reading call: what is stored then is what is stored when it dies
// at the next writing one.
func TestKilledAtEveryCall(t *testing.T) {
	undisturbed := newWorld(t)
	steps := script(undisturbed)
	calls := map[faulttest.Fault][]int{} // that can be hit in each step
	for _, step := range steps {
		step()
		before := len(undisturbed.Log())
		undisturbed.pass()
		made := undisturbed.Log()[before:]
		calls[faulttest.Refused] = append(calls[faulttest.Refused], len(made))
		made = slices.DeleteFunc(made, func(op string) bool { return !writes(op) })
		calls[faulttest.Lost] = append(calls[faulttest.Lost], len(made))
	}
	undisturbed.settle()
	want := undisturbed.snapshot()
	if len(want) != 7 {
		t.Fatalf("%d orders: %s", len(want), pretty(want))
	}
	for _, o := range want {
		if !o.Closed {
			t.Errorf("order %s is not closed: %s", o.ID, pretty(o))
		}
	}
	total := 0
	for fault, inStep := range calls {
		for at := range steps {
			for n := range inStep[at] {
				total++
				if testing.Short() && (at+n)%5 != 0 {
					continue // slow with the race detector; without it, none is left out
				}
				t.Run(fmt.Sprint("step ", at, " call ", n, " fault ", fault), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					for i, step := range script(w) {
						step()
						if i == at {
							kill, last := killing(n, fault), ""
							w.Fail(func(op string) faulttest.Fault {
								f := kill(op)
								if f != faulttest.OK && last == "" {
									last = op
								}
								return f
							})
							if _, err := w.follower().Pass(t.Context()); err == nil {
								t.Error("a killed pass succeeds")
							}
							w.Fail(nil)
							if !writes(last) {
								return
							}
						}
						w.pass()
					}
					w.settle()
					if d := diff(want, w.snapshot()); d != "" {
						t.Errorf("ends differ (-undisturbed +killed):\n%s", d)
					}
					if w.found(swap.TokensAstray, swap.Critical) == 0 {
						t.Error("nobody was told of the theft")
					}
				})
			}
		}
	}
	t.Logf("%d ways to die", total)
}

// The source comes while its dst chain cannot be read, long after the dst leg
// was parked, and the pass that takes it up dies at each of its calls in turn.
// Whatever it has stored, the leg is found once its chain is back: the order is
// not new to that pass any more.
func TestKilledWhileDstChainIsDown(t *testing.T) {
	prepared := func(t *testing.T) (*world, trade) {
		w := newWorld(t)
		w.later(60)
		w.pass()
		tr := w.trade(swap.OneInchV1)
		w.chains[chainB].mine(tr.createTrueDst(stranger))
		w.later(12 * (confirmations + 1))
		w.pass()
		w.chains[chainB].mine(tr.withdraw("dst"))
		w.chains[chainA].mine(tr.createSrc(taker))
		w.later(12 * (confirmations + 1))
		return w, tr
	}
	undisturbed, tr := prepared(t)
	before := len(undisturbed.Log())
	undisturbed.down("rpc.logs.2")
	undisturbed.fails()
	undisturbed.want(tr, swap.LegOpen) // taken up without its dst leg
	made := undisturbed.Log()[before:]
	calls := map[faulttest.Fault]int{faulttest.Refused: len(made)}
	calls[faulttest.Lost] = len(slices.DeleteFunc(made, func(op string) bool { return !writes(op) }))
	for fault, n := range calls {
		for n := range n {
			t.Run(fmt.Sprint("call ", n, " fault ", fault), func(t *testing.T) {
				t.Parallel()
				w, tr := prepared(t)
				kill := killing(n, fault)
				w.Fail(func(op string) faulttest.Fault {
					if f := kill(op); f != faulttest.OK || op != "rpc.logs.2" {
						return f
					}
					return faulttest.Refused
				})
				w.fails()
				w.Fail(nil)
				w.pass()
				w.want(tr, swap.LegOpen, swap.LegWithdrawn)
				if w.order(w.id(tr)).Secret == nil {
					t.Error("the secret is not learned")
				}
				if seek := w.stored(chainB).Sync.Seek; len(seek) > 0 {
					t.Errorf("still sought: %v", seek)
				}
			})
		}
	}
}

// killing makes call n fail, and all after it, as when the process dies. Where
// the call is to take effect first, only those are counted that have one.
func killing(n int, fault faulttest.Fault) func(string) faulttest.Fault {
	dead := false
	return func(op string) faulttest.Fault {
		switch {
		case dead:
			return faulttest.Refused
		case fault == faulttest.Lost && !writes(op):
			return faulttest.OK
		}
		if n--; n >= 0 {
			return faulttest.OK
		}
		dead = true
		return fault
	}
}
