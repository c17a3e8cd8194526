package follow_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// down makes the named calls fail from now on.
func (w *world) down(ops ...string) {
	w.Fail(func(op string) faulttest.Fault {
		if slices.ContainsFunc(ops, func(prefix string) bool { return strings.HasPrefix(op, prefix) }) {
			return faulttest.Refused
		}
		return faulttest.OK
	})
}

// fails runs a pass that has to report an error.
func (w *world) fails() follow.Result {
	w.t.Helper()
	res, err := w.follower().Pass(w.t.Context())
	if !errors.Is(err, faulttest.ErrInjected) {
		w.t.Fatalf("pass: %v", err)
	}
	return res
}

// One chain is down while the other one lives on: whatever part of it fails,
// what the other shows is learned and planned, nothing is concluded from the
// silence, and nothing that happened meanwhile is lost.
func TestOneChainDown(t *testing.T) {
	for _, what := range []string{"rpc.head", "rpc.block", "rpc.logs"} {
		for _, downed := range []uint64{chainA, chainB} {
			t.Run(what+" of "+map[uint64]string{chainA: "src", chainB: "dst"}[downed], func(t *testing.T) {
				w, tr := started(t, swap.OneInchV11)
				back := w.trade(swap.OneInchV1, reverse)
				twin := w.trade(swap.OneInchV1, withSecretOf(tr)) // known by its src only
				a, b := w.chains[chainA], w.chains[chainB]
				a.mine(twin.createSrc(taker))
				b.mine(back.createSrc(taker))
				w.pass()
				op := what + "." + map[uint64]string{chainA: "1", chainB: "2"}[downed]
				w.down(op)
				a.mine(back.createTrueDst(taker))
				b.mine(tr.withdraw("dst"))
				fresh := w.trade(swap.BMNv4)
				a.mine(fresh.createSrc(taker))
				b.mine(fresh.createTrueDst(stranger))
				w.later(12 * (confirmations + 2)) // all of it gets final
				for range 3 {
					w.fails()
					w.later(24)
				}
				switch downed {
				case chainB:
					w.want(back, swap.LegOpen, swap.LegOpen)
					w.want(fresh, swap.LegOpen)
					if what != "rpc.head" && w.planned[w.id(back)] == 0 {
						t.Error("what the healthy chain shows is not planned")
					}
				case chainA:
					w.want(tr, swap.LegOpen, swap.LegWithdrawn)
					for _, o := range []trade{tr, twin} {
						if w.order(w.id(o)).Secret == nil {
							t.Errorf("%s: the secret is not learned", o.name)
						}
					}
				}
				w.Fail(nil)
				w.pass()
				w.want(tr, swap.LegOpen, swap.LegWithdrawn)
				w.want(back, swap.LegOpen, swap.LegOpen)
				w.want(fresh, swap.LegOpen, swap.LegOpen)
				if o := w.order(w.id(twin)); o.Secret == nil {
					t.Error("the twin did not learn the secret")
				}
			})
		}
	}
}

// The creating transactions of one chain cannot be read: its round waits, the
// other chain's does not.
func TestLookupFails(t *testing.T) {
	w, tr := started(t, swap.OneInchV1)
	a, b := w.chains[chainA], w.chains[chainB]
	w.down("rpc.transactions.2")
	other := w.trade(swap.BMNv4)
	back := w.trade(swap.BMNv4, reverse)
	a.mine(other.createSrc(taker))
	b.mine(back.createSrc(taker), other.createTrueDst(taker), tr.withdraw("dst"))
	w.later(12 * (confirmations + 1))
	w.fails()
	w.want(other, swap.LegOpen)
	if w.stored(chainB).To.Number >= b.head().Number-2 {
		t.Error("the marks passed what could not be judged")
	}
	w.Fail(nil)
	w.pass()
	w.want(other, swap.LegOpen, swap.LegOpen)
	w.want(back, swap.LegOpen)
	w.want(tr, swap.LegOpen, swap.LegWithdrawn)
}

