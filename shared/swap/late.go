package swap

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Late lists what of an order should have been done by now: actions that are
// wanted, legal and stored, and that nothing is seen of, for longer than one
// period of the net (Policy.Overdue).
//
// Only the clock of the action's own chain counts, at its head, from the latest
// of the moments before which nobody could have acted: the start of the window,
// the creation of the leg, and the head at which the action was stored, which is
// that of the first look that wanted it. When something happened on the other
// chain does not enter: its clock may be minutes away from this one while either
// chain is halted or catches up.
//
// Work in flight gets Policy.SyncLag more, since what a transaction has done
// shows only once its logs are read. It then is critical if principal hangs on
// it, and else a warning: it may be waiting for a better price.
func Late(c Case, live []Work, views Views, p Policy) []Finding {
	if p.Overdue <= 0 {
		return nil
	}
	var out []Finding
	for i := range c.Decision.Actions {
		a := &c.Decision.Actions[i]
		n := slices.IndexFunc(live, func(w Work) bool { return w.Order == a.Order && w.Key() == a.Key() })
		leg := c.State.legAt(a.ChainID, a.Escrow)
		if a.Refused != "" || n < 0 || leg == nil {
			continue
		}
		since, patience, severity := max(a.From, leg.Created.Time, live[n].Stored), p.Overdue, Critical
		detail := "legal and wanted, and not done"
		if live[n].State == WorkSubmitted {
			patience, detail = patience+p.SyncLag, "sent, and nothing is seen of it"
			if a.Hard == 0 {
				severity = Warning
			}
		}
		if views[a.ChainID].Head.Time.Sub(since) > patience {
			out = append(out, Finding{Code: ActionOverdue, Severity: severity, Order: a.Order, ChainID: a.ChainID, Escrow: a.Escrow,
				Call: a.Call, Deadline: a.Hard, AtRisk: a.AtRisk, Detail: detail})
		}
	}
	return out
}

// Eased returns the finding of a deadline as it is while a transaction for it is
// under way: a warning for as long as there is time to see it fail and to make
// another attempt. Whatever else it is handed it returns as it is.
func Eased(f Finding, c Case, live []Work, views Views, p Policy) Finding {
	if f.Code != DeadlineNear || f.Severity != Critical {
		return f
	}
	sent := slices.ContainsFunc(live, func(w Work) bool {
		return w.Order == c.State.ID && w.ChainID == f.ChainID && w.Escrow == f.Escrow && w.Call == f.Call && w.State == WorkSubmitted
	})
	g := ground{ChainPolicy: p.Chains[f.ChainID], view: views[f.ChainID]}
	if sent && f.Deadline-g.view.Head.Time > p.reaction(&g) {
		f.Severity, f.Detail = Warning, "sent, and nothing is seen of it yet"
	}
	return f
}

// Emptied reports whether a balance read at a chain's head shows that a leg has
// ended although its event has not been read yet: it held its amount when it
// was last looked at, and does not any more. A leg that was short before says
// nothing by being so still.
func (s *State) Emptied(chain uint64, escrow common.Address, now Balance) bool {
	l := s.legAt(chain, escrow)
	if l == nil || !l.open() || !l.Balance.Known() || !now.Known() {
		return false
	}
	amount := l.Immutables.AmountInt()
	return !l.Balance.Token.Lt(&amount) && now.Token.Lt(&amount)
}

// legAt finds the leg of an escrow, nil if it is none of the order's.
func (s *State) legAt(chain uint64, escrow common.Address) *LegState {
	if s.Src.ChainID == chain && s.Src.Escrow == escrow {
		return &s.Src
	}
	for i := range s.Dsts {
		if d := &s.Dsts[i]; d.ChainID == chain && d.Escrow == escrow {
			return d
		}
	}
	return nil
}
