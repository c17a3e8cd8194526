package main

import (
	"context"
	"flag"
	"os"

	"github.com/bridge-me-not/resolver-cron/infra/local/spike"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// showSpike plays a spike of the base fee and prints what it cost.
func showSpike(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("spike", flag.ContinueOnError)
	dynamo := dynamoFlag(f)
	if err := parse(f, args); err != nil {
		return err
	}
	root, err := stack.Root()
	if err != nil {
		return err
	}
	report, err := spike.Run(ctx, spike.Options{Root: root, Out: os.Stdout, DynamoDB: *dynamo})
	return conclude("spike", report, err)
}
