package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/holiman/uint256"
)

// Exposure is one swap whose funds lay in escrows for a time.
type Exposure struct {
	From  time.Time
	Until time.Time   // zero: they still do
	Value uint256.Int // wei; zero: the token has no reference price
}

// Risk is how much lay in escrows, over the day.
type Risk struct {
	Slots  []Slot // of equal length, from the start of the day
	Peak   uint256.Int
	PeakAt time.Time
	// Area is wei times seconds: what was at risk, for how long.
	Area uint256.Int
	End  uint256.Int // at the end of the day
	Open int         // exposures that went on at the end of the day
	// Unpriced is how many exposures have no reference price and so no value.
	Unpriced int
}

// Slot is a part of the day, in wei.
type Slot struct{ Peak, Mean uint256.Int }

// slotLength is how finely the day is drawn.
const slotLength = 10 * time.Minute

// RiskOf adds up exposures over [start, until). Sums beyond 2^256 stay there.
func RiskOf(start, until time.Time, all []Exposure) Risk {
	var r Risk
	type step struct {
		at   int64 // seconds from the start
		up   bool
		wei  uint256.Int
		near int
	}
	span := int64(until.Sub(start) / time.Second)
	if span <= 0 {
		return r
	}
	var steps []step
	for i, e := range all {
		from, to := max(int64(e.From.Sub(start)/time.Second), 0), span
		if !e.Until.IsZero() {
			to = min(int64(e.Until.Sub(start)/time.Second), span)
		}
		if from >= to || e.From.After(until) {
			continue
		}
		still := e.Until.IsZero() || e.Until.After(until)
		r.Open += btoi(still)
		if e.Value.IsZero() {
			r.Unpriced++
			continue
		}
		if still {
			addTo(&r.End, &e.Value)
		}
		steps = append(steps, step{from, true, e.Value, i}, step{to, false, e.Value, i})
	}
	// What ends at a second is gone before what begins there comes.
	slices.SortStableFunc(steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(btoi(a.up), btoi(b.up)), cmp.Compare(a.near, b.near))
	})
	slot := int64(slotLength / time.Second)
	r.Slots = make([]Slot, (span+slot-1)/slot)
	areas := make([]uint256.Int, len(r.Slots))
	var level uint256.Int
	at := int64(0)
	// pass counts the level that held until the second to.
	pass := func(to int64) {
		for at < to {
			i := at / slot
			end := min(to, (i+1)*slot)
			if level.Gt(&r.Slots[i].Peak) {
				r.Slots[i].Peak = level
			}
			addArea(&areas[i], level, uint64(end-at))
			at = end
		}
	}
	for _, s := range steps {
		pass(s.at)
		if !s.up {
			level.Sub(&level, minOf(&level, &s.wei))
			continue
		}
		addTo(&level, &s.wei)
		if s.at < span && level.Gt(&r.Peak) {
			r.Peak, r.PeakAt = level, start.Add(time.Duration(s.at)*time.Second)
		}
	}
	pass(span)
	for i := range areas {
		length := min(slot, span-int64(i)*slot)
		r.Slots[i].Mean.Div(&areas[i], uint256.NewInt(uint64(length)))
		addTo(&r.Area, &areas[i])
	}
	return r
}

func addArea(area *uint256.Int, level uint256.Int, seconds uint64) {
	var product uint256.Int
	if _, over := product.MulOverflow(&level, uint256.NewInt(seconds)); over {
		area.SetAllOne()
		return
	}
	addTo(area, &product)
}

func addTo(sum, n *uint256.Int) {
	if _, over := sum.AddOverflow(sum, n); over {
		sum.SetAllOne()
	}
}

func minOf(a, b *uint256.Int) *uint256.Int {
	if a.Lt(b) {
		return a
	}
	return b
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
