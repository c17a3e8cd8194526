package swap

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// checkDecision holds what is true of every decision.
func checkDecision(t reporter, s State, views Views, d Decision) {
	t.Helper()
	for _, a := range d.Actions {
		if a.Refused != "" {
			continue
		}
		if _, ok := d.Wanted(a.Key()); !ok {
			t.Errorf("%s of %s is not found by its key", a.Call, a.Escrow)
		}
		if why := illegal(s, a); why != "" {
			t.Errorf("%s %s: %s", a.Side, a.Call, why)
		}
		if a.Signer == (common.Address{}) || a.Path == PathNone || a.FeeCap.IsZero() {
			t.Errorf("%s %s wanted without a path or a price: %+v", a.Side, a.Call, a)
		}
		if a.Soft != 0 && (a.Soft <= a.From || a.Hard != 0 && a.Soft >= a.Hard) {
			t.Errorf("%s %s: soft deadline %d outside (%d, %d)", a.Side, a.Call, a.Soft, a.From, a.Hard)
		}
	}
	checkWakes(t, s, views, d)
	checkMoney(t, s, views, d)
}

// checkWakes: an order that is not closed has a wake, none later than the time
// at which its next action becomes legal.
func checkWakes(t reporter, s State, views Views, d Decision) {
	t.Helper()
	if s.Closed {
		if d.Wakes != (Wakes{}) || len(d.Actions) > 0 {
			t.Errorf("a closed order wakes: %+v", d.Wakes)
		}
		return
	}
	if d.Wakes == (Wakes{}) || d.Wakes.Src < 0 || d.Wakes.Dst < 0 {
		t.Errorf("wakes %+v", d.Wakes)
	}
	for _, a := range d.Actions {
		wake := d.Wakes.Src
		if a.Side == Dst {
			wake = d.Wakes.Dst
		}
		if a.Refused == "" && (wake == 0 || wake > max(1, a.From)) {
			t.Errorf("%s %s is legal from %d and wakes at %d", a.Side, a.Call, a.From, wake)
		}
	}
}

// illegal asks the contract whether it takes a wanted action: at its first and
// last second and not outside.
func illegal(s State, a Action) string {
	var leg *LegState
	for _, l := range legsOf(&s) {
		if l.Escrow == a.Escrow && l.ChainID == a.ChainID {
			leg = l
		}
	}
	if leg == nil {
		return "no leg of the order"
	}
	attempt := Attempt{Call: a.Call, Caller: leg.Immutables.TakerAddress(), HoldsAccessToken: a.Path == PathPublic,
		Immutables: leg.Immutables, Token: a.Token, Amount: a.Amount}
	if a.Path == PathPublic {
		attempt.Caller = a.Signer
	}
	if a.Call.TakesSecret() {
		if s.Secret == nil {
			return "takes a secret that is not known"
		}
		attempt.Secret = *s.Secret
	}
	type edge struct {
		time ChainTime
		want bool
	}
	edges := []edge{{a.From - 1, false}, {a.From, true}, {a.Until - 1, true}, {a.Until, false}}
	if a.Until == 0 {
		edges = edges[:2]
	}
	for _, at := range edges {
		if at.time < 0 {
			continue
		}
		attempt.Time = at.time
		if got := leg.Check(attempt); got.OK() != at.want {
			return fmt.Sprintf("at %d (from %d until %d) the contract answers %s", at.time, a.From, a.Until, got)
		}
	}
	return ""
}

func legsOf(s *State) []*LegState {
	legs := []*LegState{&s.Src}
	for i := range s.Dsts {
		legs = append(legs, &s.Dsts[i])
	}
	return legs
}

// shortOf: the fee line cannot withdraw a leg with less than two fees.
func shortOf(l *LegState) bool {
	return l.Family == OneInchV11 && len(l.Immutables.Parameters) < 64
}

// checkMoney holds what must never be wanted, said without Plan's own words.
func checkMoney(t reporter, s State, views Views, d Decision) {
	t.Helper()
	wanted := map[common.Address]Call{}
	payments := 0
	for _, a := range d.Actions {
		if a.Refused != "" {
			continue
		}
		c := a.Call
		switch c {
		case PublicWithdraw:
			c = Withdraw
		case PublicCancel:
			c = Cancel
		}
		wanted[a.Escrow] = c
		if a.Side == Dst && c == Withdraw {
			payments++
		}
	}
	// A payment is a withdrawal of a leg that had something to pay with. A
	// stranger's fee-line leg may have paid the fees alone.
	paid, paidFinal := false, false
	for i := range s.Dsts {
		l := &s.Dsts[i]
		amount := l.Immutables.AmountInt()
		fair := l.Ours || bytes.Equal(l.Immutables.Parameters, s.Expect.Parameters)
		if l.Status == LegWithdrawn && !amount.IsZero() && fair && !shortOf(l) {
			paid, paidFinal = true, paidFinal || l.Final
		}
	}
	if paid && wanted[s.Src.Escrow] == Cancel {
		t.Error("src is to be cancelled though dst was withdrawn: the maker is paid twice")
	}
	if !paidFinal && s.Src.open() && wanted[s.Src.Escrow] == RescueFunds {
		t.Error("src is to be rescued though no payment is final")
	}
	taken := s.Src.Status == LegWithdrawn || s.Src.Status == LegRescued
	for i := range s.Dsts {
		l := &s.Dsts[i]
		if c := wanted[l.Escrow]; taken && !paid && l.Status != LegWithdrawn && (c == Cancel || c == RescueFunds) {
			t.Error("dst is to be taken back though src was: the maker gets nothing")
		}
		if c := wanted[l.Escrow]; s.Secret != nil && s.Src.open() && !paid && c == Cancel && views[s.ID.ChainID].Final.Time < s.Src.At(SrcCancellation) {
			t.Error("dst is to be taken back though anybody can still claim src")
		}
		if c := wanted[l.Escrow]; c == Withdraw && (!taken || paid) {
			t.Error("dst is to be withdrawn though the maker is not owed")
		}
	}
	if payments > 1 {
		t.Errorf("the maker is to be paid by %d legs", payments)
	}
	end := s.Src.At(SrcCancellation)
	if paid && s.Src.open() && s.Src.At(SrcWithdrawal) < end && views[s.ID.ChainID].Head.Time < end-1 {
		i := slices.IndexFunc(d.Actions, func(a Action) bool { return a.Side == Src && a.Call.TakesSecret() })
		if i < 0 || d.Actions[i].Refused != "" && d.Actions[i].Refused != NoPath && d.Actions[i].Refused != NoFeeCap {
			t.Errorf("dst was paid, src is open until %d, and no claim is wanted: %+v", end, d.Actions)
		}
	}
}
