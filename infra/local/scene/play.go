package scene

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

// Scene is a situation with one or more swaps.
type Scene struct {
	Name  string
	Start uint64 // seconds after the play's beginning; its steps count from there
	Swaps []*Swap
	Steps []Step
	// Until is when it may be judged, in seconds after Start, where its swaps
	// reach an allowed end by nobody doing anything.
	Until uint64
	// Cast are accounts that it needs beside the usual ones.
	Cast []Account

	begin uint64 // block time
}

// Step is a thing that somebody does at some block time. Steps of a scene are
// done one after the other.
type Step struct {
	Name  string
	Chain int // by whose clock, and where its transactions go
	// After is when the block is to be built that holds it, in seconds after the
	// scene's start. When, if set, is a further condition.
	After uint64
	When  func(context.Context, *World) (bool, error)
	// Send lists the transactions; now is the time of the block they will be in
	// unless the chain stands still.
	Send func(w *World, now uint64) ([]Sending, error)
	// Done hears of their inclusion, in the block of the given time.
	Done func(w *World, time uint64) error
	// Act does what is no transaction.
	Act func(context.Context, *World) error
}

// Sending is a transaction and who sends it.
type Sending struct {
	From Account
	Tx   contracts.Tx
}

// Play performs scenes on a world. It is not safe for concurrent use.
type Play struct {
	World  *World
	scenes []*acting
	begin  uint64
}

type acting struct {
	*Scene
	next    int                  // step
	waiting []*types.Transaction // of the step under way
}

// NewPlay prepares the scenes; their clocks start at the block time begin.
func NewPlay(w *World, scenes []*Scene, begin uint64) (*Play, error) {
	p := &Play{World: w, begin: begin}
	names := map[string]bool{}
	var errs []error
	for _, s := range scenes {
		s.begin = begin + s.Start
		p.scenes = append(p.scenes, &acting{Scene: s})
		for _, sw := range s.Swaps {
			errs = append(errs, sw.check())
			if names[sw.Name] {
				errs = append(errs, fmt.Errorf("two swaps are called %s", sw.Name))
			}
			names[sw.Name] = true
		}
	}
	return p, errors.Join(errs...)
}

// Tick looks at the chains and does what is due for their next blocks. To be
// exact it must be called after each block and before the next.
func (p *Play) Tick(ctx context.Context) error {
	for _, c := range p.World.Chains {
		if err := c.look(ctx); err != nil {
			return err
		}
	}
	for _, s := range p.scenes {
		if err := p.advance(ctx, s); err != nil {
			return fmt.Errorf("scene %s: %w", s.Name, err)
		}
	}
	return nil
}

// advance does as much of a scene as can be done at these heads.
func (p *Play) advance(ctx context.Context, s *acting) error {
	for s.next < len(s.Steps) {
		step := s.Steps[s.next]
		if len(s.waiting) > 0 {
			done, err := p.included(ctx, s, step)
			if err != nil || !done {
				return err
			}
			continue
		}
		c := p.World.Chains[step.Chain]
		if c.Now()+1 < s.begin+step.After {
			return nil
		}
		if step.When != nil {
			if ok, err := step.When(ctx, p.World); err != nil || !ok {
				return err
			}
		}
		if step.Act != nil {
			if err := step.Act(ctx, p.World); err != nil {
				return fmt.Errorf("%s: %w", step.Name, err)
			}
		}
		if step.Send == nil {
			s.next++
			continue
		}
		txs, err := step.Send(p.World, c.Now()+1)
		if err != nil {
			return fmt.Errorf("%s: %w", step.Name, err)
		}
		for _, t := range txs {
			tx, err := c.send(ctx, t.From, t.Tx)
			if err != nil {
				return fmt.Errorf("%s: %w", step.Name, err)
			}
			s.waiting = append(s.waiting, tx)
		}
		return nil
	}
	return nil
}

// included reports whether the step's transactions are all on the chain, and
// closes the step if so.
func (p *Play) included(ctx context.Context, s *acting, step Step) (bool, error) {
	c := p.World.Chains[step.Chain]
	var time uint64
	for _, tx := range s.waiting {
		r, err := c.Client.TransactionReceipt(ctx, tx.Hash())
		if errors.Is(err, ethereum.NotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("%s: receipt: %w", step.Name, err)
		}
		h, err := c.Client.HeaderByHash(ctx, r.BlockHash)
		if err != nil {
			return false, fmt.Errorf("%s: block of receipt: %w", step.Name, err)
		}
		if time = h.Time; r.Status != types.ReceiptStatusSuccessful {
			why, err := c.reason(ctx, tx.Hash())
			return false, fmt.Errorf("%s: transaction %s on %s reverted at %d: %w", step.Name, tx.Hash(), c.Name, time, errors.Join(why, err))
		}
	}
	if step.Done != nil {
		if err := step.Done(p.World, time); err != nil {
			return false, fmt.Errorf("%s: %w", step.Name, err)
		}
	}
	s.next++
	s.waiting = nil
	return true, nil
}

// Opened reports whether the opening is over: every step due at the very
// beginning has been done, so the keys of EOA takers are the product's alone.
func (p *Play) Opened() bool {
	for _, s := range p.scenes {
		if s.Start == 0 && s.next < len(s.Steps) && s.Steps[s.next].After == 0 {
			return false
		}
	}
	return true
}

// Over reports whether everything has been done, and every scene that ends by
// nobody doing anything has had its time.
func (p *Play) Over() bool {
	for _, s := range p.scenes {
		if s.next < len(s.Steps) {
			return false
		}
		for _, c := range p.World.Chains {
			if c.Now() < s.begin+s.Until {
				return false
			}
		}
	}
	return true
}

// Doing counts the steps done and all steps.
func (p *Play) Doing() (done, all int) {
	for _, s := range p.scenes {
		done, all = done+s.next, all+len(s.Steps)
	}
	return done, all
}

// Swaps lists the swaps of all scenes.
func (p *Play) Swaps() []*Swap {
	var out []*Swap
	for _, s := range p.scenes {
		out = append(out, s.Swaps...)
	}
	return out
}
