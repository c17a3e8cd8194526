package chains

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/health"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/queue"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// HealthCheck is the body of the job that looks at every part. concurrency asks what the account allows.
func (p *Parts) HealthCheck(concurrency func(context.Context) (health.Concurrency, error)) func(context.Context, *job.Run) error {
	client := sqs.NewFromConfig(p.AWS)
	depth := func(ctx context.Context, url string) (health.Depth, error) { return queue.Depth(ctx, client, url) }
	checker := health.Checker{Store: p.Store.Health(), Told: p.Store.Alerts().Load}
	return func(ctx context.Context, r *job.Run) error {
		now := time.Now()
		unseen := p.seeToFile(ctx, r, p.desk.Load(), now)
		s, err := checker.Check(ctx, p.desk.Load(), p.probes(depth, concurrency, now), r.Scheduled, now)
		r.Note("health", s.Settled.String())
		r.Note("since", s.Since)
		r.Note("found", s.Latest.Found.String())
		r.Note("components", s.Latest.Components)
		r.Metrics.Put(metrics.Health, s.Settled.Metric())
		return errors.Join(unseen, err)
	}
}

// probes are those of one check, at now.
func (p *Parts) probes(depth func(context.Context, string) (health.Depth, error), concurrency func(context.Context) (health.Concurrency, error), now time.Time) []health.Probe {
	all := []health.Probe{
		health.StoreProbe(p.Store.Ping),
		health.SubscriptionsProbe("subscriptions", p.topic.Subscriptions),
		health.OutboxProbe(p.Store.Alerts().Due, now),
		health.JobsProbe(p.jobs, job.HealthCheck, watchPeriods*p.period(job.JobWatchdog), now),
	}
	if p.alarms != nil {
		all = append(all, health.SubscriptionsProbe("alarm subscriptions", p.alarms.Subscriptions))
	}
	for _, q := range queues(p.Config) {
		all = append(all, health.QueueProbe(q, depth))
	}
	var ids []uint64
	signers := p.signers(now)
	for _, c := range p.Config.Chains.Chains {
		ids = append(ids, c.ID)
		ch := health.Chain{ID: c.ID, BlockTime: time.Duration(c.BlockTime) * time.Second,
			MinBlockTime: time.Duration(c.MinBlockTime) * time.Second, Confirmations: c.Confirmations}
		for _, e := range c.Endpoints {
			ch.Endpoints = append(ch.Endpoints, e.Name)
		}
		all = append(all, health.ChainProbe(p.Chain, ch, now),
			health.FactoriesProbe(c.ID, func(ctx context.Context) (int, []string, error) { return p.factoriesOf(ctx, c) }),
			health.SignersProbe(c.ID, p.Store.Balances().Latest, signers[c.ID], balancePeriods*p.period(job.BalanceMonitor), now))
	}
	return append(all, health.CapacityProbe(ids, p.Store.Orders().Open, p.Config.MaxOpenSwaps), health.ConcurrencyProbe(concurrency, demand(p.Profile)))
}

// demand is what the functions of a profile need at once.
func demand(profile job.Profile) (d health.Demand) {
	for _, s := range job.Table {
		n := s.AtOnce(profile)
		if d.All += n; !s.Deferrable() {
			d.Prompt += n
		}
	}
	return d
}

