package swap

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// CallArgs are the arguments of a call beside the immutables. Only those that
// the call takes are looked at.
type CallArgs struct {
	Secret [32]byte       // of calls that reveal it
	Target common.Address // of WithdrawTo
	Token  common.Address // of RescueFunds; zero = native coin
	Amount uint256.Int    // of RescueFunds, in the token's smallest unit
}

// EncodeCall returns the calldata of a call of this leg's escrow. Calls that
// cannot succeed on the leg are an error, and so are signed calls, which are
// recognised and never sent, and a secret that does not fit the hashlock,
// which would be published for nothing.
func EncodeCall(l Leg, c Call, args CallArgs) ([]byte, error) {
	if !c.ExistsOn(l.Family, l.Side) {
		return nil, fmt.Errorf("encode %s: no such call on a %s leg of %s", c, l.Side, l.Family)
	}
	if c.Signed() {
		return nil, fmt.Errorf("encode %s: signed calls are not sent", c)
	}
	if c.TakesSecret() && !Unlocks(args.Secret, l.Immutables.Hashlock) {
		return nil, fmt.Errorf("encode %s: secret does not fit hashlock %s", c, l.Immutables.Hashlock)
	}
	sel := c.Selector(l.Family)
	b := make([]byte, 0, 4+3*32+tupleSize(l.Immutables))
	b = append(b, sel[:]...)
	switch {
	case c == WithdrawTo:
		b = appendAddress(append(b, args.Secret[:]...), args.Target)
	case c.TakesSecret():
		b = append(b, args.Secret[:]...)
	case c == RescueFunds:
		amount := args.Amount.Bytes32()
		b = append(appendAddress(b, args.Token), amount[:]...)
	}
	if !l.Family.HasParameters() {
		return l.Immutables.append32(b), nil
	}
	head := len(b) - len(sel) + 32
	return appendTuple(appendUint(b, uint64(head)), l.Immutables), nil
}

// selArbitraryCalls is the entry of the resolver contract through which a taker
// that is no account acts: arbitraryCalls(address[],bytes[]).
var selArbitraryCalls = Selector{0x1f, 0x31, 0x77, 0xba}

// EncodeArbitraryCalls wraps calls for a resolver contract:
// arbitraryCalls(address[],bytes[]). The slices must be of equal length; the
// contract refuses others.
func EncodeArbitraryCalls(targets []common.Address, data [][]byte) []byte {
	n := len(targets)
	b := append([]byte(nil), selArbitraryCalls[:]...)
	b = appendUint(b, 64)
	b = appendUint(b, uint64(64+32+32*n))
	b = appendUint(b, uint64(n))
	for _, t := range targets {
		b = appendAddress(b, t)
	}
	b = appendUint(b, uint64(len(data)))
	at := 32 * len(data)
	for _, d := range data {
		b = appendUint(b, uint64(at))
		at += 32 + padded(len(d))
	}
	for _, d := range data {
		b = appendBytes(b, d)
	}
	return b
}
