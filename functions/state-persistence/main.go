// Command state-persistence keeps a verified copy of the open swaps in the
// archive, which infra/ops restores.
package main

import (
	"context"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/boot/bucket"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		b, err := boot.Load(ctx, env.NeedChains|env.NeedTables|env.NeedArchive)
		if err != nil {
			return nil, err
		}
		return b.Follow(ctx, nil, func(b *boot.Base) (job.Handler, func(), error) {
			objects, err := bucket.Open(b)
			if err != nil {
				return nil, nil, err
			}
			state := b.Store.Snapshots()
			keeper := snapshot.Keeper{Chains: state, Ledger: state, Progress: state, Bucket: objects,
				Scope: snapshot.ScopeOf(b.Config.Policy()), Mode: string(b.Config.Mode), Log: b.Log}
			h, err := b.Scheduled(job.StatePersistence, telling(b.Desk, func(ctx context.Context, r *job.Run, compared func(context.Context, []swap.OrderID) error) error {
				keeper := keeper
				keeper.Compared = compared
				got, err := keeper.Take(ctx, time.Now())
				if err != nil {
					return err
				}
				r.Note("written", got.Written)
				r.Note("read", got.Read)
				r.Note("key", got.Key)
				r.Note("bytes", got.Size)
				r.Note("orders", got.Counts.Orders)
				r.Note("works", got.Counts.Works)
				r.Note("entries", got.Counts.Entries)
				r.Note("withheld", got.Counts.Withheld)
				return nil
			}))
			return h, nil, err
		})
	})
}
