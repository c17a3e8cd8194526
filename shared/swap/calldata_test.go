package swap

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// planted returns calldata that holds the immutables at the given byte.
func planted(f Family, im Immutables, at int, r *rand.Rand) []byte {
	b := randomBytes(r, at)
	if f.HasParameters() {
		b = appendTuple(b, im)
	} else {
		b = im.append32(b)
	}
	return append(b, randomBytes(r, 50)...)
}

const createdAt = ChainTime(1_700_001_234)

// asSent returns the immutables as the creator sends them when the factory
// ends up with im: where it stamps deployedAt, the sent one is anything.
func asSent(f Family, im Immutables) Immutables {
	if f.FactoryStampsDst() {
		return im.WithDeployedAt(0)
	}
	return im
}

func TestFindImmutablesAnywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	forFamilies(t, func(t *testing.T, fam Family) {
		f := testFactory(fam)
		for at := range 150 {
			im := testLeg(fam, Dst).Immutables.WithDeployedAt(createdAt)
			im.Maker[0] = byte(at) // dirt is part of the proof
			if fam.HasParameters() && at%3 == 0 {
				im.Parameters = randomBytes(r, at)
			}
			calldata := planted(fam, asSent(fam, im), at, r)
			for _, hashlock := range []common.Hash{im.Hashlock, {}} {
				got, ok := f.FindImmutables(Dst, calldata, f.Escrow(Dst, im), hashlock, createdAt, nil)
				if !ok || !got.Equal(im) {
					t.Fatalf("at %d: %t, %+v", at, ok, got)
				}
			}
		}
	})
}

// A wrapper that packs its calldata need not keep the struct's own offset: the
// parameters then come from the complement, or there are none.
func TestFindImmutablesWithGivenParameters(t *testing.T) {
	for _, fam := range []Family{OneInchV11, BMNv4} {
		f := testFactory(fam)
		for name, params := range map[string][]byte{"some": {1, 2, 3}, "none": nil, "long": make([]byte, MaxParameters), "too long": make([]byte, MaxParameters+1)} {
			im := testImmutables().WithDeployedAt(createdAt)
			im.Parameters = params
			sent := asSent(fam, im)
			calldata := append(sent.append32([]byte{1, 2, 3, 4, 5}), bytes.Repeat([]byte{0xee}, 64)...)
			got, ok := f.FindImmutables(Dst, calldata, f.Escrow(Dst, im), im.Hashlock, createdAt, [][]byte{{9}, nil, params})
			if name == "too long" {
				if ok {
					t.Errorf("%s %s: found", fam, name)
				}
			} else if !ok || !got.Equal(im) {
				t.Errorf("%s %s: %t, %+v", fam, name, ok, got)
			}
			if _, ok := f.FindImmutables(Dst, calldata, f.Escrow(Dst, im), im.Hashlock, createdAt, nil); ok != (params == nil) {
				t.Errorf("%s %s without the parameters: %t", fam, name, ok)
			}
		}
	}
}

// The answer owns its parameters.
func TestFindImmutablesCopies(t *testing.T) {
	f := testFactory(BMNv4)
	im := testImmutables()
	im.Parameters = []byte{1, 2, 3}
	calldata := appendTuple(nil, im)
	got, ok := f.FindImmutables(Dst, calldata, f.Escrow(Dst, im), common.Hash{}, 0, nil)
	clear(calldata)
	if !ok || !got.Equal(im) {
		t.Errorf("%t, %+v", ok, got)
	}
}

