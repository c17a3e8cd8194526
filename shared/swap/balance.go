package swap

// Balance probes. A leg's events tell where its money went; balances tell when
// an event was missed, a deposit never came, or something was left behind.
const (
	// probeAhead: the balance of an open leg is read once more this many seconds
	// before its hard deadline, while a missed event could still be acted on.
	probeAhead = 300
	// probeAgain: a leg whose deposit was missing is read again this often, in
	// seconds of block time, since anybody may send it.
	probeAgain = 60
)

// WantBalances lists the escrows of an order whose balances should be read at the
// given views: new ones, ended ones whose end is final, open ones shortly
// before their deadline, and those found short. It is empty for an order that
// waits in the middle of its time, so an idle pass reads no balances.
func (s State) WantBalances(views Views) []OrderID {
	var out []OrderID
	for _, l := range append([]LegState{s.Src}, s.Dsts...) {
		head := views[l.ChainID].Head
		deadline := l.At(SrcCancellation)
		if l.Side == Dst {
			deadline = l.At(DstCancellation)
		}
		probe := deadline - probeAhead
		var want bool
		switch {
		case head.Number == 0 || l.Status == LegAbsent:
		case !l.Balance.Known():
			want = true
		case l.ended():
			// Read at or after the block of the end, once that is final.
			want = l.Final && (l.Balance.Block.Number < l.Ended.Block || !l.empty() && l.stale(head))
		case l.short():
			want = l.stale(head)
		default:
			want = head.Time >= probe && l.Balance.Block.Time < probe && probe > l.Created.Time
		}
		if want {
			out = append(out, OrderID{l.ChainID, l.Escrow})
		}
	}
	for _, c := range s.Candidates {
		if views[c.ChainID].Head.Number != 0 && !c.Balance.Known() {
			out = append(out, OrderID{c.ChainID, c.Escrow})
		}
	}
	return out
}

func (l LegState) stale(head Block) bool { return head.Time >= l.Balance.Block.Time+probeAgain }

func (l LegState) empty() bool { return l.Balance.Token.IsZero() && l.Balance.Native.IsZero() }

// short reports whether the balances read do not cover amount and deposit.
func (l LegState) short() bool {
	return l.Balance.Known() && (l.Balance.Token.Lt(ptr(l.Immutables.AmountInt())) || l.unfunded())
}

// unfunded reports whether the escrow cannot pay its safety deposit out, so
// that every withdraw and cancel reverts. Before a first reading it is false.
func (l LegState) unfunded() bool {
	need := l.Immutables.DepositInt()
	if l.IsNative() {
		if _, overflow := need.AddOverflow(&need, ptr(l.Immutables.AmountInt())); overflow {
			return l.Balance.Known()
		}
	}
	return l.Balance.Known() && l.Balance.Native.Lt(&need)
}
