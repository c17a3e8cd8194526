package swap

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"
)

func TestLearning(t *testing.T) {
	w := newWorld(OneInchV1)
	o := &w.order
	o.Wakes = Wakes{}
	if o.Learn(secretOf("x")) || o.Secret != nil || o.Wakes != (Wakes{}) {
		t.Error("learned a secret that opens nothing")
	}
	if !o.Learn(preimag) || o.Learn(preimag) || o.Wakes.Src == 0 || o.Wakes.Src > zeroTime {
		t.Errorf("learned once: wakes %+v", o.Wakes)
	}
	o.Src.Created.Time = 0
	if o.Touch(); o.Wakes.Src != 1 {
		t.Errorf("an order without a creation time is due at %d", o.Wakes.Src)
	}

	// Creations: a final one stands, a provisional one moves with its block.
	d := DstCreated{ChainID: dstChain, Escrow: w.dstLeg(dstLate, nil).Escrow, At: place(dstLate, 0)}
	o.AddCandidate(d)
	if at, ok := o.CreatedAt(dstChain, d.Escrow); !ok || at != d.At || o.TokenAt(dstChain, d.Escrow) != dstCoin {
		t.Error("candidate")
	}
	if o.Confirm(dstChain, d.Escrow, d.At, true) {
		t.Error("confirmed a candidate")
	}
	o.SetBalance(dstChain, d.Escrow, Balance{Block: block(1), Token: *uint256.NewInt(5)})
	if o.Candidates[0].Balance.Token.Uint64() != 5 {
		t.Error("balance of a candidate")
	}
	if !o.AddDst(w.dstLeg(dstLate, nil), true) || len(o.Candidates) != 0 {
		t.Error("a proven leg is still a candidate")
	}
	for _, c := range []struct {
		at            Position
		final, change bool
	}{{place(dstLate, 0), false, false}, {place(30, 0), false, true}, {place(30, 0), false, false}, {place(30, 0), true, true}, {place(31, 0), true, false}, {place(31, 0), false, false}} {
		if got := o.Confirm(dstChain, d.Escrow, c.at, c.final); got != c.change {
			t.Errorf("%+v: changed %t", c, got)
		}
	}
	if at, ok := o.CreatedAt(dstChain, d.Escrow); !ok || at != place(30, 0) || !o.Dsts[0].Final {
		t.Errorf("created at %+v", at)
	}
	if o.TokenAt(dstChain, d.Escrow) != dstCoin || o.TokenAt(srcChain, o.ID.Escrow) != srcCoin {
		t.Error("token")
	}
	if _, ok := o.CreatedAt(srcChain, d.Escrow); ok {
		t.Error("found an escrow on another chain")
	}
	o.SetBalance(srcChain, stranger, Balance{Block: block(1)}) // nobody's: nothing happens
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
