package daily

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/report"
)

// balances tells what the accounts held, by the snapshots of the day. A chain that
// cannot be read hides none of the others; the error tells of it.
func balances(history balance.History, file env.Chains) func(context.Context, time.Time, time.Time) ([]report.Balance, error) {
	return func(ctx context.Context, from, until time.Time) ([]report.Balance, error) {
		var all []report.Balance
		var errs []error
		names := accounts(file)
		for _, c := range file.Chains {
			snapshots, err := history.Snapshots(ctx, c.ID, from, until.Add(-1), until)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if len(snapshots) > 0 {
				all = append(all, held(c.Name, snapshots, names)...)
			}
		}
		return all, errors.Join(errs...)
	}
}

// held is what the accounts of one chain held, by snapshots in the order of time.
func held(chain string, snapshots []balance.Snapshot, names map[common.Address]string) []report.Balance {
	last := snapshots[len(snapshots)-1]
	payable := map[common.Address]int{}
	for _, g := range last.Gas {
		if g.Read && g.Priced {
			payable[g.Signer] = int(min(g.Payable, math.MaxInt32))
		}
	}
	var out []report.Balance
	for _, h := range last.Holdings {
		series := balance.Series(snapshots, h.Holding())
		if len(series) == 0 {
			continue // never read: health-check and balance-monitor tell of it
		}
		b := report.Balance{Chain: chain, Account: names[h.Account], Low: h.Least, Short: h.Low(), Unread: h.Failed != "", Runway: -1,
			Token: report.Amount{Raw: series[len(series)-1].Amount, Decimals: h.Decimals, Symbol: h.Symbol}}
		if b.Account == "" {
			b.Account = h.Account.Hex()
		}
		if h.Token == (common.Address{}) {
			if b.Token.Symbol == "" {
				b.Token.Symbol = "ETH"
			}
			if n, ok := payable[h.Account]; ok {
				b.Runway = n
			}
		}
		for _, p := range series {
			b.Points = append(b.Points, report.Point{At: p.At, Raw: p.Amount})
		}
		out = append(out, b)
	}
	return out
}

// accounts are the names of the signers, by their addresses.
func accounts(file env.Chains) map[common.Address]string {
	names := map[common.Address]string{}
	for _, s := range file.Signers {
		names[s.Address] = s.Name
	}
	return names
}
