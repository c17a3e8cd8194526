package swap

import "testing"

func TestChainTime(t *testing.T) {
	for _, c := range []struct {
		t    ChainTime
		want string
	}{
		{0, "unknown"},
		{1, "1970-01-01T00:00:01Z"},
		{1794655691, "2026-11-14T11:28:11Z"},
		{1 << 33, "2242-03-16T12:56:32Z"},
	} {
		if got := c.t.String(); got != c.want {
			t.Errorf("%d reads %s, want %s", int64(c.t), got, c.want)
		}
		if c.t.IsZero() != (c.want == "unknown") {
			t.Errorf("%d: IsZero %t", int64(c.t), c.t.IsZero())
		}
	}
	if got := ChainTime(100).Add(-30); got != 70 {
		t.Errorf("Add: %d", got)
	}
	if got := ChainTime(70).Sub(100); got != -30 {
		t.Errorf("Sub: %d", got)
	}
}
