package swap

import (
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// The cast of the tests: addresses derived from names.
var (
	maker    = named("maker")
	taker    = named("taker")
	stranger = named("stranger")
	token    = named("token")
)

func named(s string) common.Address { return common.BytesToAddress(crypto.Keccak256([]byte(s))) }

func wordOf(a common.Address) Word { return common.BytesToHash(a[:]) }

func secretOf(s string) [32]byte { return crypto.Keccak256Hash([]byte(s)) }

func testFactory(f Family) Factory {
	return Factory{
		ChainID: 8453, Address: named("factory " + f.String()), Family: f,
		SrcImpl: named("src implementation"), DstImpl: named("dst implementation"),
		SrcRescueDelay: 691200, DstRescueDelay: 604800,
	}
}

// testTimelocks has distinct stages, so that a mix-up shows.
var testTimelocks = Timelocks{DeployedAt: 1_700_000_000, Offsets: [stages]uint32{
	SrcWithdrawal: 100, SrcPublicWithdrawal: 200, SrcCancellation: 300, SrcPublicCancellation: 400,
	DstWithdrawal: 50, DstPublicWithdrawal: 150, DstCancellation: 250,
}}

func testImmutables() Immutables {
	secret := secretOf("secret")
	return Immutables{
		OrderHash: crypto.Keccak256Hash([]byte("order")), Hashlock: crypto.Keccak256Hash(secret[:]),
		Maker: wordOf(maker), Taker: wordOf(taker), Token: wordOf(token),
		Amount: common.BigToHash(common.Big256), SafetyDeposit: common.BigToHash(common.Big32), Timelocks: testTimelocks.Pack(),
	}
}

// testLeg returns a leg of the family; a fee-line dst has zero fees.
func testLeg(f Family, s Side) Leg {
	im := testImmutables()
	if f == OneInchV11 && s == Dst {
		im.Parameters = make([]byte, 128)
	}
	return testFactory(f).Leg(s, im, Position{Block: 7})
}

// randomImmutables fills every word, dirt included.
func randomImmutables(r *rand.Rand, params int) Immutables {
	b := randomBytes(r, words*32)
	im := immutablesAt(b)
	if params > 0 {
		im.Parameters = randomBytes(r, params)
	}
	return im
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// forFamilies runs a test for each known family.
func forFamilies(t *testing.T, run func(*testing.T, Family)) {
	t.Helper()
	for _, f := range Families() {
		t.Run(f.String(), func(t *testing.T) { run(t, f) })
	}
}
