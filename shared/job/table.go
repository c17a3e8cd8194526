package job

import (
	"context"
	"fmt"
	"time"
)

// Profile chooses the cadence of all jobs.
type Profile string

// The profiles.
const (
	Test    Profile = "test"    // short timelocks on test chains; a pacer beats below the minute
	Mainnet Profile = "mainnet" // EventBridge rules only
)

// Cadence is how a job runs in one profile. The zero value: it does not.
type Cadence struct {
	Period  time.Duration // between two ticks; 0: it is not on a schedule
	Timeout time.Duration // of the Lambda function
	Margin  time.Duration // see Task
	Retries int           // see Task
	Backoff []time.Duration
	// Grace is how late a tick may be recorded before the job counts as missing.
	Grace time.Duration
}

// Spec is one job as it is deployed.
type Spec struct {
	Name      string
	Critical  bool // never deferred, and its heartbeat is watched
	Prompt    bool // not critical, and yet never deferred: what critical jobs hang on
	Exclusive bool
	Queue     bool // messages start it, beside its schedule if it has one
	Test      Cadence
	Mainnet   Cadence
}

// The names of the jobs, which are those of their functions.
const (
	StateSync          = "state-sync"
	TimelockMonitor    = "timelock-monitor"
	CancellationCheck  = "cancellation-check"
	ActionExecutor     = "action-executor"
	TransactionTracker = "transaction-tracker"
	JobWatchdog        = "job-watchdog"
	BalanceMonitor     = "balance-monitor"
	HealthCheck        = "health-check"
	StatePersistence   = "state-persistence"
	OrderCleanup       = "order-cleanup"
	MetricsAggregator  = "metrics-aggregator"
	DailyReport        = "daily-report"
	PacerJob           = "pacer"
)

// Table is every job: the one place for cadences, timeouts and back-offs. A test holds the template
// against it. The time-outs of exclusive jobs are below their period, so that none meets itself, and a killed run costs one tick.
var Table = []Spec{
	{
		Name: StateSync, Critical: true, Exclusive: true,
		Test:    Cadence{30 * time.Second, 29 * time.Second, 2 * time.Second, 2, []time.Duration{time.Second, 3 * time.Second}, time.Minute},
		Mainnet: Cadence{2 * time.Minute, 110 * time.Second, 3 * time.Second, 3, []time.Duration{time.Second, 5 * time.Second, 10 * time.Second}, 4 * time.Minute},
	},
	{
		Name: TimelockMonitor, Critical: true, Exclusive: true,
		Test:    Cadence{10 * time.Second, 9 * time.Second, time.Second, 1, []time.Duration{time.Second}, 30 * time.Second},
		Mainnet: Cadence{time.Minute, 50 * time.Second, 2 * time.Second, 2, []time.Duration{2 * time.Second, 5 * time.Second}, 2 * time.Minute},
	},
	{
		Name: CancellationCheck, Critical: true, Exclusive: true,
		Test:    Cadence{15 * time.Second, 14 * time.Second, time.Second, 1, []time.Duration{time.Second}, 45 * time.Second},
		Mainnet: Cadence{2 * time.Minute, 100 * time.Second, 2 * time.Second, 2, []time.Duration{time.Second, 3 * time.Second}, 4 * time.Minute},
	},
	{
		// Doorbells start it at the right second. The schedule is for those that never arrive; it is not
		// exclusive, because a drain that waits for its block must not keep the next tick from the other accounts.
		Name: ActionExecutor, Critical: true, Queue: true,
		Test:    Cadence{30 * time.Second, 30 * time.Second, 2 * time.Second, 0, nil, time.Minute},
		Mainnet: Cadence{time.Minute, 60 * time.Second, 3 * time.Second, 0, nil, 2 * time.Minute},
	},
	{
		Name: TransactionTracker, Critical: true, Exclusive: true,
		Test:    Cadence{15 * time.Second, 14 * time.Second, time.Second, 1, []time.Duration{time.Second}, 45 * time.Second},
		Mainnet: Cadence{time.Minute, 50 * time.Second, 2 * time.Second, 2, []time.Duration{time.Second, 3 * time.Second}, 2 * time.Minute},
	},
	{
		// Not critical itself: the monitor that it pings, and an alarm, watch it.
		Name: JobWatchdog, Prompt: true, Exclusive: true,
		Test:    Cadence{time.Minute, 30 * time.Second, 2 * time.Second, 1, []time.Duration{2 * time.Second}, 2 * time.Minute},
		Mainnet: Cadence{2 * time.Minute, time.Minute, 2 * time.Second, 2, []time.Duration{2 * time.Second, 5 * time.Second}, 4 * time.Minute},
	},
	{
		Name: BalanceMonitor, Exclusive: true,
		Test:    Cadence{5 * time.Minute, time.Minute, 3 * time.Second, 2, []time.Duration{2 * time.Second, 5 * time.Second}, 10 * time.Minute},
		Mainnet: Cadence{15 * time.Minute, time.Minute, 3 * time.Second, 2, []time.Duration{2 * time.Second, 10 * time.Second}, 30 * time.Minute},
	},
	{
		Name: HealthCheck, Exclusive: true,
		Test:    Cadence{time.Minute, 30 * time.Second, 3 * time.Second, 1, []time.Duration{2 * time.Second}, 3 * time.Minute},
		Mainnet: Cadence{5 * time.Minute, time.Minute, 3 * time.Second, 2, []time.Duration{2 * time.Second, 5 * time.Second}, 10 * time.Minute},
	},
	{
		Name: StatePersistence, Exclusive: true,
		Test:    Cadence{time.Minute, 50 * time.Second, 2 * time.Second, 1, []time.Duration{3 * time.Second}, 3 * time.Minute},
		Mainnet: Cadence{5 * time.Minute, 120 * time.Second, 3 * time.Second, 2, []time.Duration{5 * time.Second, 15 * time.Second}, 10 * time.Minute},
	},
	{
		Name: OrderCleanup, Exclusive: true,
		Test:    Cadence{5 * time.Minute, 60 * time.Second, 2 * time.Second, 1, []time.Duration{3 * time.Second}, 10 * time.Minute},
		Mainnet: Cadence{30 * time.Minute, 120 * time.Second, 3 * time.Second, 1, []time.Duration{10 * time.Second}, time.Hour},
	},
	{
		Name: MetricsAggregator, Exclusive: true,
		Test:    Cadence{5 * time.Minute, 60 * time.Second, 2 * time.Second, 1, []time.Duration{2 * time.Second}, 10 * time.Minute},
		Mainnet: Cadence{15 * time.Minute, 120 * time.Second, 3 * time.Second, 2, []time.Duration{2 * time.Second, 10 * time.Second}, 30 * time.Minute},
	},
	{
		Name: DailyReport, Exclusive: true, // at midnight UTC in both profiles
		Test:    Cadence{24 * time.Hour, 120 * time.Second, 3 * time.Second, 2, []time.Duration{5 * time.Second, 15 * time.Second}, time.Hour},
		Mainnet: Cadence{24 * time.Hour, 120 * time.Second, 3 * time.Second, 2, []time.Duration{5 * time.Second, 15 * time.Second}, time.Hour},
	},
	{
		Name: PacerJob, Prompt: true, Exclusive: true, Queue: true, // its own ticks come by queue
		Test: Cadence{time.Minute, 10 * time.Second, 2 * time.Second, 2, []time.Duration{time.Second, 2 * time.Second}, 2 * time.Minute},
	},
}

