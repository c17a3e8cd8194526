package chains

import (
	"context"
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/metrics"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// BalanceMonitor is the body of the job that watches what the accounts hold.
func (p *Parts) BalanceMonitor() func(context.Context, *job.Run) error {
	m := &balance.Monitor{Chain: p.Chain, Book: p.Store.Balances(), Legs: p.Store.Orders().Legs, Live: p.Store.Actions().Live,
		Chains: holders(p.Config.Chains), Gas: txn.DearestGas, Sends: p.Config.Mode == env.Live}
	return func(ctx context.Context, r *job.Run) error {
		res, err := m.Pass(ctx, p.desk.Load(), r.Scheduled, time.Now())
		r.Note("chains", res.Chains)
		r.Note("holdings", res.Read)
		r.Note("unread", res.Failed)
		r.Note("low", res.Low)
		if res.Signers > 0 {
			r.Metrics.Put(metrics.GasRunway, int64(min(res.Least, math.MaxInt64)))
		}
		return err
	}
}

// holders is the part of the chains file that is about balances.
func holders(file env.Chains) map[uint64]balance.Config {
	out := map[uint64]balance.Config{}
	for _, c := range file.Chains {
		b := balance.Config{Name: c.Name, AccessTokenSigner: c.AccessTokenSigner, MinNative: c.MinNative, MinActions: c.MinActions,
			Takers: map[common.Address]balance.Taker{}, Tokens: map[common.Address]balance.Token{}}
		for a, t := range c.Takers {
			b.Takers[a] = balance.Taker{Signer: t.Signer, Least: c.TakerMin[a]}
		}
		for a, t := range c.Tokens {
			b.Tokens[a] = balance.Token{Symbol: t.Symbol, Decimals: t.Decimals, Least: c.MinBalance[a]}
		}
		for _, most := range c.FeeCap {
			if b.MaxFee.Lt(&most) {
				b.MaxFee = most
			}
		}
		out[c.ID] = b
	}
	return out
}
