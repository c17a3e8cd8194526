// Command ops is what operators do by hand: look at alerts and jobs, acknowledge, pause, resume, restore, change the chains file, and see what it all costs.
//
//	go run ./infra/ops alerts
//	go run ./infra/ops ack 'chain-behind|10|||' -by anna -note 'provider is informed'
//	go run ./infra/ops resolve 'maker-paid-twice|8453|…' -by anna -proof 'paid back in 0x…'
//	go run ./infra/ops pause -chain 10 -for 2h -by anna -why 'reorg on optimism'
//	go run ./infra/ops resume -chain 10
//	go run ./infra/ops order 8453:0x…
//	go run ./infra/ops restore
//	aws kms get-public-key --key-id alias/resolver-cron-signer --query PublicKey --output text | go run ./infra/ops address
//	go run ./infra/ops chains put chains.yaml -by anna -why 'a second provider on optimism'
//	go run ./infra/ops bill -profile mainnet
//
// Tables and bucket are named by flags, by the variables that the functions have, or by the outputs of the stack:
//
//	aws cloudformation describe-stacks --stack-name resolver-cron >stack.json; export STACK_OUTPUTS=stack.json
//
// Region, credentials and endpoints are the AWS SDK's. It exits with 0, or 1 if something failed, or 2 if it was not understood.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// commands are all there are; each has a file of its own.
var commands = []command{alertsCommand, ackCommand, resolveCommand, pauseCommand, resumeCommand, pausesCommand, jobsCommand, orderCommand, restoreCommand, addressCommand, chainsCommand, billCommand}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, tool{in: os.Stdin, out: os.Stdout, errs: os.Stderr, now: time.Now, lookup: os.LookupEnv, connect: connect}, os.Args[1:])
	stop()
	os.Exit(code)
}

func connect(ctx context.Context) (*dynamodb.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return dynamodb.NewFromConfig(cfg), nil
}

// command is one thing that the tool does.
type command struct {
	name, args, does string
	run              func(ctx context.Context, t tool, args []string) error
}

// Exit codes.
const (
	exitDone = iota
	exitFailed
	exitUsage
)

// errUsage says that the command line was not understood.
var errUsage = errors.New("not understood")

func usage(format string, args ...any) error {
	return fmt.Errorf(format+" (%w)", append(args, errUsage)...)
}

func run(ctx context.Context, t tool, args []string) int {
	if len(args) == 0 {
		help(t.errs)
		return exitUsage
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	switch {
	case i >= 0:
	case slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]):
		help(t.out)
		return exitDone
	default:
		_, _ = fmt.Fprintf(t.errs, "ops: no command %q\n", args[0])
		help(t.errs)
		return exitUsage
	}
	t.command = commands[i]
	err := commands[i].run(ctx, t, args[1:])
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintf(t.errs, "ops %s: %v\n", args[0], err)
		return exitUsage
	}
	_, _ = fmt.Fprintf(t.errs, "ops %s: %v\n", args[0], err)
	return exitFailed
}

func help(w io.Writer) {
	_, _ = fmt.Fprint(w, "usage: ops <command> [flags]; ops <command> -h lists its flags\n\n")
	for _, c := range commands {
		_, _ = fmt.Fprintf(w, "  %-12s %-76s %s\n", c.name, c.args, c.does)
	}
}
