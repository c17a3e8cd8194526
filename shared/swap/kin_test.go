package swap

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// copyOf is another order with the dst legs of the world's: its source differs
// in what the complement does not name.
func (w *world) copyOf(f Family, change func(*Immutables), steps ...step) *world {
	c := &world{family: f, facts: w.facts, views: w.views, policy: w.policy, events: 50}
	im := w.order.Src.Immutables
	im.Amount = word(200)
	if change != nil {
		change(&im)
	}
	fac := testFactory(f)
	fac.Address = named("factory of the copy")
	c.order = NewOrder(SrcCreated{Leg: fac.Leg(Src, im, place(0, 9)), Expect: w.order.Expect})
	c.order.Src.Final, c.order.Secret = true, w.order.Secret
	c.order.Dsts = slices.Clone(w.order.Dsts)
	for _, ev := range w.order.Events {
		c.order.AddEvent(ev) // of the dst legs
	}
	fund(&c.order.Src, 0)
	for _, s := range steps {
		s(c)
	}
	return c
}

// amid decides about the order in the knowledge of others.
func (w *world) amid(t reporter, kin ...*world) Decision {
	t.Helper()
	s := Fold(w.order, w.facts)
	for _, k := range kin {
		s.Kin = append(s.Kin, Fold(k.order, k.facts))
	}
	d, err := Plan(s, w.views, w.policy)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Two orders with one dst leg, and what becomes of it.
func TestPlanKin(t *testing.T) {
	ours := func(w *world) { w.order.Src.Ours = true }
	ghost := func(w *world) { w.order.Src.Final = false }
	held := func(w *world) { w.order.Held = true }
	worthless := func(im *Immutables) { im.Token = wordOf(stranger) }
	longAgo := func(im *Immutables) { *im = im.WithDeployedAt(1) }
	farAhead := func(im *Immutables) { *im = im.WithDeployedAt(deployed + 5000) }
	claimed, cancelled := final("src", Withdrawn, 150), final("src", Cancelled, 302)
	type twin struct {
		family Family
		change func(*Immutables)
		steps  []step
	}
	for _, c := range []struct {
		name  string
		given []step // of the one; its family is each in turn unless only says so
		only  []Family
		other twin
		at    int64
		one   string
		its   string // what the other one wants
	}{
		{"a copy has no say, and none against it", []step{ours, withDst}, nil, twin{BMNv4, nil, nil}, 270,
			"src.cancel!dst-logs-not-past dst.cancel", "src.cancel!dst-logs-not-past dst.cancel!dst-of-another-order"},
		{"a copy wants the leg back whose maker is owed", []step{ours, withDst, public, claimed}, nil, twin{BMNv4, longAgo, nil}, 200,
			"dst.withdraw", "src.cancel dst.cancel!dst-of-another-order"},
		{"a copy wants the leg back that its maker can only be owed", []step{ours, withDst, public, claimed}, nil, twin{BMNv4, longAgo, nil}, 300,
			"dst.cancel!src-was-claimed", "src.cancel dst.cancel!dst-of-another-order"},
		{"a claimed copy wants the leg paid out", []step{ours, withDst, public}, nil, twin{BMNv4, nil, []step{claimed}}, 269,
			"src.withdraw!dst-outcome-open dst.cancel!src-claim-pending", "finished"},
		{"a claimed copy does not keep the leg from us", []step{ours, withDst, public, cancelled}, nil, twin{BMNv4, farAhead, []step{claimed}}, 310,
			"dst.cancel", "finished"},
		{"a claimable copy is not claimed on the strength of the leg", []step{ours, withDst, public, cancelled}, nil, twin{BMNv4, nil, nil}, 150,
			"dst.cancel+120", "src.cancel!dst-logs-not-past dst.cancel!dst-of-another-order"},
		{"a worthless copy of what an unknown account made", []step{withDst, public, cancelled}, bmn, twin{BMNv4, worthless, []step{claimed}}, 310,
			"dst.cancel", "finished"},
		{"the source moved: its successor decides", []step{ours, ghost, withDst, public}, nil, twin{OneInchV1, nil, []step{claimed}}, 200,
			"finished", "dst.withdraw"},
		{"the source moved, not for good yet: its successor decides", []step{ours, ghost, withDst, public, change(func(w *world) { w.order.Src.Created = place(197, 0) })}, nil,
			twin{OneInchV1, nil, []step{claimed}}, 200, "dst.cancel!dst-of-another-order", "dst.withdraw"},
		{"two that are meant: the maker of one is owed", []step{ours, withDst, public, cancelled}, nil, twin{OneInchV1, nil, []step{claimed}}, 310,
			"dst.cancel!src-was-claimed", "dst.cancel!src-was-claimed"},
		{"two that are meant: the maker of one may come to be owed", []step{ours, withDst, public, cancelled}, nil, twin{OneInchV1, farAhead, nil}, 310,
			"dst.cancel!src-still-claimable", "src.cancel!dst-logs-not-past dst.cancel!src-still-claimable"},
		{"two that are meant: the maker of both was paid, and another leg is left", []step{ours, withDst, withDstAt(40), final("dst", Withdrawn, 120), claimed}, nil,
			twin{OneInchV1, nil, []step{claimed}}, 290, "dst2.cancel", "dst2.cancel"},
		{"two that are meant, one not read in full", []step{ours, withDst, cancelled}, nil, twin{OneInchV1, nil, []step{held}}, 310,
			"dst.cancel!src-logs-lag", "src.cancel dst.cancel"},
		{"two of strangers: the maker of one is owed", []step{withDst, public, cancelled}, bmn, twin{BMNv4, nil, []step{claimed}}, 310,
			"dst.cancel!src-was-claimed", "dst.cancel!src-was-claimed"},
		{"two of strangers: one waits as long as it likes", []step{withDst, public, cancelled}, bmn, twin{BMNv4, farAhead, nil}, 310,
			"dst.cancel", "src.cancel!dst-logs-not-past dst.cancel!src-still-claimable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			families := c.only
			if families == nil {
				families = Families()
			}
			for _, f := range families {
				w := newWorld(f, c.given...)
				w.at(c.at, c.at)
				k := w.copyOf(c.other.family, c.other.change, c.other.steps...)
				if got := say(w, w.amid(t, k)); got != c.one {
					t.Errorf("%s:\n got %s\nwant %s", f, got, c.one)
				}
				d := k.amid(t, w)
				if got := say(k, d); got != c.its {
					t.Errorf("%s: the other\n got %s\nwant %s", f, got, c.its)
				}
			}
		})
	}
}

