package txntest_test

import (
	"slices"
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

var _ txn.Works = (*watchtest.Actions)(nil)

func TestJournal(t *testing.T) {
	txntest.TestJournal(t, func(*testing.T) txntest.Fixture {
		work := watchtest.NewActions(nil)
		j := txntest.NewJournal(work)
		return txntest.Fixture{Journal: j, Works: work,
			Grant:   func(_ *testing.T, lease, owner string) txn.Fence { return j.Grant(lease, owner) },
			Release: func(_ *testing.T, f txn.Fence) { j.Release(f.Lease) },
			Settled: func(_ *testing.T, a txn.Account, nonce uint64) (txn.Entry, bool) {
				for _, e := range j.All(a) {
					if e.Nonce == nonce && e.State != txn.Open {
						return e, true
					}
				}
				return txn.Entry{}, false
			},
			History: func(_ *testing.T, id swap.OrderID) []swap.Work { return work.History(id) },
		}
	})
}

func TestJournalPolices(t *testing.T) {
	work := watchtest.NewActions(nil)
	j := txntest.NewJournal(work)
	a := txntest.Account()
	f := j.Grant("lease", "a")
	w := watchtest.Work(a.ChainID, watchtest.Address())
	if err := work.Save(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	w = work.All()[0]
	e, step := txntest.Entry(a, 0, w)
	if j.Knows(e.Txs[0].Raw) {
		t.Error("knows what was not recorded")
	}
	if err := j.Record(t.Context(), f, e, step); err != nil {
		t.Fatal(err)
	}
	if !j.Knows(e.Txs[0].Raw) {
		t.Error("does not know what was recorded")
	}
	stored := j.All(a)[0]
	for name, call := range map[string]func() error{
		"no transaction":   func() error { e := e; e.Nonce, e.Txs = 1, nil; return j.Record(t.Context(), f, e, step) },
		"new without work": func() error { e := e; e.Nonce = 1; return j.Record(t.Context(), f, e, nil) },
		"other work": func() error {
			e := e
			e.Nonce, e.Acts = 1, []txn.Act{{Order: e.Acts[0].Order, Action: swap.ActionKey{Call: swap.Cancel}}}
			return j.Record(t.Context(), f, e, step)
		},
		"too many": func() error {
			e, steps := txntest.Entry(a, 1, many(a, txn.MaxActs+1)...)
			return j.Record(t.Context(), f, e, steps)
		},
		"one twice": func() error { e, steps := txntest.Entry(a, 1, w, w); return j.Record(t.Context(), f, e, steps) },
		"two takers": func() error {
			e, steps := txntest.Entry(a, 1, w, watchtest.Work(a.ChainID, watchtest.Address()))
			return j.Record(t.Context(), f, e, steps)
		},
		"one work less": func() error {
			e, steps := txntest.Entry(a, 1, many(a, 2)...)
			return j.Record(t.Context(), f, e, steps[:1])
		},
		"acts of others": func() error {
			e := e
			e.Nonce, e.Txs = 1, []txn.Tx{txntest.Tx()}
			e.Txs[0].Acts = []int{1}
			return j.Record(t.Context(), f, e, step)
		},
		"bump moves work": func() error {
			e := stored
			e.Txs = append(slices.Clone(e.Txs), txntest.Tx())
			return j.Record(t.Context(), f, e, step)
		},
		"other acts": func() error {
			e, _ := txntest.Entry(a, 0, many(a, 1)...)
			e.Version, e.Txs = stored.Version, append(slices.Clone(stored.Txs), txntest.Tx())
			return j.Record(t.Context(), f, e, nil)
		},
		"not signed":         func() error { e := e; e.Nonce, e.Txs = 1, []txn.Tx{{}}; return j.Record(t.Context(), f, e, step) },
		"bump drops one":     func() error { e := stored; e.Txs = []txn.Tx{txntest.Tx()}; return j.Record(t.Context(), f, e, nil) },
		"recorded settled":   func() error { e := stored; e.State = txn.Mined; return j.Record(t.Context(), f, e, nil) },
		"settled open":       func() error { return j.Settle(t.Context(), stored, nil) },
		"opened as settled":  func() error { e := stored; e.State = txn.Mined; return j.Reopen(t.Context(), f, e) },
		"opened without why": func() error { return j.Reopen(t.Context(), f, stored) },
		"settled submitted":  func() error { e := stored; e.State = txn.Mined; return j.Settle(t.Context(), e, step) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_ = call()
		})
	}
}

// many makes work of one taker.
func many(a txn.Account, n int) (out []swap.Work) {
	taker := watchtest.Address()
	for range n {
		out = append(out, watchtest.Work(a.ChainID, taker))
	}
	return out
}
