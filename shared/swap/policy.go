package swap

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Policy is what the operator decides, as plain data. It comes from the chains
// file; Plan reads it and nothing else of the outside.
type Policy struct {
	Chains map[uint64]ChainPolicy
	// WarnLevels are the times left, in seconds, at which an approaching
	// deadline is announced; largest first. Only the tightest one crossed is, and
	// of a time that may pass without a loss none but the first.
	WarnLevels []int64
	// Horizon is how far ahead of a chain's head the sweep looks, in seconds:
	// at least the period of the sweep plus its jitter, so that every boundary
	// is seen before it comes.
	Horizon int64
	// SyncLag is how far the logs read may lag behind the head, in seconds,
	// before "no event seen" stops being a reason to act.
	SyncLag int64
	// Overdue is how long an action may stay legal, wanted and unsettled before
	// that is a finding of its own, in seconds: one period of the net. It is
	// also the longest that Plan reckons to pass until the next look.
	Overdue int64
}

// ChainPolicy is the operator's view of one chain.
type ChainPolicy struct {
	// MinBlockTime is the smallest step between two block times, in seconds;
	// zero where blocks may share a time. The next block is at least this much
	// later than the head.
	MinBlockTime int64
	// BlockTime is the usual step, in seconds, and Confirmations the depth at
	// which a block counts as final: by them it is judged whether the chain is
	// followed closely. Zero where that is not known.
	BlockTime     int64
	Confirmations uint64
	// Inclusion is the time from broadcast to inclusion to be reckoned with
	// (p99), in seconds.
	Inclusion int64
	// FeeCap is the most that one call may cost, in wei, all fees counted. A
	// call without an entry is refused: an operator who names no price has not
	// agreed to pay one.
	FeeCap map[Call]uint256.Int
	// Tokens are the tokens known to the operator, by address. The zero address
	// is the native coin and is always known.
	Tokens map[common.Address]TokenPolicy
	// NativeDust is the balance in wei up to which an escrow counts as empty of
	// native coin.
	NativeDust uint256.Int
	// Takers are our takers: nothing of anybody else is ever touched.
	Takers map[common.Address]TakerPolicy
	// AccessTokenSigner holds an access token of the 1inch families on this
	// chain and may make public calls; zero where nobody does.
	AccessTokenSigner common.Address
	// Helpers are other accounts whose transactions are ours.
	Helpers map[common.Address]bool
}

// TokenPolicy prices one token.
type TokenPolicy struct {
	Symbol   string
	Decimals uint8
	// WeiPerUnit is the reference price of one whole token (10^Decimals base
	// units) in wei of the chain's native coin; zero means unknown, which is
	// treated as most valuable.
	WeiPerUnit uint256.Int
	// Dust is the balance in base units up to which an escrow counts as empty.
	Dust uint256.Int
}

// TakerPolicy says how calls reach the escrows of one taker.
type TakerPolicy struct {
	Signer common.Address // zero: no key of ours can act as this taker
	Path   Path
}

// Path is the way a call takes to the escrow.
type Path uint8

const (
	PathNone     Path = iota
	PathEOA           // the taker is the signer itself
	PathResolver      // the taker is a resolver contract; the signer owns it and wraps the call in arbitraryCalls
	PathPublic        // a public call by the holder of an access token
)

func (p Path) String() string {
	switch p {
	case PathEOA:
		return "eoa"
	case PathResolver:
		return "resolver-contract"
	case PathPublic:
		return "access-token"
	}
	return "none"
}

// Ours reports whether transactions of the account are ours on this chain.
func (c ChainPolicy) Ours(a common.Address) bool {
	if c.Helpers[a] || a == c.AccessTokenSigner && a != (common.Address{}) {
		return true
	}
	for taker, t := range c.Takers {
		if a == taker || a == t.Signer && a != (common.Address{}) {
			return true
		}
	}
	return false
}

// value prices an amount of a token in wei. priceless is true for a token that
// the operator lists without a price; known is false for one he does not list.
func (c ChainPolicy) value(token common.Address, amount uint256.Int) (wei uint256.Int, priceless, known bool) {
	if token == (common.Address{}) {
		return amount, false, true
	}
	t, ok := c.Tokens[token]
	if !ok {
		return uint256.Int{}, false, false
	}
	if t.WeiPerUnit.IsZero() {
		return uint256.Int{}, !amount.IsZero(), true
	}
	unit := new(uint256.Int).Exp(uint256.NewInt(10), uint256.NewInt(uint64(t.Decimals)))
	if _, overflow := wei.MulDivOverflow(&amount, &t.WeiPerUnit, unit); overflow {
		wei.SetAllOne()
	}
	return wei, false, true
}

// legValue prices what a leg's immutables say it holds, deposit included. A src
// escrow knows ERC-20s only: one that names the native coin holds nothing that
// a call could move.
func (c ChainPolicy) legValue(l *Leg) (wei uint256.Int, priceless bool) {
	if l.Side == Dst || !l.IsNative() {
		wei, priceless, _ = c.value(l.Immutables.TokenAddress(), l.Immutables.AmountInt())
	}
	deposit := l.Immutables.DepositInt()
	if _, overflow := wei.AddOverflow(&wei, &deposit); overflow {
		wei.SetAllOne()
	}
	return wei, priceless
}

// Worth reports whether a src leg that somebody else made would be worth a call
// by itself: its amount is of a token that the operator lists, and worth more
// than a withdrawal may cost; without a price, more than dust. The amount is
// there, since the factory moves it. The deposit does not count: BMN's factory
// does not look whether it was sent, so that anyone can name any. A leg below
// that is only worth a call if our side was given.
func (p Policy) Worth(src Leg) bool {
	c := p.Chains[src.ChainID]
	if src.IsNative() {
		return false // a src escrow knows ERC-20s only
	}
	token, amount := src.Immutables.TokenAddress(), src.Immutables.AmountInt()
	wei, priceless, _ := c.value(token, amount)
	if priceless {
		return amount.Gt(ptr(c.dust(token)))
	}
	return wei.Gt(ptr(c.FeeCap[Withdraw]))
}

// dust is the balance of the token up to which an escrow counts as empty. A
// token that the operator does not list is worth nothing to him.
func (c ChainPolicy) dust(token common.Address) uint256.Int {
	if token == (common.Address{}) {
		return c.NativeDust
	}
	if c.unlisted(token) {
		return *new(uint256.Int).SetAllOne()
	}
	return c.Tokens[token].Dust
}

// unlisted reports whether the token is one that the operator does not list.
func (c ChainPolicy) unlisted(token common.Address) bool {
	_, listed := c.Tokens[token]
	return !listed && token != zeroAddress
}
