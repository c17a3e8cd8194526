package judge

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

var (
	topicWithdrawal = crypto.Keccak256Hash([]byte("EscrowWithdrawal(bytes32)"))
	topicCancelled  = crypto.Keccak256Hash([]byte("EscrowCancelled()"))
	topicRescued    = crypto.Keccak256Hash([]byte("FundsRescued(address,uint256)"))
	topicTransfer   = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
)

// Outcome is how a leg stands at the head.
type Outcome struct {
	End     End
	Created *Block // nil if absent, or if the block of its first tokens is not known
	Block   *Block // in which it ended; nil while absent or open
	Tx      common.Hash
	Ours    *Tx // the transaction that ended it, if it is one of ours
}

// Leg reads what became of a leg.
func (l *Ledger) Leg(ctx context.Context, leg Leg) (Outcome, error) {
	client := l.clients[leg.Chain]
	head := l.Head(leg.Chain)
	code, err := client.CodeAtHash(ctx, leg.Address, head.Hash)
	if err != nil {
		return Outcome{}, fmt.Errorf("read code of %s: %w", leg, err)
	}
	if len(code) == 0 {
		return Outcome{End: Absent}, nil
	}
	o := Outcome{End: Open, Created: l.created(leg)}
	for _, e := range l.logs(leg.Chain, leg.Address) {
		if len(e.Topics) == 0 {
			continue
		}
		kind := e.Topics[0]
		if kind == topicRescued && !l.rescuesOwnToken(leg, e) {
			continue // strays, or the deposit
		}
		o.Block, o.Tx = l.block(leg.Chain, e.BlockNumber), e.TxHash
		for _, t := range o.Block.Ours {
			if t.Hash == e.TxHash {
				o.Ours = t
			}
		}
		paid, err := l.payments(ctx, leg, e)
		if err != nil {
			return Outcome{}, err
		}
		o.End = leg.judge(kind, paid)
		return o, nil // later events can only come from somebody who funded it again
	}
	held, err := l.balance(ctx, leg)
	if err != nil {
		return Outcome{}, err
	}
	if held.Cmp(leg.Immutables.Amount.Big()) < 0 {
		o.End = Elsewhere
	}
	return o, nil
}

// created is the block of the factory's event that names the escrow, or of the
// first tokens that reached it.
func (l *Ledger) created(leg Leg) *Block {
	word := contracts.AddressWord(leg.Address)
	return l.first(leg.Chain, func(b *Block) bool {
		for _, e := range b.Logs {
			switch {
			case len(e.Topics) == 3 && e.Topics[0] == topicTransfer && e.Topics[2] == word:
				return true
			case len(e.Topics) == 4 && e.Topics[1] == word, len(e.Topics) == 1 && len(e.Data) == 96 && common.Hash(e.Data[:32]) == word:
				return true // DstEscrowCreated, with or without indexed arguments
			}
		}
		return false
	})
}

func (l *Ledger) rescuesOwnToken(leg Leg, e *types.Log) bool {
	return len(e.Data) == 64 && common.BytesToAddress(e.Data[:32]) == leg.token()
}

// payments sums what the escrow paid of its token in the transaction of an
// event, by receiver.
func (l *Ledger) payments(ctx context.Context, leg Leg, e *types.Log) (map[common.Address]*big.Int, error) {
	paid := map[common.Address]*big.Int{}
	add := func(to common.Address, amount *big.Int) {
		if paid[to] == nil {
			paid[to] = new(big.Int)
		}
		paid[to].Add(paid[to], amount)
	}
	if leg.token() == (common.Address{}) {
		root, err := trace(ctx, l.clients[leg.Chain], e.TxHash)
		if err != nil {
			return nil, err
		}
		walk(root, func(c call) {
			if c.From == leg.Address && c.Type == "CALL" && c.Value != nil {
				add(c.To, c.Value.ToInt())
			}
		})
		return paid, nil
	}
	for _, t := range l.block(leg.Chain, e.BlockNumber).Logs {
		if t.TxHash == e.TxHash && t.Address == leg.token() && len(t.Topics) == 3 && t.Topics[0] == topicTransfer &&
			low20(t.Topics[1]) == leg.Address {
			add(low20(t.Topics[2]), new(big.Int).SetBytes(t.Data))
		}
	}
	return paid, nil
}

func walk(c call, visit func(call)) {
	if c.Error != "" {
		return // undone, with all below it
	}
	visit(c)
	for _, inner := range c.Calls {
		walk(inner, visit)
	}
}

// judge names the end from an event's kind and the payments of its transaction.
// A native leg's safety deposit goes out beside the amount, to whoever called:
// a receiver may have got more than the amount, never less.
func (l Leg) judge(kind common.Hash, paid map[common.Address]*big.Int) End {
	amount := l.Immutables.Amount.Big()
	got := func(who common.Address, want *big.Int) bool {
		have := paid[who]
		if have == nil {
			have = new(big.Int)
		}
		if l.token() == (common.Address{}) {
			return have.Cmp(want) >= 0
		}
		return have.Cmp(want) == 0
	}
	switch {
	case kind == topicWithdrawal && l.Side == contracts.Src && got(l.taker(), amount):
		return Withdrawn
	case kind == topicWithdrawal && l.Side == contracts.Dst:
		rest := new(big.Int).Set(amount)
		for who, fee := range l.fees() {
			if !got(who, fee) {
				return Elsewhere
			}
			rest.Sub(rest, fee)
		}
		if got(l.maker(), rest) {
			return Withdrawn
		}
	case kind == topicCancelled && l.Side == contracts.Src && got(l.maker(), amount),
		kind == topicCancelled && l.Side == contracts.Dst && got(l.taker(), amount):
		return Cancelled
	case kind == topicRescued && got(l.taker(), amount):
		return Rescued
	}
	return Elsewhere
}

// fees are what a v1.1 dst leg owes to others than the maker, by receiver:
// parameters are (protocol fee, integrator fee, protocol, integrator).
func (l Leg) fees() map[common.Address]*big.Int {
	out := map[common.Address]*big.Int{}
	p := l.Immutables.Parameters
	if l.Family != contracts.OneInchV11 {
		return out
	}
	for i := range 2 {
		if len(p) < 32*(i+3) {
			continue
		}
		fee, to := new(big.Int).SetBytes(p[32*i:32*i+32]), common.BytesToAddress(p[32*(i+2):32*(i+3)])
		if fee.Sign() == 0 {
			continue
		}
		if out[to] == nil {
			out[to] = new(big.Int)
		}
		out[to].Add(out[to], fee)
	}
	return out
}

func (l *Ledger) balance(ctx context.Context, leg Leg) (*big.Int, error) {
	client, head := l.clients[leg.Chain], l.Head(leg.Chain).Hash
	if leg.token() == (common.Address{}) {
		b, err := client.BalanceAtHash(ctx, leg.Address, head)
		if err != nil {
			return nil, fmt.Errorf("read balance of %s: %w", leg, err)
		}
		return b, nil
	}
	question := contracts.BalanceOf(leg.token(), leg.Address)
	answer, err := client.CallContractAtHash(ctx, ethereumCall(question), head)
	if err != nil {
		return nil, fmt.Errorf("read token balance of %s: %w", leg, err)
	}
	return new(big.Int).SetBytes(answer), nil
}

func ethereumCall(tx contracts.Tx) ethereum.CallMsg {
	return ethereum.CallMsg{To: tx.To, Value: tx.Value, Data: tx.Data}
}
