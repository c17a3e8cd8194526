package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/bridge-me-not/resolver-cron/shared/store"
)

// tableFlags are the names of the tables, by default those that the functions
// have in their environment.
func tableFlags(f *flag.FlagSet) *store.Tables {
	var t store.Tables
	for _, table := range []struct {
		to             *string
		name, variable string
	}{{&t.Orders, "orders", "ORDERS_TABLE"}, {&t.Actions, "actions", "ACTIONS_TABLE"}, {&t.Journal, "journal", "JOURNAL_TABLE"}, {&t.Jobs, "jobs", "JOBS_TABLE"}} {
		f.StringVar(table.to, table.name, os.Getenv(table.variable), "`name` of the "+table.name+" table ($"+table.variable+")")
	}
	return &t
}

// parse reads the flags of a command that takes nothing else.
func parse(f *flag.FlagSet, args []string) error {
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage{err}
	case f.NArg() > 0:
		return errUsage{fmt.Errorf("%s: unexpected argument %q", f.Name(), f.Arg(0))}
	}
	return nil
}
