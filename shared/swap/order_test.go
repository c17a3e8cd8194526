package swap

import (
	"strings"
	"testing"
)

func TestOrderID(t *testing.T) {
	id := OrderID{ChainID: 8453, Escrow: named("escrow")}
	if s := id.String(); s != strings.ToLower(s) || !strings.HasPrefix(s, "8453:0x") {
		t.Errorf("%s", s)
	}
	for _, s := range []string{id.String(), "8453:" + id.Escrow.Hex()} {
		if got, err := ParseOrderID(s); err != nil || got != id {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", ":", "8453", "8453:", ":" + id.Escrow.Hex(), "0:" + id.Escrow.Hex(), "-1:" + id.Escrow.Hex(),
		"8453:0x12", "18446744073709551616:" + id.Escrow.Hex(), id.String() + "00", "8453:" + id.String()} {
		if got, err := ParseOrderID(s); err == nil {
			t.Errorf("%q reads as %v", s, got)
		}
	}
}

// A leg counts only if it pays the maker what he signed for. The upper bits of
// an address word are no part of it.
func TestMatches(t *testing.T) {
	dirty := func(w Word) Word { w[0] = 0xd1; return w }
	for _, c := range []struct {
		name string
		edit func(*Leg)
		want string
	}{
		{"as asked", func(*Leg) {}, ""},
		{"another deployedAt", func(l *Leg) { l.Immutables = l.Immutables.WithDeployedAt(1) }, ""},
		{"another deposit", func(l *Leg) { l.Immutables.SafetyDeposit = word(1) }, ""},
		{"dirty words", func(l *Leg) {
			im := &l.Immutables
			im.Maker, im.Taker, im.Token = dirty(im.Maker), dirty(im.Taker), dirty(im.Token)
		}, ""},
		{"src side", func(l *Leg) { l.Side = Src }, "side"},
		{"another chain", func(l *Leg) { l.ChainID++ }, "chain"},
		{"another order", func(l *Leg) { l.Immutables.OrderHash[31]++ }, "orderHash"},
		{"another hashlock", func(l *Leg) { l.Immutables.Hashlock[31]++ }, "hashlock"},
		{"another maker", func(l *Leg) { l.Immutables.Maker[31]++ }, "maker"},
		{"another taker", func(l *Leg) { l.Immutables.Taker[31]++ }, "taker"},
		{"another token", func(l *Leg) { l.Immutables.Token[31]++ }, "token"},
		{"less", func(l *Leg) { l.Immutables.Amount = word(511) }, "amount"},
		{"more", func(l *Leg) { l.Immutables.Amount = word(513) }, "amount"},
		{"another window", func(l *Leg) { l.Immutables.Timelocks[31]++ }, "windows"},
		{"another last window", func(l *Leg) { l.Immutables.Timelocks[7]++ }, "windows"},
	} {
		w := newWorld(OneInchV1)
		l := w.dstLeg(dstLate, nil)
		c.edit(&l)
		if got := w.order.Matches(l); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDstChainID(t *testing.T) {
	w := newWorld(OneInchV1, withDst)
	if w.order.DstChainID() != dstChain {
		t.Error(w.order.DstChainID())
	}
	w.order.Expect.ChainID = Word{0: 1}
	if w.order.DstChainID() != 0 {
		t.Error("a word that is no chain id gives one")
	}
}

func TestEscrowsAndSafetyGap(t *testing.T) {
	w := newWorld(OneInchV1, withDst)
	w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: stranger})
	want := []OrderID{w.order.ID, {dstChain, w.order.Dsts[0].Escrow}, {dstChain, stranger}}
	if got := w.order.Escrows(); len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("%v", got)
	}
	if gap := w.order.SafetyGap(w.order.Dsts[0].Leg); gap != 300-270 {
		t.Errorf("gap %d", gap)
	}
	if gap := w.order.SafetyGap(w.dstLeg(100, nil)); gap != 300-350 {
		t.Errorf("gap %d", gap)
	}
}

func TestProvisional(t *testing.T) {
	p := Provisional{ChainID: dstChain, From: block(5), To: block(10), Legs: []OrderID{{dstChain, stranger}}}
	if !p.Created(dstChain, stranger) || p.Created(srcChain, stranger) || p.Created(dstChain, maker) {
		t.Error("created")
	}
	if synced, final := p.Marks(); synced != block(10) || final != block(5) {
		t.Error("marks")
	}
}

func TestTexts(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Info.String(), "info"}, {Warning.String(), "warning"}, {Critical.String(), "critical"}, {Severity(9).String(), "critical"},
		{LegAbsent.String(), "absent"}, {LegOpen.String(), "open"}, {LegWithdrawn.String(), "withdrawn"}, {LegCancelled.String(), "cancelled"}, {LegRescued.String(), "rescued"},
		{PathNone.String(), "none"}, {PathEOA.String(), "eoa"}, {PathResolver.String(), "resolver-contract"}, {PathPublic.String(), "access-token"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
