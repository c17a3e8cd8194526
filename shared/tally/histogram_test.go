package tally_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/shared/tally"
	"github.com/bridge-me-not/resolver-cron/shared/tally/tallytest"
)

func TestPercentiles(t *testing.T) {
	var h tally.Histogram
	for v := range int64(100) {
		h.Add(100 - v)
	}
	for _, c := range []struct{ p, exact uint64 }{{0, 1}, {1, 1}, {50, 50}, {63, 63}, {90, 90}, {95, 95}, {99, 99}, {100, 100}, {1000, 100}} {
		if got := h.Percentile(c.p); got < c.exact || got-c.exact > c.exact/32 {
			t.Errorf("percentile %d of 1 to 100 is %d, want %d and at most a part in 32 more", c.p, got, c.exact)
		}
	}
	for _, values := range [][]int64{
		nil, {0}, {-5}, {-5, 7}, {1}, {63}, {64}, {65}, {1 << 33}, {math.MaxInt64}, {0, 0, 0, 1}, {3, 3, 3}, {1000, 1031, 1032, 2047, 2048},
		{59, 61, 3599, 3600, 3601, 86399, 691200},
	} {
		var h tally.Histogram
		for _, v := range values {
			h.Add(v)
		}
		for _, why := range tallytest.Distribution(values, h) {
			t.Errorf("%v: %s", values, why)
		}
	}
}

func TestHistogramOfRandomValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var all []int64
		var whole, merged tally.Histogram
		for range r.IntN(4) {
			var part tally.Histogram
			for range r.IntN(40) {
				v := r.Int64N(1 << (1 + r.IntN(45)))
				all = append(all, v)
				whole.Add(v)
				part.Add(v)
			}
			merged.Merge(part)
		}
		for _, why := range tallytest.Distribution(all, merged) {
			t.Errorf("%v: %s", all, why)
		}
		if diff := cmp.Diff(whole, merged); diff != "" {
			t.Errorf("merged is not counted in one: %s", diff)
		}
	}
}

// A sum that is too large ends at the largest number, and nothing wraps.
func TestHistogramIsNeverTooFull(t *testing.T) {
	h := tally.Histogram{N: math.MaxUint64, Sum: math.MaxUint64, Min: 1, Max: 1, Cells: []tally.Cell{{1, math.MaxUint64}}}
	h.Merge(h)
	h.Add(math.MaxInt64)
	if h.N != math.MaxUint64 || h.Sum != math.MaxUint64 || h.Percentile(99) != 1 || h.Percentile(100) < 1 {
		t.Errorf("%+v, percentiles %d and %d", h, h.Percentile(99), h.Percentile(100))
	}
}

// Averages of nothing are zero, and not a division by null.
func TestDivideByNull(t *testing.T) {
	var p tally.Period
	s := &p.Swaps
	if n := s.Completion.Mean() + s.Completion.Percentile(95) + s.Margin.Mean() + s.Margin.Percentile(1) + s.Inclusion.Mean() + p.Runs.Latency() +
		s.Lost.Total() + s.GasOf(1).Mined; n != 0 {
		t.Errorf("averages of nothing add up to %d", n)
	}
	if cost, volume := s.GasOf(1).Cost, s.Volume.Of(tally.Token{}); !cost.IsZero() || !volume.IsZero() {
		t.Errorf("cost %s, volume %s of nothing", &cost, &volume)
	}
}
