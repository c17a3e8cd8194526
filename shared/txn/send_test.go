package txn_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

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
		got = append(got, e.Acts[0].Action.Escrow)
	}
	if want := []common.Address{first.Src.Escrow, high.Src.Escrow, low.Src.Escrow, patient.Src.Escrow}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
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
			if signed != 2 { // of the window, once
				t.Errorf("%d signatures", signed)
			}
			w.fault = nil
			w.heal()
		})
	}
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
	c.refuses = nil
	w.until(690)
	w.expect("accepted", w.sent(), txn.Drained{Sent: 1})
	if got := w.works.All()[0]; got.Why != "" || got.RetryAt != 0 || got.State != swap.WorkSubmitted {
		t.Errorf("work %+v", got)
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
		one := uint256.NewInt(200_000 * 5 * gwei)                                                // gas times twice the base fee and the tip
		w.chains[srcChain].balance[w.signer] = new(uint256.Int).AddUint64(one, 200_000*2*gwei-1) // less than the base fee is left
		w.expect("first", w.sent(), txn.Drained{Sent: 1, Refused: 2})
		w.expectCodes(swap.SignerDry, swap.SignerDry)
		w.chains[srcChain].full = true
		w.claims(1)
		w.expect("second", w.sent(), txn.Drained{Refused: 1, Bumped: 1})
		w.heal()
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

// What the guard refuses is not signed, though the plan wants it.
func TestGuardIsAsked(t *testing.T) {
	w := newWorld(t, 1)
	w.policy.Chains[srcChain].Takers[w.resolver] = swap.TakerPolicy{Signer: w.signer, Path: swap.PathEOA} // it is no account
	w.swapOf(w.resolver, swap.OneInchV1, [32]byte{1}, true)
	w.until(640)
	w.syncAll()
	w.sweep()
	if res, err, _ := w.drain(t.Context(), srcChain); err == nil || res != (txn.Drained{}) || slices.Contains(w.calls, "sign") {
		t.Errorf("%+v, %v, %v", res, err, w.calls)
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

// Where blocks may share a time, the last second before the end is still good.
func TestLastSecond(t *testing.T) {
	w := newWorld(t, 1)
	p := w.policy.Chains[srcChain]
	p.MinBlockTime = 0
	w.policy.Chains[srcChain] = p
	w.configs[srcChain] = txn.ChainConfig{PoolCap: 16, Confirmations: confirmations}
	w.claims(1)
	w.until(599)
	w.syncAll()
	w.expect("drain", w.sent(), txn.Drained{Sent: 1})
}
