package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

var jobsCommand = command{"jobs", "[-runs N] [-json]", "how the latest runs of each job ended", listJobs}

// jobView is a job as -json prints it.
type jobView struct {
	Job       string    `json:"job"`
	Critical  bool      `json:"critical"`
	Done      int64     `json:"done"` // runs, ever
	Failed    int64     `json:"failed"`
	Abandoned int64     `json:"abandoned"`
	Runs      []runView `json:"runs"` // the latest first
	Paused    time.Time `json:"pausedUntil,omitzero"`
}

type runView struct {
	Scheduled time.Time `json:"scheduled"`
	State     string    `json:"state"`
	Millis    int64     `json:"durationMs"`
	Attempts  int       `json:"attempts"`
	Reason    string    `json:"reason,omitempty"`
}

func listJobs(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	runs := f.Int("runs", 1, "how many runs of each")
	if err := f.none(args); err != nil {
		return err
	}
	if *runs < 1 || *runs > 1000 {
		return usage("-runs %d is not between 1 and 1000", *runs)
	}
	s, err := t.open(ctx, f)
	if err != nil {
		return err
	}
	now := t.now()
	pauses, err := control.Load(ctx, s.Control())
	errs := []error{err}
	views := make([]jobView, 0, len(job.Table))
	for _, spec := range job.Table { // one that cannot be read does not hide the others
		v := jobView{Job: spec.Name, Critical: spec.Critical, Runs: []runView{}}
		sums, err := s.Runs().Sums(ctx, spec.Name)
		v.Done, v.Failed, v.Abandoned = sums.Done, sums.Failed, sums.Abandoned
		latest, unread := s.Runs().Latest(ctx, spec.Name, *runs)
		errs = append(errs, err, unread)
		for _, r := range latest {
			v.Runs = append(v.Runs, runView{r.Scheduled, r.State.String(), r.Ended.Sub(r.Started).Milliseconds(), r.Attempts, r.Reason})
		}
		if p, ok := pauses.Allows(control.Work{Job: spec.Name}, pauses.At); !ok && spec.Pausable() {
			v.Paused = p.Ends()
		}
		views = append(views, v)
	}
	if f.json {
		return errors.Join(append(errs, t.printJSON(views))...)
	}
	rows := [][]string{{"JOB", "TICK", "AGO", "STATE", "TOOK", "DONE", "FAILED", "ABANDONED", "PAUSED UNTIL", "REASON"}}
	for _, v := range views {
		sums := []string{strconv.FormatInt(v.Done, 10), strconv.FormatInt(v.Failed, 10), strconv.FormatInt(v.Abandoned, 10), stamp(v.Paused)}
		name := v.Job
		if len(v.Runs) == 0 {
			rows = append(rows, append([]string{name, "", "", "no run", ""}, append(sums, "")...))
		}
		for _, r := range v.Runs {
			took := (time.Duration(r.Millis) * time.Millisecond).String()
			rows = append(rows, append([]string{name, stamp(r.Scheduled), ago(r.Scheduled, now), r.State, took}, append(sums, short(r.Reason))...))
			name, sums = "", []string{"", "", "", ""}
		}
	}
	return errors.Join(append(errs, t.table(rows))...)
}
