package balance

import (
	"maps"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

func TestOwed(t *testing.T) {
	const here, there = 10, 20
	addr := func(b byte) common.Address { return common.Address{b} }
	one, two, token := addr(1), addr(2), addr(3) // signers
	takerOne, takerTwo, watched, stranger := addr(11), addr(12), addr(13), addr(14)
	c := Config{AccessTokenSigner: token, Takers: map[common.Address]Taker{takerOne: {Signer: one}, takerTwo: {Signer: two}, watched: {}}}
	order := func(chain uint64, b byte) swap.OrderID { return swap.OrderID{ChainID: chain, Escrow: addr(b)} }
	src := func(chain uint64, b byte, taker common.Address, dst uint64) Leg {
		return Leg{Order: order(chain, b), Escrow: addr(b), Side: swap.Src, Taker: taker, DstChain: dst}
	}
	dst := func(o swap.OrderID, b byte, taker common.Address) Leg {
		return Leg{Order: o, Escrow: addr(b), Side: swap.Dst, Taker: taker}
	}
	work := func(b byte, call swap.Call, signer common.Address, state swap.WorkState) swap.Work {
		return swap.Work{Action: swap.Action{ChainID: here, Escrow: addr(b), Call: call, Signer: signer}, State: state}
	}
	for _, k := range []struct {
		name  string
		legs  map[uint64][]Leg
		works []swap.Work
		want  map[common.Address]int
	}{
		{"nothing", nil, nil, map[common.Address]int{}},
		{"a leg without work is one action", map[uint64][]Leg{here: {src(here, 30, takerOne, there)}}, nil, map[common.Address]int{one: 1}},
		{"a leg with work is that work", map[uint64][]Leg{here: {src(here, 30, takerOne, there)}},
			[]swap.Work{work(30, swap.Withdraw, one, swap.WorkSubmitted)}, map[common.Address]int{one: 1}},
		{"each work counts", map[uint64][]Leg{here: {src(here, 30, takerOne, there)}},
			[]swap.Work{work(30, swap.Cancel, one, swap.WorkPlanned), work(30, swap.RescueFunds, one, swap.WorkRefused)}, map[common.Address]int{one: 2}},
		{"work that ended does not", map[uint64][]Leg{here: {src(here, 30, takerOne, there)}},
			[]swap.Work{work(30, swap.Cancel, one, swap.WorkConfirmed)}, map[common.Address]int{one: 1}},
		{"work without a leg counts", nil, []swap.Work{work(31, swap.Cancel, two, swap.WorkPlanned)}, map[common.Address]int{two: 1}},
		{"nobody signs for nobody's work", nil, []swap.Work{work(31, swap.Cancel, common.Address{}, swap.WorkPlanned)}, map[common.Address]int{}},
		{"a dst leg still to come", map[uint64][]Leg{there: {src(there, 40, takerTwo, here)}}, nil, map[common.Address]int{two: 1}},
		{"a dst leg that is there", map[uint64][]Leg{there: {src(there, 40, takerTwo, here)}, here: {dst(order(there, 40), 41, takerTwo)}}, nil, map[common.Address]int{two: 1}},
		{"an escrow of two orders is one", map[uint64][]Leg{here: {dst(order(there, 40), 41, takerTwo), dst(order(there, 42), 41, takerTwo)}}, nil, map[common.Address]int{two: 1}},
		{"both legs on one chain", map[uint64][]Leg{here: {src(here, 30, takerOne, here)}}, nil, map[common.Address]int{one: 2}},
		{"a row of a former release may be anybody's", map[uint64][]Leg{here: {src(here, 30, common.Address{}, 0)}}, nil, map[common.Address]int{one: 1, two: 1, token: 1}},
		{"a taker without a key is served by the access token", map[uint64][]Leg{here: {src(here, 30, watched, there)}}, nil, map[common.Address]int{token: 1}},
		{"a taker that is not ours is nobody's duty", map[uint64][]Leg{here: {src(here, 30, stranger, there)}}, nil, map[common.Address]int{}},
	} {
		if got := Owed(here, c, k.legs, k.works); !maps.Equal(got, k.want) {
			t.Errorf("%s: %v, want %v", k.name, got, k.want)
		}
	}
}

// What was not read is no point of a series.
func TestSeries(t *testing.T) {
	h := Holding{Account: common.Address{1}}
	snap := func(amount uint64, failed string) Snapshot {
		return Snapshot{Holdings: []Held{{Account: h.Account, Amount: n(amount), Failed: failed}}}
	}
	points := Series([]Snapshot{snap(10, ""), snap(0, "reverted"), {}, snap(4, "")}, h)
	if len(points) != 2 || points[0].Amount != n(10) || points[1].Amount != n(4) {
		t.Errorf("%v", points)
	}
}
