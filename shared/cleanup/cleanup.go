package cleanup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// How long a finished swap stays in the table before it is archived.
const (
	// KeepMainnet is a day and the report on it: at midnight the whole day that is
	// over can still be looked at.
	KeepMainnet = 48 * time.Hour
	// KeepTest is two periods of the test profile: long enough to look, short
	// enough to see it happen.
	KeepTest = 10 * time.Minute
)

const (
	// batchSize is the most orders of a batch: some 6 KB in the item that fixes it,
	// and half a megabyte in the object.
	batchSize = 100
	// workers bounds the orders under way at once.
	workers = 8
	// maxObject bounds an archived batch, compressed.
	maxObject = 32 << 20
	// maxStuck is how many orders that cannot be archived a run goes past: it lists
	// them again with each batch.
	maxStuck = 1000
	// maxDamaged is how many damaged objects are kept in mind. With more of them it
	// is the bucket that is at fault, and nothing is archived until a person has
	// looked.
	maxDamaged = 50
	// patience is how long after its closing an order may wait for its work to settle
	// before that is an error: nothing that lasts so long ends by itself. A rescue that
	// was planned, and left by a crash, is found to be needless when it becomes legal:
	// with the longest delay that factories are made with eight days after the escrow,
	// and thus no more than that after the closing. One day more is for the executor.
	patience = 9 * 24 * time.Hour
)

// Due is a closed order whose time has come.
type Due struct {
	Order    swap.OrderID `json:"order"`
	ClosedAt time.Time    `json:"closedAt"` // whole seconds
}

// Finished is a closed order with its history: one line of the archive.
type Finished struct {
	Schema   int        `json:"schema"`
	ClosedAt time.Time  `json:"closedAt"`
	Order    swap.Order `json:"order"`
	History  []Item     `json:"history,omitempty"`
}

// ErrUnsettled says that work of an order is under way, such as a transaction that
// is not final: when it ends it becomes part of the order's history.
var ErrUnsettled = errors.New("it has not settled")

// Orders is the part of the order store that cleanup needs.
type Orders interface {
	// Due lists closed orders that were closed by upTo, the oldest first, no more
	// than limit. What it costs depends on what it lists alone.
	Due(ctx context.Context, upTo time.Time, limit int) ([]Due, error)
	// Read reads an order and its history consistently; false if it is not there
	// or not closed since that time. ErrUnsettled while work of it is live: later
	// nothing is added to the history of an order that is closed.
	Read(ctx context.Context, d Due) (Finished, bool, error)
	// Remove deletes the order if it is closed since that time and has that
	// version, with its place among the closed ones in one transaction, and then
	// the items of its history. False if there is another version: then nothing is
	// deleted. Of one that is gone the history is deleted: so it may be repeated.
	Remove(ctx context.Context, f Finished) (bool, error)
}

// Batch is what is being archived.
type Batch struct {
	Key    string `json:"key"` // of the object
	Orders []Due  `json:"orders"`
}

// Batches keeps the batch under way.
type Batches interface {
	// Batch reads it consistently; false if there is none.
	Batch(ctx context.Context) (Batch, bool, error)
	// Begin stores one if there is none; false if there is another one. Repeating
	// a write whose response was lost succeeds.
	Begin(ctx context.Context, b Batch) (bool, error)
	// End takes it away if it still is the one of that key.
	End(ctx context.Context, key string) error
}

// Damaged are the archived objects that could not be read.
type Damaged struct {
	Keys    []string `json:"keys"` // no more than maxDamaged
	Version uint64   `json:"-"`    // opaque to all but the store; 0: never stored
}

// ErrConflict says that the stored list is another than the one that was read.
var ErrConflict = errors.New("the list of damaged objects was changed by another run")

// Damages keeps the list of them.
type Damages interface {
	// Damaged reads the list, strongly consistent; the zero list if there is none.
	Damaged(ctx context.Context) (Damaged, error)
	// SetDamaged replaces the list, if the stored one still has d.Version, and else
	// returns ErrConflict; a repeated write whose response was lost succeeds.
	SetDamaged(ctx context.Context, d Damaged) error
}

// Bucket keeps the objects. What is missing is fs.ErrNotExist, and what is there
// in place of what was expected fs.ErrExist.
type Bucket interface {
	// Create stores an object, whole or not at all, under a key that is free.
	// Repeating a write whose response was lost succeeds.
	Create(ctx context.Context, key string, body []byte) error
	// Get reads an object of at most so many bytes, and its tag.
	Get(ctx context.Context, key string, most int64) (body []byte, tag string, err error)
}

