package swap

import (
	"math"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func TestTimelocksLayout(t *testing.T) {
	// One distinct value per field, placed by hand: 32 bits each, stage 0 lowest.
	w := common.HexToHash("0x" +
		"0000000800000007000000060000000500000004000000030000000200000001")
	want := Timelocks{DeployedAt: 8, Offsets: [stages]uint32{1, 2, 3, 4, 5, 6, 7}}
	if got := UnpackTimelocks(w); got != want {
		t.Errorf("unpacked %+v, want %+v", got, want)
	}
	if got := want.Pack(); got != w {
		t.Errorf("packed %s, want %s", got, w)
	}
	for i, s := range Stages() {
		if int(s) != i || want.At(s) != ChainTime(8+i+1) {
			t.Errorf("%s at %d", s, want.At(s))
		}
	}
}

func TestTimelocksExtremes(t *testing.T) {
	full := Timelocks{DeployedAt: math.MaxUint32}
	for i := range full.Offsets {
		full.Offsets[i] = math.MaxUint32
	}
	im := Immutables{Timelocks: full.Pack()}
	for _, s := range Stages() {
		if want := ChainTime(2 * math.MaxUint32); full.At(s) != want || im.At(s) != want {
			t.Errorf("%s at %d and %d, want %d", s, full.At(s), im.At(s), want)
		}
	}
	if full.At(stages) != 0 || im.At(stages) != 0 || stages.String() != "stage(7)" {
		t.Error("an unknown stage has a time")
	}
}

func TestRescueStart(t *testing.T) {
	for _, c := range []struct {
		at    ChainTime
		delay uint64
		want  ChainTime
	}{
		{0, 0, 0},
		{1000, 691200, 692200},
		{math.MaxUint32, 604800, math.MaxUint32 + 604800},
		{5, math.MaxInt64 - 5, math.MaxInt64},
		{6, math.MaxInt64 - 5, math.MaxInt64},
		{0, math.MaxUint64, math.MaxInt64},
	} {
		if got := rescueStart(c.at, c.delay); got != c.want {
			t.Errorf("%d + %d = %d, want %d", c.at, c.delay, got, c.want)
		}
	}
}

func FuzzTimelocks(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(common.FromHex("0x6af845cb00000168000000f00000001800000265000001ec0000015000000024"))
	f.Add(common.FromHex("0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := common.BytesToHash(b)
		tl := UnpackTimelocks(w)
		if tl.Pack() != w {
			t.Fatalf("%s packs to %s", w, tl.Pack())
		}
		im := Immutables{Timelocks: w}
		mask := big.NewInt(math.MaxUint32)
		for _, s := range Stages() {
			// The contracts' own arithmetic: (word >> 224) + uint32(word >> 32*stage).
			want := new(big.Int).Rsh(w.Big(), 224)
			want.Add(want, new(big.Int).And(new(big.Int).Rsh(w.Big(), 32*uint(s)), mask))
			if got := big.NewInt(int64(im.At(s))); got.Cmp(want) != 0 || tl.At(s) != im.At(s) {
				t.Fatalf("%s of %s at %s, want %s", s, w, got, want)
			}
		}
		moved := im.WithDeployedAt(12345)
		if moved.DeployedAt() != 12345 || moved.WithDeployedAt(im.DeployedAt()).Timelocks != w {
			t.Fatalf("%s moved to %s", w, moved.Timelocks)
		}
	})
}
