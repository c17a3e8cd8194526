package settings_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/settings"
	"github.com/bridge-me-not/resolver-cron/shared/settings/settingstest"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func by(who string) settings.Move { return settings.Move{By: who, Why: "a reason", At: t0} }

func file(n int) []byte { return fmt.Appendf(nil, "file %d", n) }

// must fails the test on an error.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// The life of an edition: wanted, refused, corrected, in force, and gone back from.
func TestLife(t *testing.T) {
	m := settingstest.NewMemory()
	load := func() settings.State { t.Helper(); return must[settings.State](t)(m.Load(t.Context())) }
	if s := load(); s.Pending() || len(s.InForce()) != 1 || !s.InForce()[0].Packaged() {
		t.Errorf("in the beginning: %+v", s)
	}
	one := must[settings.Move](t)(settings.Put(t.Context(), m, file(1), by("anna")))
	if s := load(); one.Number != 1 || !s.Pending() || s.Wanted().By != "anna" || !s.Proven.Packaged() {
		t.Errorf("wanted: %+v", s)
	}
	if err := settings.Refuse(t.Context(), m, one.Edition, "chain 10 is chain 11", t0); err != nil {
		t.Fatal(err)
	}
	saves := m.Calls("save")
	if err := settings.Refuse(t.Context(), m, one.Edition, "chain 10 is chain 11", t0.Add(time.Hour)); err != nil || m.Calls("save") != saves {
		t.Errorf("refused again for the same reason: %v, %d writes", err, m.Calls("save")-saves)
	}
	if s := load(); s.Refused != (settings.Refusal{Number: 1, Why: "chain 10 is chain 11", At: t0}) {
		t.Errorf("refused: %+v", s.Refused)
	}
	two := must[settings.Move](t)(settings.Put(t.Context(), m, file(2), by("bob")))
	if s := load(); two.Number != 2 || s.Refused != (settings.Refusal{}) {
		t.Errorf("corrected: %+v", s)
	}
	for _, late := range []error{settings.Refuse(t.Context(), m, one.Edition, "x", t0), func() error { _, err := settings.Prove(t.Context(), m, one.Edition, nil); return err }()} {
		if s := load(); late != nil || s.Refused.Number != 0 || !s.Proven.Packaged() {
			t.Errorf("what came too late for the first: %v, %+v", late, s)
		}
	}
	for want := range 2 {
		if did := must[bool](t)(settings.Prove(t.Context(), m, two.Edition, []uint64{10, 8453})); did != (want == 0) {
			t.Errorf("proven: %t", did)
		}
	}
	if s := load(); s.Pending() || s.Proven != two.Edition || !s.Before.Packaged() || len(s.InForce()) != 2 || len(s.Chains) != 2 {
		t.Errorf("in force: %+v", s)
	}
	three := must[settings.Move](t)(settings.Put(t.Context(), m, file(3), by("anna")))
	must[bool](t)(settings.Prove(t.Context(), m, three.Edition, []uint64{10, 100}))
	if s := load(); s.Before != two.Edition || fmt.Sprint(s.Chains) != "[10 100 8453]" {
		t.Errorf("the one before, and all chains: %+v", s)
	}
	back := must[settings.Move](t)(settings.Back(t.Context(), m, 2, by("bob")))
	if back.Number != 4 || back.Sum != two.Sum || back.Back != 2 {
		t.Errorf("back: %+v", back)
	}
	must[bool](t)(settings.Prove(t.Context(), m, back.Edition, nil))
	home := must[settings.Move](t)(settings.Back(t.Context(), m, 0, by("bob")))
	if home.Number != 5 || !home.Packaged() || load().Wanted().Edition != home.Edition || !load().Pending() {
		t.Errorf("back to the packaged file: %+v", home)
	}
	for _, number := range []int64{-1, 6} {
		if _, err := settings.Back(t.Context(), m, number, by("bob")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("back to %d: %v", number, err)
		}
	}
	if s := must[settings.State](t)(settings.Know(t.Context(), m, []uint64{7})); fmt.Sprint(s.Chains) != "[7 10 100 8453]" {
		t.Errorf("chains %v", s.Chains)
	}
	saves = m.Calls("save")
	if _, err := settings.Know(t.Context(), m, []uint64{7, 10}); err != nil || m.Calls("save") != saves {
		t.Errorf("known already: %v", err)
	}
}

