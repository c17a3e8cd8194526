package txn

import "github.com/holiman/uint256"

// Fees are prices per gas in wei. On chains with legacy fees both are the gas
// price.
type Fees struct {
	FeeCap, TipCap uint256.Int
}

const (
	// replaceBy is the least by which nodes want both prices of a replacement
	// to grow, in percent.
	replaceBy = 10
	// leastTip is the least tip, in wei per gas, that the pools of nodes take.
	leastTip = 1
)

// Price chooses the fees of a transaction: twice the base fee plus the tip, so
// that it stays valid while six full blocks in a row raise the base fee, but
// never more than limit wei for all its gas. last is what it replaces, if
// anything: then both prices grow by at least what nodes ask of a replacement.
// ok is false if the limit does not cover the present base fee or the required
// raise: sent so, it would hold up every nonce behind it.
func Price(s AccountState, gas uint64, limit uint256.Int, last *Tx) (f Fees, ok bool) {
	if gas == 0 {
		return f, false
	}
	most := new(uint256.Int).Div(&limit, uint256.NewInt(gas))
	fee, tip := &s.BaseFee, uint256.NewInt(leastTip) // the least that is of use
	if last != nil {
		fee, tip = higher(fee, raised(last.FeeCap)), higher(tip, raised(last.TipCap))
	}
	f.TipCap = *higher(&s.Tip, tip)
	f.FeeCap = *lower(most, higher(fee, plus(plus(&s.BaseFee, &s.BaseFee), &f.TipCap)))
	f.TipCap = *lower(&f.TipCap, &f.FeeCap)
	return f, !f.FeeCap.Lt(fee) && !f.TipCap.Lt(tip)
}

// raised is the price that a replacement needs, rounded up.
func raised(v uint256.Int) *uint256.Int {
	tenth := new(uint256.Int).Div(plus(&v, uint256.NewInt(100/replaceBy-1)), uint256.NewInt(100/replaceBy))
	return plus(&v, tenth)
}

// cost is the most that gas at a fee cap can cost, in wei.
func cost(gas uint64, feeCap *uint256.Int) *uint256.Int {
	c, overflow := new(uint256.Int).MulOverflow(feeCap, uint256.NewInt(gas))
	if overflow {
		c.SetAllOne()
	}
	return c
}

// plus adds, ending at the largest number: prices come from strangers.
func plus(a, b *uint256.Int) *uint256.Int {
	sum, overflow := new(uint256.Int).AddOverflow(a, b)
	if overflow {
		sum.SetAllOne()
	}
	return sum
}

// minus subtracts, ending at zero.
func minus(a, b *uint256.Int) *uint256.Int {
	if a.Lt(b) {
		return new(uint256.Int)
	}
	return new(uint256.Int).Sub(a, b)
}

func higher(a, b *uint256.Int) *uint256.Int {
	if a.Lt(b) {
		return b
	}
	return a
}

func lower(a, b *uint256.Int) *uint256.Int {
	if b.Lt(a) {
		return b
	}
	return a
}