// The order's dst leg was final before its source was known, and withdrawn
// long since: it is found among the parked ones and scanned back, at once or,
// if its chain is down just then, when that is back.
func TestDstLongBeforeSrc(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		for _, down := range []bool{false, true} {
			w := newWorld(t)
			w.later(60)
			w.pass()
			tr := w.trade(fam)
			decoy := tr.dstImmutables()
			decoy.Amount = number(1)
			a, b := w.chains[chainA], w.chains[chainB]
			b.mine(tr.createDst("decoy", stranger, decoy), tr.createTrueDst(stranger))
			w.later(48)
			w.pass()
			b.mine(tr.withdraw("dst"))
			w.later(600)
			w.pass()
			if w.found(swap.ParkedDst, swap.Warning) != 1 {
				t.Errorf("findings: %s", pretty(w.findings))
			}
			if down {
				w.down("rpc.logs.2")
			}
			a.mine(tr.createSrc(taker))
			w.later(12 * (confirmations + 1))
			if down {
				w.fails()
				w.want(tr, swap.LegOpen)
				// The sweep may plan it meanwhile, and sets it aside for long.
				o := w.order(w.id(tr))
				if err := w.orders.SetWakes(t.Context(), *o, swap.Wakes{Src: simEpoch + 1_000_000}); err != nil {
					t.Fatal(err)
				}
				w.Fail(nil)
			}
			w.pass()
			w.want(tr, swap.LegOpen, swap.LegWithdrawn)
			if o := w.order(w.id(tr)); o.Secret == nil || len(o.Events) != 1 || !o.Dsts[0].Final {
				t.Errorf("down %v: %s", down, pretty(o))
			}
			if n := len(w.stored(chainB).Sync.Seek); n != 0 {
				t.Errorf("%d orders still sought", n)
			}
			a.mine(tr.withdraw("src"))
			w.settle()
			if !w.order(w.id(tr)).Closed {
				t.Error("not closed")
			}
		}
	})
}

// Strangers fill the room of the parked: one alert, and what fits an order is
// found all the same.
func TestParkedFlood(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	b := w.chains[chainB]
	for range 3 * parkRoom {
		tr := w.trade(swap.OneInchV1)
		b.mine(tr.createTrueDst(stranger))
	}
	w.later(12 * confirmations)
	w.pass()
	if w.found(swap.ParkedDst, swap.Critical) != 1 {
		t.Errorf("findings: %s", pretty(w.findings))
	}
	if n := w.Calls("parked.park"); n > parkRoom+20 {
		t.Errorf("%d calls to park into a room for %d", n, parkRoom)
	}
	tr := w.trade(swap.OneInchV1)
	w.chains[chainA].mine(tr.createSrc(taker))
	b.mine(tr.createTrueDst(taker))
	w.pass()
	w.want(tr, swap.LegOpen, swap.LegOpen)
}

// A dst escrow of our own making that fits no order is worth a person's sleep,
// unless its source may be on a chain that cannot be read.
func TestOwnDstWithoutSrc(t *testing.T) {
	for _, down := range []bool{false, true} {
		w, closed := started(t, swap.OneInchV1)
		w.chains[chainB].mine(closed.withdraw("dst"))
		w.chains[chainA].mine(closed.withdraw("src"))
		w.settle()
		tr := w.trade(swap.OneInchV1)
		w.chains[chainB].mine(tr.createTrueDst(helper), closed.createDst("late", taker, closed.dstImmutables()))
		w.later(12 * confirmations)
		want := 2
		if down {
			w.down("rpc.head.1")
			w.fails()
			want = 0
		} else {
			w.pass()
		}
		if n := w.found(swap.ParkedDst, swap.Critical); n != want {
			t.Errorf("down %v: findings %s", down, pretty(w.findings))
		}
	}
}