// Cleaner archives finished swaps.
type Cleaner struct {
	Orders  Orders
	Batches Batches
	Damages Damages
	Bucket  Bucket
	// Tell says that an archived object cannot be read and why, or, without a
	// reason, that this is over: it can again, or it is gone. The former is told by
	// every run while it lasts; the latter once, and again only after a crash.
	Tell func(ctx context.Context, key string, why error) error
	Keep time.Duration // from the closing to the archive
}

// Cleaned counts what a run did.
type Cleaned struct {
	Batches, Archived, Removed int
	// Left are those that somebody wrote meanwhile: they are due again.
	Left int
	// Waiting are those that have not settled.
	Waiting int
	// Damaged are the objects that cannot be read.
	Damaged int
}

// Run finishes the batch that is under way, and then archives what is due for as
// long as there is time for another batch. Orders that cannot be read stay and are
// told; they do not keep the others. Neither does an object that cannot be read:
// nothing is deleted for it, and what is still there of its batch goes into another.
func (c *Cleaner) Run(ctx context.Context, now time.Time) (sum Cleaned, err error) {
	bad, err := c.Damages.Damaged(ctx)
	if err != nil {
		return sum, fmt.Errorf("read which archived objects are damaged: %w", err)
	}
	bad, unread := c.mend(ctx, bad, &sum)
	defer func() {
		sum.Damaged = len(bad.Keys)
		err = errors.Join(err, unread)
	}()
	stuck := map[swap.OrderID]bool{} // in this run
	var left []error
	var longest time.Duration
	for len(stuck) < maxStuck {
		start := time.Now()
		if end, ok := ctx.Deadline(); ok && sum.Batches > 0 && end.Sub(start) < 2*longest {
			break
		}
		b, begun, err := c.Batches.Batch(ctx)
		if err != nil {
			return sum, errors.Join(told(left), fmt.Errorf("look for a batch under way: %w", err))
		}
		if !begun {
			if b, begun, err = c.begin(ctx, stuck, bad, now); err != nil || !begun {
				return sum, errors.Join(told(left), err)
			}
		}
		gone := sum.Removed
		stay, err := c.finish(ctx, b, &sum)
		for _, s := range stay {
			stuck[s.order] = true
			if errors.Is(s.why, ErrUnsettled) && now.Sub(s.closed) < patience {
				sum.Waiting++
				continue
			}
			left = append(left, s.why)
		}
		if d, ok := errors.AsType[damage](err); ok {
			unread = errors.Join(unread, fmt.Errorf("%s: %w", b.Key, d))
			if bad, err = c.setAside(ctx, b, bad, d); err == nil {
				continue
			}
		}
		if err != nil {
			return sum, errors.Join(told(left), fmt.Errorf("archive %d orders in %s: %w", len(b.Orders), b.Key, err))
		}
		if sum.Batches++; sum.Removed == gone { // each was written meanwhile, or cannot be read
			for _, d := range b.Orders {
				stuck[d.Order] = true
			}
		}
		longest = max(longest, time.Since(start))
	}
	return sum, told(left)
}

// stays is an order that cannot be archived.
type stays struct {
	order  swap.OrderID
	closed time.Time
	why    error
}

// told are the errors of orders that stay, the first of them by name.
func told(left []error) error {
	const named = 20
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("%d orders cannot be archived: %w", len(left), errors.Join(left[:min(named, len(left))]...))
}

// begin fixes the next batch; false if nothing is due but what is stuck.
func (c *Cleaner) begin(ctx context.Context, stuck map[swap.OrderID]bool, bad Damaged, now time.Time) (Batch, bool, error) {
	due, err := c.Orders.Due(ctx, now.Add(-c.Keep), batchSize+len(stuck))
	if err != nil {
		return Batch{}, false, fmt.Errorf("list what is due: %w", err)
	}
	due = slices.DeleteFunc(due, func(d Due) bool { return stuck[d.Order] })
	due = due[:min(len(due), batchSize)]
	if len(due) == 0 {
		return Batch{}, false, nil
	}
	day := func(d Due) string { return d.ClosedAt.UTC().Format("2006/01/02") }
	if i := slices.IndexFunc(due, func(d Due) bool { return day(d) != day(due[0]) }); i > 0 {
		due = due[:i]
	}
	h := sha256.New()
	for _, d := range due {
		fmt.Fprintln(h, d.Order, d.ClosedAt.Unix())
	}
	// The time of the run makes the key new although the same orders were in an
	// earlier batch and stayed. The key of a damaged object is never used again.
	b := Batch{Orders: due}
	for at := now.UnixMilli(); b.Key == "" || slices.Contains(bad.Keys, b.Key); at++ {
		b.Key = fmt.Sprintf("orders/%s/%d-%s.jsonl.gz", day(due[0]), at, hex.EncodeToString(h.Sum(nil)[:6]))
	}
	ok, err := c.Batches.Begin(ctx, b)
	if err != nil {
		return Batch{}, false, fmt.Errorf("begin a batch: %w", err)
	}
	if !ok {
		return Batch{}, false, errors.New("another run has begun a batch")
	}
	return b, true, nil
}

