package cleanup_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

const (
	hour  = 3600
	day   = 24 * hour
	begin = swap.ChainTime(1_750_000_000) // the deployment of both legs
)

// life is an order and what the chains say of it, all of it final.
type life struct {
	swap.Order
	secret [32]byte
}

func newLife() *life {
	o, secret := watchtest.Order(watchtest.Chain(), watchtest.Chain())
	o.Dsts[0].Final = true
	o.Dsts[0].Balance = swap.Balance{Block: swap.Block{Number: 9, Time: begin}, Token: o.Dsts[0].Immutables.AmountInt(), Native: o.Dsts[0].Immutables.DepositInt()}
	return &life{o, secret}
}

func (l *life) leg(side swap.Side) *swap.LegRecord {
	if side == swap.Src {
		return &l.Src
	}
	return &l.Dsts[0]
}

// happens puts an event of a leg at a block, two seconds each from begin.
func (l *life) happens(side swap.Side, kind swap.EventKind, block uint64) {
	leg := l.leg(side)
	ev := swap.EscrowEvent{ChainID: leg.ChainID, Escrow: leg.Escrow, Kind: kind, At: watchtest.Position(block)}
	switch kind {
	case swap.Withdrawn:
		ev.Secret = l.secret
		l.Secret = &l.secret
	case swap.Rescued:
		ev.Token, ev.Amount = leg.Immutables.TokenAddress(), leg.Immutables.AmountInt()
	}
	l.AddEvent(ev)
}

// holds notes what an escrow was read to hold at a block.
func (l *life) holds(side swap.Side, block uint64, token, native uint64) {
	l.leg(side).Balance = swap.Balance{Block: swap.Block{Number: block, Time: begin + swap.ChainTime(2*block)}, Token: *uint256.NewInt(token), Native: *uint256.NewInt(native)}
}

// finished is what state-sync decides by before it closes an order, at a time by
// which everything that has happened is final.
func (l *life) finished(t *testing.T, after swap.ChainTime) bool {
	t.Helper()
	views := swap.Views{}
	policy := swap.Policy{Chains: map[uint64]swap.ChainPolicy{}, Horizon: 60, SyncLag: 60, Overdue: 60}
	caps := map[swap.Call]uint256.Int{}
	for _, c := range []swap.Call{swap.Withdraw, swap.Cancel, swap.RescueFunds} {
		caps[c] = *uint256.NewInt(1_000_000)
	}
	at := swap.Block{Number: uint64(after/2) + 10, Time: begin + after}
	for _, leg := range []*swap.LegRecord{&l.Src, &l.Dsts[0]} {
		views[leg.ChainID] = swap.ChainView{ChainID: leg.ChainID, Head: at, SyncedTo: at, Final: at}
		policy.Chains[leg.ChainID] = swap.ChainPolicy{MinBlockTime: 1, Inclusion: 10, FeeCap: caps, NativeDust: *uint256.NewInt(10),
			Takers: map[common.Address]swap.TakerPolicy{l.Src.Immutables.TakerAddress(): {Signer: watchtest.Address(), Path: swap.PathEOA}},
			Tokens: map[common.Address]swap.TokenPolicy{leg.Immutables.TokenAddress(): {Symbol: "TKN", Decimals: 6, WeiPerUnit: *uint256.NewInt(1_000_000_000_000_000), Dust: *uint256.NewInt(10)}}}
	}
	d, err := swap.Plan(swap.Fold(l.Order, nil), views, policy)
	if err != nil {
		t.Fatal(err)
	}
	return d.Finished
}

