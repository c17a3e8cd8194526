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
		{name: "a token that gave no balance, seldom", given: []step{wide, mute("src", 50, 32)}, at: 649},
		{name: "a token that gave no balance, again", given: []step{wide, mute("src", 50, 32)}, at: 650, want: "src"},
		{name: "a token that gave no balance, in a window that is short", given: []step{withDst, mute("dst", 100, 16)}, at: 160, want: "dst"},
		{name: "a token that gave no balance, once the deadline is near", given: []step{wide, mute("src", 690, 32)}, at: 700, want: "src"},
		{name: "a token that gave none then, soon", given: []step{wide, mute("src", 700, 32)}, at: 759},
		{name: "a token that gave none then", given: []step{wide, mute("src", 700, 32)}, at: 760, want: "src"},
		{name: "a token that gave none then, until the deadline", given: []step{wide, mute("src", 700, 32)}, at: 999, want: "src"},
		{name: "a token that gave none then, seldom after it", given: []step{wide, mute("src", 950, 32)}, at: 1549},
		{name: "a token that has told once and gives none then", given: []step{wide, silent("src", 700, 32)}, at: 701, want: "src"},
		{name: "a cancellation that may have moved nothing, of a token that gave none then", given: []step{withDst, final("dst", Cancelled, 100), mute("dst", 106, 16)}, at: 166, want: "dst", only: BMNv4},
		{name: "a cancellation that may have moved nothing, of a token that gave none then, soon", given: []step{withDst, final("dst", Cancelled, 100), mute("dst", 106, 16)}, at: 165, only: BMNv4},
		{name: "a cancellation that may have moved nothing, of a token that gave none then, after the window", given: []step{withDst, final("dst", Cancelled, 100), mute("dst", 106, 16)}, at: 270, only: BMNv4},
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

// A silent token changes nothing of what an escrow is known to hold but its coin, as
// long as it has not ended for good.
func TestHeard(t *testing.T) {
	known := Balance{Block: block(30), Token: *uint256.NewInt(512), Native: *uint256.NewInt(16)}
	mute := Balance{Block: block(200), Native: *uint256.NewInt(7), Mute: true}
	kept := known
	kept.Native = mute.Native
	never := change(func(w *world) { w.order.Dsts[0].Balance = Balance{} })
	for _, c := range []struct {
		name  string
		given []step
		heard Balance
		want  Balance
	}{
		{"an answer", nil, Balance{Block: block(200)}, Balance{Block: block(200)}},
		{"silence", nil, mute, kept},
		{"silence of one that never told", []step{never}, mute, mute},
		{"silence of one that was silent", []step{holding("dst", 30, 0, 0), change(func(w *world) { w.order.Dsts[0].Balance.Mute = true })}, mute, mute},
		{"silence after an end that can be undone", []step{seen("dst", Cancelled, 150)}, mute, kept},
		{"silence after an end for good", []step{final("dst", Withdrawn, 150)}, mute, mute},
	} {
		w := newWorld(BMNv4, append([]step{withDst, holding("dst", 30, 512, 16)}, c.given...)...)
		w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: stranger, At: place(30, 0)})
		w.order.SetBalance(dstChain, stranger, known)
		s := Fold(w.order, w.facts)
		if got := s.Heard(dstChain, w.order.Dsts[0].Escrow, c.heard); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
		if got := s.Heard(dstChain, stranger, mute); got != kept {
			t.Errorf("%s: candidate %+v", c.name, got)
		}
		if got := s.Heard(dstChain, named("nobody"), mute); got != mute {
			t.Errorf("%s: unknown %+v", c.name, got)
		}
		if w.order.SetBalance(dstChain, stranger, known) || !w.order.SetBalance(dstChain, stranger, mute) {
			t.Errorf("%s: what is no change is one, or the other way round", c.name)
		}
	}
}
