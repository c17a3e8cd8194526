package report

import (
	"testing"
	"time"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"
)

// Second by second, the sum is what RiskOf says.
func TestRiskAgainstEverySecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.IntRange(1, 4000).Draw(t, "span")
		until := midnight.Add(time.Duration(span) * time.Second)
		n := rapid.IntRange(0, 12).Draw(t, "n")
		var all []Exposure
		levels := make([]uint64, span)
		var end, area, peak uint64
		unpriced, open := 0, 0
		for range n {
			from := rapid.IntRange(-500, 4500).Draw(t, "from")
			length := rapid.IntRange(0, 5000).Draw(t, "length")
			value := rapid.Uint64Range(0, 1000).Draw(t, "value")
			still := rapid.Bool().Draw(t, "still")
			e := Exposure{From: midnight.Add(time.Duration(from) * time.Second), Value: *uint256.NewInt(value)}
			to := from + length
			if still {
				to = span + 1
			} else {
				e.Until = midnight.Add(time.Duration(to) * time.Second)
			}
			all = append(all, e)
			touches := false
			for s := max(from, 0); s < min(to, span); s++ {
				levels[s] += value
				touches = true
			}
			if touches && value == 0 {
				unpriced++
			}
			if touches && to > span {
				end += value
				open++
			}
		}
		for _, l := range levels {
			area += l
			peak = max(peak, l)
		}
		r := RiskOf(midnight, until, all)
		if r.Area.Uint64() != area || r.Peak.Uint64() != peak || r.End.Uint64() != end || r.Unpriced != unpriced || r.Open != open {
			t.Fatalf("area %d, want %d; peak %d, want %d; end %d, want %d; unpriced %d, want %d; open %d, want %d", r.Area.Uint64(), area, r.Peak.Uint64(), peak, r.End.Uint64(), end, r.Unpriced, unpriced, r.Open, open)
		}
		if peak > 0 {
			if at := int(r.PeakAt.Sub(midnight) / time.Second); levels[at] != peak || at > 0 && levels[at-1] == peak {
				t.Fatalf("the peak of %d is said to begin at second %d", peak, at)
			}
		}
		slot := int(slotLength / time.Second)
		for i, s := range r.Slots {
			var most, sum uint64
			part := levels[i*slot : min((i+1)*slot, span)]
			for _, l := range part {
				most, sum = max(most, l), sum+l
			}
			if s.Peak.Uint64() != most || s.Mean.Uint64() != sum/uint64(len(part)) {
				t.Fatalf("slot %d: %v, want peak %d, mean %d", i, s, most, sum/uint64(len(part)))
			}
		}
	})
}

// Sums that no 256 bits hold stay at the greatest, and nothing breaks.
func TestRiskBeyondAllMeasure(t *testing.T) {
	var most uint256.Int
	most.SetAllOne()
	r := RiskOf(midnight, after(24*time.Hour), []Exposure{{From: midnight, Value: most}, {From: at(1, 0), Until: at(2, 0), Value: most}, {From: at(3, 0), Value: most}})
	if !r.Peak.Eq(&most) || !r.Area.Eq(&most) || !r.End.Eq(&most) {
		t.Errorf("%+v", r)
	}
	d := emptyDay()
	d.Risk = r
	if _, err := HTML(d, nil); err != nil {
		t.Error(err)
	}
}
