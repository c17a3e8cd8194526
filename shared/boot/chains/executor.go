package chains

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

// nextRound is how long after a drain ends whose time was not enough the account
// is drained again: by then its lease is released.
const nextRound = 2 * time.Second

// Track is the body of the job that settles what was sent.
func (p *Parts) Track(ctx context.Context, r *job.Run) error {
	tracker := &txn.Tracker{
		Backend: p.Chain, Journal: p.Store.Journal(), Works: p.Store.Actions(), Facts: p.Store.Facts(),
		Ring: p.ring(0), Report: p.Report, Policy: p.Policy, Chains: p.Sending(), Keys: p.Keys(), Trace: metrics.Trace, Log: p.Log,
	}
	res, err := tracker.TrackAll(ctx, p.Accounts())
	r.Note("open", res.Open)
	r.Note("confirmed", res.Confirmed)
	r.Note("reverted", res.Reverted)
	r.Note("foreign", res.Foreign)
	r.Note("reopened", res.Reopened)
	if res.Timed > 0 {
		r.Metrics.Min(metrics.MarginLeft, res.Margin)
	}
	return err
}

// ring rings for one account.
func (p *Parts) ring(after time.Duration) func(context.Context, txn.Account) error {
	ringer := p.ringer()
	return func(ctx context.Context, a txn.Account) error {
		return ringer.Ring(ctx, []watch.Ring{{ChainID: a.ChainID, Signer: a.Signer, After: after}})
	}
}

// Executor is the handler that drains accounts with the given signer: those
// that doorbells name, and by its schedule all that have something to do, for
// the doorbells that were lost. Where nothing may be sent it takes either and
// leaves it.
func (p *Parts) Executor(signer txn.Signer) (job.Handler, error) {
	drainer := &txn.Drainer{
		Signer: signer, Backend: p.Chain, Journal: p.Store.Journal(), Works: p.Store.Actions(),
		Decide: p.Sweeper().Decide, Report: p.Report, Ring: p.ring(nextRound),
		Policy: p.Policy, Chains: p.Sending(), Keys: p.Keys(), Trace: metrics.Trace, Log: p.Log,
	}
	var paused pauses
	drain := func(ctx context.Context, r *job.Run, a txn.Account) error {
		if p.Config.Mode != env.Live {
			r.Note("mode", string(p.Config.Mode))
			return nil
		}
		state, unread := paused.of(ctx, r, p.Control)
		d := *drainer
		d.Paused = func(a swap.Action) bool { return heldBack(state, a, time.Now()) }
		defer p.noteUsage(r)
		key := job.SignerKey(a.ChainID, strings.ToLower(a.Signer.Hex()))
		_, err := r.Alone(ctx, key, func(ctx context.Context, h *job.Hold) error {
			about := map[string]string{"chain": strconv.FormatUint(a.ChainID, 10), "signer": a.Signer.Hex()}
			return metrics.Trace(ctx, "drain", about, func(ctx context.Context) error {
				res, err := d.Drain(ctx, a, hold{h})
				r.Note(fmt.Sprintf("drained_%d_%s", a.ChainID, strings.ToLower(a.Signer.Hex())), res)
				return err
			})
		})
		return errors.Join(unread, err)
	}
	consumer, err := job.NewConsumer(job.ActionExecutor, p.Profile, p.decode, drain)
	if err != nil {
		return nil, err
	}
	queued, err := job.Queue(p.Jobs, consumer)
	if err != nil {
		return nil, err
	}
	scheduled, err := p.Scheduled(job.ActionExecutor, func(ctx context.Context, r *job.Run) error {
		return p.drainBusy(ctx, r, drainer, &paused, drain)
	})
	if err != nil {
		return nil, err
	}
	return job.Either(scheduled, queued), nil
}

// heldBack reports whether operators hold an action back.
func heldBack(s control.State, a swap.Action, now time.Time) bool {
	_, ok := s.Allows(control.Work{Job: job.ActionExecutor, Chain: a.ChainID, Claim: a.Claims()}, now)
	return !ok
}

// pauses are read once in each run, whose accounts are drained several at a time.
// The error is told once too.
type pauses struct {
	mu    sync.Mutex
	run   string // whose they are
	state control.State
}

func (p *pauses) of(ctx context.Context, r *job.Run, from *control.Reader) (control.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == r.Token {
		return p.state, nil
	}
	var err error
	p.run = r.Token
	p.state, err = from.Read(ctx)
	return p.state, err
}

// drainBusy drains every account that has something to do, all at a time: a
// chain that stalls must not keep the others waiting.
func (p *Parts) drainBusy(ctx context.Context, r *job.Run, d *txn.Drainer, paused *pauses, drain func(context.Context, *job.Run, txn.Account) error) error {
	if p.Config.Mode != env.Live {
		r.Note("mode", string(p.Config.Mode))
		return nil
	}
	state, unread := paused.of(ctx, r, p.Control)
	accounts := p.Accounts()
	errs := make([]error, len(accounts))
	var wg sync.WaitGroup
	for i, a := range accounts {
		wg.Go(func() {
			var busy bool
			if busy, errs[i] = d.Busy(ctx, a); busy {
				errs[i] = errors.Join(errs[i], drain(ctx, r, a))
			}
		})
	}
	// Meanwhile: what may be sent in spite of a pause waits for nobody to be told.
	var told error
	wg.Go(func() {
		told = boot.TellOf(ctx, p.desk.Load(), state.Concerning(job.ActionExecutor, true), time.Now())
	})
	wg.Wait()
	return errors.Join(append(errs, unread, told)...)
}

// decode reads a doorbell and refuses one for an account that is not ours.
func (p *Parts) decode(body string) (txn.Account, error) {
	d, err := job.DecodeDoorbell(body)
	if err != nil {
		return txn.Account{}, err
	}
	a := txn.Account{ChainID: d.Chain, Signer: common.HexToAddress(d.Signer)}
	if !slices.Contains(p.Accounts(), a) {
		return txn.Account{}, fmt.Errorf("doorbell: %s signs for nobody on chain %d", d.Signer, d.Chain)
	}
	return a, nil
}

// hold shows a job's lease to the drain.
type hold struct{ *job.Hold }

func (h hold) Check() error { return h.Hold.Check(time.Now()) }

func (h hold) Fence() txn.Fence {
	l := h.Lease()
	return txn.Fence{Lease: l.Key, Owner: l.Token, Generation: uint64(l.Fence)}
}