// Who is not asked for nothing: an order in the middle of its time.
func TestAsksKin(t *testing.T) {
	for _, c := range []struct {
		name  string
		given []step
		at    int64
		want  int
	}{
		{"waits", []step{withDst}, 150, 0},
		{"takes its leg back within the horizon", []step{withDst}, 270 - 60, 1},
		{"not yet", []step{withDst}, 270 - 61, 0},
		{"pays the maker", []step{withDst, public, final("src", Withdrawn, 101)}, 200, 0},
		{"paid", []step{withDst, final("dst", Withdrawn, 101)}, 200, 0},
		{"may not take it back", []step{withDst, public, final("src", Withdrawn, 101)}, 280, 0},
	} {
		w := newWorld(OneInchV1, c.given...)
		s, d := w.plan(t, c.at, c.at)
		if got := AsksKin(s, d, w.views, w.policy); len(got) != c.want {
			t.Errorf("%s: asks for %v", c.name, got)
		}
		// A stranger's may have to leave any of its legs to others.
		w = newWorld(BMNv4, c.given...)
		s, d = w.plan(t, c.at, c.at)
		if got := AsksKin(s, d, w.views, w.policy); len(got) != len(s.Dsts) {
			t.Errorf("%s, of a stranger: asks for %v", c.name, got)
		}
	}
}

// Whatever is read of both: what a stranger makes changes nothing for an order
// that is meant, has no hand on a dst leg that both have, and nobody takes one
// back while the maker of an order that is meant is owed.
func TestKinProperties(t *testing.T) { forAll(t, 2_000, kinProperties) }

func kinProperties(r *rapid.T) {
	w := anyWorld(r)
	w.order.Src.Ours = rapid.Bool().Draw(r, "ours")
	var kin []*world
	for i := range rapid.IntRange(1, 3).Draw(r, "kin") {
		name := fmt.Sprint("kin", i, " ")
		k := w.copyOf(rapid.SampledFrom(Families()).Draw(r, name+"family"), func(im *Immutables) {
			im.Amount = word(uint64(300 + i))
			if rapid.Bool().Draw(r, name+"worthless") {
				im.Token = wordOf(stranger)
			}
			*im = im.WithDeployedAt(zeroTime.Add(rapid.Int64Range(-600, 600).Draw(r, name+"deployed")))
		})
		k.order.Src.Final = rapid.IntRange(0, 3).Draw(r, name+"gone") > 0
		k.order.Src.Ours = rapid.Bool().Draw(r, name+"ours")
		if rapid.Bool().Draw(r, name+"ended") {
			ev := EscrowEvent{ChainID: k.order.ID.ChainID, Escrow: k.order.ID.Escrow, At: place(rapid.Int64Range(0, 700).Draw(r, name+"at"), uint(60+i)),
				Kind: rapid.SampledFrom([]EventKind{Withdrawn, Cancelled}).Draw(r, name+"end")}
			if ev.Kind == Withdrawn {
				ev.Secret = preimag
				w.order.Learn(preimag)
				k.order.Learn(preimag)
			}
			k.order.AddEvent(ev)
		}
		kin = append(kin, k)
	}
	isMeant := func(x *world) bool { return x.family != BMNv4 || x.order.Src.Ours }
	all := append([]*world{w}, kin...)
	for i, one := range all {
		others := slices.Delete(slices.Clone(all), i, i+1)
		meantOnes := slices.DeleteFunc(slices.Clone(others), func(x *world) bool { return !isMeant(x) })
		d := one.amid(r, others...)
		if isMeant(one) {
			if alone := one.amid(r, meantOnes...); fmt.Sprintf("%+v", alone) != fmt.Sprintf("%+v", d) {
				r.Errorf("strangers change\n%+v\nto\n%+v", alone, d)
			}
		}
		left := !isMeant(one) && len(meantOnes) > 0 && len(one.order.Dsts) > 0
		if left && slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Code == MakerUnpaid }) {
			r.Error("somebody is woken for a stranger's order whose dst legs are another's")
		}
		for _, a := range d.Actions {
			if a.Side != Dst || a.Refused != "" {
				continue
			}
			if !isMeant(one) && len(meantOnes) > 0 {
				r.Errorf("a stranger's order wants %s", a.Call)
			}
			pays := a.Call == Withdraw || a.Call == PublicWithdraw
			for _, m := range meantOnes {
				s := Fold(m.order, m.facts)
				paid := slices.ContainsFunc(s.Dsts, func(l LegState) bool { return l.Status == LegWithdrawn })
				if !pays && s.Src.taken() && !paid {
					r.Errorf("%s is wanted though the maker of %s is owed", a.Call, m.order.ID)
				}
			}
		}
	}
}