func TestFindImmutablesRefusesUnproven(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	forFamilies(t, func(t *testing.T, fam Family) {
		f := testFactory(fam)
		im := testLeg(fam, Dst).Immutables.WithDeployedAt(createdAt)
		calldata := planted(fam, asSent(fam, im), 36, r)
		escrow := f.Escrow(Dst, im)
		find := func(f Factory, s Side, data []byte, escrow common.Address, lock common.Hash, at ChainTime) bool {
			_, ok := f.FindImmutables(s, data, escrow, lock, at, nil)
			return ok
		}
		if !find(f, Dst, calldata, escrow, im.Hashlock, createdAt) {
			t.Fatal("not found at all")
		}
		other := f
		other.Address = stranger
		for name, ok := range map[string]bool{
			"other escrow":   find(f, Dst, calldata, stranger, common.Hash{}, createdAt),
			"other side":     find(f, Src, calldata, escrow, common.Hash{}, createdAt),
			"other factory":  find(other, Dst, calldata, escrow, common.Hash{}, createdAt),
			"other hashlock": find(f, Dst, calldata, escrow, common.Hash{1}, createdAt),
			"cut":            find(f, Dst, calldata[:36+255], escrow, common.Hash{}, createdAt),
			"empty":          find(f, Dst, nil, escrow, common.Hash{}, createdAt),
			"other time":     fam.FactoryStampsDst() && find(f, Dst, calldata, escrow, im.Hashlock, createdAt+1),
		} {
			if ok {
				t.Errorf("%s: found", name)
			}
		}
		if fam == BMNv4 && !find(f, Dst, calldata, escrow, im.Hashlock, createdAt+1) {
			t.Error("the creator's deployedAt must stand")
		}
	})
}

// hostileCalldata is the dearest input for the search: every window matches
// the hashlock and names parameters of the greatest length that is followed.
func hostileCalldata() ([]byte, common.Hash) {
	b := make([]byte, searchBytes)
	for i := range b {
		b[i] = 0x0f
	}
	// Offsets that stay inside: words of 0x00…0f0f. Every 32nd position aligns.
	for i := 0; i+32 <= len(b); i += 32 {
		clear(b[i : i+30])
	}
	return b, common.Hash(b[32:64])
}

func TestFindImmutablesIsBounded(t *testing.T) {
	calldata, lock := hostileCalldata()
	f := testFactory(BMNv4)
	params := make([][]byte, 100)
	for i := range params {
		params[i] = make([]byte, 64<<10)
		params[i][0] = byte(i) + 1
	}
	// Beyond any budget the answer is no, although the last try would fit.
	calldata[len(calldata)-1] = 0xaa
	im := immutablesAt(calldata[len(calldata)-256:])
	if im.Hashlock != lock {
		t.Fatal("the last window does not match")
	}
	im.Parameters = params[99]
	if _, ok := f.FindImmutables(Dst, calldata, f.Escrow(Dst, im), lock, 0, params); ok {
		t.Error("the search went past its budget")
	}
	// And what lies beyond the looked-at length is not seen.
	r := rand.New(rand.NewPCG(13, 14))
	im = testImmutables()
	if _, ok := f.FindImmutables(Dst, planted(BMNv4, im, searchBytes, r), f.Escrow(Dst, im), im.Hashlock, 0, nil); ok {
		t.Error("the search went past its length")
	}
}

// FuzzFindImmutables: a struct in any surroundings is found; nothing is found
// that the address does not prove.
func FuzzFindImmutables(f *testing.F) {
	im := testImmutables()
	f.Add(uint8(0), []byte{}, im.append32(nil), []byte{}, []byte{})
	f.Add(uint8(1), []byte{1, 2, 3, 4}, im.append32(nil), []byte{7}, []byte{5})
	f.Add(uint8(2), make([]byte, 36), im.append32(nil), make([]byte, 128), make([]byte, 64))
	f.Fuzz(func(t *testing.T, pick uint8, before, raw, params, after []byte) {
		if len(raw) < words*32 || len(before)+len(raw)+len(params)+len(after) > 8<<10 || len(params) > MaxParameters {
			return
		}
		fam := Families()[int(pick)%len(Families())]
		fac := testFactory(fam)
		want := immutablesAt(raw)
		if fam.FactoryStampsDst() {
			want = want.WithDeployedAt(createdAt)
		}
		calldata := bytes.Clone(before)
		if fam.HasParameters() {
			want.Parameters = params
			calldata = appendTuple(calldata, want)
		} else {
			calldata = want.append32(calldata)
		}
		calldata = append(calldata, after...)
		got, ok := fac.FindImmutables(Dst, calldata, fac.Escrow(Dst, want), want.Hashlock, createdAt, nil)
		if !ok || fac.Family.Hash(got) != fac.Family.Hash(want) {
			t.Fatalf("%t, %+v, want %+v", ok, got, want)
		}
		if got, ok := fac.FindImmutables(Dst, calldata, stranger, want.Hashlock, createdAt, [][]byte{params}); ok {
			t.Fatalf("unproven %+v", got)
		}
	})
}
