package swap

import (
	"math"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// rule is one row of the contracts' table: who may call what, when, and whom
// it pays. Times are seconds after deployedAt of testTimelocks.
type rule struct {
	side        Side
	call        Call
	families    []Family
	who         who
	from, until int64 // until 0 = no end
	pays        common.Address
}

type who int

const (
	byTaker who = iota
	byHolder
	bySigned
)

var (
	both   = Families()
	oneIn  = []Family{OneInchV1, OneInchV11}
	bmn    = []Family{BMNv4}
	target = named("target")
)

// rules is the whole table; what is not in it does not exist.
var rules = []rule{
	{Src, Withdraw, both, byTaker, 100, 300, taker},
	{Src, WithdrawTo, both, byTaker, 100, 300, target},
	{Src, PublicWithdraw, oneIn, byHolder, 200, 300, taker},
	{Src, PublicWithdrawSigned, bmn, bySigned, 200, 300, taker},
	{Src, Cancel, both, byTaker, 300, 0, maker},
	{Src, PublicCancel, oneIn, byHolder, 400, 0, maker},
	{Src, PublicCancelSigned, bmn, bySigned, 400, 0, maker},
	{Src, RescueFunds, both, byTaker, 691200, 0, taker},
	{Dst, Withdraw, both, byTaker, 50, 250, maker},
	{Dst, PublicWithdraw, oneIn, byHolder, 150, 250, maker},
	{Dst, PublicWithdrawSigned, bmn, bySigned, 150, 250, maker},
	{Dst, Cancel, both, byTaker, 250, 0, taker},
	{Dst, PublicCancelSigned, bmn, bySigned, 250, 0, taker},
	{Dst, RescueFunds, both, byTaker, 604800, 0, taker},
}

// ruleOf returns the row for a call, if it exists.
func ruleOf(f Family, s Side, c Call) (rule, bool) {
	for _, r := range rules {
		for _, fam := range r.families {
			if fam == f && r.side == s && r.call == c {
				return r, true
			}
		}
	}
	return rule{}, false
}

const deployed = ChainTime(1_700_000_000) // of testTimelocks

func TestWindows(t *testing.T) {
	checked := 0
	forFamilies(t, func(t *testing.T, f Family) {
		for _, s := range []Side{Src, Dst} {
			leg := testLeg(f, s)
			for _, c := range append(Calls(), 0, callEnd) {
				w, ok := leg.Window(c)
				r, exists := ruleOf(f, s, c)
				if ok != exists || c.ExistsOn(f, s) != exists {
					t.Errorf("%s %s: window %t, exists %t", s, c, ok, exists)
				}
				if !exists {
					continue
				}
				checked++
				want := Window{From: deployed.Add(r.from)}
				if r.until > 0 {
					want.Until = deployed.Add(r.until)
				}
				if w != want {
					t.Errorf("%s %s: %v, want %v", s, c, w, want)
				}
				for at, in := range map[ChainTime]bool{w.From - 1: false, w.From: true, w.Until - 1: true, w.Until: false} {
					if w.Until == 0 {
						in = at >= w.From
					}
					if w.Contains(at) != in {
						t.Errorf("%s %s at %s: %t", s, c, at, !in)
					}
				}
			}
		}
	})
	wantCount(t, "windows", checked, 31)
}

func TestWindowUnknownLegs(t *testing.T) {
	l := testLeg(OneInchV1, Src)
	l.Family = FamilyUnknown
	if w, ok := l.Window(Withdraw); ok {
		t.Errorf("unknown family: %v", w)
	}
	l.Family, l.Side = OneInchV1, 0
	if w, ok := l.Window(Withdraw); ok {
		t.Errorf("no side: %v", w)
	}
}

// A creator who writes deployedAt himself can make any stage zero.
func TestWindowHostileTimes(t *testing.T) {
	l := testLeg(BMNv4, Dst)
	l.Immutables.Timelocks = Word{}
	w, _ := l.Window(Withdraw)
	if !w.Empty() || w.Contains(0) || w.Contains(1) || w.Contains(math.MaxInt64) {
		t.Errorf("an end at zero reads as %v", w)
	}
	if w, _ := l.Window(Cancel); w.Empty() || !w.Contains(1) {
		t.Errorf("cancel from zero reads as %v", w)
	}
	tl := testTimelocks
	tl.Offsets[DstCancellation] = 10
	l.Immutables.Timelocks = tl.Pack()
	if w, _ := l.Window(Withdraw); !w.Empty() || w.Contains(deployed.Add(30)) {
		t.Errorf("an end before the start reads as %v", w)
	}
	l.RescueDelay = math.MaxUint64
	if w, _ := l.Window(RescueFunds); w.From != math.MaxInt64 || w.Contains(1<<40) {
		t.Errorf("rescue never reads as %v", w)
	}
}

func TestLegTimes(t *testing.T) {
	l := testLeg(OneInchV1, Src)
	if l.At(SrcCancellation) != deployed+300 || l.RescueStart() != deployed+691200 {
		t.Errorf("cancellation %d, rescue %d", l.At(SrcCancellation), l.RescueStart())
	}
	if l.IsNative() {
		t.Error("an ERC-20 leg reads as native")
	}
	l.Immutables.Token = Word{0: 1} // dirt above a zero address
	if !l.IsNative() {
		t.Error("a native leg reads as ERC-20")
	}
	a, b := Position{Block: 1, Index: 9}, Position{Block: 2, Index: 0}
	if !a.Less(b) || b.Less(a) || a.Less(a) || !(Position{Block: 2}).Less(Position{Block: 2, Index: 1}) {
		t.Error("positions are out of order")
	}
}

// FuzzWindows holds every window against arithmetic without bounds, and the
// windows of one leg against each other.
func FuzzWindows(f *testing.F) {
	f.Add(testTimelocks.Pack().Bytes(), uint64(691200), int64(deployed+100))
	f.Add(make([]byte, 32), uint64(0), int64(0))
	f.Add(common.MaxHash.Bytes(), uint64(math.MaxUint64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, word []byte, delay uint64, at int64) {
		if at < 0 || at == math.MaxInt64 {
			return // no block has such a time, and the last one stands for never
		}
		now := big.NewInt(at)
		tl := common.BytesToHash(word)
		stage := func(s Stage) *big.Int {
			v := new(big.Int).Rsh(tl.Big(), 32*uint(s))
			v.And(v, big.NewInt(math.MaxUint32))
			return v.Add(v, new(big.Int).Rsh(tl.Big(), 224))
		}
		in := func(from, until Stage) bool { return now.Cmp(stage(from)) >= 0 && now.Cmp(stage(until)) < 0 }
		since := func(from Stage) bool { return now.Cmp(stage(from)) >= 0 }
		rescue := new(big.Int).Add(new(big.Int).Rsh(tl.Big(), 224), new(big.Int).SetUint64(delay))

		for _, fam := range Families() {
			for _, side := range []Side{Src, Dst} {
				l := Leg{Family: fam, Side: side, Immutables: Immutables{Timelocks: tl}, RescueDelay: delay}
				open := map[Call]bool{}
				for _, c := range Calls() {
					w, ok := l.Window(c)
					if ok != c.ExistsOn(fam, side) {
						t.Fatalf("%s %s %s: window %t", fam, side, c, ok)
					}
					open[c] = ok && w.Contains(ChainTime(at))
					if ok && w.Empty() && open[c] {
						t.Fatalf("%s %s %s: open and empty", fam, side, c)
					}
				}
				want := map[Call]bool{RescueFunds: now.Cmp(rescue) >= 0}
				token, signed := fam != BMNv4, fam == BMNv4
				if side == Src {
					want[Withdraw] = in(SrcWithdrawal, SrcCancellation)
					want[WithdrawTo] = want[Withdraw]
					want[PublicWithdraw] = token && in(SrcPublicWithdrawal, SrcCancellation)
					want[PublicWithdrawSigned] = signed && in(SrcPublicWithdrawal, SrcCancellation)
					want[Cancel] = since(SrcCancellation)
					want[PublicCancel] = token && since(SrcPublicCancellation)
					want[PublicCancelSigned] = signed && since(SrcPublicCancellation)
				} else {
					want[Withdraw] = in(DstWithdrawal, DstCancellation)
					want[PublicWithdraw] = token && in(DstPublicWithdrawal, DstCancellation)
					want[PublicWithdrawSigned] = signed && in(DstPublicWithdrawal, DstCancellation)
					want[Cancel] = since(DstCancellation)
					want[PublicCancelSigned] = signed && since(DstCancellation)
				}
				for _, c := range Calls() {
					if open[c] != want[c] {
						t.Fatalf("%s %s %s at %d: open %t, want %t (%s)", fam, side, c, at, open[c], want[c], tl)
					}
				}
				// The taker can never withdraw and cancel in the same block.
				if open[Withdraw] && open[Cancel] {
					t.Fatalf("%s %s: both open at %d", fam, side, at)
				}
			}
		}
	})
}
