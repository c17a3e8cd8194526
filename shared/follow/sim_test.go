package follow_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// The simulated chains execute named transactions block by block. What a
// transaction does depends on the block it is in, as with the real factories:
// after a reorganisation a leg may have another address, or be gone.

func named(s string) common.Address          { return common.BytesToAddress(crypto.Keccak256([]byte(s))) }
func hashOf(s string) common.Hash            { return crypto.Keccak256Hash([]byte(s)) }
func addressWord(a common.Address) swap.Word { return common.BytesToHash(a[:]) }
func number(n uint64) swap.Word              { return uint256.NewInt(n).Bytes32() }
func addressIn(w swap.Word) common.Address   { return common.Address(w[12:]) }

// simTx is a transaction: run says what it logs in a block of that time, and
// may change the state.
type simTx struct {
	name  string
	from  common.Address
	to    common.Address
	input []byte
	thief common.Address // who gets what its cancellation moves, instead of the taker
	run   func(st simState, at swap.ChainTime) []swap.Log
}

// simState is what the chain's contracts hold, by the name of the leg.
type simState map[string]simLeg

type simLeg struct {
	*swap.Leg // never changed: the states of all blocks share it
	ended     bool
}

func open(l swap.Leg) simLeg { return simLeg{Leg: &l} }

type simBlock struct {
	swap.Block
	txs   []simTx
	logs  []swap.Log
	state simState // after the block
}

type simChain struct {
	id     uint64
	step   swap.ChainTime
	span   uint64 // most blocks in one reading; 0: no limit
	blocks []simBlock
	forks  int
	lag    uint64 // how far the told head is behind
	// hidden are logs that the first and the second endpoint do not return.
	hidden [2]func(swap.Log) bool
	noTx   bool // transactions and receipts are not found
	extra  func(q follow.Query) []swap.Log
	short  func(swap.OrderID) bool // escrows whose tokens are gone
	mute   bool                    // tokens give no balance
	looks  int                     // balances asked for
}

// sim is the chains: follow.Chain and follow.Probe.
type sim struct {
	*faulttest.Faults
	mu     sync.Mutex
	chains map[uint64]*simChain
	calls  map[string]int
	asked  []follow.Query
	stall  string // the call that never answers
}

const simEpoch swap.ChainTime = 1_750_000_000

func newSim(f *faulttest.Faults, steps map[uint64]swap.ChainTime) *sim {
	s := &sim{Faults: f, chains: map[uint64]*simChain{}, calls: map[string]int{}}
	for id, step := range steps {
		c := &simChain{id: id, step: step}
		c.blocks = []simBlock{{Block: swap.Block{Time: simEpoch, Hash: hashOf(fmt.Sprint("genesis", id))}, state: simState{}}}
		s.chains[id] = c
	}
	return s
}

func (c *simChain) head() simBlock { return c.blocks[len(c.blocks)-1] }

// mine adds a block with the transactions.
func (c *simChain) mine(txs ...simTx) simBlock {
	prev := c.head()
	b := simBlock{Block: swap.Block{Number: prev.Number + 1, Time: prev.Time + c.step}, txs: txs, state: prev.state}
	if len(txs) > 0 {
		b.state = maps.Clone(prev.state)
	}
	b.Hash = crypto.Keccak256Hash(prev.Hash[:], binary.BigEndian.AppendUint64(nil, uint64(c.forks)))
	for _, tx := range txs {
		for _, l := range tx.run(b.state, b.Time) {
			l.ChainID = c.id
			l.At = swap.Position{Block: b.Number, BlockHash: b.Hash, Time: b.Time, Tx: hashOf(tx.name), Index: uint(len(b.logs))}
			b.logs = append(b.logs, l)
		}
	}
	c.blocks = append(c.blocks, b)
	return b
}

func (c *simChain) mineEmpty(n int) {
	for range n {
		c.mine()
	}
}

