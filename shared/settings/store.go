package settings

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// ErrConflict says that the stored state is another than the one that was read.
var ErrConflict = errors.New("the editions were changed by another process")

// ErrCorrupt says that what is kept as a file is not the file of that sum.
var ErrCorrupt = errors.New("the stored chains file has another checksum")

// Store keeps the one state, and the files. It is safe for concurrent use by many
// processes; what was written when a call returned nil is durable and seen by every
// later read.
type Store interface {
	// Load reads the state, strongly consistent; the zero State if there never was
	// an edition but the packaged one.
	Load(ctx context.Context) (State, error)
	// Save writes s as version s.Version+1, on the condition that version s.Version
	// is stored (0: nothing is). Otherwise ErrConflict, unless what is stored carries
	// s.Write: then it is our own write whose answer was lost, and that is success.
	// After any other error the outcome is unknown and the call may be repeated with
	// the same state.
	Save(ctx context.Context, s State) error
	// Keep stores a file under its sum, for good. One that is there is left as it
	// is, and that is success: files with the same sum are the same.
	Keep(ctx context.Context, sum string, file []byte) error
	// File reads a file as it was kept; fs.ErrNotExist if there is none of that sum.
	// It does not look whether the sum is right; see Read.
	File(ctx context.Context, sum string) ([]byte, error)
}

// Read reads the file of an edition and proves it by its sum. The packaged one is
// not in the store.
func Read(ctx context.Context, s Store, e Edition) ([]byte, error) {
	if e.Packaged() {
		return nil, fmt.Errorf("read %s: not kept in the store", e)
	}
	file, err := s.File(ctx, e.Sum)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", e, err)
	}
	if Sum(file) != e.Sum {
		return nil, fmt.Errorf("read %s: %w", e, ErrCorrupt)
	}
	return file, nil
}

// Put makes a file the wanted one, under the next number, and returns the move. What
// is wanted already stays so, and is returned: a Put whose answer was lost can be
// repeated. The file is kept first: should the call end between the two, nothing is
// changed but that a file lies there which nobody names.
func Put(ctx context.Context, s Store, file []byte, m Move) (Move, error) {
	if err := m.Validate(); err != nil {
		return Move{}, err
	}
	if len(file) == 0 || len(file) > MaxFile {
		return Move{}, fmt.Errorf("new chains file: %d bytes, want 1 to %d", len(file), MaxFile)
	}
	m.Edition, m.Back = Edition{Sum: Sum(file)}, 0
	if err := s.Keep(ctx, m.Sum, file); err != nil {
		return Move{}, fmt.Errorf("keep the chains file: %w", err)
	}
	return move(ctx, s, m)
}

// Back makes the file of a former number the wanted one again, under the next
// number; 0 is the packaged file. fs.ErrNotExist if there is no such number among
// those that are remembered, or its file is gone.
func Back(ctx context.Context, s Store, number int64, m Move) (Move, error) {
	if err := m.Validate(); err != nil {
		return Move{}, err
	}
	state, err := s.Load(ctx)
	if err != nil {
		return Move{}, fmt.Errorf("read the editions: %w", err)
	}
	to, ok := state.Find(number)
	if !ok {
		return Move{}, fmt.Errorf("edition %d: %w", number, fs.ErrNotExist)
	}
	if !to.Packaged() {
		if _, err := Read(ctx, s, to.Edition); err != nil {
			return Move{}, err
		}
	}
	m.Edition, m.Back = Edition{Sum: to.Sum}, number
	return move(ctx, s, m)
}

func move(ctx context.Context, s Store, m Move) (Move, error) {
	made, err := change(ctx, s, func(old State) (State, bool) {
		if w := old.Wanted(); w.Sum == m.Sum && w.Forced == m.Forced && len(old.Moves) > 0 {
			return old, false
		}
		return old.with(m), true
	})
	if err != nil {
		return Move{}, fmt.Errorf("new chains file: %w", err)
	}
	return made.Wanted(), nil
}

// Prove puts an edition in force that passed, with the ids of its chains. It tells
// whether it did: not if operators want another by now, or it is in force already.
func Prove(ctx context.Context, s Store, e Edition, chains []uint64) (did bool, err error) {
	_, err = change(ctx, s, func(old State) (next State, changed bool) {
		next, did = old.proven(e, chains)
		return next, did
	})
	if err != nil {
		return false, fmt.Errorf("prove %s: %w", e, err)
	}
	return did, nil
}

// Refuse notes why an edition did not pass, for operators to see. What is in force
// stays.
func Refuse(ctx context.Context, s Store, e Edition, why string, now time.Time) error {
	if _, err := change(ctx, s, func(old State) (State, bool) { return old.refused(e, why, now) }); err != nil {
		return fmt.Errorf("refuse %s: %w", e, err)
	}
	return nil
}

// Know adds to the chains that were ever in force, and returns the state as it is
// then. It writes only what is new.
func Know(ctx context.Context, s Store, chains []uint64) (State, error) {
	state, err := change(ctx, s, func(old State) (State, bool) { return old.known(chains) })
	if err != nil {
		return State{}, fmt.Errorf("note the chains in force: %w", err)
	}
	return state, nil
}

// tries bounds how often a conflicting change is read and applied again: operators
// are few, and one job proves.
const tries = 6

func change(ctx context.Context, s Store, next func(State) (State, bool)) (State, error) {
	for range tries {
		old, err := s.Load(ctx)
		if err != nil {
			return State{}, fmt.Errorf("read the editions: %w", err)
		}
		n, changed := next(old)
		if !changed {
			return old, nil
		}
		n.Write = rand.Text()
		if err = s.Save(ctx, n); err == nil {
			return n, nil
		}
		if !errors.Is(err, ErrConflict) {
			return State{}, fmt.Errorf("write the editions: %w", err)
		}
	}
	return State{}, fmt.Errorf("write the editions: %w, %d times", ErrConflict, tries)
}
