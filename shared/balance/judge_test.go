package balance

import (
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

func n(v uint64) uint256.Int { return *uint256.NewInt(v) }

func most() uint256.Int { return *new(uint256.Int).SetAllOne() }

func TestJudgeAtTheEdges(t *testing.T) {
	l := Limits{Low: n(1000), Critical: n(200)} // refilled at 1250 and 250
	huge := *new(uint256.Int).Lsh(uint256.NewInt(1), 200)
	for _, c := range []struct {
		was    Level
		amount uint256.Int
		l      Limits
		want   Level
	}{
		{Unknown, n(1000), l, OK},
		{Unknown, n(999), l, Low},
		{Unknown, n(200), l, Low},
		{Unknown, n(199), l, Critical},
		{Unknown, n(0), l, Critical},
		{OK, n(1000), l, OK},
		{OK, n(999), l, Low},
		{OK, n(199), l, Critical},
		{Low, n(999), l, Low},
		{Low, n(1000), l, Low},
		{Low, n(1249), l, Low},
		{Low, n(1250), l, OK},
		{Low, n(199), l, Critical},
		{Critical, n(200), l, Critical},
		{Critical, n(249), l, Critical},
		{Critical, n(250), l, Low},
		{Critical, n(1249), l, Low},
		{Critical, n(1250), l, OK},
		// No threshold: never low, and what was is over.
		{Unknown, n(0), Limits{}, OK},
		{Critical, n(0), Limits{}, OK},
		// Above 2^128, and where the margin would overflow.
		{Low, huge, Limits{Low: huge}, Low},
		{OK, huge, Limits{Low: huge}, OK},
		{Unknown, *new(uint256.Int).Sub(&huge, uint256.NewInt(1)), Limits{Low: huge}, Low},
		{Low, most(), Limits{Low: most()}, OK},
	} {
		if got := Judge(c.was, c.amount, c.l); got != c.want {
			t.Errorf("%s with %s below %s/%s: %s, want %s", c.was, &c.amount, &c.l.Low, &c.l.Critical, got, c.want)
		}
	}
}

// Whatever an amount does within the margin, it is told once.
func TestABalanceThatHoversIsToldOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	l := Limits{Low: n(1000), Critical: n(200)}
	level, changes := Judge(Unknown, n(999), l), 0
	for range 10_000 {
		next := Judge(level, n(200+r.Uint64N(1050)), l)
		if next != level {
			changes++
		}
		level = next
	}
	if level != Low || changes != 0 {
		t.Errorf("%s after %d changes", level, changes)
	}
}

func TestPriceIsStressedAndCapped(t *testing.T) {
	fees := Fees{BaseFee: n(10), Tip: n(3), Data: n(1000)}
	for _, c := range []struct {
		fees Fees
		gas  uint64
		cap  uint256.Int
		want uint256.Int
	}{
		{fees, 100, n(0), n(100*(8*10+3) + 8*1000)},
		{fees, 100, n(16_300), n(16_300)},
		{fees, 100, n(16_299), n(16_299)},
		{fees, 100, n(16_301), n(16_300)},
		{Fees{BaseFee: n(7)}, 360_000, n(0), n(360_000 * 8 * 7)}, // legacy
		{Fees{}, 360_000, n(5), n(0)},
		{Fees{BaseFee: most(), Tip: most(), Data: most()}, 360_000, n(0), most()},
		{Fees{BaseFee: most()}, 360_000, n(5), n(5)},
	} {
		if got := Price(c.fees, c.gas, c.cap); got != c.want {
			t.Errorf("%+v with %d gas, at most %s: %s, want %s", c.fees, c.gas, &c.cap, &got, &c.want)
		}
	}
}

func TestRunway(t *testing.T) {
	for _, c := range []struct {
		balance, price uint256.Int
		owed           int
		payable        uint64
		reserve        uint256.Int
	}{
		{n(999), n(100), 4, 9, n(400)},
		{n(1000), n(100), 0, 10, n(0)},
		{n(0), n(100), 1, 0, n(100)},
		{n(99), n(100), 1, 0, n(100)},
		{n(5), n(0), 7, MaxPayable, n(0)}, // a chain that takes nothing
		{most(), n(1), 1, MaxPayable, n(1)},
		{n(1), most(), 2, 0, most()},
	} {
		g := Gas{Balance: c.balance, Price: c.price, Owed: c.owed}
		if g.runway(); g.Payable != c.payable || g.Reserve != c.reserve {
			t.Errorf("%s at %s: %d payable, reserve %s, want %d and %s", &c.balance, &c.price, g.Payable, &g.Reserve, c.payable, &c.reserve)
		}
	}
}

func TestASignersLevel(t *testing.T) {
	signer := common.Address{1}
	c := Config{Takers: map[common.Address]Taker{signer: {Signer: signer}}, MinActions: 20}
	for _, k := range []struct {
		name    string
		balance uint64
		owed    int
		change  func(*Gas, *Config)
		was     Level
		want    Level
	}{
		{"three actions and nothing open", 300, 0, nil, OK, Low},
		{"less than three", 299, 0, nil, OK, Critical},
		{"twenty", 2000, 0, nil, OK, OK},
		{"less than twenty", 1999, 0, nil, OK, Low},
		{"all that is open, and twenty more", 2500, 5, nil, OK, OK},
		{"and nineteen more", 2499, 5, nil, OK, Low},
		{"exactly what is open", 500, 5, nil, OK, Low},
		{"one wei less", 499, 5, nil, OK, Critical},
		{"refilled within the margin", 2500, 0, nil, Low, OK},
		{"not yet", 2499, 0, nil, Low, Low},
		{"the operator wants more", 2000, 0, func(_ *Gas, c *Config) { c.MinNative = n(2001) }, OK, Low},
		{"and has it", 2001, 0, func(_ *Gas, c *Config) { c.MinNative = n(2001) }, OK, OK},
		{"the taker's own word counts", 2001, 0, func(_ *Gas, c *Config) {
			c.Takers = map[common.Address]Taker{signer: {Signer: signer, Least: map[common.Address]uint256.Int{{}: n(3000)}}}
		}, OK, Low},
		{"no balance read", 0, 0, func(g *Gas, _ *Config) { g.Read = false }, Low, Low},
		{"no price, and something there", 5, 9, func(g *Gas, _ *Config) { g.Priced, g.Price = false, n(0) }, OK, OK},
		{"no price does not refill", 1 << 60, 0, func(g *Gas, _ *Config) { g.Priced, g.Price = false, n(0) }, Critical, Critical},
		{"no price, and nothing there", 0, 0, func(g *Gas, _ *Config) { g.Priced, g.Price = false, n(0) }, OK, Critical},
		{"no count, and few", 299, 0, func(g *Gas, _ *Config) { g.Counted = false }, OK, Critical},
		{"no count does not refill", 1 << 60, 0, func(g *Gas, _ *Config) { g.Counted = false }, Critical, Critical},
		{"no actions wanted beside what is open", 500, 5, func(_ *Gas, c *Config) { c.MinActions = 0 }, OK, OK},
		{"a chain that takes nothing, and nothing there", 0, 9, func(g *Gas, _ *Config) { g.Price = n(0) }, OK, Critical},
	} {
		g, c := Gas{Signer: signer, Balance: n(k.balance), Price: n(100), Owed: k.owed, Read: true, Priced: true, Counted: true}, c
		if k.change != nil {
			k.change(&g, &c)
		}
		g.runway()
		if got := judgeGas(k.was, g, c); got != k.want {
			t.Errorf("%s: %s, want %s", k.name, got, k.want)
		}
	}
}
