package txn_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
)

// undo replaces the last blocks of a chain, however final they were. State-sync
// notices it when it reads the chain again: a final block has another hash then,
// and what was learned from such blocks is forgotten.
func (w *world) undo(chain uint64, blocks int, keep func(*simTx) bool) {
	c := w.chains[chain]
	fork := c.at(uint64(blocks)).Number
	w.note("%d of the blocks of chain %d are replaced", blocks, chain)
	c.reorg(blocks, keep)
	if at, ok := w.forks[chain]; !ok || fork < at {
		w.forks[chain] = fork
	}
}

// rewind has the orders forget what they learned from blocks that were replaced;
// the swaps themselves stay.
func (w *world) rewind(chain uint64) {
	fork, ok := w.forks[chain]
	if !ok {
		return
	}
	delete(w.forks, chain)
	for _, id := range w.ids {
		o := w.orders[id]
		o.Rewind(chain, fork)
		o.Src.Final = true
		for i := range o.Dsts {
			o.Dsts[i].Final = true
		}
	}
}

// final claims the swaps and lets that become final.
func (w *world) final(t *testing.T, n int) {
	t.Helper()
	w.claims(n)
	w.sent()
	for range confirmations + 2 {
		w.around()
	}
	if open, _, err := w.journal.Entries(t.Context(), w.account(srcChain)); err != nil || len(open) > 0 || len(w.entries()) != n {
		t.Fatalf("%d open entries of %d, %v", len(open), len(w.entries()), err)
	}
	w.findings = nil
}

func nothingKept(*simTx) bool    { return false }
func everythingKept(*simTx) bool { return true }

// A reorg deeper than what counts as final takes back what was settled. The same
// bytes are sent again, a person is told, and it is settled again, whatever else
// the account is to do.
func TestFinalTransactionLeavesTheChain(t *testing.T) {
	for name, c := range map[string]struct {
		custody txn.Custody
		claims  int
		cap     int
		keep    func(*simTx) bool
		more    int  // claims that become due only then
		blind   bool // state-sync has not noticed: orders show the action as done
		resent  int
	}{
		"dropped":                      {txn.Exclusive, 1, 16, nothingKept, 0, false, 1},
		"dropped, several":             {txn.Exclusive, 5, 16, nothingKept, 0, false, 5},
		"dropped, more than wait":      {txn.Exclusive, 5, 2, nothingKept, 0, false, 2},
		"dropped, and others are due":  {txn.Contract, 2, 16, nothingKept, 3, false, 2},
		"in the pool again":            {txn.Exclusive, 3, 16, everythingKept, 0, false, 0},
		"dropped, not noticed yet":     {txn.Exclusive, 2, 16, nothingKept, 1, true, 2},
		"of a shared key":              {txn.Shared, 1, 16, nothingKept, 0, false, 1},
		"of a shared key, several due": {txn.Shared, 3, 16, nothingKept, 2, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.keys = txn.Keys{w.signer: c.custody}
				w.poolCap(c.cap)
				w.claims(c.claims)
				for range 5 + c.claims*3 {
					w.around()
				}
				w.findings = nil
				before := w.entries()
				for _, e := range before {
					if e.State != txn.Mined || e.SettledAt == (swap.Block{}) {
						t.Fatalf("entry %+v", e)
					}
				}
				claimed := w.minedAt(before)
				w.claims(c.more)
				w.chains[srcChain].full = true
				w.undo(srcChain, w.depthOf(claimed), c.keep)
				if !c.blind {
					w.syncAll()
					w.sweep()
				}
				res := w.sent()
				if res.Resent != c.resent || res.Bumped+res.Filled+res.Refused != 0 {
					t.Errorf("%+v, want %d sent again", res, c.resent)
				}
				for _, e := range w.entries() {
					i := slices.IndexFunc(before, func(b txn.Entry) bool { return b.Nonce == e.Nonce })
					if i >= 0 && (len(e.Txs) != len(before[i].Txs) || e.Txs[0].Hash != before[i].Txs[0].Hash) {
						t.Errorf("nonce %d has other transactions", e.Nonce)
					}
				}
				told := w.findings
				if len(told) == 0 {
					t.Error("nobody is told")
				}
				for _, f := range told {
					if f.Code != swap.TxUndone || f.Severity != swap.Critical || f.Escrow != w.orders[f.Order].Src.Escrow ||
						f.Call != swap.Withdraw || !c.blind && f.Deadline != w.orders[f.Order].Src.At(swap.SrcCancellation) || !strings.Contains(f.Detail, "final") {
						t.Errorf("finding %+v", f)
					}
				}
				w.chains[srcChain].full = false
				w.heal()
				for _, id := range w.ids {
					if w.ended(w.orders[id].Src) != swap.Withdrawn {
						t.Error("not claimed")
					}
				}
				for _, e := range w.entries() {
					if e.State != txn.Mined {
						t.Errorf("nonce %d is %s in the end", e.Nonce, e.State)
					}
				}
			})
		})
	}
}

