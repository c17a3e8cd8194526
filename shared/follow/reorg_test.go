package follow_test

import (
	"slices"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// started is a world with one swap whose legs are open and final.
func started(t *testing.T, fam swap.Family) (*world, trade) {
	t.Helper()
	w := newWorld(t)
	w.later(60)
	w.pass()
	tr := w.trade(fam)
	w.chains[chainA].mine(tr.createSrc(taker))
	w.pass()
	w.chains[chainB].mine(tr.createTrueDst(taker))
	w.pass()
	w.later(12 * confirmations)
	w.pass()
	w.want(tr, swap.LegOpen, swap.LegOpen)
	return w, tr
}

func TestReorganisedEvents(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		w, tr := started(t, fam)
		b := w.chains[chainB]
		b.mine(tr.withdraw("dst"))
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegWithdrawn)
		planned := w.planned[w.id(tr)]
		b.reorg(1, 2, func(simTx) bool { return false })
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegOpen)
		if w.planned[w.id(tr)] == planned {
			t.Error("not planned anew when a fact vanished")
		}
		if w.order(w.id(tr)).Secret == nil {
			t.Error("a secret was unlearned")
		}
		b.mine(tr.cancel("dst"))
		w.pass()
		b.reorg(1, 1, nil) // comes again, one block later
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegCancelled)
		w.later(12 * confirmations)
		w.pass()
		if o := w.order(w.id(tr)); len(o.Events) != 1 || o.Events[0].At.BlockHash != b.blocks[o.Events[0].At.Block].Hash {
			t.Errorf("events: %s", pretty(o.Events))
		}
		if w.found(swap.FinalityMismatch, swap.Critical) > 0 {
			t.Errorf("findings: %s", pretty(w.findings))
		}
	})
}

// A leg that is created again in another block has another address where the
// factory stamps the time, and the same one where the creator does.
func TestReorganisedDst(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		w := newWorld(t)
		w.later(60)
		w.pass()
		tr := w.trade(fam)
		a, b := w.chains[chainA], w.chains[chainB]
		a.mine(tr.createSrc(taker))
		b.mine(tr.createTrueDst(taker))
		w.pass()
		before := w.escrow(tr, "dst")
		b.reorg(1, 3, nil)
		b.mine(tr.withdraw("dst"))
		w.pass()
		if same := before == w.escrow(tr, "dst"); same != (fam == swap.BMNv4) {
			t.Fatalf("same address: %v", same)
		}
		switch fam {
		case swap.BMNv4:
			w.want(tr, swap.LegOpen, swap.LegWithdrawn)
		default:
			w.want(tr, swap.LegOpen, swap.LegAbsent, swap.LegWithdrawn)
		}
		a.mine(tr.withdraw("src"))
		w.settle()
		o := w.order(w.id(tr))
		last := o.Dsts[len(o.Dsts)-1]
		if !o.Closed || !last.Final || last.Created.BlockHash != b.blocks[last.Created.Block].Hash {
			t.Errorf("closed %v: %s", o.Closed, pretty(o.Dsts))
		}
	})
}

// A source that comes again at another address finds its dst leg, although
// nobody creates that again, whether or not the old order still exists.
func TestReorganisedSrc(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		for name, between := range map[string]int{"at once": 0, "after the old order was closed": 3} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				w.later(60)
				w.pass()
				tr := w.trade(fam)
				a, b := w.chains[chainA], w.chains[chainB]
				a.mine(tr.createSrc(taker))
				w.pass()
				w.later(24)
				b.mine(tr.createTrueDst(taker))
				w.pass()
				b.mine(tr.withdraw("dst"))
				w.pass()
				old := w.id(tr)
				a.reorg(10, 2, func(simTx) bool { return false })
				w.pass()
				if s := w.fold(old); s.Src.Status != swap.LegAbsent {
					t.Fatalf("src is %s", s.Src.Status)
				}
				for range between {
					w.later(12 * (confirmations + rewindDepth + 2))
					w.pass()
				}
				if closed := w.order(old).Closed; closed != (between > 0) {
					t.Fatalf("closed: %v", closed)
				}
				a.mine(tr.createSrc(taker))
				w.pass()
				if same := old == w.id(tr); same != (fam == swap.BMNv4) {
					t.Fatalf("same address: %v", same)
				}
				w.want(tr, swap.LegOpen, swap.LegWithdrawn)
				o := w.order(w.id(tr))
				if o.Secret == nil || o.Closed {
					t.Errorf("secret known %v, closed %v", o.Secret != nil, o.Closed)
				}
				a.mine(tr.withdraw("src"))
				w.settle()
				if o := w.order(w.id(tr)); !o.Closed || len(o.Events) != 2 {
					t.Errorf("closed %v, events %s", o.Closed, pretty(o.Events))
				}
			})
		}
	})
}

