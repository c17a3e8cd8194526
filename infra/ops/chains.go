package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/bridge-me-not/resolver-cron/shared/boot/chains"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/param"
	"github.com/bridge-me-not/resolver-cron/shared/settings"
	"github.com/bridge-me-not/resolver-cron/shared/store"
)

var chainsCommand = command{"chains", "show [N] | check FILE | put FILE | back N, -by NAME -why TEXT [-offline] [-force] [-json]",
	"the chains file without a deployment: look, check, put another, go back", runChains}

// examineLimit bounds how long endpoints are asked.
const examineLimit = time.Minute

// chainsFlags are those of the command's four words.
type chainsFlags struct {
	*flags
	by, why, mode  *string
	offline, force *bool
}

func runChains(ctx context.Context, t tool, args []string) error {
	f := chainsFlags{flags: t.flags()}
	def, _ := t.lookup("PARAMETERS_PATH")
	f.parameters = f.String("parameters", def, "`path` of the stack's parameters, such as /resolver-cron; else of PARAMETERS_PATH")
	f.by, f.why = f.String("by", "", "who"), f.String("why", "", "the reason, for the history")
	f.mode = f.String("mode", string(store.Live), "of the stack: live or shadow")
	f.offline = f.Bool("offline", false, "read no parameter and ask no endpoint: health-check does before anything is in force")
	f.force = f.Bool("force", false, "though open swaps need what the file leaves out: nobody looks after them then")
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return usage("want show, check, put or back")
	}
	word, rest := rest[0], rest[1:]
	words := map[string]func(context.Context, tool, chainsFlags, []string) error{"show": showChains, "check": checkChains, "put": putChains, "back": backChains}
	run, known := words[word]
	switch {
	case !known:
		return usage("unknown %q; want show, check, put or back", word)
	case word != "show" && len(rest) != 1 || len(rest) > 1:
		return usage("%s: want one argument, have %d", word, len(rest))
	case *f.mode != string(store.Live) && *f.mode != string(store.Shadow):
		return usage("-mode: unknown %q; known: live, shadow", *f.mode)
	}
	return run(ctx, t, f, rest)
}

// move is what the flags say of a move.
func (f chainsFlags) move(now time.Time) (settings.Move, error) {
	m := settings.Move{By: *f.by, Why: *f.why, At: now, Forced: *f.force}
	if err := m.Validate(); err != nil {
		return m, usage("%w", err)
	}
	return m, nil
}

