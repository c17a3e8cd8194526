package swap

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Only cancellations of BMN dst legs are looked into, each in the block where it
// is, and only while nobody has.
func TestWantTraces(t *testing.T) {
	for _, f := range Families() {
		w := newWorld(f, withDst, final("dst", Cancelled, 280), seen("dst", Cancelled, 281), traced("dst"))
		w.at(285, 285)
		s := Fold(w.order, w.facts)
		got := s.WantTraces()
		if f != BMNv4 {
			if len(got) != 0 {
				t.Errorf("%s: %+v", f, got)
			}
			continue
		}
		if len(got) != 2 || got[0].Escrow != w.order.Dsts[0].Escrow || got[0].At != s.Dsts[0].Cancels[0] || got[1].At != s.Dsts[0].Cancels[1] {
			t.Fatalf("%s: %+v", f, got)
		}
		trace := Trace{Tx: got[0].At.Tx, Block: got[0].At.BlockHash, Returned: *uint256.NewInt(512)}
		if !w.order.AddTrace(dstChain, got[0].Escrow, trace) || w.order.AddTrace(dstChain, got[0].Escrow, trace) {
			t.Error("a trace is not stored once")
		}
		if w.order.AddTrace(srcChain, stranger, trace) {
			t.Error("nobody's trace is stored")
		}
		s = Fold(w.order, w.facts)
		if got := s.WantTraces(); len(got) != 1 || got[0].At != s.Dsts[0].Cancels[1] {
			t.Errorf("%s: %+v", f, got)
		}
		// The same transaction in another block has yet to be looked into.
		p := w.facts[dstChain]
		p.Events[0].At.BlockHash = common.Hash{1}
		w.order.AddTrace(dstChain, w.order.Dsts[0].Escrow, Trace{Tx: p.Events[0].At.Tx, Block: common.Hash{2}})
		s = Fold(w.order, w.facts)
		if got := s.WantTraces(); len(got) != 1 || got[0].At.BlockHash != (common.Hash{1}) {
			t.Errorf("%s: %+v", f, got)
		}
	}
}

// Cancellations can be repeated for the price of their gas: what is kept of them
// is bounded, and a theft among them is never forgotten.
func TestTracesAreBounded(t *testing.T) {
	w := newWorld(BMNv4, withDst)
	escrow := w.order.Dsts[0].Escrow
	tx := func(n byte) common.Hash { return common.Hash{31: n} }
	w.order.AddTrace(dstChain, escrow, Trace{Tx: tx(1), Astray: *uint256.NewInt(512)})
	for n := byte(2); n < 50; n++ {
		w.order.AddTrace(dstChain, escrow, Trace{Tx: tx(n)})
	}
	got := w.order.Dsts[0].Traces
	if len(got) != maxTraces || got[0].Tx != tx(1) || got[len(got)-1].Tx != tx(49) {
		t.Errorf("%d traces: %+v", len(got), got)
	}
	// A second look at the same block replaces the first.
	w.order.AddTrace(dstChain, escrow, Trace{Tx: tx(49), Returned: *uint256.NewInt(1)})
	if again := w.order.Dsts[0].Traces; len(again) != maxTraces || again[len(again)-1].Returned.Uint64() != 1 {
		t.Errorf("%+v", again)
	}
	for n := byte(50); n < 90; n++ {
		w.order.AddTrace(dstChain, escrow, Trace{Tx: tx(n), Astray: *uint256.NewInt(1)})
	}
	if n := len(w.order.Dsts[0].Traces); n != maxTraces {
		t.Errorf("%d traces", n)
	}
}

// A call of the escrow itself proves that it paid the taker if it names the
// leg's own words.
func TestReturns(t *testing.T) {
	leg := newWorld(BMNv4, withDst).order.Dsts[0].Leg
	cancel, err := EncodeCall(leg, Cancel, CallArgs{})
	if err != nil {
		t.Fatal(err)
	}
	forged := leg
	forged.Immutables.Taker = wordOf(stranger)
	other, err := EncodeCall(forged, Cancel, CallArgs{})
	if err != nil {
		t.Fatal(err)
	}
	withdraw, err := EncodeCall(leg, Withdraw, CallArgs{Secret: preimag})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"cancel":                    {cancel, true},
		"cancel with another taker": {other, false},
		"withdraw":                  {withdraw, false},
		"wrapped":                   {EncodeArbitraryCalls([]common.Address{leg.Escrow}, [][]byte{cancel}), false},
		"cut":                       {cancel[:len(cancel)-40], false},
		"nothing":                   {nil, false},
	} {
		if got := leg.Returns(c.data); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
