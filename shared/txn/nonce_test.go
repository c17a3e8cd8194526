package txn_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// A foreign transaction on chain: its nonce is not used again, and a person is
// told. If a reorg undoes it for good, the nonce is filled by the next action.
func TestForeignNonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.chains[srcChain]
		w.poolCap(1)
		w.claims(3)
		w.expect("first", w.sent(), txn.Drained{Sent: 1, Waiting: 2})
		c.mine(2)
		if err := c.foreign(1, 5*gwei); err != nil {
			t.Fatal(err)
		}
		c.mine(2)
		c.full = true
		w.expect("after a foreign one", w.sent(), txn.Drained{Sent: 1, Waiting: 1})
		w.expectCodes(swap.ForeignTx)
		if e := w.entries(); e[1].Nonce != 2 {
			t.Fatalf("nonce %d", e[1].Nonce)
		}
		c.reorg(1, func(tx *simTx) bool { return !tx.foreign })
		w.findings = nil
		w.expect("gap, though the pool is full", w.sent(), txn.Drained{Sent: 1})
		w.expectCodes()
		if e := w.entries(); len(e) != 3 || e[1].Nonce != 1 {
			t.Fatalf("entries %+v", e)
		}
		w.heal()
	})
}

// A gap that no action can fill is filled with nothing at once: what waits
// behind it is not to wait for the next swap.
func TestGapIsFilledWithNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.chains[srcChain]
		w.poolCap(1)
		w.claims(2)
		w.sent()
		c.mine(2)
		if err := c.foreign(1, 5*gwei); err != nil {
			t.Fatal(err)
		}
		c.mine(2)
		c.full = true
		w.expect("after a foreign one", w.sent(), txn.Drained{Sent: 1})
		c.reorg(1, func(tx *simTx) bool { return !tx.foreign })
		c.full = true
		w.expect("gap", w.sent(), txn.Drained{Filled: 1})
		if e := w.entries(); len(e) != 3 || e[1].Nonce != 1 || len(e[1].Acts) != 0 || !isNothing(e[1].Txs[0]) {
			t.Fatalf("entries %+v", e)
		}
		w.expect("filled", w.sent(), txn.Drained{})
		c.mine(16)
		w.expect("raised like any other", w.sent(), txn.Drained{Bumped: 2})
		w.heal()
	})
}

// An account that is read at an older head than the entry behind a foreign
// transaction was signed at shows no gap.
func TestLaggingNodeShowsNoGap(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.poolCap(1)
	w.claims(2)
	w.sent()
	c.mine(2)
	if err := c.foreign(1, 5*gwei); err != nil {
		t.Fatal(err)
	}
	c.mine(2)
	c.full = true
	w.expect("after a foreign one", w.sent(), txn.Drained{Sent: 1})
	if e := w.entries(); e[1].Nonce != 2 {
		t.Fatalf("nonce %d", e[1].Nonce)
	}
	w.poolCap(16)
	w.claims(1)
	w.findings = nil
	for c.head().Number > w.entries()[1].Txs[0].Head.Number+1 {
		c.blocks = c.blocks[:len(c.blocks)-1] // back to the block after
	}
	w.lagOnce(2)
	w.sent()
	w.expectCodes()
	if e := w.entries(); len(e) != 3 || e[2].Nonce != 3 {
		t.Errorf("entries %+v", e)
	}
}

// lagOnce lets the next reading, which is of the account, be so many blocks old.
func (w *world) lagOnce(blocks uint64) {
	w.stale = func() (age uint64) {
		age, blocks = blocks, 0
		return age
	}
}

// The journal knows which nonces were used, also when nothing is in flight.
func TestLaggingNodeWithNothingInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(2)
		w.sent()
		w.heal()
		w.claims(1)
		w.calls = nil
		w.lagOnce(1000)
		w.sent()
		if e := w.entries(); e[len(e)-1].Nonce != 2 || strings.Count(strings.Join(w.calls, " "), "journal.record") != 1 {
			t.Errorf("nonce %d, %v", e[len(e)-1].Nonce, w.calls)
		}
	})
}

func (w *world) poolCap(n int) {
	w.configs[srcChain] = txn.ChainConfig{Regular: true, PoolCap: n, Confirmations: confirmations}
}

// A key that was used before it came under this system's care begins where the
// chain is, and nobody is alarmed.
func TestUsedKey(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	for n := range uint64(3) {
		if err := c.foreign(n, 5*gwei); err != nil {
			t.Fatal(err)
		}
		c.mine(2)
	}
	w.claims(1)
	w.sent()
	w.expectCodes()
	if e := w.entries(); e[0].Nonce != 3 {
		t.Errorf("nonce %d, want 3", e[0].Nonce)
	}
}

// A node that lags tells nonces that are used already: the journal knows better.
func TestLaggingNonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.chains[srcChain]
		w.poolCap(2)
		w.claims(3)
		w.expect("first", w.sent(), txn.Drained{Sent: 2, Waiting: 1})
		c.mine(2)
		w.lagOnce(5)
		w.poolCap(16)
		w.expect("lagging", w.sent(), txn.Drained{Sent: 1})
		w.expectCodes()
		if e := w.entries(); len(e) != 3 || e[2].Nonce != 2 {
			t.Errorf("entries %+v", e)
		}
		w.heal()
	})
}
