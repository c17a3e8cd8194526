package follow_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// history plays n finished swaps, one after the other, and leaves one open
// whose dst has been paid.
func (w *world) history(n int) (finished []trade, open trade) {
	a, b := w.chains[chainA], w.chains[chainB]
	for i := range n {
		var opts []option
		if i%2 == 1 {
			opts = append(opts, reverse)
		}
		tr := w.trade(swap.Families()[i%3], opts...)
		finished = append(finished, tr)
		w.chains[tr.src].mine(tr.createSrc(taker))
		w.later(0)
		w.chains[tr.dst].mine(tr.createTrueDst(helper))
		w.later(24)
		w.chains[tr.dst].mine(tr.withdraw("dst"))
		w.later(12)
		w.chains[tr.src].mine(tr.withdraw("src"))
		w.later(24)
	}
	open = w.trade(swap.OneInchV1)
	a.mine(open.createSrc(taker))
	w.later(0)
	b.mine(open.createTrueDst(taker))
	w.later(12)
	b.mine(open.withdraw("dst"))
	w.later(12 * confirmations)
	return finished, open
}

// rounds stops the pass after a number of log readings, as a deadline does, and
// returns its error.
func (w *world) rounds(readings int) error {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	n := 0
	w.Fail(func(op string) faulttest.Fault {
		if len(op) > 8 && op[:8] == "rpc.logs" {
			if n++; n > readings {
				return faulttest.Refused
			}
		}
		return faulttest.OK
	})
	res, err := w.follower().Pass(ctx)
	if err == nil && !res.Complete {
		w.t.Error("an incomplete pass says nothing")
	}
	w.Fail(nil)
	return err
}

func TestFirstSyncInPieces(t *testing.T) {
	w := newWorld(t)
	w.chains[chainA].span, w.chains[chainB].span = 4, 7
	finished, open := w.history(12)
	passes, parked := 0, 0
	for ; !w.stored(chainA).Sync.Done || !w.stored(chainB).Sync.Done; passes++ {
		if passes > 500 {
			t.Fatalf("no end: %+v %+v", w.stored(chainA), w.stored(chainB))
		}
		err := w.rounds(14)
		if n := w.found(swap.ParkedDst, swap.Warning); err != nil {
			parked = n // nobody waits for the history of a chain that fails
		}
		if len(w.planned) > 0 && !(w.stored(chainA).Sync.Done && w.stored(chainB).Sync.Done) {
			t.Fatalf("planned with half a history: %v", w.planned)
		}
	}
	t.Logf("%d passes", passes)
	if passes < 10 {
		t.Errorf("only %d passes: this proves nothing", passes)
	}
	w.want(open, swap.LegOpen, swap.LegWithdrawn)
	if w.order(w.id(open)).Held || w.planned[w.id(open)] == 0 {
		t.Error("the open order was not let go")
	}
	w.settle()
	for _, tr := range finished {
		o := w.order(w.id(tr))
		if o == nil || !o.Closed || len(o.Dsts) != 1 || len(o.Events) != 2 {
			t.Errorf("%s %s: %s", tr.name, tr.fam, pretty(o))
		}
	}
	if n := w.found(swap.ParkedDst, swap.Warning); n != parked {
		t.Errorf("%d dst legs parked although their sources are there", n-parked)
	}
}

// A history of any length takes no room among the parked, whichever chain is
// read in larger pieces.
func TestFirstSyncKeepsStep(t *testing.T) {
	for _, spans := range [][2]uint64{{1000, 3}, {2, 1000}, {0, 0}} {
		w := newWorld(t)
		w.chains[chainA].span, w.chains[chainB].span = spans[0], spans[1]
		finished, open := w.history(20)
		w.pass()
		w.want(open, swap.LegOpen, swap.LegWithdrawn)
		for _, tr := range finished {
			if len(w.fold(w.id(tr)).Dsts) != 1 {
				t.Errorf("spans %v: %s has no dst leg", spans, tr.name)
			}
		}
		if n := w.Calls("parked.park"); n != 0 {
			t.Errorf("spans %v: %d parked", spans, n)
		}
	}
}

