package tally

import (
	"math"
	"math/bits"
	"slices"
)

// fine is the number of cells for each doubling of a value: a cell is at most a
// thirty-second of the values in it wide.
const fine = 32

// Histogram is the distribution of values that are not negative, in cells whose
// width grows with the value. Merging two gives what counting all values in one
// gives. The zero value is empty. It is not safe for concurrent use.
type Histogram struct {
	N   uint64 `json:"n,omitempty"`
	Sum uint64 `json:"sum,omitempty"` // ends at the largest number
	Min uint64 `json:"min,omitempty"` // of no values: zero
	Max uint64 `json:"max,omitempty"`
	// Cells are those that hold anything, by number.
	Cells []Cell `json:"cells,omitempty"`
}

// Cell is a cell's number and how many values it holds.
type Cell [2]uint64

// cellOf is the number of the cell that holds v: v itself below 2·fine, and from
// there on fine cells for each power of two.
func cellOf(v uint64) uint64 {
	if v < 2*fine {
		return v
	}
	shift := bits.Len64(v) - bits.Len64(2*fine-1)
	return uint64(shift)*fine + v>>shift
}

// last is the greatest value of a cell.
func last(cell uint64) uint64 {
	if cell < 2*fine {
		return cell
	}
	shift := cell/fine - 1
	top := cell%fine + fine + 1 // of the next cell
	if bits.Len64(top)+int(shift) > 64 {
		return math.MaxUint64
	}
	return top<<shift - 1
}

// Add counts a value; one below zero counts as zero.
func (h *Histogram) Add(value int64) {
	v := uint64(max(value, 0))
	h.Merge(Histogram{N: 1, Sum: v, Min: v, Max: v, Cells: []Cell{{cellOf(v), 1}}})
}

// Merge adds all values of another one.
func (h *Histogram) Merge(o Histogram) {
	switch {
	case o.N == 0:
		return
	case h.N == 0:
		h.Min = o.Min
	}
	h.Min, h.Max = min(h.Min, o.Min), max(h.Max, o.Max)
	h.N, h.Sum = plus(h.N, o.N), plus(h.Sum, o.Sum)
	cells := make([]Cell, 0, len(h.Cells)+len(o.Cells))
	a, b := h.Cells, o.Cells
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0][0] < b[0][0]:
			cells, a = append(cells, a[0]), a[1:]
		case a[0][0] > b[0][0]:
			cells, b = append(cells, b[0]), b[1:]
		default:
			cells = append(cells, Cell{a[0][0], plus(a[0][1], b[0][1])})
			a, b = a[1:], b[1:]
		}
	}
	h.Cells = slices.Concat(cells, a, b)
}

// Percentile is a value that at least p of a hundred values do not exceed, zero
// if there are none. It is never below the true one and above it by less than a
// part in 32. p is held between 0 and 100; 0 gives the least value.
func (h *Histogram) Percentile(p uint64) uint64 {
	if h.N == 0 {
		return 0
	}
	if p == 0 {
		return h.Min
	}
	hi, lo := bits.Mul64(h.N, min(p, 100))
	lo, carry := bits.Add64(lo, 99, 0)
	rank, _ := bits.Div64(hi+carry, lo, 100) // hi < 100, since p is at most 100
	seen := uint64(0)
	for _, c := range h.Cells {
		if seen = plus(seen, c[1]); seen >= rank {
			return max(h.Min, min(last(c[0]), h.Max))
		}
	}
	return h.Max
}

// Reached is a value that at least n of the values reach, zero if there are fewer
// or n is zero. It is never above the true one and below it by less than a part in
// 32: what a promise is held against, as Percentile is what a wait is.
func (h *Histogram) Reached(n uint64) uint64 {
	if n == 0 || n > h.N {
		return 0
	}
	seen := uint64(0)
	for _, c := range slices.Backward(h.Cells) {
		if seen = plus(seen, c[1]); seen >= n {
			return max(h.Min, min(first(c[0]), h.Max))
		}
	}
	return h.Min
}

// first is the least value of a cell.
func first(cell uint64) uint64 {
	if cell == 0 {
		return 0
	}
	return plus(last(cell-1), 1)
}

// Mean is the sum divided by the number, rounded down; zero if there are no values.
func (h *Histogram) Mean() uint64 {
	if h.N == 0 {
		return 0
	}
	return h.Sum / h.N
}

// plus adds, ending at the largest number.
func plus(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}
