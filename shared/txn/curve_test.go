package txn

import (
	"testing"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// An action may cost a quarter of its cap while there is time, all of it before
// its deadline, and never less than before.
func TestCeiling(t *testing.T) {
	const limit, from, inclusion = 4_000_000, swap.ChainTime(1_000_000), 30
	for name, c := range map[string]struct {
		hard, soft int64 // after from; zero: none
		at         map[int64]uint64
	}{
		"a hard deadline": {7200, 0, map[int64]uint64{
			-50: 1_000_000, 0: 1_000_000, 7200 - 60 - 1200: 1_000_000, 7200 - 60 - 600: 2_500_000, 7200 - 61: 3_997_500, 7200 - 60: 4_000_000, 7200: 4_000_000, 9000: 4_000_000}},
		"a deposit to lose before":        {7200, 3000, map[int64]uint64{0: 1_000_000, 3000 - 60 - 600: 2_500_000, 3000 - 60: 4_000_000, 3000: 4_000_000, 3600: 4_000_000}},
		"only a deposit to lose":          {0, 3000, map[int64]uint64{0: 1_000_000, 3000 - 60 - 600: 2_500_000, 3000: 4_000_000, 9000: 4_000_000}},
		"a window shorter than the climb": {300, 0, map[int64]uint64{0: 3_400_000, 240: 4_000_000}},
		"no deadline":                     {0, 0, map[int64]uint64{0: 1_000_000, 3599: 1_000_000, 3600: 4_000_000, 100_000: 4_000_000}},
	} {
		t.Run(name, func(t *testing.T) {
			a := swap.Action{From: from, FeeCap: *uint256.NewInt(limit)}
			if c.hard != 0 {
				a.Hard = from.Add(c.hard)
			}
			if c.soft != 0 {
				a.Soft = from.Add(c.soft)
			}
			for at, want := range c.at {
				if got := ceiling(a, from.Add(at), inclusion); got.Uint64() != want {
					t.Errorf("after %d s: %s, want %d", at, got, want)
				}
			}
			last := new(uint256.Int)
			for at := int64(-100); at < 10_000; at += 7 {
				got := ceiling(a, from.Add(at), inclusion)
				if got.Lt(last) || got.Gt(&a.FeeCap) {
					t.Fatalf("after %d s: %s, before %s", at, got, last)
				}
				last = got
			}
		})
	}
}

// The whole cap may be spent while a transaction and a replacement of it can
// still be included.
func TestCeilingIsReachedInTime(t *testing.T) {
	for _, inclusion := range []int64{0, 10, 30, 600} {
		a := swap.Action{From: 1000, Hard: 100_000, FeeCap: *uint256.NewInt(1000)}
		at := a.Hard.Add(-2 * max(bumpAfter, inclusion))
		if got := ceiling(a, at, inclusion); !got.Eq(&a.FeeCap) {
			t.Errorf("inclusion %d: %s", inclusion, got)
		}
	}
}

// A cap beyond all numbers overflows nothing.
func TestCeilingOfEverything(t *testing.T) {
	a := swap.Action{From: 1, Hard: 2000, FeeCap: *new(uint256.Int).SetAllOne()}
	low, high := ceiling(a, 100, 0), ceiling(a, 1999, 0)
	if !low.Lt(high) || high.Gt(&a.FeeCap) {
		t.Errorf("%s, then %s", low, high)
	}
}

// Aim is what is wanted, most what may be: only the base fee and the rule for
// replacements take more than aim.
func TestAimAndMost(t *testing.T) {
	n := uint256.NewInt
	for name, c := range map[string]struct {
		base, tip, aim, most uint64
		last                 *Tx
		fee, want            uint64
		ok                   bool
	}{
		"aim clamps":             {50, 7, 60, 1000, nil, 60, 7, true},
		"base fee above aim":     {80, 7, 60, 1000, nil, 80, 7, true},
		"base fee above most":    {80, 7, 60, 79, nil, 79, 7, false},
		"replacement above aim":  {50, 7, 60, 1000, &Tx{FeeCap: *n(100), TipCap: *n(7)}, 110, 8, true},
		"replacement above most": {50, 7, 60, 109, &Tx{FeeCap: *n(100), TipCap: *n(7)}, 109, 8, false},
		"market below aim":       {50, 7, 500, 1000, nil, 107, 7, true},
		"aim above most":         {50, 7, 5000, 90, nil, 90, 7, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, ok := Price(AccountState{BaseFee: *n(c.base), Tip: *n(c.tip)}, 1, *n(c.aim), *n(c.most), c.last)
			if f.FeeCap.Uint64() != c.fee || f.TipCap.Uint64() != c.want || ok != c.ok {
				t.Errorf("fee %s tip %s %v", &f.FeeCap, &f.TipCap, ok)
			}
		})
	}
}

// The room for the margin of a data fee never overflows.
func TestWithMargin(t *testing.T) {
	if got := withMargin(*uint256.NewInt(1000)); got.Uint64() != 1500 {
		t.Errorf("%s", got)
	}
	all := new(uint256.Int).SetAllOne()
	if got := withMargin(*all); !got.Eq(all) {
		t.Errorf("%s", got)
	}
}