// An order is closed, and so archived, only once both its escrows are proven to
// hold nothing but dust, however long that takes.
func TestFinishedOnlyWhenBothEscrowsAreProvenEmptyOrRescued(t *testing.T) {
	const amount = 1_000_000_000
	bothPaid := func(l *life) {
		l.happens(swap.Dst, swap.Withdrawn, 600)
		l.happens(swap.Src, swap.Withdrawn, 620)
		l.holds(swap.Src, 700, 0, 0)
		l.holds(swap.Dst, 700, 0, 0)
	}
	bothBack := func(l *life) {
		l.happens(swap.Dst, swap.Cancelled, 2100)
		l.happens(swap.Src, swap.Cancelled, 2200)
		l.holds(swap.Src, 2300, 0, 0)
		l.holds(swap.Dst, 2300, 0, 0)
	}
	// src was not claimed in time: its tokens lie there until the rescue.
	stranded := func(l *life) {
		l.happens(swap.Dst, swap.Withdrawn, 600)
		l.holds(swap.Dst, 700, 0, 0)
	}
	rescued := uint64(8*day/2 + 100)
	for name, tt := range map[string]struct {
		steps             []func(l *life)
		anHour, ninthDays bool
	}{
		"completed":                          {[]func(*life){bothPaid}, true, true},
		"completed, src not read yet":        {[]func(*life){bothPaid, func(l *life) { l.Src.Balance = swap.Balance{} }}, false, false},
		"completed, dst read before its end": {[]func(*life){bothPaid, func(l *life) { l.holds(swap.Dst, 599, 0, 0) }}, false, false},
		"completed, dust left":               {[]func(*life){bothPaid, func(l *life) { l.holds(swap.Src, 700, 10, 10) }}, true, true},
		"completed, tokens sent again":       {[]func(*life){bothPaid, func(l *life) { l.holds(swap.Src, 700, amount, 0) }}, false, false},
		"completed, coin left":               {[]func(*life){bothPaid, func(l *life) { l.holds(swap.Dst, 700, 0, 2_000_000) }}, false, false},
		"failed and taken back":              {[]func(*life){bothBack}, false, true}, // it had not ended after an hour
		"failed, src left alone":             {[]func(*life){bothBack, func(l *life) { l.Events = l.Events[:1]; l.holds(swap.Src, 2300, amount, 1) }}, false, false},
		"failed, dst left alone":             {[]func(*life){bothBack, func(l *life) { l.Events = l.Events[1:]; l.holds(swap.Dst, 2300, amount, 1) }}, false, false},
		"stranded":                           {[]func(*life){stranded, func(l *life) { l.holds(swap.Src, 700, amount, 1) }}, false, false},
		"stranded and rescued": {[]func(*life){stranded, func(l *life) {
			l.happens(swap.Src, swap.Rescued, rescued)
			l.holds(swap.Src, rescued+1, 0, 0)
		}}, false, true},
		"rescued, not read since": {[]func(*life){stranded, func(l *life) {
			l.happens(swap.Src, swap.Rescued, rescued)
			l.holds(swap.Src, 700, amount, 0)
		}}, false, false},
	} {
		for _, when := range []struct {
			after swap.ChainTime
			want  bool
		}{{hour, tt.anHour}, {9 * day, tt.ninthDays}} {
			l := newLife()
			for _, step := range tt.steps {
				step(l)
			}
			// What has not happened by then is not known.
			var known []swap.EscrowEvent
			for _, e := range l.Events {
				if swap.ChainTime(2*e.At.Block) <= when.after {
					known = append(known, e)
				}
			}
			l.Events = known
			for _, side := range []swap.Side{swap.Src, swap.Dst} {
				if b := &l.leg(side).Balance; swap.ChainTime(2*b.Block.Number) > when.after {
					l.holds(side, 9, amount, 10_000_000_000_000)
				}
			}
			if got := l.finished(t, when.after); got != when.want {
				t.Errorf("%s, after %s: finished %t, want %t", name, time.Duration(when.after)*time.Second, got, when.want)
			}
		}
	}
}

// The proposal that started the project dropped completed and failed orders after
// an hour, although a rescue takes seven to eight days.
func TestCompletedAndFailedOrdersDroppedAfterAnHourAlthoughRescueTakesSevenToEightDays(t *testing.T) {
	r := newRig(0)
	r.cleaner.Keep = cleanup.KeepMainnet
	l := newLife() // dst was paid, and src not claimed in time
	l.happens(swap.Dst, swap.Withdrawn, 600)
	l.holds(swap.Dst, 700, 0, 0)
	l.Version = 1
	rescue := uint64(8*day/2 + 100)
	store := func(at swap.ChainTime) {
		if l.Closed {
			return
		}
		l.Closed = l.finished(t, at)
		l.Version++
		r.tables.Save(cleanup.Finished{Order: l.Order, ClosedAt: time.Unix(int64(begin+at), 0).UTC()})
	}
	clean := func(at swap.ChainTime) int {
		t.Helper()
		got, err := r.cleaner.Run(t.Context(), time.Unix(int64(begin+at), 0))
		if err != nil {
			t.Fatal(err)
		}
		return got.Removed
	}
	closed := swap.ChainTime(0)
	for at := swap.ChainTime(hour); at <= 12*day; at += 6 * hour {
		if at > 8*day+hour && len(l.Events) == 1 {
			l.happens(swap.Src, swap.Rescued, rescue)
			l.holds(swap.Src, rescue+1, 0, 0)
		}
		store(at)
		if l.Closed && closed == 0 {
			closed = at
		}
		removed := clean(at)
		if want := closed > 0 && at >= closed+swap.ChainTime(cleanup.KeepMainnet/time.Second); (removed == 1) != want {
			t.Fatalf("%s after its deployment: %d removed, closed %t", time.Duration(at)*time.Second, removed, l.Closed)
		}
		if removed == 1 {
			if at < 8*day {
				t.Errorf("dropped after %s", time.Duration(at)*time.Second)
			}
			if n := len(r.archived(t)); n != 1 {
				t.Errorf("%d in the archive", n)
			}
			return
		}
	}
	t.Error("never archived")
}
