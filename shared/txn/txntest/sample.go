package txntest

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// Account returns an account that no other test uses, so that tests may share
// one store.
func Account() txn.Account {
	return txn.Account{ChainID: watchtest.Chain(), Signer: watchtest.Address()}
}

// Tx returns something that looks like a signed transaction of typical size.
func Tx() txn.Tx {
	raw := make([]byte, 700)
	_, _ = rand.Read(raw) // never fails
	return txn.Tx{Hash: watchtest.Word(), Raw: raw, Gas: 90_000, FeeCap: *uint256.NewInt(2_000_000_000), TipCap: *uint256.NewInt(1_000_000),
		SignedAt: time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC), Head: swap.Block{Number: 77, Time: 1_750_000_000, Hash: watchtest.Word()}}
}

// Entry returns a new entry for the works, and their steps to submitted.
func Entry(a txn.Account, nonce uint64, works ...swap.Work) (txn.Entry, []swap.Work) {
	e := txn.Entry{Account: a, Nonce: nonce, State: txn.Open, Txs: []txn.Tx{Tx()}}
	steps := slices.Clone(works)
	for i := range steps {
		steps[i].State = swap.WorkSubmitted
		e.Acts = append(e.Acts, txn.Act{Order: steps[i].Order, Action: steps[i].Key()})
	}
	return e, steps
}
