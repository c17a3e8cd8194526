package swap

import "fmt"

// Over tells whether what was found of an order is over, and what shows it: the
// leg that it is about has come to its end, or nothing of the order can hold
// funds any more. s is folded from final facts alone, so that no reorg takes
// the proof back. at is the escrow of the finding; without an address it is
// about the order as a whole. What went wrong for good, such as a maker paid
// twice, is never over by what a chain shows.
func Over(code FindingCode, at OrderID, s State) (proof string, ok bool) {
	switch code {
	case DeadlineNear, DeadlineLost, ActionOverdue, DstPaidSrcExpired, FundsGone, DepositMissing, NegativeGap, UnprovenDst, CannotAct,
		BadParameters, SrcVanished, CallReverts, TxReverted, TxUndone, FeeCapLow, SignerDry:
	default:
		return "", false
	}
	if l := s.legAt(at.ChainID, at.Escrow); l != nil && l.ended() && l.Final {
		return fmt.Sprintf("the %s escrow was %s in %s, which is final", l.Side, l.Status, l.Ended.Tx), true
	}
	for i := range s.Unproven {
		if c := &s.Unproven[i]; c.ChainID == at.ChainID && c.Escrow == at.Escrow && c.Status != LegOpen && c.Final {
			return fmt.Sprintf("the escrow was %s in %s, which is final", c.Status, c.Ended.Tx), true
		}
	}
	if s.Closed && code != FundsGone {
		return "nothing of the order can hold funds any more, by final facts", true
	}
	return "", false
}
