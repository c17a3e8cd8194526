package devchain

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Block is a block that takes the place of another.
type Block struct {
	Time uint64               // Unix seconds, above its parent's
	Txs  []*types.Transaction // exactly these, in this order; nil: empty
}

// Reorg says which blocks go, which come and what becomes of the transactions.
type Reorg struct {
	// Depth is how many blocks are removed from the head, at least 1.
	Depth int
	// Blocks take their place: as many, fewer or more, but at least one.
	// Nil: empty ones with the timestamps of the removed ones.
	Blocks []Block
	// Drop chooses, among the transactions that were removed and are not in
	// Blocks, those that the node forgets. Nil: all return to the pool.
	Drop func(*types.Transaction) bool
}

// All drops every transaction; for Reorg.Drop and Forget.
func All(*types.Transaction) bool { return true }

// Reorg replaces the last blocks by others. HTTP clients see the chain before
// or after, nothing between. On error the old chain stays.
func (c *Chain) Reorg(r Reorg) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	c.endpoint.gate.Lock()
	defer c.endpoint.gate.Unlock()
	if err := c.reorg(r); err != nil {
		return fmt.Errorf("reorganise chain %d: %w", c.id, err)
	}
	return nil
}

func (c *Chain) reorg(r Reorg) error {
	bc := c.eth.BlockChain()
	head := bc.CurrentBlock().Number.Uint64()
	if r.Depth < 1 || uint64(r.Depth) > head {
		return fmt.Errorf("depth %d of %d blocks", r.Depth, head)
	}
	if r.Blocks != nil && len(r.Blocks) == 0 {
		return errors.New("no block to put in place")
	}
	parent := bc.GetBlockByNumber(head - uint64(r.Depth))
	var removed []*types.Transaction
	blocks := slices.Clone(r.Blocks)
	for n := parent.NumberU64() + 1; n <= head; n++ {
		old := bc.GetBlockByNumber(n)
		removed = append(removed, old.Transactions()...)
		if r.Blocks == nil {
			blocks = append(blocks, Block{Time: old.Time()})
		}
	}
	if err := c.eth.TxPool().Sync(); err != nil {
		return fmt.Errorf("wait for pool: %w", err)
	}
	c.forks++
	for _, b := range blocks {
		next, err := c.build(parent.Hash(), content{time: b.Time, txs: b.Txs, extra: forkMark(c.forks)})
		if err != nil {
			return fmt.Errorf("block %d: %w", parent.NumberU64()+1, err)
		}
		parent = next
	}
	if err := c.adopt(parent); err != nil { // returns the removed transactions to the pool
		return err
	}
	if r.Drop == nil {
		return nil
	}
	gone := make(map[common.Hash]bool)
	for _, tx := range removed {
		gone[tx.Hash()] = r.Drop(tx)
	}
	return c.forget(func(tx *types.Transaction) bool { return gone[tx.Hash()] })
}

// Forget removes the chosen transactions from the pool, as a node does that
// restarts or is short of room. They can be sent again. Later nonces of the
// same sender stay, waiting for the gap to close.
func (c *Chain) Forget(drop func(*types.Transaction) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	c.endpoint.gate.Lock()
	defer c.endpoint.gate.Unlock()
	return c.forget(drop)
}

func (c *Chain) forget(drop func(*types.Transaction) bool) error {
	pool := c.eth.TxPool()
	if err := pool.Sync(); err != nil {
		return fmt.Errorf("wait for pool: %w", err)
	}
	// The pool removes nothing singly: empty it and put back the rest.
	var keep []*types.Transaction
	pending, queued := pool.Content()
	for _, senders := range []map[common.Address][]*types.Transaction{pending, queued} {
		for _, txs := range senders {
			for _, tx := range txs {
				if !drop(tx) {
					keep = append(keep, tx)
				}
			}
		}
	}
	slices.SortFunc(keep, func(a, b *types.Transaction) int {
		return cmp.Or(cmp.Compare(a.Nonce(), b.Nonce()), a.Hash().Cmp(b.Hash()))
	})
	pool.Clear()
	if err := errors.Join(pool.Add(keep, true)...); err != nil {
		return fmt.Errorf("put back into pool: %w", err)
	}
	return pool.Sync()
}
