package balance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

// Desk takes alerts. alert.Desk implements it.
type Desk interface {
	Raise(ctx context.Context, a alert.Alert, now time.Time) error
	Resolve(ctx context.Context, key, proof string, now time.Time) error
}

// LowAlert identifies the alert about a holding that is low, by chain, account and token address. No
// amount is part of it.
func LowAlert(chain uint64, h Holding) alert.Alert {
	a := alert.Alert{Kind: alert.BalanceLow, Chain: chain, Account: h.Account.Hex()}
	if h.Token != (common.Address{}) {
		a.Account += " token " + h.Token.Hex()
	}
	return a
}

// DryAlert identifies the alert about a signer that cannot pay for what it has to do. The executor
// raises the same when it finds that out.
func DryAlert(chain uint64, signer common.Address) alert.Alert {
	return alert.Alert{Kind: alert.SignerDry, Chain: chain, Account: signer.Hex()}
}

// teller raises and resolves the alerts of one snapshot.
type teller struct {
	desk Desk
	Config
	s     *Snapshot
	now   time.Time
	sends bool
	// proves: the levels before are known, so that a better one is news.
	proves bool
	errs   []error
}

// tell brings the alerts in line with the snapshot. was is the one before. A level whose alert could
// not be resolved is put back to what it was, so that the next pass tries again.
func (t *teller) tell(ctx context.Context, was Snapshot) error {
	for i := range t.s.Holdings {
		h := &t.s.Holdings[i]
		if _, signer := t.s.gas(h.Account); signer && h.Token == (common.Address{}) {
			continue // told as its gas
		}
		before, _ := was.held(h.Holding())
		t.holding(ctx, before.Level, h)
	}
	for i := range t.s.Gas {
		g := &t.s.Gas[i]
		before, _ := was.gas(g.Signer)
		t.gas(ctx, before.Level, g)
	}
	t.gone(ctx, was)
	return errors.Join(t.errs...)
}

func (t *teller) holding(ctx context.Context, before Level, h *Held) {
	switch {
	case h.Failed != "":
	case h.Level >= Low:
		a := LowAlert(t.s.ChainID, h.Holding())
		if a.Severity = alert.Warning; h.Level == Critical {
			a.Severity = alert.Critical
		}
		full := Refill(h.Least)
		a.What = fmt.Sprintf("taker %s on %s holds %s %s (token %s), below the threshold of %s.", h.Account, t.Name,
			Format(h.Amount, h.Decimals), h.Symbol, name(h.Token), Format(h.Least, h.Decimals))
		a.WhatToDo = fmt.Sprintf("Send at least %s %s to it.", Format(*lack(&full, &h.Amount), h.Decimals), h.Symbol)
		t.raise(ctx, a)
	case before != OK && !t.resolve(ctx, LowAlert(t.s.ChainID, h.Holding()), h.Amount, h.Decimals):
		h.Level = before
	}
}

func (t *teller) gas(ctx context.Context, before Level, g *Gas) {
	if !g.Read {
		return
	}
	low, dry := LowAlert(t.s.ChainID, Holding{Account: g.Signer}), DryAlert(t.s.ChainID, g.Signer)
	// Where the limits are not wholly known, what the balance shows by itself is told, and nothing is
	// taken back.
	limits, complete := g.limits(t.Config)
	level, resolved := g.Level, complete
	if !complete {
		level = limits.of(&g.Balance)
	}
	// The executor may have raised it whatever the level was before.
	if complete && level < Critical {
		resolved = t.resolve(ctx, dry, g.Balance, nativeDecimals)
	}
	switch {
	case level == Critical && t.sends:
		t.raise(ctx, t.say(dry, *g))
	case level >= Low:
		t.raise(ctx, t.say(low, *g))
	case complete && before != OK:
		resolved = t.resolve(ctx, low, g.Balance, nativeDecimals) && resolved
	}
	switch {
	case resolved:
	case g.Level == OK && before == Unknown:
		g.Level = Unknown
	default:
		g.Level = max(g.Level, before)
	}
}

// say words an alert about a signer's gas.
func (t *teller) say(a alert.Alert, g Gas) alert.Alert {
	limits, _ := g.limits(t.Config)
	full := Refill(limits.Low)
	a.What = fmt.Sprintf("signer %s on %s holds %s of native coin", g.Signer, t.Name, Format(g.Balance, nativeDecimals))
	if g.Priced {
		a.What += fmt.Sprintf(", which pays for %d actions at %d times the present base fee", g.Payable, Stress)
	}
	if g.Counted {
		a.What += fmt.Sprintf("; %d are open or still to come", g.Owed)
		if g.Owed > 0 {
			a.AtStake = fmt.Sprintf("%d actions of open swaps", g.Owed)
		}
	}
	a.What += "."
	a.WhatToDo = fmt.Sprintf("Send at least %s of native coin to it.", Format(*lack(&full, &g.Balance), nativeDecimals))
	return a
}

// gone resolves what was low and is not watched any more: the operator took it out of the chains file.
func (t *teller) gone(ctx context.Context, was Snapshot) {
	const proof = "no longer in the chains file"
	for _, h := range was.Holdings {
		if _, still := t.s.held(h.Holding()); !still && h.Level >= Low {
			t.end(ctx, LowAlert(t.s.ChainID, h.Holding()), proof)
		}
	}
	for _, g := range was.Gas {
		if _, still := t.s.gas(g.Signer); !still && g.Level >= Low {
			t.end(ctx, LowAlert(t.s.ChainID, Holding{Account: g.Signer}), proof)
			t.end(ctx, DryAlert(t.s.ChainID, g.Signer), proof)
		}
	}
}

func (t *teller) raise(ctx context.Context, a alert.Alert) {
	if err := t.desk.Raise(ctx, a, t.now); err != nil {
		t.errs = append(t.errs, fmt.Errorf("raise %s: %w", a.Key(), err))
	}
}

// resolve ends an alert by the reading; false if that did not succeed.
func (t *teller) resolve(ctx context.Context, a alert.Alert, amount uint256.Int, decimals uint8) bool {
	if !t.proves {
		return false
	}
	return t.end(ctx, a, fmt.Sprintf("holds %s at block %d", Format(amount, decimals), t.s.Head.Number))
}

func (t *teller) end(ctx context.Context, a alert.Alert, proof string) bool {
	if err := t.desk.Resolve(ctx, a.Key(), proof, t.now); err != nil {
		t.errs = append(t.errs, fmt.Errorf("resolve %s: %w", a.Key(), err))
		return false
	}
	return true
}

func (s Snapshot) held(h Holding) (Held, bool) {
	for _, held := range s.Holdings {
		if held.Holding() == h {
			return held, true
		}
	}
	return Held{}, false
}

func (s Snapshot) gas(signer common.Address) (Gas, bool) {
	for _, g := range s.Gas {
		if g.Signer == signer {
			return g, true
		}
	}
	return Gas{}, false
}

// name is how a token is told from others.
func name(token common.Address) string {
	if token == (common.Address{}) {
		return "native"
	}
	return token.Hex()
}

// lack is what is missing to an amount, at least one base unit.
func lack(want, have *uint256.Int) *uint256.Int {
	if !have.Lt(want) {
		return uint256.NewInt(1)
	}
	return new(uint256.Int).Sub(want, have)
}