// A source moves to another address, and the order that had it leaves its dst
// leg to the one that has it now: it is closed while the leg is open.
func TestMovedSourceLeavesItsLeg(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	tr := w.trade(swap.OneInchV1)
	a, b := w.chains[chainA], w.chains[chainB]
	a.mine(tr.createSrc(taker))
	w.pass()
	b.mine(tr.createTrueDst(taker))
	w.pass()
	old := w.id(tr)
	a.reorg(1, 1, nil)
	w.pass()
	for range 3 {
		w.later(12 * (confirmations + rewindDepth + 1))
		if err := w.orders.SetWakes(t.Context(), *w.order(old), swap.Wakes{Src: simEpoch}); err != nil {
			t.Fatal(err)
		}
		w.pass()
	}
	w.want(tr, swap.LegOpen, swap.LegOpen)
	if o := w.order(old); w.id(tr) == old || !o.Closed {
		t.Errorf("the old order: %s", pretty(o))
	}
}

// After a reorganisation somebody else may have created the very same source,
// with another complement: that is no part of its address.
func TestReorganisedComplement(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	tr := w.trade(swap.BMNv4)
	a := w.chains[chainA]
	a.mine(tr.createSrc(taker))
	w.pass()
	if !w.order(w.id(tr)).Src.Ours {
		t.Error("not ours")
	}
	other := tr
	other.expect.Amount = number(71)
	a.reorg(1, 1, func(simTx) bool { return false })
	tx := other.createSrc(stranger)
	tx.name = "front run"
	a.mine(tx)
	w.pass()
	if o := w.order(w.id(tr)); o.Expect.Amount != number(71) || o.Src.Ours {
		t.Errorf("expects %s, ours %v", o.Expect.Amount, o.Src.Ours)
	}
}

// A final block that is replaced takes the marks back, and the orders forget
// what they took for final.
func TestFinalBlockReplaced(t *testing.T) {
	kills := []func(string) faulttest.Fault{nil}
	for n := range 16 {
		kills = append(kills, killing(n, faulttest.Refused), killing(n/3, faulttest.Lost))
	}
	for kill, plan := range kills {
		w, tr := started(t, swap.OneInchV11)
		b := w.chains[chainB]
		b.mine(tr.withdraw("dst"))
		b.mineEmpty(confirmations)
		w.pass()
		if n := len(w.order(w.id(tr)).Events); n != 1 {
			t.Fatalf("%d final events", n)
		}
		b.reorg(confirmations+1, 2, func(simTx) bool { return false })
		if plan != nil {
			w.Fail(plan)
			_, _ = w.follower().Pass(t.Context())
			w.Fail(nil)
			if kill%4 < 2 { // the first branch wins after all
				b.forks += 10
				b.reorg(confirmations+3, 0, nil)
			}
		}
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegOpen)
		if o := w.order(w.id(tr)); len(o.Events) != 0 || o.Secret == nil {
			t.Errorf("kill %d: events %s, secret known %v", kill, pretty(o.Events), o.Secret != nil)
		}
		if n := w.found(swap.FinalityMismatch, swap.Critical); n == 0 {
			t.Errorf("kill %d: nobody was told", kill)
		}
		b.mine(tr.withdraw("dst"))
		w.chains[chainA].mine(tr.withdraw("src"))
		w.settle()
		if o := w.order(w.id(tr)); !o.Closed || len(o.Events) != 2 {
			t.Errorf("kill %d: closed %v, events %s", kill, o.Closed, pretty(o.Events))
		}
	}
}

