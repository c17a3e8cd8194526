package txn_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// resolverClaims makes n swaps of the resolver contract whose src legs are to be
// claimed now.
func (w *world) resolverClaims(n int, families ...swap.Family) (made []*swap.Order) {
	now := int64(w.chains[srcChain].head().Time - simStart)
	for i := range n {
		family := swap.OneInchV1
		if len(families) > 0 {
			family = families[i%len(families)]
		}
		made = append(made, w.swapOf(w.resolver, family, [32]byte{8, byte(len(w.ids)), byte(len(w.ids) >> 8)}, false))
	}
	w.until(now + 22)
	w.pay(made...)
	w.until(now + 26)
	w.syncAll()
	w.sweep()
	return made
}

func (w *world) rehearsed() int {
	return strings.Count(strings.Join(w.calls, " "), "backend.rehearse")
}

// Many calls of one resolver contract go in few transactions, each rehearsed
// once, the most urgent first; each action is settled by its own event.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		made := w.resolverClaims(40)
		w.expect("drain", w.sent(), txn.Drained{Sent: 40})
		e := w.entries()
		if len(e) != 2 || len(e[0].Acts) != txn.MaxActs || len(e[1].Acts) != 8 || w.rehearsed() != 2 {
			t.Fatalf("%d entries, %d rehearsals", len(e), w.rehearsed())
		}
		risk := map[swap.ActionKey]uint256.Int{}
		for _, work := range w.works.All() {
			risk[work.Key()] = work.AtRisk
		}
		acts := append(slices.Clone(e[0].Acts), e[1].Acts...)
		if !slices.IsSortedFunc(acts, func(a, b txn.Act) int { v, u := risk[a.Action], risk[b.Action]; return u.Cmp(&v) }) {
			t.Error("not by value")
		}
		if got, want := e[0].Txs[0].Gas, uint64(200_000*32+40_000); got != want {
			t.Errorf("gas %d, want %d", got, want)
		}
		w.heal()
		for _, o := range made {
			if w.ended(o.Src) != swap.Withdrawn {
				t.Errorf("src is %v", w.ended(o.Src))
			}
		}
		for _, f := range w.findings {
			t.Errorf("finding %+v", f)
		}
	})
}

// One action that the chain refuses never holds the others, wherever it stands,
// and finding it takes few rehearsals.
func TestOneBadActionInABatch(t *testing.T) {
	for _, bad := range []int{0, 7, 31} {
		w := newWorld(t, 1)
		made := w.resolverClaims(32)
		out := made[bad]
		w.chains[srcChain].head().state.ended[out.Src.Escrow] = swap.Withdrawn // unseen by the logs
		w.expect("drain", w.sent(), txn.Drained{Sent: 31, Refused: 1})
		if n := w.rehearsed(); n > 12 {
			t.Errorf("%d rehearsals", n)
		}
		if f := w.findings; len(f) != 1 || f[0].Code != swap.CallReverts || f[0].Escrow != out.Src.Escrow {
			t.Errorf("findings %+v", f)
		}
		got := 0
		for _, e := range w.entries() {
			got += len(e.Acts)
		}
		if got != 31 {
			t.Errorf("%d in the journal", got)
		}
	}
}

// If most are bad, rehearsing ends, and what nobody asked about waits: it is not
// refused.
func TestRehearsalsAreBounded(t *testing.T) {
	w := newWorld(t, 1)
	made := w.resolverClaims(200)
	for _, o := range made[:199] {
		w.chains[srcChain].head().state.ended[o.Src.Escrow] = swap.Withdrawn
	}
	res := w.sent()
	if n := w.rehearsed(); n > 256+16 || res.Refused == 0 || res.Refused+res.Waiting+res.Sent != 200 || !w.rung[srcChain] {
		t.Errorf("%+v after %d rehearsals", res, n)
	}
	for range 4 {
		w.chains[srcChain].mine(2)
		w.sent()
	}
	if e := w.entries(); len(e) != 1 || len(e[0].Acts) != 1 {
		t.Errorf("%d entries", len(e))
	}
}

// A resolver contract that refuses its signer is found out with one question
// more, named as what it is, and the key's other work goes on.
func TestContractThatRefusesUs(t *testing.T) {
	w := newWorld(t, 1)
	w.resolverClaims(32)
	w.claims(2)
	w.chains[srcChain].shut = true
	w.expect("drain", w.sent(), txn.Drained{Sent: 2, Refused: 32})
	if n := w.rehearsed(); n != 4 {
		t.Errorf("%d rehearsals", n)
	}
	if f := w.findings[0]; f.Code != swap.CallReverts || f.Severity != swap.Critical || !strings.Contains(f.Detail, "refuses its signer") || !strings.Contains(f.Detail, w.resolver.Hex()) {
		t.Errorf("finding %+v", f)
	}
	for _, work := range w.works.All() {
		if work.Taker == w.resolver && (work.State != swap.WorkRefused || work.RetryAt == 0) {
			t.Errorf("work %+v", work)
		}
	}
	w.chains[srcChain].shut = false
	synctest.Test(t, func(*testing.T) { w.heal() })
}

