package swap

import "github.com/ethereum/go-ethereum/common"

// WorkState is how far a stored action has come.
type WorkState string

// The states of an action, by what is true of the transaction. Planned,
// Submitted and Refused are live; the others are terminal.
const (
	WorkPlanned   WorkState = "planned"       // nothing sent; the executor may send it
	WorkSubmitted WorkState = "submitted"     // a signed transaction stands in the journal
	WorkRefused   WorkState = "refused"       // legal, yet the chain would revert it; not before RetryAt
	WorkConfirmed WorkState = "confirmed"     // our transaction is final
	WorkObsolete  WorkState = "obsolete"      // the plan does not want it any more
	WorkByOther   WorkState = "done-by-other" // somebody else ended the leg
)

// Live reports whether the action may still need a transaction.
func (s WorkState) Live() bool {
	return s == WorkPlanned || s == WorkSubmitted || s == WorkRefused
}

// Work is an action as stored.
type Work struct {
	Action
	State WorkState `json:"state"`
	// Attempt counts from 1 and grows each time the action is opened again
	// after a reorg, a drop or a foreign nonce.
	Attempt int `json:"attempt"`
	// Stored is the head's time on its chain when the action was first stored:
	// the first moment at which anybody could have acted on it. Zero where that
	// was not noted.
	Stored ChainTime `json:"stored,omitempty"`
	// RetryAt is the block time before which a refused action is left alone.
	RetryAt ChainTime `json:"retryAt,omitempty"`
	// Why is the reason of the latest refusal or of the end; constant words.
	Why Reason `json:"why,omitempty"`
	// Version is opaque to all but the store: it grows by one with each write.
	Version uint64 `json:"version"`
}

// Diff compares what Plan wants of an order with the order's live work, and
// returns the work items to write: new ones with Version 0, changed ones with
// the Version they were read at. Work in flight is left to its settlement:
// what it does on chain, the chain will tell. Work that has to wait for a block
// or a log is left as it is, since the executor asks Plan again before it sends.
func Diff(s State, d Decision, live []Work) []Work {
	var out []Work
	seen := map[ActionKey]bool{}
	for _, w := range live {
		if w.Order != s.ID || !w.State.Live() {
			continue
		}
		seen[w.Key()] = true
		a, wanted := d.Wanted(w.Key())
		switch {
		case w.State == WorkSubmitted || !wanted && d.Waits(w.Key()):
			continue
		case !wanted:
			w.State, w.Why = WorkObsolete, refusal(d, w.Key())
			if s.endedLeg(w.ChainID, w.Escrow) {
				w.State, w.Why = WorkByOther, ""
			}
		case w.Action == a:
			continue
		default:
			// The executor's back-off outlives a change of window or price.
			w.Action = a
		}
		out = append(out, w)
	}
	for _, a := range d.Actions {
		if a.Refused == "" && !seen[a.Key()] {
			seen[a.Key()] = true
			out = append(out, Work{Action: a, State: WorkPlanned, Attempt: 1})
		}
	}
	return out
}

// Sendable reports whether the executor may try the work at head time now.
func (w Work) Sendable(now ChainTime) bool {
	return w.State == WorkPlanned || w.State == WorkRefused && now >= w.RetryAt
}

func (s *State) endedLeg(chain uint64, escrow common.Address) bool {
	l := s.legAt(chain, escrow)
	return l != nil && l.ended()
}

func refusal(d Decision, k ActionKey) Reason {
	if i := d.find(k); i >= 0 {
		return d.Actions[i].Refused
	}
	return ""
}
