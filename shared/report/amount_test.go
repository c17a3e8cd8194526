package report

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holiman/uint256"
)

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		raw      string
		decimals uint8
		want     string
	}{
		{"0", 18, "0"}, {"1", 0, "1"}, {"999", 0, "999"}, {"1000", 0, "1,000"}, {"1234567", 0, "1,234,567"},
		{"1", 18, "<0.0000000001"}, {"1234", 18, "<0.0000000001"}, {"100000000", 18, "0.0000000001"},
		{"4019200000000000", 18, "0.00401"}, {"999999999999999999", 18, "0.999"}, {"1000000000000000000", 18, "1"}, {"1999999999999999999", 18, "1.9999"},
		{"18250000000000000000", 18, "18.25"}, {"4125000000", 6, "4,125"}, {"4125999999", 6, "4,125.99"}, {"100", 2, "1"}, {"101", 2, "1.01"}, {"1", 2, "0.01"},
		{"115792089237316195423570985008687907853269984665640564039457584007913129639935", 0, "1.157×10^77"},
		{"115792089237316195423570985008687907853269984665640564039457584007913129639935", 255, "<0.0000000001"},
		{"1", 255, "<0.0000000001"}, {"999999999999999", 0, "999,999,999,999,999"}, {"1000000000000000", 0, "1.000×10^15"},
	} {
		if got := (Amount{Raw: num(c.raw), Decimals: c.decimals}).Number(); got != c.want {
			t.Errorf("%s with %d decimals: %s, want %s", c.raw, c.decimals, got, c.want)
		}
	}
}

// An amount is never told as more than it is, whatever its decimals.
func FuzzAmount(f *testing.F) {
	f.Add([]byte{1}, uint8(18))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(255))
	f.Fuzz(func(t *testing.T, raw []byte, decimals uint8) {
		var a Amount
		a.Raw.SetBytes(raw)
		a.Decimals = decimals
		text := a.Number()
		if len(text) > 24 {
			t.Errorf("%q", text)
		}
		if strings.ContainsAny(text, "<×") {
			return
		}
		whole, fraction, _ := strings.Cut(strings.ReplaceAll(text, ",", ""), ".")
		if len(fraction) > int(decimals) {
			t.Fatalf("%s of %d decimals", text, decimals)
		}
		// Padded to its decimals and compared as text of equal length.
		told := strings.TrimLeft(whole+fraction+strings.Repeat("0", int(decimals)-len(fraction)), "0")
		if real := a.Raw.Dec(); len(told) > len(real) || len(told) == len(real) && told > real {
			t.Errorf("%s with %d decimals is told as %s", real, decimals, text)
		}
	})
}

func FuzzTame(f *testing.F) {
	f.Add("plain", 10)
	f.Add("a\u202eb\x00\r\n\ue000 c\u0301\u0301", 5)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 1 || limit > 1000 {
			return
		}
		got := tame(s, limit)
		if got == "" || !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit+1 || strings.ContainsAny(got, "\n\r\x00\u202e\u2066\u2028") {
			t.Errorf("tame(%q, %d) = %q", s, limit, got)
		}
	})
}

func TestSpell(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0 s": 0, "1 ms": time.Microsecond, "210 ms": 210 * time.Millisecond, "2.1 s": 2100 * time.Millisecond, "9 s": 9 * time.Second, "31 s": 31900 * time.Millisecond,
		"3 min 41 s": 221 * time.Second, "1 h": time.Hour, "2 h 12 min": 2*time.Hour + 12*time.Minute + 59*time.Second, "1 h 5 min": 65 * time.Minute, "7 d 1 h": 169 * time.Hour,
		"−9 min 12 s": -552 * time.Second,
	} {
		if got := spell(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := spell(math.MinInt64); !strings.HasPrefix(got, "−") {
		t.Error(got)
	}
}

func TestShares(t *testing.T) {
	for want, of := range map[string][2]int{"100 %": {5, 5}, "99.9 %": {99_999, 100_000}, "0 %": {0, 9}, "33.3 %": {1, 3}, "–": {0, 0}} {
		if got := share(of[0], of[1]); got != want {
			t.Errorf("%v: %s, want %s", of, got, want)
		}
	}
}

// The axis never ends below what it shows, nor above twice of it.
func TestCeiling(t *testing.T) {
	for _, v := range []string{"1", "7", "9", "10", "11", "99", "101", "640", "8000000000000000001", "115792089237316195423570985008687907853269984665640564039457584007913129639935"} {
		n := num(v)
		top := ceiling(n)
		var twice uint256.Int
		if _, over := twice.MulOverflow(&n, uint256.NewInt(2)); !over && top.Gt(&twice) || top.Lt(&n) {
			t.Errorf("%s: %s", v, top.Dec())
		}
		if scale(&n, &top) > tall || scale(&n, &top) < tall/2-1 {
			t.Errorf("%s of %s: %d", v, top.Dec(), scale(&n, &top))
		}
	}
}