// A sweep that sets wake times while state-sync works costs nothing; another
// pass that was faster ends this one.
func TestConflicts(t *testing.T) {
	w, tr := started(t, swap.OneInchV1)
	w.chains[chainB].mine(tr.withdraw("dst"))
	id := w.id(tr)
	interfere := true
	f := w.follower()
	f.Orders = saving{w.orders, func(o swap.Order) {
		if stored := w.order(o.ID); interfere && stored != nil {
			interfere = false
			if err := w.orders.SetWakes(t.Context(), *stored, swap.Wakes{Src: 77}); err != nil {
				t.Error(err)
			}
		}
	}}
	if _, err := f.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.order(id).Secret == nil || interfere {
		t.Error("the secret was not stored")
	}

	w.chains[chainA].mine(tr.withdraw("src"))
	planned := w.planned[id]
	f = w.follower()
	other := w.follower()
	f.Orders = saving{w.orders, func(swap.Order) {}}
	f.Facts = replacing{w.facts, func() {
		w.later(12)
		if _, err := other.Pass(t.Context()); err != nil {
			t.Error(err)
		}
	}}
	if _, err := f.Pass(t.Context()); !errors.Is(err, swap.ErrConflict) {
		t.Errorf("a pass that was overtaken: %v", err)
	}
	if w.planned[id] != planned+1 {
		t.Errorf("planned %d times, want once by the faster pass", w.planned[id]-planned)
	}
	w.want(tr, swap.LegWithdrawn, swap.LegWithdrawn)
}

type saving struct {
	follow.Orders
	before func(swap.Order)
}

func (s saving) Save(ctx context.Context, o swap.Order) error {
	s.before(o)
	return s.Orders.Save(ctx, o)
}

type replacing struct {
	follow.Facts
	before func()
}

func (s replacing) Replace(ctx context.Context, prev, next swap.Provisional) error {
	s.before()
	return s.Facts.Replace(ctx, prev, next)
}

// Nobody can be told: the money is watched all the same.
func TestReportFails(t *testing.T) {
	w, tr := started(t, swap.OneInchV1)
	decoy := tr.dstImmutables()
	decoy.Amount = number(1)
	b := w.chains[chainB]
	b.mine(tr.createDst("decoy", stranger, decoy), tr.withdraw("dst"))
	w.later(12 * confirmations)
	f := w.follower()
	mute := errors.New("mute")
	f.Report = func(context.Context, []swap.Finding) error { return mute }
	if _, err := f.Pass(t.Context()); !errors.Is(err, mute) {
		t.Errorf("%v", err)
	}
	w.want(tr, swap.LegOpen, swap.LegWithdrawn)
	if w.stored(chainB).To.Number != b.head().Number {
		t.Error("the marks did not move")
	}
}

// An order that cannot be read is not taken as absent: the marks stay before
// what concerns it, and what is due of the others is planned all the same.
func TestOneOrderCannotBeRead(t *testing.T) {
	w, bad := started(t, swap.OneInchV1)
	good := w.trade(swap.OneInchV1)
	w.chains[chainA].mine(good.createSrc(taker))
	w.chains[chainB].mine(good.createTrueDst(taker))
	w.later(12 * confirmations)
	w.pass()
	for _, tr := range []trade{bad, good} {
		if err := w.orders.SetWakes(t.Context(), *w.order(w.id(tr)), swap.Wakes{Src: simEpoch}); err != nil {
			t.Fatal(err)
		}
	}
	before, planned := *w.order(w.id(bad)), w.planned[w.id(good)]
	w.orders.Damage(func(id swap.OrderID) bool { return id == w.id(bad) })
	damaged := func() {
		t.Helper()
		if _, err := w.follower().Pass(t.Context()); !errors.Is(err, watchtest.ErrDamaged) {
			t.Fatalf("pass: %v", err)
		}
		if d := diff(before, *w.order(w.id(bad))); d != "" {
			t.Errorf("the order that could not be read was written:\n%s", d)
		}
	}

	w.later(12)
	damaged() // it is due, and nothing has happened to it
	if w.planned[w.id(good)] != planned+1 || w.stored(chainB).To.Number != w.chains[chainB].head().Number {
		t.Errorf("planned %d times, chain 2 seen to %d", w.planned[w.id(good)]-planned, w.stored(chainB).To.Number)
	}
	mark := w.stored(chainB).To
	w.chains[chainB].mine(bad.withdraw("dst"), good.withdraw("dst"))
	w.later(12 * confirmations)
	damaged() // its dst leg was withdrawn
	if got := w.stored(chainB).To; got != mark {
		t.Errorf("the mark moved from %d to %d, past an event of the order", mark.Number, got.Number)
	}
	w.orders.Damage(nil)
	w.pass()
	for _, tr := range []trade{bad, good} {
		w.want(tr, swap.LegOpen, swap.LegWithdrawn)
		if w.order(w.id(tr)).Secret == nil {
			t.Errorf("%s: the secret is not learned", tr.name)
		}
	}
}

