package tally

import (
	"context"
	"errors"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

const (
	// Keep is how long what is counted of an hour is kept, from its start.
	Keep = 30 * 24 * time.Hour
	// KeepEvents is how long an event stays in the feed after its time: for as
	// long as its hour may be counted again, and a day more, so that no hour is
	// counted from what is left of it.
	KeepEvents = Keep + 24*time.Hour
)

// ErrConflict says that an item was written by somebody else since it was read.
// Nothing was written.
var ErrConflict = errors.New("tally was changed since it was read")

// Mark says that hours have to be counted anew.
type Mark struct {
	ID    string // opaque; never used twice
	Hours []Hour
	// Runs: it is the runs of these hours that have changed, and not the events.
	Runs bool
}

// Feed is where the events are. It is safe for concurrent use.
type Feed interface {
	// Marks reads marks, consistently, no more than limit: every event that was
	// written, changed or taken back before the call is in an hour of a mark
	// that it returns, if it returns fewer than limit, or of one that was
	// cleared since. Marks that cannot be read do not hide the others, which are
	// returned beside the error.
	Marks(ctx context.Context, limit int) ([]Mark, error)
	// Events reads all events of an hour consistently, in no order.
	Events(ctx context.Context, h Hour) ([]Event, error)
	// Clear removes marks. Those that are gone are no error; repeating is safe.
	Clear(ctx context.Context, marks []Mark) error
}

// Stored is what is counted of an hour, as stored.
type Stored struct {
	Hour Hour
	Tally
	Version uint64 // opaque; zero: there is none
}

// Hours keeps what is counted. An item is kept until its hour is Keep old: after
// that it is not read any more, whether it is still there or not.
type Hours interface {
	// Hour reads one hour consistently; one that was never written is empty.
	Hour(ctx context.Context, h Hour) (Stored, error)
	// Range reads the hours from first to last, both included, consistently and
	// in order; those never written are left out.
	Range(ctx context.Context, first, last Hour) ([]Stored, error)
	// Put writes an hour if nobody wrote it since it was read, else returns
	// ErrConflict. Repeating a write whose answer was lost succeeds.
	Put(ctx context.Context, s Stored) error
}

// Sums are over the time up to the last whole step before a pass.
type Sums struct {
	// Through is the instant up to which everything had been counted.
	Through time.Time `json:"through"`
	Hour    Period    `json:"hour"`
	Day     Period    `json:"day"`
	Week    Period    `json:"week"`
	Version uint64    `json:"-"` // opaque; zero: there are none
}

// Latest keeps the sums of the last pass.
type Latest interface {
	// Sums reads them consistently; the zero value if there are none.
	Sums(ctx context.Context) (Sums, error)
	// SetSums replaces them if nobody did since they were read, else returns
	// ErrConflict. Repeating a write whose answer was lost succeeds.
	SetSums(ctx context.Context, s Sums) error
}

// Since reads the recorded runs of a job whose tick is after the given time,
// consistently and in the order of their ticks.
type Since func(ctx context.Context, job string, after time.Time) ([]job.Record, error)
