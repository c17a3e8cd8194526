// Command ops is what an operator does by hand.
//
//	go run ./infra/ops restore -bucket NAME   write a snapshot into empty tables
//
// Each command says with -h what it takes. Credentials and region come from the
// environment, as for any AWS tool.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// Exit codes: 1 for what went wrong, 2 for a wrong command line.
const (
	exitFailed = 1
	exitUsage  = 2
)

// errUsage is an error of the command line.
type errUsage struct{ error }

var commands = map[string]func(context.Context, []string) error{
	"restore": func(ctx context.Context, args []string) error { return restore(ctx, os.Stdout, args) },
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: ops %s   (with -h for its flags)\n", strings.Join(slices.Sorted(maps.Keys(commands)), " | "))
		os.Exit(exitUsage)
	}
	err := commands[os.Args[1]](ctx, os.Args[2:])
	var usage errUsage
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
}