// A source is seen again of an order that is stored and cannot be read: it is
// not begun anew.
func TestSourceOfAnOrderThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	tr := w.trade(swap.BMNv4)
	w.chains[chainA].mine(tr.createSrc(taker))
	w.pass()
	before, adopted := *w.order(w.id(tr)), 0
	w.orders.Damage(func(swap.OrderID) bool { return true })
	f := w.follower()
	f.Orders = saving{w.orders, func(swap.Order) { adopted++ }}
	w.later(12 * confirmations)
	if _, err := f.Pass(t.Context()); !errors.Is(err, watchtest.ErrDamaged) || adopted > 0 {
		t.Errorf("%d saved, %v", adopted, err)
	}
	w.orders.Damage(nil)
	w.pass()
	if o := w.order(w.id(tr)); !o.Src.Final || o.Src.Escrow != before.Src.Escrow || o.Version <= before.Version {
		t.Errorf("%s", pretty(o))
	}
}

// An order is not closed over balances that nobody could read: not those of its
// legs after their end, and not that of an escrow of which nothing is proven. It is
// told, and closed once they are read.
func TestNotClosedOverUnreadBalances(t *testing.T) {
	for _, candidate := range []bool{false, true} {
		w, tr := started(t, swap.BMNv4)
		a, b := w.chains[chainA], w.chains[chainB]
		deaf := true
		w.Fail(func(op string) faulttest.Fault {
			if deaf && strings.HasPrefix(op, "rpc.balances") {
				return faulttest.Refused
			}
			return faulttest.OK
		})
		if candidate {
			im := tr.dstImmutables()
			im.Amount = number(1)
			tx := tr.createDst("blind", stranger, im)
			tx.input = nil
			b.mine(tx)
		}
		if _, err := w.follower().Pass(t.Context()); (err == nil) == candidate {
			t.Fatalf("candidate %t: %v", candidate, err)
		}
		b.mine(tr.withdraw("dst"))
		w.later(400)
		a.mine(tr.withdraw("src"))
		for range 3 {
			w.later(700) // it is looked at again
			if _, err := w.follower().Pass(t.Context()); err == nil {
				t.Fatalf("candidate %t: no error", candidate)
			}
			if o := w.order(w.id(tr)); o == nil || o.Closed {
				t.Fatalf("candidate %t: closed", candidate)
			}
		}
		if w.found(swap.FundsHeld, swap.Warning) == 0 || candidate && w.found(swap.UnprovenDst, swap.Critical) == 0 {
			t.Errorf("candidate %t: nobody was told: %s", candidate, pretty(w.findings))
		}
		deaf = false
		for range 2 { // read, and closed
			w.later(700)
			w.pass()
		}
		if o := w.order(w.id(tr)); !o.Closed {
			t.Errorf("candidate %t: not closed: %s", candidate, pretty(o))
		}
	}
}

