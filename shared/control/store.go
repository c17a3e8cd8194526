package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrConflict says that the stored state is another than the one that was read.
var ErrConflict = errors.New("the pauses were changed by another process")

// Store keeps the one state. It is safe for concurrent use by many processes; a Save that returned nil is
// durable and seen by every later Load.
type Store interface {
	// Load reads the state, strongly consistent; without pauses and at version 0 if nothing was ever paused. Its At
	// is what the store's own clock said, to the second and not ahead, whatever that of this machine says.
	Load(ctx context.Context) (State, error)
	// Save writes s as version s.Version+1, on the condition that version s.Version is stored (0: nothing
	// is). Otherwise ErrConflict, unless what is stored carries s.Write: then it is our own write whose
	// answer was lost, and that is success. After any other error the outcome is unknown and the call
	// may be repeated with the same state.
	Save(ctx context.Context, s State) error
}

// tries bounds how often a conflicting change is read and applied again: operators are few.
const tries = 6

// Load reads the state for whoever judges it by its At. A store that did not say what time it is has none, by which no
// pause would be in force: that is an error.
func Load(ctx context.Context, s Store) (State, error) {
	state, err := s.Load(ctx)
	if err != nil {
		return State{}, fmt.Errorf("read the pauses: %w", err)
	}
	if state.At.IsZero() {
		return State{}, errors.New("read the pauses: the store did not say what time it is")
	}
	return state, nil
}

func change(ctx context.Context, s Store, next func(State) (State, bool)) error {
	for range tries {
		old, err := Load(ctx, s)
		if err != nil {
			return err
		}
		n, changed := next(old)
		if !changed {
			return nil
		}
		n.Write = rand.Text()
		if err = s.Save(ctx, n); err == nil {
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return fmt.Errorf("write the pauses: %w", err)
		}
	}
	return fmt.Errorf("write the pauses: %w, %d times", ErrConflict, tries)
}

// Set makes a pause that lasts so long from now on, by the store's clock: what this machine's says makes none longer,
// shorter or ineffective. It renews the one of its scope, which keeps its Since. It returns the pause as stored.
func Set(ctx context.Context, s Store, p Pause, lasts time.Duration) (Pause, error) {
	if err := p.Validate(lasts); err != nil {
		return Pause{}, err
	}
	err := change(ctx, s, func(old State) (State, bool) {
		p.Since, p.From, p.Until = old.At, old.At, old.At.Add(lasts)
		if before, ok := old.of(p.Scope); ok && before.Since.Before(p.Since) {
			p.Since = before.Since
		}
		return old.with(p), true
	})
	if err != nil {
		return Pause{}, fmt.Errorf("pause %s: %w", p.Scope, err)
	}
	return p, nil
}

// Lift ends the pause of a scope now, by the store's clock, unless it is over, and tells whether it was not.
func Lift(ctx context.Context, s Store, scope Scope) (was bool, err error) {
	err = change(ctx, s, func(old State) (State, bool) {
		var p Pause
		if p, was = old.of(scope); !was {
			return old, false
		}
		p.Until = old.At
		return old.with(p), true
	})
	if err != nil {
		return false, fmt.Errorf("resume %s: %w", scope, err)
	}
	return was, nil
}

// Reader reads the state for the runs of one process. It is safe for concurrent use.
type Reader struct {
	store Store

	mu   sync.Mutex
	last State
}

// NewReader returns a reader that has not read anything.
func NewReader(s Store) *Reader { return &Reader{store: s} }

// Read returns the state as it is. If it cannot be read, it returns the one that this process read last, with
// the error: its pauses end when they end, and nothing else is paused.
func (r *Reader) Read(ctx context.Context) (State, error) {
	s, err := r.store.Load(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		return r.last, fmt.Errorf("read the pauses: %w", err)
	}
	r.last = s
	return s, nil
}
