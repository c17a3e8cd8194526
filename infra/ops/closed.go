package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bridge-me-not/resolver-cron/shared/store"
)

const indexClosedHelp = `usage: ops index-closed [flags]

Once after an upgrade from a release without order-cleanup: orders that it
closed are found by nobody, and this makes order-cleanup find them. It reads the
whole orders table, and may be repeated.

`

// indexClosed makes order-cleanup find what an earlier release closed.
func indexClosed(ctx context.Context, out io.Writer, args []string) error {
	f := flag.NewFlagSet("index-closed", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), indexClosedHelp)
		f.PrintDefaults()
	}
	tables := tableFlags(f)
	if err := parse(f, args); err != nil {
		return err
	}
	conf, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	db, err := store.New(dynamodb.NewFromConfig(conf), *tables, store.Live) // orders are the same in both modes
	if err != nil {
		return errUsage{fmt.Errorf("index-closed: %w", err)}
	}
	n, err := db.Closed().Index(ctx)
	if _, e := fmt.Fprintf(out, "%d closed orders are to be archived\n", n); err == nil {
		err = e
	}
	return err
}