// readChains reads a file and reports everything that is wrong with it, as the
// functions would: its words, and unless offline its parameters, endpoints, chain ids
// and factories.
func (f chainsFlags) readChains(ctx context.Context, t tool, path string) ([]byte, env.Chains, error) {
	if f.outputs != "" {
		if err := f.fromOutputs(); err != nil {
			return nil, env.Chains{}, err
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, env.Chains{}, usage("%w", err)
	}
	c, err := f.judge(ctx, t, content)
	if err != nil {
		return nil, env.Chains{}, fmt.Errorf("%s:\n%w", path, err)
	}
	return content, c, nil
}

func (f chainsFlags) judge(ctx context.Context, t tool, content []byte) (env.Chains, error) {
	if *f.offline {
		return env.ParseAccounts(content)
	}
	values, err := f.values(ctx, t, content)
	if err != nil {
		return env.Chains{}, err
	}
	c, err := env.ParseChains(content, func(name string) (string, bool) {
		if v, set := t.lookup(name); set {
			return v, true
		}
		v, set := values[name]
		return v, set
	})
	if err == nil && *f.mode == string(store.Live) {
		err = c.CheckLive()
	}
	if err != nil {
		return c, err
	}
	ctx, cancel := context.WithTimeout(ctx, examineLimit)
	defer cancel()
	return c, chains.Examine(ctx, c)
}

// stackVariables are those that the functions have of the template: what they are is
// of no interest here.
var stackVariables = []string{"SIGNER_KEY"}

func (f chainsFlags) values(ctx context.Context, t tool, content []byte) (map[string]string, error) {
	names := slices.DeleteFunc(env.Variables(content), func(name string) bool { _, set := t.lookup(name); return set })
	own := map[string]string{}
	names = slices.DeleteFunc(names, func(name string) bool {
		if !slices.Contains(stackVariables, name) {
			return false
		}
		own[name] = "the stack's"
		return true
	})
	if len(names) == 0 {
		return own, nil
	}
	if *f.parameters == "" {
		return nil, usage("the file names %q: name the path of the parameters (-parameters), set the variables, or check -offline", names)
	}
	conf, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	p, err := param.New(ssm.NewFromConfig(conf), *f.parameters)
	if err != nil {
		return nil, usage("%w", err)
	}
	values, err := p.Get(ctx, names)
	for name, v := range own {
		if values != nil {
			values[name] = v
		}
	}
	return values, err
}

func checkChains(ctx context.Context, t tool, f chainsFlags, args []string) error {
	_, c, err := f.readChains(ctx, t, args[0])
	if err != nil {
		return err
	}
	how := "every chain has an endpoint that answers, and the factories that it says"
	if *f.offline {
		how = "its parameters, endpoints and factories were not looked at"
	}
	return t.say("%s: %d chains, nothing wrong; %s", args[0], len(c.Chains), how)
}

func putChains(ctx context.Context, t tool, f chainsFlags, args []string) error {
	m, err := f.move(t.now())
	if err != nil {
		return err
	}
	content, next, err := f.readChains(ctx, t, args[0])
	if err != nil {
		return err
	}
	db, err := t.openAs(ctx, f.flags, store.Mode(*f.mode))
	if err != nil {
		return err
	}
	if !*f.force {
		if err := dropped(ctx, db, next); err != nil {
			return fmt.Errorf("not put (-force does so all the same):\n%w", err)
		}
	}
	if m, err = settings.Put(ctx, db.Settings(), content, m); err != nil {
		return err
	}
	return f.wanted(ctx, t, db, m)
}

// dropped names what open swaps need and the file does not have. Of the packaged
// file the store knows the chains alone; health-check, which has it, looks again.
func dropped(ctx context.Context, db *store.Store, next env.Chains) error {
	s, err := db.Settings().Load(ctx)
	if err != nil {
		return err
	}
	var now env.Chains
	if !s.Proven.Packaged() {
		content, err := settings.Read(ctx, db.Settings(), s.Proven)
		if err != nil {
			return err
		}
		if now, err = env.ParseAccounts(content); err != nil {
			return err
		}
	}
	for _, id := range s.Chains {
		if !slices.ContainsFunc(now.Chains, func(c env.Chain) bool { return c.ID == id }) {
			now.Chains = append(now.Chains, env.Chain{ID: id})
		}
	}
	return chains.Dropped(ctx, chains.Held{Legs: db.Orders().Legs, Entries: db.Journal().Entries}, now, next)
}

func backChains(ctx context.Context, t tool, f chainsFlags, args []string) error {
	number, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || number < 0 {
		return usage("back: want the number of an edition, or 0 for the packaged file, have %q", args[0])
	}
	m, err := f.move(t.now())
	if err != nil {
		return err
	}
	db, err := t.openAs(ctx, f.flags, store.Mode(*f.mode))
	if err != nil {
		return err
	}
	if m, err = settings.Back(ctx, db.Settings(), number, m); err != nil {
		return err
	}
	return f.wanted(ctx, t, db, m)
}

// wanted tells of a move, and of the one that it takes the place of: it may be another operator's of a minute ago, which
// the file does not have.
func (f chainsFlags) wanted(ctx context.Context, t tool, db *store.Store, m settings.Move) error {
	if f.json {
		return t.printJSON(m)
	}
	err := t.say("%s is wanted. health-check tries it at its next run, and when it passes, every function works by it from its next run on. "+
		"Look: ops chains show", m.Edition)
	s, unread := db.Settings().Load(ctx)
	if before, ok := s.Find(m.Number - 1); ok && before.Number > 0 {
		err = errors.Join(err, t.say("It takes the place of %s, put by %s at %s: %s", before.Edition, before.By, stamp(before.At), before.Why))
	}
	return errors.Join(err, unread)
}

// chainsView is the state as -json prints it.
type chainsView struct {
	InForce settings.Edition `json:"inForce"`
	Before  settings.Edition `json:"before"`
	Pending bool             `json:"pending"`
	Refused settings.Refusal `json:"refused,omitzero"`
	Moves   []settings.Move  `json:"moves"` // the latest first
}

func showChains(ctx context.Context, t tool, f chainsFlags, args []string) error {
	db, err := t.openAs(ctx, f.flags, store.Mode(*f.mode))
	if err != nil {
		return err
	}
	s, err := db.Settings().Load(ctx)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		return showFile(ctx, t, db, s, args[0])
	}
	moves := slices.Clone(s.Moves)
	slices.Reverse(moves)
	if f.json {
		return t.printJSON(chainsView{s.Proven, s.Before, s.Pending(), s.Refused, moves})
	}
	rows := [][]string{{"NUMBER", "FILE", "PUT", "BY", "STATE", "WHY"}}
	for i, m := range moves {
		state := ""
		switch {
		case m.Number == s.Proven.Number:
			state = "in force"
		case i == 0 && s.Refused.Number == m.Number:
			state = "refused"
		case i == 0:
			state = "wanted"
		}
		file, why := fmt.Sprintf("%.12s", m.Sum), m.Why
		if m.Packaged() {
			file = "packaged"
		}
		if m.Back != 0 {
			why = fmt.Sprintf("back to %d: %s", m.Back, why)
		}
		if m.Forced {
			why = "forced: " + why
		}
		rows = append(rows, []string{strconv.FormatInt(m.Number, 10), file, stamp(m.At), m.By, state, why})
	}
	errs := []error{t.say("in force: %s", s.Proven)}
	if len(moves) > 0 {
		errs = append(errs, t.table(rows))
	}
	if s.Pending() && s.Refused.Number != 0 {
		errs = append(errs, t.say("\nrefused since %s: %s", stamp(s.Refused.At), s.Refused.Why))
	}
	return errors.Join(errs...)
}

// showFile prints the file of an edition.
func showFile(ctx context.Context, t tool, db *store.Store, s settings.State, arg string) error {
	number, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return usage("show: want the number of an edition, have %q", arg)
	}
	m, ok := s.Find(number)
	switch {
	case !ok:
		return fmt.Errorf("edition %d is not among those remembered", number)
	case m.Packaged():
		return fmt.Errorf("%s is in the functions' packages, from infra/config/chains.yaml", m.Edition)
	}
	content, err := settings.Read(ctx, db.Settings(), m.Edition)
	if err != nil {
		return err
	}
	_, err = t.out.Write(content)
	return err
}
