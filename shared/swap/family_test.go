package swap

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFamilyText(t *testing.T) {
	for _, f := range append(Families(), FamilyUnknown) {
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var got Family
		if err := json.Unmarshal(b, &got); err != nil || got != f {
			t.Errorf("%s reads back as %s, %v", b, got, err)
		}
	}
	_, err := ParseFamily("bmn-v5")
	if err == nil || err.Error() != `unknown "bmn-v5"; known: 1inch-v1, 1inch-v1.1, bmn-v4` {
		t.Errorf("unknown name: %v", err)
	}
	if _, err := ParseFamily("unknown"); err == nil {
		t.Error("the zero value is no name to configure")
	}
	if err := new(Family).UnmarshalText([]byte("1INCH-V1")); err == nil || !strings.HasPrefix(err.Error(), "family: ") {
		t.Errorf("wrong case: %v", err)
	}
	if _, err := Family(9).MarshalText(); err == nil {
		t.Error("family 9 has a text")
	}
	if got := Family(9).String(); got != "family(9)" {
		t.Errorf("family 9 prints %s", got)
	}
}

func TestFamilyTraits(t *testing.T) {
	for _, c := range []struct {
		f                     Family
		known, params, stamps bool
	}{
		{FamilyUnknown, false, false, false},
		{OneInchV1, true, false, true},
		{OneInchV11, true, true, true},
		{BMNv4, true, true, false},
		{Family(9), false, false, false},
	} {
		if c.f.Known() != c.known || c.f.HasParameters() != c.params || c.f.FactoryStampsDst() != c.stamps {
			t.Errorf("%s: known %t, parameters %t, stamps %t", c.f, c.f.Known(), c.f.HasParameters(), c.f.FactoryStampsDst())
		}
	}
}

func TestSideText(t *testing.T) {
	for s, want := range map[Side]string{Src: "src", Dst: "dst"} {
		b, err := s.MarshalText()
		var got Side
		if err != nil || string(b) != want || got.UnmarshalText(b) != nil || got != s || s.Other().Other() != s || s.Other() == s {
			t.Errorf("%s: text %q, %v, other %s", s, b, err, s.Other())
		}
	}
	if _, err := Side(0).MarshalText(); err == nil {
		t.Error("the zero side has a text")
	}
	if err := new(Side).UnmarshalText([]byte("source")); err == nil {
		t.Error("source was read as a side")
	}
	if Side(0).Other() != 0 || Side(3).String() != "side(3)" {
		t.Errorf("no side: %s, %s", Side(0).Other(), Side(3))
	}
}
