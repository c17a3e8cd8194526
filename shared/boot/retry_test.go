package boot

import (
	"testing"
	"time"
)

// The first repetition comes within a twentieth of a second, all of them
// within about two.
func TestBackoff(t *testing.T) {
	for attempt, most := range []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
		800 * time.Millisecond, time.Second, time.Second} {
		for range 100 {
			if d, err := backoff(attempt, nil); err != nil || d < 0 || d >= most {
				t.Fatalf("wait %s after attempt %d, want less than %s (%v)", d, attempt, most, err)
			}
		}
	}
	if d, err := backoff(1000, nil); err != nil || d >= time.Second {
		t.Errorf("wait %s after very many attempts (%v)", d, err)
	}
	if n := retryer().MaxAttempts(); n != 6 {
		t.Errorf("%d attempts", n)
	}
}
