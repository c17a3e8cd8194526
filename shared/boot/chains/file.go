package chains

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/settings"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// tryLimit bounds what a check may spend on an edition that is wanted: endpoints that
// hang must not keep it from looking at those in use.
const tryLimit = 12 * time.Second

// calm are the keys of alerts that are known not to be open, so that each is looked
// at once in a process, or after it was raised.
type calm struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (c *calm) raise(ctx context.Context, desk *alert.Desk, a alert.Alert, now time.Time) error {
	c.mu.Lock()
	delete(c.keys, a.Key())
	c.mu.Unlock()
	return desk.Raise(ctx, a, now)
}

func (c *calm) resolve(ctx context.Context, desk *alert.Desk, a alert.Alert, proof string, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys[a.Key()] {
		return nil
	}
	if err := desk.Resolve(ctx, a.Key(), proof, now); err != nil {
		return err
	}
	if c.keys == nil {
		c.keys = map[string]bool{}
	}
	c.keys[a.Key()] = true
	return nil
}

// tellOfFile raises what is wrong with the chains file that a job works by, and ends
// it when it is over.
func (p *Parts) tellOfFile(ctx context.Context, desk *alert.Desk, name string, now time.Time) error {
	a := alert.Alert{Kind: alert.ConfigRefused, Account: name}
	if trouble := p.File.Trouble(); trouble != "" {
		a.What = name + " " + trouble
		return p.calm.raise(ctx, desk, a, now)
	}
	return p.calm.resolve(ctx, desk, a, name+" works by "+p.File.InUse().String(), now)
}

// seeToFile tries the edition that operators want, and puts it in force or refuses
// it; and looks whether swaps are open on chains that are in no file any more. It is
// health-check's: one job decides, and all work by what it decided.
func (p *Parts) seeToFile(ctx context.Context, r *job.Run, desk *alert.Desk, now time.Time) error {
	ids := make([]uint64, len(p.Config.Chains.Chains))
	for i, c := range p.Config.Chains.Chains {
		ids[i] = c.ID
	}
	state, err := settings.Know(ctx, p.File.Store(), ids)
	if err != nil {
		return err
	}
	return errors.Join(p.tryWanted(ctx, r, desk, state, now), p.unwatched(ctx, desk, state.Chains, now))
}

func (p *Parts) tryWanted(ctx context.Context, r *job.Run, desk *alert.Desk, state settings.State, now time.Time) error {
	a := alert.Alert{Kind: alert.ConfigRefused}
	wanted := state.Wanted()
	if !state.Pending() {
		return p.calm.resolve(ctx, desk, a, wanted.Edition.String()+" is in force", now)
	}
	chains, wrong := p.try(ctx, wanted)
	if wrong == nil {
		did, err := settings.Prove(ctx, p.File.Store(), wanted.Edition, chains)
		if err != nil || !did {
			return err // the next check finds what is wanted by then
		}
		r.Note("chains_file_proven", wanted.Number)
		return p.calm.resolve(ctx, desk, a, wanted.Edition.String()+" is in force", now)
	}
	why := strings.ReplaceAll(wrong.Error(), "\n", "; ")
	r.Note("chains_file_refused", wanted.Number)
	a.What = fmt.Sprintf("%s, put by %s, is not used, and %s stays in force: %s", wanted.Edition, wanted.By, state.Proven, why)
	var ended error
	if state.Refused.Number != wanted.Number {
		// What is open is about another edition: this one is news.
		ended = desk.Resolve(ctx, a.Key(), wanted.Edition.String()+" is wanted now", now)
	}
	return errors.Join(ended, p.calm.raise(ctx, desk, a, now), settings.Refuse(ctx, p.File.Store(), wanted.Edition, why, now))
}

// try does with an edition what would be done with it in force, short of acting.
func (p *Parts) try(ctx context.Context, wanted settings.Move) (chains []uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	next, err := p.File.Try(ctx, wanted.Edition)
	if err != nil {
		return nil, err
	}
	for _, c := range next.Chains {
		chains = append(chains, c.ID)
	}
	if !wanted.Forced {
		err = Dropped(ctx, Held{Legs: p.Store.Orders().Legs, Entries: p.Store.Journal().Entries}, p.Config.Chains, next)
	}
	return chains, errors.Join(err, Examine(ctx, next))
}

// unwatched tells of open swaps on chains that were in force once and are not any
// more: no other job looks there.
func (p *Parts) unwatched(ctx context.Context, desk *alert.Desk, ever []uint64, now time.Time) error {
	return p.calm.unwatched(ctx, desk, ever, p.Policy.Chains, p.Store.Orders().Legs, now)
}

func (c *calm) unwatched(ctx context.Context, desk *alert.Desk, ever []uint64, inForce map[uint64]swap.ChainPolicy, legs func(context.Context, uint64) ([]balance.Leg, error), now time.Time) error {
	var errs []error
	for _, id := range ever {
		a := alert.Alert{Kind: alert.SwapsUnwatched, Chain: id}
		proof := "the chain is in the file in force"
		if _, here := inForce[id]; !here {
			open, err := legs(ctx, id)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if len(open) > 0 {
				a.What = fmt.Sprintf("chain %d is not in the chains file in force, and %s open there, the first %s", id, howMany(len(open)), open[0].Order)
				errs = append(errs, c.raise(ctx, desk, a, now))
				continue
			}
			proof = "nothing is open on the chain"
		}
		errs = append(errs, c.resolve(ctx, desk, a, proof, now))
	}
	return errors.Join(errs...)
}
