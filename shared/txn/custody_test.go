package txn_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

func (w *world) shared() { w.keys = txn.Keys{w.signer: txn.Shared} }

func TestKeys(t *testing.T) {
	if got := (txn.Keys)(nil).Of(named("any")); got != txn.Exclusive {
		t.Errorf("%s", got)
	}
	if got := (txn.Keys{named("any"): txn.Shared}).Of(named("any")); got != txn.Shared {
		t.Errorf("%s", got)
	}
}

// With a shared key one transaction is in flight, the next follows when it is
// mined.
func TestSharedOneInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.shared()
		w.claims(3)
		w.expect("first", w.sent(), txn.Drained{Sent: 1, Waiting: 2})
		w.expect("in flight", w.sent(), txn.Drained{Waiting: 2})
		w.waits = true
		w.expect("block by block", w.sent(), txn.Drained{Sent: 2})
		w.heal()
		w.expectCodes()
	})
}

// The nonce is read right before it is used, after what waits in the pool.
func TestSharedNonceIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.shared()
		w.claims(1)
		c := w.chains[srcChain]
		w.fault = func(_ int, op string) fault { // the other process sends two meanwhile
			if op == "backend.rehearse" {
				return meanwhile
			}
			return fine
		}
		w.onGoing = func() {
			for n := range uint64(2) {
				if err := c.foreign(n, 9*gwei); err != nil {
					t.Error(err)
				}
			}
		}
		w.expect("drain", w.sent(), txn.Drained{Sent: 1})
		if e := w.entries(); e[0].Nonce != 2 {
			t.Errorf("nonce %d", e[0].Nonce)
		}
		w.fault = nil
		c.mine(2)
		w.heal()
		w.expectCodes()
	})
}

// Somebody else was faster with the nonce: the action is sent again with the
// next one, before that is final, and nobody is alarmed.
func TestSharedForeignAtOurNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.shared()
		w.claims(1)
		c := w.chains[srcChain]
		w.sent()
		if err := c.foreign(0, 90*gwei); err != nil {
			t.Fatal(err)
		}
		w.expect("not replaced while it waits", w.sent(), txn.Drained{})
		for range 20 { // however long
			c.full = true
			c.mine(2)
			w.expect("not replaced while it waits", w.sent(), txn.Drained{})
		}
		c.full = false
		c.mine(2)
		w.syncAll()
		w.expect("again", w.sent(), txn.Drained{Sent: 1})
		if e := w.entries(); len(e) != 2 || e[1].Nonce != 1 || e[0].State != txn.Open {
			t.Errorf("entries %+v", e)
		}
		w.findings = nil // an account that waits for long is told of
		w.heal()
		if o := w.orders[w.ids[0]]; w.ended(o.Src) != swap.Withdrawn {
			t.Error("not claimed")
		}
		for _, f := range w.findings {
			if f.Code != swap.ForeignTx || f.Severity != swap.Info {
				t.Errorf("finding %+v", f)
			}
		}
		if !slices.Contains(w.codes(), swap.ForeignTx) {
			t.Error("no note of it")
		}
	})
}

// With a shared key nothing is ever replaced by nothing.
func TestSharedNoNoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.shared()
		c := w.chains[srcChain]
		w.claims(1)
		o := w.orders[w.ids[0]]
		w.until(130)
		w.sent()
		c.baseFee = 50 * gwei
		c.strange(o.Src.Leg, swap.PublicWithdraw, *o.Secret)
		c.mine(20)
		w.syncAll()
		w.expect("useless, and in front of others: raised as it is", w.sent(), txn.Drained{Bumped: 1})
		w.expectCodes()
		c.baseFee = 2 * gwei
		c.mine(2)
		w.heal()
		for _, e := range w.entries() {
			for _, tx := range e.Txs {
				if isNothing(tx) {
					t.Error("replaced by nothing")
				}
			}
		}
	})
}

// The same with an exclusive key is critical, and names the key and its custody;
// the action is saved all the same.
func TestExclusiveForeignIsCritical(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(1)
		c := w.chains[srcChain]
		w.sent()
		if err := c.foreign(0, 90*gwei); err != nil {
			t.Fatal(err)
		}
		c.mine(2)
		w.expect("again", w.sent(), txn.Drained{Sent: 1})
		w.heal()
		i := slices.IndexFunc(w.findings, func(f swap.Finding) bool { return f.Code == swap.ForeignTx })
		if i < 0 || w.findings[i].Severity != swap.Critical ||
			w.findings[i].Detail != "a nonce of exclusive signer "+w.signer.Hex()+" was used by a transaction that is not in the journal" {
			t.Errorf("findings %+v", w.findings)
		}
		if w.ended(w.orders[w.ids[0]].Src) != swap.Withdrawn {
			t.Error("not claimed")
		}
	})
}
