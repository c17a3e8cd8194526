package balance

import (
	"time"

	"github.com/holiman/uint256"
)

// Point is what a holding was at one time.
type Point struct {
	At     time.Time
	Amount uint256.Int
}

// Series is how a holding went, from snapshots in the order of time; what was not read is left out.
func Series(snapshots []Snapshot, h Holding) []Point {
	var out []Point
	for _, s := range snapshots {
		if held, ok := s.Find(h); ok {
			out = append(out, Point{s.At, held.Amount})
		}
	}
	return out
}
