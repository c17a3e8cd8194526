package swap

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"
)

func TestFold(t *testing.T) {
	rescue := func(name string, at int64, coin common.Address, amount uint64, isFinal bool) step {
		return func(w *world) {
			ev := w.event(name, Rescued, at)
			ev.Token, ev.Amount = coin, *uint256.NewInt(amount)
			if isFinal {
				w.order.AddEvent(ev)
				return
			}
			p := w.facts[ev.ChainID]
			p.AddEvent(ev)
			w.facts[ev.ChainID] = p
		}
	}
	foreign := func(w *world) { // the right topic, the wrong secret: no escrow says so
		ev := w.event("dst", Withdrawn, 75)
		ev.Secret = secretOf("another")
		w.facts[dstChain] = Provisional{ChainID: dstChain, Events: []EscrowEvent{ev}}
	}
	for _, c := range []struct {
		name  string
		given []step
		leg   string
		want  string // status, "final" or "", second of the end
	}{
		{"open for good", nil, "src", "open final"},
		{"open as far as seen", []step{change(func(w *world) {
			w.order.Src.Final = false
			w.facts[srcChain] = Provisional{ChainID: srcChain, Legs: []OrderID{w.order.ID}}
		})}, "src", "open"},
		{"not there", []step{change(func(w *world) { w.order.Src.Final = false })}, "src", "absent"},
		{"withdrawn as far as seen", []step{withDst, seen("dst", Withdrawn, 75)}, "dst", "withdrawn 75"},
		{"withdrawn for good", []step{withDst, final("dst", Withdrawn, 75)}, "dst", "withdrawn final 75"},
		{"final and provisional at once", []step{withDst, seen("dst", Withdrawn, 74), final("dst", Withdrawn, 75)}, "dst", "withdrawn final 75"},
		{"funded and withdrawn again", []step{withDst, final("dst", Withdrawn, 75), final("dst", Withdrawn, 80)}, "dst", "withdrawn final 75"},
		{"funded again and cancelled", []step{withDst, final("dst", Withdrawn, 75), final("dst", Cancelled, 300)}, "dst", "withdrawn final 75"},
		{"a secret that does not open the hashlock", []step{withDst, foreign}, "dst", "open final"},
		{"cancelled", []step{withDst, seen("dst", Cancelled, 271)}, "dst", "cancelled 271"},
		{"rescued whole", []step{rescue("src", 700_000, srcCoin, 256, true)}, "src", "rescued final 700000"},
		{"rescued in parts", []step{rescue("src", 700_000, srcCoin, 255, true), rescue("src", 700_001, srcCoin, 1, false)}, "src", "rescued 700001"},
		{"rescued in part", []step{rescue("src", 700_000, srcCoin, 255, true)}, "src", "open final"},
		{"rescued of something else", []step{rescue("src", 700_000, dstCoin, 256, true)}, "src", "open final"},
		{"rescued of more than there can be", []step{rescue("src", 700_000, srcCoin, 1, true), change(func(w *world) {
			ev := w.event("src", Rescued, 700_001)
			ev.Amount.SetAllOne()
			w.order.AddEvent(ev)
		})}, "src", "rescued final 700001"},
		{"strays rescued after the end", []step{final("src", Cancelled, 301), rescue("src", 700_000, srcCoin, 256, true)}, "src", "cancelled final 301"},
		{"funded and cancelled after a rescue", []step{rescue("src", 700_000, srcCoin, 256, true), final("src", Cancelled, 800_000)}, "src", "rescued final 700000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			forFamilies(t, func(t *testing.T, f Family) {
				w := newWorld(f, c.given...)
				s := Fold(w.order, w.facts)
				l := s.Src
				if c.leg == "dst" {
					l = s.Dsts[0]
				}
				got := l.Status.String()
				if l.Final {
					got += " final"
				}
				if l.ended() {
					got += fmt.Sprint(" ", l.Ended.Time.Sub(zeroTime))
				}
				if got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		})
	}
}

