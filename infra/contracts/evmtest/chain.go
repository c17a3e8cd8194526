// Package evmtest runs contract calls on an EVM in memory, at any time and as
// any account, some tens of thousands of times a second.
//
// There are no blocks, signatures, fees or nonces: Chain is a state, a clock
// and go-ethereum's message processing. That suits tests of what contracts
// answer; tests of how a chain behaves need a chain.
package evmtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

// gasLimit of every message; below the cap of a single transaction.
const gasLimit = 15_000_000

// Chain is a state with a clock. It is not safe for concurrent use; Fork gives
// each goroutine its own.
type Chain struct {
	// Time is the block time that the next calls see, in epoch seconds. It may
	// be set at will, backwards too.
	Time uint64

	config *params.ChainConfig
	state  *state.StateDB
	sent   uint64 // messages so far, to tell their logs apart
}

// NewChain returns an empty chain. Its rules are those of the newest fork that
// go-ethereum runs in production.
func NewChain(chainID uint64) *Chain {
	config := *params.MergedTestChainConfig
	config.ChainID = new(big.Int).SetUint64(chainID)
	config.AmsterdamTime, config.BogotaTime = nil, nil
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		panic(fmt.Sprintf("evmtest: empty state: %v", err)) // nothing is read yet
	}
	return &Chain{config: &config, state: db}
}

// ID returns the chain id.
func (c *Chain) ID() uint64 { return c.config.ChainID.Uint64() }

// Fork returns an independent copy.
func (c *Chain) Fork() *Chain {
	fork := *c
	fork.state = c.state.Copy()
	return &fork
}

// Result is what a call came to.
type Result struct {
	Err     error          // nil if it succeeded; vm.ErrExecutionReverted for a revert
	Return  []byte         // return data or revert data
	Created common.Address // of a creation that succeeded
	Logs    []*types.Log   // in order; Address, Topics and Data only
	Gas     uint64         // used, intrinsic gas included and refunds taken off
}

// OK reports whether the call succeeded.
func (r Result) OK() bool { return r.Err == nil }

// Answer is the outcome in one word: "ok", the first four bytes of the revert
// data in hex, "0x" for a revert without data, or the machine's own error.
func (r Result) Answer() string {
	switch {
	case r.Err == nil:
		return "ok"
	case !errors.Is(r.Err, vm.ErrExecutionReverted):
		return r.Err.Error()
	}
	return hexutil.Encode(r.Return[:min(4, len(r.Return))])
}

// Send makes a call and keeps its effects. from may be any account, contracts
// included; its balance must cover the value.
func (c *Chain) Send(from common.Address, tx contracts.Tx) Result {
	r := c.apply(from, tx)
	c.state.Finalise(c.rules())
	return r
}

// Try makes a call and undoes its effects.
func (c *Chain) Try(from common.Address, tx contracts.Tx) Result {
	snapshot := c.state.Snapshot()
	r := c.apply(from, tx)
	c.state.RevertToSnapshot(snapshot)
	return r
}

// Place runs creation code at an address of one's choice, as if creator had
// called it there, and leaves the code that it returns. So contracts can stand
// where recordings say they stood.
func (c *Chain) Place(at, creator common.Address, creation contracts.Tx) error {
	c.state.SetNonce(at, 1, tracing.NonceChangeUnspecified) // as for any contract
	c.state.SetCode(at, creation.Data, tracing.CodeChangeUnspecified)
	r := c.Send(creator, contracts.Tx{To: &at})
	if !r.OK() {
		return fmt.Errorf("place a contract at %s: %s", at, r.Answer())
	}
	c.state.SetCode(at, r.Return, tracing.CodeChangeUnspecified)
	c.state.Finalise(c.rules())
	return nil
}

// SetBalance gives an account exactly that much wei.
func (c *Chain) SetBalance(a common.Address, wei *big.Int) {
	c.state.SetBalance(a, uint256.MustFromBig(wei), tracing.BalanceChangeUnspecified)
	c.state.Finalise(c.rules())
}

// Balance returns an account's wei.
func (c *Chain) Balance(a common.Address) *big.Int { return c.state.GetBalance(a).ToBig() }

// TokenBalance asks an ERC-20; a token that does not answer counts as empty.
func (c *Chain) TokenBalance(token, account common.Address) *big.Int {
	return new(big.Int).SetBytes(c.Try(account, contracts.BalanceOf(token, account)).Return)
}

// Code returns the deployed code of an account.
func (c *Chain) Code(a common.Address) []byte { return c.state.GetCode(a) }

func (c *Chain) rules() params.Rules { return c.config.Rules(new(big.Int), true, c.Time) }

func (c *Chain) apply(from common.Address, tx contracts.Tx) Result {
	c.sent++
	var hash common.Hash
	binary.BigEndian.PutUint64(hash[24:], c.sent)
	c.state.SetTxContext(hash, 0, 0)

	value := new(uint256.Int)
	if tx.Value != nil {
		value = uint256.MustFromBig(tx.Value)
	}
	zero := new(uint256.Int)
	message := (&core.Message{
		From: from, To: tx.To, Value: value, Data: tx.Data, GasLimit: gasLimit,
		GasPrice: zero, GasFeeCap: zero, GasTipCap: zero,
	}).SkipNonceCheck().SkipEOACheck()
	evm := vm.NewEVM(c.block(), c.state, c.config, vm.Config{NoBaseFee: true})
	defer evm.Release()
	nonce := c.state.GetNonce(from)
	out, err := core.ApplyMessage(evm, message, nil)
	if err != nil {
		return Result{Err: err} // never ran: no money for the value, code too long
	}
	r := Result{Err: out.Err, Return: out.ReturnData, Gas: out.UsedGas}
	if tx.To == nil && r.OK() {
		r.Created = crypto.CreateAddress(from, nonce)
	}
	r.Logs = c.state.GetLogs(hash, 0, common.Hash{}, 0)
	return r
}

func (c *Chain) block() vm.BlockContext {
	return vm.BlockContext{
		CanTransfer: core.CanTransfer,
		Transfer:    core.Transfer,
		GetHash:     func(uint64) common.Hash { return common.Hash{} },
		BlockNumber: new(big.Int),
		Time:        c.Time,
		Difficulty:  new(big.Int),
		BaseFee:     new(big.Int),
		BlobBaseFee: new(big.Int),
		GasLimit:    gasLimit,
		Random:      &common.Hash{},
	}
}
