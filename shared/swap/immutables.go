package swap

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// Word is a raw 32-byte value as it stands in calldata and logs.
type Word = common.Hash

// words is the number of static words in an Immutables struct.
const words = 8

// MaxParameters is the longest parameters field, in bytes, of a leg that is
// followed. The contracts set no limit and a log is cheap, so without one a
// stranger could make an order that no store takes. The largest known use is
// v1.1's four words; sixteen times that still fits the gas limits of a call.
const MaxParameters = 2 << 10

// Immutables are an escrow's constants. The contracts store only their hash
// (it is in the escrow's address), so every call must repeat them to the bit.
// The words are kept raw: a maker can leave dirt above an address, which the
// contracts mask when they use it and do not mask when they hash.
type Immutables struct {
	OrderHash     Word
	Hashlock      Word // keccak256 of the secret
	Maker         Word // address in the low 20 bytes
	Taker         Word // address in the low 20 bytes
	Token         Word // address in the low 20 bytes; zero = native coin (dst only)
	Amount        Word // in the token's smallest unit
	SafetyDeposit Word // wei
	Timelocks     Word // see UnpackTimelocks
	// Parameters is empty for families without them and on every src leg.
	Parameters []byte
}

// MakerAddress returns the maker as the contracts use it.
func (im Immutables) MakerAddress() common.Address { return addressOf(im.Maker) }

// TakerAddress returns the taker as the contracts use it.
func (im Immutables) TakerAddress() common.Address { return addressOf(im.Taker) }

// TokenAddress returns the token as the contracts use it; zero = native coin.
func (im Immutables) TokenAddress() common.Address { return addressOf(im.Token) }

// AmountInt returns the amount in the token's smallest unit.
func (im Immutables) AmountInt() uint256.Int { return intOf(im.Amount) }

// DepositInt returns the safety deposit in wei.
func (im Immutables) DepositInt() uint256.Int { return intOf(im.SafetyDeposit) }

// At returns when a stage starts on this leg.
func (im Immutables) At(s Stage) ChainTime {
	if s >= stages {
		return 0
	}
	return im.DeployedAt() + ChainTime(offsetOf(im.Timelocks, s))
}

// DeployedAt returns the creation time that the timelocks count from.
func (im Immutables) DeployedAt() ChainTime {
	return ChainTime(binary.BigEndian.Uint32(im.Timelocks[:4]))
}

// WithDeployedAt returns a copy whose timelocks count from t. Like the
// contracts it keeps the low 32 bits of t.
func (im Immutables) WithDeployedAt(t ChainTime) Immutables {
	binary.BigEndian.PutUint32(im.Timelocks[:4], uint32(t))
	return im
}

// Equal reports whether both are the same to the bit; nil and empty
// parameters are the same.
func (im Immutables) Equal(o Immutables) bool {
	return im.fixed() == o.fixed() && bytes.Equal(im.Parameters, o.Parameters)
}

func (im Immutables) fixed() [words]Word {
	return [words]Word{im.OrderHash, im.Hashlock, im.Maker, im.Taker, im.Token, im.Amount, im.SafetyDeposit, im.Timelocks}
}

// append32 appends the eight words.
func (im *Immutables) append32(b []byte) []byte {
	b = append(b, im.OrderHash[:]...)
	b = append(b, im.Hashlock[:]...)
	b = append(b, im.Maker[:]...)
	b = append(b, im.Taker[:]...)
	b = append(b, im.Token[:]...)
	b = append(b, im.Amount[:]...)
	b = append(b, im.SafetyDeposit[:]...)
	return append(b, im.Timelocks[:]...)
}

// immutablesAt reads eight words from the start of b, which holds at least
// that many.
func immutablesAt(b []byte) Immutables {
	w := func(i int) Word { return Word(b[32*i : 32*i+32]) }
	return Immutables{OrderHash: w(0), Hashlock: w(1), Maker: w(2), Taker: w(3), Token: w(4), Amount: w(5), SafetyDeposit: w(6), Timelocks: w(7)}
}

