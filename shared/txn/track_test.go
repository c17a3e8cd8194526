package txn_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// What becomes of one entry, nonce 0, decided at block 95.
func TestTrackOne(t *testing.T) {
	success := func(block uint64) func(*tracked, txn.Entry) {
		return func(r *tracked, e txn.Entry) { r.mined(e.Txs[0].Hash, block, true); r.state.Latest = 1 }
	}
	for name, c := range map[string]struct {
		given func(*tracked, txn.Entry)
		entry txn.EntryState
		work  swap.WorkState // "": ended, in the history
		ring  int
		code  swap.FindingCode
	}{
		"final":                       {success(96), txn.Mined, "", 0, ""},
		"one block short of final":    {success(97), txn.Open, swap.WorkSubmitted, 0, ""},
		"read as final, but not deep": {func(r *tracked, e txn.Entry) { success(97)(r, e); r.facts.From = at(100) }, txn.Open, swap.WorkSubmitted, 0, ""},
		"final, but not yet read so":  {func(r *tracked, e txn.Entry) { success(96)(r, e); r.facts.From = at(95) }, txn.Open, swap.WorkSubmitted, 0, ""},
		"nothing read yet":            {func(r *tracked, e txn.Entry) { success(96)(r, e); r.facts = swap.Provisional{} }, txn.Open, swap.WorkSubmitted, 0, ""},
		"receipt of an unused nonce":  {func(r *tracked, e txn.Entry) { success(96)(r, e); r.state.Latest = 0 }, txn.Open, swap.WorkSubmitted, 0, ""},
		"receipt of the future":       {success(1 << 63), txn.Open, swap.WorkSubmitted, 0, ""},
		"reverted": {func(r *tracked, e txn.Entry) { r.mined(e.Txs[0].Hash, 96, false); r.state.Latest = 1 },
			txn.Mined, swap.WorkRefused, 0, swap.TxReverted},
		"reverted, not final":        {func(r *tracked, e txn.Entry) { r.mined(e.Txs[0].Hash, 97, false); r.state.Latest = 1 }, txn.Open, swap.WorkSubmitted, 0, ""},
		"a bump was mined":           {func(r *tracked, e txn.Entry) { r.mined(r.bump(e, 90_000, 95), 96, true); r.state.Latest = 1 }, txn.Mined, "", 0, ""},
		"nothing was mined in place": {func(r *tracked, e txn.Entry) { r.mined(r.bump(e, 100_000, 95), 96, true); r.state.Latest = 1 }, txn.Mined, swap.WorkPlanned, 1, ""},
		"the first was mined after all": {func(r *tracked, e txn.Entry) {
			r.bump(e, 100_000, 95)
			r.mined(e.Txs[0].Hash, 96, true)
			r.state.Latest = 1
		}, txn.Mined, "", 0, ""},
		"foreign":              {func(r *tracked, _ txn.Entry) { r.state.Latest, r.state.Settled = 1, 1 }, txn.Foreign, swap.WorkPlanned, 1, swap.ForeignTx},
		"foreign, not settled": {func(r *tracked, _ txn.Entry) { r.state.Latest = 1 }, txn.Open, swap.WorkSubmitted, 0, ""},
		"foreign, logs behind": {func(r *tracked, _ txn.Entry) { r.state.Latest, r.state.Settled, r.facts.From = 1, 1, at(95) }, txn.Open, swap.WorkSubmitted, 0, ""},
		"foreign, though known": {func(r *tracked, e txn.Entry) {
			r.outcomes[e.Txs[0].Hash] = txn.Outcome{Known: true}
			r.state.Latest, r.state.Settled = 1, 1
		}, txn.Foreign, swap.WorkPlanned, 1, swap.ForeignTx},
		"unknown":     {func(*tracked, txn.Entry) {}, txn.Open, swap.WorkSubmitted, 1, ""},
		"in the pool": {func(r *tracked, e txn.Entry) { r.outcomes[e.Txs[0].Hash] = txn.Outcome{Known: true} }, txn.Open, swap.WorkSubmitted, 0, ""},
		"in the pool, almost late": {func(r *tracked, e txn.Entry) {
			r.outcomes[e.Txs[0].Hash] = txn.Outcome{Known: true}
			r.state.Head = at(104)
		}, txn.Open, swap.WorkSubmitted, 0, ""},
		"in the pool for too long": {func(r *tracked, e txn.Entry) {
			r.outcomes[e.Txs[0].Hash] = txn.Outcome{Known: true}
			r.state.Head = at(105)
		}, txn.Open, swap.WorkSubmitted, 1, ""},
		"the bump is unknown": {func(r *tracked, e txn.Entry) {
			r.outcomes[e.Txs[0].Hash] = txn.Outcome{Known: true}
			r.bump(e, 90_000, 99)
		}, txn.Open, swap.WorkSubmitted, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTracked(t)
			e, w := r.entry(watchtest.Address(), 0, 95)
			c.given(r, e)
			res, err := r.track()
			if err != nil {
				t.Fatal(err)
			}
			if got := r.settled(0); got != c.entry {
				t.Errorf("entry is %s, want %s", got, c.entry)
			}
			if got := r.work(w.Key()).State; got != c.work {
				t.Errorf("work is %q, want %q", got, c.work)
			}
			if h := r.works.History(w.Order); c.work == "" && (len(h) != 1 || h[0].State != swap.WorkConfirmed) {
				t.Errorf("history %+v", h)
			}
			if r.rings != c.ring || res.Rung != (c.ring > 0) {
				t.Errorf("%d rings, result %+v", r.rings, res)
			}
			if c.code == "" && len(r.findings) > 0 || c.code != "" && (len(r.findings) != 1 || r.findings[0].Code != c.code) {
				t.Errorf("findings %+v", r.findings)
			}
			want := txn.Tracked{Open: 1, Rung: c.ring > 0}
			switch {
			case c.entry == txn.Open:
				want.Waiting = 1
			case c.work == "":
				want.Confirmed = 1
			default:
				want.Reopened = 1
				switch c.code {
				case swap.ForeignTx:
					want.Foreign = 1
					if f := r.findings[0]; f.Account != w.Signer || f.Order != (swap.OrderID{}) || f.Escrow != (common.Address{}) {
						t.Errorf("not of the signer alone: %+v", f)
					}
				case swap.TxReverted:
					want.Reverted = 1
				}
			}
			if res != want {
				t.Errorf("result %+v, want %+v", res, want)
			}
			if c.entry != txn.Open && c.work != "" && r.work(w.Key()).Attempt != 2 {
				t.Errorf("attempt %d", r.work(w.Key()).Attempt)
			}
		})
	}
}