// What a token told before it fell silent stands: a cancellation that moved nothing
// is not believed, the maker is still to be paid, and that the leg is emptied without
// an event is noticed with the first answer.
func TestATokenThatFallsSilent(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		w, tr := started(t, fam)
		a, b := w.chains[chainA], w.chains[chainB]
		w.later(1100)
		w.pass()
		known := w.fold(w.id(tr)).Dsts[0].Balance
		if !known.Known() {
			t.Fatal("never read")
		}
		b.mute = true
		if err := w.orders.SetWakes(t.Context(), *w.order(w.id(tr)), swap.Wakes{Src: simEpoch}); err != nil {
			t.Fatal(err)
		}
		end := w.fold(w.id(tr)).Dsts[0].At(swap.DstCancellation)
		a.mine(tr.withdraw("src"))
		for b.head().Time < end-250 { // past the time at which balances are probed
			w.later(60)
			w.pass()
		}
		before := b.looks
		w.later(12)
		w.pass()
		if b.looks == before {
			t.Error("not asked again with the next pass")
		}
		s := w.fold(w.id(tr))
		if got := s.Dsts[0].Balance; got != known {
			t.Errorf("%+v, want what was known: %+v", got, known)
		}
		pays := false
		for _, work := range w.actions.All() {
			pays = pays || work.Escrow == s.Dsts[0].Escrow && work.Call == swap.Withdraw
		}
		if !pays {
			t.Error("the maker is not to be paid")
		}
		b.mute, b.short = false, func(id swap.OrderID) bool { return id.Escrow == s.Dsts[0].Escrow }
		w.pass()
		if w.found(swap.FundsGone, swap.Critical) == 0 {
			t.Errorf("not noticed that the leg is empty: %s", pretty(w.findings))
		}
	})
}

// A cancellation that moved nothing, of a leg whose token is silent just then: what it
// holds is asked again and again, and the maker is paid as soon as it is told.
func TestACancellationForNothingWhileTheTokenIsSilent(t *testing.T) {
	for _, silence := range []swap.ChainTime{12, 600} { // shorter and longer than it takes to be final
		w, tr := started(t, swap.BMNv4)
		a, b := w.chains[chainA], w.chains[chainB]
		w.later(2100)
		a.mine(tr.withdraw("src"))
		w.later(12 * (confirmations + 1))
		w.pass()
		dst := w.fold(w.id(tr)).Dsts[0]
		b.mute = true
		b.mine(simTx{name: "for nothing", from: stranger, run: func(simState, swap.ChainTime) []swap.Log {
			return []swap.Log{cancelledLog(dst.Escrow)}
		}})
		for end := b.head().Time + silence; b.head().Time < end; {
			w.pass()
			w.later(12)
		}
		b.mute = false
		for range 6 { // a minute and some
			w.later(12)
			w.pass()
		}
		s := w.fold(w.id(tr))
		c, err := swap.Plan(s, swap.Views{
			chainA: {ChainID: chainA, Head: a.head().Block, SyncedTo: a.head().Block, Final: w.stored(chainA).From},
			chainB: {ChainID: chainB, Head: b.head().Block, SyncedTo: b.head().Block, Final: w.stored(chainB).From}}, w.policy)
		if err != nil {
			t.Fatal(err)
		}
		if _, wanted := c.Wanted(swap.ActionKey{ChainID: chainB, Taker: taker, Escrow: dst.Escrow, Call: swap.Withdraw}); !wanted || s.Dsts[0].Status != swap.LegOpen {
			t.Errorf("silent for %d s: %s, wanted: %v", silence, s.Dsts[0].Status, c.Actions)
		}
	}
}

// A token that reverts is not zero: nothing counts as gone, and an order whose
// escrow has ended stays open and is told until the token answers again. It is asked
// again seldom.
func TestATokenThatGivesNoBalance(t *testing.T) {
	w, tr := started(t, swap.OneInchV11)
	a, b := w.chains[chainA], w.chains[chainB]
	w.later(400)
	w.pass()
	b.mute = true
	w.pass()
	b.mine(tr.withdraw("dst"))
	a.mine(tr.withdraw("src"))
	for range 3 {
		w.later(700)
		w.pass()
		if o := w.order(w.id(tr)); o == nil || o.Closed {
			t.Fatal("closed")
		}
	}
	if w.found(swap.FundsGone, swap.Critical) > 0 {
		t.Errorf("gone: %s", pretty(w.findings))
	}
	if w.found(swap.FundsHeld, swap.Warning) == 0 {
		t.Errorf("nobody was told: %s", pretty(w.findings))
	}
	before := b.looks
	for range 5 {
		w.later(50)
		w.pass()
	}
	if n := b.looks - before; n > 1 {
		t.Errorf("asked %d times in four minutes", n)
	}
	b.mute = false
	for range 2 { // read, and closed
		w.later(700)
		w.pass()
	}
	if o := w.order(w.id(tr)); !o.Closed {
		t.Errorf("not closed: %s", pretty(o))
	}
}
