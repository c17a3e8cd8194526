package swap

import (
	"testing"

	"github.com/holiman/uint256"
)

// The first reading of a leg's balance waits while the event that ended it can
// still be undone: were it, the empty escrow on record would not be the one on
// the chain.
func TestFirstBalanceIsNotReadBelowAnEndThatCanBeUndone(t *testing.T) {
	head := Block{Number: 100, Time: 2000}
	view := ChainView{Head: head}
	for _, c := range []struct {
		name   string
		status LegStatus
		final  bool
		want   bool
	}{
		{"open", LegOpen, false, true},
		{"withdrawn, not final", LegWithdrawn, false, false},
		{"withdrawn for good", LegWithdrawn, true, true},
		{"cancelled, not final", LegCancelled, false, false},
		{"absent", LegAbsent, false, false},
	} {
		l := LegState{LegRecord: LegRecord{Leg: testLeg(OneInchV1, Dst)}, Status: c.status, Final: c.final, Ended: Position{Block: 99}}
		if got := l.wantBalance(view); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
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
	funded := candidate(Balance{Block: block(30), Token: *uint256.NewInt(512)})
	ends := func(kind EventKind) step {
		return func(w *world) {
			w.order.Learn(preimag)
			w.order.AddEvent(EscrowEvent{ChainID: dstChain, Escrow: stranger, Kind: kind, Secret: preimag, At: place(80, 0)})
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
		{name: "what was left behind and has been fetched", given: []step{withDst, final("src", Withdrawn, 101), holding("src", 699_900, 50, 0), part}, at: 700_100, want: "src"},
		{name: "what was left behind and has been fetched, but not for good", given: []step{withDst, final("src", Withdrawn, 101), holding("src", 690_000, 50, 0), part}, at: 700_000 + depth - 1},
		{name: "what was left behind and has been fetched for good", given: []step{withDst, final("src", Withdrawn, 101), holding("src", 690_000, 50, 0), part}, at: 700_000 + depth, want: "src"},
		{name: "a missing deposit, soon", given: []step{holding("src", 100, 256, 0)}, at: 159},
		{name: "a missing deposit, again", given: []step{holding("src", 100, 256, 0)}, at: 160, want: "src"},
		{name: "a stranger's empty leg, seldom", given: []step{withDst, holding("dst", 100, 0, 0), change(func(w *world) { w.order.Dsts[0].Ours = false })}, at: 250},
		{name: "after a rescue of a part", given: []step{part}, at: 700_001, want: "src"},
		{name: "a leg that is not there", given: []step{withDst, change(func(w *world) { w.order.Dsts[0] = LegRecord{Leg: w.order.Dsts[0].Leg} })}, at: 150},
		{name: "a chain that cannot be read", given: []step{withDst, change(func(w *world) { w.order.Dsts[0].Balance = Balance{} })}, at: -1000},
		{name: "a token that gave no balance, seldom", given: []step{withDst, mute("dst", 100, 16)}, at: 205},
		{name: "a token that gave no balance, once the deadline is near", given: []step{wide, mute("src", 690, 32)}, at: 700, want: "src"},
		{name: "a token that gave none then", given: []step{wide, mute("src", 700, 32)}, at: 999},
		{name: "an end that was looked at when the token gave no balance", given: []step{withDst, paid, mute("dst", 100, 0)}, at: 699},
		{name: "an end that was looked at when the token gave no balance, again", given: []step{withDst, paid, mute("dst", 100, 0)}, at: 700, want: "dst"},
		{name: "a token that gave no balance before the end", given: []step{withDst, paid, mute("dst", 74, 16)}, at: 100, want: "dst"},
		{name: "a missing deposit beside a token that gave no balance", given: []step{mute("src", 100, 0)}, at: 160, want: "src"},
		{name: "a candidate whose token gave no balance", given: []step{candidate(Balance{Block: block(30), Mute: true})}, at: 629},
		{name: "a candidate whose token gave no balance, again", given: []step{candidate(Balance{Block: block(30), Mute: true})}, at: 630, want: "candidate"},
		{name: "a candidate", given: []step{candidate(Balance{})}, at: 150, want: "candidate"},
		{name: "a candidate that pays nobody", given: []step{candidate(Balance{Block: block(30)})}, at: 1000},
		{name: "a candidate that paid, cancelled since", given: []step{funded, ends(Cancelled)}, at: 81, want: "candidate"},
		{name: "a candidate that paid, cancelled, and looked at", given: []step{funded, ends(Cancelled), candidate(Balance{Block: block(80)})}, at: 1000},
		{name: "a candidate that paid, withdrawn since", given: []step{funded, ends(Withdrawn)}, at: 1000},
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
