package swap

import (
	"fmt"
	"strings"
)

// Family is a line of escrow contracts. Members of a family hash immutables,
// emit events and answer calls alike. It cannot be read off a topic or a
// selector (two families share them), so it comes from configuration and is
// proven by recomputing an escrow's address.
type Family uint8

const (
	FamilyUnknown Family = iota // zero value: no known contracts
	OneInchV1                   // release 1.0.0: eight static words
	OneInchV11                  // the fee line: eight words and parameters, hashed with their keccak
	BMNv4                       // Bridge-Me-Not 4: as above, hashed as ABI-encoded struct, signed public calls
)

var familyNames = [...]string{FamilyUnknown: "unknown", OneInchV1: "1inch-v1", OneInchV11: "1inch-v1.1", BMNv4: "bmn-v4"}

// Families returns the known families in their fixed order.
func Families() []Family { return []Family{OneInchV1, OneInchV11, BMNv4} }

// ParseFamily reads a name as String prints it. The error lists the known names.
func ParseFamily(s string) (Family, error) {
	var known []string
	for _, f := range Families() {
		if f.String() == s {
			return f, nil
		}
		known = append(known, f.String())
	}
	return FamilyUnknown, fmt.Errorf("unknown %q; known: %s", s, strings.Join(known, ", "))
}

func (f Family) String() string {
	if int(f) < len(familyNames) {
		return familyNames[f]
	}
	return fmt.Sprintf("family(%d)", uint8(f))
}

// Known reports whether f is one of Families.
func (f Family) Known() bool { return f >= OneInchV1 && f <= BMNv4 }

// HasParameters reports whether the family's immutables carry the dynamic
// parameters field. It decides ABI shape, selectors and topics.
func (f Family) HasParameters() bool { return f == OneInchV11 || f == BMNv4 }

// FactoryStampsDst reports whether the factory writes the dst leg's deployedAt
// (block time). Where it does not, the creator may write any value.
func (f Family) FactoryStampsDst() bool { return f == OneInchV1 || f == OneInchV11 }

// MarshalText implements encoding.TextMarshaler. The zero value is "unknown".
func (f Family) MarshalText() ([]byte, error) {
	if int(f) >= len(familyNames) {
		return nil, fmt.Errorf("encode family: no family %d", uint8(f))
	}
	return []byte(f.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Family) UnmarshalText(b []byte) error {
	if string(b) == familyNames[FamilyUnknown] {
		*f = FamilyUnknown
		return nil
	}
	v, err := ParseFamily(string(b))
	if err != nil {
		return fmt.Errorf("family: %w", err)
	}
	*f = v
	return nil
}

// Side says which end of a swap a leg is. The zero value is neither.
type Side uint8

const (
	Src Side = 1 // holds the maker's tokens
	Dst Side = 2 // holds the resolver's tokens
)

func (s Side) String() string {
	switch s {
	case Src:
		return "src"
	case Dst:
		return "dst"
	}
	return fmt.Sprintf("side(%d)", uint8(s))
}

// Other returns the opposite side; the zero value stays zero.
func (s Side) Other() Side {
	switch s {
	case Src:
		return Dst
	case Dst:
		return Src
	}
	return 0
}

// MarshalText implements encoding.TextMarshaler; only Src and Dst have a text.
func (s Side) MarshalText() ([]byte, error) {
	if s != Src && s != Dst {
		return nil, fmt.Errorf("encode side: no side %d", uint8(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Side) UnmarshalText(b []byte) error {
	switch string(b) {
	case "src":
		*s = Src
	case "dst":
		*s = Dst
	default:
		return fmt.Errorf("side: unknown %q; known: src, dst", b)
	}
	return nil
}