// A contract that succeeds without making the calls fools nobody.
func TestContractThatDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.resolverClaims(3)
		c := w.chains[srcChain]
		c.silent = true
		w.sent()
		for range confirmations + 2 {
			c.mine(2)
		}
		w.syncAll()
		res, err, _ := w.track(t.Context(), srcChain)
		if want := (txn.Tracked{Open: 1, Reverted: 3, Reopened: 3}); err != nil || res != want {
			t.Errorf("%+v, %v", res, err)
		}
		if f := w.findings; len(f) != 3 || f[0].Code != swap.CallReverts {
			t.Errorf("findings %+v", f)
		}
		c.silent = false
		w.heal()
	})
}

// A batch that reverts on chain does not hold its actions until that is final:
// they are sent again at once, in smaller ones, and each takes effect once.
func TestRevertedBatchIsSentAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.chains[srcChain]
		made := w.resolverClaims(32)
		w.until(125)
		w.syncAll()
		w.sent()
		// A stranger is faster with one of them, so that all of it reverts.
		taken := made[3]
		c.strange(taken.Src.Leg, swap.PublicWithdraw, *taken.Secret)
		for h, tx := range c.pool {
			if !tx.stranger {
				delete(c.pool, h)
				defer func() { _ = h }()
				c.mine(2)
				c.pool[h] = tx
			}
		}
		c.mine(2)
		if w.ended(made[0].Src) != 0 {
			t.Fatal("the batch did not revert")
		}
		w.syncAll()
		res := w.sent()
		if res.Sent != 31 {
			t.Fatalf("%+v", res)
		}
		c.mine(2)
		for _, o := range made {
			if w.ended(o.Src) != swap.Withdrawn {
				t.Fatalf("src is %v", w.ended(o.Src))
			}
		}
		w.heal()
		if h := w.works.History(made[0].ID); len(h) != 1 || h[0].State != swap.WorkConfirmed {
			t.Errorf("history %+v", h)
		}
	})
}

// An action of a batch that somebody else has done makes the others revert: the
// batch is replaced without it before it is mined.
func TestBatchIsReplacedWithoutTheDoomed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.chains[srcChain]
		made := w.resolverClaims(3)
		w.until(125)
		w.syncAll()
		c.baseFee = 40 * gwei
		w.expect("sent", w.sent(), txn.Drained{Sent: 3})
		c.baseFee = 400 * gwei
		c.strange(made[1].Src.Leg, swap.PublicWithdraw, *made[1].Secret)
		c.mine(2)
		w.syncAll()
		c.baseFee = 2 * gwei
		w.expect("replaced", w.sent(), txn.Drained{Bumped: 1})
		e := w.entries()[0]
		if len(e.Txs) != 2 || len(e.Txs[1].Acts) != 2 {
			t.Fatalf("entry %+v", e)
		}
		c.mine(2)
		if w.ended(made[0].Src) != swap.Withdrawn || w.ended(made[2].Src) != swap.Withdrawn {
			t.Error("the others were not claimed")
		}
		w.heal()
		if h := w.works.History(made[1].ID); len(h) != 1 || h[0].State != swap.WorkByOther {
			t.Errorf("history %+v", h)
		}
	})
}

// What a replacement left out is sent again as soon as the plan wants it again,
// and not only when the replacement is final.
func TestLeftOutIsSentAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.chains[srcChain]
		made := w.resolverClaims(3)
		w.until(125)
		w.syncAll()
		c.baseFee = 40 * gwei
		w.expect("sent", w.sent(), txn.Drained{Sent: 3})
		c.baseFee = 400 * gwei
		c.strange(made[1].Src.Leg, swap.PublicWithdraw, *made[1].Secret)
		c.mine(2)
		w.syncAll()
		c.baseFee = 2 * gwei
		w.expect("replaced", w.sent(), txn.Drained{Bumped: 1})
		c.blocks = c.blocks[:len(c.blocks)-1] // the stranger's claim is undone
		c.mine(2)
		c.mine(2)
		w.syncAll()
		if w.ended(made[0].Src) != swap.Withdrawn || w.ended(made[1].Src) != 0 {
			t.Fatal("not as it should begin")
		}
		w.expect("again", w.sent(), txn.Drained{Sent: 1})
		w.expect("once", w.sent(), txn.Drained{})
		c.mine(2)
		if w.ended(made[1].Src) != swap.Withdrawn {
			t.Error("not claimed")
		}
		w.heal()
		if h := w.works.History(made[1].ID); len(h) != 1 || h[0].State != swap.WorkConfirmed {
			t.Errorf("history %+v", h)
		}
	})
}

