// Command local runs the product on one machine.
//
//	go run ./infra/local demo                 watch two chains of swaps come to their right end
//	go run ./infra/local spike                watch fifty claims while the base fee is twenty times as high
//	go run ./infra/local up -chains FILE      run the functions against the chains of a file
//	go run ./infra/local chain -id N          offer a chain of its own by JSON-RPC
//	go run ./infra/local used                 list what the functions have used of AWS in all runs (see infra/local/guard)
//	go run ./infra/local invoke FUNCTION      run a function once, with its event
//	go run ./infra/local measure              find out what the functions take, for the bill
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/bridge-me-not/resolver-cron/infra/local/invoke"
)

// Exit codes: 1 for what went wrong, 2 for a wrong command line or chains file.
const (
	exitFailed = 1
	exitUsage  = 2
)

// errUsage is an error of the command line or of a file it names.
type errUsage struct{ error }

var commands = map[string]func(context.Context, []string) error{
	"demo":  showDemo,
	"spike": showSpike,
	"up":    up,
	"chain": chain,
	"used":  used,

	"invoke":  invokeOne,
	"measure": measureAll,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: local demo | spike | up -chains FILE | chain -id N | invoke FUNCTION | measure | used   (each with -h for its flags)")
		os.Exit(exitUsage)
	}
	err := commands[os.Args[1]](ctx, os.Args[2:])
	var usage errUsage
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errNotSafe), errors.Is(err, invoke.ErrFailed):
		os.Exit(exitFailed)
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
}

// dynamoFlag is the flag of every command that starts the product.
func dynamoFlag(f *flag.FlagSet) *string {
	return f.String("dynamodb", os.Getenv("LOCAL_DYNAMODB"), "URL of a DynamoDB-compatible server to use instead of the packaged one")
}

// parse reads the flags of a command, which takes no other words.
func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage{err}
	}
	if f.NArg() > 0 {
		return errUsage{fmt.Errorf("%s: unexpected %q", f.Name(), f.Arg(0))}
	}
	return nil
}
