// Package chains builds the parts of functions that look at chains.
package chains

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/notify"
	"github.com/bridge-me-not/resolver-cron/shared/param"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

// Parts are the base and everything of the chains.
type Parts struct {
	*boot.Base
	Chain  *chain.Client
	Policy swap.Policy

	topic  *notify.Topic
	alarms *notify.Topic              // nil where nobody looks at it
	desk   atomic.Pointer[alert.Desk] // of the scheduled run under way
	calm   calm                       // alerts about the chains file that are known to be over

	mu        sync.Mutex
	factories map[factoryKey]swap.Factory // proven; what was proven stays true
	holders   map[uint64]bool             // chains whose access token was seen with its signer
	healed    []cure                      // whose alerts are to be ended
}

// cure is a finding about no order that is proven over.
type cure struct {
	swap.Finding
	proof string
}

type factoryKey struct {
	chain   uint64
	address common.Address
}

// Serve is the handler of a function that looks at chains, with what it needs beside
// what all of them do: build's, made anew when the chains file in force, or a
// parameter that it names, has changed; see boot.Follow. The error names every
// problem of the configuration.
func Serve(ctx context.Context, build func(*Parts) (job.Handler, error), more ...env.Need) (job.Handler, error) {
	need := env.NeedChains | env.NeedEndpoints | env.NeedTables | env.NeedDoorbells | env.NeedAlerts
	for _, n := range more {
		need |= n
	}
	base, err := boot.Load(ctx, need)
	if err != nil {
		return nil, err
	}
	secrets, err := param.New(ssm.NewFromConfig(base.AWS), base.Config.ParametersPath)
	if err != nil {
		return nil, err
	}
	return base.Follow(ctx, secrets.Get, func(b *boot.Base) (job.Handler, func(), error) {
		p, err := newParts(b)
		if err != nil {
			return nil, nil, err
		}
		h, err := build(p)
		if err != nil {
			p.Chain.Close()
			return nil, nil, err
		}
		return h, p.Chain.Close, nil
	})
}

func newParts(base *boot.Base) (*Parts, error) {
	p := &Parts{Base: base, factories: map[factoryKey]swap.Factory{}, holders: map[uint64]bool{}}
	var errs []error
	var err error
	p.Chain, err = dial(base.Config.Chains)
	errs = append(errs, err)
	p.topic, err = base.Topic()
	errs = append(errs, err)
	if base.Config.AlarmsTopicARN != "" {
		p.alarms, err = base.AlarmsTopic()
		errs = append(errs, err)
	}
	p.Policy, err = policy(base)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// dial makes the client of a chains file's endpoints. It connects to nothing.
func dial(file env.Chains) (*chain.Client, error) {
	configs := make([]chain.Config, len(file.Chains))
	for i, c := range file.Chains {
		configs[i] = chain.Config{ID: c.ID, Name: c.Name, LogSpan: c.LogSpan, AddressChunk: int(c.AddressChunk),
			BlockTime: time.Duration(c.BlockTime) * time.Second, Confirmations: c.Confirmations}
		for _, e := range c.Endpoints {
			configs[i].Endpoints = append(configs[i].Endpoints, chain.Endpoint(e))
		}
	}
	return chain.New(configs)
}

// policy joins the chains file with the cadence of the profile: how far to look
// ahead, how old a reading may be, and when something is overdue, all follow
// from how often the jobs run.
func policy(b *boot.Base) (swap.Policy, error) {
	p := b.Config.Policy()
	period := func(name string) time.Duration {
		spec, err := job.Lookup(name)
		if err != nil {
			return 0
		}
		return spec.Cadence(b.Profile).Period
	}
	seconds := func(d time.Duration) int64 { return int64(d / time.Second) }
	p.Horizon = seconds(period(job.TimelockMonitor) * 5 / 2)
	p.SyncLag = seconds(period(job.StateSync) * 5 / 2)
	p.Overdue = seconds(period(job.CancellationCheck))
	if p.Horizon == 0 || p.SyncLag == 0 || p.Overdue == 0 {
		return p, fmt.Errorf("profile %s: a job without a period", b.Profile)
	}
	return p, nil
}

// settles are the jobs at whose end alerts are ended whose cause is gone: the one
// that uses every endpoint, and the one that sees to every order.
var settles = map[string]bool{job.StateSync: true, job.CancellationCheck: true}

// Scheduled is the handler of a job that watches chains. Each run has one desk
// for its alerts, and ends by telling of endpoints in trouble, ending what is
// proven over, and delivering what is due, also of earlier runs. What cannot be
// delivered makes no work be done again: it lies in the outbox, and is tried again
// by itself.
func (p *Parts) Scheduled(name string, run func(context.Context, *job.Run) error) (job.Handler, error) {
	return p.Base.Scheduled(name, func(ctx context.Context, r *job.Run) error {
		desk := p.newDesk()
		p.desk.Store(desk)
		defer p.desk.Store(nil)
		defer p.noteUsage(r)
		working, cancel := untilTold(ctx)
		err := run(working, r)
		cancel()
		now := time.Now()
		errs := []error{err}
		for _, t := range p.Chain.Trouble() {
			if t.Kind == chain.Refused {
				p.File.Hurry()
			}
			if a, tell := p.troubled(t); tell {
				errs = append(errs, desk.Raise(ctx, a, now))
			}
		}
		if settles[name] {
			errs = append(errs, p.endHealed(ctx, desk, now), p.settler().settle(ctx, desk, now))
		}
		errs = append(errs, p.tellOfFile(ctx, desk, name, now))
		if n := p.File.InUse().Number; n > 0 {
			r.Note("chains_file", n)
		}
		deliver := func(ctx context.Context) error {
			now := time.Now()
			err := desk.Flush(ctx, now)
			r.Metrics.Put(metrics.AlertsUndelivered, int64(desk.Waiting()))
			r.Note("alerts_oldest_s", nil)
			if oldest := desk.Oldest(now); oldest > 0 {
				r.Note("alerts_oldest_s", int64(oldest/time.Second))
			}
			return err
		}
		if err := errors.Join(errs...); err != nil {
			return errors.Join(err, deliver(ctx))
		}
		r.Afterwards(deliver)
		return nil
	})
}

// tellTime is kept of a run's time for its alerts: when endpoints hold it up until
// the end is when people have to hear of them. Of a short time it is a quarter.
const tellTime = time.Second

// untilTold is the context for what a run does before it tells of it.
func untilTold(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(tellTime, time.Until(end)/4)))
}

