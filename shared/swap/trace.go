package swap

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// The dst escrows of the BMN family cancel by any whitelisted resolver's
// signature without looking at the immutables they are sent, so that whoever
// signs may name himself as the taker. The event is the same. Where the money
// went stands only in the transaction, so each cancellation is looked into once.

// Trace is what a transaction that reports the cancellation of a leg moved of
// the leg's token, in base units. A leg of native coin leaves no trace of the
// kind: there Returned is the amount if the call itself proves it, else zero.
type Trace struct {
	Tx       common.Hash `json:"tx"`
	Block    common.Hash `json:"block"` // a reorganisation may have it do something else
	Returned uint256.Int `json:"returned,omitzero"`
	Astray   uint256.Int `json:"astray,omitzero"` // to anybody but the taker
}

// Cancellation is one that has to be looked into.
type Cancellation struct {
	Leg
	At Position
}

// WantTraces lists the cancellations of the order's dst legs that nobody has
// looked into. It is empty but for the BMN family.
func (s *State) WantTraces() []Cancellation {
	var out []Cancellation
	for i := range s.Dsts {
		d := &s.Dsts[i]
		if !d.traceable() {
			continue
		}
		for _, at := range d.Cancels {
			if d.traced(at) == nil {
				out = append(out, Cancellation{d.Leg, at})
			}
		}
	}
	return out
}

// traceable reports whether the leg may have been emptied by a cancellation
// that did not pay its taker.
func (l *LegState) traceable() bool {
	return l.Side == Dst && l.Family == BMNv4 && l.Status == LegCancelled && l.Immutables.Amount != (Word{})
}

func (r *LegRecord) traced(at Position) *Trace {
	for i := range r.Traces {
		if t := &r.Traces[i]; t.Tx == at.Tx && t.Block == at.BlockHash {
			return t
		}
	}
	return nil
}

// untraced reports whether a cancellation of the leg has yet to be looked into.
func (l *LegState) untraced() bool {
	return l.traceable() && slices.ContainsFunc(l.Cancels, func(at Position) bool { return l.traced(at) == nil })
}

// AddTrace stores what was found of a cancellation; false if that is known. Of
// more than an escrow's events are kept the oldest goes that moved nothing
// astray.
func (o *Order) AddTrace(chain uint64, escrow common.Address, t Trace) bool {
	r := o.leg(chain, escrow)
	if r == nil || slices.Contains(r.Traces, t) {
		return false
	}
	kept := slices.DeleteFunc(slices.Clone(r.Traces), func(k Trace) bool { return k.Tx == t.Tx && k.Block == t.Block })
	if len(kept) >= maxTraces {
		i := max(0, slices.IndexFunc(kept, func(k Trace) bool { return k.Astray.IsZero() }))
		kept = slices.Delete(kept, i, i+1)
	}
	r.Traces = append(kept, t)
	return true
}

// maxTraces is as many as cancellations are kept of one escrow, and the same
// again for those that a reorganisation replaced.
const maxTraces = 2 * maxEnds

// tellAstray reports a cancelled dst leg whose money did not come back. What was
// found of any cancellation counts, also of those that are not kept any more.
func (pl *planner) tellAstray(d *LegState) {
	if !d.traceable() {
		return
	}
	var returned, astray uint256.Int
	for _, t := range d.Traces {
		addTo(&returned, &t.Returned)
		addTo(&astray, &t.Astray)
	}
	amount := d.Immutables.AmountInt()
	patience := pl.policy.Overdue + pl.policy.SyncLag
	switch {
	case !astray.IsZero():
		pl.find(TokensAstray, Critical, &d.Leg, "a cancellation moved its tokens to an address that is not the taker")
	case !returned.Lt(&amount):
	case !d.untraced():
		pl.find(TokensAstray, Critical, &d.Leg, "cancelled, and nothing shows that its money came back to the taker")
	case pl.dst.view.Head.Time.Sub(d.Ended.Time) <= patience:
		pl.wake(&d.Leg, d.Ended.Time.Add(patience+1))
	default:
		pl.find(TokensAstray, Warning, &d.Leg, "cancelled, and the transaction that did it cannot be read: where its money went is not known")
		pl.wake(&d.Leg, pl.recheck(&d.Leg, helplessRecheck))
	}
}

// addTo adds, ending at the largest number: amounts come from strangers.
func addTo(sum, v *uint256.Int) {
	if _, overflow := sum.AddOverflow(sum, v); overflow {
		sum.SetAllOne()
	}
}

// Returns reports whether the calldata of a transaction that calls the leg's
// escrow itself cancels it for the taker: it names the leg's own immutables.
func (l Leg) Returns(calldata []byte) bool {
	call, ok, err := DecodeCall(calldata)
	return err == nil && ok && (call.Call == Cancel || call.Call == PublicCancelSigned) && call.Immutables.Equal(l.Immutables)
}
