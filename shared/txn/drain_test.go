package txn_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// claims makes n swaps whose makers are paid by a stranger, so that their src
// legs are to be claimed now, some 25 seconds after their creation.
func (w *world) claims(n int) {
	now := int64(w.chains[srcChain].head().Time - simStart)
	var made []*swap.Order
	for range n {
		made = append(made, w.swapOf(w.signer, swap.OneInchV1, [32]byte{9, byte(len(w.ids))}, false))
	}
	w.until(now + 22)
	w.pay(made...)
	w.until(now + 26)
	w.syncAll()
	w.sweep()
}

// pay lets a stranger show the secrets of the last swaps on dst.
func (w *world) pay(orders ...*swap.Order) {
	for _, o := range orders {
		w.chains[dstChain].strange(o.Dsts[0].Leg, swap.PublicWithdraw, w.secrets[o.ID])
	}
	w.chains[dstChain].mine(1)
}

func (w *world) syncAll() {
	w.sync(srcChain)
	w.sync(dstChain)
}

// sent drains the src chain and expects it to go well.
func (w *world) sent() txn.Drained {
	w.Helper()
	res, err, alive := w.drain(context.Background(), srcChain)
	if err != nil || !alive {
		w.fail("drain: %v, alive %v", err, alive)
	}
	return res
}

func (w *world) entries() []txn.Entry { return w.journal.All(w.account(srcChain)) }

func (w *world) pool() (nonces []uint64) {
	for _, tx := range w.chains[srcChain].pool {
		nonces = append(nonces, tx.nonce)
	}
	slices.Sort(nonces)
	return nonces
}

func (w *world) codes() (out []swap.FindingCode) {
	for _, f := range w.findings {
		out = append(out, f.Code)
	}
	return out
}

func (w *world) expect(what string, got, want txn.Drained) {
	w.Helper()
	if got != want {
		w.fail("%s: %+v, want %+v", what, got, want)
	}
}

func (w *world) expectCodes(want ...swap.FindingCode) {
	w.Helper()
	if got := w.codes(); !slices.Equal(got, want) {
		w.fail("findings %v, want %v", got, want)
	}
}

func isNothing(t txn.Tx) bool {
	var tx types.Transaction
	return tx.UnmarshalBinary(t.Raw) == nil && len(tx.Data()) == 0 && tx.Gas() == 21_000 && tx.Value().Sign() == 0
}

func TestDrainSendsWhatIsDueOnce(t *testing.T) {
	w := newWorld(t, 1)
	w.claims(3)
	w.expect("first", w.sent(), txn.Drained{Sent: 3})
	w.expect("second", w.sent(), txn.Drained{})
	if got := w.pool(); !slices.Equal(got, []uint64{0, 1, 2}) {
		t.Errorf("pool holds nonces %v", got)
	}
	w.chains[srcChain].mine(2)
	w.expect("mined", w.sent(), txn.Drained{})
	for _, id := range w.ids {
		if got := w.ended(w.orders[id].Src); got != swap.Withdrawn {
			t.Errorf("src is %v", got)
		}
	}
}

// The hard deadline goes first, by the minute; then value, a token without a
// price before any other.
func TestDrainOrder(t *testing.T) {
	w := newWorld(t, 1)
	w.chains[srcChain].full = true
	patient := w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, true) // cancelled: no hard deadline
	w.until(300)
	first := w.swapOf(w.signer, swap.OneInchV1, [32]byte{2}, false)
	w.until(322)
	w.pay(first)
	w.until(500)
	low := w.swapOf(w.signer, swap.OneInchV1, [32]byte{3}, false)
	high := w.swapOf(w.signer, swap.OneInchV1, [32]byte{4}, false)
	w.until(522)
	w.pay(low, high)
	w.until(610)
	w.syncAll()
	w.sweep()
	w.expect("drain", w.sent(), txn.Drained{Sent: 4})
	var got []common.Address
	for _, e := range w.entries() {
		got = append(got, e.Action.Escrow)
	}
	if want := []common.Address{first.Src.Escrow, high.Src.Escrow, low.Src.Escrow, patient.Src.Escrow}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestPoolCapCountsWhatWaits(t *testing.T) {
	w := newWorld(t, 1)
	w.configs[srcChain] = txn.ChainConfig{Regular: true, PoolCap: 2, Confirmations: confirmations}
	w.claims(5)
	w.expect("first", w.sent(), txn.Drained{Sent: 2, Waiting: 3})
	w.expect("full", w.sent(), txn.Drained{Waiting: 3})
	w.chains[srcChain].mine(2) // mined, far from final: the pool is empty
	w.expect("next block", w.sent(), txn.Drained{Sent: 2, Waiting: 1})
}

