package txntest

import (
	"crypto/rand"
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

// Entry returns a new entry for the work, and the work's step to submitted.
func Entry(a txn.Account, nonce uint64, w swap.Work) (txn.Entry, *swap.Work) {
	w.State = swap.WorkSubmitted
	return txn.Entry{Account: a, Nonce: nonce, Order: w.Order, Action: w.Key(), State: txn.Open, Txs: []txn.Tx{Tx()}}, &w
}
