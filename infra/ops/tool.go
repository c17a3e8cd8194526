package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bridge-me-not/resolver-cron/shared/store"
)

// tool is what a command has of the world.
type tool struct {
	in        io.Reader
	out, errs io.Writer
	now       func() time.Time
	lookup    func(string) (string, bool) // of the environment
	connect   func(context.Context) (*dynamodb.Client, error)
	command   command
}

// flags are those of one command, with the ones that all have.
type flags struct {
	*flag.FlagSet
	json   bool
	tables store.Tables
	bucket *string // of commands that need one
	// parameters is the path of the stack's parameters, of commands that need it.
	parameters *string
	outputs    string
}

// plain are the flags of a command that looks at no stack.
func (t tool) plain() *flags {
	f := &flags{FlagSet: flag.NewFlagSet(t.command.name, flag.ContinueOnError)}
	f.SetOutput(t.errs)
	f.Usage = func() {
		_, _ = fmt.Fprintf(t.errs, "usage: ops %s %s\n%s\n\n", t.command.name, t.command.args, t.command.does)
		f.PrintDefaults()
	}
	f.BoolVar(&f.json, "json", false, "print JSON")
	return f
}

func (t tool) flags() *flags {
	f := t.plain()
	def, _ := t.lookup("STACK_OUTPUTS")
	f.StringVar(&f.outputs, "outputs", def, "`file` with what `aws cloudformation describe-stacks` printed, which names the tables; else of STACK_OUTPUTS")
	for name, table := range f.named() {
		variable := strings.ToUpper(name) + "_TABLE"
		def, _ := t.lookup(variable)
		f.StringVar(table, name+"-table", def, "`name` of the "+name+" table; else of "+variable)
	}
	return f
}

// archive is for commands that read or write objects.
func (t tool) archive(f *flags) {
	def, _ := t.lookup("ARCHIVE_BUCKET")
	f.bucket = f.String("bucket", def, "`name` of the archive bucket; else of ARCHIVE_BUCKET")
}

// named are the tables by their names.
func (f *flags) named() map[string]*string {
	return map[string]*string{"orders": &f.tables.Orders, "actions": &f.tables.Actions, "journal": &f.tables.Journal, "jobs": &f.tables.Jobs}
}

// fromOutputs names the tables, and the bucket, that nothing else named after the outputs of a stack.
func (f *flags) fromOutputs() error {
	src, err := os.ReadFile(f.outputs)
	if err != nil {
		return usage("-outputs: %w", err)
	}
	var said struct {
		Stacks []struct {
			Outputs []struct{ OutputKey, OutputValue string }
		}
	}
	if err := json.Unmarshal(src, &said); err != nil {
		return usage("-outputs %s: %w", f.outputs, err)
	}
	if len(said.Stacks) != 1 {
		return usage("-outputs %s: it describes %d stacks, want one", f.outputs, len(said.Stacks))
	}
	for _, o := range said.Stacks[0].Outputs {
		if o.OutputKey == "ArchiveBucket" && f.bucket != nil && *f.bucket == "" {
			*f.bucket = o.OutputValue
		}
		if o.OutputKey == "ParametersPath" && f.parameters != nil && *f.parameters == "" {
			*f.parameters = o.OutputValue
		}
		for name, table := range f.named() {
			if strings.EqualFold(o.OutputKey, name+"table") && *table == "" {
				*table = o.OutputValue
			}
		}
	}
	return nil
}

// parse reads flags before and after what is none, and returns that.
func (f *flags) parse(args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usage("%w", err)
		}
		if f.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
}

// none is parse for commands that take flags alone.
func (f *flags) none(args []string) error {
	rest, err := f.parse(args)
	if err == nil && len(rest) > 0 {
		err = usage("unexpected %q", rest)
	}
	return err
}

// open opens the store of a stack that sends.
func (t tool) open(ctx context.Context, f *flags) (*store.Store, error) {
	return t.openAs(ctx, f, store.Live)
}

// openAs opens the store of a stack of that mode.
func (t tool) openAs(ctx context.Context, f *flags, mode store.Mode) (*store.Store, error) {
	if f.outputs != "" {
		if err := f.fromOutputs(); err != nil {
			return nil, err
		}
	}
	client, err := t.connect(ctx)
	if err != nil {
		return nil, err
	}
	s, err := store.New(client, f.tables, mode)
	if err != nil {
		return nil, usage("%w", err)
	}
	return s, nil
}

// printJSON prints one value for a program.
func (t tool) printJSON(v any) error {
	e := json.NewEncoder(t.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table prints rows for a person, the first of them the head.
func (t tool) table(rows [][]string) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, strings.TrimRight(strings.Join(r, "\t"), "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// say prints a line for a person.
func (t tool) say(format string, args ...any) error {
	_, err := fmt.Fprintf(t.out, format+"\n", args...)
	return err
}

// stamp writes a time as people compare it; nothing for none.
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05Z")
}

// ago is how long before now something was, without its fractions.
func ago(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return now.Sub(at).Round(time.Second).String()
}