func TestDrainNeedsItsConfiguration(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"no policy":   func(w *world) { delete(w.policy.Chains, srcChain) },
		"no config":   func(w *world) { delete(w.configs, srcChain) },
		"no pool cap": func(w *world) { w.configs[srcChain] = txn.ChainConfig{} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.claims(1)
			spoil(w)
			if res, err, _ := w.drain(t.Context(), srcChain); err == nil || res.Sent != 0 {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
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

// A journal write whose answer is lost is repeated with the same bytes; if its
// outcome stays unknown, nothing else is sent on a nonce that may be used.
func TestUnknownJournalWrite(t *testing.T) {
	for _, c := range []struct {
		name  string
		fails int
		f     fault
		sent  int
	}{{"lost once", 1, lose, 2}, {"refused once", 1, refuse, 2}, {"lost twice", 2, lose, 0}, {"refused twice", 2, refuse, 0}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.claims(2)
			left, signed := c.fails, 0
			w.fault = func(_ int, op string) fault {
				if op == "sign" {
					signed++
				}
				if op == "journal.record" && left > 0 {
					left--
					return c.f
				}
				return fine
			}
			res, err, _ := w.drain(t.Context(), srcChain)
			if res.Sent != c.sent || (err != nil) != (c.sent == 0) || len(w.pool()) != c.sent {
				t.Errorf("%+v, %v, pool %v", res, err, w.pool())
			}
			if want := max(c.sent, 1); signed != want {
				t.Errorf("%d signatures, want %d", signed, want)
			}
			w.fault = nil
			w.heal()
		})
	}
}

// Somebody else moves the first of three actions at the moment of its journal
// write: the others are still sent, each once, and what was moved is not.
func TestConflictStartsAnew(t *testing.T) {
	for _, c := range []struct {
		name  string
		moves func(w *world, work swap.Work)
		want  txn.Drained
	}{
		{"work ended", func(w *world, work swap.Work) {
			work.State = swap.WorkObsolete
			if err := w.works.Save(context.Background(), work); err != nil {
				w.fail("%v", err)
			}
		}, txn.Drained{Sent: 2}},
		{"work changed", func(w *world, work swap.Work) {
			work.AtRisk = *uint256.NewInt(1)
			if err := w.works.Save(context.Background(), work); err != nil {
				w.fail("%v", err)
			}
		}, txn.Drained{Sent: 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.claims(3)
			works := w.works.All()
			slices.SortFunc(works, func(a, b swap.Work) int { return -a.AtRisk.Cmp(&b.AtRisk) })
			first := true
			w.onGoing = func() { c.moves(w, works[0]) }
			w.fault = func(_ int, op string) fault {
				if op == "journal.record" && first {
					first = false
					return meanwhile
				}
				return fine
			}
			w.expect("drain", w.sent(), c.want)
			if got := w.pool(); len(got) != c.want.Sent || got[0] != 0 {
				t.Errorf("pool %v", got)
			}
			w.oneNonce()
		})
	}
}

// A holder that lost its lease without noticing gets nothing into the journal.
func TestZombie(t *testing.T) {
	for _, f := range []fault{overtake, supersede} {
		t.Run(f.String(), func(t *testing.T) {
			w := newWorld(t, 1)
			w.claims(3)
			signed := 0
			w.fault = func(_ int, op string) fault {
				if op == "sign" {
					signed++
				}
				if op == "journal.record" && signed == 2 {
					return f
				}
				return fine
			}
			res, err, _ := w.drain(t.Context(), srcChain)
			if f == supersede && (err == nil || res.Sent != 1) || f == overtake && (err != nil || res.Sent != 1) {
				t.Errorf("%+v, %v", res, err)
			}
			w.fault = nil
			if got := w.pool(); !slices.Equal(got, []uint64{0, 1, 2}) || len(w.entries()) != 3 {
				t.Errorf("pool %v", got)
			}
			w.oneNonce()
		})
	}
}

// Conflicts without end are an error, not a loop.
func TestConflictsEnd(t *testing.T) {
	w := newWorld(t, 1)
	w.claims(1)
	w.onGoing = func() { w.take(srcChain) } // the lease is gone, and Check does not tell
	w.fault = func(_ int, op string) fault {
		if op == "journal.record" {
			return meanwhile
		}
		return fine
	}
	res, err, _ := w.drain(t.Context(), srcChain)
	if !errors.Is(err, swap.ErrConflict) || res.Sent != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if n := strings.Count(strings.Join(w.calls, " "), "journal.record"); n > 4 {
		t.Errorf("%d journal writes", n)
	}
}

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
		w.expect("nothing to fill the gap with", w.sent(), txn.Drained{Waiting: 1})
		w.expectCodes(swap.ForeignTx) // a person is told
		w.findings = nil
		w.poolCap(16)
		w.expect("gap", w.sent(), txn.Drained{Sent: 1})
		w.expectCodes()
		if e := w.entries(); len(e) != 3 || e[1].Nonce != 1 {
			t.Fatalf("entries %+v", e)
		}
		w.heal()
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
		first := true
		w.stale = func() (blocks uint64) { // of the account
			if first {
				blocks = 5
			}
			first = false
			return blocks
		}
		w.poolCap(16)
		w.expect("lagging", w.sent(), txn.Drained{Sent: 1})
		w.expectCodes()
		if e := w.entries(); len(e) != 3 || e[2].Nonce != 2 {
			t.Errorf("entries %+v", e)
		}
		w.heal()
	})
}

