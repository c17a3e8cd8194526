package main

import (
	"context"
	"errors"
	"flag"
	"os"

	"github.com/bridge-me-not/resolver-cron/infra/local/invoke"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
)

// invokeOne runs a function once, with its event.
func invokeOne(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("invoke", flag.ContinueOnError)
	o := invoke.Options{Out: os.Stdout}
	f.StringVar(&o.Event, "event", "", "`file` with the event (default: those of the function in the folder events)")
	f.BoolVar(&o.AsIs, "as-is", false, "hand the event over as it is, however old")
	chains := f.String("chains", "", "chains `file` to look at, in mode shadow (default: two chains on which nothing happens)")
	dynamo := dynamoFlag(f)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage{err}
	}
	if o.Function = f.Arg(0); f.NArg() > 1 {
		if err := parse(f, f.Args()[1:]); err != nil { // flags after the function
			return err
		}
	}
	if o.Event != "" && o.Function == "" {
		return errUsage{errors.New("invoke: an event is for a function")}
	}
	var err error
	if *chains != "" {
		if o.ChainsFile, err = os.ReadFile(*chains); err != nil {
			return errUsage{err}
		}
	}
	o.DynamoDB = *dynamo
	if o.Root, err = stack.Root(); err != nil {
		return err
	}
	return invoke.Run(ctx, o)
}
