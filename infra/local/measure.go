package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bridge-me-not/resolver-cron/infra/local/measure"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// measureAll writes what the functions take into the file that the bill reads.
func measureAll(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("measure", flag.ContinueOnError)
	open := f.Int("open", 200, "how many swaps are open and not due")
	lives := f.Int("swaps", 12, "how many swaps live from their first block until they are archived")
	out := f.String("o", "", "file to write (default infra/bill/measured.json)")
	dynamo := dynamoFlag(f)
	if err := parse(f, args); err != nil {
		return err
	}
	if *open < 1 || *lives < 1 {
		return errUsage{fmt.Errorf("measure: -open and -swaps have to be at least 1")}
	}
	root, err := stack.Root()
	if err != nil {
		return err
	}
	if *out == "" {
		*out = filepath.Join(root, "infra", "bill", "measured.json")
	}
	m, err := measure.Run(ctx, measure.Options{Root: root, DynamoDB: *dynamo, Open: *open, Lives: *lives, Progress: os.Stdout})
	if err != nil {
		return err
	}
	src, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(*out, append(src, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Printf("written to %s; go run ./infra/ops bill -figures -profile test prints the README's table of it\n", *out)
	return nil
}
