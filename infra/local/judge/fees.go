package judge

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// deposit says what is wrong with where the safety deposit of a leg went that a transaction of
// ours ended; empty if nothing is. It is due to whoever called the escrow: the leg's taker, or a
// key of ours where anybody may call. Whoever makes such a call through somebody else's contract
// gives it away.
func (l *Ledger) deposit(ctx context.Context, leg Leg, o Outcome) (string, error) {
	due := leg.Immutables.SafetyDeposit.Big()
	if o.Ours == nil || due.Sign() == 0 || o.End != Withdrawn && o.End != Cancelled {
		return "", nil
	}
	root, err := l.traced(ctx, leg.Chain, o.Ours)
	if err != nil {
		return "", err
	}
	return leg.misled(root, due, func(a common.Address) bool { return a == leg.taker() || l.ours[a] }), nil
}

// misled looks in a trace for the coin that the escrow paid beside its amount, and for who got it.
func (l Leg) misled(root call, due *big.Int, ours func(common.Address) bool) string {
	got := map[common.Address]*big.Int{}
	walk(root, func(c call) {
		if c.From == l.Address && c.Type == "CALL" && c.Value != nil && c.Value.ToInt().Sign() > 0 {
			if got[c.To] == nil {
				got[c.To] = new(big.Int)
			}
			got[c.To].Add(got[c.To], c.Value.ToInt())
		}
	})
	if l.token() == (common.Address{}) { // the amount is coin too: to the maker and those who take fees, or back to the taker
		rest := l.Immutables.Amount.Big()
		for who, fee := range l.fees() {
			if sum := got[who]; sum != nil {
				sum.Sub(sum, fee)
			}
			rest = new(big.Int).Sub(rest, fee)
		}
		for _, who := range []common.Address{l.maker(), l.taker()} {
			if sum := got[who]; sum != nil && sum.Cmp(rest) >= 0 {
				sum.Sub(sum, rest)
				break
			}
		}
	}
	have := new(big.Int)
	for who, sum := range got {
		if ours(who) {
			have.Add(have, sum)
		} else if sum.Sign() > 0 {
			return fmt.Sprintf("the safety deposit of %s went to %s", l, who)
		}
	}
	if have.Cmp(due) < 0 {
		return fmt.Sprintf("of the safety deposit of %s, %s wei, only %s came to us", l, due, have)
	}
	return ""
}

// Overpaid lists the transactions of ours that cost more than the caps of their calls together,
// most wei for each, in words.
func (l *Ledger) Overpaid(ctx context.Context, most *big.Int) (out []string, err error) {
	for _, t := range l.Ours() {
		paid := new(big.Int).Mul(new(big.Int).SetUint64(t.Gas), t.Price)
		if paid.Cmp(most) <= 0 { // whatever it did
			continue
		}
		root, err := l.traced(ctx, t.Block.Chain, t)
		if err != nil {
			return nil, err
		}
		n := calls(root)
		if limit := new(big.Int).Mul(most, big.NewInt(int64(n))); paid.Cmp(limit) > 0 {
			out = append(out, fmt.Sprintf("%s on chain %d cost %s wei for %d calls, at most %s", t.Hash.Hex()[:12], t.Block.Chain, paid, n, limit))
		}
	}
	return out, nil
}

// calls counts what a transaction was sent for: the calls that a resolver contract made in its turn, or
// the one to what runs its code by another's, as an escrow does. Those that failed count too.
func calls(root call) int {
	n := 0
	for _, c := range root.Calls {
		switch c.Type {
		case "DELEGATECALL":
			return 1
		case "CALL":
			n++
		}
	}
	return max(n, 1)
}

// traced is the trace of a transaction of ours, asked for once in each block that it comes to be in.
func (l *Ledger) traced(ctx context.Context, chain uint64, t *Tx) (call, error) {
	if t.trace == nil {
		root, err := trace(ctx, l.clients[chain], t.Hash)
		if err != nil {
			return call{}, err
		}
		t.trace = &root
	}
	return *t.trace, nil
}
