package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// Leases is job.Locker.
type Leases struct{ s *Store }

const leaseSK = "lease"

// leaseTries bounds how often a claim is judged again because the lease changed
// hands between two requests.
const leaseTries = 10

// leaseItem is the item of a lease. It is written whole by no one: each method
// changes what is its own.
type leaseItem struct{ item }

func (l leaseItem) lease(key string) job.Lease {
	got := job.Lease{Key: key, Token: l.text("holder"), Fence: l.int("fence"), Until: millis(l.int("ends")), Wanted: l.int("wanted")}
	if l.text("orphan_holder") != "" {
		got.Orphan = &job.Orphan{Job: l.text("orphan_job"), Tick: tick(l.text("orphan_tick")), Cause: causeOf(l.item, "orphan_"), Token: l.text("orphan_holder"), Fence: l.int("orphan_fence")}
	}
	return got
}

// causeOf reads what started a run; what a tick started has neither attribute.
func causeOf(it item, prefix string) job.Cause {
	return job.Cause{Queued: it.flag(prefix + "queued"), SentBy: it.text(prefix + "sent_by")}
}

func (l leaseItem) heldBy(token string, fence int64) bool {
	return l.flag("held") && l.text("holder") == token && l.int("fence") == fence
}

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func tick(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{} // told as unknown: a claim without a tick has none
	}
	return t
}

func tickText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Acquire implements job.Locker.
//
// The first request takes a free lease, which is the usual case. If it fails it
// has read the item, and what is there decides: our own lease, one to take over
// in the very state that was read, or one to leave alone.
func (v Leases) Acquire(ctx context.Context, c job.Claim) (job.Lease, error) {
	if err := c.Validate(); err != nil {
		return job.Lease{}, err
	}
	fail := func(err error) (job.Lease, error) { return job.Lease{}, fmt.Errorf("claim lease %s: %w", c.Key, err) }
	now := c.Now.UnixMilli()
	free := condition{"attribute_not_exists(#pk) OR #held = :free", item{":free": flag(false)}}
	got, found, err := v.take(ctx, c, free, nil)
	for try := 0; ; try++ {
		if err != nil {
			return fail(err)
		}
		if got != nil {
			return leaseItem{got}.lease(c.Key), nil
		}
		cur := leaseItem{found}
		if cur.item != nil {
			if err := cur.check(); err != nil {
				return fail(err)
			}
		}
		if try == leaseTries {
			return fail(fmt.Errorf("it changed hands %d times meanwhile", try)) // not ErrHeld: nobody was told to look again
		}
		// The state that was read, and nothing else.
		same := condition{"#held = :held AND #holder = :was AND #fence = :gen AND #ends = :ends", item{":held": flag(true), ":was": text(cur.text("holder")),
			":gen": number(cur.int("fence")), ":ends": number(cur.int("ends"))}}
		switch {
		case !cur.flag("held"):
			got, found, err = v.take(ctx, c, free, nil)
		case cur.int("ends") <= now:
			got, found, err = v.take(ctx, c, same, &cur)
		case cur.text("holder") == c.Token:
			return cur.lease(c.Key), nil
		case !c.Want:
			return job.Lease{Until: millis(cur.int("ends"))}, job.ErrHeld
		default:
			_, err = v.s.updateItem(ctx, v.s.tables.Jobs, key(c.Key, leaseSK), "ADD #wanted :one", same, item{":one": number(1)})
			if err == nil {
				return job.Lease{Until: millis(cur.int("ends"))}, job.ErrHeld
			}
			found, err = stored(err)
		}
	}
}

