package txn_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// What a node says of pending transactions moves no nonce of an exclusive key.
func TestLieAboutPending(t *testing.T) {
	w := newWorld(t, 1)
	w.claims(2)
	w.chains[srcChain].pretends = 7
	w.expect("drain", w.sent(), txn.Drained{Sent: 2})
	if got := w.pool(); !slices.Equal(got, []uint64{0, 1}) {
		t.Errorf("pool %v", got)
	}
}

// With a shared key it has to be believed, within what nodes can hold: beyond
// that nothing is sent that would wait behind a gap for ever.
func TestLieAboutPendingOfASharedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.shared()
		w.claims(1)
		w.chains[srcChain].pretends = 65
		w.expect("lie", w.sent(), txn.Drained{Waiting: 1})
		if f := w.findings; len(f) != 1 || f[0].Code != swap.AccountStuck || !strings.Contains(f[0].Detail, "nonce 0 is next") {
			t.Errorf("findings %+v", f)
		}
		w.chains[srcChain].pretends = 0
		w.expect("truth", w.sent(), txn.Drained{Sent: 1})
		w.heal()
	})
}

// A node that takes transactions and forgets them, or says of each that it has
// it already: they are sent again, then raised, and a person is told. When it is
// well again nothing has been lost.
func TestAcceptsAndForgets(t *testing.T) {
	for name, spoil := range map[string]func(*simChain, bool){
		"forgets":       func(c *simChain, bad bool) { c.forgets = bad },
		"already known": func(c *simChain, bad bool) { c.knows = bad },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				c := w.chains[srcChain]
				w.locks.Offsets[swap.SrcPublicWithdrawal], w.locks.Offsets[swap.SrcCancellation] = 5000, 9000
				w.claims(2)
				spoil(c, true)
				w.expect("taken", w.sent(), txn.Drained{Sent: 2})
				w.expect("unknown", w.sent(), txn.Drained{Resent: 2})
				for range 3 {
					c.mine(15)
					w.sent()
				}
				for _, e := range w.entries() {
					if len(e.Txs) < 2 {
						t.Errorf("nonce %d was not raised", e.Nonce)
					}
				}
				w.expectCodes()
				for range 12 {
					c.mine(15)
					w.sent()
				}
				i := slices.IndexFunc(w.findings, func(f swap.Finding) bool { return f.Code == swap.AccountStuck })
				if i < 0 || w.findings[i].Severity != swap.Critical || !strings.Contains(w.findings[i].Detail, "nonce 0 blocks") {
					t.Errorf("findings %+v", w.findings)
				}
				spoil(c, false)
				w.syncAll()
				w.sent()
				c.mine(2)
				if w.ended(w.orders[w.ids[0]].Src) != swap.Withdrawn || w.ended(w.orders[w.ids[1]].Src) != swap.Withdrawn {
					t.Error("not claimed")
				}
				w.heal()
			})
		})
	}
}

// An account whose transactions wait for their price is not stuck.
func TestWaitingForItsPriceIsNotStuck(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.patient(1)
	c.baseFee = 90 * gwei
	for range 30 {
		c.mine(15)
		w.sent()
	}
	w.expectCodes()
}

// A receipt of another chain or of another order of things proves nothing: it
// has to be of a nonce that is used and a block that is final, and to hold the
// event of the escrow itself on its chain.
func TestReceiptOfAnotherChain(t *testing.T) {
	r := newTracked(t)
	e, w := r.entry(watchtest.Address(), 0, 95)
	r.mined(e.Txs[0].Hash, 90, true)
	o := r.outcomes[e.Txs[0].Hash]
	o.Events[0].ChainID++
	r.outcomes[e.Txs[0].Hash] = o
	if _, err := r.track(); err != nil || r.settled(0) != txn.Open {
		t.Errorf("settled by a receipt of an unused nonce: %v, %s", err, r.settled(0))
	}
	r.state.Latest = 1
	if res, err := r.track(); err != nil || res.Confirmed != 0 || r.work(w.Key()).State != swap.WorkRefused {
		t.Errorf("%+v, %v, %+v", res, err, r.work(w.Key()))
	}
}

// Of two entries that hold one action the later decides, unless the first did it.
func TestSentTwice(t *testing.T) {
	setup := func(t *testing.T) (*tracked, []common.Hash, swap.Work) {
		r := newTracked(t)
		e, w := r.entry(watchtest.Address(), 0, 80)
		again, step := e, r.work(w.Key())
		again.Nonce, again.Version = 1, 0
		again.Txs = []txn.Tx{e.Txs[0]}
		again.Txs[0].Hash[0]++
		if err := r.journal.Record(r.Context(), r.fence, again, []swap.Work{step}); err != nil {
			t.Fatal(err)
		}
		return r, []common.Hash{e.Txs[0].Hash, again.Txs[0].Hash}, w
	}
	t.Run("foreign, then still waiting", func(t *testing.T) {
		r, _, w := setup(t)
		r.state.Latest, r.state.Settled = 1, 1
		if res, err := r.track(); err != nil || res.Foreign != 1 || res.Reopened != 0 || r.work(w.Key()).State != swap.WorkSubmitted {
			t.Errorf("%+v, %v, %s", res, err, r.work(w.Key()).State)
		}
	})
	t.Run("foreign, then done", func(t *testing.T) {
		r, h, w := setup(t)
		r.mined(h[1], 90, true)
		r.state.Latest, r.state.Settled = 2, 2
		if res, err := r.track(); err != nil || res.Foreign != 1 || res.Confirmed != 1 || len(r.works.History(w.Order)) != 1 {
			t.Errorf("%+v, %v", res, err)
		}
	})
	t.Run("done after all, then reverted", func(t *testing.T) {
		r, h, w := setup(t)
		r.mined(h[0], 88, true)
		r.mined(h[1], 90, false)
		r.state.Latest = 2
		for range 2 {
			if _, err := r.track(); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.findings) != 0 || r.settled(1) != txn.Mined || len(r.works.History(w.Order)) != 1 {
			t.Errorf("%+v, %s", r.findings, r.settled(1))
		}
	})
}

