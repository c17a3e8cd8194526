package snapshot_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Every transaction that reveals a secret is known as one, of every family, by
// every path, alone or among others; one that reveals none is not withheld.
func TestTransactionsThatRevealAreWithheld(t *testing.T) {
	for _, family := range swap.Families() {
		o, secret := watchtest.Order(watchtest.Chain(), watchtest.Chain())
		leg := o.Dsts[0].Leg
		leg.Family = family
		leg.Immutables.Parameters = make([]byte, 128)
		if family == swap.OneInchV1 {
			leg.Immutables.Parameters = nil
		}
		for _, c := range []struct {
			call    swap.Call
			reveals bool
		}{{swap.Withdraw, true}, {swap.Cancel, false}, {swap.RescueFunds, false}} {
			plain, err := swap.EncodeCall(leg, c.call, swap.CallArgs{Secret: secret})
			if err != nil {
				t.Fatal(err)
			}
			other, err := swap.EncodeCall(leg, swap.Cancel, swap.CallArgs{})
			if err != nil {
				t.Fatal(err)
			}
			for path, data := range map[string][]byte{
				"plain": plain, "wrapped": swap.EncodeArbitraryCalls([]common.Address{leg.Escrow}, [][]byte{plain}),
				"among others": swap.EncodeArbitraryCalls([]common.Address{leg.Escrow, leg.Escrow, leg.Escrow}, [][]byte{other, plain, other}),
			} {
				raw, err := types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(10), Nonce: 8, To: &leg.Escrow, Gas: 90_000, Data: data,
					GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1), V: new(big.Int), R: big.NewInt(1), S: big.NewInt(1)}).MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				r := newRig(t, 2)
				e, _ := txntest.Entry(r.sample.Account, 8, r.sample.Works[1])
				e.Version, e.Txs[0].Raw = 1, raw
				r.state.Replace(snapshot.Record{Entry: &e})
				r.state.Replace(snapshot.Record{Account: &snapshot.Account{Account: r.sample.Account, Next: 9}})
				want := 0
				if c.reveals {
					want = 1
				}
				if got := r.take(t, epoch); got.Counts.Withheld != want {
					t.Errorf("%s of %s, %s: %d withheld, want %d", c.call, family, path, got.Counts.Withheld, want)
				}
			}
		}
	}
}
