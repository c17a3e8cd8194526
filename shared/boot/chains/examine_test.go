package chains

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// What open swaps need may not be left out without anybody saying so.
func TestDropped(t *testing.T) {
	taker, other, signer, second := common.Address{1}, common.Address{2}, common.Address{3}, common.Address{4}
	file := func(change func(ten, base *env.Chain)) env.Chains {
		with := func(id uint64) env.Chain {
			c := env.Chain{ID: id}
			c.Takers = map[common.Address]swap.TakerPolicy{taker: {Signer: signer, Path: swap.PathResolver}, other: {Path: swap.PathNone}}
			return c
		}
		ten, base := with(10), with(8453)
		if change(&ten, &base); ten.ID == 0 {
			return env.Chains{Chains: []env.Chain{base}}
		}
		return env.Chains{Chains: []env.Chain{ten, base}}
	}
	same := func(*env.Chain, *env.Chain) {}
	leave := func(ten, _ *env.Chain) { ten.ID = 0 }
	drop := func(ten, _ *env.Chain) { delete(ten.Takers, taker) }
	here, there := balance.Leg{Taker: taker, Side: swap.Dst}, balance.Leg{Taker: taker, Side: swap.Src, DstChain: 10}
	unknown := balance.Leg{Side: swap.Dst}
	for name, c := range map[string]struct {
		change func(ten, base *env.Chain)
		legs   map[uint64][]balance.Leg
		flying bool
		want   string
	}{
		"nothing changes":                     {same, map[uint64][]balance.Leg{10: {here}, 8453: {there}}, true, ""},
		"a chain, nothing open":               {leave, nil, false, ""},
		"a chain, something open":             {leave, map[uint64][]balance.Leg{10: {unknown, here}}, false, "chain 10 is left out, and 2 escrows are open there or bound for it"},
		"a chain that something is bound for": {leave, map[uint64][]balance.Leg{8453: {there}}, false, "chain 10 is left out, and 1 escrow is open"},
		"a chain, something under way":        {leave, nil, true, "has 1 transactions under way"},
		"a taker, nothing open":               {drop, nil, false, ""},
		"a taker, another's is open":          {drop, map[uint64][]balance.Leg{10: {{Taker: other}}}, false, ""},
		"a taker, something open":             {drop, map[uint64][]balance.Leg{10: {here}}, false, "chain 10: nobody acts for taker " + taker.Hex()},
		"a taker is only watched now": {func(ten, _ *env.Chain) { ten.Takers[taker] = swap.TakerPolicy{Path: swap.PathNone} },
			map[uint64][]balance.Leg{10: {here}}, false, "nobody acts for taker " + taker.Hex()},
		"a taker was only watched":         {func(ten, _ *env.Chain) { ten.Takers[other] = swap.TakerPolicy{Path: swap.PathNone} }, map[uint64][]balance.Leg{10: {{Taker: other}}}, false, ""},
		"one that was watched is left out": {func(ten, _ *env.Chain) { delete(ten.Takers, other) }, map[uint64][]balance.Leg{10: {{Taker: other}}}, false, "nobody acts for taker " + other.Hex()},
		"another signer":                   {func(ten, _ *env.Chain) { ten.Takers[taker] = swap.TakerPolicy{Signer: second, Path: swap.PathResolver} }, map[uint64][]balance.Leg{10: {here}}, false, ""},
		"another signer, something under way": {func(ten, _ *env.Chain) { ten.Takers[taker] = swap.TakerPolicy{Signer: second, Path: swap.PathResolver} }, nil, true,
			"chain 10: " + signer.Hex() + " signs for nobody any more, and has 1 transactions under way"},
	} {
		held := Held{Legs: func(_ context.Context, id uint64) ([]balance.Leg, error) { return c.legs[id], nil },
			Entries: func(_ context.Context, a txn.Account) ([]txn.Entry, uint64, error) {
				if c.flying && a == (txn.Account{ChainID: 10, Signer: signer}) {
					return make([]txn.Entry, 1), 1, nil
				}
				return nil, 0, nil
			}}
		if err := Dropped(t.Context(), held, file(same), file(c.change)); (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		held.Legs = func(context.Context, uint64) ([]balance.Leg, error) { return nil, errAway }
		if err := Dropped(t.Context(), held, file(same), file(c.change)); !errors.Is(err, errAway) {
			t.Errorf("%s, unreadable: %v", name, err)
		}
	}
}

// Swaps of a chain that is in no file any more have an alert until they are through or
// the chain is back; what cannot be read proves nothing.
func TestUnwatched(t *testing.T) {
	m := alerttest.NewMemory()
	legs := map[uint64][]balance.Leg{10: {{Order: swap.OrderID{ChainID: 8453, Escrow: common.Address{1}}}}}
	away := map[uint64]error{}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var c calm
	look := func(wrong bool, inForce ...uint64) (open []string) {
		t.Helper()
		file := map[uint64]swap.ChainPolicy{}
		for _, id := range inForce {
			file[id] = swap.ChainPolicy{}
		}
		now = now.Add(5 * time.Minute)
		desk := alert.NewDesk(m, m, slog.New(slog.DiscardHandler))
		err := c.unwatched(t.Context(), desk, []uint64{10, 8453}, file, func(_ context.Context, id uint64) ([]balance.Leg, error) { return legs[id], away[id] }, now)
		if (err != nil) != wrong {
			t.Errorf("error %v", err)
		}
		list, err := m.Open(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			open = append(open, e.Key())
		}
		return open
	}
	expect := func(got []string, want ...string) {
		t.Helper()
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("open are %q, want %q", got, want)
		}
	}
	const key = "swaps-unwatched|10|||"
	expect(look(false, 10, 8453))
	expect(look(false, 8453), key)
	away[10] = errAway
	expect(look(true, 8453), key)
	delete(away, 10)
	expect(look(false, 10, 8453))
	expect(look(false, 8453), key)
	delete(legs, 10)
	expect(look(false, 8453))
	if e, err := m.Load(t.Context(), key); err != nil || e.Severity != alert.Critical || e.Proof != "nothing is open on the chain" || !strings.Contains(e.What, "1 escrow is open there, the first 8453:0x01") {
		t.Errorf("%+v, %v", e, err)
	}
}

// A job tells once what is wrong with its file, and once that it is over.
func TestTellOfFile(t *testing.T) {
	p, m := onDuty()
	p.Base = &boot.Base{File: &boot.File{}}
	now := time.Now()
	if err := p.tellOfFile(t.Context(), p.desk.Load(), "state-sync", now); err != nil {
		t.Fatal(err)
	}
	m.Fail(func(string) faulttest.Fault { return faulttest.Refused })
	if err := p.tellOfFile(t.Context(), p.desk.Load(), "state-sync", now); err != nil {
		t.Errorf("looked again at what is known to be over: %v", err)
	}
	if err := p.calm.resolve(t.Context(), p.desk.Load(), alert.Alert{Kind: alert.ConfigRefused}, "x", now); !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("error %v", err)
	}
	m.Fail(nil)
	a := alert.Alert{Kind: alert.ConfigRefused, Account: "state-sync", What: "w"}
	if err := p.calm.raise(t.Context(), p.desk.Load(), a, now); err != nil {
		t.Fatal(err)
	}
	if err := p.tellOfFile(t.Context(), p.desk.Load(), "state-sync", now); err != nil {
		t.Fatal(err)
	}
	if e, err := m.Load(t.Context(), a.Key()); err != nil || e.State != alert.Resolved || e.Proof != "state-sync works by the packaged file" {
		t.Errorf("%+v, %v", e, err)
	}
}