// BMN's dst escrows can be made to say that they were cancelled.
func TestFoldForgedCancellation(t *testing.T) {
	for _, c := range []struct {
		name   string
		family Family
		leg    string
		given  []step
		want   LegStatus
	}{
		{"not looked at since", BMNv4, "dst", []step{holding("dst", 99, 512, 16)}, LegCancelled},
		{"still there", BMNv4, "dst", []step{holding("dst", 100, 512, 16)}, LegOpen},
		{"more is there", BMNv4, "dst", []step{holding("dst", 200, 600, 0)}, LegOpen},
		{"less is there", BMNv4, "dst", []step{holding("dst", 100, 511, 16)}, LegCancelled},
		{"there, and then really cancelled", BMNv4, "dst", []step{final("dst", Cancelled, 280), holding("dst", 100, 512, 16)}, LegCancelled},
		{"there, and then paid out", BMNv4, "dst", []step{final("dst", Withdrawn, 150)}, LegWithdrawn},
		{"no other family's dst", OneInchV1, "dst", []step{holding("dst", 100, 512, 16)}, LegCancelled},
		{"no src", BMNv4, "src", []step{final("src", Cancelled, 100), holding("src", 100, 256, 32)}, LegCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(c.family, append([]step{withDst, final("dst", Cancelled, 100)}, c.given...)...)
			s := Fold(w.order, w.facts)
			if got := map[string]LegStatus{"src": s.Src.Status, "dst": s.Dsts[0].Status}[c.leg]; got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// A secret is known from any leg, seen or final, and stays when its block goes.
func TestFoldSecret(t *testing.T) {
	show := func(chain uint64, escrow common.Address) step {
		return func(w *world) {
			w.facts[chain] = Provisional{ChainID: chain, Events: []EscrowEvent{{ChainID: chain, Escrow: escrow, Kind: Withdrawn, Secret: preimag, At: place(75, 1)}}}
		}
	}
	w := newWorld(OneInchV1, withDst)
	escrow := w.order.Dsts[0].Escrow
	w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: stranger, At: place(30, 0)})
	for name, c := range map[string]struct {
		given step
		want  bool
	}{
		"dst": {show(dstChain, escrow), true}, "candidate": {show(dstChain, stranger), true}, "src": {show(srcChain, w.order.ID.Escrow), true},
		"look-alike": {show(dstChain, named("look-alike")), false}, "same address, other chain": {show(srcChain, escrow), false},
	} {
		w.facts = map[uint64]Provisional{}
		c.given(w)
		if s := Fold(w.order, w.facts); (s.Secret != nil) != c.want || c.want && *s.Secret != preimag {
			t.Errorf("%s: secret known: %t", name, s.Secret != nil)
		}
		if w.order.Secret != nil {
			t.Fatal("Fold wrote to the order")
		}
	}
	w.order.Learn(preimag)
	w.facts = nil
	if s := Fold(w.order, w.facts); s.Secret == nil {
		t.Error("the secret was unlearned")
	}
}

func TestFoldCandidates(t *testing.T) {
	w := newWorld(OneInchV1)
	escrow := named("candidate")
	w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: escrow, At: place(30, 0)})
	ev := func(kind EventKind, at int64, secret [32]byte) EscrowEvent {
		return EscrowEvent{ChainID: dstChain, Escrow: escrow, Kind: kind, Secret: secret, At: place(at, uint(at))}
	}
	for _, c := range []struct {
		name        string
		final, seen []EscrowEvent
		want        LegStatus
		isFinal     bool
	}{
		{"nothing", nil, nil, LegOpen, false},
		{"seen", nil, []EscrowEvent{ev(Withdrawn, 75, preimag)}, LegWithdrawn, false},
		{"final", []EscrowEvent{ev(Withdrawn, 75, preimag)}, nil, LegWithdrawn, true},
		{"final, then seen", []EscrowEvent{ev(Withdrawn, 75, preimag)}, []EscrowEvent{ev(Withdrawn, 76, preimag)}, LegWithdrawn, true},
		{"cancelled for good, withdrawn as seen", []EscrowEvent{ev(Cancelled, 75, [32]byte{})}, []EscrowEvent{ev(Withdrawn, 76, preimag)}, LegWithdrawn, false},
		{"withdrawn, then cancelled", []EscrowEvent{ev(Withdrawn, 75, preimag), ev(Cancelled, 76, [32]byte{})}, nil, LegWithdrawn, true},
		{"wrong secret", []EscrowEvent{ev(Withdrawn, 75, secretOf("x"))}, nil, LegOpen, false},
	} {
		o := w.order
		o.Events = c.final
		s := Fold(o, map[uint64]Provisional{dstChain: {ChainID: dstChain, Events: c.seen}})
		if got := s.Unproven[0]; got.Status != c.want || got.Final != c.isFinal {
			t.Errorf("%s: %s final %t", c.name, got.Status, got.Final)
		}
	}
}