// An order that ended is closed only when its end lies so deep that the marks
// would not go back behind it.
func TestClosedOnlyWhenDeep(t *testing.T) {
	for _, behind := range []bool{false, true} {
		w, tr := started(t, swap.OneInchV1)
		a, b := w.chains[chainA], w.chains[chainB]
		b.mine(tr.withdraw("dst"))
		w.later(400)
		a.mine(tr.withdraw("src"))
		a.mineEmpty(confirmations)
		if !behind {
			for b.head().Time < a.head().Time {
				b.mine()
			}
		}
		for range rewindDepth {
			w.pass()
			if o := w.order(w.id(tr)); o.Closed || len(o.Events) != 2 || o.Wakes.Src == 0 {
				t.Fatalf("closed %v, %d events, wakes %v", o.Closed, len(o.Events), o.Wakes)
			}
			a.mine()
		}
		w.pass()
		if w.order(w.id(tr)).Closed == behind {
			t.Fatalf("dst read beyond the end %v, closed %v", !behind, !behind)
		}
		if behind {
			w.later(600) // it is looked at again
			w.pass()
			if !w.order(w.id(tr)).Closed {
				t.Error("not closed")
			}
		}
	}
}

// An endpoint that keeps a log back does not undo what another one has shown.
func TestHiddenByTheSecondEndpoint(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		w := newWorld(t)
		w.later(60)
		w.pass()
		tr := w.trade(fam)
		a, b := w.chains[chainA], w.chains[chainB]
		a.mine(tr.createSrc(taker))
		b.mine(tr.createTrueDst(taker))
		b.mine(tr.withdraw("dst"))
		w.pass()
		all := func(swap.Log) bool { return true }
		a.hidden[1], b.hidden[1] = all, all
		w.later(12 * confirmations)
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegWithdrawn)
		o := w.order(w.id(tr))
		if !o.Src.Final || !o.Dsts[0].Final || len(o.Events) != 1 {
			t.Errorf("src final %v, dst final %v, %d events", o.Src.Final, o.Dsts[0].Final, len(o.Events))
		}
		if n := w.found(swap.FinalityMismatch, swap.Critical); n < 2 {
			t.Errorf("%d findings", n)
		}
		a.hidden[1], b.hidden[1] = nil, nil
		a.mine(tr.withdraw("src"))
		w.settle()
		if !w.order(w.id(tr)).Closed {
			t.Error("not closed")
		}
	})
}

func TestHiddenByTheFirstEndpoint(t *testing.T) {
	w, tr := started(t, swap.OneInchV1)
	b := w.chains[chainB]
	b.mine()
	escrow := w.escrow(tr, "dst").Escrow
	b.hidden[0] = func(l swap.Log) bool { return l.Address == escrow }
	b.mine(tr.withdraw("dst"))
	w.pass()
	w.want(tr, swap.LegOpen, swap.LegOpen)
	w.later(12 * confirmations)
	w.pass()
	w.want(tr, swap.LegOpen, swap.LegWithdrawn)
	if w.found(swap.FinalityMismatch, swap.Critical) != 1 {
		t.Errorf("findings: %s", pretty(w.findings))
	}
	// That an event is in a block nobody had read before is no finding.
	w.findings = nil
	other := w.trade(swap.OneInchV1)
	w.chains[chainA].mine(other.createSrc(taker))
	b.mine(other.createTrueDst(taker))
	w.pass()
	b.mine(other.withdraw("dst"))
	w.later(24 * confirmations)
	w.pass()
	if len(w.findings) != 0 {
		t.Errorf("findings: %s", pretty(w.findings))
	}
}

// Money that is gone without an event has the escrow's logs read again, from
// another endpoint.
func TestFundsGone(t *testing.T) {
	w, tr := started(t, swap.OneInchV1)
	a, b := w.chains[chainA], w.chains[chainB]
	twin := w.trade(swap.OneInchV1, withSecretOf(tr))
	a.mine(twin.createSrc(taker))
	w.pass()
	escrow := w.escrow(tr, "dst").Escrow
	end := w.fold(w.id(tr)).Dsts[0].At(swap.DstCancellation)
	b.hidden[0] = func(l swap.Log) bool { return l.Address == escrow }
	b.hidden[1] = b.hidden[0]
	b.mine(tr.withdraw("dst"))
	w.later(end - b.head().Time - 400)
	w.pass() // both readings of the block
	w.want(tr, swap.LegOpen, swap.LegOpen)
	w.later(200)
	b.hidden[1] = nil
	if err := w.orders.SetWakes(t.Context(), *w.order(w.id(twin)), swap.Wakes{Src: simEpoch + 1_000_000}); err != nil {
		t.Fatal(err) // nothing of the twin is due: only the secret concerns it
	}
	w.pass()
	w.want(tr, swap.LegOpen, swap.LegWithdrawn)
	for _, o := range []trade{tr, twin} {
		if w.order(w.id(o)).Secret == nil {
			t.Errorf("%s: the secret was not found", o.name)
		}
	}
	if w.found(swap.FinalityMismatch, swap.Critical) == 0 {
		t.Error("nobody was told")
	}
}