// minedAt lists the blocks in which the transactions of entries were mined.
func (w *world) minedAt(entries []txn.Entry) (blocks []uint64) {
	for _, e := range entries {
		for _, tx := range e.Txs {
			if o, ok := w.chains[srcChain].head().state.mined[tx.Hash]; ok {
				blocks = append(blocks, o.Block.Number)
			}
		}
	}
	return blocks
}

// depthOf is how deep a reorg of src has to be to undo all those blocks.
func (w *world) depthOf(blocks []uint64) int {
	return int(w.chains[srcChain].head().Number - slices.Min(blocks) + 1)
}

// A node that lags, or whose receipts say that all is well, is no reorg. What was
// done is not sent again on such a reading, and new work takes no used nonce.
func TestLagIsNoReorg(t *testing.T) {
	constant := func(w *world, head uint64) {
		w.stale = func() uint64 { return w.chains[srcChain].head().Number - head }
	}
	intact := func(w *world, what string, want txn.Drained, next uint64) {
		w.Helper()
		w.expect(what, w.sent(), want)
		w.expectCodes()
		e := w.entries()
		if e[0].State != txn.Mined || e[1].State != txn.Mined || want.Sent > 0 && e[len(e)-1].Nonce != next {
			w.Errorf("%s: entries %+v", what, e)
		}
	}
	t.Run("lags", func(t *testing.T) {
		w := newWorld(t, 1)
		w.final(t, 2)
		constant(w, w.entries()[0].SettledAt.Number-1-confirmations)
		intact(w, "before they were mined", txn.Drained{}, 0)
	})
	t.Run("lags, and one is due", func(t *testing.T) {
		w := newWorld(t, 1)
		w.final(t, 2)
		w.claims(1)
		w.lagOnce(1000)
		intact(w, "reading", txn.Drained{Sent: 1}, 2)
	})
	t.Run("lags, and all is gone", func(t *testing.T) {
		w := newWorld(t, 1)
		w.final(t, 2)
		settled := w.entries()[0].SettledAt.Number
		w.undo(srcChain, w.depthOf(w.minedAt(w.entries())), nothingKept)
		w.syncAll()
		w.sweep()
		constant(w, settled-1)
		intact(w, "old reading", txn.Drained{}, 0)
		constant(w, settled)
		w.expect("new reading", w.sent(), txn.Drained{Reopened: 2, Resent: 2})
	})
	for custody, want := range map[txn.Custody]txn.Drained{txn.Exclusive: {Sent: 1}, txn.Shared: {Waiting: 1}} {
		t.Run("contradicts itself, key "+string(custody), func(t *testing.T) {
			w := newWorld(t, 1)
			w.keys = txn.Keys{w.signer: custody}
			w.final(t, 2)
			w.claims(1)
			w.chains[srcChain].head().state.nonces[w.signer] = 0
			intact(w, "reading", want, 2)
		})
	}
	t.Run("settled by a former release", func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(2)
		w.sent()
		signed := w.entries()[0].Txs[0].Head.Number
		w.chains[srcChain].mine(2)
		for _, e := range w.entries() {
			e.State = txn.Mined
			if err := w.journal.Settle(t.Context(), e, nil); err != nil {
				t.Fatal(err)
			}
		}
		w.undo(srcChain, 1, nothingKept)
		constant(w, signed-1)
		intact(w, "before they were signed", txn.Drained{}, 0)
		constant(w, signed+1)
		w.expect("afterwards", w.sent(), txn.Drained{Reopened: 2, Resent: 2})
	})
}