func TestAddEvent(t *testing.T) {
	w := newWorld(BMNv4, withDst)
	o := &w.order
	if o.AddEvent(EscrowEvent{ChainID: dstChain, Escrow: stranger, Kind: Cancelled, At: place(1, 1)}) {
		t.Error("took an event of a stranger's escrow")
	}
	bad := w.event("dst", Withdrawn, 75)
	bad.Secret = secretOf("x")
	if o.AddEvent(bad) {
		t.Error("took a withdrawal with a wrong secret")
	}
	// An escrow that repeats itself keeps its first cancellations and the last,
	// which may be the real one, and crowds nobody out.
	var all []EscrowEvent
	for at := int64(100); at < 300; at++ {
		ev := w.event("dst", Cancelled, at)
		all = append(all, ev)
		if !o.AddEvent(ev) {
			t.Fatalf("cancellation at %d not taken", at)
		}
	}
	if len(o.Events) != maxEnds || o.Events[0] != all[0] || o.Events[maxEnds-1] != all[len(all)-1] {
		t.Errorf("kept %d events, the last at %d", len(o.Events), o.Events[len(o.Events)-1].At.Time)
	}
	before := slices.Clone(o.Events)
	for _, ev := range all {
		if o.AddEvent(ev) {
			t.Fatalf("took the event at %d twice", ev.At.Time)
		}
	}
	if diff := cmp.Diff(before, o.Events); diff != "" {
		t.Error(diff)
	}
	if !o.AddEvent(w.event("dst", Withdrawn, 75)) || !o.AddEvent(w.event("src", Withdrawn, 80)) {
		t.Error("the noise crowded a fact out")
	}
	for range 2 * maxRescues {
		o.AddEvent(w.event("src", Rescued, 700_000))
	}
	if n := len(o.Events); n != maxEnds+2+maxRescues {
		t.Errorf("%d events", n)
	}
	var p Provisional
	for _, ev := range all {
		p.AddEvent(ev)
	}
	if len(p.Events) != maxEnds || p.Events[maxEnds-1] != all[len(all)-1] {
		t.Errorf("provisional facts keep %d events", len(p.Events))
	}
}

func TestAddDstMakesRoomForOurs(t *testing.T) {
	w := newWorld(BMNv4)
	for i := range MaxDstLegs {
		if !w.order.AddDst(w.dstLeg(int64(20+i), nil), false) {
			t.Fatal("no room for leg", i)
		}
	}
	if w.order.AddDst(w.dstLeg(100, nil), false) {
		t.Fatal("took a stranger's leg beyond the bound")
	}
	empty := w.order.Dsts[3].Escrow
	w.order.Dsts[3].Balance = Balance{Block: block(30)}
	if w.order.AddDst(w.dstLeg(20, nil), true) {
		t.Error("took a leg twice")
	}
	for i := range MaxDstLegs {
		if !w.order.AddDst(w.dstLeg(int64(100+i), nil), true) {
			t.Errorf("no room for leg %d of ours", i)
		}
		if i == 0 && w.order.leg(dstChain, empty) != nil {
			t.Error("the empty leg was not the first to go")
		}
	}
	if w.order.AddDst(w.dstLeg(200, nil), true) || len(w.order.Dsts) != MaxDstLegs {
		t.Error("one of ours went for another")
	}
}

func TestAddCandidateForgetsEmptyOnes(t *testing.T) {
	w := newWorld(OneInchV1)
	add := func(i int) bool {
		return w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: named(fmt.Sprint("candidate ", i)), At: place(20, uint(i))})
	}
	for i := range MaxCandidates {
		if !add(i) || add(i) {
			t.Fatal("candidate", i)
		}
	}
	if add(100) {
		t.Fatal("forgot a candidate that was never looked at")
	}
	w.order.SetBalance(dstChain, named("candidate 3"), Balance{Block: block(30), Token: *uint256.NewInt(512)})
	w.order.SetBalance(dstChain, named("candidate 5"), Balance{Block: block(30), Token: *uint256.NewInt(511)})
	if !add(100) || w.order.candidate(dstChain, named("candidate 5")) != nil || w.order.candidate(dstChain, named("candidate 3")) == nil {
		t.Error("did not forget the one that pays nobody")
	}
	if add(101) || len(w.order.Candidates) != MaxCandidates {
		t.Error("forgot one that matters")
	}
}

