package health

import (
	"context"
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
	// Row counts the checks up to the latest that were all better, or all worse, than what is
	// settled; Worst is the worst of them.
	Row   int    `json:"row,omitempty"`
	Worst Status `json:"worst,omitempty"`
	// Version is opaque to all but the store; 0: not stored.
	Version int64 `json:"version"`
}

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
)

// Next is the state after a check. The first check settles at once. A check of a tick that is not after the latest replaces nothing in the row: it ran before.
func (s State) Next(r Report) State {
	next := s
	next.Latest = r
	if s.Settled == Unknown {
		next.Settled, next.Since, next.Row, next.Worst = r.Found, r.At, 0, Unknown
		return next
	}
	again := !r.At.After(s.Latest.At)
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
	next.Previous, next.Settled, next.Since = s.Latest, next.Worst, r.At
	next.Row, next.Worst = 0, Unknown
	return next
}
