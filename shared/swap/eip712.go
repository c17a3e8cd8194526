package swap

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// What a resolver signs to let somebody else finish a BMN leg.
var (
	domainType   = crypto.Keccak256Hash([]byte("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"))
	domainName   = crypto.Keccak256Hash([]byte("BMN-Escrow"))
	domainVers   = crypto.Keccak256Hash([]byte("2.3"))
	publicAction = crypto.Keccak256Hash([]byte("PublicAction(bytes32 orderHash,address caller,string action)"))
)

// PublicActionDigest returns the EIP-712 digest that a whitelisted resolver
// signs for a signed call of this leg by the given caller. It is zero for any
// other call. The order hash is the one sent with the call.
func (l Leg) PublicActionDigest(c Call, orderHash Word, caller common.Address) common.Hash {
	var action string
	switch {
	case c == PublicWithdrawSigned && l.Side == Src:
		action = "SRC_PUBLIC_WITHDRAW"
	case c == PublicCancelSigned && l.Side == Src:
		action = "SRC_PUBLIC_CANCEL"
	case c == PublicWithdrawSigned && l.Side == Dst:
		action = "DST_PUBLIC_WITHDRAW"
	case c == PublicCancelSigned && l.Side == Dst:
		action = "DST_PUBLIC_CANCEL"
	default:
		return common.Hash{}
	}
	b := make([]byte, 0, 5*32)
	b = append(append(append(b, domainType[:]...), domainName[:]...), domainVers[:]...)
	domain := crypto.Keccak256(appendAddress(appendUint(b, l.ChainID), l.Escrow))
	b = append(append(b[:0], publicAction[:]...), orderHash[:]...)
	b = append(appendAddress(b, caller), crypto.Keccak256([]byte(action))...)
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, domain, crypto.Keccak256(b))
}

// RecoverPublicAction returns the signer of a digest as the escrows recover
// it: r‖s‖v with v 27 or 28, high s accepted. Anything else recovers to the
// zero address.
func RecoverPublicAction(digest common.Hash, sig []byte) common.Address {
	if len(sig) != crypto.SignatureLength {
		return common.Address{}
	}
	v := sig[64] - 27 // wraps to a value that is refused below
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64])
	if !crypto.ValidateSignatureValues(v, r, s, false) {
		return common.Address{}
	}
	raw := append(append(make([]byte, 0, crypto.SignatureLength), sig[:64]...), v)
	pub, err := crypto.SigToPub(digest[:], raw)
	if err != nil {
		return common.Address{} // no point on the curve: the precompile answers nothing
	}
	return crypto.PubkeyToAddress(*pub)
}
