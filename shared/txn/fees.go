package txn

import (
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

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
	// dataMargin is what is put aside for the data fee of a rollup, in percent
	// of what it is now: it follows the base fee of L1, which grows by an eighth
	// a block, and some blocks pass until inclusion.
	dataMargin = 150
)

// Price chooses the fees of a transaction: twice the base fee plus the tip, so
// that it stays valid while six full blocks in a row raise the base fee, but
// not more than aim wei for all its gas. last is what it replaces, if anything:
// then both prices grow by at least what nodes ask of a replacement, and this
// and the base fee may take more than aim, up to most. ok is false if most does
// not cover the present base fee or the required raise: sent so, it would hold
// up every nonce behind it.
func Price(s AccountState, gas uint64, aim, most uint256.Int, last *Tx) (f Fees, ok bool) {
	if gas == 0 {
		return f, false
	}
	units := uint256.NewInt(gas)
	top := new(uint256.Int).Div(&most, units)
	want := lower(top, new(uint256.Int).Div(&aim, units))
	fee, tip := &s.BaseFee, uint256.NewInt(leastTip) // the least that is of use
	if last != nil {
		fee, tip = higher(fee, raised(last.FeeCap)), higher(tip, raised(last.TipCap))
	}
	f.TipCap = *higher(&s.Tip, tip)
	f.FeeCap = *lower(want, plus(plus(&s.BaseFee, &s.BaseFee), &f.TipCap))
	f.FeeCap = *lower(top, higher(fee, &f.FeeCap))
	f.TipCap = *lower(&f.TipCap, &f.FeeCap)
	return f, !f.FeeCap.Lt(fee) && !f.TipCap.Lt(tip)
}

// earns is what a block's builder gets for each gas of a transaction at present;
// ok is false if it cannot be included. Where there is no base fee, what nodes
// suggest stands for it.
func (f Fees) earns(s AccountState) (tip uint256.Int, ok bool) {
	switch {
	case s.Legacy:
		return f.FeeCap, !f.FeeCap.Lt(&s.Tip)
	case f.FeeCap.Lt(&s.BaseFee):
		return tip, false
	}
	return *lower(&f.TipCap, minus(&f.FeeCap, &s.BaseFee)), true
}

// fees are the prices of a transaction that was signed.
func (t Tx) fees() Fees { return Fees{t.FeeCap, t.TipCap} }

// withMargin is the part of a cap that a data fee takes.
func withMargin(data uint256.Int) *uint256.Int {
	v, overflow := new(uint256.Int).MulDivOverflow(&data, uint256.NewInt(dataMargin), uint256.NewInt(100))
	if overflow {
		v.SetAllOne()
	}
	return v
}

const (
	// patientShare is the share of its cap, as a divisor, that an action may
	// cost as long as it has time.
	patientShare = 4
	// climb is how long before its deadline, in seconds of block time, the price
	// that an action may cost begins to grow from there to the cap: longer than
	// spikes of the base fee usually take, and than a person needs to act.
	climb = 1200
	// patience is how long after it became legal an action without a deadline
	// waits for a patient price, in seconds: from then on its whole cap counts.
	patience = 3600
)

// reserve is the time before a deadline, in seconds, at which the whole cap may
// be spent: enough for a transaction and one replacement of it.
func reserve(inclusion int64) int64 { return 2 * max(bumpAfter, inclusion) }

// ripe says how far the price of an action has come at a time, from 0 to climb:
// its deadline, or where it has none its patience, comes nearer. The deposit is
// worth hurrying for too; once it is lost the cap may be spent all the same, so
// that prices never fall back.
func ripe(a swap.Action, now swap.ChainTime, inclusion int64) int64 {
	if a.Hard == 0 && a.Soft == 0 {
		if now.Sub(a.From) >= patience {
			return climb
		}
		return 0
	}
	most := int64(0)
	for _, end := range []swap.ChainTime{a.Hard, a.Soft} {
		if end != 0 {
			most = max(most, climb-(end.Sub(now)-reserve(inclusion)))
		}
	}
	return min(most, climb)
}

// ceiling is the most that an action may cost at a time, in wei: a share of its
// cap that grows in a straight line to the whole.
func ceiling(a swap.Action, now swap.ChainTime, inclusion int64) *uint256.Int {
	low := new(uint256.Int).Div(&a.FeeCap, uint256.NewInt(patientShare))
	return plus(low, share(minus(&a.FeeCap, low), ripe(a, now, inclusion)))
}

// share is so many parts out of climb.
func share(v *uint256.Int, parts int64) *uint256.Int {
	out, _ := new(uint256.Int).MulDivOverflow(v, uint256.NewInt(uint64(parts)), uint256.NewInt(climb)) // at most v
	return out
}

// pressing reports whether an action is not to wait for a patient price: it has
// a hard deadline, or a deposit to lose soon.
func pressing(a swap.Action, now swap.ChainTime, inclusion int64) bool {
	return a.Hard != 0 || a.Soft != 0 && ripe(a, now, inclusion) > 0
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