func (p *Parts) settler() settler {
	s := settler{alerts: p.Store.Alerts(), load: p.Store.Orders().Load, runs: p.Store.Runs().Since, answered: p.Chain.Answered()}
	for _, c := range p.Config.Chains.Chains {
		for _, e := range c.Endpoints {
			s.endpoints = append(s.endpoints, chain.Answer{ChainID: c.ID, Endpoint: e.Name})
		}
	}
	if spec, err := job.Lookup(job.ActionExecutor); err == nil {
		s.period = spec.Cadence(p.Profile).Period
	}
	return s
}

// noteUsage adds to a run what has been asked of endpoints since the last time.
func (p *Parts) noteUsage(r *job.Run) { r.AddRPC(job.RPC(p.Chain.Usage())) }

// troubled words what is wrong with an endpoint. That finality is read twice by
// the same provider is no news where the operator has said that it is enough.
func (p *Parts) troubled(t chain.Trouble) (a alert.Alert, tell bool) {
	a = alert.Alert{Kind: alert.EndpointTrouble, Chain: t.ChainID, Account: t.Endpoint + " " + string(t.Kind),
		What: "endpoint " + t.Endpoint + ": " + t.Detail}
	switch t.Kind {
	case chain.Forked, chain.WrongChain:
		a.Severity = alert.Critical
	case chain.SameReader:
		a.Severity = alert.Critical
		for _, c := range p.Config.Chains.Chains {
			if c.ID == t.ChainID && c.SingleProvider {
				return a, false
			}
		}
	}
	return a, true
}

func (p *Parts) newDesk() *alert.Desk { return alert.NewDesk(p.Store.Alerts(), p.topic, p.Log) }

// Report raises the findings as alerts and delivers them at once. Those that are
// stored and cannot be delivered are no error: the end of the run, and the next one,
// try again.
func (p *Parts) Report(ctx context.Context, findings []swap.Finding) error {
	desk := p.desk.Load()
	if desk == nil { // work that a message started
		desk = p.newDesk()
	}
	now := time.Now()
	var errs []error
	for _, f := range findings {
		errs = append(errs, desk.Raise(ctx, toAlert(f), now))
	}
	if err := desk.Flush(ctx, now); err != nil {
		if !desk.Safe() {
			errs = append(errs, err)
		} else {
			p.Log.WarnContext(ctx, "alerts wait", "alerts", desk.Waiting(), "error", err)
		}
	}
	return errors.Join(errs...)
}

// toAlert words a finding for a person. Kinds and codes are the same words.
func toAlert(f swap.Finding) alert.Alert {
	a := alert.Alert{Kind: alert.Kind(f.Code), Chain: f.ChainID, Level: time.Duration(f.Level) * time.Second, What: f.Detail}
	switch f.Severity {
	case swap.Info:
		a.Severity = alert.Info
	case swap.Warning:
		a.Severity = alert.Warning
	case swap.Critical:
		a.Severity = alert.Critical
	}
	if f.Order != (swap.OrderID{}) {
		a.Order = f.Order.String()
	}
	if f.Escrow != (common.Address{}) {
		a.Escrow = f.Escrow.Hex()
	}
	if f.Account != (common.Address{}) {
		a.Account = f.Account.Hex()
	}
	if !f.AtRisk.IsZero() {
		a.AtStake = coins(f.AtRisk) + " of the native coin, by the reference prices"
	}
	if f.Deadline != 0 {
		a.UntilWhen = f.Deadline.String() + " by the chain's clock"
	}
	if f.Call != 0 && f.Detail != "" {
		a.What = f.Call.String() + ": " + f.Detail
	} else if f.Call != 0 {
		a.What = f.Call.String() + " is due"
	}
	return a
}

