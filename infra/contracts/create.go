package contracts

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// Order is a maker's order as the OrderEntry fills it. The maker must have
// approved the order entry for token and amount.
type Order struct {
	OrderHash, Hashlock common.Hash
	Maker, Token        common.Hash
	Amount              common.Hash
	SafetyDeposit       common.Hash
	// Timelocks of the 1inch families are the offsets (deployedAt is ignored),
	// of BMN the word of BMNOrderTimelocks.
	Timelocks common.Hash
	Dst       Complement
}

// Fill makes the src leg of an order. The sender becomes the taker and the
// block's time deployedAt. deposit (wei) goes to the escrow; nil sends none,
// for a deposit that is there already or that is to be missing.
func (d Deployment) Fill(o Order, deposit *big.Int) Tx {
	var words []byte
	for _, w := range []common.Hash{o.OrderHash, o.Hashlock, o.Maker, o.Token, o.Amount, o.SafetyDeposit, o.Timelocks} {
		words = append(words, w[:]...)
	}
	// The order entry knows one shape for all families: with parameters.
	dst := o.Dst.argument(OneInchV11)
	order := argument{data: encode(static(words), dst), dynamic: true}
	tx := to(d.OrderEntry, call("OrderEntry", "fill", address(d.Factory), order))
	tx.Value = deposit
	return tx
}

// Filled returns the src leg that Fill makes in a block of the given time.
func (d Deployment) Filled(o Order, taker common.Address, time uint64) Immutables {
	timelocks := o.Timelocks
	if d.Family == BMNv4 {
		timelocks = bmnTimelocks(o.Timelocks, time)
	}
	return Immutables{
		OrderHash: o.OrderHash, Hashlock: o.Hashlock, Maker: o.Maker, Taker: AddressWord(taker),
		Token: o.Token, Amount: o.Amount, SafetyDeposit: o.SafetyDeposit, Timelocks: timelocks,
	}.WithDeployedAt(time)
}

// bmnTimelocks derives all stages from the two times of a BMN order, as the
// factory does: public stages 60 s later, DstCancellation as SrcCancellation.
func bmnTimelocks(agreed common.Hash, time uint64) common.Hash {
	const publicDelay = 60
	cancellation := uint32(new(big.Int).SetBytes(agreed[:16]).Uint64() - time)
	withdrawal := uint32(new(big.Int).SetBytes(agreed[16:]).Uint64() - time)
	return Timelocks{
		SrcPublicWithdrawal: publicDelay, SrcCancellation: cancellation, SrcPublicCancellation: cancellation + publicDelay,
		DstWithdrawal: withdrawal, DstPublicWithdrawal: withdrawal + publicDelay, DstCancellation: cancellation,
	}.Word()
}

// FundDeposit sends a leg's safety deposit to its computed address. That works
// only before the escrow exists.
func (d Deployment) FundDeposit(side Side, im Immutables) Tx {
	tx := to(d.Escrow(side, im).Address, nil)
	tx.Value = im.SafetyDeposit.Big()
	return tx
}

// CreateSrc makes a BMN src leg without any order: every word, deployedAt
// included, is the sender's choice, and the tokens are the sender's (who must
// have approved the factory). FundDeposit goes before it.
func (d Deployment) CreateSrc(im Immutables, dst Complement) Tx {
	return to(d.Factory, call(BMNv4.Factory(), "createSrcEscrow", im.argument(d.Family), dst.argument(d.Family)))
}

// CreateDst makes a dst leg with all the coin it needs. Its ERC-20 tokens are
// the sender's, who must have approved the factory. The 1inch families put the
// block's time in place of deployedAt and refuse if DstCancellation then lies
// behind srcCancellation (epoch seconds); BMN keeps the sender's deployedAt and
// knows no srcCancellation.
func (d Deployment) CreateDst(im Immutables, srcCancellation uint64) Tx {
	args := []argument{im.argument(d.Family)}
	if d.Family != BMNv4 {
		args = append(args, word(UintWord(srcCancellation)))
	}
	tx := to(d.Factory, call(d.Family.Factory(), "createDstEscrow", args...))
	tx.Value = im.SafetyDeposit.Big()
	if common.BytesToAddress(im.Token[:]) == (common.Address{}) {
		tx.Value.Add(tx.Value, im.Amount.Big())
	}
	return tx
}

// Created returns the dst leg that CreateDst makes in a block of the given time.
func (d Deployment) Created(im Immutables, time uint64) Immutables {
	if d.Family == BMNv4 {
		return im
	}
	return im.WithDeployedAt(time)
}

// AddResolver lists an account whose signatures permit public calls (BMN, owner only).
func (d Deployment) AddResolver(a common.Address) Tx {
	return to(d.Factory, call(BMNv4.Factory(), "addResolver", address(a)))
}

// RemoveResolver takes an account off the list (BMN, owner only).
func (d Deployment) RemoveResolver(a common.Address) Tx {
	return to(d.Factory, call(BMNv4.Factory(), "removeResolver", address(a)))
}

// SetWhitelistBypassed says whether anyone may create dst legs (BMN, owner
// only); true at first.
func (d Deployment) SetWhitelistBypassed(bypassed bool) Tx {
	return to(d.Factory, call(BMNv4.Factory(), "setWhitelistBypassed", flag(bypassed)))
}

// SetEmergencyPaused stops or resumes the creation of legs (BMN, owner only).
func (d Deployment) SetEmergencyPaused(paused bool) Tx {
	return to(d.Factory, call(BMNv4.Factory(), "setEmergencyPaused", flag(paused)))
}

func flag(b bool) argument {
	if b {
		return word(UintWord(1))
	}
	return word(common.Hash{})
}