// reorg replaces the last n blocks: keep says which of their transactions come
// again, shifted down by some blocks.
func (c *simChain) reorg(n, shift int, keep func(simTx) bool) {
	n = min(n, len(c.blocks)-1)
	old := slices.Clone(c.blocks[len(c.blocks)-n:])
	c.blocks = c.blocks[:len(c.blocks)-n]
	c.forks++
	for range shift {
		c.mine()
	}
	for _, b := range old {
		var txs []simTx
		for _, tx := range b.txs {
			if keep == nil || keep(tx) {
				txs = append(txs, tx)
			}
		}
		c.mine(txs...)
	}
}

// logs lists the canonical logs.
func (c *simChain) logs() (out []swap.Log) {
	for _, b := range c.blocks {
		out = append(out, b.logs...)
	}
	return out
}

func (s *sim) do(ctx context.Context, op string, chain uint64, f func(c *simChain) error) error {
	name := fmt.Sprintf("%s.%d", op, chain)
	if name == s.stall {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Do(ctx, name, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls[op]++
		c := s.chains[chain]
		if c == nil {
			return errors.New("no such chain")
		}
		return f(c)
	})
}

// told is the newest block that the endpoints tell.
func (c *simChain) told() uint64 { return c.head().Number - min(c.lag, c.head().Number) }

func (s *sim) Head(ctx context.Context, chain uint64) (b swap.Block, age time.Duration, err error) {
	err = s.do(ctx, "rpc.head", chain, func(c *simChain) error {
		b = c.blocks[c.told()].Block
		return nil
	})
	return b, time.Second, err
}

func (s *sim) Block(ctx context.Context, chain, n uint64) (b swap.Block, err error) {
	err = s.do(ctx, "rpc.block", chain, func(c *simChain) error {
		if n > c.told() {
			return fmt.Errorf("no block %d", n)
		}
		b = c.blocks[n].Block
		return nil
	})
	return b, err
}

func (s *sim) Logs(ctx context.Context, q follow.Query) (span follow.Span, err error) {
	err = s.do(ctx, "rpc.logs", q.ChainID, func(c *simChain) error {
		s.asked = append(s.asked, q)
		to := min(q.To, c.told())
		if q.From > to {
			return fmt.Errorf("no block %d", q.From)
		}
		if c.span > 0 {
			to = min(to, q.From+c.span-1)
		}
		reader := 0
		if q.Again {
			reader = 1
		}
		asked := map[common.Address]bool{}
		for _, a := range slices.Concat(q.Factories, q.Escrows) {
			asked[a] = true
		}
		topics := map[common.Hash]bool{}
		for _, t := range slices.Concat(q.Topics, swap.EscrowTopics()) {
			topics[t] = true
		}
		for _, b := range c.blocks[q.From : to+1] {
			for _, l := range b.logs {
				hidden := c.hidden[reader]
				if asked[l.Address] && topics[l.Topics[0]] && (hidden == nil || !hidden(l)) {
					span.Logs = append(span.Logs, l)
				}
			}
		}
		if c.extra != nil {
			span.Logs = append(span.Logs, c.extra(q)...)
		}
		span.End = c.blocks[to].Block
		return nil
	})
	return span, err
}

func (s *sim) Transactions(ctx context.Context, chain uint64, hashes []common.Hash) (out []follow.Transaction, err error) {
	err = s.do(ctx, "rpc.transactions", chain, func(c *simChain) error {
		out = make([]follow.Transaction, len(hashes))
		if c.noTx {
			return nil
		}
		byHash := map[common.Hash]simTx{}
		for _, b := range c.blocks {
			for _, tx := range b.txs {
				byHash[hashOf(tx.name)] = tx
			}
		}
		for i, h := range hashes {
			out[i] = follow.Transaction{From: byHash[h].from, To: byHash[h].to, Input: byHash[h].input}
		}
		return nil
	})
	return out, err
}

