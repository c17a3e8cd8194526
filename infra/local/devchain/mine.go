package devchain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/miner"
)

var errClosed = errors.New("chain is closed")

// feeRecipient collects the tips; an address that no test owns.
var feeRecipient = common.HexToAddress("0x00000000000000000000000000000000000c0ffe")

// Mine adds a block with exactly this timestamp (Unix seconds), which must be
// above the head's, and with the executable transactions of the pool in the
// order of their tips. Transactions that do not fit stay in the pool.
func (c *Chain) Mine(timestamp uint64) (*types.Block, error) {
	return c.mine(content{time: timestamp, pool: true})
}

// MineEmpty adds a block without transactions; the pool keeps its own.
func (c *Chain) MineEmpty(timestamp uint64) (*types.Block, error) {
	return c.mine(content{time: timestamp})
}

// MineTxs adds a block with exactly these transactions in this order, whether
// or not the pool knows them. It fails, and adds nothing, if one of them
// cannot be executed (a reverting one can).
func (c *Chain) MineTxs(timestamp uint64, txs ...*types.Transaction) (*types.Block, error) {
	return c.mine(content{time: timestamp, txs: txs})
}

// SetMinTip leaves transactions with a lower tip (wei per gas, at least 1) in
// the pool, unmined, until it is lowered again: a chain with congested blocks.
func (c *Chain) SetMinTip(wei *big.Int) error {
	if wei.Sign() <= 0 {
		return fmt.Errorf("minimum tip of %s wei is not positive", wei)
	}
	return c.eth.Miner().SetGasTip(new(big.Int).Set(wei))
}

// content is what a new block is to hold.
type content struct {
	time  uint64
	txs   []*types.Transaction // these
	pool  bool                 // or those of the pool
	extra []byte
	next  *big.Int // base fee of the block after it; nil: as the gas used has it
}

func (c *Chain) mine(want content) (*types.Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mineLocked(want)
}

func (c *Chain) mineLocked(want content) (*types.Block, error) {
	if c.closed {
		return nil, errClosed
	}
	head := c.eth.BlockChain().CurrentBlock()
	// The pool promotes accepted transactions in the background: wait for it,
	// or the block would miss them.
	if err := c.eth.TxPool().Sync(); err != nil {
		return nil, fmt.Errorf("wait for pool of chain %d: %w", c.id, err)
	}
	if err := c.promote(); err != nil {
		return nil, fmt.Errorf("promote in pool of chain %d: %w", c.id, err)
	}
	block, err := c.build(head.Hash(), want)
	if err != nil {
		return nil, fmt.Errorf("mine block %d of chain %d: %w", head.Number.Uint64()+1, c.id, err)
	}
	if want.next != nil {
		if block, err = c.claim(block, want.next); err != nil {
			return nil, fmt.Errorf("mine block %d of chain %d: %w", head.Number.Uint64()+1, c.id, err)
		}
	}
	if err := c.adopt(block); err != nil {
		return nil, fmt.Errorf("mine block %d of chain %d: %w", block.NumberU64(), c.id, err)
	}
	return block, nil
}

// promote makes those transactions executable that go-ethereum's pool has left
// behind: while it resets itself it does not see that the nonces before them wait
// already, and nothing reminds it.
func (c *Chain) promote() error {
	pool := c.eth.TxPool()
	if _, queued := pool.Stats(); queued == 0 {
		return nil
	}
	left := func() bool {
		_, queued := pool.Content()
		for from, txs := range queued {
			next := pool.PoolNonce(from)
			if slices.ContainsFunc(txs, func(tx *types.Transaction) bool { return tx.Nonce() == next }) {
				return true
			}
		}
		return false
	}
	if !left() {
		return nil
	}
	c.endpoint.gate.Lock()
	defer c.endpoint.gate.Unlock()
	return c.forget(func(*types.Transaction) bool { return false })
}

// build makes and stores a block on any known parent; the head stays.
func (c *Chain) build(parent common.Hash, want content) (*types.Block, error) {
	block, _, err := c.eth.Miner().BuildTestingPayload(&miner.BuildPayloadArgs{
		Parent:       parent,
		Timestamp:    want.time,
		FeeRecipient: feeRecipient,
		Withdrawals:  types.Withdrawals{},
		BeaconRoot:   new(common.Hash),
	}, want.txs, !want.pool && len(want.txs) == 0, want.extra)
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	if _, err := c.eth.BlockChain().InsertBlockWithoutSetHead(context.Background(), block, false); err != nil {
		return nil, fmt.Errorf("insert: %w", err)
	}
	return block, nil
}

// adopt makes block the head and returns when everything follows it.
func (c *Chain) adopt(block *types.Block) error {
	if _, err := c.eth.BlockChain().SetCanonical(block); err != nil {
		return fmt.Errorf("set head: %w", err)
	}
	c.setFinal()
	if err := c.eth.TxPool().Sync(); err != nil {
		return fmt.Errorf("wait for pool: %w", err)
	}
	return nil
}

func (c *Chain) setFinal() {
	if c.finalDepth == 0 {
		return
	}
	bc := c.eth.BlockChain()
	var final uint64
	if head := bc.CurrentBlock().Number.Uint64(); head > c.finalDepth {
		final = head - c.finalDepth
	}
	header := bc.GetHeaderByNumber(final)
	bc.SetFinalized(header)
	bc.SetSafe(header)
}

// forkMark makes a replacing block differ from the replaced one even where
// their contents and timestamps agree.
func forkMark(fork uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("fork"), fork)
}
