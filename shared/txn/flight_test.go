package txn_test

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

func isNothing(t txn.Tx) bool {
	var tx types.Transaction
	return tx.UnmarshalBinary(t.Raw) == nil && len(tx.Data()) == 0 && tx.Gas() == 100_000 && tx.Value().Sign() == 0
}

// A crash after the journal write leaves bytes that the next holder sends as
// they are.
func TestSameBytesAreSentAgain(t *testing.T) {
	w := newWorld(t, 1)
	w.claims(1)
	w.fault = func(_ int, op string) fault {
		if op == "backend.send" {
			return killFirst
		}
		return fine
	}
	if _, _, alive := w.drain(t.Context(), srcChain); alive {
		t.Fatal("not killed")
	}
	w.fault = nil
	if len(w.pool()) != 0 {
		t.Fatal("sent")
	}
	w.expect("next holder", w.sent(), txn.Drained{Resent: 1})
	if e := w.entries(); len(e) != 1 || len(e[0].Txs) != 1 || len(w.pool()) != 1 {
		t.Errorf("entries %v, pool %v", e, w.pool())
	}
	w.expect("known", w.sent(), txn.Drained{})
}

// Bytes that no pool knows are first sent again as they are; what waits too
// long costs a tenth more, and never more than its cap.
func TestBump(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.locks.Offsets[swap.SrcPublicWithdrawal], w.locks.Offsets[swap.SrcCancellation] = 5000, 9000 // there is much time
	w.policy.Chains[srcChain].FeeCap[swap.Withdraw] = *uint256.NewInt(200_000 * 20 * gwei)        // from 5 gwei: 14 raises
	w.claims(1)
	c.full = true
	w.sent()
	at := c.head().Time
	for c.head().Time < at+14 {
		c.mine(2)
		if c.head().Time < at+15 {
			w.expect("not yet", w.sent(), txn.Drained{})
		}
	}
	c.mine(1)
	w.expect("late", w.sent(), txn.Drained{Bumped: 1})
	txs := w.entries()[0].Txs
	if old, cur := txs[0], txs[1]; !raisedEnough(old.FeeCap, cur.FeeCap) || !raisedEnough(old.TipCap, cur.TipCap) || bytes.Equal(old.Raw, cur.Raw) {
		t.Errorf("%+v after %+v", cur, old)
	}
	clear(c.pool)
	c.mine(16)
	w.expect("dropped", w.sent(), txn.Drained{Resent: 1})
	clear(c.pool)
	c.mine(14)
	w.expect("dropped again", w.sent(), txn.Drained{Bumped: 1})
	w.expectCodes()
	for range 16 { // until the cap, which the world checks
		c.mine(16)
		w.sent()
	}
	codes := w.codes()
	slices.Sort(codes)
	if codes = slices.Compact(codes); !slices.Equal(codes, []swap.FindingCode{swap.AccountStuck, swap.FeeCapLow}) {
		t.Errorf("findings %v", codes)
	}
	w.heal()
}

// paidBefore lets a block appear, beyond finality, in which the maker was paid.
func (w *world) paidBefore(o *swap.Order) {
	d := w.chains[dstChain]
	at := swap.Position{Block: d.blocks[0].Number, Time: d.blocks[0].Time, Tx: d.hash()}
	d.head().state.events = append(d.head().state.events, swap.EscrowEvent{ChainID: dstChain, Escrow: o.Dsts[0].Escrow, Kind: swap.Withdrawn, Secret: [32]byte{1}, At: at})
	d.head().state.ended[o.Dsts[0].Escrow] = swap.Withdrawn
}

