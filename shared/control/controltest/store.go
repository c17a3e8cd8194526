// Package controltest holds what proves an implementation of package control's storage interface: a
// conformance suite for any of them, and an in-memory one that can fail.
package controltest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

// Memory is a control.Store in memory, safe for concurrent use. Its calls are "load" and "save".
type Memory struct {
	faulttest.Faults
	mu    sync.Mutex
	state control.State
	now   func() time.Time
}

// NewMemory returns an empty one, whose clock is that of the machine.
func NewMemory() *Memory { return &Memory{now: time.Now} }

// SetClock puts the store's clock to a time, at which it stays.
func (m *Memory) SetClock(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = func() time.Time { return now }
}

func (m *Memory) do(ctx context.Context, op string, apply func() error) error {
	return m.Do(ctx, op, faulttest.Under(&m.mu, apply))
}

// Load implements control.Store.
func (m *Memory) Load(ctx context.Context) (s control.State, err error) {
	err = m.do(ctx, "load", func() error {
		s = m.state
		s.Pauses, s.At = slices.Clone(s.Pauses), m.now()
		return nil
	})
	if err != nil {
		return control.State{}, err
	}
	return s, nil
}

// Save implements control.Store.
func (m *Memory) Save(ctx context.Context, s control.State) error {
	return m.do(ctx, "save", func() error {
		switch {
		case s.Write == "":
			panic("a write without a token")
		case m.state.Version == s.Version+1 && m.state.Write == s.Write:
			return nil
		case m.state.Version != s.Version:
			return control.ErrConflict
		}
		s.Version++
		s.Pauses, s.At = slices.Clone(s.Pauses), time.Time{}
		m.state = s
		return nil
	})
}

// TestStore runs the guarantees of control.Store against an implementation. open is called once, and what it
// returns is empty and goes by this machine's clock.
func TestStore(t *testing.T, open func(t *testing.T) control.Store) {
	s, epoch := open(t), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	load := func() control.State {
		t.Helper()
		before := time.Now()
		got, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.At.Before(before.Truncate(time.Second)) || got.At.After(time.Now()) {
			t.Errorf("read at %s, which is said to be %s", before, got.At)
		}
		got.Write, got.At = "", time.Time{}
		return got
	}
	state := func(version int64, why string) control.State {
		return control.State{Version: version, Write: rand.Text(), Pauses: []control.Pause{
			{By: "a", Why: why, Since: epoch, From: epoch.Add(time.Minute), Until: epoch.Add(time.Hour), Claims: true},
			{Scope: control.Scope{Chain: 10}, By: "b ☂", Why: "\"quoted\"", Since: epoch, From: epoch, Until: epoch.Add(time.Hour)},
			{Scope: control.Scope{Job: "daily-report"}, By: "c", Why: "d", Since: epoch, From: epoch, Until: epoch.Add(time.Hour)},
		}}
	}
	if got := load(); !cmp.Equal(got, control.State{}) {
		t.Fatalf("nothing stored: %+v", got)
	}
	if err := s.Save(t.Context(), state(1, "too early")); !errors.Is(err, control.ErrConflict) {
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
		if err := s.Save(t.Context(), state(version, "x")); !errors.Is(err, control.ErrConflict) {
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
				case !errors.Is(err, control.ErrConflict):
					t.Errorf("save: %v", err)
				}
			})
		}
		wg.Wait()
		if got := load().Version; wins.Load() != 1 || got != version+2 {
			t.Fatalf("%d winners, version %d", wins.Load(), got)
		}
	}
	if err := s.Save(t.Context(), want); !errors.Is(err, control.ErrConflict) {
		t.Errorf("a write that was overwritten: %v", err)
	}
	none := control.State{Version: 4, Write: rand.Text()}
	if err := s.Save(t.Context(), none); err != nil || len(load().Pauses) != 0 {
		t.Errorf("no pauses: %v, %+v", err, load())
	}
}
