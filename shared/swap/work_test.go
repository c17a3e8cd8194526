package swap

import (
	"testing"

	"github.com/holiman/uint256"
)

// stored is a store of work as Diff sees it: what is saved gets a version.
type stored map[ActionKey]Work

func (st stored) live() (out []Work) {
	for _, w := range st {
		out = append(out, w)
	}
	return out
}

// apply saves the items as a store would, and returns how many there were.
func (st stored) apply(t reporter, items []Work) int {
	t.Helper()
	for _, w := range items {
		if old, ok := st[w.Key()]; ok != (w.Version != 0) || ok && old.Version != w.Version {
			t.Fatalf("%s: saved with version %d over %d", w.Key(), w.Version, old.Version)
		}
		w.Version++
		if st[w.Key()] = w; !w.State.Live() {
			delete(st, w.Key())
		}
	}
	return len(items)
}

func TestDiff(t *testing.T) {
	key := func(w *world, name string, c Call) ActionKey {
		l := w.leg(name)
		return ActionKey{ChainID: l.ChainID, Taker: taker, Escrow: l.Escrow, Call: c}
	}
	edit := func(st stored, k ActionKey, f func(*Work)) {
		w := st[k]
		f(&w)
		st[k] = w
	}
	w := newWorld(OneInchV1, withDst)
	st := stored{}
	diff := func(at int64) []Work {
		s, d := w.plan(t, at, at)
		return Diff(s, d, st.live())
	}
	if n := st.apply(t, diff(280)); n != 2 { // src waits for 300, dst is due
		t.Fatalf("%d items", n)
	}
	if out := diff(281); len(out) != 0 {
		t.Fatalf("looking again writes %+v", out)
	}
	dst, src := key(w, "dst", Cancel), key(w, "src", Cancel)
	if got := st[dst]; got.State != WorkPlanned || got.Attempt != 1 {
		t.Errorf("%+v", got)
	}

	// What waits for a log is left alone; a change of the price is not.
	mark := w.views[srcChain]
	w.plan(t, 282, 282)
	w.views[srcChain] = ChainView{ChainID: srcChain, Head: block(282), SyncedTo: block(200), Final: block(200)}
	s, d := w.decide(t)
	if out := Diff(s, d, st.live()); len(out) != 0 {
		t.Errorf("waiting writes %+v", out)
	}
	w.views[srcChain] = mark
	on(dstChain, func(c *ChainPolicy) { c.FeeCap[Cancel] = *uint256.NewInt(11) })(w)
	edit(st, dst, func(x *Work) { x.State, x.RetryAt, x.Why, x.Attempt = WorkRefused, zeroTime+400, "reverts", 3 })
	out := diff(283)
	if len(out) != 2 {
		t.Fatalf("a new price writes %d items", len(out))
	}
	st.apply(t, out)
	if got := st[dst]; got.State != WorkRefused || got.RetryAt != zeroTime+400 || got.Attempt != 3 || got.FeeCap != *uint256.NewInt(11) {
		t.Errorf("a refused action forgot its back-off: %+v", got)
	}
	if st[dst].Sendable(zeroTime+399) || !st[dst].Sendable(zeroTime+400) {
		t.Error("sent within its back-off, or not after")
	}

	// In flight: the chain will tell.
	edit(st, dst, func(x *Work) { x.State = WorkSubmitted })
	seen("dst", Cancelled, 284)(w)
	if out := diff(284); len(out) != 0 {
		t.Errorf("touched work in flight: %+v", out)
	}
	// Ended by somebody else.
	edit(st, dst, func(x *Work) { x.State = WorkPlanned })
	if out := diff(285); len(out) != 1 || out[0].State != WorkByOther || out[0].Why != "" {
		t.Errorf("ended by somebody else: %+v", out)
	} else {
		st.apply(t, out)
	}
	// The cancellation was reorganised away: it is wanted again.
	w.facts = nil
	if out := diff(286); len(out) != 1 || out[0].Key() != dst || out[0].Version != 0 {
		t.Errorf("after a reorg: %+v", out)
	}
	// Forbidden by now, with the reason.
	final("dst", Withdrawn, 200)(w)
	w.plan(t, 310, 310)
	for _, x := range diff(310) {
		if x.Key() == src && (x.State != WorkObsolete || x.Why != DstPaid) {
			t.Errorf("cancelling src after the payment: %+v", x)
		}
	}
	// Another order's work is not ours to touch, nor is finished work.
	other := st[src]
	other.Order.ChainID++
	other.Call = RescueFunds
	done := st[src]
	done.State, done.Call = WorkConfirmed, RescueFunds
	s, d = w.decide(t)
	for _, x := range Diff(s, d, []Work{other, done}) {
		if x.Version != 0 {
			t.Errorf("touched %+v", x)
		}
	}
}