// A decoy without a source, deep in the history of each chain, is parked once
// the other chain has been read beyond it, and stops nobody.
func TestFirstSyncWithDecoys(t *testing.T) {
	w := newWorld(t)
	w.chains[chainA].span, w.chains[chainB].span = 3, 8
	for i := range 6 {
		tr := w.trade(swap.Families()[i%3])
		tr.dst = chainA
		if i%2 == 0 {
			tr.dst = chainB
		}
		w.chains[tr.dst].mine(tr.createTrueDst(stranger))
		w.later(36)
	}
	_, open := w.history(3)
	w.pass()
	w.want(open, swap.LegOpen, swap.LegWithdrawn)
	if n := w.found(swap.ParkedDst, swap.Warning); n != 2 { // one for each chain
		t.Errorf("%d findings of parked legs, want one a chain", n)
	}
}

func TestFirstSyncOfAChainThatFails(t *testing.T) {
	w := newWorld(t)
	finished, open := w.history(4)
	w.Fail(func(op string) faulttest.Fault {
		if op == "rpc.head.2" {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	for range 3 {
		if _, err := w.follower().Pass(t.Context()); err == nil {
			t.Fatal("no error of the chain that is down")
		}
		w.chains[chainA].mine()
	}
	if len(w.planned) > 0 {
		t.Errorf("planned %v while a chain has never been read", w.planned)
	}
	if !w.stored(chainA).Sync.Done {
		t.Error("the healthy chain did not finish its history")
	}
	w.Fail(nil)
	w.pass()
	w.want(open, swap.LegOpen, swap.LegWithdrawn)
	w.settle()
	for _, tr := range finished {
		if o := w.order(w.id(tr)); o == nil || !o.Closed || len(o.Dsts) != 1 {
			t.Errorf("%s: %s", tr.name, pretty(o))
		}
	}
}

// What a new factory or taker did before it was configured is read too, and
// nobody else waits for it.
func TestConfiguredLater(t *testing.T) {
	for name, hide := range map[string]func(w *world, tr trade) (undo func()){
		"factory": func(w *world, tr trade) func() {
			full := map[uint64]follow.ChainConfig{}
			for id, cfg := range w.config {
				full[id] = cfg
				var left []swap.Factory
				for _, f := range cfg.Factories {
					if f.Address != tr.factory[id].Address {
						left = append(left, f)
					}
				}
				cfg.Factories = left
				w.config[id] = cfg
			}
			return func() { w.config = full }
		},
		"taker": func(w *world, tr trade) func() {
			return func() {
				for _, p := range w.policy.Chains {
					p.Takers[addressIn(tr.im.Taker)] = swap.TakerPolicy{Signer: taker, Path: swap.PathResolver}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.chains[chainA], w.chains[chainB]
			a.span, b.span = 3, 3
			other := w.trade(swap.OneInchV1, forTaker(named("second taker")))
			if name == "factory" {
				other = w.trade(swap.OneInchV11)
			}
			undo := hide(w, other)
			known := w.trade(swap.BMNv4)
			a.mine(known.createSrc(taker), other.createSrc(taker))
			w.later(12)
			b.mine(known.createTrueDst(taker), other.createTrueDst(taker))
			w.later(12)
			b.mine(other.withdraw("dst"))
			w.later(200)
			w.pass()
			w.want(known, swap.LegOpen, swap.LegOpen)
			if w.order(w.id(other)) != nil {
				t.Fatal("known too early")
			}
			undo()
			// A few spans a pass: meanwhile the known order lives on.
			for i := 0; i < 3 || w.stored(chainA).Sync.Trail != (swap.Block{}) || w.stored(chainB).Sync.Trail != (swap.Block{}); i++ {
				if i > 300 {
					t.Fatal("no end")
				}
				if i == 2 {
					b.mine(known.withdraw("dst"))
				}
				_ = w.rounds(14) // cut short
				dst := swap.LegOpen
				if i >= 2 {
					dst = swap.LegWithdrawn
				}
				w.want(known, swap.LegOpen, dst)
			}
			w.want(other, swap.LegOpen, swap.LegWithdrawn)
			if o := w.order(w.id(other)); o.Held || o.Secret == nil || w.planned[o.ID] == 0 {
				t.Errorf("held %v, planned %d", o.Held, w.planned[o.ID])
			}
		})
	}
}

// Finished swaps that have been archived are found again where a history is read
// once more. Nothing is wanted of them, nobody is told, and they are closed again;
// what is open meanwhile lives on.
func TestArchivedSwapsThatAreFoundAgain(t *testing.T) {
	w := newWorld(t)
	finished, open := w.history(6)
	w.pass()
	w.settle()
	for _, tr := range finished {
		if o := w.order(w.id(tr)); o == nil || !o.Closed {
			t.Fatalf("%s: %s is not closed", tr.name, pretty(o))
		}
		w.orders.Forget(w.id(tr))
	}
	w.findings = nil
	for _, p := range w.policy.Chains { // a taker that is new has no history yet
		p.Takers[named("second taker")] = swap.TakerPolicy{Signer: taker, Path: swap.PathResolver}
	}
	w.settle()
	for _, tr := range finished {
		o := w.order(w.id(tr))
		if o == nil || !o.Closed || len(o.Events) != 2 {
			t.Errorf("%s %s: %s", tr.name, tr.fam, pretty(o))
		}
	}
	for _, work := range w.actions.All() {
		if work.Order != w.id(open) {
			t.Errorf("work of %s: %s", work.Order, work.Key())
		}
	}
	for _, f := range w.findings {
		if f.Order != w.id(open) {
			t.Errorf("told of %s: %s %s", f.Order, f.Code, f.Detail)
		}
	}
	w.want(open, swap.LegOpen, swap.LegWithdrawn)
}

// A factory that could not be proven for a while has a gap in its history,
// which is read when it is back.
func TestFactoryThatWasAway(t *testing.T) {
	w := newWorld(t)
	w.pass()
	full := w.config[chainA]
	w.config[chainA] = follow.ChainConfig{Factories: full.Factories[1:], Confirmations: confirmations, Rewind: rewindDepth}
	tr := w.trade(swap.OneInchV1)
	w.chains[chainA].mine(tr.createSrc(taker))
	w.later(200)
	w.pass()
	w.config[chainA] = full
	w.pass()
	w.want(tr, swap.LegOpen)
}

// The time that a pass has is shared: a chain that stalls leaves enough to read
// the other one, to plan, and to close the pass.
func TestStalledChain(t *testing.T) {
	for _, op := range []string{"rpc.head.2", "rpc.block.2", "rpc.logs.2", "rpc.transactions.2", "rpc.balances.2"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.later(60)
				w.pass()
				tr := w.trade(swap.OneInchV1, reverse)
				other := w.trade(swap.OneInchV1)
				w.chains[chainB].mine(tr.createSrc(taker))
				w.chains[chainA].mine(tr.createTrueDst(taker), other.createSrc(taker))
				if op != "rpc.balances.2" {
					w.pass()
				}
				w.chains[chainA].mine(tr.withdraw("dst"))
				w.chains[chainB].mine(other.createTrueDst(taker))
				w.stall = op
				ctx, cancel := context.WithTimeout(t.Context(), 27*time.Second)
				defer cancel()
				start := time.Now()
				_, err := w.follower().Pass(ctx)
				if err == nil {
					t.Error("no error of the chain that stalls")
				}
				if ctx.Err() != nil {
					t.Error("the pass used up its time")
				}
				t.Logf("%v: %v", time.Since(start), err)
				o := w.order(w.id(tr))
				if o.Secret == nil {
					t.Error("the secret that the healthy chain showed was not learned")
				}
				if op != "rpc.head.2" && w.planned[o.ID] == 0 {
					t.Error("the order was not planned")
				}
				if w.stored(chainA).To.Number != w.chains[chainA].head().Number {
					t.Error("the healthy chain was not read")
				}
			})
		})
	}
}