func TestRewind(t *testing.T) {
	w := newWorld(OneInchV1, withDst, final("dst", Withdrawn, 75), final("src", Withdrawn, 101))
	o := w.order
	shared := o.Events
	if o.Rewind(dstChain, block(75).Number) {
		t.Error("forgot what still stands")
	}
	o.Wakes = Wakes{}
	if !o.Rewind(dstChain, block(74).Number) || len(o.Events) != 1 || !o.Dsts[0].Final || o.Secret == nil || o.Wakes.Src == 0 {
		t.Errorf("after losing the payment: %d events, wakes %+v", len(o.Events), o.Wakes)
	}
	if !o.Rewind(dstChain, block(dstLate-1).Number) || o.Dsts[0].Final || !o.Src.Final {
		t.Error("the leg's creation still counts as final")
	}
	if shared[0].ChainID != dstChain || shared[1].ChainID != srcChain {
		t.Error("wrote into a slice that another copy of the order shares")
	}
}

func TestWantBalances(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	part := func(w *world) {
		ev := w.event("src", Rescued, 700_000)
		ev.Amount = *uint256.NewInt(1)
		w.order.AddEvent(ev)
	}
	wide := func(w *world) { // src ends at 1000: there is time to probe at 700
		im := w.order.Src.Immutables
		locks := UnpackTimelocks(im.Timelocks)
		locks.Offsets[SrcCancellation] = 1000
		im.Timelocks = locks.Pack()
		w.replaceSrc(im)
	}
	candidate := func(balance Balance) step {
		return func(w *world) {
			w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: stranger, At: place(30, 0)})
			w.order.SetBalance(dstChain, stranger, balance)
		}
	}
	for _, c := range []struct {
		name  string
		given []step
		at    int64
		want  string
		only  Family
	}{
		{name: "in the middle of its time", given: []step{withDst}, at: 150},
		{name: "a new leg", given: []step{withDst, change(func(w *world) { w.order.Dsts[0].Balance = Balance{} })}, at: 30, want: "dst"},
		{name: "before the deadline is near", given: []step{wide}, at: 699},
		{name: "once the deadline is near", given: []step{wide}, at: 700, want: "src"},
		{name: "only once", given: []step{wide, holding("src", 700, 256, 32)}, at: 800},
		{name: "an end that is not final", given: []step{withDst, seen("dst", Withdrawn, 75)}, at: 80},
		{name: "an end that is final", given: []step{withDst, final("dst", Withdrawn, 75), holding("dst", 74, 512, 16)}, at: 80, want: "dst"},
		{name: "an end that was looked at", given: []step{withDst, paid}, at: 100},
		{name: "a cancellation that may have moved nothing", given: []step{withDst, seen("dst", Cancelled, 100)}, at: 100, want: "dst", only: BMNv4},
		{name: "a cancellation in the other families", given: []step{withDst, seen("dst", Cancelled, 100)}, at: 100, only: OneInchV1},
		{name: "what was left behind, now and then", given: []step{withDst, paid, holding("dst", 100, 50, 0)}, at: 699},
		{name: "what was left behind, again", given: []step{withDst, paid, holding("dst", 100, 50, 0)}, at: 700, want: "dst"},
		{name: "a missing deposit, soon", given: []step{holding("src", 100, 256, 0)}, at: 159},
		{name: "a missing deposit, again", given: []step{holding("src", 100, 256, 0)}, at: 160, want: "src"},
		{name: "a stranger's empty leg, seldom", given: []step{withDst, holding("dst", 100, 0, 0), change(func(w *world) { w.order.Dsts[0].Ours = false })}, at: 250},
		{name: "after a rescue of a part", given: []step{part}, at: 700_001, want: "src"},
		{name: "a leg that is not there", given: []step{withDst, change(func(w *world) { w.order.Dsts[0] = LegRecord{Leg: w.order.Dsts[0].Leg} })}, at: 150},
		{name: "a chain that cannot be read", given: []step{withDst, change(func(w *world) { w.order.Dsts[0].Balance = Balance{} })}, at: -1000},
		{name: "a candidate", given: []step{candidate(Balance{})}, at: 150, want: "candidate"},
		{name: "a candidate that pays nobody", given: []step{candidate(Balance{Block: block(30)})}, at: 1000},
		{name: "a candidate that pays, seldom", given: []step{candidate(Balance{Block: block(30), Token: *uint256.NewInt(512)})}, at: 629},
		{name: "a candidate that pays, again", given: []step{candidate(Balance{Block: block(30), Token: *uint256.NewInt(512)})}, at: 630, want: "candidate"},
	} {
		f := OneInchV11
		if c.only != FamilyUnknown {
			f = c.only
		}
		w := newWorld(f, c.given...)
		w.at(c.at, c.at)
		s := Fold(w.order, w.facts)
		got := ""
		for _, id := range s.WantBalances(w.views) {
			got += w.name(id.Escrow)
		}
		if got != c.want {
			t.Errorf("%s at %d: %q, want %q", c.name, c.at, got, c.want)
		}
	}
}