// Hash returns the hash of the immutables under the family's rule, which is
// the CREATE2 salt of the escrow. A family without parameters ignores them.
func (f Family) Hash(im Immutables) common.Hash {
	switch f {
	case OneInchV1:
		var b [words * 32]byte
		im.append32(b[:0])
		return crypto.Keccak256Hash(b[:])
	case OneInchV11:
		var b [(words + 1) * 32]byte
		p := crypto.Keccak256Hash(im.Parameters)
		copy(im.append32(b[:0])[words*32:words*32+32], p[:])
		return crypto.Keccak256Hash(b[:])
	case BMNv4:
		return crypto.Keccak256Hash(appendTuple(appendUint(make([]byte, 0, 32+tupleSize(im)), 32), im))
	}
	return common.Hash{}
}

// tupleSize is the length of the ABI encoding of the dynamic struct.
func tupleSize(im Immutables) int { return (words+2)*32 + padded(len(im.Parameters)) }

// appendTuple appends the ABI encoding of the struct with parameters: eight
// words, the offset of the bytes, their length, and the bytes padded.
func appendTuple(b []byte, im Immutables) []byte {
	return appendBytes(appendUint(im.append32(b), (words+1)*32), im.Parameters)
}

// appendBytes appends length and content, padded to whole words.
func appendBytes(b, data []byte) []byte {
	b = append(appendUint(b, uint64(len(data))), data...)
	return append(b, make([]byte, padded(len(data))-len(data))...)
}

func appendUint(b []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, make([]byte, 24)...), v)
}

func appendAddress(b []byte, a common.Address) []byte {
	return append(append(b, make([]byte, 12)...), a[:]...)
}

func padded(n int) int { return (n + 31) / 32 * 32 }

func addressOf(w Word) common.Address { return common.Address(w[12:]) }

func intOf(w Word) uint256.Int {
	var v uint256.Int
	v.SetBytes32(w[:])
	return v
}

// immutablesJSON is the stored form: full-width hex words in struct order.
type immutablesJSON struct {
	OrderHash     *Word         `json:"orderHash"`
	Hashlock      *Word         `json:"hashlock"`
	Maker         *Word         `json:"maker"`
	Taker         *Word         `json:"taker"`
	Token         *Word         `json:"token"`
	Amount        *Word         `json:"amount"`
	SafetyDeposit *Word         `json:"safetyDeposit"`
	Timelocks     *Word         `json:"timelocks"`
	Parameters    hexutil.Bytes `json:"parameters,omitempty"`
}

// MarshalJSON writes every word as 32 bytes of hex.
func (im Immutables) MarshalJSON() ([]byte, error) {
	return json.Marshal(immutablesJSON{&im.OrderHash, &im.Hashlock, &im.Maker, &im.Taker, &im.Token, &im.Amount, &im.SafetyDeposit, &im.Timelocks, im.Parameters})
}

// UnmarshalJSON reads what MarshalJSON writes. A word that is missing or not
// exactly 32 bytes is an error that names it: guessing one would lose the leg.
func (im *Immutables) UnmarshalJSON(b []byte) error {
	var j immutablesJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("immutables: %w", err)
	}
	var v Immutables
	for _, f := range []struct {
		name string
		from *Word
		to   *Word
	}{
		{"orderHash", j.OrderHash, &v.OrderHash}, {"hashlock", j.Hashlock, &v.Hashlock},
		{"maker", j.Maker, &v.Maker}, {"taker", j.Taker, &v.Taker}, {"token", j.Token, &v.Token},
		{"amount", j.Amount, &v.Amount}, {"safetyDeposit", j.SafetyDeposit, &v.SafetyDeposit}, {"timelocks", j.Timelocks, &v.Timelocks},
	} {
		if f.from == nil {
			return fmt.Errorf("immutables: %s: missing", f.name)
		}
		*f.to = *f.from
	}
	if len(j.Parameters) > 0 {
		v.Parameters = j.Parameters
	}
	*im = v
	return nil
}

// UnpackDeposits splits the packed deposits word of an order's extra data into
// the safety deposits of the two legs, in wei. The families pack them in
// opposite order. An unknown family yields zeros.
func UnpackDeposits(f Family, w Word) (src, dst uint256.Int) {
	var high, low uint256.Int
	high.SetBytes16(w[:16])
	low.SetBytes16(w[16:])
	switch f {
	case OneInchV1, OneInchV11:
		return high, low
	case BMNv4:
		return low, high
	}
	return src, dst
}
