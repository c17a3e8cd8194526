package contracts

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Tx is what to send. Sender, nonce, gas and fees are the caller's business.
type Tx struct {
	To    *common.Address // nil creates a contract
	Value *big.Int        // wei; nil is zero
	Data  []byte
}

func to(a common.Address, data []byte) Tx { return Tx{To: &a, Data: data} }

// Deploy creates one of the contracts without constructor arguments:
// OrderEntry, AccessToken, Refuser.
func Deploy(name string) Tx { return Tx{Data: Bytecode(name)} }

// DeployToken creates an ERC-20; blocking ones can bar receivers.
func DeployToken(symbol string, decimals uint8, blocking bool) Tx {
	name := "Token"
	if blocking {
		name = "BlockingToken"
	}
	return Tx{Data: append(Bytecode(name), encode(byteString([]byte(symbol)), word(UintWord(uint64(decimals))))...)}
}

// DeployResolver creates a contract taker that obeys its owner.
func DeployResolver(owner common.Address) Tx {
	return Tx{Data: append(Bytecode("Resolver"), encode(address(owner))...)}
}

// SendDust pushes wei onto an account that refuses plain transfers, as escrows do.
func SendDust(target common.Address, wei *big.Int) Tx {
	return Tx{Value: wei, Data: append(Bytecode("Dust"), encode(address(target))...)}
}

// Setup is everything that a factory is told when it is created.
type Setup struct {
	Family      Family
	OrderEntry  common.Address // the contract that fills orders
	AccessToken common.Address // 1inch families
	Owner       common.Address // BMN: who keeps the whitelist
	RescueDelay uint32         // seconds
	// Src and Dst are implementations that exist already; zero lets the factory
	// make its own. Those of another factory make every call of its escrows fail.
	Src, Dst common.Address
}

// Deploy creates the factory.
func (s Setup) Deploy() Tx {
	fourth := s.AccessToken
	if s.Family == BMNv4 {
		fourth = s.Owner
	}
	return Tx{Data: append(Bytecode(s.Family.Factory()), encode(
		address(s.Src), address(s.Dst), address(s.OrderEntry), address(fourth), word(UintWord(uint64(s.RescueDelay))),
	)...)}
}

// At returns the deployment that results when Deploy created this factory. The
// factory's own implementations are the first two contracts it makes.
func (s Setup) At(factory common.Address) Deployment {
	d := Deployment{Setup: s, Factory: factory}
	nonce := uint64(1)
	for _, implementation := range []*common.Address{&d.Src, &d.Dst} {
		if *implementation == (common.Address{}) {
			*implementation = crypto.CreateAddress(factory, nonce)
			nonce++
		}
	}
	return d
}

// DeployImplementation creates an escrow implementation for a factory that
// need not exist yet.
func (s Setup) DeployImplementation(side Side, factory common.Address) Tx {
	args := []argument{address(factory)}
	if s.Family != BMNv4 {
		args = append(args, address(s.AccessToken))
	}
	args = append(args, word(UintWord(uint64(s.RescueDelay))))
	return Tx{Data: append(Bytecode(s.Family.Escrow(side)), encode(args...)...)}
}

// Deployment is a family in place on one chain. Src and Dst are set.
type Deployment struct {
	Setup
	Factory common.Address
}

// Escrow returns the handle of a leg of this factory, whether or not it exists.
func (d Deployment) Escrow(side Side, im Immutables) Escrow {
	implementation := d.Src
	if side == Dst {
		implementation = d.Dst
	}
	hash := ProxyCodeHash(implementation)
	return Escrow{
		Family:     d.Family,
		Side:       side,
		Address:    crypto.CreateAddress2(d.Factory, d.Family.Salt(im), hash[:]),
		Immutables: im,
	}
}
