package txn_test

import (
	"slices"
	"testing"
	"testing/synctest"
)

// What a seed did is what it does again: else a failure that names its seed could not be looked at.
func TestSeedsRepeat(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, seed uint64) *world{
		"properties": runProperty,
		"schedules":  func(t *testing.T, seed uint64) *world { return runSchedule(t, seed, seed%2 == 1) },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(40) {
				var first *world
				for range 3 {
					synctest.Test(t, func(t *testing.T) {
						w := run(t, seed)
						if first == nil {
							first = w
							return
						}
						if i, ok := alike(first.trace, w.trace); !ok {
							t.Errorf("seed %d: another trace from line %d on:\n%s\n%s", seed, i, line(first.trace, i), line(w.trace, i))
						}
						if i, ok := alike(first.calls, w.calls); !ok {
							t.Errorf("seed %d: another call %d: %s and %s", seed, i, line(first.calls, i), line(w.calls, i))
						}
					})
				}
			}
		})
	}
}

// alike tells whether two lists are the same, and else where they part.
func alike(a, b []string) (int, bool) {
	if slices.Equal(a, b) {
		return 0, true
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i, false
		}
	}
	return min(len(a), len(b)), false
}

func line(of []string, i int) string {
	if i < len(of) {
		return of[i]
	}
	return "the end"
}
