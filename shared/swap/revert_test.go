package swap

import (
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

func TestReverts(t *testing.T) {
	for s, r := range reverts {
		sig := string(r) + "()"
		switch r {
		case RevertError:
			sig = "Error(string)"
		case RevertPanic:
			sig = "Panic(uint256)"
		}
		if want := Selector(crypto.Keccak256([]byte(sig))); s != want {
			t.Errorf("%s: %s, want %s", sig, s, want)
		}
		if got, ok := r.Selector(); !ok || got != s {
			t.Errorf("%s: selector %s, %t", r, got, ok)
		}
		if got := RevertOf(append(s[:], 1, 2, 3)); got != r || got.OK() || got.String() != string(r) {
			t.Errorf("%s reads as %s", s, got)
		}
	}
	for data, want := range map[string]Revert{"": RevertEmpty, "\x01\x02": "0x0102", "\x01\x02\x03\x04\x05": "0x01020304"} {
		if got := RevertOf([]byte(data)); got != want {
			t.Errorf("%x reads as %s, want %s", data, got, want)
		}
	}
	if RevertNone.String() != "ok" || !RevertNone.OK() || RevertEmpty.OK() {
		t.Error("accepted and refused are mixed up")
	}
	if s, ok := RevertEmpty.Selector(); ok {
		t.Errorf("empty data has selector %s", s)
	}
}
