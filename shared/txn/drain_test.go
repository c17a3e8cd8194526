package txn_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// claims makes n swaps whose makers are paid by a stranger, so that their src
// legs are to be claimed now, some 25 seconds after their creation.
func (w *world) claims(n int) {
	now := int64(w.chains[srcChain].head().Time - simStart)
	var made []*swap.Order
	for range n {
		made = append(made, w.swapOf(w.signer, swap.OneInchV1, [32]byte{9, byte(len(w.ids)), byte(len(w.ids) >> 8)}, false))
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
	for _, f := range w.findings { // what is about the key is told of the key, and of no order
		if ofKey := f.Code == swap.SignerDry || f.Code == swap.ForeignTx; ofKey && (f.Account != w.signer || f.Order != (swap.OrderID{}) || f.Escrow != (common.Address{})) {
			w.fail("not of the signer alone: %+v", f)
		}
	}
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
			written := 0
			w.fault = func(_ int, op string) fault {
				if op == "journal.record" {
					written++
				}
				if op == "journal.record" && written == 2 {
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

// Nothing is journalled once the lease is known to be lost.
func TestLeaseLostWhileSigning(t *testing.T) {
	w := newWorld(t, 1)
	w.claims(1)
	w.fault = func(_ int, op string) fault {
		if op == "sign" {
			return supersede
		}
		return fine
	}
	if res, err, _ := w.drain(t.Context(), srcChain); err == nil || res.Sent != 0 || slices.Contains(w.calls, "journal.record") {
		t.Errorf("%+v, %v, %v", res, err, w.calls)
	}
	w.oneNonce()
}

// Work that looks unsent although its transaction is in the journal, as after a
// repair by hand, is not sent twice.
func TestWorkInFlightIsNotSentAgain(t *testing.T) {
	w := newWorld(t, 1)
	w.claims(1)
	w.sent()
	work := w.works.All()[0]
	work.State = swap.WorkPlanned
	if err := w.works.Save(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	w.expect("drain", w.sent(), txn.Drained{})
	w.oneNonce()
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
		p := w.policy.Chains[srcChain]
		p.AccessTokenSigner = w.signer // still looks at the taker's work
		w.policy.Chains[srcChain] = p
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