// What left the chain is never taken for useless because the plan still sees it
// done: it is raised as it is.
func TestUndoneIsRaisedAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.final(t, 2)
		c := w.chains[srcChain]
		c.full = true
		w.undo(srcChain, w.depthOf(w.minedAt(w.entries())), nothingKept)
		w.expect("at once", w.sent(), txn.Drained{Reopened: 2, Resent: 2})
		c.mine(20)
		w.expect("late", w.sent(), txn.Drained{Bumped: 2})
		for _, e := range w.entries() {
			if len(e.Txs) != 2 || isNothing(e.Txs[1]) {
				t.Errorf("nonce %d: %+v", e.Nonce, e.Txs)
			}
		}
		c.full = false
		w.heal()
	})
}

// A node that lies about very many settled nonces costs a bounded reading, and
// none of them is used again.
func TestManyUndone(t *testing.T) {
	w := newWorld(t, 1)
	f := w.journal.Grant("lease", "run")
	for n := range uint64(70) {
		e, _ := txntest.Entry(w.account(srcChain), n)
		e.Txs[0].Head = swap.Block{Number: 1 << 40, Time: simStart.Add(1 << 20)} // ahead of the node
		if n == 69 {
			e.Txs[0].Head.Number = 1
		}
		if err := w.journal.Record(t.Context(), f, e, nil); err != nil {
			t.Fatal(err)
		}
		if n == 69 {
			w.chains[srcChain].pool[e.Txs[0].Hash] = &simTx{from: w.signer, nonce: n}
			continue
		}
		e.Version, e.State = 1, txn.Mined
		if err := w.journal.Settle(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.claims(1)
	w.chains[srcChain].knows = true // it takes nothing, so that the world sees no gap
	_, err, _ := w.drain(t.Context(), srcChain)
	if err != nil || w.entries()[len(w.entries())-1].Nonce != 70 {
		t.Errorf("%v, %+v", err, w.entries()[len(w.entries())-1])
	}
}

// Nothing more is read for an account of which nothing was undone.
func TestLookingForUndoneCostsNothing(t *testing.T) {
	w := newWorld(t, 1)
	w.final(t, 2)
	w.calls = nil
	w.claims(2)
	w.sent()
	w.chains[srcChain].mine(2)
	w.sent()
	if slices.Contains(w.calls, "journal.done") {
		t.Errorf("calls %v", w.calls)
	}
}

// What the plan forbids by now is not sent again although it was final once: a
// src cancellation, undone together with the block that hid that the maker was
// paid.
func TestUndoneAndForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		o := w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, false)
		w.until(650)
		w.syncAll()
		w.sweep()
		w.expect("cancel", w.sent(), txn.Drained{Sent: 1})
		for range confirmations + 1 {
			w.chains[srcChain].mine(2)
		}
		w.syncAll()
		if _, err, _ := w.track(t.Context(), srcChain); err != nil || w.entries()[0].State != txn.Mined {
			t.Fatalf("%v, %+v", err, w.entries())
		}
		w.paidBefore(o)
		w.undo(srcChain, w.depthOf(w.minedAt(w.entries())), nothingKept)
		w.syncAll()
		w.sweep()
		if res := w.sent(); res.Reopened != 1 || res.Bumped != 1 || res.Resent != 0 {
			t.Errorf("%+v", res)
		}
		if txs := w.entries()[0].Txs; len(txs) != 2 || !isNothing(txs[1]) {
			t.Errorf("%d transactions", len(txs))
		}
		for range confirmations + 3 {
			w.around()
		}
		if e := w.entries(); e[0].State != txn.Mined || w.ended(o.Src) != 0 {
			t.Errorf("%s, src is %v", e[0].State, w.ended(o.Src))
		}
	})
}
