package judge

import (
	"encoding/binary"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

// End says what became of the tokens of a leg.
type End string

// The ends. Of all but Absent and Open it is true that the escrow has paid.
const (
	Absent    End = "absent"    // there is no such escrow
	Open      End = "open"      // the tokens are still there
	Withdrawn End = "withdrawn" // src: to the taker; dst: to the maker, fees taken off
	Cancelled End = "cancelled" // src: to the maker; dst: to the taker
	Rescued   End = "rescued"   // to the taker, by rescueFunds
	Elsewhere End = "elsewhere" // to anybody else, or not all of it
)

// Ends are those of both legs of a swap. A swap without a dst leg has Absent.
type Ends struct{ Src, Dst End }

func (e Ends) String() string { return string(e.Src) + " / " + string(e.Dst) }

// Leg is an escrow on a chain. Its immutables must be those it was created with.
type Leg struct {
	Chain uint64
	contracts.Escrow
	RescueDelay uint32 // seconds
}

// Exists reports whether the leg is more than a zero value.
func (l Leg) Exists() bool { return l.Address != (common.Address{}) }

// The slots of a timelocks word, counted from bit 0 in steps of 32 bits.
const (
	srcWithdrawal = iota
	srcPublicWithdrawal
	srcCancellation
	srcPublicCancellation
	dstWithdrawal
	dstPublicWithdrawal
	dstCancellation
)

// at is the block time of a stage.
func (l Leg) at(slot int) uint64 {
	w := l.Immutables.Timelocks
	return l.deployedAt() + uint64(binary.BigEndian.Uint32(w[28-4*slot:]))
}

func (l Leg) deployedAt() uint64 {
	w := l.Immutables.Timelocks
	return uint64(binary.BigEndian.Uint32(w[:4]))
}

func (l Leg) cancellation() uint64 {
	if l.Side == contracts.Src {
		return l.at(srcCancellation)
	}
	return l.at(dstCancellation)
}

func (l Leg) maker() common.Address { return low20(l.Immutables.Maker) }
func (l Leg) taker() common.Address { return low20(l.Immutables.Taker) }
func (l Leg) token() common.Address { return low20(l.Immutables.Token) }

func low20(w common.Hash) common.Address { return common.BytesToAddress(w[:]) }

// String is short enough for a table: side and the address's first digits.
func (l Leg) String() string {
	return string(l.Side) + " " + strings.ToLower(l.Address.Hex())[:10]
}
