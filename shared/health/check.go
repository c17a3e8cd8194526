package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

// Desk takes alerts. alert.Desk implements it.
type Desk interface {
	Raise(ctx context.Context, a alert.Alert, now time.Time) error
	Resolve(ctx context.Context, key, proof string, now time.Time) error
}

// Told reads what was told last under a key: alert.Store's Load.
type Told func(ctx context.Context, key string) (alert.Entry, error)

// ErrConflict says that the stored state is another than the one that was read.
var ErrConflict = errors.New("health was changed by another run")

// Alert identifies the one alert about the whole. Nothing that changes is part of its key.
func Alert() alert.Alert { return alert.Alert{Kind: alert.Unhealthy} }

// AlertOf identifies the alert about one component that is told by itself.
func AlertOf(component string) alert.Alert {
	return alert.Alert{Kind: alert.Unhealthy, Account: component}
}

// tellShare is the part of a check's time, as a divisor, that is kept back from looking for telling
// and keeping what was found.
const tellShare = 3

// Checker checks, tells and keeps.
type Checker struct {
	Store Store
	Told  Told
}

// Check takes the check of the tick at: it looks, keeps the state, which it returns, and brings the alert
// in line with what is settled. A component that is not well is no error; the error is what could not
// be told or kept. Where the state of before is not known, only what is unhealthy is told, and
// nothing is taken back. now is the wall clock. To run it again for the same tick does no harm.
func (c Checker) Check(ctx context.Context, desk Desk, probes []Probe, at, now time.Time) (State, error) {
	looking, cancel := context.WithCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		looking, cancel = context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/tellShare))
	}
	defer cancel()
	type memory struct {
		State
		err error
	}
	loaded := make(chan memory, 1)
	go func() {
		s, err := c.Store.Load(looking, now)
		loaded <- memory{s, err}
	}()
	r := Report{At: at, Components: Look(looking, probes)}
	r.Found = Overall(r.Components)
	var old memory
	select {
	case old = <-loaded:
	default: // the looking took all the time there is, or the store is slower than all else
		select {
		case old = <-loaded:
		case <-looking.Done():
			old.err = context.Cause(looking)
		}
	}
	if old.err != nil {
		s := State{}.Next(r)
		err := fmt.Errorf("read the last health: %w", old.err)
		if r.Found == Unhealthy {
			err = errors.Join(err, desk.Raise(ctx, say(s), now))
		}
		return s, err
	}
	s := old.Next(r)
	err := gone(ctx, desk, old.State, s, now)
	if err == nil { // else nobody would know of what is gone
		if err = c.Store.Save(ctx, s); err != nil {
			err = fmt.Errorf("keep the health: %w", err)
		}
	}
	return s, errors.Join(err, c.tell(ctx, desk, s, now), tellEach(ctx, desk, s, now))
}

// tellEach brings the alerts about single components in line with what was found of them: raised by every
// check while one is not well, which is quiet, and taken back by every check while it is, which changes
// nothing where nothing is open. As with the whole it takes worseRow checks, or betterRow.
func tellEach(ctx context.Context, desk Desk, s State, now time.Time) error {
	var errs []error
	for _, c := range s.Latest.Components {
		switch a := AlertOf(c.Name); {
		case c.ToDo == "":
		case c.bad() && c.Row >= worseRow:
			a.Severity = alert.Warning
			a.What = fmt.Sprintf("%s is %s since the check of %s: %s.", c.Name, c.Status, stamp(c.Since), c.Detail)
			a.WhatToDo = c.ToDo
			errs = append(errs, desk.Raise(ctx, a, now))
		case c.well() && c.Row >= betterRow:
			errs = append(errs, desk.Resolve(ctx, a.Key(), "it is well since the check of "+stamp(c.Since), now))
		}
	}
	return errors.Join(errs...)
}

// gone ends the alerts about components that are not looked at any more.
func gone(ctx context.Context, desk Desk, was, is State, now time.Time) error {
	var errs []error
	for _, c := range was.Latest.Components {
		if c.Own && !slices.ContainsFunc(is.Latest.Components, func(o Component) bool { return o.Name == c.Name }) {
			errs = append(errs, desk.Resolve(ctx, AlertOf(c.Name).Key(), "it is no part of the system any more", now))
		}
	}
	return errors.Join(errs...)
}

// tell brings the alert in line with what is settled. It looks at what was told, and not at what has
// changed: the check that changed it may have been killed, or may not have been kept.
func (c Checker) tell(ctx context.Context, desk Desk, s State, now time.Time) error {
	e, err := c.Told(ctx, Alert().Key())
	if err != nil {
		return fmt.Errorf("look what was told of the health: %w", err)
	}
	over := e.State == "" || e.State == alert.Suspected || e.State == alert.Resolved || !now.Before(e.ExpiresAt)
	a := say(s)
	switch {
	case s.Settled < Degraded && !over:
		return desk.Resolve(ctx, a.Key(), fmt.Sprintf("%d components are well, checked at %s", len(s.Latest.Components), stamp(s.Latest.At)), now)
	case s.Settled >= Degraded && (over || e.Severity != a.Severity):
		return desk.Raise(ctx, a, now)
	}
	return nil
}

// say words the alert for what is settled.
func say(s State) alert.Alert {
	a := Alert()
	if a.Severity = alert.Warning; s.Settled == Unhealthy {
		a.Severity = alert.Critical
	}
	a.What = fmt.Sprintf("The system is %s. %s", s.Settled, Summary(s.Latest.Components))
	return a
}

// Summary names the components that are not well, the worst first; empty: all are.
func Summary(all []Component) string {
	var bad []Component
	for _, c := range all {
		if c.Status >= Degraded {
			bad = append(bad, c)
		}
	}
	slices.SortStableFunc(bad, func(a, b Component) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(a.Name, b.Name))
	})
	words := make([]string, len(bad))
	for i, c := range bad {
		words[i] = fmt.Sprintf("%s is %s: %s", c.Name, c.Status, c.Detail)
	}
	return strings.Join(words, "; ")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// rank puts what is critical before what is as bad.
func rank(c Component) int {
	r := 2 * int(c.Status)
	if c.Critical {
		r++
	}
	return r
}
