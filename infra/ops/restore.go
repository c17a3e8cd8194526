package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bridge-me-not/resolver-cron/shared/archive"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/store"
)

var restoreCommand = command{"restore", "[-bucket NAME] [-manifest KEY] [-mode live|shadow] [-force] [-json]",
	"write a snapshot into empty tables, verified before anything is written", restore}

// restore writes a snapshot of state-persistence into the tables of a stack that
// is deployed in mode off; deployed in its own mode again, it catches up with the
// chains. A restore that was cut short is finished by running it again.
func restore(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	t.archive(f)
	key := f.String("manifest", "", "`key` of a manifest, ….jsonl.gz.json (default: that of the newest snapshot)")
	mode := f.String("mode", string(store.Live), "whose work and journal: live or shadow")
	force := f.Bool("force", false, "restore into tables that hold something: fill in what is missing, and go back to the older marks")
	if err := f.none(args); err != nil {
		return err
	}
	db, err := t.openAs(ctx, f, store.Mode(*mode))
	if err != nil {
		return err
	}
	conf, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	objects, err := archive.New(s3.NewFromConfig(conf), *f.bucket)
	if err != nil {
		return usage("%w (-bucket)", err)
	}
	state := db.Snapshots()
	r := snapshot.Restorer{Bucket: objects, Tables: state, Progress: state, Ledger: state, Mode: *mode,
		Log: slog.New(slog.NewTextHandler(t.errs, nil))}
	got, err := r.Restore(ctx, snapshot.Options{Key: *key, Force: *force}, t.now().UTC())
	if errors.Is(err, snapshot.ErrOccupied) {
		return fmt.Errorf("%w (with -force what is missing is filled in, and nothing goes back but the marks)", err)
	}
	if err != nil {
		return err
	}
	return t.restored(got, f.json)
}

func (t tool) restored(got snapshot.Restored, asJSON bool) error {
	if asJSON {
		return t.printJSON(got)
	}
	if !got.Before.IsZero() {
		return t.say("%s was restored into these tables at %s: nothing was written", got.Key, got.Before.Format(time.RFC3339))
	}
	rows := [][]string{
		{"restored", got.Key},
		{"taken", got.Taken.Format(time.RFC3339)},
		{"mode", got.Mode},
		{"orders", strconv.Itoa(got.Counts.Orders)},
		{"live work", strconv.Itoa(got.Counts.Works)},
		{"journal entries", fmt.Sprintf("%d, %d withheld", got.Counts.Entries, got.Counts.Withheld)},
	}
	for _, c := range got.Chains {
		rows = append(rows, []string{fmt.Sprintf("chain %d", c.ChainID), fmt.Sprintf("final to %d, seen to %d (%s)", c.Final.Number, c.Seen.Number, c.Seen.Time)})
	}
	rows = append(rows, []string{"written", fmt.Sprintf("%d, there already %d", got.Written, got.Kept)})
	return t.table(rows)
}
