package main

import (
	"context"
	"errors"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

var pauseCommand = command{"pause", "(-all | -chain N | -job NAME) -for 2h -by NAME -why TEXT [-claims]", "hold back sending, or a job; again: renew it", makePause}

var resumeCommand = command{"resume", "(-all | -chain N | -job NAME)", "end a pause", endPause}

var pausesCommand = command{"pauses", "[-json]", "list the pauses in force", listPauses}

// pauseView is a pause as -json prints it.
type pauseView struct {
	Scope  string    `json:"scope"`
	Job    string    `json:"job,omitempty"`
	Chain  uint64    `json:"chain,omitempty"`
	By     string    `json:"by"`
	Why    string    `json:"why"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Claims bool      `json:"claims"`
}

func viewPause(p control.Pause) pauseView {
	return pauseView{Scope: p.String(), Job: p.Job, Chain: p.Chain, By: p.By, Why: p.Why, Since: p.Since, Until: p.Ends(), Claims: p.Claims}
}

// scope adds the flags that name what is paused, and returns what they name once they are parsed.
func (f *flags) scope() func() (control.Scope, error) {
	all := f.Bool("all", false, "all sending")
	chain := f.Uint64("chain", 0, "sending on the chain of this `id`")
	name := f.String("job", "", "the runs of this job; of "+job.ActionExecutor+", all sending")
	return func() (control.Scope, error) {
		named := 0
		for _, given := range []bool{*all, *chain != 0, *name != ""} {
			if given {
				named++
			}
		}
		if named != 1 {
			return control.Scope{}, usage("want one of -all, -chain and -job")
		}
		if *name != "" {
			spec, err := job.Lookup(*name)
			if err != nil {
				return control.Scope{}, usage("%w", err)
			}
			if !spec.Pausable() {
				return control.Scope{}, usage("job %s watches, and watching is never paused", *name)
			}
		}
		return control.Scope{Job: *name, Chain: *chain}, nil
	}
}

func makePause(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	named := f.scope()
	lasts := f.Duration("for", 0, "how long, at most "+control.Max.String())
	by, why := f.String("by", "", "who"), f.String("why", "", "the reason, for whoever finds it")
	claims := f.Bool("claims", false, "do not even claim source legs whose secret is public: their tokens are lost at SrcCancellation")
	if err := f.none(args); err != nil {
		return err
	}
	scope, err := named()
	if err != nil {
		return err
	}
	p := control.Pause{Scope: scope, By: *by, Why: *why, Claims: *claims}
	if err := p.Validate(*lasts); err != nil {
		return usage("%w", err)
	}
	s, err := t.open(ctx, f)
	if err != nil {
		return err
	}
	if p, err = control.Set(ctx, s.Control(), p, *lasts); err != nil {
		return err
	}
	if f.json {
		return t.printJSON(viewPause(p))
	}
	note := "Source legs whose secret is public are claimed all the same."
	switch {
	case p.Claims:
		note = "Source legs are not claimed either: their tokens are lost at SrcCancellation."
	case p.Job != "" && p.Job != job.ActionExecutor:
		note = ""
	}
	return errors.Join(t.say("%s is paused until %s, for %s. %s", p.Scope, stamp(p.Ends()), p.Ends().Sub(p.From).Round(time.Second), note),
		t.say("What runs now may end first; what was signed is seen through."), t.sayClock(p.From))
}

func endPause(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	named := f.scope()
	if err := f.none(args); err != nil {
		return err
	}
	scope, err := named()
	if err != nil {
		return err
	}
	s, err := t.open(ctx, f)
	if err != nil {
		return err
	}
	was, err := control.Lift(ctx, s.Control(), scope)
	if err != nil {
		return err
	}
	left, err := inForce(ctx, s.Control())
	if err != nil {
		return err
	}
	if f.json {
		return t.printJSON(struct {
			Was  bool        `json:"wasPaused"`
			Left []pauseView `json:"inForce"`
		}{was, left})
	}
	errs := []error{t.say("%s goes on", scope)}
	if !was {
		errs = []error{t.say("%s was not paused", scope)}
	}
	for _, v := range left {
		errs = append(errs, t.say("still paused: %s until %s, by %s: %s", v.Scope, stamp(v.Until), v.By, v.Why))
	}
	return errors.Join(errs...)
}

// sayClock tells of a clock of this machine that is visibly not the database's, by which pauses begin and end.
func (t tool) sayClock(at time.Time) error {
	off := t.now().Sub(at).Round(time.Second)
	switch {
	case off > time.Minute:
		return t.say("This machine's clock is %s ahead of the database's, by which the pause ends.", off)
	case off < -time.Minute:
		return t.say("This machine's clock is %s behind the database's, by which the pause ends.", -off)
	}
	return nil
}

// inForce lists the pauses that hold, by the clock of the database.
func inForce(ctx context.Context, s control.Store) ([]pauseView, error) {
	state, err := control.Load(ctx, s)
	views := []pauseView{}
	for _, p := range state.Pauses {
		if p.InForce(state.At) {
			views = append(views, viewPause(p))
		}
	}
	return views, err
}

func listPauses(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	if err := f.none(args); err != nil {
		return err
	}
	s, err := t.open(ctx, f)
	if err != nil {
		return err
	}
	views, err := inForce(ctx, s.Control())
	if err != nil {
		return err
	}
	if f.json {
		return t.printJSON(views)
	}
	rows := [][]string{{"PAUSED", "BY", "SINCE", "UNTIL", "CLAIMS", "WHY"}}
	for _, v := range views {
		claims := "go on"
		if v.Claims {
			claims = "stop"
		}
		rows = append(rows, []string{v.Scope, v.By, stamp(v.Since), stamp(v.Until), claims, v.Why})
	}
	return t.table(rows)
}
