package swap

import (
	"fmt"
	"testing"
)

// benchWorlds are orders as a sweep meets them.
func benchWorlds() map[string]*world {
	crowd := func(w *world) { // as much as an order can carry
		for i := range MaxDstLegs - 1 {
			withDstAt(int64(30 + i))(w)
		}
		for i := range MaxCandidates {
			w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: named(fmt.Sprint("candidate ", i)), At: place(30, uint(i))})
			w.order.SetBalance(dstChain, named(fmt.Sprint("candidate ", i)), Balance{Block: block(30)})
		}
		for at := range int64(20) {
			seen("dst", Cancelled, 100+at)(w)
			seen("dst2", Cancelled, 100+at)(w)
		}
	}
	at := func(src, dst int64) step { return func(w *world) { w.at(src, dst) } }
	warn := change(func(w *world) { w.policy.WarnLevels = []int64{600, 300, 60} })
	worlds := map[string]*world{
		"waiting": newWorld(OneInchV11, warn, withDst, at(150, 150)),
		"claim":   newWorld(OneInchV11, warn, withDst, seen("dst", Withdrawn, 120), at(150, 150)),
		"expired": newWorld(OneInchV11, warn, withDst, at(310, 310)),
		"done":    newWorld(OneInchV11, warn, withDst, final("dst", Withdrawn, 75), final("src", Withdrawn, 101), at(310, 310)),
		"crowded": newWorld(OneInchV11, warn, withDst, crowd, at(150, 150)),
	}
	return worlds
}

func BenchmarkFold(b *testing.B) {
	for name, w := range benchWorlds() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Fold(w.order, w.facts)
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	for name, w := range benchWorlds() {
		s := Fold(w.order, w.facts)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Plan(s, w.views, w.policy); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDiff(b *testing.B) {
	w := benchWorlds()["expired"]
	s := Fold(w.order, w.facts)
	d, err := Plan(s, w.views, w.policy)
	if err != nil {
		b.Fatal(err)
	}
	live := Diff(s, d, nil)
	b.ReportAllocs()
	for b.Loop() {
		Diff(s, d, live)
	}
}
