package tally

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Token is a token of a chain; the zero address is the chain's native coin. Its
// text is "<chain>:<0xaddress>", lower case.
type Token struct {
	ChainID uint64
	Address common.Address
}

func (t Token) String() string { return swap.OrderID{ChainID: t.ChainID, Escrow: t.Address}.String() }

// MarshalText implements encoding.TextMarshaler.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Token) UnmarshalText(b []byte) error {
	id, err := swap.ParseOrderID(string(b))
	if err != nil {
		return fmt.Errorf("token %q: want <chain>:<address>", b)
	}
	*t = Token{id.ChainID, id.Escrow}
	return nil
}

func (t Token) compare(o Token) int {
	return cmp.Or(cmp.Compare(t.ChainID, o.ChainID), t.Address.Cmp(o.Address))
}

// Amount is so much of a token, in its smallest unit.
type Amount struct {
	Token Token       `json:"token"`
	Units uint256.Int `json:"units"`
}

// Amounts are sums by token, each token once, in the order of chain and address.
// A sum that would pass the largest number ends there.
type Amounts []Amount

// Of is the sum of a token.
func (a Amounts) Of(t Token) uint256.Int {
	if i, ok := a.find(t); ok {
		return a[i].Units
	}
	return uint256.Int{}
}

func (a Amounts) find(t Token) (int, bool) {
	return slices.BinarySearchFunc(a, t, func(a Amount, t Token) int { return a.Token.compare(t) })
}

// add adds an amount; false if it is of one more token than there is room for.
func (a *Amounts) add(more Amount, room int) bool {
	i, ok := a.find(more.Token)
	switch {
	case ok:
		addTo(&(*a)[i].Units, &more.Units)
	case len(*a) < room:
		*a = slices.Insert(*a, i, more)
	default:
		return false
	}
	return true
}

// addTo adds, ending at the largest number: amounts come from strangers.
func addTo(sum, v *uint256.Int) {
	if _, overflow := sum.AddOverflow(sum, v); overflow {
		sum.SetAllOne()
	}
}
