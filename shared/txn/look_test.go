package txn_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/txn/txntest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// clock is a chain that only knows what time it is.
type clock struct {
	txn.Backend
	now   swap.ChainTime
	asked int
	fail  error
}

func (c *clock) Head(context.Context, uint64) (swap.Block, time.Duration, error) {
	c.asked++
	return swap.Block{Number: 1, Time: c.now}, 0, c.fail
}

// An account is busy if a drain would find something to do there, and looking
// costs no more than two readings and a head.
func TestBusy(t *testing.T) {
	const from = 1000
	work := func(change func(*swap.Work)) []swap.Work {
		a := txntest.Account()
		w := watchtest.Work(a.ChainID, watchtest.Address())
		w.Action.Signer, w.Action.From = a.Signer, from
		if change != nil {
			change(&w)
		}
		return []swap.Work{w}
	}
	for _, tt := range []struct {
		name  string
		now   swap.ChainTime
		works []swap.Work
		sent  bool // the work stands in the journal
		want  bool
		heads int
	}{
		{name: "nothing stored", now: from},
		{name: "due", now: from, works: work(nil), want: true, heads: 1},
		{name: "about to be due", now: from - 8, works: work(nil), want: true, heads: 1},
		{name: "due later", now: from - 9, works: work(nil), heads: 1},
		{name: "refused for now", now: from, works: work(func(w *swap.Work) { w.State, w.RetryAt = swap.WorkRefused, from+1 }), heads: 1},
		{name: "refused until now", now: from, works: work(func(w *swap.Work) { w.State, w.RetryAt = swap.WorkRefused, from }), want: true, heads: 1},
		{name: "somebody else's", now: from, works: work(func(w *swap.Work) { w.Action.Signer = watchtest.Address() })},
		{name: "in flight", now: from, works: work(nil), sent: true, want: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faults := &faulttest.Faults{}
			actions := watchtest.NewActions(faults)
			journal := txntest.NewJournal(actions)
			a := txn.Account{ChainID: watchtest.Chain(), Signer: watchtest.Address()}
			takers := map[common.Address]swap.TakerPolicy{watchtest.Address(): {Signer: a.Signer, Path: swap.PathEOA}}
			for _, w := range tt.works {
				a = txn.Account{ChainID: w.ChainID, Signer: w.Action.Signer}
				takers[w.Taker] = swap.TakerPolicy{Signer: w.Action.Signer, Path: swap.PathEOA}
				if tt.name == "somebody else's" {
					a.Signer = watchtest.Address()
					takers[w.Taker] = swap.TakerPolicy{Signer: a.Signer, Path: swap.PathEOA}
				}
				if err := actions.Save(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				if tt.sent {
					stored, err := actions.Live(t.Context(), w.ChainID, w.Taker)
					if err != nil {
						t.Fatal(err)
					}
					w = stored[0]
					e, submitted := txntest.Entry(a, 0, w)
					if err := journal.Record(t.Context(), journal.Grant("lease", "owner"), e, submitted); err != nil {
						t.Fatal(err)
					}
				}
			}
			chain := &clock{now: tt.now}
			d := &txn.Drainer{Journal: journal, Works: actions, Backend: chain,
				Policy: swap.Policy{Chains: map[uint64]swap.ChainPolicy{a.ChainID: {Takers: takers}}}}
			got, err := d.Busy(t.Context(), a)
			if err != nil || got != tt.want || chain.asked != tt.heads {
				t.Errorf("busy %v, %v, after %d heads; want %v after %d", got, err, chain.asked, tt.want, tt.heads)
			}
		})
	}
}

// What cannot be read is an error, never an idle account.
func TestBusyUnreadable(t *testing.T) {
	a, chain := txntest.Account(), &clock{now: 1000, fail: faulttest.ErrInjected}
	w := watchtest.Work(a.ChainID, watchtest.Address())
	w.Action.Signer = a.Signer
	actions := watchtest.NewActions(&faulttest.Faults{})
	if err := actions.Save(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	d := &txn.Drainer{Journal: txntest.NewJournal(actions), Works: actions, Backend: chain, Policy: swap.Policy{Chains: map[uint64]swap.ChainPolicy{
		a.ChainID: {Takers: map[common.Address]swap.TakerPolicy{w.Taker: {Signer: a.Signer, Path: swap.PathEOA}}}}}}
	if busy, err := d.Busy(t.Context(), a); busy || !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("busy %v, %v", busy, err)
	}
}

// halfRead is a store that cannot read the work of one taker.
type halfRead struct {
	txn.Works
	taker common.Address
}

func (h halfRead) Live(ctx context.Context, chain uint64, taker common.Address) ([]swap.Work, error) {
	if taker == h.taker {
		return nil, faulttest.ErrInjected
	}
	return h.Works.Live(ctx, chain, taker)
}

// One taker whose work cannot be read does not hide what is due for another.
func TestBusyHalfRead(t *testing.T) {
	a, chain := txntest.Account(), &clock{now: 1000}
	w := watchtest.Work(a.ChainID, watchtest.Address())
	w.Action.Signer, w.Action.From = a.Signer, 1000
	actions := watchtest.NewActions(nil)
	if err := actions.Save(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	broken := watchtest.Address()
	d := &txn.Drainer{Journal: txntest.NewJournal(actions), Works: halfRead{actions, broken}, Backend: chain,
		Policy: swap.Policy{Chains: map[uint64]swap.ChainPolicy{a.ChainID: {Takers: map[common.Address]swap.TakerPolicy{
			w.Taker: {Signer: a.Signer, Path: swap.PathEOA}, broken: {Signer: a.Signer, Path: swap.PathEOA}}}}}}
	if busy, err := d.Busy(t.Context(), a); !busy || !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("busy %v, %v", busy, err)
	}
}

// Where block times are fixed, work is sent a block before it is legal: the
// look ahead counts from there.
func TestBusyRegular(t *testing.T) {
	for now, want := range map[swap.ChainTime]bool{980: true, 979: false} {
		a, chain := txntest.Account(), &clock{now: now}
		w := watchtest.Work(a.ChainID, watchtest.Address())
		w.Action.Signer, w.Action.From = a.Signer, 1000
		actions := watchtest.NewActions(nil)
		if err := actions.Save(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		d := &txn.Drainer{Journal: txntest.NewJournal(actions), Works: actions, Backend: chain,
			Chains: map[uint64]txn.ChainConfig{a.ChainID: {Regular: true}},
			Policy: swap.Policy{Chains: map[uint64]swap.ChainPolicy{a.ChainID: {MinBlockTime: 12,
				Takers: map[common.Address]swap.TakerPolicy{w.Taker: {Signer: a.Signer, Path: swap.PathEOA}}}}}}
		if got, err := d.Busy(t.Context(), a); err != nil || got != want {
			t.Errorf("at %d: busy %v, %v", now, got, err)
		}
	}
}
