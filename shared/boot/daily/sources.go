package daily

import (
	"context"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/report"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

// sources reads each part from who keeps it.
func sources(b *boot.Base) report.Sources {
	file, names := b.Config.Chains, map[uint64]string{}
	for _, c := range file.Chains {
		names[c.ID] = c.Name
	}
	runsOf, hours, feed := b.Store.Runs(), b.Store.Tallies(), b.Store.Feed()
	aggregator := tally.Aggregator{Feed: feed, Hours: hours, Latest: hours, Runs: runsOf.Since}
	for _, s := range job.Table {
		aggregator.Jobs = append(aggregator.Jobs, s.Name)
	}
	count := caughtUp(func(ctx context.Context) (tally.Result, error) { return aggregator.Pass(ctx, time.Now()) })
	watched := func(ctx context.Context) (map[string]time.Time, error) {
		book, err := runsOf.Book(ctx)
		since := map[string]time.Time{}
		for name, page := range book.Pages {
			since[name] = page.Since
		}
		return since, err
	}
	return report.Sources{
		Tally:     counted(count, tally.Reader{Hours: hours, Latest: hours}, feed, file),
		Exposures: exposed(feed, file),
		Alerts:    alerts(b.Store.Alerts(), names),
		Jobs:      runs(b.Profile, runsOf.Since, watched),
		Balances:  balances(b.Store.Balances(), file),
		Health:    fitness(b.Store.Health()),
	}
}
