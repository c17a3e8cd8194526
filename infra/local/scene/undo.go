package scene

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/local/devchain"
)

// Confirmations is the depth at which blocks of these chains count as final.
// Reorganisations of scenes go less deep.
const Confirmations = 4

// SyncPeriod is the period in seconds, on the wall clock, of the product's
// passes. What a reorganisation is to take back should have been seen: it is put
// on the chain a second before a pass.
const SyncPeriod = 30

func beforePass(chain int) func(context.Context, *World) (bool, error) {
	return func(_ context.Context, w *World) (bool, error) {
		return (w.Chains[chain].Now()+1)%SyncPeriod == SyncPeriod-1, nil
	}
}

var (
	topicWithdrawal = crypto.Keccak256Hash([]byte("EscrowWithdrawal(bytes32)"))
	topicTransfer   = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
)

// emitted reports whether an address has emitted anything.
func (c *Chain) emitted(ctx context.Context, a common.Address) (bool, error) {
	logs, err := c.Client.FilterLogs(ctx, ethereum.FilterQuery{Addresses: []common.Address{a}})
	return len(logs) > 0, err
}

// UndoOpening takes the block away that made the dst leg, once blocks lie on
// it, and the transaction with it.
func (s *Swap) UndoOpening() Step {
	return s.undo("undo the dst leg", s.To(), func() ethereum.FilterQuery {
		return ethereum.FilterQuery{Topics: [][]common.Hash{{topicTransfer}, nil, {common.BytesToHash(s.Dst.Address[:])}}}
	}, nil)
}

// UndoReveal takes the withdrawal of dst away again, as soon as src has been
// claimed for it, or at the last moment before it is final.
func (s *Swap) UndoReveal() Step {
	return s.undo("undo the reveal", s.To(), func() ethereum.FilterQuery {
		return ethereum.FilterQuery{Addresses: []common.Address{s.Dst.Address}, Topics: [][]common.Hash{{topicWithdrawal}}}
	}, func(ctx context.Context, w *World) (bool, error) {
		return w.Chains[s.From].emitted(ctx, s.Src.Address)
	})
}

// UndoClaim takes away the first transaction that ends src, whoever sent it,
// and makes the node forget it.
func (s *Swap) UndoClaim() Step {
	return s.undo("undo the claim", s.From, func() ethereum.FilterQuery {
		return ethereum.FilterQuery{Addresses: []common.Address{s.Src.Address}, Topics: [][]common.Hash{{topicWithdrawal}}}
	}, func(context.Context, *World) (bool, error) { return true, nil })
}

// undo waits for a log, and then until the condition holds or the block is the
// deepest that may go; nil waits for that.
func (s *Swap) undo(name string, chain int, what func() ethereum.FilterQuery, until func(context.Context, *World) (bool, error)) Step {
	find := func(ctx context.Context, w *World) (*types.Log, error) {
		logs, err := w.Chains[chain].Client.FilterLogs(ctx, what())
		if err != nil || len(logs) == 0 {
			return nil, err
		}
		return &logs[0], nil
	}
	return Step{
		Name: name, Chain: chain,
		When: func(ctx context.Context, w *World) (bool, error) {
			c := w.Chains[chain]
			l, err := find(ctx, w)
			if err != nil || l == nil {
				return false, err
			}
			if c.head.Number.Uint64()-l.BlockNumber+1 >= Confirmations {
				return true, nil
			}
			if until == nil {
				return false, nil
			}
			return until(ctx, w)
		},
		Act: func(ctx context.Context, w *World) error {
			c := w.Chains[chain]
			l, err := find(ctx, w)
			if err != nil || l == nil {
				return errors.Join(err, errors.New("nothing is left to undo"))
			}
			if l.Topics[0] == topicWithdrawal {
				s.Published, s.Undone = l.BlockTimestamp, c.Now()
			}
			return c.remove(ctx, l.TxHash)
		},
	}
}

// remove replaces the blocks from the one that holds a transaction by blocks
// of the same times and contents, without it and without whatever its sender
// sent after it. The node forgets those.
func (c *Chain) remove(ctx context.Context, tx common.Hash) error {
	if err := c.look(ctx); err != nil {
		return err
	}
	receipt, err := c.Client.TransactionReceipt(ctx, tx)
	if err != nil {
		return fmt.Errorf("receipt of %s: %w", tx, err)
	}
	head, first := c.head.Number.Uint64(), receipt.BlockNumber.Uint64()
	r := devchain.Reorg{Depth: int(head - first + 1)}
	if r.Depth > Confirmations {
		return fmt.Errorf("block %d lies %d deep, more than %d", first, r.Depth, Confirmations)
	}
	gone := map[common.Hash]bool{tx: true}
	var sender *common.Address
	for n := first; n <= head; n++ {
		b, err := c.Client.BlockByNumber(ctx, new(big.Int).SetUint64(n))
		if err != nil {
			return fmt.Errorf("block %d: %w", n, err)
		}
		block := devchain.Block{Time: b.Time()}
		for _, t := range b.Transactions() {
			from, err := types.Sender(types.LatestSignerForChainID(t.ChainId()), t)
			if err != nil {
				return fmt.Errorf("sender of %s: %w", t.Hash(), err)
			}
			if gone[t.Hash()] {
				sender = &from
				if c.nonces[from] > t.Nonce() {
					c.nonces[from] = t.Nonce()
				}
			}
			if sender != nil && from == *sender {
				gone[t.Hash()] = true
				continue
			}
			block.Txs = append(block.Txs, t)
		}
		r.Blocks = append(r.Blocks, block)
	}
	r.Drop = func(t *types.Transaction) bool { return gone[t.Hash()] }
	if err := c.Dev.Reorg(r); err != nil {
		return err
	}
	return c.look(ctx)
}
