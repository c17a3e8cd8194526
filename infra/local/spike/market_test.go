package spike

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/params"
)

func TestCourse(t *testing.T) {
	for block, want := range map[int][2]uint64{ // from, to
		-20: {calm, calm}, 0: {calm, calm}, 1: {calm * 135 / 100, calm * 135 / 100},
		rise - 1: {14 * calm, 15 * calm}, rise: {20 * calm, 21 * calm}, rise + stay: {20 * calm, 21 * calm},
		rise + stay + 1: {17 * calm, 18 * calm}, rise + stay + 30: {calm, calm},
	} {
		if got := course(block); got < want[0] || got > want[1] {
			t.Errorf("base fee of block %d: %d, want %d to %d", block, got, want[0], want[1])
		}
	}
	var all []Market
	for b := range rise + stay + 40 {
		all = append(all, Market{Base: course(b - 5)})
	}
	if got := steepest(all, rise); got < 2000 || got > 2100 {
		t.Errorf("%d %% within %d blocks", got, rise)
	}
	if got := steepest(all, 1); got != 135 {
		t.Errorf("%d %% from block to block", got)
	}
}

func TestFixedFee(t *testing.T) {
	const g = params.GWei
	// A block each ten seconds, by base fee and tip in gwei.
	blocks := func(prices ...[2]uint64) (out []Market) {
		for i, p := range prices {
			out = append(out, Market{Time: uint64(i+1) * 10, Base: p[0] * g, Tip: p[1] * g})
		}
		return out
	}
	due := func(times ...uint64) (out []Order) {
		for _, at := range times {
			out = append(out, Order{Due: at, Deadline: 1000})
		}
		return out
	}
	for _, c := range []struct {
		name   string
		blocks []Market
		claims []Order
		window int
		want   []uint64
	}{
		{"nobody", blocks([2]uint64{1, 1}), nil, 16, []uint64{}},
		{"the next block takes it", blocks([2]uint64{10, 1}, [2]uint64{10, 1}), due(10), 16, []uint64{20}},
		{"never in the block that it was signed on", blocks([2]uint64{10, 1}), due(10), 16, []uint64{0}},
		{"twice the base fee is enough", blocks([2]uint64{10, 1}, [2]uint64{20, 1}), due(10), 16, []uint64{20}},
		{"a wei more is not, with the tip", blocks([2]uint64{10, 1}, [2]uint64{21, 1}, [2]uint64{20, 1}), due(10), 16, []uint64{30}},
		{"the cap does not cover the base fee", blocks([2]uint64{10, 1}, [2]uint64{22, 1}), due(10), 16, []uint64{0}},
		{"others tip more", blocks([2]uint64{10, 1}, [2]uint64{10, 2}, [2]uint64{10, 1}), due(10), 16, []uint64{30}},
		{"not due yet", blocks([2]uint64{1, 1}, [2]uint64{10, 1}, [2]uint64{20, 1}), due(11), 16, []uint64{30}},
		{"behind its own first nonce", blocks([2]uint64{1, 1}, [2]uint64{5, 1}, [2]uint64{5, 1}, [2]uint64{1, 1}), due(10, 20), 16, []uint64{40, 40}},
		{"no room in the pool", blocks([2]uint64{1, 1}, [2]uint64{5, 1}, [2]uint64{1, 1}, [2]uint64{1, 1}), due(10, 10, 10), 2, []uint64{30, 30, 40}},
	} {
		if got := fixedFee(c.blocks, c.claims, c.window); !slices.Equal(got, c.want) {
			t.Errorf("%s: included at %v, want %v", c.name, got, c.want)
		}
	}
	for at, want := range map[uint64]bool{0: false, 999: true, 1000: false} {
		if got := due(10)[0].inTime(at); got != want {
			t.Errorf("included at %d: in time %v", at, got)
		}
	}
}