// finish does what is left of a batch, but for the orders that stay.
func (c *Cleaner) finish(ctx context.Context, b Batch, sum *Cleaned) (stay []stays, err error) {
	archived, stay, err := c.archive(ctx, b)
	if err != nil {
		return stay, err
	}
	sum.Archived += len(archived)
	if err := c.remove(ctx, archived, sum); err != nil {
		return stay, err
	}
	if err := c.Batches.End(ctx, b.Key); err != nil {
		return stay, fmt.Errorf("end the batch: %w", err)
	}
	return stay, nil
}

// remove deletes what is archived. An order that fails does not keep the others.
func (c *Cleaner) remove(ctx context.Context, archived []Finished, sum *Cleaned) error {
	var removed, left atomic.Int64
	errs := make([]error, len(archived))
	each(len(archived), func(i int) {
		ok, err := c.Orders.Remove(ctx, archived[i])
		switch {
		case err != nil:
			errs[i] = fmt.Errorf("remove order %s: %w", archived[i].Order.ID, err)
		case ok:
			removed.Add(1)
		default:
			left.Add(1)
		}
	})
	sum.Removed += int(removed.Load())
	sum.Left += int(left.Load())
	return errors.Join(errs...)
}

// each does it for every index below n, so many at once as there are workers.
func each(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// archive makes sure that the batch's object is there, and returns what is in it:
// nothing if nothing of the batch could be read. Orders that cannot be read, or
// written, stay, and the others go.
func (c *Cleaner) archive(ctx context.Context, b Batch) (archived []Finished, stay []stays, err error) {
	body, _, err := c.Bucket.Get(ctx, b.Key, maxObject)
	switch {
	case err == nil: // a run before this one wrote it
		archived, err = decode(body)
		return archived, nil, damagedBy(err)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("look for the object: %w", err)
	}
	finished, stay := c.read(ctx, b)
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	body, large, err := encode(finished)
	if err != nil {
		return nil, stay, err
	}
	stay = append(stay, large...)
	nothing := body == nil
	if !nothing {
		err = c.Bucket.Create(ctx, b.Key, body)
		if errors.Is(err, fs.ErrExist) {
			body = nil // another run was faster, and has perhaps begun to delete: its object counts
		} else if err != nil {
			return nil, stay, fmt.Errorf("store the object: %w", err)
		}
	}
	there, _, err := c.Bucket.Get(ctx, b.Key, maxObject)
	switch {
	case nothing && errors.Is(err, fs.ErrNotExist):
		return nil, stay, nil
	case err != nil:
		return nil, stay, fmt.Errorf("read the object back: %w", err)
	case body != nil && !bytes.Equal(there, body):
		return nil, stay, fmt.Errorf("read the object back: %d bytes that are not the %d that were stored", len(there), len(body))
	}
	archived, err = decode(there)
	return archived, stay, damagedBy(err)
}

// read reads the orders of a batch, in its order. Those that are not closed any
// more are left out.
func (c *Cleaner) read(ctx context.Context, b Batch) (finished []Finished, stay []stays) {
	found := make([]*Finished, len(b.Orders))
	errs := make([]error, len(b.Orders))
	each(len(b.Orders), func(i int) {
		f, ok, err := c.Orders.Read(ctx, b.Orders[i])
		if ok && err == nil {
			found[i] = &f
		}
		errs[i] = err
	})
	for i, d := range b.Orders {
		switch {
		case errs[i] != nil:
			stay = append(stay, stays{d.Order, d.ClosedAt, fmt.Errorf("read order %s: %w", d.Order, errs[i])})
		case found[i] != nil:
			finished = append(finished, *found[i])
		}
	}
	return finished, stay
}
