package snapshot_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rig is a state, a bucket and the two that work on them, with one plan of faults.
type rig struct {
	*faulttest.Faults
	sample snapshottest.Sample
	state  *snapshottest.State
	bucket *snapshottest.Bucket
	keeper snapshot.Keeper
}

func newRig(t testing.TB, orders int) *rig {
	t.Helper()
	f := new(faulttest.Faults)
	r := &rig{Faults: f, sample: snapshottest.NewSample(orders), state: snapshottest.NewState(f), bucket: snapshottest.NewBucket(f)}
	for _, rec := range append(r.sample.Records, snapshottest.Flag()) {
		r.state.Replace(rec)
	}
	r.keeper = snapshot.Keeper{Chains: r.state, Ledger: r.state, Progress: r.state, Bucket: r.bucket, Scope: r.sample.Scope, Mode: "live",
		Log: slog.New(slog.DiscardHandler)}
	return r
}

func (r *rig) take(t testing.TB, at time.Time) snapshot.Taken {
	t.Helper()
	got, err := r.keeper.Take(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// restorer restores from the rig's bucket into other tables.
func (r *rig) restorer(into *snapshottest.State) *snapshot.Restorer {
	return &snapshot.Restorer{Bucket: r.bucket, Tables: into, Progress: into, Ledger: into, Mode: "live", Log: slog.New(slog.DiscardHandler)}
}

// restored is the content of empty tables after a restore of the newest.
func (r *rig) restored(t testing.TB) snapshottest.Content {
	t.Helper()
	into := snapshottest.NewState(nil)
	if _, err := r.restorer(into).Restore(t.Context(), snapshot.Options{}, epoch); err != nil {
		t.Fatal(err)
	}
	return into.Content()
}

// faultPoint makes the n-th call, from 1, fail; ran tells whether there was one.
func (r *rig) failAt(n int, how faulttest.Fault) (ran func() bool) {
	seen := 0
	r.Fail(func(string) faulttest.Fault {
		if seen++; seen == n {
			return how
		}
		return faulttest.OK
	})
	return func() bool { r.Fail(nil); return seen >= n }
}

func same(t testing.TB, what string, want, got snapshottest.Content) {
	t.Helper()
	if !watchtest.Same(want, got) { // the long way is slow
		watchtest.Equal(t, what, want, got)
	}
}

// writes are the calls of the bucket that write.
func (r *rig) writes() int { return r.Calls("bucket.create") + r.Calls("bucket.replace") }

func keysOf(r *rig) []string { return slices.Clone(r.bucket.Keys("")) }
