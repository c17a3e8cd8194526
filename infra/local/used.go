package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/bridge-me-not/resolver-cron/infra/local/guard"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// used prints what the functions of all stacks that ran here used of AWS.
func used(_ context.Context, args []string) error {
	if err := parse(flag.NewFlagSet("used", flag.ContinueOnError), args); err != nil {
		return err
	}
	root, err := stack.Root()
	if err != nil {
		return err
	}
	seen, err := stack.SeenUses(root)
	if err != nil {
		return err
	}
	fmt.Print(guard.Format(seen))
	return nil
}
