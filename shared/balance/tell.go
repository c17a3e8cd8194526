package balance

import (
	"cmp"
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

// UnreadAlert identifies the alert about a holding of which nobody knows the amount.
func UnreadAlert(chain uint64, h Holding) alert.Alert {
	a := LowAlert(chain, h)
	a.Kind = alert.BalanceUnread
	return a
}

// teller brings the alerts in line with one snapshot.
type teller struct {
	desk Desk
	Config
	s, was *Snapshot // was: the one before, zero if there is none or it is not known
	now    time.Time
	// proves: the levels before are known, so that a better one is a fact.
	proves bool
	errs   []error
}

// tell raises what is low and takes back what is not, whether or not anybody remembers that it was
// raised: the pass that did may have been killed before it could keep its levels.
func (t *teller) tell(ctx context.Context) error {
	for _, h := range t.s.Holdings {
		t.unread(ctx, h)
		if _, signer := t.s.gas(h.Account); signer && h.Token == (common.Address{}) {
			continue // told as its gas
		}
		t.holding(ctx, h)
	}
	for _, g := range t.s.Gas {
		t.gas(ctx, g)
	}
	return errors.Join(t.errs...)
}

// unread tells of a holding that could not be read in two ticks in a row: a second
// attempt at a tick, seconds later, finds what the first one has kept and is no other
// tick. The first failure is kept before anything is told, so that the pass that reads
// it again knows that there is something to take back; see gone.
func (t *teller) unread(ctx context.Context, h Held) {
	if before, _ := t.was.held(h.Holding()); before.Failed != "" && h.Failed != "" && t.was.At.Before(t.s.At) {
		a := UnreadAlert(t.s.ChainID, h.Holding())
		a.What = fmt.Sprintf("what account %s holds of %s (token %s) on %s cannot be read: %s.", h.Account, cmp.Or(h.Symbol, "the coin"), name(h.Token), t.Name, h.Failed)
		t.raise(ctx, a)
	}
}

func (t *teller) holding(ctx context.Context, h Held) {
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
	case !h.Least.IsZero():
		t.resolve(ctx, LowAlert(t.s.ChainID, h.Holding()), h.Amount, h.Decimals)
	}
}

// gas tells of a signer. Where its limits are not wholly known, what the balance shows by itself is
// told, and nothing is taken back. The executor raises that a signer is dry, too.
func (t *teller) gas(ctx context.Context, g Gas) {
	if !g.Read {
		return
	}
	low, dry := LowAlert(t.s.ChainID, Holding{Account: g.Signer}), DryAlert(t.s.ChainID, g.Signer)
	limits, complete := g.limits(t.Config)
	level := g.Level
	if !complete {
		level = min(level, limits.of(&g.Balance))
	}
	switch level {
	case Critical:
		t.raise(ctx, t.say(dry, g))
		return
	case Low:
		t.raise(ctx, t.say(low, g))
	case OK:
		if complete {
			t.resolve(ctx, low, g.Balance, nativeDecimals)
		}
	}
	if complete {
		t.resolve(ctx, dry, g.Balance, nativeDecimals)
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

// gone resolves what was low and has no threshold any more, or is not watched: the operator took it
// out of the chains file. It takes back what could not be read before and is read now, too.
func (t *teller) gone(ctx context.Context) error {
	const proof = "no longer in the chains file"
	t.errs = nil
	for _, h := range t.was.Holdings {
		now, still := t.s.held(h.Holding())
		switch a := UnreadAlert(t.s.ChainID, h.Holding()); {
		case h.Failed == "":
		case !still:
			t.end(ctx, a, proof)
		case now.Failed == "":
			t.resolve(ctx, a, now.Amount, now.Decimals)
		}
		if (!still || now.Least.IsZero()) && h.Level >= Low {
			if _, signer := t.s.gas(h.Account); !signer || h.Token != (common.Address{}) {
				t.end(ctx, LowAlert(t.s.ChainID, h.Holding()), proof)
			}
		}
	}
	for _, g := range t.was.Gas {
		if _, still := t.s.gas(g.Signer); !still && g.Level >= Low {
			t.end(ctx, LowAlert(t.s.ChainID, Holding{Account: g.Signer}), proof)
			t.end(ctx, DryAlert(t.s.ChainID, g.Signer), proof)
		}
	}
	return errors.Join(t.errs...)
}

func (t *teller) raise(ctx context.Context, a alert.Alert) {
	if err := t.desk.Raise(ctx, a, t.now); err != nil {
		t.errs = append(t.errs, fmt.Errorf("raise %s: %w", a.Key(), err))
	}
}

// resolve ends an alert by the reading.
func (t *teller) resolve(ctx context.Context, a alert.Alert, amount uint256.Int, decimals uint8) {
	if t.proves {
		t.end(ctx, a, fmt.Sprintf("holds %s at block %d", Format(amount, decimals), t.s.Head.Number))
	}
}

func (t *teller) end(ctx context.Context, a alert.Alert, proof string) {
	if err := t.desk.Resolve(ctx, a.Key(), proof, t.now); err != nil {
		t.errs = append(t.errs, fmt.Errorf("resolve %s: %w", a.Key(), err))
	}
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
