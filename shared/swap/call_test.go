package swap

import (
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

// Every selector is the hash of the function's published signature.
func TestSelectors(t *testing.T) {
	args := map[Call][2]string{
		Withdraw: {"(bytes32,", ")"}, WithdrawTo: {"(bytes32,address,", ")"}, PublicWithdraw: {"(bytes32,", ")"},
		Cancel: {"(", ")"}, PublicCancel: {"(", ")"}, RescueFunds: {"(address,uint256,", ")"},
		PublicWithdrawSigned: {"(bytes32,", ",bytes)"}, PublicCancelSigned: {"(", ",bytes)"},
	}
	if len(args) != len(Calls()) {
		t.Fatalf("%d signatures for %d calls", len(args), len(Calls()))
	}
	for _, c := range Calls() {
		for _, f := range Families() {
			im := sigImmutablesV1
			if f.HasParameters() {
				im = sigImmutables
			}
			want := Selector(crypto.Keccak256([]byte(c.String() + args[c][0] + im + args[c][1])))
			if c.Signed() && f != BMNv4 {
				want = Selector{}
			}
			if got := c.Selector(f); got != want {
				t.Errorf("%s of %s: %s, want %s", c, f, got, want)
			}
		}
	}
	if Withdraw.Selector(FamilyUnknown) != (Selector{}) || Call(0).Selector(BMNv4) != (Selector{}) || callEnd.Selector(BMNv4) != (Selector{}) {
		t.Error("nobody's calls have selectors")
	}
	if want := Selector(crypto.Keccak256([]byte("arbitraryCalls(address[],bytes[])"))); selArbitraryCalls != want {
		t.Errorf("arbitraryCalls: %s, want %s", selArbitraryCalls, want)
	}
}

func TestCallText(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Calls() {
		b, err := c.MarshalText()
		var got Call
		if err != nil || got.UnmarshalText(b) != nil || got != c || seen[string(b)] {
			t.Errorf("%s: %q, %v", c, b, err)
		}
		seen[string(b)] = true
	}
	if _, err := Call(0).MarshalText(); err == nil {
		t.Error("the zero call has a text")
	}
	if err := new(Call).UnmarshalText([]byte("Withdraw")); err == nil {
		t.Error("wrong case was read")
	}
	if Call(99).String() != "call(99)" {
		t.Error("unknown calls must print")
	}
}