// What an operator does not say, or too much of it, is refused, and nothing kept.
func TestAMoveSaysWhoAndWhy(t *testing.T) {
	for want, c := range map[string]struct {
		m    settings.Move
		file []byte
	}{
		"does not say who": {settings.Move{Why: "a"}, file(1)},
		"does not say why": {settings.Move{By: "a", Why: " "}, file(1)},
		"who is longer":    {settings.Move{By: strings.Repeat("x", 101), Why: "a"}, file(1)},
		"why is longer":    {settings.Move{By: "a", Why: "two\nlines"}, file(1)},
		"0 bytes":          {by("a"), nil},
		"262145 bytes":     {by("a"), make([]byte, settings.MaxFile+1)},
	} {
		m := settingstest.NewMemory()
		if _, err := settings.Put(t.Context(), m, c.file, c.m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if m.Calls("keep")+m.Calls("save") != 0 {
			t.Errorf("%s: written", want)
		}
	}
}

// However often a call fails, applied or not, at each of its steps, it can be
// repeated, and what was there stays in force until it is through.
func TestCutShortAtEachStep(t *testing.T) {
	for _, fault := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
		for _, op := range []string{"load", "keep", "save", "file"} {
			for name, c := range map[string]struct {
				steps []string
				call  func(*settingstest.Memory) error
				done  func(settings.State) bool
			}{
				"put": {[]string{"keep", "load", "save"},
					func(m *settingstest.Memory) error {
						_, err := settings.Put(t.Context(), m, file(3), by("anna"))
						return err
					},
					func(s settings.State) bool { return s.Wanted().Number == 3 && s.Wanted().Sum == settings.Sum(file(3)) }},
				"back": {[]string{"load", "file", "save"},
					func(m *settingstest.Memory) error {
						_, err := settings.Back(t.Context(), m, 1, by("anna"))
						return err
					},
					func(s settings.State) bool { return s.Wanted().Number == 3 && s.Wanted().Sum == settings.Sum(file(1)) }},
				"prove": {[]string{"load", "save"},
					func(m *settingstest.Memory) error {
						s, err := m.Load(t.Context())
						if err == nil {
							_, err = settings.Prove(t.Context(), m, s.Wanted().Edition, []uint64{10})
						}
						return err
					},
					func(s settings.State) bool { return s.Proven.Number == 2 && s.Before.Number == 1 }},
			} {
				m := settingstest.NewMemory()
				for n := range 2 {
					made := must[settings.Move](t)(settings.Put(t.Context(), m, file(n+1), by("anna")))
					if n == 0 {
						must[bool](t)(settings.Prove(t.Context(), m, made.Edition, nil))
					}
				}
				struck := false
				m.Fail(func(o string) faulttest.Fault {
					if o == op && !struck {
						struck = true
						return fault
					}
					return faulttest.OK
				})
				err := c.call(m)
				s := must[settings.State](t)(m.Load(t.Context()))
				if struck != (err != nil) || err != nil && !errors.Is(err, faulttest.ErrInjected) {
					t.Errorf("%s, %s cut short: %v", name, op, err)
				}
				if applied := c.done(s); applied != (!struck || op == "save" && fault == faulttest.Lost) {
					t.Errorf("%s, %s cut short: %+v", name, op, s)
				}
				if inForce := s.Proven.Number; inForce != 1 && name != "prove" {
					t.Errorf("%s, %s cut short: edition %d is in force", name, op, inForce)
				}
				if err := c.call(m); err != nil {
					t.Errorf("%s, repeated after %s: %v", name, op, err)
				}
				if s := must[settings.State](t)(m.Load(t.Context())); !c.done(s) {
					t.Errorf("%s, repeated after %s: %+v", name, op, s)
				}
			}
		}
	}
}

func TestAFileIsProvenByItsSum(t *testing.T) {
	m := settingstest.NewMemory()
	e := must[settings.Move](t)(settings.Put(t.Context(), m, file(1), by("anna"))).Edition
	if got := must[[]byte](t)(settings.Read(t.Context(), m, e)); string(got) != "file 1" {
		t.Errorf("read %q", got)
	}
	m.Spoil(e.Sum, []byte("file l"))
	if _, err := settings.Read(t.Context(), m, e); !errors.Is(err, settings.ErrCorrupt) {
		t.Errorf("spoilt: %v", err)
	}
	must[settings.Move](t)(settings.Put(t.Context(), m, file(2), by("anna")))
	if _, err := settings.Back(t.Context(), m, 1, by("anna")); !errors.Is(err, settings.ErrCorrupt) {
		t.Errorf("back to what is spoilt: %v", err)
	}
	m.Spoil(e.Sum, nil)
	if _, err := settings.Read(t.Context(), m, e); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("gone: %v", err)
	}
	if _, err := settings.Read(t.Context(), m, settings.Edition{}); err == nil {
		t.Error("the packaged file is not in the store")
	}
}

// The state stays small, however much is moved and said, and the file in force is
// never forgotten.
func TestTheStateStaysSmall(t *testing.T) {
	m := settingstest.NewMemory()
	first := must[settings.Move](t)(settings.Put(t.Context(), m, file(0), by("anna")))
	must[bool](t)(settings.Prove(t.Context(), m, first.Edition, nil))
	for n := range 50 {
		must[settings.Move](t)(settings.Put(t.Context(), m, file(n+1), by("anna")))
	}
	last := must[settings.State](t)(m.Load(t.Context()))
	if err := settings.Refuse(t.Context(), m, last.Wanted().Edition, strings.Repeat("☂", 1000), t0); err != nil {
		t.Fatal(err)
	}
	s := must[settings.State](t)(m.Load(t.Context()))
	if len(s.Moves) != 20 || s.Wanted().Number != 51 || s.Proven != first.Edition || len(s.Refused.Why) > 1010 || strings.ContainsRune(s.Refused.Why, '\uFFFD') {
		t.Errorf("%d moves, the last %d; in force %s; refused in %d bytes", len(s.Moves), s.Wanted().Number, s.Proven, len(s.Refused.Why))
	}
	if _, ok := s.Find(31); ok {
		t.Error("the 31st is remembered")
	}
	if _, ok := s.Find(32); !ok {
		t.Error("the 32nd is not remembered")
	}
	// Put again: nothing new, unless it is forced now.
	same := must[settings.Move](t)(settings.Put(t.Context(), m, file(50), by("bob")))
	forced := by("bob")
	forced.Forced = true
	if again := must[settings.Move](t)(settings.Put(t.Context(), m, file(50), forced)); same.Number != 51 || same.By != "anna" || again.Number != 52 {
		t.Errorf("the same file: %d, forced %d", same.Number, again.Number)
	}
}