// What the plan forbids is replaced by nothing; what it cannot judge is not.
func TestReplacedByNothing(t *testing.T) {
	// A src cancellation waits in the pool when the dst payment shows up after all.
	setup := func(t *testing.T) (*world, *swap.Order) {
		w := newWorld(t, 1)
		w.chains[srcChain].full = true
		o := w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, false)
		w.until(650)
		w.syncAll()
		w.sweep()
		w.expect("cancel", w.sent(), txn.Drained{Sent: 1})
		w.paidBefore(o)
		return w, o
	}
	t.Run("paid", func(t *testing.T) {
		w, _ := setup(t)
		w.syncAll()
		w.expect("drain", w.sent(), txn.Drained{Bumped: 1})
		txs := w.entries()[0].Txs
		if len(txs) != 2 || isNothing(txs[0]) || !isNothing(txs[1]) {
			t.Fatalf("%d transactions", len(txs))
		}
		w.expect("again", w.sent(), txn.Drained{})
		w.chains[srcChain].mine(20)
		w.expect("late", w.sent(), txn.Drained{Bumped: 1})
		for range 80 {
			w.chains[srcChain].mine(16)
			w.sent()
		}
		for _, tx := range w.entries()[0].Txs[1:] {
			if !isNothing(tx) {
				t.Error("something again")
			}
		}
		w.chains[srcChain].full = false
		w.chains[srcChain].mine(2)
		if w.ended(w.orders[w.ids[0]].Src) != 0 {
			t.Error("src was cancelled")
		}
	})
	t.Run("paid, and never broadcast", func(t *testing.T) {
		w, _ := setup(t)
		clear(w.chains[srcChain].pool)
		w.syncAll()
		w.chains[srcChain].baseFee = 100_000 * gwei // nothing can be afforded
		w.expect("drain", w.sent(), txn.Drained{})
		if len(w.pool()) != 0 {
			t.Error("sent again although forbidden")
		}
		w.chains[srcChain].baseFee = 2 * gwei
		w.expect("drain", w.sent(), txn.Drained{Bumped: 1})
	})
	for _, chain := range []uint64{srcChain, dstChain} {
		t.Run("a chain is unreadable", func(t *testing.T) {
			w, _ := setup(t)
			w.syncAll()
			w.blind[chain] = true
			clear(w.chains[srcChain].pool)
			w.expect("drain", w.sent(), txn.Drained{Resent: 1})
			w.chains[srcChain].mine(30)
			w.expect("late", w.sent(), txn.Drained{})
		})
	}
	t.Run("a cancellation that has to wait", func(t *testing.T) {
		w := newWorld(t, 1)
		w.chains[dstChain].full = true
		w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, false)
		w.until(90)
		w.syncAll()
		w.sweep()
		if res, err, _ := w.drain(t.Context(), dstChain); err != nil || res.Sent != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		w.chains[srcChain].mine(400) // the logs of src are far behind: they may hide a claim
		w.chains[dstChain].mine(5)
		if res, err, _ := w.drain(t.Context(), dstChain); err != nil || res != (txn.Drained{Bumped: 1}) {
			t.Fatalf("%+v, %v", res, err)
		}
	})
	t.Run("a claim that has to wait", func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(1)
		w.chains[srcChain].full = true
		w.sent()
		d := w.chains[dstChain]
		d.head().state.events = nil // the payment is undone, the secret stays public
		w.syncAll()
		c, err := w.plan(w.ids[0], w.views())
		if err != nil || !c.Decision.Waits(w.entries()[0].Acts[0].Action) {
			t.Fatalf("%+v, %v", c.Decision.Actions, err)
		}
		w.expect("drain", w.sent(), txn.Drained{})
	})
	t.Run("wanted again", func(t *testing.T) {
		w, o := setup(t)
		w.syncAll()
		w.sent()
		// The payment is undone: the order is what it was before.
		d := w.chains[dstChain]
		d.head().state.events = nil
		delete(d.head().state.ended, o.Dsts[0].Escrow)
		o.Events, o.Secret = nil, nil
		w.syncAll()
		w.expect("drain", w.sent(), txn.Drained{Bumped: 1})
		if txs := w.entries()[0].Txs; len(txs) != 3 || isNothing(txs[2]) {
			t.Errorf("%d transactions", len(txs))
		}
		w.heal()
	})
}

// What is of no use any more, but can do no harm, is left alone until it holds
// up what waits behind it.
func TestUselessIsReplacedWhenLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.chains[srcChain]
		w.claims(1)
		o := w.orders[w.ids[0]]
		w.until(130)
		w.sent()
		c.baseFee = 50 * gwei // ours waits, a stranger is faster
		c.strange(o.Src.Leg, swap.PublicWithdraw, *o.Secret)
		c.mine(2)
		w.syncAll()
		if w.ended(o.Src) != swap.Withdrawn {
			t.Fatal("not claimed")
		}
		w.expect("harmless", w.sent(), txn.Drained{})
		c.mine(14)
		w.expect("late", w.sent(), txn.Drained{Bumped: 1})
		if txs := w.entries()[0].Txs; !isNothing(txs[len(txs)-1]) {
			t.Error("still the claim")
		}
		w.heal()
	})
}

