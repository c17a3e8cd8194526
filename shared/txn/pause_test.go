package txn_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// held are the pauses of a world, by a clock of its own.
type held struct {
	control.State
	now time.Time
}

// pause lets an operator hold a world back for an hour.
func (w *world) pause(p control.Pause) *held {
	h := &held{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	p.From, p.Until = h.now, h.now.Add(time.Hour)
	h.Pauses = []control.Pause{p}
	w.paused = func(a swap.Action) bool {
		_, ok := h.Allows(control.Work{Job: "action-executor", Chain: a.ChainID, Claim: a.Claims()}, h.now)
		return !ok
	}
	return h
}

// cancels makes n swaps whose src legs are to be cancelled now.
func (w *world) cancels(n int) {
	w.locks.Offsets[swap.SrcPublicCancellation] = 90_000
	for i := range n {
		w.swapOf(w.signer, swap.OneInchV1, [32]byte{1, byte(i)}, true)
	}
	w.until(600)
	w.syncAll()
	w.sweep()
}

func TestAPausedChainSendsNothingButClaims(t *testing.T) {
	for name, p := range map[string]control.Pause{"chain": {Scope: control.Scope{Chain: srcChain}}, "all": {}, "executor": {Scope: control.Scope{Job: "action-executor"}}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.cancels(2)
			h := w.pause(p)
			w.expect("paused", w.sent(), txn.Drained{Held: 2})
			if slices.Contains(w.calls, "sign") || len(w.entries()) != 0 || w.rung[srcChain] {
				t.Errorf("signed, or rung for what may not be sent: %q", w.calls)
			}
			w.claims(1)
			w.expect("a secret is public", w.sent(), txn.Drained{Sent: 1, Held: 2})
			w.chains[srcChain].mine(2)
			if got := w.ended(w.orders[w.ids[2]].Src); got != swap.Withdrawn {
				t.Errorf("src is %v", got)
			}
			h.now = h.now.Add(time.Hour - 1)
			w.expect("just before the end", w.sent(), txn.Drained{Held: 2})
			h.now = h.now.Add(1)
			w.expect("at the end", w.sent(), txn.Drained{Sent: 2})
		})
	}
}

func TestAPauseOfAnotherChainHoldsNothing(t *testing.T) {
	w := newWorld(t, 1)
	w.cancels(2)
	w.pause(control.Pause{Scope: control.Scope{Chain: dstChain}, Claims: true})
	w.expect("drain", w.sent(), txn.Drained{Sent: 2})
}

func TestClaimsStopOnlyExpressly(t *testing.T) {
	w := newWorld(t, 1)
	w.claims(2)
	h := w.pause(control.Pause{Claims: true})
	w.expect("paused", w.sent(), txn.Drained{Held: 2})
	h.now = h.now.Add(time.Hour)
	w.expect("over", w.sent(), txn.Drained{Sent: 2})
}

// What was signed before the pause is seen through, at the price it was signed
// for, and raised where a claim waits behind it.
func TestWhatIsInFlightIsSeenThrough(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.cancels(2)
	c.full = true
	w.expect("before", w.sent(), txn.Drained{Sent: 2})
	h := w.pause(control.Pause{})
	clear(c.pool)
	w.expect("no pool knows it", w.sent(), txn.Drained{Resent: 2})
	for i := range int64(20) {
		w.until(600 + 16*(i+1))
		w.syncAll()
		w.expect("late", w.sent(), txn.Drained{})
	}
	c.baseFee = 9 * gwei
	w.claims(1)
	w.expect("a claim behind", w.sent(), txn.Drained{Sent: 1, Lifted: 2})
	c.full = false
	c.mine(2)
	if got := w.ended(w.orders[w.ids[2]].Src); got != swap.Withdrawn {
		t.Errorf("src is %v", got)
	}
	h.now = h.now.Add(time.Hour)
	w.heal()
}

// A call in flight that must not take effect is replaced, paused or not.
func TestAPauseKeepsNothingThatIsForbidden(t *testing.T) {
	w := newWorld(t, 1)
	w.chains[srcChain].full = true
	o := w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, false)
	w.until(650)
	w.syncAll()
	w.sweep()
	w.expect("cancel", w.sent(), txn.Drained{Sent: 1})
	w.pause(control.Pause{})
	w.paidBefore(o)
	w.syncAll()
	w.expect("paid", w.sent(), txn.Drained{Bumped: 1})
	if txs := w.entries()[0].Txs; len(txs) != 2 || !isNothing(txs[1]) {
		t.Errorf("%d transactions", len(txs))
	}
}