// queues are those of a stack, with what to do about each: the pacer's are those of the test profile. None of
// them has anything in it that would have to be sent again: what is due stands in the tables, and every tick
// rings for it anew.
func queues(c env.Config) []health.Queue {
	const (
		unread = "See in the log and the metrics of its function whether it is throttled, fails or has no time left. What it holds is rung for again by every tick."
		empty  = "Look: aws sqs receive-message --queue-url %[1]s --max-number-of-messages 10. %[2]s Then empty it, nothing is lost by that: aws sqs purge-queue --queue-url %[1]s"
	)
	all := []health.Queue{
		{Name: "doorbells", URL: c.DoorbellQueueURL, ToDo: unread},
		{Name: "doorbells-dead", URL: c.DoorbellDeadURL, Dead: true, ToDo: "Doorbells that the executor could not handle: find out why in its log."},
		{Name: "failed-events", URL: c.FailedEventsURL, Dead: true, ToDo: "Each names its function and error; a tick is never made up for."},
		{Name: "pacer-ticks", URL: c.PacerQueueURL, ToDo: unread},
		{Name: "pacer-ticks-dead", URL: c.PacerDeadURL, Dead: true, ToDo: "Ticks that the pacer could not pass on: find out why in its log."},
	}
	for i, q := range all {
		if q.Dead {
			all[i].ToDo = fmt.Sprintf(empty, q.URL, q.ToDo)
		}
	}
	return slices.DeleteFunc(all, func(q health.Queue) bool { return q.URL == "" })
}

// balancePeriods is how many periods of balance-monitor a reading serves.
const balancePeriods = 3

// period is how often a job runs.
func (p *Parts) period(name string) time.Duration {
	s, err := job.Lookup(name)
	if err != nil {
		return 0 // then every reading is old, which is told
	}
	return s.Cadence(p.Profile).Period
}

// watchPeriods is how many periods of job-watchdog its last look serves.
const watchPeriods = 3

// jobs reads how the watchdog has found the jobs.
func (p *Parts) jobs(ctx context.Context) ([]watchdog.Health, time.Time, error) {
	all, at, err := p.Store.Runs().JobHealth(ctx)
	if errors.Is(err, store.ErrNoHealth) {
		return nil, time.Time{}, nil
	}
	return all, at, err
}

// factoriesOf proves the factories of a chain, those that this process has not proven yet.
func (p *Parts) factoriesOf(ctx context.Context, c env.Chain) (proven int, bad []string, err error) {
	good, findings, err := p.prove(ctx, c)
	for _, f := range findings {
		bad = append(bad, f.Detail)
	}
	return len(good), bad, err
}

// signers are the accounts that sign, by chain.
func (p *Parts) signers(now time.Time) map[uint64][]health.Signer {
	keys, out := p.Keys(), map[uint64][]health.Signer{}
	for _, a := range p.Accounts() {
		out[a.ChainID] = append(out[a.ChainID], health.Signer{Chain: a.ChainID, Address: a.Signer, Custody: string(keys.Of(a.Signer)),
			Flying:  func(ctx context.Context) (int, time.Time, error) { return p.flying(ctx, a) },
			Foreign: func(ctx context.Context) (bool, error) { return p.foreign(ctx, a, now) }})
	}
	return out
}

// flying counts what an account has on its way.
func (p *Parts) flying(ctx context.Context, a txn.Account) (n int, oldest time.Time, err error) {
	open, _, err := p.Store.Journal().Entries(ctx, a)
	for _, e := range open {
		for _, t := range e.Txs {
			if oldest.IsZero() || t.SignedAt.Before(oldest) {
				oldest = t.SignedAt
			}
		}
	}
	return len(open), oldest, err
}

// foreign reports whether the alert is open that an account sent what is not in the journal.
func (p *Parts) foreign(ctx context.Context, a txn.Account, now time.Time) (bool, error) {
	if p.Keys().Of(a.Signer) == txn.Shared {
		return false, nil // expected
	}
	e, err := p.Store.Alerts().Load(ctx, alert.Alert{Kind: alert.ForeignTx, Chain: a.ChainID, Account: a.Signer.Hex()}.Key())
	if err != nil {
		return false, fmt.Errorf("look for foreign transactions of %s on chain %d: %w", a.Signer, a.ChainID, err)
	}
	over := e.State == "" || e.State == alert.Suspected || e.State == alert.Resolved || !now.Before(e.ExpiresAt)
	return !over, nil
}
