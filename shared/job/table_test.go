package job_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

func TestTableIsPossible(t *testing.T) {
	run := func(context.Context, *job.Run) error { return nil }
	decode := func(string) (int, error) { return 0, nil }
	handle := func(context.Context, *job.Run, int) error { return nil }
	deps := newBench(t).deps()
	names := map[string]bool{}
	for _, s := range job.Table {
		if names[s.Name] {
			t.Errorf("%s stands twice", s.Name)
		}
		names[s.Name] = true
		for _, p := range []job.Profile{job.Test, job.Mainnet} {
			c := s.Cadence(p)
			if c.Period > 0 {
				task, err := job.NewTask(s.Name, p, run)
				if err == nil {
					_, err = job.Scheduled(deps, task)
				}
				if err != nil {
					t.Errorf("%s in %s: %v", s.Name, p, err)
				}
				if least := min(2*c.Period, time.Hour); c.Grace < least {
					t.Errorf("%s in %s: grace %s is below two periods, or an hour: %s", s.Name, p, c.Grace, least)
				}
				if p == job.Mainnet && c.Period%time.Minute != 0 {
					t.Errorf("%s in %s: EventBridge has no period of %s", s.Name, p, c.Period)
				}
			} else if _, err := job.NewTask(s.Name, p, run); err == nil {
				t.Errorf("%s in %s has no period, but a task", s.Name, p)
			}
			if s.Queue && c.Timeout > 0 {
				consumer, err := job.NewConsumer(s.Name, p, decode, handle)
				if err == nil {
					_, err = job.Queue(deps, consumer)
				}
				if err != nil {
					t.Errorf("%s in %s: %v", s.Name, p, err)
				}
			} else if _, err := job.NewConsumer(s.Name, p, decode, handle); err == nil {
				t.Errorf("%s in %s has no queue, but a consumer", s.Name, p)
			}
		}
	}
	if _, err := job.NewTask("nobody", job.Test, run); err == nil {
		t.Error("an unknown job has a task")
	}
	if _, err := job.NewConsumer("nobody", job.Test, decode, handle); err == nil {
		t.Error("an unknown job has a consumer")
	}
}

// Without these nothing is kept safe: each is watched, and none is ever deferred.
var criticalJobs = []string{job.StateSync, job.TimelockMonitor, job.CancellationCheck, job.ActionExecutor, job.TransactionTracker}

// The cadences that the operators were promised.
func TestPromisedPeriods(t *testing.T) {
	want := map[string][2]time.Duration{
		job.StateSync:          {30 * time.Second, 2 * time.Minute},
		job.TimelockMonitor:    {10 * time.Second, time.Minute},
		job.CancellationCheck:  {15 * time.Second, 2 * time.Minute},
		job.ActionExecutor:     {30 * time.Second, time.Minute},
		job.TransactionTracker: {15 * time.Second, time.Minute},
		job.JobWatchdog:        {time.Minute, 2 * time.Minute},
		job.BalanceMonitor:     {5 * time.Minute, 15 * time.Minute},
		job.HealthCheck:        {time.Minute, 5 * time.Minute},
		job.StatePersistence:   {time.Minute, 5 * time.Minute},
		job.OrderCleanup:       {5 * time.Minute, 30 * time.Minute},
		job.MetricsAggregator:  {5 * time.Minute, 15 * time.Minute},
		job.DailyReport:        {24 * time.Hour, 24 * time.Hour},
		job.PacerJob:           {time.Minute, 0},
	}
	prompt := []string{job.JobWatchdog, job.PacerJob} // not critical, and never deferred
	critical := 0
	for _, s := range job.Table {
		if s.Critical {
			critical++
		}
	}
	if critical != 5 {
		t.Errorf("%d critical jobs: each has an alarm of its own, …-silent in infra/watching", critical)
	}
	if len(job.Table) != len(want) {
		t.Errorf("%d jobs, want %d", len(job.Table), len(want))
	}
	for name, periods := range want {
		s, err := job.Lookup(name)
		if err != nil {
			t.Error(err)
		}
		if got := [2]time.Duration{s.Cadence(job.Test).Period, s.Cadence(job.Mainnet).Period}; got != periods {
			t.Errorf("%s: periods %v, want %v", name, got, periods)
		}
		if s.Critical != slices.Contains(criticalJobs, name) || s.Prompt != slices.Contains(prompt, name) {
			t.Errorf("%s: critical %v, prompt %v", name, s.Critical, s.Prompt)
		}
	}
}
