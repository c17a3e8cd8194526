package job

import (
	"context"
	"fmt"
	"time"
)

// State is how a run ended. A stored state is only ever replaced by a later one of this order.
type State int

// The states, in the order in which they may replace each other.
const (
	Abandoned State = iota + 1 // its holder died: written by whoever took the lease over
	Failed                     // the run returned an error or panicked
	Done                       // the run finished: only this blocks a repeat of the tick
)

var stateNames = map[State]string{Abandoned: "abandoned", Failed: "failed", Done: "done"}

func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("state(%d)", int(s))
}

// RunTTL is how long a run item is kept at least: two days and somewhat more. The daily report tells a day
// after it is over, up to a day late, and a run that is no longer there would look missed.
const RunTTL = 50 * time.Hour

// Keep is how long the run items of a job of that period are kept: at least six of them, so that
// those of a daily job show that it ran.
func Keep(period time.Duration) time.Duration { return max(RunTTL, 6*period) }

// Kept is how long the run items of a job are kept, from their end on: by the longer of its periods,
// whatever the profile.
func Kept(name string) time.Duration {
	s, err := Lookup(name)
	if err != nil {
		return RunTTL // of no schedule
	}
	return Keep(max(s.Test.Period, s.Mainnet.Period))
}

// Record is the end of one run. Its key is (Job, Scheduled), to the nanosecond and in any location.
type Record struct {
	Job       string
	Scheduled time.Time // time of the scheduled event; of queue-driven work the start of the batch
	State     State
	Token     string // run token
	Fence     int64  // generation of the lease, 0 without one
	Started   time.Time
	Ended     time.Time
	Attempts  int    // 1 = no retry; 0 of abandoned runs
	Cause     Cause  // what started it
	Reason    string // why it failed, at most MaxReason bytes; empty when done
	Class     Class  // of the failure; empty when done, abandoned, or recorded by a former release
	RPC       RPC
}

// RPC is what a run asked of the endpoints of chains. The zero value: nothing.
type RPC struct {
	Calls     int64 // requests
	Failed    int64 // of those
	TimedOut  int64 // of the failed
	Throttled int64 // of the failed
	// Busy is the sum of the requests' times and Slowest the longest of them, in
	// whole milliseconds once stored.
	Busy, Slowest time.Duration
}

// Add adds what some more requests took.
func (r *RPC) Add(o RPC) {
	r.Calls, r.Failed, r.TimedOut, r.Throttled = r.Calls+o.Calls, r.Failed+o.Failed, r.TimedOut+o.TimedOut, r.Throttled+o.Throttled
	r.Busy, r.Slowest = r.Busy+o.Busy, max(r.Slowest, o.Slowest)
}

// MaxReason bounds Record.Reason, in bytes.
const MaxReason = 512

// Stats are the sums over the records of a job that are kept.
type Stats struct {
	Done, Failed, Abandoned int64
	Busy                    time.Duration // sum of Ended - Started
}

// Add counts a record.
func (s *Stats) Add(r Record) {
	switch r.State {
	case Done:
		s.Done++
	case Failed:
		s.Failed++
	case Abandoned:
		s.Abandoned++
	}
	s.Busy += r.Ended.Sub(r.Started)
}

// Recorder keeps the run items. It is safe for concurrent use by many processes; what it returned
// without error is durable and seen by every later Finished. After an error the outcome is
// unknown and repeating the call is safe.
type Recorder interface {
	// Finished tells whether this tick of the job is recorded as done. Strongly consistent.
	Finished(ctx context.Context, job string, scheduled time.Time) (bool, error)

	// Record stores the end of a run in one conditional write. An item already there is
	// replaced only by a greater State; otherwise nothing is changed, and that is success: a
	// late "abandoned" or "failed" never hides a "done".
	// The item expires Kept(r.Job) after r.Ended.
	Record(ctx context.Context, r Record) error
}
