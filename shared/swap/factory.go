package swap

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Factory is one deployed escrow factory with what is needed to prove and
// judge the escrows it makes. A chain may have several, old ones included.
type Factory struct {
	ChainID uint64
	Address common.Address
	Family  Family
	// SrcImpl and DstImpl are what ESCROW_SRC_IMPLEMENTATION() and
	// ESCROW_DST_IMPLEMENTATION() answer. Both must be known before an escrow
	// address is computed.
	SrcImpl, DstImpl common.Address
	// SrcRescueDelay and DstRescueDelay are RESCUE_DELAY() of the
	// implementations, in seconds after a leg's deployedAt.
	SrcRescueDelay, DstRescueDelay uint64
	FromBlock                      uint64 // no log of the factory is older
}

// The EIP-1167 proxy as the factories deploy it: three bytes shorter to
// create, forty-five bytes long once deployed.
var (
	proxyInit = common.FromHex("0x3d602d80600a3d3981f3")
	proxyHead = common.FromHex("0x363d3d373d3d3d363d73")
	proxyTail = common.FromHex("0x5af43d82803e903d91602b57fd5bf3")
)

// ProxyCodeHash returns the hash of the creation code of a proxy to impl,
// which PROXY_BYTECODE_HASH() of that implementation must equal.
func ProxyCodeHash(impl common.Address) common.Hash {
	b := make([]byte, 0, len(proxyInit)+len(proxyHead)+len(impl)+len(proxyTail))
	b = append(append(append(append(b, proxyInit...), proxyHead...), impl[:]...), proxyTail...)
	return crypto.Keccak256Hash(b)
}

// ImplementationOf reads the implementation off the runtime code of an escrow.
// It reports false for any code that is not exactly such a proxy.
func ImplementationOf(code []byte) (common.Address, bool) {
	at := len(proxyHead)
	if len(code) != at+common.AddressLength+len(proxyTail) ||
		!bytes.HasPrefix(code, proxyHead) || !bytes.HasSuffix(code, proxyTail) {
		return common.Address{}, false
	}
	return common.Address(code[at : at+common.AddressLength]), true
}

// Impl returns the implementation behind the escrows of a side.
func (f Factory) Impl(s Side) common.Address {
	if s == Dst {
		return f.DstImpl
	}
	return f.SrcImpl
}

// RescueDelay returns the rescue delay of a side's escrows in seconds.
func (f Factory) RescueDelay(s Side) uint64 {
	if s == Dst {
		return f.DstRescueDelay
	}
	return f.SrcRescueDelay
}

// Escrow returns the address at which this factory creates the escrow of
// these immutables. Equality with a known address proves the immutables.
func (f Factory) Escrow(s Side, im Immutables) common.Address {
	return f.escrowAt(ProxyCodeHash(f.Impl(s)), f.Family.Hash(im))
}

func (f Factory) escrowAt(codeHash, salt common.Hash) common.Address {
	return crypto.CreateAddress2(f.Address, salt, codeHash[:])
}

// Leg returns the leg that this factory created with these immutables at the
// given position; its escrow address is computed.
func (f Factory) Leg(s Side, im Immutables, created Position) Leg {
	return Leg{
		ChainID: f.ChainID, Side: s, Family: f.Family, Factory: f.Address, Escrow: f.Escrow(s, im),
		Immutables: im, RescueDelay: f.RescueDelay(s), Created: created,
	}
}

// PredictDst returns the dst leg that src's complement asks for, if it was
// created by this factory with the given deployedAt (the time of the creating
// block; in families whose creator writes it, the value to try). Nothing is
// known of such a leg until its address is seen on chain. It reports false
// when the complement names another chain or this factory cannot hold its
// parameters. Created is left zero.
func (f Factory) PredictDst(src SrcCreated, deployedAt ChainTime) (Leg, bool) {
	if id, ok := src.Expect.Chain(); !ok || id != f.ChainID {
		return Leg{}, false
	}
	if !f.Family.Known() || !f.Family.HasParameters() && len(src.Expect.Parameters) > 0 {
		return Leg{}, false
	}
	im := src.Leg.Immutables
	im.Maker, im.Token = src.Expect.Maker, src.Expect.Token
	im.Amount, im.SafetyDeposit = src.Expect.Amount, src.Expect.SafetyDeposit
	im.Parameters = src.Expect.Parameters
	return f.Leg(Dst, im.WithDeployedAt(deployedAt), Position{}), true
}
