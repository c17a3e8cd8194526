package devchain

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// MineToward adds a block like Mine, and makes the base fee of the block after
// it next, in wei per gas, or a few wei more where the division does not come
// out even. It falls by an eighth at the most, and may rise by any factor.
//
// The rule stays that of EIP-1559: what is made up is the gas that the header
// says was used, so that the next base fee follows from it. A block can thus
// claim to be fuller than blocks can be.
func (c *Chain) MineToward(timestamp uint64, next *big.Int) (*types.Block, error) {
	if next.Sign() <= 0 {
		return nil, fmt.Errorf("base fee of %s wei is not positive", next)
	}
	return c.mine(content{time: timestamp, pool: true, next: next})
}

// claim replaces the gas used in the header of a block that is stored and not
// yet the head. Nodes would refuse such a block, so it goes past the checks: all
// they look at but that number has been checked in the genuine one.
func (c *Chain) claim(genuine *types.Block, next *big.Int) (*types.Block, error) {
	bc := c.eth.BlockChain()
	h := genuine.Header()
	gas, err := gasToward(bc.Config(), h, next)
	if err != nil {
		return nil, err
	}
	h.GasUsed = gas
	block := types.NewBlockWithHeader(h).WithBody(*genuine.Body())
	receipts := rawdb.ReadRawReceipts(c.eth.ChainDb(), genuine.Hash(), genuine.NumberU64())
	batch := c.eth.ChainDb().NewBatch()
	defer batch.Close()
	rawdb.WriteBlock(batch, block)
	rawdb.WriteReceipts(batch, block.Hash(), block.NumberU64(), receipts)
	if err := batch.Write(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return block, nil
}

// gasToward is what a block has to use for the one after it to have this base
// fee: EIP-1559 solved for the gas, and zero where it cannot fall so far.
func gasToward(rules *params.ChainConfig, h *types.Header, next *big.Int) (uint64, error) {
	target := h.GasLimit / rules.ElasticityMultiplier()
	step := new(big.Int).Sub(next, h.BaseFee)
	rises := step.Sign() > 0
	step.Abs(step)
	step.Mul(step, new(big.Int).SetUint64(rules.BaseFeeChangeDenominator()))
	step.Mul(step, new(big.Int).SetUint64(target))
	if rises { // rounded up, so that the fee is reached
		step.Add(step, new(big.Int).Sub(h.BaseFee, big.NewInt(1)))
	}
	step.Div(step, h.BaseFee)
	switch gas := new(big.Int).SetUint64(target); {
	case !rises && step.Cmp(gas) >= 0:
		return 0, nil
	case !rises:
		return gas.Sub(gas, step).Uint64(), nil
	case !gas.Add(gas, step).IsUint64():
		return 0, fmt.Errorf("no gas takes the base fee from %s to %s wei in a block", h.BaseFee, next)
	default:
		return gas.Uint64(), nil
	}
}