// What reverted is tried again after a back-off, sooner before a hard deadline.
func TestRevertedBacksOff(t *testing.T) {
	now := at(100).Time
	for name, c := range map[string]struct {
		change   func(*swap.Work)
		wait     int64
		severity swap.Severity
	}{
		"first":         {func(*swap.Work) {}, 30, swap.Warning},
		"second":        {func(w *swap.Work) { w.Attempt = 2 }, 60, swap.Warning},
		"many":          {func(w *swap.Work) { w.Attempt = 1000 }, 1800, swap.Warning},
		"deadline near": {func(w *swap.Work) { w.Hard = now + 40 }, 10, swap.Critical},
		"deadline here": {func(w *swap.Work) { w.Hard = now + 1 }, 1, swap.Critical},
		"deadline past": {func(w *swap.Work) { w.Hard = now - 1 }, 30, swap.Critical},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTracked(t)
			e, w := r.entry(watchtest.Address(), 0, 95, c.change)
			r.mined(e.Txs[0].Hash, 90, false)
			r.state.Latest = 1
			if _, err := r.track(); err != nil {
				t.Fatal(err)
			}
			got := r.work(w.Key())
			if got.State != swap.WorkRefused || got.RetryAt.Sub(now) != c.wait || got.Attempt != w.Attempt+1 {
				t.Errorf("%s until %d s, attempt %d", got.State, got.RetryAt.Sub(now), got.Attempt)
			}
			if f := r.findings[0]; f.Severity != c.severity || f.Order != w.Order || f.Escrow != w.Escrow || f.Call != w.Call || f.AtRisk != w.AtRisk || f.Deadline != w.Hard {
				t.Errorf("finding %+v", f)
			}
		})
	}
}

