package swap

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

func TestPolicyValue(t *testing.T) {
	coin := func(decimals uint8, price uint64) TokenPolicy {
		return TokenPolicy{Decimals: decimals, WeiPerUnit: *uint256.NewInt(price), Dust: *uint256.NewInt(7)}
	}
	most := *new(uint256.Int).SetAllOne()
	c := ChainPolicy{NativeDust: *uint256.NewInt(3), Tokens: map[common.Address]TokenPolicy{
		srcCoin: coin(6, 2_000_000), dstCoin: coin(6, 0), taker: coin(0, 1<<63), maker: coin(77, 1)}}
	for _, v := range []struct {
		name             string
		token            common.Address
		amount, wei      uint256.Int
		priceless, known bool
		dust             uint256.Int
	}{
		{"native", common.Address{}, *uint256.NewInt(9), *uint256.NewInt(9), false, true, *uint256.NewInt(3)},
		{"priced", srcCoin, *uint256.NewInt(1_500_000), *uint256.NewInt(3_000_000), false, true, *uint256.NewInt(7)},
		{"rounded down", srcCoin, *uint256.NewInt(0), uint256.Int{}, false, true, *uint256.NewInt(7)},
		{"priceless", dstCoin, *uint256.NewInt(1), uint256.Int{}, true, true, *uint256.NewInt(7)},
		{"nothing of the priceless", dstCoin, uint256.Int{}, uint256.Int{}, false, true, *uint256.NewInt(7)},
		{"beyond all wei", taker, most, most, false, true, *uint256.NewInt(7)},
		{"as many decimals as there are", maker, most, *uint256.NewInt(1), false, true, *uint256.NewInt(7)},
		{"unlisted", stranger, most, uint256.Int{}, false, false, most},
	} {
		wei, priceless, known := c.value(v.token, v.amount)
		if wei != v.wei || priceless != v.priceless || known != v.known || c.dust(v.token) != v.dust {
			t.Errorf("%s: %s %t %t dust %s", v.name, wei.Dec(), priceless, known, ptr(c.dust(v.token)).Dec())
		}
	}
}

func TestPolicyOurs(t *testing.T) {
	c := ChainPolicy{Takers: map[common.Address]TakerPolicy{taker: {Signer: signer, Path: PathResolver}, named("watched"): {}},
		AccessTokenSigner: holder, Helpers: map[common.Address]bool{helper: true, stranger: false}}
	for a, want := range map[common.Address]bool{taker: true, signer: true, holder: true, helper: true, named("watched"): true, stranger: false, {}: false} {
		if c.Ours(a) != want {
			t.Errorf("%s: %t", a, !want)
		}
	}
	if (ChainPolicy{}).Ours(common.Address{}) {
		t.Error("the zero address is nobody's")
	}
}

// What anyone can claim in an event is worth nothing: a deposit that nobody
// looked for, or native coin in a src escrow, which no call could move.
func TestWorth(t *testing.T) {
	w := newWorld(BMNv4, on(srcChain, func(c *ChainPolicy) { c.Tokens[dstCoin] = TokenPolicy{Dust: *uint256.NewInt(5)} }))
	p := w.policy
	src := w.order.Src.Leg
	with := func(change func(*Immutables)) Leg {
		l := src
		change(&l.Immutables)
		return l
	}
	for name, c := range map[string]struct {
		leg  Leg
		want bool
	}{
		"listed token":         {src, true},
		"native coin on src":   {with(func(im *Immutables) { im.Token, im.SafetyDeposit = Word{}, Word{} }), false},
		"native coin, deposit": {with(func(im *Immutables) { im.Token = Word{} }), false},
		"unlisted token, deposit": {with(func(im *Immutables) {
			im.Token, im.SafetyDeposit = wordOf(stranger), Word(slices.Repeat([]byte{255}, 32))
		}), false},
		"as much as the fee":          {with(func(im *Immutables) { im.Amount = word(10) }), false},
		"a unit more than the fee":    {with(func(im *Immutables) { im.Amount = word(11) }), true},
		"a token without a price":     {with(func(im *Immutables) { im.Token, im.Amount = wordOf(dstCoin), word(6) }), true},
		"dust of one without a price": {with(func(im *Immutables) { im.Token, im.Amount = wordOf(dstCoin), word(5) }), false},
		"nothing of it":               {with(func(im *Immutables) { im.Token, im.Amount = wordOf(dstCoin), Word{} }), false},
	} {
		if got := p.Worth(c.leg); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