// Pausable tells whether an operator may pause the job: what sends, and what only keeps or counts, but
// nothing that watches: neither swaps, nor the gas that they take, nor endpoints, nor jobs, nor the clock. The
// executor's pause stops its sending; it runs all the same, because what it may send in spite of it has to go out.
func (s Spec) Pausable() bool {
	switch s.Name {
	case ActionExecutor:
		return true
	case BalanceMonitor, HealthCheck:
		return false
	}
	return !s.Critical && !s.Prompt
}

// Lookup finds a job by name.
func Lookup(name string) (Spec, error) {
	for _, s := range Table {
		if s.Name == name {
			return s, nil
		}
	}
	return Spec{}, fmt.Errorf("job %q is not in the table", name)
}

// Cadence is how the job runs in a profile.
func (s Spec) Cadence(p Profile) Cadence {
	if p == Mainnet {
		return s.Mainnet
	}
	return s.Test
}

// Deferrable jobs wait for one of Slots: all but the critical ones and what those hang on. What
// messages start is bounded by its queue's mapping instead.
func (s Spec) Deferrable() bool { return !s.Critical && !s.Prompt }

// NewTask is the job of that name as a scheduled task.
func NewTask(name string, p Profile, run func(context.Context, *Run) error) (Task, error) {
	s, err := Lookup(name)
	if err != nil {
		return Task{}, err
	}
	c := s.Cadence(p)
	if c.Period == 0 {
		return Task{}, fmt.Errorf("job %q has no schedule in profile %s", name, p)
	}
	return Task{Name: s.Name, Critical: s.Critical, Exclusive: s.Exclusive, Deferrable: s.Deferrable(), Retries: c.Retries, Backoff: c.Backoff,
		Period: c.Period, Timeout: c.Timeout, Margin: c.Margin, Run: run}, nil
}

// NewConsumer is the job of that name as a consumer of messages, four pieces of work at a time.
func NewConsumer[M comparable](name string, p Profile, decode func(string) (M, error), handle func(context.Context, *Run, M) error) (Consumer[M], error) {
	s, err := Lookup(name)
	if err != nil {
		return Consumer[M]{}, err
	}
	c := s.Cadence(p)
	if !s.Queue || c.Timeout == 0 {
		return Consumer[M]{}, fmt.Errorf("job %q has no queue in profile %s", name, p)
	}
	return Consumer[M]{Name: s.Name, Critical: s.Critical, Timeout: c.Timeout, Margin: c.Margin, Parallel: parallel,
		Decode: decode, Handle: handle}, nil
}

// parallel is how many pieces of a batch run at a time: two chains with two signers each.
const parallel = 4
