package watchtest

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// epoch is the block time around which the samples play.
const epoch swap.ChainTime = 1_750_000_000

// Chain returns a chain id that no other test uses, so that tests may share
// one store.
func Chain() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])>>16 | 1
}

// Address returns an address that no other test uses.
func Address() common.Address {
	w := Word()
	return common.Address(w[:20])
}

// Word returns 32 random bytes.
func Word() (w swap.Word) {
	_, _ = rand.Read(w[:]) // never fails
	return w
}

// Position returns a place on a chain.
func Position(block uint64) swap.Position {
	return swap.Position{Block: block, BlockHash: Word(), Time: epoch + swap.ChainTime(block), Tx: Word(), Index: 3}
}

// Secret returns a secret and its hashlock.
func Secret() (secret [32]byte, hashlock swap.Word) {
	w := Word()
	return w, crypto.Keccak256Hash(w[:])
}

// Order returns a new order between two chains, not stored yet, with one dst
// leg and as much in it as a typical swap has. Its hashlock opens with secret.
func Order(src, dst uint64) (o swap.Order, secret [32]byte) {
	secret, hashlock := Secret()
	s := leg(src, swap.Src, hashlock)
	d := leg(dst, swap.Dst, hashlock)
	d.Immutables.OrderHash, d.Immutables.Taker = s.Immutables.OrderHash, s.Immutables.Taker
	id := uint256.NewInt(dst).Bytes32()
	o = swap.NewOrder(swap.SrcCreated{Leg: s, Expect: swap.Complement{
		Maker: d.Immutables.Maker, Amount: d.Immutables.Amount, Token: d.Immutables.Token,
		SafetyDeposit: d.Immutables.SafetyDeposit, ChainID: id,
	}})
	o.Src.Final = true
	o.Src.Balance = swap.Balance{Block: swap.Block{Number: 9, Time: epoch, Hash: Word()}, Token: s.Immutables.AmountInt(), Native: s.Immutables.DepositInt()}
	o.Dsts = []swap.LegRecord{{Leg: d, Ours: true}}
	o.Wakes = swap.Wakes{Src: epoch, Dst: epoch + 60}
	return o, secret
}

// Dst returns another dst leg for the order.
func Dst(o swap.Order) swap.Leg { return leg(o.DstChainID(), swap.Dst, o.Hashlock()) }

func leg(chain uint64, side swap.Side, hashlock swap.Word) swap.Leg {
	word := func(a common.Address) swap.Word { return common.BytesToHash(a[:]) }
	locks := swap.Timelocks{DeployedAt: uint32(epoch)}
	for i, s := range swap.Stages() {
		locks.Offsets[s] = uint32(600 * (i + 1))
	}
	return swap.Leg{
		ChainID: chain, Side: side, Family: swap.OneInchV11, Factory: Address(), Escrow: Address(),
		Immutables: swap.Immutables{
			OrderHash: Word(), Hashlock: hashlock, Maker: word(Address()), Taker: word(Address()), Token: word(Address()),
			Amount: uint256.NewInt(1_000_000_000).Bytes32(), SafetyDeposit: uint256.NewInt(10_000_000_000_000).Bytes32(),
			Timelocks: locks.Pack(),
		},
		RescueDelay: 691_200,
		Created:     Position(7),
	}
}

// Withdrawn returns the event that reveals the secret on a leg.
func Withdrawn(l swap.Leg, secret [32]byte) swap.EscrowEvent {
	return swap.EscrowEvent{ChainID: l.ChainID, Escrow: l.Escrow, Kind: swap.Withdrawn, Secret: secret, At: Position(11)}
}

// Work returns new work of a taker, not stored yet.
func Work(chain uint64, taker common.Address) swap.Work {
	return swap.Work{
		Action: swap.Action{
			Order: swap.OrderID{ChainID: chain, Escrow: Address()}, ChainID: chain, Escrow: Address(), Side: swap.Src,
			Call: swap.Withdraw, Path: swap.PathEOA, Taker: taker, Signer: Address(),
			From: epoch, Until: epoch + 600, Hard: epoch + 600, Soft: epoch + 300,
			FeeCap: *uint256.NewInt(1_000_000_000_000_000), AtRisk: *uint256.NewInt(5_000_000_000_000_000_000),
		},
		State: swap.WorkPlanned, Attempt: 1, Stored: epoch - 60,
	}
}