// coins writes wei as whole coins with what is left of the eighteen digits behind
// the point.
func coins(wei uint256.Int) string {
	const digits = 18
	s := wei.Dec()
	if len(s) <= digits {
		s = strings.Repeat("0", digits+1-len(s)) + s
	}
	whole, part := s[:len(s)-digits], strings.TrimRight(s[len(s)-digits:], "0")
	if part == "" {
		return whole
	}
	return whole + "." + part
}

// Sweeper looks after orders whose time has come.
func (p *Parts) Sweeper() *watch.Sweeper {
	return &watch.Sweeper{
		Planner: watch.Planner{Orders: p.Store.Orders(), Sharing: p.Store.Orders().Sharing, Actions: p.Store.Actions(), Ringer: p.ringer(),
			Report: p.Report, Probe: escrows{p.Chain}, Policy: p.Policy, Log: p.Log},
		Heads: p.Chain, Facts: p.Store.Facts(), Over: p.over,
	}
}

// over resolves the alert of a finding about a chain. It is announced when the
// run ends.
func (p *Parts) over(ctx context.Context, code swap.FindingCode, chain uint64, proof string) error {
	desk := p.desk.Load()
	if desk == nil {
		return fmt.Errorf("resolve %s of chain %d: only scheduled runs have a desk", code, chain)
	}
	return desk.Resolve(ctx, toAlert(swap.Finding{Code: code, ChainID: chain}).Key(), proof, time.Now())
}