// A call whose window has passed can only revert: it is not worth replacing
// before it holds others up, and a reorg could still make it good.
func TestPastItsWindow(t *testing.T) {
	w := newWorld(t, 1)
	w.claims(1)
	w.until(590)
	w.chains[srcChain].full = true
	w.sent()
	w.until(600)
	w.syncAll()
	w.expect("drain", w.sent(), txn.Drained{})
}

// A reorg can take the time back in which a transaction became legal: bytes
// that no pool knows are not sent before it is there again.
func TestNotSentAgainTooEarly(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.alone(598)
	w.expect("first", w.sent(), txn.Drained{Sent: 1})
	clear(c.pool)
	c.blocks = c.blocks[:len(c.blocks)-1]
	w.expect("too early", w.sent(), txn.Drained{})
	c.mine(2)
	w.expect("legal again", w.sent(), txn.Drained{Resent: 1})
}

// What has been mined since the account was read needs no better price.
func TestMinedMeanwhile(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.claims(1)
	w.sent()
	c.full = true
	c.mine(20)
	c.full = false
	c.mine(2)
	w.lagOnce(1)
	w.expect("drain", w.sent(), txn.Drained{})
}

// A replacement has to be paid for, and the number of them has an end.
func TestReplacementsEnd(t *testing.T) {
	w := newWorld(t, 1)
	w.locks.Offsets[swap.SrcPublicWithdrawal], w.locks.Offsets[swap.SrcCancellation] = 5000, 9000
	c := w.chains[srcChain]
	w.claims(1)
	c.full = true
	w.sent()
	c.balance[w.signer] = uint256.NewInt(200_000 * 5 * gwei)
	c.mine(16)
	w.expect("cannot pay", w.sent(), txn.Drained{})
	w.expectCodes(swap.SignerDry)
	delete(c.balance, w.signer)
	w.policy.Chains[srcChain].FeeCap[swap.Withdraw] = *new(uint256.Int).SetAllOne()
	w.policy.Chains[srcChain].FeeCap[swap.Cancel] = *new(uint256.Int).SetAllOne()
	for range 80 {
		c.mine(16)
		w.sent()
	}
	if n := len(w.entries()[0].Txs); n != 64 {
		t.Errorf("%d transactions", n)
	}
}

// That the chain would not take a second transaction for a call that has just
// reverted is told before the first is final: its deadline may be near.
func TestRefusedAfterRevert(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.claims(1)
	w.expect("first", w.sent(), txn.Drained{Sent: 1})
	c.refuses = func(common.Address, common.Address) bool { return true }
	c.mine(2)
	w.syncAll()
	w.expectCodes()
	w.expect("second", w.sent(), txn.Drained{})
	w.expectCodes(swap.CallReverts)
}

// A call that reverts in a block although it was rehearsed is sent again in the
// next one, with a nonce of its own, for its deadline may be near; but not for
// ever before the first is final.
func TestRevertedIsSentAgainAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.claims(1)
	inBlock := func(refuses bool) {
		c.refuses = func(common.Address, common.Address) bool { return refuses }
		c.mine(2)
		c.refuses = nil
		w.syncAll()
	}
	w.expect("first", w.sent(), txn.Drained{Sent: 1})
	inBlock(true)
	w.expect("second", w.sent(), txn.Drained{Sent: 1})
	inBlock(true)
	w.expect("third", w.sent(), txn.Drained{Sent: 1})
	inBlock(true)
	w.expectCodes()
	w.expect("no more", w.sent(), txn.Drained{})
	w.expectCodes(swap.TxReverted)
	if w.findings[0].Severity != swap.Critical {
		t.Errorf("finding %+v", w.findings[0])
	}
	w.heal() // until the first is final, and some more
	if got := w.ended(w.orders[w.ids[0]].Src); got != swap.Withdrawn {
		t.Errorf("src is %v", got)
	}
}