func TestRefusedByTheChain(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	c.refuses = func(common.Address, common.Address) bool { return true }
	alone := w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, true)
	w.until(600)
	w.syncAll()
	w.sweep()
	w.expect("first", w.sent(), txn.Drained{Refused: 1})
	work := w.works.All()[0]
	if work.State != swap.WorkRefused || work.RetryAt != c.head().Time.Add(30) || work.Attempt != 2 || work.Why != "reverts: SafeTransferFailed" {
		t.Errorf("work %+v", work)
	}
	if f := w.findings; len(f) != 1 || f[0].Code != swap.CallReverts || f[0].Severity != swap.Warning || f[0].Escrow != alone.Src.Escrow {
		t.Errorf("findings %+v", f)
	}
	w.expect("at once", w.sent(), txn.Drained{})
	w.until(628)
	w.expect("too early", w.sent(), txn.Drained{})
	w.until(630)
	w.findings = nil
	w.expect("after its time", w.sent(), txn.Drained{Refused: 1})
	if f := w.findings; len(f) != 1 || f[0].Severity != swap.Critical {
		t.Errorf("findings %+v", f)
	}
	if got := w.works.All()[0].RetryAt; got != c.head().Time.Add(60) {
		t.Errorf("retry in %d s", got-c.head().Time)
	}
	w.heal()
}