// A node that lags does not make what was seen undone.
func TestLaggingHead(t *testing.T) {
	for lag := range uint64(confirmations + 4) {
		w, tr := started(t, swap.BMNv4)
		b := w.chains[chainB]
		b.mineEmpty(2)
		b.mine(tr.withdraw("dst"))
		other := w.trade(swap.OneInchV1)
		w.chains[chainA].mine(other.createSrc(taker))
		b.mine(other.createTrueDst(taker))
		w.pass()
		want := w.stored(chainB)
		b.lag = lag
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegWithdrawn)
		w.want(other, swap.LegOpen, swap.LegOpen)
		if got := w.stored(chainB); got.To != want.To {
			t.Errorf("lag %d: seen up to %d, was %d", lag, got.To.Number, want.To.Number)
		}
		b.lag = 0
		b.mine(other.withdraw("dst"))
		w.pass()
		w.want(other, swap.LegOpen, swap.LegWithdrawn)
	}
}

// When not even the final blocks fit into one reading, what was seen of the
// blocks above stays known in between.
func TestShortSpans(t *testing.T) {
	w, tr := started(t, swap.OneInchV11)
	b := w.chains[chainB]
	b.mine(tr.withdraw("dst"))
	w.pass()
	b.span = 1
	b.mineEmpty(2)
	_ = w.rounds(3) // cut short
	w.want(tr, swap.LegOpen, swap.LegWithdrawn)
	p := w.stored(chainB)
	if p.To.Number < p.From.Number || len(p.Events) != 1 {
		t.Errorf("facts: %s", pretty(p))
	}
	w.pass()
	w.want(tr, swap.LegOpen, swap.LegWithdrawn)
}

// A dst leg is reorganised away, its order ends without it and is closed, and
// then the leg is there again at the same address: it is parked, and a person
// is told if our money is in it.
func TestLegBackAfterClosing(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	tr := w.trade(swap.BMNv4)
	a, b := w.chains[chainA], w.chains[chainB]
	a.mine(tr.createSrc(taker))
	b.mine(tr.createTrueDst(taker))
	w.pass()
	w.want(tr, swap.LegOpen, swap.LegOpen)
	b.reorg(1, 1, func(simTx) bool { return false })
	a.mine(tr.cancel("src"))
	w.settle()
	if !w.order(w.id(tr)).Closed {
		t.Fatal("not closed")
	}
	b.mine(tr.createTrueDst(taker))
	w.settle()
	leg := w.escrow(tr, "dst")
	parked, err := w.parked.Parked(t.Context(), chainB, tr.im.Hashlock)
	if err != nil || len(parked) != 1 || parked[0].Escrow != leg.Escrow {
		t.Errorf("parked: %v, %v", parked, err)
	}
	if n := w.found(swap.ParkedDst, swap.Critical); n != 1 {
		t.Errorf("findings: %s", pretty(w.findings))
	}
}

// The dst leg and its payment are reorganised away after src was claimed on
// the strength of them, and come back long after everything known is final:
// the order is still open, and has the leg again to pay the maker by.
func TestOwedMakerKeepsTheOrderOpen(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		w := newWorld(t)
		w.later(60)
		w.pass()
		tr := w.trade(fam)
		a, b := w.chains[chainA], w.chains[chainB]
		a.mine(tr.createSrc(taker))
		b.mine(tr.createTrueDst(taker))
		b.mine(tr.withdraw("dst"))
		w.pass()
		a.mine(tr.withdraw("src"))
		b.reorg(2, 2, func(simTx) bool { return false })
		w.later(12 * (confirmations + rewindDepth + 2))
		w.pass()
		w.later(12)
		w.pass()
		if o := w.order(w.id(tr)); o.Closed || o.Secret == nil {
			t.Fatalf("given up: %s", pretty(o))
		}
		b.mine(tr.createTrueDst(taker))
		w.later(12 * confirmations)
		w.pass()
		leg := w.escrow(tr, "dst")
		s := w.fold(w.id(tr))
		if !slices.ContainsFunc(s.Dsts, func(l swap.LegState) bool { return l.Escrow == leg.Escrow && l.Status == swap.LegOpen }) {
			t.Errorf("the leg is not known again: %s", pretty(s.Dsts))
		}
	})
}
