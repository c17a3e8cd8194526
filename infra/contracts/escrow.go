package contracts

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Escrow is one leg by address, with the immutables to send along. They may be
// wrong ones: changing them does not move the address.
type Escrow struct {
	Family     Family
	Side       Side
	Address    common.Address
	Immutables Immutables
}

func (e Escrow) immutables() argument { return e.Immutables.argument(e.Family) }

// send builds a call of the side's contract. Calls that dst lacks are built
// from the src interface, for those who want to see them refused.
func (e Escrow) send(function string, args ...argument) Tx {
	contract := e.Family.Escrow(e.Side)
	if _, ok := Get(contract).ABI.Methods[function]; !ok {
		contract = e.Family.Escrow(Src)
	}
	return to(e.Address, call(contract, function, args...))
}

// Withdraw shows the secret: taker only.
func (e Escrow) Withdraw(secret common.Hash) Tx {
	return e.send("withdraw", word(secret), e.immutables())
}

// WithdrawTo is Withdraw with another receiver: src only.
func (e Escrow) WithdrawTo(secret common.Hash, target common.Address) Tx {
	return e.send("withdrawTo", word(secret), address(target), e.immutables())
}

// PublicWithdraw is open to holders of the access token.
func (e Escrow) PublicWithdraw(secret common.Hash) Tx {
	return e.send("publicWithdraw", word(secret), e.immutables())
}

// Cancel gives the tokens back: taker only.
func (e Escrow) Cancel() Tx { return e.send("cancel", e.immutables()) }

// PublicCancel is open to holders of the access token: src only.
func (e Escrow) PublicCancel() Tx { return e.send("publicCancel", e.immutables()) }

// RescueFunds takes what is left after the rescue delay: taker only. token zero
// is native coin.
func (e Escrow) RescueFunds(token common.Address, amount *big.Int) Tx {
	return e.send("rescueFunds", address(token), number(amount), e.immutables())
}

// PublicWithdrawSigned is BMN's public withdrawal by permit.
func (e Escrow) PublicWithdrawSigned(secret common.Hash, signature []byte) Tx {
	return e.send("publicWithdrawSigned", word(secret), e.immutables(), byteString(signature))
}

// PublicCancelSigned is BMN's public cancellation by permit.
func (e Escrow) PublicCancelSigned(signature []byte) Tx {
	return e.send("publicCancelSigned", e.immutables(), byteString(signature))
}

// Permit returns the hash that a listed BMN resolver signs so that caller may
// make the public call. withdraw selects publicWithdrawSigned.
func (e Escrow) Permit(chainID uint64, caller common.Address, withdraw bool) common.Hash {
	action := map[Side]string{Src: "SRC", Dst: "DST"}[e.Side] + "_PUBLIC_CANCEL"
	if withdraw {
		action = map[Side]string{Src: "SRC", Dst: "DST"}[e.Side] + "_PUBLIC_WITHDRAW"
	}
	domain := crypto.Keccak256(
		crypto.Keccak256([]byte("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")),
		crypto.Keccak256([]byte("BMN-Escrow")), crypto.Keccak256([]byte("2.3")),
		UintWord(chainID).Bytes(), AddressWord(e.Address).Bytes(),
	)
	permit := crypto.Keccak256(
		crypto.Keccak256([]byte("PublicAction(bytes32 orderHash,address caller,string action)")),
		e.Immutables.OrderHash[:], AddressWord(caller).Bytes(), crypto.Keccak256([]byte(action)),
	)
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, domain, permit)
}
