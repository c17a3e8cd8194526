package swap

import "testing"

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
