package balance

import (
	"math/big"
	"strings"
	"testing"

	"github.com/holiman/uint256"
)

func TestFormat(t *testing.T) {
	all := most()
	for _, c := range []struct {
		amount   uint256.Int
		decimals uint8
		want     string
	}{
		{n(0), 0, "0"},
		{n(0), 18, "0"},
		{n(1), 0, "1"},
		{n(1), 18, "0.000000000000000001"},
		{n(1_500_000), 6, "1.5"},
		{n(1_000_000), 6, "1"},
		{n(999_999), 6, "0.999999"},
		{n(10), 1, "1"},
		{n(1), 1, "0.1"},
		{n(1_000_000_000_000_000_001), 18, "1.000000000000000001"}, // a float would round it
		{all, 0, all.Dec()},
		{all, 77, "1." + all.Dec()[1:]},
		{all, 78, "0." + all.Dec()},
		{n(1), 255, "0." + strings.Repeat("0", 254) + "1"},
	} {
		if got := Format(c.amount, c.decimals); got != c.want {
			t.Errorf("%s with %d decimals: %q, want %q", &c.amount, c.decimals, got, c.want)
		}
	}
}

// What is written is exactly the amount.
func FuzzFormat(f *testing.F) {
	f.Add([]byte{1}, uint8(18))
	f.Add([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(6))
	f.Add([]byte{}, uint8(255))
	f.Fuzz(func(t *testing.T, raw []byte, decimals uint8) {
		amount := new(uint256.Int).SetBytes(raw)
		got, ok := new(big.Rat).SetString(Format(*amount, decimals))
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
		if want := new(big.Rat).SetFrac(amount.ToBig(), unit); !ok || got.Cmp(want) != 0 {
			t.Errorf("%s with %d decimals: %s", amount, decimals, Format(*amount, decimals))
		}
	})
}
