package contracts

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Family is a line of swap contracts.
type Family string

const (
	OneInchV1  Family = "1inch-v1"   // eight words
	OneInchV11 Family = "1inch-v1.1" // parameters, fees on dst
	BMNv4      Family = "bmn-v4"     // parameters, signed public calls, open factory
)

// Families returns all of them in a fixed order.
func Families() []Family { return []Family{OneInchV1, OneInchV11, BMNv4} }

// Side tells the two legs of a swap apart.
type Side string

const (
	Src Side = "src" // holds the maker's tokens
	Dst Side = "dst" // holds the taker's
)

// Escrow returns the name of the contract behind the family's escrows.
func (f Family) Escrow(s Side) string {
	if s == Src {
		return "EscrowSrc" + f.suffix()
	}
	return "EscrowDst" + f.suffix()
}

// Factory returns the name of the family's factory contract.
func (f Family) Factory() string { return "Factory" + f.suffix() }

func (f Family) suffix() string {
	switch f {
	case OneInchV1:
		return "V1"
	case OneInchV11:
		return "V11"
	case BMNv4:
		return "Bmn"
	}
	return "?" + string(f) // makes Get panic with the name
}

// HasParameters reports whether the family's immutables carry parameters.
func (f Family) HasParameters() bool { return f != OneInchV1 }

// RescueDelay is the rescue delay of the family's live deployment, in seconds.
func (f Family) RescueDelay() uint32 {
	if f == BMNv4 {
		return 604_800
	}
	return 691_200
}

// ProxyCodeHash returns the hash of the creation code of an EIP-1167 proxy to
// the implementation: the last ingredient of an escrow's address.
func ProxyCodeHash(implementation common.Address) common.Hash {
	return crypto.Keccak256Hash(
		common.FromHex("3d602d80600a3d3981f3363d3d373d3d3d363d73"),
		implementation[:],
		common.FromHex("5af43d82803e903d91602b57fd5bf3"),
	)
}