// The caps of its actions bound a batch together; the world checks that nothing
// is broadcast above them.
func TestBatchPrice(t *testing.T) {
	w := newWorld(t, 1)
	w.resolverClaims(4)
	w.chains[srcChain].baseFee = 45 * gwei
	w.expect("drain", w.sent(), txn.Drained{Sent: 4})
	tx := w.entries()[0].Txs[0]
	most := new(uint256.Int).Mul(&tx.FeeCap, uint256.NewInt(tx.Gas))
	if limit := uint256.NewInt(4 * 240_000 * 100 * gwei); most.Gt(limit) || tx.FeeCap.Lt(uint256.NewInt(45*gwei)) {
		t.Errorf("%s for %s", most, limit)
	}
}

// Each call of a batch is guarded.
func TestGuardOfBatches(t *testing.T) {
	setup := func(t *testing.T) (swap.Policy, []txn.Part, txn.Call) {
		w := newWorld(t, 1)
		w.resolverClaims(3)
		var parts []txn.Part
		for _, id := range w.ids {
			c, err := w.plan(id, w.views())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range c.Decision.Actions {
				if a.ChainID == srcChain && a.Refused == "" {
					parts = append(parts, txn.Part{Case: c, Action: a})
				}
			}
		}
		call, err := txn.BuildAll(parts)
		if err != nil || len(parts) != 3 {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		return w.policy, parts, call
	}
	p, parts, call := setup(t)
	if err := txn.GuardAll(p, parts, call); err != nil {
		t.Fatalf("refuses what it should sign: %v", err)
	}
	for name, spoil := range map[string]func(parts []txn.Part, call *txn.Call) []txn.Part{
		"no call":        func([]txn.Part, *txn.Call) []txn.Part { return nil },
		"one left out":   func(parts []txn.Part, _ *txn.Call) []txn.Part { return parts[:2] },
		"another order":  func(parts []txn.Part, _ *txn.Call) []txn.Part { slices.Reverse(parts); return parts },
		"one twice":      func(parts []txn.Part, _ *txn.Call) []txn.Part { parts[2] = parts[1]; return parts },
		"one not wanted": func(parts []txn.Part, _ *txn.Call) []txn.Part { parts[1].Decision.Actions = nil; return parts },
		"one more call": func(parts []txn.Part, call *txn.Call) []txn.Part {
			call.Data = append(slices.Clone(call.Data), 0)
			return parts
		},
		"another contract": func(parts []txn.Part, call *txn.Call) []txn.Part { call.To = named("elsewhere"); return parts },
		"boundless gas":    func(parts []txn.Part, call *txn.Call) []txn.Part { call.Gas = 3_000_000; return parts },
		"a call slipped in": func(parts []txn.Part, call *txn.Call) []txn.Part {
			inner, _, _ := swap.Unwrap(call.Data)
			var to []common.Address
			var data [][]byte
			for _, i := range inner {
				to, data = append(to, i.Target), append(data, i.Data)
			}
			to[1] = named("token")
			call.Data = swap.EncodeArbitraryCalls(to, data)
			return parts
		},
		"another path": func(parts []txn.Part, _ *txn.Call) []txn.Part { parts[2].Action.Path = swap.PathEOA; return parts },
		"too many": func(parts []txn.Part, _ *txn.Call) []txn.Part {
			for len(parts) <= txn.MaxActs {
				parts = append(parts, parts[0])
			}
			return parts
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, parts, call := setup(t)
			if parts = spoil(parts, &call); txn.GuardAll(p, parts, call) == nil {
				t.Error("accepted")
			}
		})
	}
}

// A call of a batch that cannot be judged, because another chain cannot be read,
// is not left out when the batch is replaced.
func TestReplacementKeepsWhatItCannotJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		alone := w.swapOf(w.resolver, swap.OneInchV1, [32]byte{1}, true)
		w.until(610)
		claim := w.resolverClaims(1)[0]
		w.expect("drain", w.sent(), txn.Drained{Sent: 2})
		w.blind[dstChain] = true
		w.chains[srcChain].baseFee = 30 * gwei
		w.expect("sunk", w.sent(), txn.Drained{Bumped: 1})
		if e := w.entries(); len(e) != 1 || len(e[0].Acts) != 2 || e[0].Txs[1].Acts != nil {
			t.Errorf("%d entries, the replacement of acts %v", len(e), e[0].Txs[1].Acts)
		}
		w.chains[srcChain].mine(2)
		if w.ended(claim.Src) != swap.Withdrawn || w.ended(alone.Src) != swap.Cancelled {
			t.Errorf("ends %v and %v", w.ended(claim.Src), w.ended(alone.Src))
		}
		w.blind[dstChain] = false
		w.heal()
	})
}
