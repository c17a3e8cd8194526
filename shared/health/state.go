package health

import (
	"context"
	"slices"
	"time"
)

// Report is one check.
type Report struct {
	At         time.Time   `json:"at"` // the scheduled time
	Found      Status      `json:"found"`
	Components []Component `json:"components"`
}

// State is what is kept from check to check.
type State struct {
	// Settled is the status that was announced, since Since; Unknown before the first check.
	Settled Status    `json:"settled"`
	Since   time.Time `json:"since"`
	Latest  Report    `json:"latest"`
	// Previous is the last check before Settled changed; zero if it never did.
	Previous Report `json:"previous,omitzero"`
	// Changes are the changes of Settled, the oldest first: the last maxChanges of them.
	Changes []Change `json:"changes,omitempty"`
	// Row counts the checks up to the latest that were all better, or all worse, than what is
	// settled; Worst is the worst of them.
	Row   int    `json:"row,omitempty"`
	Worst Status `json:"worst,omitempty"`
	// Version is opaque to all but the store; 0: not stored.
	Version int64 `json:"version"`
}

// Change is one change of what is settled.
type Change struct {
	At  time.Time `json:"at"` // of the check that changed it
	To  Status    `json:"to"`
	Why string    `json:"why,omitempty"` // Summary of that check, cut to maxDetail bytes
}

// maxChanges bounds how many changes are kept: a day in which it changes more often has one story.
const maxChanges = 50

// Store keeps the state. It is safe for concurrent use by many processes.
type Store interface {
	Reader
	// Save replaces the state, if the stored one still has s.Version, and else returns ErrConflict;
	// a repeated write whose response was lost succeeds.
	Save(ctx context.Context, s State) error
}

// Reader reads the state.
type Reader interface {
	// Load reads the state, strongly consistent. One whose latest check is older than Keep at now
	// comes back as the zero State with its Version: it says nothing any more.
	Load(ctx context.Context, now time.Time) (State, error)
}

// Keep is how long a state that is not renewed says anything.
const Keep = 7 * 24 * time.Hour

const (
	// worseRow and betterRow are how many checks in a row have to be worse, or better, than what is
	// settled. A hiccup of a minute is not worth waking anybody, and what is better once may not be.
	worseRow  = 2
	betterRow = 3
	// longestRow is how far the checks in a row of one component are counted: no rule asks for more.
	longestRow = max(worseRow, betterRow)
)

// Next is the state after a check. The first check settles at once. A check of a tick that is not after the latest replaces nothing in the row: it ran before.
func (s State) Next(r Report) State {
	next := s
	again := s.Settled != Unknown && !r.At.After(s.Latest.At)
	r.Components = s.carry(r, again)
	next.Latest = r
	if s.Settled == Unknown {
		next.settle(r.Found, r)
		return next
	}
	if again {
		next.Latest.At = s.Latest.At
	}
	if r.Found == s.Settled {
		next.Row, next.Worst = 0, Unknown
		return next
	}
	worse := r.Found > s.Settled
	switch {
	case s.Row > 0 && worse != (s.Worst > s.Settled):
		next.Row, next.Worst = 1, r.Found // the row turns
	case again && s.Row > 0:
		next.Worst = max(s.Worst, r.Found)
	default:
		next.Row, next.Worst = s.Row+1, max(s.Worst, r.Found)
	}
	enough := betterRow
	if worse {
		if enough = worseRow; r.Found == Unhealthy {
			enough = 1
		}
	}
	if next.Row < enough {
		return next
	}
	next.Previous = s.Latest
	next.settle(next.Worst, r)
	return next
}

// settle makes a status the one that is announced.
func (s *State) settle(to Status, r Report) {
	s.Settled, s.Since, s.Row, s.Worst = to, r.At, 0, Unknown
	c := Change{At: r.At, To: to}
	if to != Healthy {
		c.Why = cut(Summary(r.Components))
	}
	all := append(slices.Clone(s.Changes), c)
	s.Changes = all[max(0, len(all)-maxChanges):]
}

// carry returns the components of a check with what the checks before it say of each.
func (s State) carry(r Report, again bool) []Component {
	before := map[string]Component{}
	for _, c := range s.Latest.Components {
		before[c.Name] = c
	}
	out := slices.Clone(r.Components)
	for i := range out {
		c := &out[i]
		was := before[c.Name]
		c.Own = c.ToDo != "" || was.Own
		switch {
		case c.Status == Unknown:
			c.Since, c.Row = time.Time{}, 0
		case was.Row == 0 || was.bad() != c.bad():
			c.Since, c.Row = r.At, 1
		case again:
			c.Since, c.Row = was.Since, was.Row
		default:
			c.Since, c.Row = was.Since, min(was.Row+1, longestRow)
		}
	}
	return out
}
