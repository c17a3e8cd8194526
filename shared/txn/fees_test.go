package txn_test

import (
	"math/rand/v2"
	"testing"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

func TestPrice(t *testing.T) {
	const gas = 100
	n := uint256.NewInt
	most := new(uint256.Int).SetAllOne()
	for name, c := range map[string]struct {
		base, tip, limit *uint256.Int
		last             *txn.Tx
		fee, want        *uint256.Int
		ok               bool
	}{
		"twice the base fee and the tip":        {n(50), n(7), n(1_000_000), nil, n(107), n(7), true},
		"just within the cap":                   {n(50), n(7), n(10_700), nil, n(107), n(7), true},
		"clamped to the cap":                    {n(50), n(7), n(10_699), nil, n(106), n(7), true},
		"at the base fee":                       {n(50), n(7), n(5_000), nil, n(50), n(7), true},
		"below the base fee":                    {n(50), n(7), n(4_999), nil, n(49), n(7), false},
		"a tip above the cap":                   {n(5), n(700), n(9_900), nil, n(99), n(99), true},
		"no tip suggested":                      {n(50), n(0), n(1_000_000), nil, n(101), n(1), true},
		"legacy":                                {n(0), n(30), n(1_000_000), nil, n(30), n(30), true},
		"legacy above the cap":                  {n(0), n(30), n(2_000), nil, n(20), n(20), true},
		"free":                                  {n(0), n(0), n(100), nil, n(1), n(1), true},
		"no cap":                                {n(0), n(0), n(0), nil, n(0), n(0), false},
		"replacement: a tenth more, rounded up": {n(1), n(1), n(1_000_000), tx(95, 11), n(105), n(13), true},
		"replacement: the market is higher":     {n(200), n(50), n(1_000_000), tx(95, 11), n(450), n(50), true},
		"replacement: clamped to the cap":       {n(200), n(50), n(21_000), tx(95, 11), n(210), n(50), true},
		"replacement: just a tenth below cap":   {n(90), n(5), n(10_500), tx(95, 11), n(105), n(13), true},
		"replacement: cap below a tenth":        {n(90), n(5), n(10_400), tx(95, 11), n(104), n(13), false},
		"replacement: cap below the base fee":   {n(120), n(5), n(11_900), tx(95, 11), n(119), n(13), false},
		"replacement: of nothing paid":          {n(0), n(0), n(100), tx(0, 0), n(1), n(1), true},
		"replacement: by one":                   {n(0), n(0), n(1_000), tx(1, 1), n(2), n(2), true},
		"absurd base fee":                       {most, n(1), n(1_000_000), nil, n(10_000), n(1), false},
		"absurd base fee, even":                 {new(uint256.Int).Lsh(n(1), 255), n(1), n(1_000_000), nil, n(10_000), n(1), false},
		"absurd tip":                            {n(7), most, n(1_000_000), nil, n(10_000), n(10_000), true},
	} {
		t.Run(name, func(t *testing.T) {
			f, ok := txn.Price(txn.AccountState{BaseFee: *c.base, Tip: *c.tip}, gas, *c.limit, *c.limit, c.last)
			if f.FeeCap != *c.fee || f.TipCap != *c.want || ok != c.ok {
				t.Errorf("fee %s tip %s %v, want %s %s %v", &f.FeeCap, &f.TipCap, ok, c.fee, c.want, c.ok)
			}
		})
	}
	if _, ok := txn.Price(txn.AccountState{}, 0, *most, *most, nil); ok {
		t.Error("a price for no gas")
	}
}

func tx(fee, tip uint64) *txn.Tx {
	return &txn.Tx{FeeCap: *uint256.NewInt(fee), TipCap: *uint256.NewInt(tip)}
}

// Whatever a node says, a price that is ok keeps the cap, covers the base fee
// and pays a replacement its tenth.
func TestPriceHolds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	number := func() *uint256.Int {
		n := uint256.NewInt(rng.Uint64())
		return n.Lsh(n, uint(rng.IntN(200))).Rsh(n, uint(rng.IntN(220)))
	}
	prices := 200_000
	if testing.Short() {
		prices /= 20
	}
	accepted := 0
	for range prices {
		s := txn.AccountState{BaseFee: *number(), Tip: *number()}
		gas, limit := 1+rng.Uint64N(400_000), number()
		var last *txn.Tx
		if rng.IntN(2) == 0 {
			last = &txn.Tx{FeeCap: *number()}
			last.TipCap.Rsh(&last.FeeCap, uint(rng.IntN(3)))
		}
		f, ok := txn.Price(s, gas, *limit, *limit, last)
		if !ok {
			continue
		}
		accepted++
		cost, overflow := new(uint256.Int).MulOverflow(&f.FeeCap, uint256.NewInt(gas))
		switch {
		case overflow || cost.Gt(limit):
			t.Fatalf("%s for %d gas exceeds %s", &f.FeeCap, gas, limit)
		case f.FeeCap.Lt(&s.BaseFee) || f.FeeCap.Lt(&f.TipCap) || f.TipCap.IsZero():
			t.Fatalf("fee %s tip %s at base fee %s", &f.FeeCap, &f.TipCap, &s.BaseFee)
		case last != nil && (!raisedEnough(last.FeeCap, f.FeeCap) || !raisedEnough(last.TipCap, f.TipCap)):
			t.Fatalf("fee %s tip %s replaces %s %s", &f.FeeCap, &f.TipCap, &last.FeeCap, &last.TipCap)
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d prices were accepted", accepted)
	}
}
