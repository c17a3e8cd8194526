package txn_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// With each new block the window is filled up again, in one drain, until nothing
// is left.
func TestWindowIsFilledEveryBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.poolCap(4)
		w.claims(10)
		w.waits = true
		w.expect("drain", w.sent(), txn.Drained{Sent: 10})
		if w.rung[srcChain] {
			t.Error("rang although nothing is left")
		}
		perBlock := map[uint64]int{}
		for i, e := range w.entries() {
			if e.Nonce != uint64(i) {
				t.Errorf("nonce %d at %d", e.Nonce, i)
			}
			perBlock[e.Txs[0].Head.Number]++
		}
		var sizes []int
		for n := range 3 {
			sizes = append(sizes, perBlock[w.entries()[0].Txs[0].Head.Number+uint64(n)])
		}
		if !slices.Equal(sizes, []int{4, 4, 2}) {
			t.Errorf("sent per block %v", sizes)
		}
		w.heal()
	})
}

// What becomes due while a drain goes round takes its place by urgency: at the
// next block, before what was waiting already.
func TestUrgentTakesTheNextRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.poolCap(2)
		for i := range 6 {
			w.swapOf(w.signer, swap.OneInchV1, [32]byte{1, byte(i)}, true) // cancelled at 600
		}
		w.until(560)
		late := w.swapOf(w.signer, swap.OneInchV1, [32]byte{2}, false)
		w.until(610)
		w.syncAll()
		w.sweep()
		w.waits = true
		drains := 0
		w.fault = func(_ int, op string) fault {
			if op != "backend.head" {
				return fine
			}
			if drains++; drains == 2 {
				return meanwhile
			}
			return fine
		}
		w.onGoing = func() {
			w.pay(late)
			w.syncAll()
			w.sweep()
		}
		w.expect("drain", w.sent(), txn.Drained{Sent: 7})
		at := slices.IndexFunc(w.entries(), func(e txn.Entry) bool { return e.Acts[0].Action.Escrow == late.Src.Escrow })
		if at != 4 { // two windows were full when it came
			t.Errorf("the urgent one has nonce %d", at)
		}
		w.fault = nil
		w.heal()
	})
}

// A drain whose time is over, or whose chain stands still, rings for what it
// leaves; one that leaves nothing does not.
func TestRingsForWhatIsLeft(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims int
		rings  bool
	}{{"left", 5, true}, {"nothing left", 4, false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.poolCap(4)
				w.claims(c.claims)
				w.chains[srcChain].halted = true
				w.waits = true
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				res, err, _ := w.drain(ctx, srcChain)
				if err != nil || res.Sent != 4 || w.rung[srcChain] != c.rings {
					t.Errorf("%+v, %v, rung %v", res, err, w.rung[srcChain])
				}
				if ctx.Err() != nil {
					t.Error("the ring came too late")
				}
			})
		})
	}
}

// A pool that is full of what nobody mines is not overfilled.
func TestFullPoolStaysFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(40) // the chain fails the test at a seventeenth in the pool
		w.chains[srcChain].full = true
		for range 5 {
			w.sent()
			w.chains[srcChain].mine(2)
		}
		if got := len(w.pool()); got != 16 {
			t.Errorf("%d in the pool", got)
		}
		w.heal()
	})
}

// Only so much is planned per block as can be sent in it, whatever waits.
func TestPlansWhatItCanSend(t *testing.T) {
	w := newWorld(t, 1)
	w.poolCap(4)
	w.queue(300)
	planned := 0
	w.planned = func(ids []swap.OrderID) { planned += len(ids) }
	w.expect("drain", w.sent(), txn.Drained{Sent: 4, Waiting: 296})
	if planned > 256 {
		t.Errorf("%d orders planned", planned)
	}
}

// Also what is too far back to be planned yet is told at once if its turn comes
// after its deadline.
func TestUnplannedDeadlinesAreTold(t *testing.T) {
	w := newWorld(t, 1)
	w.poolCap(1)
	w.locks.Offsets[swap.SrcPublicWithdrawal], w.locks.Offsets[swap.SrcCancellation] = 1000, 1000
	w.claims(600)
	w.until(200) // 400 blocks are left
	w.syncAll()
	res := w.sent()
	if n := len(w.findings); res.Sent != 1 || n < 190 || n > 210 || w.findings[0].Code != swap.DeadlineLost || w.findings[0].AtRisk.IsZero() {
		t.Errorf("%+v, %d findings", res, n)
	}
}

// What is under way several at a time is done once each, and in the journal by
// nonce.
func TestParallelWindow(t *testing.T) {
	w := newWorld(t, 1)
	w.parallel = 8
	w.claims(16)
	w.expect("drain", w.sent(), txn.Drained{Sent: 16})
	if got := w.pool(); len(got) != 16 || got[15] != 15 {
		t.Errorf("pool %v", got)
	}
	var last time.Time
	for _, e := range w.entries() {
		if e.Version != 1 || e.Txs[0].SignedAt.IsZero() {
			t.Errorf("entry %+v", e)
		}
		last = e.Txs[0].SignedAt
	}
	if last.IsZero() {
		t.Error("nothing signed")
	}
	w.oneNonce()
}

// A process that is killed in one of several signatures dies as it would in the
// only one: with nothing journalled.
func TestKilledWhileSigningSeveral(t *testing.T) {
	w := newWorld(t, 1)
	w.parallel = 8
	w.claims(16)
	w.fault = func(_ int, op string) fault {
		if op == "sign" {
			return killFirst
		}
		return fine
	}
	if _, _, alive := w.drain(t.Context(), srcChain); alive || len(w.entries()) != 0 {
		t.Errorf("alive %v, %d entries", alive, len(w.entries()))
	}
	w.fault = nil
	w.heal()
}

// Of claims with deadlines in the same minute the greater values go first, but
// not at the price of one that could have been saved beside them.
func TestValueCostsNobodyTheDeadline(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	made := []*swap.Order{w.swapOf(w.signer, swap.OneInchV1, [32]byte{9}, false)} // of the least value, until 600
	w.until(16)
	for i := range 16 {
		made = append(made, w.swapOf(w.signer, swap.OneInchV1, [32]byte{9, byte(i + 1)}, false)) // until 616
	}
	w.until(40)
	w.pay(made...)
	w.until(596)
	w.syncAll()
	w.sweep()
	w.expect("window", w.sent(), txn.Drained{Sent: 16, Waiting: 1})
	c.mine(2)
	w.syncAll()
	w.expect("the rest", w.sent(), txn.Drained{Sent: 1})
	c.mine(2)
	for i, o := range made {
		if w.ended(o.Src) != swap.Withdrawn {
			t.Errorf("claim %d was not made", i)
		}
	}
	w.expectCodes()
}
