package balance

import (
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

const (
	// margin is the part of a threshold, as a divisor, by which a balance has to clear it before
	// it counts as refilled: the fee by which a signer's gas is counted moves by an eighth a block.
	margin = 4
	// criticalShare is the part of a token's threshold, as a divisor, below which it is critical.
	criticalShare = 4
	// Stress is how many times the present base fee a signer has to be able to pay. A base fee
	// grows by at most an eighth a block, so 18 full blocks in a row multiply it by 8: some three
	// and a half minutes on Ethereum, longer than anybody takes to send coin.
	Stress = 8
	// criticalActions is how many actions at least a signer must be able to pay, whatever is open:
	// the two legs of one swap, and a replacement.
	criticalActions = 3
	// MaxPayable bounds the count of payable actions, where one costs next to nothing.
	MaxPayable = 1_000_000_000
)

// Limits are two thresholds in base units: an amount below Low is low, below Critical critical.
type Limits struct{ Low, Critical uint256.Int }

// of is the level of an amount by itself.
func (l Limits) of(amount *uint256.Int) Level {
	switch {
	case amount.Lt(&l.Critical):
		return Critical
	case amount.Lt(&l.Low):
		return Low
	}
	return OK
}

// lifted are the limits that have to be cleared to count as refilled.
func (l Limits) lifted() Limits { return Limits{Refill(l.Low), Refill(l.Critical)} }

// Refill is the amount at which a holding that was below the threshold counts as refilled.
func Refill(threshold uint256.Int) uint256.Int {
	return *add(&threshold, new(uint256.Int).Div(&threshold, uint256.NewInt(margin)))
}

// Judge is the level of an amount that had the level was. It gets worse at once, and better only as
// far as the amount clears the thresholds by the margin.
func Judge(was Level, amount uint256.Int, l Limits) Level {
	is := l.of(&amount)
	if was <= is { // also of one never judged
		return is
	}
	return min(was, l.lifted().of(&amount))
}

// tokenLimits are the limits of a holding of which an account should have at least that much.
func tokenLimits(least uint256.Int) Limits {
	return Limits{Low: least, Critical: *new(uint256.Int).Div(&least, uint256.NewInt(criticalShare))}
}

// Price is what one action may cost at a stressed fee, in wei: gas for the dearest usual call, and
// as much of the data fee. Never more than most, unless that is zero.
func Price(f Fees, gas uint64, most uint256.Int) uint256.Int {
	stress := uint256.NewInt(Stress)
	perGas := add(mul(&f.BaseFee, stress), &f.Tip)
	price := add(mul(perGas, uint256.NewInt(gas)), mul(&f.Data, stress))
	if !most.IsZero() && most.Lt(price) {
		return most
	}
	return *price
}

// runway fills in what follows from balance, price and what is owed.
func (g *Gas) runway() {
	owed := uint256.NewInt(uint64(max(0, g.Owed)))
	g.Reserve = *mul(&g.Price, owed)
	g.Payable = MaxPayable
	if !g.Price.IsZero() {
		n := new(uint256.Int).Div(&g.Balance, &g.Price)
		if n.LtUint64(MaxPayable) {
			g.Payable = n.Uint64()
		}
	}
}

// limits are the thresholds of a signer's coin, and whether they are all of them: where the price or
// what is owed is not known, the true ones can only be higher.
func (g Gas) limits(c Config) (l Limits, complete bool) {
	least := c.least(Holding{Account: g.Signer})
	few := mul(&g.Price, uint256.NewInt(criticalActions))
	l.Critical = *higher(&g.Reserve, few)
	if l.Critical.IsZero() {
		l.Critical.SetOne() // nothing at all pays for nothing
	}
	more := add(&g.Reserve, mul(&g.Price, uint256.NewInt(c.MinActions)))
	l.Low = *higher(&l.Critical, higher(&least, more))
	return l, g.Priced && g.Counted
}

// judgeGas is the level of a signer. Without a balance it stays what it was; without the whole of its
// limits it only gets worse.
func judgeGas(was Level, g Gas, c Config) Level {
	if !g.Read {
		return was
	}
	l, complete := g.limits(c)
	if !complete {
		return max(was, l.of(&g.Balance))
	}
	return Judge(was, g.Balance, l)
}

// sorted lists the addresses of a map in their order.
func sorted[V any](m map[common.Address]V) []common.Address {
	return slices.SortedFunc(maps.Keys(m), common.Address.Cmp)
}

// add and mul end at the largest number: prices come from strangers.
func add(a, b *uint256.Int) *uint256.Int {
	v, overflow := new(uint256.Int).AddOverflow(a, b)
	if overflow {
		v.SetAllOne()
	}
	return v
}

func mul(a, b *uint256.Int) *uint256.Int {
	v, overflow := new(uint256.Int).MulOverflow(a, b)
	if overflow {
		v.SetAllOne()
	}
	return v
}

func higher(a, b *uint256.Int) *uint256.Int {
	if a.Lt(b) {
		return b
	}
	return a
}
