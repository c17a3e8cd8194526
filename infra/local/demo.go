package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"

	"github.com/bridge-me-not/resolver-cron/infra/local/demo"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// errNotSafe: the last line has said it already.
var errNotSafe = errors.New("not every swap is safe")

// showDemo plays every situation and prints how each swap ended.
func showDemo(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	dynamo := dynamoFlag(f)
	var only []string
	f.Func("only", "play only scenes whose swaps' names start so (may be repeated)", func(s string) error {
		only = append(only, s)
		return nil
	})
	if err := parse(f, args); err != nil {
		return err
	}
	root, err := stack.Root()
	if err != nil {
		return err
	}
	info, err := os.Stdout.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	report, err := demo.Run(ctx, demo.Options{Root: root, Out: os.Stdout, Terminal: terminal, Only: only, DynamoDB: *dynamo})
	return conclude("demo", report, err)
}

// conclude prints what a command has shown, unless it did not take place.
func conclude(command string, report interface {
	Write(w io.Writer) error
	OK() bool
}, err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New(command + ": interrupted")
	}
	if err != nil {
		return err
	}
	if err := report.Write(os.Stdout); err != nil {
		return err
	}
	if !report.OK() {
		return errNotSafe
	}
	return nil
}
