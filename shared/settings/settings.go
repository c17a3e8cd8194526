package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Edition is one chains file that was or is wanted. The zero value is the packaged
// file of a stack that never had another.
type Edition struct {
	// Number counts the operators' moves from 1 on. Going back to a file makes a
	// new number with the old sum.
	Number int64 `json:"number,omitempty"`
	// Sum is the SHA-256 of the file in hex; empty: the packaged file.
	Sum string `json:"sum,omitempty"`
}

// Packaged reports whether it is the file of the deployment.
func (e Edition) Packaged() bool { return e.Sum == "" }

func (e Edition) String() string {
	switch {
	case e.Number == 0:
		return "the packaged file"
	case e.Packaged():
		return fmt.Sprintf("edition %d (the packaged file)", e.Number)
	}
	return fmt.Sprintf("edition %d (%.12s)", e.Number, e.Sum)
}

// Sum is the checksum by which a file is kept.
func Sum(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

// Move is what an operator decided.
type Move struct {
	Edition
	By   string    `json:"by"`            // who
	Why  string    `json:"why,omitempty"` // for whoever reads the history
	At   time.Time `json:"at"`
	Back int64     `json:"back,omitempty"` // the number that this goes back to
	// Forced: it may take away what open swaps still need.
	Forced bool `json:"forced,omitempty"`
}

const (
	// keepMoves is how many moves are remembered. The state is read at the start of
	// each run: with so many it stays below 4 KB, one read unit.
	keepMoves = 20
	// MaxFile bounds a file in bytes: a hundred chains.
	MaxFile = 256 << 10
	maxBy   = 100
	maxWhy  = 300
	maxSaid = 1000 // of a refusal, in bytes
)

// Validate names everything that is wrong with a new move.
func (m Move) Validate() error {
	var errs []error
	for _, text := range []struct {
		name, value string
		most        int
	}{{"who", m.By, maxBy}, {"why", m.Why, maxWhy}} {
		if strings.TrimSpace(text.value) == "" {
			errs = append(errs, fmt.Errorf("it does not say %s", text.name))
		}
		if len(text.value) > text.most || strings.ContainsFunc(text.value, unicode.IsControl) {
			errs = append(errs, fmt.Errorf("%s is longer than %d bytes or than a line", text.name, text.most))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("new chains file: %w", errors.Join(errs...))
	}
	return nil
}

// Refusal is why the wanted edition is not in force. The zero value: it was not
// refused.
type Refusal struct {
	Number int64     `json:"number,omitempty"`
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at,omitzero"` // when it was first refused for that reason
}

// State is what is known of all editions. The zero value: the packaged file is
// wanted, and in force.
type State struct {
	Moves []Move `json:"moves,omitempty"` // the latest last, at most keepMoves
	// Proven is in force; Before was, until Proven took its place.
	Proven  Edition `json:"proven,omitzero"`
	Before  Edition `json:"before,omitzero"`
	Refused Refusal `json:"refused,omitzero"`
	// Chains are the ids of all chains that were ever in force, in order. Swaps of
	// one that is not any more have nobody who looks after them.
	Chains  []uint64 `json:"chains,omitempty"`
	Version int64    `json:"-"` // set by the store: 0 = not stored, else counts up with each Save
	Write   string   `json:"-"` // token of the write, fresh for every one
}

// Wanted is what operators decided last; the zero Move if they never did.
func (s State) Wanted() Move {
	if len(s.Moves) == 0 {
		return Move{}
	}
	return s.Moves[len(s.Moves)-1]
}

// Pending reports whether what is wanted is not in force yet.
func (s State) Pending() bool { return s.Wanted().Edition != s.Proven }

// Find returns the move of that number. Number 0 is the packaged file.
func (s State) Find(number int64) (Move, bool) {
	if number == 0 {
		return Move{}, true
	}
	i := slices.IndexFunc(s.Moves, func(m Move) bool { return m.Number == number })
	if i < 0 {
		return Move{}, false
	}
	return s.Moves[i], true
}

// InForce lists the editions to work by, the best first: the proven one, and the
// one before, should that not be usable any more.
func (s State) InForce() []Edition {
	if s.Before.Sum == s.Proven.Sum {
		return []Edition{s.Proven}
	}
	return []Edition{s.Proven, s.Before}
}

// with returns the state after a move.
func (s State) with(m Move) State {
	m.Number = s.Wanted().Number + 1
	s.Moves = append(slices.Clone(s.Moves), m)
	if over := len(s.Moves) - keepMoves; over > 0 {
		s.Moves = s.Moves[over:]
	}
	s.Refused = Refusal{}
	return s
}

// known returns the state with those chains among its chains.
func (s State) known(chains []uint64) (State, bool) {
	all := append(slices.Clone(s.Chains), chains...)
	slices.Sort(all)
	all = slices.Compact(all)
	changed := !slices.Equal(all, s.Chains)
	s.Chains = all
	return s, changed
}

// proven returns the state with e in force, if e is still what is wanted.
func (s State) proven(e Edition, chains []uint64) (State, bool) {
	if s.Wanted().Edition != e || s.Proven == e {
		return s, false
	}
	if s.Proven.Sum != e.Sum {
		s.Before = s.Proven
	}
	s.Proven, s.Refused = e, Refusal{}
	s, _ = s.known(chains)
	return s, true
}

// refused returns the state with e refused, if e is still what is wanted.
func (s State) refused(e Edition, why string, now time.Time) (State, bool) {
	why = clip(why)
	if s.Wanted().Edition != e || s.Proven == e || s.Refused.Number == e.Number && s.Refused.Why == why {
		return s, false
	}
	s.Refused = Refusal{e.Number, why, now}
	return s, true
}

// clip bounds a text without splitting a character.
func clip(s string) string {
	if len(s) <= maxSaid {
		return s
	}
	return strings.ToValidUTF8(s[:maxSaid], "") + "…"
}
