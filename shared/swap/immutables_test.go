package swap

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// abiStruct mirrors the contracts' struct for go-ethereum's encoder.
type abiStruct struct {
	OrderHash, Hashlock, Maker, Taker, Token, Amount, SafetyDeposit, Timelocks [32]byte
	Parameters                                                                 []byte
}

func toABI(im Immutables) abiStruct {
	return abiStruct{im.OrderHash, im.Hashlock, im.Maker, im.Taker, im.Token, im.Amount, im.SafetyDeposit, im.Timelocks, im.Parameters}
}

// abiTuple is the struct's ABI type; words as bytes32 encode like uint256.
func abiTuple(t testing.TB, params bool) abi.Type {
	t.Helper()
	var cs []abi.ArgumentMarshaling
	for _, n := range []string{"orderHash", "hashlock", "maker", "taker", "token", "amount", "safetyDeposit", "timelocks"} {
		cs = append(cs, abi.ArgumentMarshaling{Name: n, Type: "bytes32"})
	}
	if params {
		cs = append(cs, abi.ArgumentMarshaling{Name: "parameters", Type: "bytes"})
	}
	typ, err := abi.NewType("tuple", "", cs)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// The three hash rules, spelled out with a general ABI encoder.
func TestHashRules(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	args := abi.Arguments{{Type: abiTuple(t, true)}}
	for n := range 200 {
		im := randomImmutables(r, n)
		var flat []byte
		for _, w := range im.fixed() {
			flat = append(flat, w[:]...)
		}
		encoded, err := args.Pack(toABI(im))
		if err != nil {
			t.Fatal(err)
		}
		for f, want := range map[Family]common.Hash{
			OneInchV1:     crypto.Keccak256Hash(flat),
			OneInchV11:    crypto.Keccak256Hash(flat, crypto.Keccak256(im.Parameters)),
			BMNv4:         crypto.Keccak256Hash(encoded),
			FamilyUnknown: {},
		} {
			if got := f.Hash(im); got != want {
				t.Fatalf("%s with %d bytes: %s, want %s", f, n, got, want)
			}
		}
	}
}

func TestImmutablesMasking(t *testing.T) {
	im := testImmutables()
	clean := im
	im.Maker[0], im.Taker[11], im.Token[3] = 0x80, 1, 0xff
	if im.MakerAddress() != maker || im.TakerAddress() != taker || im.TokenAddress() != token {
		t.Errorf("dirt reaches the addresses: %s %s %s", im.MakerAddress(), im.TakerAddress(), im.TokenAddress())
	}
	for _, f := range Families() {
		if f.Hash(im) == f.Hash(clean) {
			t.Errorf("%s: dirt does not reach the hash", f)
		}
	}
	if im.Equal(clean) || !im.Equal(im) {
		t.Error("Equal must see the dirt")
	}
	if a, d := im.AmountInt(), im.DepositInt(); a.Uint64() != 256 || d.Uint64() != 32 {
		t.Errorf("amount %s, deposit %s", a.Dec(), d.Dec())
	}
	empty := clean
	empty.Parameters = []byte{}
	if !empty.Equal(clean) {
		t.Error("nil and empty parameters differ")
	}
}

func TestWithDeployedAtIsACopy(t *testing.T) {
	im := testImmutables()
	moved := im.WithDeployedAt(1 << 32) // beyond 32 bits: the contracts keep the low ones
	if im.DeployedAt() != 1_700_000_000 || moved.DeployedAt() != 0 {
		t.Errorf("deployedAt %d and %d", im.DeployedAt(), moved.DeployedAt())
	}
	if a, b := UnpackTimelocks(im.Timelocks).Offsets, UnpackTimelocks(moved.Timelocks).Offsets; a != b {
		t.Errorf("offsets %v became %v", a, b)
	}
}

func TestImmutablesJSONRefusals(t *testing.T) {
	good, err := json.Marshal(testImmutables())
	if err != nil {
		t.Fatal(err)
	}
	word := testImmutables().Hashlock.Hex()
	for name, c := range map[string]struct{ from, to, want string }{
		"missing":        {`"hashlock"`, `"hashlok"`, "hashlock: missing"},
		"null":           {`"` + word + `"`, `null`, "hashlock: missing"},
		"short":          {word, word[:64], "hex"},
		"long":           {word, word + "00", "hex"},
		"not hex":        {word, "0xzz" + word[4:], "hex"},
		"number":         {`"` + word + `"`, `7`, "immutables: json"},
		"bad parameters": {`{`, `{"parameters":"0x1",`, "immutables: json"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(string(good), c.from, c.to, 1)
			if bad == string(good) {
				t.Fatal("nothing was changed")
			}
			im := Immutables{OrderHash: common.Hash{1}}
			err := json.Unmarshal([]byte(bad), &im)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if !im.Equal(Immutables{OrderHash: common.Hash{1}}) {
				t.Error("a refused value was written")
			}
		})
	}
}

func FuzzImmutablesJSON(f *testing.F) {
	full, err := json.Marshal(testLeg(OneInchV11, Dst).Immutables)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full, []byte(nil))
	f.Add([]byte(`{}`), make([]byte, words*32))
	f.Add([]byte(`null`), bytes.Repeat([]byte{0xff}, words*32+33))
	f.Fuzz(func(t *testing.T, text, raw []byte) {
		var im Immutables
		if json.Unmarshal(text, &im) == nil {
			roundTrip(t, im)
		}
		if len(raw) >= words*32 {
			im = immutablesAt(raw)
			im.Parameters = raw[words*32:]
			roundTrip(t, im)
		}
	})
}

func roundTrip(t *testing.T, im Immutables) {
	b, err := json.Marshal(im)
	if err != nil {
		t.Fatal(err)
	}
	var back Immutables
	if err := json.Unmarshal(b, &back); err != nil || !back.Equal(im) {
		t.Fatalf("%+v reads back as %+v, %v", im, back, err)
	}
}

func TestUnpackDeposits(t *testing.T) {
	w := common.HexToHash("0x" + strings.Repeat("0", 29) + "123" + strings.Repeat("f", 32))
	low := "340282366920938463463374607431768211455"
	for f, want := range map[Family][2]string{
		OneInchV1: {"291", low}, OneInchV11: {"291", low}, BMNv4: {low, "291"}, FamilyUnknown: {"0", "0"},
	} {
		src, dst := UnpackDeposits(f, w)
		if src.Dec() != want[0] || dst.Dec() != want[1] {
			t.Errorf("%s: src %s, dst %s, want %v", f, src.Dec(), dst.Dec(), want)
		}
	}
}
