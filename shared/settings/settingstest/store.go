// Package settingstest holds what proves an implementation of package settings'
// storage interface: a conformance suite for any of them, and an in-memory one that
// can fail.
package settingstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/settings"
)

// Memory is a settings.Store in memory, safe for concurrent use. Its calls are "load", "save", "keep" and "file".
type Memory struct {
	faulttest.Faults
	mu    sync.Mutex
	state settings.State
	files map[string][]byte
}

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{files: map[string][]byte{}}
}

// Spoil replaces what is kept under a sum; nil removes it.
func (m *Memory) Spoil(sum string, file []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if file == nil {
		delete(m.files, sum)
		return
	}
	m.files[sum] = file
}

func (m *Memory) do(ctx context.Context, op string, apply func() error) error {
	return m.Do(ctx, op, faulttest.Under(&m.mu, apply))
}

func clone(s settings.State) settings.State {
	s.Moves, s.Chains = slices.Clone(s.Moves), slices.Clone(s.Chains)
	return s
}

// Load implements settings.Store.
func (m *Memory) Load(ctx context.Context) (s settings.State, err error) {
	if err = m.do(ctx, "load", func() error { s = clone(m.state); return nil }); err != nil {
		return settings.State{}, err
	}
	return s, nil
}

// Save implements settings.Store.
func (m *Memory) Save(ctx context.Context, s settings.State) error {
	return m.do(ctx, "save", func() error {
		switch {
		case s.Write == "":
			panic("a write without a token")
		case m.state.Version == s.Version+1 && m.state.Write == s.Write:
			return nil
		case m.state.Version != s.Version:
			return settings.ErrConflict
		}
		s.Version++
		m.state = clone(s)
		return nil
	})
}

// Keep implements settings.Store.
func (m *Memory) Keep(ctx context.Context, sum string, file []byte) error {
	return m.do(ctx, "keep", func() error {
		if _, there := m.files[sum]; !there {
			m.files[sum] = bytes.Clone(file)
		}
		return nil
	})
}

// File implements settings.Store.
func (m *Memory) File(ctx context.Context, sum string) (file []byte, err error) {
	err = m.do(ctx, "file", func() error {
		var there bool
		if file, there = m.files[sum]; !there {
			return fs.ErrNotExist
		}
		file = bytes.Clone(file)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

// TestStore runs the guarantees of settings.Store against an implementation. open is
// called once, and what it returns is empty.
func TestStore(t *testing.T, open func(t *testing.T) settings.Store) {
	s, epoch := open(t), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	load := func() settings.State {
		t.Helper()
		got, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got.Write = ""
		return got
	}
	state := func(version int64, why string) settings.State {
		e := settings.Edition{Number: 2, Sum: settings.Sum([]byte(why))}
		return settings.State{Version: version, Write: rand.Text(), Proven: e, Before: settings.Edition{Number: 1}, Chains: []uint64{10, 1 << 52},
			Refused: settings.Refusal{Number: 3, Why: "a\nb", At: epoch},
			Moves:   []settings.Move{{Edition: e, By: "a ☂", Why: why, At: epoch, Forced: true}, {Edition: settings.Edition{Number: 3}, By: "b", Why: "c", At: epoch, Back: 1}}}
	}
	if got := load(); !cmp.Equal(got, settings.State{}) {
		t.Fatalf("nothing stored: %+v", got)
	}
	if err := s.Save(t.Context(), state(1, "too early")); !errors.Is(err, settings.ErrConflict) {
		t.Errorf("save at version 1 of nothing: %v", err)
	}
	want := state(0, "first")
	for range 2 { // the second is the same write again
		if err := s.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	stored := want
	stored.Version, stored.Write = 1, ""
	if diff := cmp.Diff(stored, load()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, version := range []int64{0, 2} {
		if err := s.Save(t.Context(), state(version, "x")); !errors.Is(err, settings.ErrConflict) {
			t.Errorf("save at version %d of 1: %v", version, err)
		}
	}
	for version := range int64(3) {
		var wins atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				switch err := s.Save(t.Context(), state(version+1, "many")); {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, settings.ErrConflict):
					t.Errorf("save: %v", err)
				}
			})
		}
		wg.Wait()
		if got := load().Version; wins.Load() != 1 || got != version+2 {
			t.Fatalf("%d winners, version %d", wins.Load(), got)
		}
	}
	if err := s.Save(t.Context(), want); !errors.Is(err, settings.ErrConflict) {
		t.Errorf("a write that was overwritten: %v", err)
	}

	large := make([]byte, settings.MaxFile)
	_, _ = rand.Read(large) // never fails, and does not compress
	for _, file := range [][]byte{[]byte("chains: []\n"), large} {
		sum := settings.Sum(file)
		if _, err := s.File(t.Context(), sum); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
		for range 2 {
			if err := s.Keep(t.Context(), sum, file); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.File(t.Context(), sum); err != nil || !bytes.Equal(got, file) {
			t.Errorf("%d bytes of %d, %v", len(got), len(file), err)
		}
	}
	first := settings.Sum([]byte("chains: []\n"))
	if err := s.Keep(t.Context(), first, []byte("another")); err != nil {
		t.Errorf("kept again: %v", err)
	}
	if got, err := s.File(t.Context(), first); err != nil || string(got) != "chains: []\n" {
		t.Errorf("a file was replaced: %q, %v", got, err)
	}
}
