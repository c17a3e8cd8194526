package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bridge-me-not/resolver-cron/shared/archive"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/store"
)

const restoreHelp = `usage: ops restore -bucket NAME [flags]

Writes a snapshot of state-persistence into the tables of a stack, verified
before anything is written. Deploy the stack with Mode=off first, restore, then
deploy it with its mode: from then on it catches up with the chains.

A restore that was cut short is finished by running it again. What was signed
after the snapshot is not in the journal: expect one foreign-transaction alert
for each account that sent something since.

`

// restore writes a snapshot into tables.
func restore(ctx context.Context, out io.Writer, args []string) error {
	f := flag.NewFlagSet("restore", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), restoreHelp)
		f.PrintDefaults()
	}
	bucket := f.String("bucket", os.Getenv("ARCHIVE_BUCKET"), "`name` of the archive bucket ($ARCHIVE_BUCKET)")
	key := f.String("manifest", "", "`key` of a manifest, ….jsonl.gz.json (default: that of the newest snapshot)")
	mode := f.String("mode", string(store.Live), "whose work and journal: live or shadow")
	force := f.Bool("force", false, "restore into tables that hold something: fill in what is missing, and go back to the older marks")
	asJSON := f.Bool("json", false, "print the result as JSON")
	var tables store.Tables
	for _, t := range []struct {
		to             *string
		name, variable string
	}{{&tables.Orders, "orders", "ORDERS_TABLE"}, {&tables.Actions, "actions", "ACTIONS_TABLE"}, {&tables.Journal, "journal", "JOURNAL_TABLE"}, {&tables.Jobs, "jobs", "JOBS_TABLE"}} {
		f.StringVar(t.to, t.name, os.Getenv(t.variable), "`name` of the "+t.name+" table ($"+t.variable+")")
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage{err}
	}
	if f.NArg() > 0 {
		return errUsage{fmt.Errorf("restore: unexpected argument %q", f.Arg(0))}
	}
	conf, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	objects, err := archive.New(s3.NewFromConfig(conf), *bucket)
	if err != nil {
		return errUsage{fmt.Errorf("restore: %w (-bucket)", err)}
	}
	db, err := store.New(dynamodb.NewFromConfig(conf), tables, store.Mode(*mode))
	if err != nil {
		return errUsage{fmt.Errorf("restore: %w", err)}
	}
	state := db.Snapshots()
	r := snapshot.Restorer{Bucket: objects, Tables: state, Progress: state, Ledger: state, Mode: *mode,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	got, err := r.Restore(ctx, snapshot.Options{Key: *key, Force: *force}, time.Now().UTC())
	if errors.Is(err, snapshot.ErrOccupied) {
		return fmt.Errorf("%w (with -force what is missing is filled in, and nothing goes back but the marks)", err)
	}
	if err != nil {
		return err
	}
	return printRestored(out, got, *asJSON)
}

func printRestored(out io.Writer, got snapshot.Restored, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(got)
	}
	if !got.Before.IsZero() {
		_, err := fmt.Fprintf(out, "%s was restored into these tables at %s: nothing was written\n", got.Key, got.Before.Format(time.RFC3339))
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "restored\t%s\n", got.Key)
	fmt.Fprintf(w, "taken\t%s\n", got.Taken.Format(time.RFC3339))
	fmt.Fprintf(w, "mode\t%s\n", got.Mode)
	fmt.Fprintf(w, "orders\t%d\n", got.Counts.Orders)
	fmt.Fprintf(w, "live work\t%d\n", got.Counts.Works)
	fmt.Fprintf(w, "journal entries\t%d, %d withheld\n", got.Counts.Entries, got.Counts.Withheld)
	for _, c := range got.Chains {
		fmt.Fprintf(w, "chain %d\tfinal to %d, seen to %d (%s)\n", c.ChainID, c.Final.Number, c.Seen.Number, c.Seen.Time)
	}
	fmt.Fprintf(w, "written\t%d, there already %d\n", got.Written, got.Kept)
	return w.Flush()
}