// A refused call is tried again before its hard deadline, whatever its back-off.
func TestRetryBeforeHardDeadline(t *testing.T) {
	for _, c := range []struct{ at, wait int64 }{{26, 30}, {520, 20}, {580, 5}, {590, 2}, {596, 1}} {
		w := newWorld(t, 1)
		w.chains[srcChain].refuses = func(common.Address, common.Address) bool { return true }
		w.claims(1)
		w.until(c.at)
		w.expect("drain", w.sent(), txn.Drained{Refused: 1})
		now := w.chains[srcChain].head().Time
		if got := w.works.All()[0].RetryAt.Sub(now); got != c.wait {
			t.Errorf("at %d: retry in %d s, want %d", c.at, got, c.wait)
		}
		if w.findings[0].Severity != swap.Critical {
			t.Errorf("severity %s", w.findings[0].Severity)
		}
	}
}

func TestPriceAndBalance(t *testing.T) {
	t.Run("base fee above the cap", func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(1)
		w.chains[srcChain].baseFee = 121 * gwei // the cap is 120 for this call
		w.expect("drain", w.sent(), txn.Drained{Refused: 1})
		w.expectCodes(swap.FeeCapLow)
		w.heal()
	})
	t.Run("waiting transactions are paid for too", func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(3)
		one := uint256.NewInt(200_000 * 5 * gwei) // gas times twice the base fee and the tip
		w.chains[srcChain].balance[w.signer] = new(uint256.Int).Sub(new(uint256.Int).Mul(one, uint256.NewInt(2)), uint256.NewInt(1))
		w.expect("first", w.sent(), txn.Drained{Sent: 1, Refused: 2})
		w.expectCodes(swap.SignerDry, swap.SignerDry)
		w.chains[srcChain].full = true
		w.claims(1)
		w.expect("second", w.sent(), txn.Drained{Refused: 1, Bumped: 1})
		w.heal()
	})
}

