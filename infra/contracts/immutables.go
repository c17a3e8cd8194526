package contracts

import (
	"encoding/binary"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Immutables are the words of one leg exactly as hashed. Addresses are words
// too: dirt above their low 20 bytes counts for the hash and nothing else.
type Immutables struct {
	OrderHash     common.Hash
	Hashlock      common.Hash // keccak256 of the secret
	Maker         common.Hash
	Taker         common.Hash
	Token         common.Hash // zero: native coin, dst only
	Amount        common.Hash // in the token's smallest unit
	SafetyDeposit common.Hash // wei
	Timelocks     common.Hash // see Timelocks
	Parameters    []byte      // ignored by a family without
}

// Complement is what the maker expects on the other chain.
type Complement struct {
	Maker, Amount, Token, SafetyDeposit, ChainID common.Hash
	Parameters                                   []byte
}

// AddressWord returns the word that holds an address.
func AddressWord(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// UintWord returns the word that holds a small number.
func UintWord(n uint64) common.Hash { return common.BigToHash(new(big.Int).SetUint64(n)) }

// HashSecret returns the hashlock of a secret.
func HashSecret(secret common.Hash) common.Hash { return crypto.Keccak256Hash(secret[:]) }

// Timelocks are the offsets of a timelocks word in seconds after deployedAt.
type Timelocks struct {
	DeployedAt                                                                 uint32 // epoch seconds
	SrcWithdrawal, SrcPublicWithdrawal, SrcCancellation, SrcPublicCancellation uint32
	DstWithdrawal, DstPublicWithdrawal, DstCancellation                        uint32
}

// Word returns the packed form.
func (t Timelocks) Word() common.Hash {
	var w common.Hash
	for i, v := range []uint32{
		t.DeployedAt, t.DstCancellation, t.DstPublicWithdrawal, t.DstWithdrawal,
		t.SrcPublicCancellation, t.SrcCancellation, t.SrcPublicWithdrawal, t.SrcWithdrawal,
	} {
		binary.BigEndian.PutUint32(w[4*i:], v)
	}
	return w
}

// BMNOrderTimelocks returns the word that a BMN order carries: two absolute
// times in epoch seconds. The factory derives all stages from them.
func BMNOrderTimelocks(srcCancellation, dstWithdrawal uint64) common.Hash {
	var w common.Hash
	binary.BigEndian.PutUint64(w[8:], srcCancellation)
	binary.BigEndian.PutUint64(w[24:], dstWithdrawal)
	return w
}

// WithDeployedAt returns a copy created at a time (epoch seconds).
func (im Immutables) WithDeployedAt(t uint64) Immutables {
	binary.BigEndian.PutUint32(im.Timelocks[:4], uint32(t))
	return im
}

// Salt returns the immutables hash, the CREATE2 salt of the escrow.
func (f Family) Salt(im Immutables) common.Hash {
	words := im.words()
	switch f {
	case OneInchV1:
		return crypto.Keccak256Hash(words)
	case OneInchV11:
		return crypto.Keccak256Hash(words, crypto.Keccak256(im.Parameters))
	default:
		return crypto.Keccak256Hash(encode(im.argument(f)))
	}
}

func (im Immutables) words() []byte {
	b := make([]byte, 0, 8*32)
	for _, w := range []common.Hash{
		im.OrderHash, im.Hashlock, im.Maker, im.Taker, im.Token, im.Amount, im.SafetyDeposit, im.Timelocks,
	} {
		b = append(b, w[:]...)
	}
	return b
}

func (im Immutables) argument(f Family) argument {
	if !f.HasParameters() {
		return static(im.words())
	}
	return withBytes(im.words(), im.Parameters)
}

func (c Complement) argument(f Family) argument {
	var words []byte
	for _, w := range []common.Hash{c.Maker, c.Amount, c.Token, c.SafetyDeposit, c.ChainID} {
		words = append(words, w[:]...)
	}
	if !f.HasParameters() {
		return static(words)
	}
	return withBytes(words, c.Parameters)
}