// endHealed resolves what was found cured, each once in a process.
func (p *Parts) endHealed(ctx context.Context, desk *alert.Desk, now time.Time) error {
	p.mu.Lock()
	healed := p.healed
	p.healed = nil
	p.mu.Unlock()
	var errs []error
	for _, c := range healed {
		if err := desk.Resolve(ctx, toAlert(c.Finding).Key(), c.proof, now); err != nil {
			errs = append(errs, err)
			p.mu.Lock()
			p.healed = append(p.healed, c)
			p.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

// escrows lets a sweep look at balances, in its own words.
type escrows struct{ *chain.Client }

// Balances implements watch.Probe.
func (e escrows) Balances(ctx context.Context, chain uint64, at swap.Block, of []watch.Holding) ([]swap.Balance, error) {
	asked := make([]follow.Holding, len(of))
	for i, h := range of {
		asked[i] = follow.Holding(h)
	}
	return e.Client.Balances(ctx, chain, at, asked)
}

// ringer rings the executor, or nobody where nothing may be sent.
func (p *Parts) ringer() watch.Ringer {
	if p.Config.Mode != env.Live {
		return silent{}
	}
	return p.Doorbells()
}

type silent struct{}

func (silent) Ring(context.Context, []watch.Ring) error { return nil }

// Follower keeps the stored orders equal to the chains. Factories are proven
// on first use; a chain one of whose factories could not be read is left out,
// because its marks must not move past logs that nobody could judge. A factory
// that is not what it has to be is left out by itself, and a person is told.
func (p *Parts) Follower(ctx context.Context) (*follow.Follower, error) {
	planner := p.Sweeper().Planner
	planner.Probe = nil // it plans on logs that it has just read
	f := &follow.Follower{
		Chain: p.Chain, Probe: p.Chain, Orders: p.Store.Orders(), Facts: p.Store.Facts(), Parked: p.Store.Parked(),
		Replan: func(ctx context.Context, orders []swap.Order, facts map[uint64]swap.Provisional, views swap.Views) error {
			_, err := planner.Replan(ctx, orders, facts, views)
			return err
		},
		Report: p.Report, Chains: map[uint64]follow.ChainConfig{}, Policy: p.Policy, Log: p.Log,
	}
	var errs []error
	var findings []swap.Finding
	for _, c := range p.Config.Chains.Chains {
		proven, bad, err := p.prove(ctx, c)
		findings = append(findings, bad...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if bad, err = p.holdsToken(ctx, c); err != nil {
			errs = append(errs, err) // asked again; nothing else depends on it
		}
		findings = append(findings, bad...)
		f.Chains[c.ID] = follow.ChainConfig{Factories: proven, Confirmations: c.Confirmations, Rewind: c.RewindDepth}
	}
	if len(findings) > 0 {
		errs = append(errs, p.Report(ctx, findings))
	}
	return f, errors.Join(errs...)
}

func (p *Parts) prove(ctx context.Context, c env.Chain) (proven []swap.Factory, bad []swap.Finding, err error) {
	for _, f := range c.Factories {
		key := factoryKey{c.ID, f.Address}
		p.mu.Lock()
		known, ok := p.factories[key]
		p.mu.Unlock()
		if !ok {
			known, err = p.Chain.Factory(ctx, c.ID, f.Address, f.Family)
			if errors.Is(err, chain.ErrFactoryProof) {
				bad = append(bad, swap.Finding{Code: swap.FactoryUnproven, Severity: swap.Critical, ChainID: c.ID, Escrow: f.Address, Detail: err.Error()})
				continue
			}
			if err != nil {
				return nil, bad, err
			}
			known.FromBlock = f.FromBlock
			p.mu.Lock()
			p.factories[key] = known
			p.healed = append(p.healed, cure{swap.Finding{Code: swap.FactoryUnproven, ChainID: c.ID, Escrow: f.Address}, "the factory is what the configuration says"})
			p.mu.Unlock()
		}
		proven = append(proven, known)
	}
	return proven, bad, nil
}

// holdsToken looks whether the signer that is to make public calls on a chain
// holds the access token: without it each of them would revert. It is asked until
// the token was seen there once.
func (p *Parts) holdsToken(ctx context.Context, c env.Chain) ([]swap.Finding, error) {
	p.mu.Lock()
	known := p.holders[c.ID]
	p.mu.Unlock()
	if known || c.AccessTokenSigner == (common.Address{}) {
		return nil, nil
	}
	head, _, err := p.Chain.Head(ctx, c.ID)
	if err != nil {
		return nil, fmt.Errorf("look for the access token of chain %d: %w", c.ID, err)
	}
	got, err := p.Chain.Balances(ctx, c.ID, head, []follow.Holding{{Escrow: c.AccessTokenSigner, Token: c.AccessToken}})
	if err != nil {
		return nil, fmt.Errorf("look for the access token of chain %d: %w", c.ID, err)
	}
	if got[0].Mute {
		return []swap.Finding{{Code: swap.CannotAct, Severity: swap.Critical, ChainID: c.ID, Escrow: c.AccessToken,
			Detail: "the access token does not tell whether signer " + c.AccessTokenSigner.Hex() + " holds it: if not, its public calls would revert"}}, nil
	}
	if !got[0].Token.IsZero() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.holders[c.ID] = true
		p.healed = append(p.healed, cure{swap.Finding{Code: swap.CannotAct, ChainID: c.ID, Escrow: c.AccessToken}, "the signer holds the access token"})
		return nil, nil
	}
	return []swap.Finding{{Code: swap.CannotAct, Severity: swap.Critical, ChainID: c.ID, Escrow: c.AccessToken,
		Detail: "signer " + c.AccessTokenSigner.Hex() + " does not hold the access token: its public calls would revert"}}, nil
}

// Accounts lists every signing account, by chain and address.
func (p *Parts) Accounts() []txn.Account {
	var out []txn.Account
	for _, id := range slices.Sorted(maps.Keys(p.Policy.Chains)) {
		for _, s := range signers(p.Policy.Chains[id]) {
			out = append(out, txn.Account{ChainID: id, Signer: s})
		}
	}
	return out
}

// Sending is how transactions are sent on each chain.
func (p *Parts) Sending() map[uint64]txn.ChainConfig {
	out := map[uint64]txn.ChainConfig{}
	for _, c := range p.Config.Chains.Chains {
		out[c.ID] = txn.ChainConfig{Regular: c.Regular, BlockTime: int64(c.BlockTime), PoolCap: int(c.PoolCap), Confirmations: c.Confirmations}
	}
	return out
}

// Keys says who else uses each signer's key.
func (p *Parts) Keys() txn.Keys {
	out := txn.Keys{}
	for _, s := range p.Config.Chains.Signers {
		out[s.Address] = txn.Custody(s.Custody)
	}
	return out
}

// Sweep is the body of the two jobs that look at what is due.
func (p *Parts) Sweep(sel watch.Selection) func(context.Context, *job.Run) error {
	sweeper := p.Sweeper()
	return func(ctx context.Context, r *job.Run) error {
		res, err := sweeper.Sweep(ctx, sel)
		r.Note("orders", res.Orders)
		r.Note("saved", res.Saved)
		r.Note("rung", res.Rung)
		r.Note("findings", res.Findings)
		r.Note("conflicts", res.Conflicts)
		if sel == watch.Overdue {
			r.Metrics.Put(metrics.Overdue, int64(res.Overdue))
			r.Metrics.Put(metrics.AtRisk, int64(res.AtRisk))
		}
		return err
	}
}
