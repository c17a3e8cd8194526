package follow_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// cancelled plays a BMN swap up to the cancellation of its dst leg, which the
// given transaction makes.
func cancelled(w *world, cancel func(trade) simTx, opts ...option) trade {
	w.t.Helper()
	tr := w.trade(swap.BMNv4, opts...)
	w.chains[tr.src].mine(tr.createSrc(taker))
	w.chains[tr.dst].mine(tr.createTrueDst(taker))
	w.pass()
	w.chains[tr.dst].mine(cancel(tr))
	return tr
}

// stolen is a cancellation by somebody's signature who names himself as taker.
func stolen(tr trade) simTx {
	tx := tr.cancel("dst")
	tx.from, tx.thief = stranger, stranger
	return tx
}

func plainly(tr trade) simTx { return tr.cancel("dst") }

// The event of a theft is that of a cancellation. It is told as soon as it is
// seen, and again when it is final; the other leg is looked after all the same.
func TestDstEmptiedBySignature(t *testing.T) {
	w := newWorld(t)
	tr := cancelled(w, stolen)
	w.pass()
	if w.found(swap.TokensAstray, swap.Critical) != 1 {
		t.Errorf("%+v", w.findings)
	}
	w.findings = nil
	w.later(12 * confirmations)
	w.pass()
	if w.found(swap.TokensAstray, swap.Critical) != 1 {
		t.Errorf("%+v", w.findings)
	}
	w.want(tr, swap.LegOpen, swap.LegCancelled)
	w.chains[tr.src].mine(tr.cancel("src"))
	w.settle()
	if !w.order(w.id(tr)).Closed {
		t.Error("the order is still open")
	}
}

// A cancellation is looked into once, whatever becomes of it later.
func TestCancellationIsLookedIntoOnce(t *testing.T) {
	w := newWorld(t)
	tr := cancelled(w, plainly)
	for range 4 {
		w.pass()
		w.later(12)
	}
	w.chains[tr.src].mine(tr.cancel("src"))
	w.settle()
	if n := w.calls["rpc.payouts"]; n != 1 {
		t.Errorf("asked %d times", n)
	}
	if w.found(swap.TokensAstray, swap.Critical)+w.found(swap.TokensAstray, swap.Warning) != 0 || !w.order(w.id(tr)).Closed {
		t.Errorf("closed %v, %+v", w.order(w.id(tr)).Closed, w.findings)
	}
}

// While the transaction cannot be read nothing is concluded: the order stays
// open, a person is told in time, and the truth comes out in the end.
func TestCancellationThatCannotBeRead(t *testing.T) {
	for name, cancel := range map[string]func(trade) simTx{"stolen": stolen, "returned": plainly} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tr := cancelled(w, cancel)
			w.chains[tr.dst].noTx = true
			w.chains[tr.src].mine(tr.cancel("src"))
			w.pass()
			if w.found(swap.TokensAstray, swap.Warning) != 0 {
				t.Errorf("told at once: %+v", w.findings)
			}
			w.settle()
			if w.found(swap.TokensAstray, swap.Warning) == 0 || w.found(swap.TokensAstray, swap.Critical) != 0 || w.order(w.id(tr)).Closed {
				t.Errorf("closed %v, %+v", w.order(w.id(tr)).Closed, w.findings)
			}
			w.findings = nil
			w.chains[tr.dst].noTx = false
			w.later(700)
			w.pass()
			if got := w.found(swap.TokensAstray, swap.Critical) > 0; got != (name == "stolen") || !w.order(w.id(tr)).Closed {
				t.Errorf("closed %v, %+v", w.order(w.id(tr)).Closed, w.findings)
			}
		})
	}
}

// An error while looking does not hold up the pass, and is returned; what could
// be read counts all the same.
func TestLookingIntoCancellationFails(t *testing.T) {
	for fault, told := range map[faulttest.Fault]int{faulttest.Refused: 0, faulttest.Lost: 1} {
		w := newWorld(t)
		tr := cancelled(w, stolen)
		w.Fail(func(op string) faulttest.Fault {
			if op == "rpc.payouts.2" {
				return fault
			}
			return faulttest.OK
		})
		if _, err := w.follower().Pass(t.Context()); err == nil {
			t.Error("no error")
		}
		if w.found(swap.TokensAstray, swap.Critical) != told {
			t.Errorf("%+v", w.findings)
		}
		w.want(tr, swap.LegOpen, swap.LegCancelled)
		w.Fail(nil)
		w.findings = nil
		w.pass()
		if w.found(swap.TokensAstray, swap.Critical) != 1 {
			t.Errorf("%+v", w.findings)
		}
	}
}

// The same transaction in another block is looked into anew.
func TestReorgMakesCancellationATheft(t *testing.T) {
	w := newWorld(t)
	tr := cancelled(w, plainly)
	w.pass()
	w.chains[tr.dst].reorg(1, 1, func(simTx) bool { return false })
	w.chains[tr.dst].mine(stolen(tr))
	w.pass()
	if w.found(swap.TokensAstray, swap.Critical) != 1 || w.calls["rpc.payouts"] != 2 {
		t.Errorf("asked %d times, %+v", w.calls["rpc.payouts"], w.findings)
	}
}

// Native coin leaves no log. A cancellation of our own, or a call of the escrow
// with the leg's own words, is believed, anything else is told.
func TestCancellationOfNativeCoin(t *testing.T) {
	native := func(tr *trade) { tr.expect.Token = swap.Word{} }
	call := func(leg swap.Leg, change func(*swap.Leg)) []byte {
		if change != nil {
			change(&leg)
		}
		data, err := swap.EncodeCall(leg, swap.Cancel, swap.CallArgs{})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, c := range map[string]struct {
		from   common.Address
		direct bool
		change func(*swap.Leg)
		want   int
	}{
		"ours":                     {taker, false, nil, 0},
		"a stranger's, as it was":  {stranger, true, nil, 0},
		"a stranger's, for itself": {stranger, true, func(l *swap.Leg) { l.Immutables.Taker = addressWord(stranger) }, 1},
		"a stranger's, wrapped":    {stranger, false, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cancelled(w, func(tr trade) simTx {
				leg := *w.chains[tr.dst].head().state[tr.name+" dst"].Leg
				tx := tr.cancel("dst")
				tx.from, tx.input = c.from, call(leg, c.change)
				if c.direct {
					tx.to = leg.Escrow
				}
				return tx
			}, native)
			w.pass()
			if n := w.found(swap.TokensAstray, swap.Critical); n != c.want {
				t.Errorf("told %d times, want %d: %+v", n, c.want, w.findings)
			}
		})
	}
}