// Payouts tells who got the tokens of legs that ended in the block: of each
// block at most one is asked about.
func (s *sim) Payouts(ctx context.Context, chain uint64, of []follow.Payout) (out []follow.Paid, err error) {
	err = s.do(ctx, "rpc.payouts", chain, func(c *simChain) error {
		out = make([]follow.Paid, len(of))
		for i, p := range of {
			n := slices.IndexFunc(c.blocks, func(b simBlock) bool { return b.Hash == p.Block })
			if n < 1 || c.noTx {
				continue
			}
			for _, tx := range c.blocks[n].txs {
				if hashOf(tx.name) != p.Tx {
					continue
				}
				out[i].Known = true
				for name, l := range c.blocks[n].state {
					if l.Escrow == p.Escrow && l.ended && !c.blocks[n-1].state[name].ended {
						to := tx.thief
						if to == (common.Address{}) {
							to = l.Immutables.TakerAddress()
						}
						out[i].Transfers = append(out[i].Transfers, follow.Transfer{To: to, Amount: l.Immutables.AmountInt()})
					}
				}
			}
		}
		return nil
	})
	return out, err
}

func (s *sim) Balances(ctx context.Context, chain uint64, at swap.Block, of []follow.Holding) (out []swap.Balance, err error) {
	err = s.do(ctx, "rpc.balances", chain, func(c *simChain) error {
		state := c.blocks[at.Number].state
		for _, h := range of {
			b := swap.Balance{Block: at, Mute: c.mute}
			c.looks++
			for _, l := range state {
				if l.Escrow == h.Escrow && !l.ended && (c.short == nil || !c.short(swap.OrderID{ChainID: chain, Escrow: l.Escrow})) {
					if b.Native = l.Immutables.DepositInt(); !c.mute {
						b.Token = l.Immutables.AmountInt()
					}
				}
			}
			out = append(out, b)
		}
		return nil
	})
	return out, err
}

// Encoding of what the contracts log, and of calldata.

func tuple(im swap.Immutables) []byte {
	var b []byte
	for _, w := range []swap.Word{im.OrderHash, im.Hashlock, im.Maker, im.Taker, im.Token, im.Amount, im.SafetyDeposit, im.Timelocks} {
		b = append(b, w[:]...)
	}
	return b
}

func withBytes(words, data []byte) []byte {
	offset, length := number(uint64(len(words)+32)), number(uint64(len(data)))
	b := append(append(slices.Clone(words), offset[:]...), length[:]...)
	b = append(b, data...)
	return append(b, make([]byte, (32-len(data)%32)%32)...)
}

func complement(c swap.Complement) []byte {
	var b []byte
	for _, w := range []swap.Word{c.Maker, c.Amount, c.Token, c.SafetyDeposit, c.ChainID} {
		b = append(b, w[:]...)
	}
	return b
}

func srcLog(f swap.Factory, im swap.Immutables, c swap.Complement) swap.Log {
	data := append(tuple(im), complement(c)...)
	if f.Family.HasParameters() {
		first := withBytes(tuple(im), im.Parameters)
		head1, head2 := number(64), number(uint64(64+len(first)))
		data = append(append(append(head1[:], head2[:]...), first...), withBytes(complement(c), c.Parameters)...)
	}
	return swap.Log{Address: f.Address, Topics: []common.Hash{swap.FactoryTopics(f.Family)[0]}, Data: data}
}

func dstLog(f swap.Factory, escrow common.Address, im swap.Immutables) swap.Log {
	topic := swap.FactoryTopics(f.Family)[1]
	e, t := addressWord(escrow), addressWord(im.TakerAddress())
	if f.Family == swap.BMNv4 {
		return swap.Log{Address: f.Address, Topics: []common.Hash{topic, e, im.Hashlock, t}}
	}
	return swap.Log{Address: f.Address, Topics: []common.Hash{topic}, Data: slices.Concat(e[:], im.Hashlock[:], im.Taker[:])}
}

func withdrawnLog(escrow common.Address, secret [32]byte) swap.Log {
	return swap.Log{Address: escrow, Topics: []common.Hash{swap.EscrowTopics()[0]}, Data: secret[:]}
}

func cancelledLog(escrow common.Address) swap.Log {
	return swap.Log{Address: escrow, Topics: []common.Hash{swap.EscrowTopics()[1]}}
}

// calldata is a creation call nested in some wrapper.
func calldata(im swap.Immutables, offset int) []byte {
	b := make([]byte, offset)
	if len(im.Parameters) > 0 {
		return append(b, withBytes(tuple(im), im.Parameters)...)
	}
	return append(b, tuple(im)...)
}
