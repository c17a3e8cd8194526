package job

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"testing"
)

func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	tests := []struct {
		size, explicit string
		want           int64 // 0: unchanged
	}{{"128", "", 128 << 20 / 10 * 9}, {"1024", "", 1024 << 20 / 10 * 9}, {"128", "64MiB", 0}, {"", "", 0}, {"x", "", 0}, {"-5", "", 0}}
	for _, tt := range tests {
		debug.SetMemoryLimit(math.MaxInt64)
		limitMemory(tt.size, tt.explicit)
		want := tt.want
		if want == 0 {
			want = math.MaxInt64
		}
		if got := debug.SetMemoryLimit(-1); got != want {
			t.Errorf("size %q, explicit %q: limit %d, want %d", tt.size, tt.explicit, got, want)
		}
	}
}

func TestFlatten(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	tests := []struct {
		err  error
		want []string
	}{
		{a, []string{"a"}},
		{errors.Join(a, errors.Join(b, a)), []string{"a", "b", "a"}},
		{fmt.Errorf("both: %w and %w", a, b), []string{"both: a and b"}},
		{errors.Join(fmt.Errorf("x: %w", errors.Join(a, b)), b), []string{"x: a\nb", "b"}},
	}
	for _, tt := range tests {
		if got := flatten(tt.err); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%q: %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestBoundedIsValidText(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("☂", 400), "\xff\xfe" + strings.Repeat("x", 600)} {
		got := bounded(s, MaxReason)
		if len(got) > MaxReason || strings.ToValidUTF8(got, "") != got {
			t.Errorf("bounded to %d bytes: %q", len(got), got)
		}
	}
	if got := bounded("short", MaxReason); got != "short" {
		t.Errorf("got %q", got)
	}
}

func TestStates(t *testing.T) {
	for s, want := range map[State]string{Abandoned: "abandoned", Failed: "failed", Done: "done", 9: "state(9)"} {
		if got := s.String(); got != want {
			t.Errorf("state %d is %q, want %q", int(s), got, want)
		}
	}
}