// Many entries of two takers: each is settled by itself, one ring in the end.
func TestTrackMany(t *testing.T) {
	r := newTracked(t)
	one, other := watchtest.Address(), watchtest.Address()
	e0, w0 := r.entry(one, 0, 80)
	_, w1 := r.entry(other, 1, 80) // foreign
	e2, w2 := r.entry(one, 2, 80)  // reverted
	_, w3 := r.entry(other, 3, 99) // lost
	_, w4 := r.entry(one, 4, 99)   // lost
	r.mined(e0.Txs[0].Hash, 90, true)
	r.mined(e2.Txs[0].Hash, 91, false)
	r.state.Latest, r.state.Settled = 3, 3
	res, err := r.track()
	if err != nil {
		t.Fatal(err)
	}
	if want := (txn.Tracked{Open: 5, Confirmed: 1, Reverted: 1, Foreign: 1, Reopened: 2, Waiting: 2, Rung: true}); res != want {
		t.Errorf("%+v, want %+v", res, want)
	}
	var states []swap.WorkState
	for _, w := range []swap.Work{w0, w1, w2, w3, w4} {
		states = append(states, r.work(w.Key()).State)
	}
	if want := []swap.WorkState{"", swap.WorkPlanned, swap.WorkRefused, swap.WorkSubmitted, swap.WorkSubmitted}; !slices.Equal(states, want) {
		t.Errorf("works %v, want %v", states, want)
	}
	// Findings before what settles them, the ring when all can be seen.
	if want := []string{"entries", "facts", "account", "outcomes", "report", "settle", "settle", "settle", "ring"}; !slices.Equal(r.log, want) {
		t.Errorf("order %v, want %v", r.log, want)
	}
}

func TestTrackIdle(t *testing.T) {
	r := newTracked(t)
	if res, err := r.track(); err != nil || res != (txn.Tracked{}) || !slices.Equal(r.log, []string{"entries"}) {
		t.Errorf("%+v, %v, %v", res, err, r.log)
	}
}

