package chains

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
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
		Ring: p.ring(0), Report: p.Report, Policy: p.Policy, Chains: p.Sending(), Keys: p.Keys(), Log: p.Log,
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
		Policy: p.Policy, Chains: p.Sending(), Keys: p.Keys(), Log: p.Log,
	}
	drain := func(ctx context.Context, r *job.Run, a txn.Account) error {
		if p.Config.Mode != env.Live {
			r.Note("mode", string(p.Config.Mode))
			return nil
		}
		defer p.noteUsage(r)
		key := job.SignerKey(a.ChainID, strings.ToLower(a.Signer.Hex()))
		_, err := r.Alone(ctx, key, func(ctx context.Context, h *job.Hold) error {
			res, err := drainer.Drain(ctx, a, hold{h})
			r.Note(fmt.Sprintf("drained_%d_%s", a.ChainID, strings.ToLower(a.Signer.Hex())), res)
			return err
		})
		return err
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
		return p.drainBusy(ctx, r, drainer, drain)
	})
	if err != nil {
		return nil, err
	}
	return job.Either(scheduled, queued), nil
}

// drainBusy drains every account that has something to do, all at a time: a
// chain that stalls must not keep the others waiting.
func (p *Parts) drainBusy(ctx context.Context, r *job.Run, d *txn.Drainer, drain func(context.Context, *job.Run, txn.Account) error) error {
	if p.Config.Mode != env.Live {
		r.Note("mode", string(p.Config.Mode))
		return nil
	}
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
	wg.Wait()
	return errors.Join(errs...)
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
