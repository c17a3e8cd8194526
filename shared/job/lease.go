package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Claim asks for a lease. Times are wall clock, kept to the millisecond.
type Claim struct {
	Key   string    // what is leased: JobKey or SignerKey
	Token string    // run token of the claimant, fresh for every run
	Job   string    // what the claimant runs: told to whoever takes over after its death
	Tick  time.Time // scheduled time of that run
	Cause Cause     // what started it: told likewise
	Now   time.Time // start of this attempt; an earlier lease counts as expired from its Until on
	Until time.Time // end of the lease asked for, after Now
	Want  bool      // on ErrHeld, leave the holder a sign to look again (bump Wanted)
}

// Cause is what started a run. The zero value: a tick.
type Cause struct {
	Queued bool // messages did
	// SentBy are the tokens of the runs that sent the messages, sorted, with spaces between, at most maxSentBy of them;
	// empty if none says so.
	SentBy string
}

// maxSentBy keeps the item of a lease, which is renewed every few seconds, within one unit of a table's throughput.
const maxSentBy = 4

func (c Cause) String() string {
	switch {
	case !c.Queued:
		return "a tick"
	case c.SentBy == "":
		return "messages"
	}
	return "messages of run " + strings.ReplaceAll(c.SentBy, " ", ", ")
}

// Validate reports what makes a claim unusable. Lockers call it before they store anything.
func (c Claim) Validate() error {
	var errs []error
	if c.Key == "" {
		errs = append(errs, errors.New("claim without a key"))
	}
	if c.Token == "" {
		errs = append(errs, errors.New("claim without a run token"))
	}
	if c.Now.IsZero() || !c.Until.After(c.Now) {
		errs = append(errs, fmt.Errorf("claim of %q ends at %s, not after its start %s", c.Key, c.Until, c.Now))
	}
	return errors.Join(errs...)
}

// Lease is what a successful claim got. It is a value: renewing changes the store, not the Lease.
type Lease struct {
	Key    string
	Token  string
	Fence  int64     // generation: greater than that of every earlier lease of this key
	Until  time.Time // first instant at which others may take over
	Wanted int64     // count of losing claims with Want, as seen when the lease was got
	Orphan *Orphan   // the run that died holding the lease before, if the lease was taken over
}

// Orphan is the run of a holder whose lease ended by expiry instead of by Release.
type Orphan struct {
	Job   string
	Tick  time.Time
	Cause Cause
	Token string
	Fence int64
}

var (
	// ErrHeld says that another run holds the lease.
	ErrHeld = errors.New("lease is held by another run")
	// ErrLost says that the lease now belongs to another run: nothing may be done under it any more.
	ErrLost = errors.New("lease is lost to another run")
	// ErrWanted says that somebody asked for the lease meanwhile, so it was not released.
	ErrWanted = errors.New("lease is wanted: look again before releasing")
)

// Locker keeps leases in one strongly consistent place. Every method is safe for concurrent use
// by many processes, linearizable per key, and durable when it returns without error. After any
// error other than the sentinels the outcome is unknown, and repeating the call with the same
// arguments is safe. A failed condition whose item carries the caller's own run token is success
// (the first try was applied and its answer lost).
//
// A lease item is never deleted, not even by TTL: its generation has to grow for ever.
type Locker interface {
	// Acquire takes the lease if nobody holds it at c.Now, that is: it was never taken, was
	// released, or its Until <= c.Now (tested by the store's condition, never left to TTL).
	// The new Fence is greater than every earlier one. If the former lease expired without
	// Release, Lease.Orphan names what its holder was running.
	//
	// Claiming again with the token that holds the lease returns the same lease with the same
	// Orphan: a lost answer loses nothing.
	//
	// Otherwise it returns ErrHeld, and a Lease that has the holder's Until alone. With c.Want the holder's Wanted was then increased while it
	// still held the lease, so that either its Release fails with ErrWanted, or it dies and
	// its lease expires. Without c.Want a losing claim changes nothing.
	Acquire(ctx context.Context, c Claim) (Lease, error)

	// Renew moves the end of the lease to until. It succeeds while no other claim has
	// succeeded since (same Token and Fence), even past the old Until, and returns ErrLost
	// otherwise, or when the lease was released. It never moves the end back: with an until
	// not after the present end it changes nothing and succeeds, so that a first try that
	// arrives after its repetition does no harm.
	Renew(ctx context.Context, l Lease, until time.Time) error

	// Release ends the lease if Wanted still is l.Wanted. The returned count is the present one.
	//   - ErrWanted: somebody asked meanwhile. The lease is still held; look at the work again,
	//     then release with l.Wanted set to the returned count.
	//   - ErrLost: another run took the lease over after it expired. Its lease is untouched.
	//
	// Releasing what this token and fence was the last to release is success, whoever holds
	// the lease now.
	Release(ctx context.Context, l Lease) (wanted int64, err error)
}

// JobKey is the lease of an exclusive scheduled job.
func JobKey(job string) string { return "job#" + job }

// SignerKey is the lease of one signing account on one chain; address in lower-case hex.
func SignerKey(chain uint64, address string) string {
	return fmt.Sprintf("signer#%d#%s", chain, address)
}