// take tries to take the lease under the condition, from a dead holder or from
// nobody. It returns the item as taken, or as found if the condition failed.
func (v Leases) take(ctx context.Context, c job.Claim, cond condition, dead *leaseItem) (got, found item, err error) {
	update := "SET #v = :v, #held = :taken, #holder = :holder, #ends = :until, #job = :job, #tick = :tick, " +
		"#fence = if_not_exists(#fence, :zero) + :one, #wanted = if_not_exists(#wanted, :zero)"
	values := item{":v": number(schema), ":taken": flag(true), ":holder": text(c.Token), ":until": number(c.Until.UnixMilli()), ":job": text(c.Job),
		":tick": text(tickText(c.Tick)), ":zero": number(0), ":one": number(1)}
	var gone []string
	set := func(attribute, value string, v types.AttributeValue) {
		update += ", #" + attribute + " = " + value
		values[value] = v
	}
	cause := func(prefix, value string, of job.Cause) {
		if !of.Queued {
			gone = append(gone, "#"+prefix+"queued", "#"+prefix+"sent_by")
			return
		}
		set(prefix+"queued", value+"queued", flag(true))
		set(prefix+"sent_by", value+"sent", text(of.SentBy))
	}
	cause("", ":", c.Cause)
	if dead == nil {
		cause("orphan_", ":o", job.Cause{})
		gone = append(gone, "#orphan_job", "#orphan_tick", "#orphan_holder", "#orphan_fence")
	} else {
		cause("orphan_", ":o", causeOf(dead.item, ""))
		set("orphan_job", ":ojob", text(dead.text("job")))
		set("orphan_tick", ":otick", text(dead.text("tick")))
		set("orphan_holder", ":oholder", text(dead.text("holder")))
		set("orphan_fence", ":ofence", number(dead.int("fence")))
	}
	if len(gone) > 0 {
		update += " REMOVE " + strings.Join(gone, ", ")
	}
	got, err = v.s.updateItem(ctx, v.s.tables.Jobs, key(c.Key, leaseSK), update, cond, values)
	if err != nil {
		found, err = stored(err)
	}
	return got, found, err
}

// stored turns a refusal into the item that caused it; other errors stay.
func stored(err error) (item, error) {
	var r *refusal
	if errors.As(err, &r) {
		return r.stored[0], nil
	}
	return nil, err
}

// holding is the condition that the lease is still l's.
func holding(l job.Lease) condition {
	return condition{"#held = :held AND #holder = :holder AND #fence = :fence", item{
		":held": flag(true), ":holder": text(l.Token), ":fence": number(l.Fence)}}
}

// Renew implements job.Locker.
func (v Leases) Renew(ctx context.Context, l job.Lease, until time.Time) error {
	c := holding(l)
	c.expr += " AND #ends <= :until" // a renewal that comes late shortens nothing
	_, err := v.s.updateItem(ctx, v.s.tables.Jobs, key(l.Key, leaseSK), "SET #ends = :until", c, item{":until": number(until.UnixMilli())})
	if err == nil {
		return nil
	}
	found, err := stored(err)
	switch {
	case err != nil:
		return fmt.Errorf("renew lease %s: %w", l.Key, err)
	case leaseItem{found}.heldBy(l.Token, l.Fence):
		return nil
	}
	return fmt.Errorf("renew lease %s: %w", l.Key, job.ErrLost)
}

// Release implements job.Locker.
func (v Leases) Release(ctx context.Context, l job.Lease) (wanted int64, err error) {
	c := holding(l)
	c.expr += " AND #wanted = :wanted"
	c.values[":wanted"] = number(l.Wanted)
	_, err = v.s.updateItem(ctx, v.s.tables.Jobs, key(l.Key, leaseSK),
		"SET #held = :free, #released_by = :holder, #released_fence = :fence", c, item{":free": flag(false)})
	if err == nil {
		return l.Wanted, nil
	}
	found, err := stored(err)
	if err != nil {
		return 0, fmt.Errorf("release lease %s: %w", l.Key, err)
	}
	cur := leaseItem{found}
	wanted = cur.int("wanted")
	switch {
	case cur.heldBy(l.Token, l.Fence):
		return wanted, job.ErrWanted
	case cur.text("released_by") == l.Token && cur.int("released_fence") == l.Fence:
		return wanted, nil
	}
	return wanted, fmt.Errorf("release lease %s: %w", l.Key, job.ErrLost)
}