// Bytes that no pool knows are first sent again as they are; what waits too
// long costs a tenth more, and never more than its cap.
func TestBump(t *testing.T) {
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.policy.Chains[srcChain].FeeCap[swap.Withdraw] = *uint256.NewInt(200_000 * 8 * gwei) // from 5 gwei: four raises, or less
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
	c.mine(2)
	w.expect("dropped", w.sent(), txn.Drained{Resent: 1})
	clear(c.pool)
	c.mine(28)
	w.expect("dropped again", w.sent(), txn.Drained{Bumped: 1})
	w.expectCodes()
	for range 6 { // until the cap, which the world checks
		c.mine(16)
		w.sent()
	}
	if codes := slices.Compact(w.codes()); !slices.Equal(codes, []swap.FindingCode{swap.FeeCapLow}) {
		t.Errorf("findings %v", codes)
	}
	w.heal()
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
		// Beyond finality a block appears in which the maker was paid.
		d := w.chains[dstChain]
		at := swap.Position{Block: d.blocks[0].Number, Time: d.blocks[0].Time, Tx: d.hash()}
		d.head().state.events = append(d.head().state.events, swap.EscrowEvent{ChainID: dstChain, Escrow: o.Dsts[0].Escrow, Kind: swap.Withdrawn, Secret: [32]byte{1}, At: at})
		d.head().state.ended[o.Dsts[0].Escrow] = swap.Withdrawn
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
		if err != nil || !c.Decision.Waits(w.entries()[0].Action) {
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
	w := newWorld(t, 1)
	c := w.chains[srcChain]
	w.claims(1)
	w.sent()
	o := w.orders[w.ids[0]]
	c.baseFee = 50 * gwei // ours waits, a stranger is faster
	c.strange(o.Src.Leg, swap.PublicWithdraw, *o.Secret)
	c.mine(120)
	c.mine(2)
	w.syncAll()
	w.expect("late", w.sent(), txn.Drained{Bumped: 1})
	if txs := w.entries()[0].Txs; !isNothing(txs[len(txs)-1]) {
		t.Error("still the claim")
	}
	w.heal()
}

func TestPlanHasTheLastWord(t *testing.T) {
	t.Run("not wanted", func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(1)
		o := w.orders[w.ids[0]]
		w.chains[srcChain].strange(o.Src.Leg, swap.PublicWithdraw, *o.Secret)
		w.chains[srcChain].mine(130)
		w.syncAll()
		w.expect("drain", w.sent(), txn.Drained{Obsolete: 1})
		if h := w.works.History(o.ID); len(h) != 1 || h[0].State != swap.WorkByOther {
			t.Errorf("history %+v", h)
		}
	})
	t.Run("dst unreadable", func(t *testing.T) {
		w := newWorld(t, 1)
		w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, false)
		w.until(650)
		w.syncAll()
		w.sweep()
		w.blind[dstChain] = true
		w.expect("drain", w.sent(), txn.Drained{})
		if all := w.works.All(); len(all) != 2 { // the cancellations of src and dst
			t.Errorf("work %+v", all)
		}
		w.heal()
	})
	t.Run("another key now", func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(1)
		w.policy.Chains[srcChain].Takers[w.signer] = swap.TakerPolicy{Signer: named("new key"), Path: swap.PathEOA}
		w.policy.Chains[srcChain].Takers[named("other taker")] = swap.TakerPolicy{Signer: w.signer, Path: swap.PathEOA}
		w.expect("drain", w.sent(), txn.Drained{})
		if len(w.entries()) != 0 {
			t.Error("signed")
		}
	})
	t.Run("no view", func(t *testing.T) {
		w := newWorld(t, 1)
		w.claims(1)
		w.blind[srcChain] = true
		if res, err, _ := w.drain(t.Context(), srcChain); err == nil || res.Sent != 0 {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// A signature of another key never gets to the journal.
func TestWrongKey(t *testing.T) {
	w := newWorld(t, 1)
	w.claims(1)
	other, err := crypto.ToECDSA(crypto.Keccak256([]byte("other")))
	if err != nil {
		t.Fatal(err)
	}
	w.key = other
	if _, err, _ := w.drain(t.Context(), srcChain); err == nil || len(w.entries()) != 0 {
		t.Errorf("%v, %d entries", err, len(w.entries()))
	}
}

// One call that fails does not stop the others.
func TestOneFailureAmongMany(t *testing.T) {
	for _, op := range []string{"backend.rehearse", "sign", "backend.send"} {
		t.Run(op, func(t *testing.T) {
			w := newWorld(t, 1)
			w.claims(3)
			first := true
			w.fault = func(_ int, o string) fault {
				if o == op && first {
					first = false
					return refuse
				}
				return fine
			}
			res, err, _ := w.drain(t.Context(), srcChain)
			want := 2
			if op == "backend.send" {
				want = 3 // it stands in the journal
			}
			if !errors.Is(err, errFault) || res.Sent != want || len(w.pool()) != 2 {
				t.Errorf("%+v, %v, pool %v", res, err, w.pool())
			}
			w.fault = nil
			w.heal()
		})
	}
}

// Of a node without a block-time override, InvalidTime around the start means
// "not yet"; later it is an answer.
func TestRehearsalAtTheHead(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int64  // head time; the call is legal from 600
		lag  uint64 // blocks that the rehearsing node is behind
		want txn.Drained
	}{
		{"before the first legal block", 598, 0, txn.Drained{Sent: 1}},
		{"node lags a little", 604, 3, txn.Drained{Sent: 1}},
		{"node stands still", 630, 18, txn.Drained{Refused: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			src := w.chains[srcChain]
			src.legacy = true
			w.swapOf(w.signer, swap.OneInchV1, [32]byte{1}, true)
			w.until(560)
			for src.head().Time < simStart.Add(c.at) {
				src.mine(2)
			}
			w.chains[dstChain].mine(60)
			w.syncAll()
			w.sweep()
			src.lag = c.lag
			w.expect("drain", w.sent(), c.want)
			src.mine(2)
			if got := w.ended(w.orders[w.ids[0]].Src) == swap.Cancelled; got != (c.want.Sent == 1) {
				t.Errorf("cancelled: %v", got)
			}
		})
	}
}
