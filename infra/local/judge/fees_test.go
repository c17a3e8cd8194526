package judge

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

var (
	escrow, maker, taker = common.Address{1}, common.Address{2}, common.Address{3}
	signer, stranger     = common.Address{4}, common.Address{5}
	impl, resolver       = common.Address{6}, common.Address{7}
)

func pays(to common.Address, wei int64) call {
	return call{From: escrow, To: to, Type: "CALL", Value: (*hexutil.Big)(big.NewInt(wei))}
}

// ends is the trace of a transaction that ended the escrow, and what it paid.
func ends(by common.Address, payments ...call) call {
	return call{From: by, To: escrow, Type: "CALL", Calls: []call{{From: escrow, To: impl, Type: "DELEGATECALL", Calls: payments}}}
}

// A deposit is due to the taker, or to a key of ours that called for him.
func TestDeposit(t *testing.T) {
	word := func(n int64) common.Hash { return common.BigToHash(big.NewInt(n)) }
	native := Leg{Escrow: contracts.Escrow{Family: contracts.OneInchV1, Side: contracts.Dst, Address: escrow, Immutables: contracts.Immutables{
		Maker: contracts.AddressWord(maker), Taker: contracts.AddressWord(taker), Amount: word(1000), SafetyDeposit: word(16)}}}
	token := native
	token.Immutables.Token = contracts.AddressWord(common.Address{9})
	undone := pays(taker, 16)
	undone.Error = "execution reverted"
	for _, c := range []struct {
		name  string
		leg   Leg
		trace call
		want  string
	}{
		{"to the taker", token, ends(taker, pays(taker, 16)), ""},
		{"to the taker's contract, in a batch", token, call{From: signer, To: taker, Type: "CALL", Calls: []call{ends(taker, pays(taker, 16))}}, ""},
		{"to a key of ours that may call for all", token, ends(signer, pays(signer, 16)), ""},
		{"to a stranger's contract", token, call{From: signer, To: stranger, Type: "CALL", Calls: []call{ends(stranger, pays(stranger, 16))}}, "went to " + stranger.Hex()},
		{"to the maker", token, ends(taker, pays(maker, 16)), "went to " + maker.Hex()},
		{"to nobody", token, ends(taker), "only 0 came to us"},
		{"by a payment that was undone", token, ends(taker, undone), "only 0 came to us"},
		{"in part", token, ends(taker, pays(taker, 15)), "only 15 came to us"},
		{"coin withdrawn: the amount to the maker", native, ends(taker, pays(maker, 1000), pays(taker, 16)), ""},
		{"coin withdrawn: the deposit to the maker too", native, ends(taker, pays(maker, 1016)), "went to " + maker.Hex()},
		{"coin taken back", native, ends(taker, pays(taker, 1000), pays(taker, 16)), ""},
		{"coin taken back, the deposit not", native, ends(taker, pays(taker, 1000)), "only 0 came to us"},
		{"coin taken back by a stranger's call", native, ends(stranger, pays(taker, 1000), pays(stranger, 16)), "went to " + stranger.Hex()},
	} {
		got := c.leg.misled(c.trace, big.NewInt(16), func(a common.Address) bool { return a == taker || a == signer })
		if got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// What a transaction may cost follows from how many calls it was sent for.
func TestOverpaid(t *testing.T) {
	one := ends(taker, pays(taker, 16))
	failed := call{From: resolver, To: escrow, Type: "CALL", Error: "execution reverted"}
	batch := call{From: signer, To: resolver, Type: "CALL", Calls: []call{one, one, failed}}
	filler := call{From: signer, To: signer, Type: "CALL"}
	for _, c := range []struct {
		name  string
		trace call
		calls int
	}{{"one of a key", one, 1}, {"three by a resolver contract", batch, 3}, {"none, to fill a nonce", filler, 1}} {
		if got := calls(c.trace); got != c.calls {
			t.Errorf("%s: %d calls, want %d", c.name, got, c.calls)
		}
		l := NewLedger(nil, nil)
		paid := func(wei int64) int {
			trace := c.trace
			l.chains[1] = []*Block{{Chain: 1}}
			l.chains[1][0].Ours = []*Tx{{Hash: common.Hash{1}, Block: l.chains[1][0], Gas: uint64(wei), Price: big.NewInt(1), trace: &trace}}
			out, err := l.Overpaid(t.Context(), big.NewInt(100))
			if err != nil {
				t.Fatal(err)
			}
			return len(out)
		}
		if limit := int64(100 * c.calls); paid(limit) != 0 || paid(limit+1) != 1 {
			t.Errorf("%s: at the cap %d, above it %d, want none and one", c.name, paid(limit), paid(limit+1))
		}
	}
}