// More is due before one deadline than can be sent: what can still be saved goes
// first, and what cannot is told at once, with what is lost and when.
func TestDeadlinesThatCannotBeMet(t *testing.T) {
	w := newWorld(t, 1)
	w.poolCap(1)
	w.claims(8)
	w.until(590) // the hard deadline is at 600, blocks every two seconds
	w.syncAll()
	w.sent()
	lost := map[swap.OrderID]bool{}
	for _, f := range w.findings {
		if f.Code != swap.DeadlineLost || f.Severity != swap.Critical || f.Deadline != simStart.Add(600) || f.AtRisk.IsZero() {
			t.Errorf("finding %+v", f)
		}
		lost[f.Order] = true
	}
	if len(lost) != 4 { // blocks at 592, 594, 596 and 598
		t.Errorf("%d are lost", len(lost))
	}
	if first := w.entries()[0].Acts[0].Order; lost[first] {
		t.Error("what is lost went first")
	}
}

// deceived has claims sent far behind the chain's nonce, because a node once told
// so.
func deceived(t *testing.T, custody txn.Custody, n, room int) *world {
	w := newWorld(t, 1)
	w.keys = txn.Keys{w.signer: custody}
	c := w.chains[srcChain]
	w.poolCap(room)
	w.claims(n)
	c.tip = 5 * gwei
	c.head().state.nonces[w.signer] = 1000
	c.lied = 1000
	w.expect("deceived", w.sent(), txn.Drained{Sent: room, Waiting: n - room})
	c.head().state.nonces[w.signer] = 0
	c.tip = gwei
	return w
}

// A node that once told a nonce far too high costs no gas for all those below,
// and no action: it is done at the chain's own nonce, all of the window in one
// block. What cannot be mined is not raised any more, and is told of: as critical
// until its actions are done.
func TestLieAboutTheNextNonce(t *testing.T) {
	for _, custody := range []txn.Custody{txn.Exclusive, txn.Contract} {
		t.Run(string(custody), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := deceived(t, custody, 5, 3)
				c := w.chains[srcChain]
				w.expect("same block: it may be this reading that is wrong", w.sent(), txn.Drained{Waiting: 2})
				clear(c.pool) // nodes keep what is so far off for a while at most
				c.mine(2)
				w.findings = nil
				w.expect("afterwards", w.sent(), txn.Drained{Sent: 3, Waiting: 2})
				w.expect("what cannot be mined lifts nothing", w.sent(), txn.Drained{Waiting: 2})
				if got := w.pool(); !slices.Equal(got, []uint64{0, 1, 2}) {
					t.Errorf("pool %v", got)
				}
				for range 100 {
					w.around()
				}
				for _, id := range w.ids {
					if w.ended(w.orders[id].Src) != swap.Withdrawn {
						t.Error("not claimed")
					}
				}
				var open []uint64
				for _, e := range w.entries() {
					if e.State != txn.Open {
						continue
					}
					if open = append(open, e.Nonce); len(e.Txs) != 1 {
						t.Errorf("nonce %d was raised", e.Nonce)
					}
				}
				if !slices.Equal(open, []uint64{1000, 1001, 1002}) {
					t.Errorf("open %v", open)
				}
				for _, f := range w.findings {
					if f.Code != swap.AccountStuck || f.Severity < swap.Warning || f.Detail != w.findings[0].Detail || !strings.Contains(f.Detail, "nonce 1000") {
						t.Errorf("finding %+v", f)
					}
				}
				if n := len(w.findings); n < 100 || w.findings[0].Severity != swap.Critical || w.findings[n-1].Severity != swap.Warning {
					t.Errorf("findings %+v", w.findings)
				}

				// When the account comes so far, they are in nobody's way.
				w.until(250) // both chains
				w.claims(1)
				c.head().state.nonces[w.signer] = 998
				w.expect("come near", w.sent(), txn.Drained{Sent: 1, Filled: 1, Bumped: 3})
				w.findings = nil
				w.heal()
				w.expectCodes()
			})
		})
	}
}

// A transaction that cannot be mined is forbidden like any other: somebody may
// keep it until its nonce comes.
func TestForbiddenBehindALie(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	o := w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, false)
	w.until(650)
	w.syncAll()
	w.sweep()
	c.head().state.nonces[w.signer], c.lied = 1000, 1000
	w.expect("cancel", w.sent(), txn.Drained{Sent: 1})
	c.head().state.nonces[w.signer] = 0
	c.mine(2)
	w.paidBefore(o)
	w.syncAll()
	w.sent()
	if e := w.entries(); len(e) != 1 || len(e[0].Txs) != 2 || !isNothing(e[0].Txs[1]) {
		t.Errorf("entries %+v", e)
	}
}