// Work that is gone, or is somebody else's business by now, is left alone; the
// entry is settled all the same.
func TestTrackWithoutWork(t *testing.T) {
	t.Run("planned anew", func(t *testing.T) {
		r := newTracked(t)
		e, w := r.entry(watchtest.Address(), 0, 95)
		anew := r.work(w.Key())
		anew.State = swap.WorkPlanned
		if err := r.works.Save(t.Context(), anew); err != nil {
			t.Fatal(err)
		}
		r.mined(e.Txs[0].Hash, 90, true)
		r.state.Latest = 1
		if res, err := r.track(); err != nil || res.Confirmed != 1 || r.work(w.Key()).State != swap.WorkPlanned {
			t.Errorf("%+v, %v, %+v", res, err, r.work(w.Key()))
		}
	})
	r := newTracked(t)
	e, w := r.entry(watchtest.Address(), 0, 95)
	gone := r.work(w.Key())
	gone.State = swap.WorkObsolete
	if err := r.works.Save(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	r.mined(e.Txs[0].Hash, 90, false)
	r.state.Latest = 1
	res, err := r.track()
	if err != nil || res.Reverted != 1 || res.Reopened != 0 || r.settled(0) != txn.Mined {
		t.Errorf("%+v, %v, %s", res, err, r.settled(0))
	}
	if len(r.findings) != 1 {
		t.Errorf("findings %+v", r.findings)
	}
}

func TestTrackFailures(t *testing.T) {
	broken := errors.New("broken")
	for op, c := range map[string]struct {
		err   error
		entry txn.EntryState
		fails bool
	}{
		"entries":  {broken, txn.Open, true},
		"facts":    {broken, txn.Open, true},
		"account":  {broken, txn.Open, true},
		"outcomes": {broken, txn.Open, true},
		"report":   {broken, txn.Open, true}, // what could not be told is not settled
		"settle":   {swap.ErrConflict, txn.Open, false},
		"ring":     {broken, txn.Foreign, true},
	} {
		t.Run(op, func(t *testing.T) {
			r := newTracked(t)
			r.entry(watchtest.Address(), 0, 95)
			r.state.Latest, r.state.Settled = 1, 1
			r.fail[op] = c.err
			if _, err := r.track(); c.fails != errors.Is(err, broken) || !c.fails && err != nil {
				t.Errorf("%v", err)
			}
			if got := r.settled(0); got != c.entry {
				t.Errorf("entry is %s", got)
			}
			delete(r.fail, op)
			if _, err := r.track(); err != nil || r.settled(0) != txn.Foreign {
				t.Errorf("second look: %v, %s", err, r.settled(0))
			}
		})
	}
	t.Run("one of two cannot be settled", func(t *testing.T) {
		r := newTracked(t)
		e0, _ := r.entry(watchtest.Address(), 0, 95)
		r.entry(watchtest.Address(), 1, 95)
		r.mined(e0.Txs[0].Hash, 90, true)
		r.state.Latest, r.state.Settled = 2, 2
		r.fail["report"] = broken
		if _, err := r.track(); !errors.Is(err, broken) || r.settled(0) != txn.Mined || r.settled(1) != txn.Open {
			t.Errorf("%v, %s, %s", err, r.settled(0), r.settled(1))
		}
	})
	t.Run("chain not configured", func(t *testing.T) {
		r := newTracked(t)
		tr := txn.Tracker{Backend: trackedChain{r}, Journal: r, Works: r.works, Facts: r, Chains: map[uint64]txn.ChainConfig{}}
		if _, err := tr.Track(t.Context(), r.Account); err == nil {
			t.Error("no error")
		}
	})
}

func TestTrackAll(t *testing.T) {
	r := newTracked(t)
	r.entry(watchtest.Address(), 0, 95)
	tr := txn.Tracker{Backend: trackedChain{r}, Journal: r, Works: r.works, Facts: r, Log: slog.New(slog.DiscardHandler),
		Ring:   func(context.Context, txn.Account) error { r.rings++; return nil },
		Chains: map[uint64]txn.ChainConfig{r.ChainID: {Confirmations: depth}}}
	other := txntest.Account()
	res, err := tr.TrackAll(t.Context(), []txn.Account{other, r.Account})
	if err == nil || res.Open != 1 || r.rings != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// hanging is a journal whose answer about one account nobody lives to see.
type hanging struct {
	*tracked
	account txn.Account
}

func (h hanging) Entries(ctx context.Context, a txn.Account) ([]txn.Entry, uint64, error) {
	if a == h.account {
		<-ctx.Done()
		return nil, 0, context.Cause(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	return h.tracked.Entries(ctx, a)
}

// An account that keeps the tracker waiting until its time is over does not keep
// the others from being looked at.
func TestTrackAllWithOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTracked(t)
		r.entry(watchtest.Address(), 0, 95)
		other := txntest.Account()
		tr := txn.Tracker{Backend: trackedChain{r}, Journal: hanging{r, other}, Works: r.works, Facts: r, Log: slog.New(slog.DiscardHandler),
			Ring:   func(context.Context, txn.Account) error { r.rings++; return nil },
			Chains: map[uint64]txn.ChainConfig{r.ChainID: {Confirmations: depth}, other.ChainID: {Confirmations: depth}}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		res, err := tr.TrackAll(ctx, []txn.Account{other, r.Account})
		if !errors.Is(err, context.DeadlineExceeded) || res.Open != 1 || r.rings != 1 {
			t.Errorf("%+v, %v, rung %d times", res, err, r.rings)
		}
	})
}
