package swap

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func TestOver(t *testing.T) {
	src, dst, cand := common.Address{1}, common.Address{2}, common.Address{3}
	leg := func(chain uint64, side Side, escrow common.Address, status LegStatus, final bool) LegState {
		l := LegState{Status: status, Final: final, Ended: Position{Tx: common.Hash{9}}}
		l.ChainID, l.Side, l.Escrow = chain, side, escrow
		return l
	}
	state := func(status LegStatus, final, closed bool) State {
		return State{Order: Order{Closed: closed}, Src: leg(1, Src, src, status, final), Dsts: []LegState{leg(2, Dst, dst, LegOpen, true)},
			Unproven: []CandidateState{{Candidate: Candidate{ChainID: 2, Escrow: cand}, Status: status, Final: final}}}
	}
	at := func(chain uint64, escrow common.Address) OrderID { return OrderID{ChainID: chain, Escrow: escrow} }
	for _, c := range []struct {
		name string
		code FindingCode
		at   OrderID
		s    State
		want string // of the proof; empty: not over
	}{
		{"withdrawn and final", DeadlineNear, at(1, src), state(LegWithdrawn, true, false), "the src escrow was withdrawn in 0x0900"},
		{"cancelled and final", ActionOverdue, at(1, src), state(LegCancelled, true, false), "cancelled"},
		{"rescued and final", DstPaidSrcExpired, at(1, src), state(LegRescued, true, false), "rescued"},
		{"withdrawn, not final", DeadlineNear, at(1, src), state(LegWithdrawn, false, false), ""},
		{"open", DeadlineNear, at(1, src), state(LegOpen, true, false), ""},
		{"absent", SrcVanished, at(1, src), state(LegAbsent, true, false), ""},
		{"another leg has ended", DeadlineNear, at(2, dst), state(LegWithdrawn, true, false), ""},
		{"the same address on another chain", DeadlineNear, at(2, src), state(LegWithdrawn, true, false), ""},
		{"closed", DeadlineNear, at(2, dst), state(LegWithdrawn, true, true), "nothing of the order"},
		{"closed, about no escrow", CannotAct, at(1, common.Address{}), state(LegOpen, true, true), "nothing of the order"},
		{"about no escrow", CannotAct, at(1, common.Address{}), state(LegWithdrawn, true, false), ""},
		{"funds gone, explained by an event", FundsGone, at(1, src), state(LegCancelled, true, true), "cancelled"},
		{"funds gone and closed", FundsGone, at(2, dst), state(LegCancelled, true, true), ""},
		{"a candidate that has ended", UnprovenDst, at(2, cand), state(LegCancelled, true, false), "the escrow was cancelled"},
		{"a candidate, not final", UnprovenDst, at(2, cand), state(LegCancelled, false, false), ""},
		{"paid twice is never over", PaidTwice, at(1, src), state(LegCancelled, true, true), ""},
		{"unpaid is never over", MakerUnpaid, at(1, src), state(LegWithdrawn, true, true), ""},
		{"about no order", ChainBehind, at(1, common.Address{}), state(LegWithdrawn, true, true), ""},
	} {
		if proof, ok := Over(c.code, c.at, c.s); ok != (c.want != "") || !strings.Contains(proof, c.want) {
			t.Errorf("%s: %q, %t; want %q", c.name, proof, ok, c.want)
		}
	}
}
