package swap

import (
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
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
		{"a part rescued, mined again elsewhere", []step{rescue("src", 700_000, srcCoin, 128, true), change(func(w *world) {
			again := w.order.Events[0]
			again.At = Position{Block: again.At.Block + 1, Tx: again.At.Tx, Index: again.At.Index + 1}
			w.facts[srcChain] = Provisional{ChainID: srcChain, Events: []EscrowEvent{again}}
		})}, "src", "open final"},
		{"rescued in parts, an earlier one not final", []step{rescue("src", 700_000, srcCoin, 255, false), rescue("src", 700_001, srcCoin, 1, true)}, "src", "rescued 700001"},
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
		ended       int64 // second
	}{
		{"nothing", nil, nil, LegOpen, false, 0},
		{"seen", nil, []EscrowEvent{ev(Withdrawn, 75, preimag)}, LegWithdrawn, false, 75},
		{"final", []EscrowEvent{ev(Withdrawn, 75, preimag)}, nil, LegWithdrawn, true, 75},
		{"final, then seen", []EscrowEvent{ev(Withdrawn, 75, preimag)}, []EscrowEvent{ev(Withdrawn, 76, preimag)}, LegWithdrawn, true, 75},
		{"cancelled for good, withdrawn as seen", []EscrowEvent{ev(Cancelled, 75, [32]byte{})}, []EscrowEvent{ev(Withdrawn, 76, preimag)}, LegWithdrawn, false, 76},
		{"withdrawn, then cancelled", []EscrowEvent{ev(Withdrawn, 75, preimag), ev(Cancelled, 76, [32]byte{})}, nil, LegWithdrawn, true, 75},
		{"wrong secret", []EscrowEvent{ev(Withdrawn, 75, secretOf("x"))}, nil, LegOpen, false, 0},
		{"cancelled twice, the latter first", []EscrowEvent{ev(Cancelled, 77, [32]byte{}), ev(Cancelled, 75, [32]byte{})}, nil, LegCancelled, true, 75},
	} {
		o := w.order
		o.Events = c.final
		s := Fold(o, map[uint64]Provisional{dstChain: {ChainID: dstChain, Events: c.seen}})
		ended := Position{}
		if c.ended != 0 {
			ended = place(c.ended, uint(c.ended))
		}
		if got := s.Unproven[0]; got.Status != c.want || got.Final != c.isFinal || got.Ended != ended {
			t.Errorf("%s: %s final %t at %+v", c.name, got.Status, got.Final, got.Ended)
		}
	}
}
