package swap

import (
	"math"
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name  string
		ahead int64 // seconds from the head to the time
		age   time.Duration
		want  time.Duration
	}{
		{"fresh head", 10, 0, 10 * s},
		{"old head", 10, 4 * s, 6 * s},
		{"fractions of a second", 10, 1500 * time.Millisecond, 8500 * time.Millisecond},
		{"just now", 0, 0, 0},
		{"a second ago", -1, 0, 0},
		{"head as old as the time left", 10, 10 * s, 0},
		{"halted chain", 10, time.Hour, 0},
		{"long ago", math.MinInt64/2 + 1, time.Hour, 0},
		{"the year 2106", 1<<32 - 1, 0, (1<<32 - 1) * s},
		{"the end of all windows", 1 << 33, 0, (1 << 33) * s},
		{"the end of time", math.MaxInt64 - 1000, 0, math.MaxInt64 / s * s},
	} {
		v := ChainView{Head: Block{Number: 1, Time: 1000}, HeadAge: c.age}
		if got := v.Delay(v.Head.Time.Add(c.ahead)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
