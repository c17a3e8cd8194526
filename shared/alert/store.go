package alert

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// State is where an alert is in its life.
type State string

// The states.
const (
	Suspected State = "suspected" // raised once, of a kind that has to last; announced to nobody
	Open      State = "open"      // announced, or waiting to be
	Escalated State = "escalated" // open, and raised again tighter or more severe
	Resolved  State = "resolved"  // over, on proof
)

// Entry is one alert as it is stored, under Alert.Key. Times are wall clock, kept to the
// millisecond.
type Entry struct {
	Alert
	State      State
	Version    int64     // set by the store: 0 = not stored, else counts up with each Save
	Write      string    // token of the write that stored this version, fresh for every write
	OpenedAt   time.Time // of this life: a resolved alert that comes back opens anew
	RaisedAt   time.Time // when the present announcement became due
	QuietUntil time.Time // until then the same alert, not tighter, not more severe, is not announced again
	NotifiedAt time.Time // zero: the present announcement is not delivered yet
	ExpiresAt  time.Time // for TTL only; nothing may depend on its being deleted in time
	Repeats    int       // how often it was announced before in this life
	Count      int       // of a crowd: how many there were in this life
	Proof      string    // of a resolved one: what shows that it is over
}

// ErrConflict says that the stored version is another than the one the entry was read at.
var ErrConflict = errors.New("alert was changed by another run")

// Store keeps alert entries. It is safe for concurrent use by many processes; a Save that returned
// nil is durable and seen by every later Load and Pending.
type Store interface {
	// Load reads one entry, strongly consistent. An absent one is the zero Entry. One past its
	// ExpiresAt is returned as it is: the caller looks at the times.
	Load(ctx context.Context, key string) (Entry, error)

	// Save writes e as version e.Version+1, on the condition that version e.Version is stored
	// (0: no entry is). Otherwise ErrConflict, unless the stored entry carries e.Write: then it
	// is our own write whose answer was lost, and that is success. After any other error the
	// outcome is unknown and the call may be repeated with the same entry.
	Save(ctx context.Context, e Entry) error

	// Pending returns entries whose NotifiedAt is zero, of all kinds and states, strongly
	// consistent and across all pages, at most limit of them, in no order.
	Pending(ctx context.Context, limit int) ([]Entry, error)
}

// Message is one announcement.
type Message struct {
	Kind     Kind
	Severity Severity
	Chain    uint64
	Subject  string // one line
	Body     string // for a person: what, where, how much is at stake, until when, what to do
}

// Publisher delivers a message to whoever is on watch. nil means that the service took it over;
// any error means it may or may not have, and it is sent again. Safe for concurrent use.
type Publisher interface {
	Publish(ctx context.Context, m Message) error
}

// QuietTime is how long the same alert is not announced again.
const QuietTime = 10 * time.Minute

// How long entries are kept after their last change: an open alert that nobody raises any more
// and nobody resolves is forgotten in the end.
const (
	keepOpen     = 30 * 24 * time.Hour
	keepResolved = 7 * 24 * time.Hour
)

// lasting are the kinds that must be raised twice, so long apart by the wall clock, before anybody is
// told. What is judged by the time of a chain can be false in the moment after the chain stood still:
// its clock has jumped, and nobody has had the time to act. The first sight of it rings the executor, and
// the time is what it takes from there to a block.
var lasting = map[Kind]time.Duration{ActionOverdue: 45 * time.Second}

// forgetSuspicion is after how long one that was not raised again is forgotten: many periods of
// the sweeps that raise it, lest slow ones never tell.
const forgetSuspicion = 15 * time.Minute

// raise is the life cycle: what becomes of the stored entry when a is raised now. It has to be stored
// if it is not the old one, and announced only if announce is true. It looks at the times itself and
// never relies on TTL.
func raise(old Entry, a Alert, now time.Time) (next Entry, announce bool) {
	next = Entry{Alert: a, State: Open, Version: old.Version, OpenedAt: now, RaisedAt: now,
		QuietUntil: now.Add(QuietTime), ExpiresAt: now.Add(keepOpen)}
	if old.Version == 0 || old.State == Resolved || !now.Before(old.ExpiresAt) {
		if lasting[a.Kind] == 0 {
			return next, true
		}
		next.State, next.NotifiedAt, next.ExpiresAt = Suspected, now, now.Add(forgetSuspicion)
		return next, false
	}
	next.OpenedAt = old.OpenedAt
	if old.State == Suspected {
		if now.Sub(old.OpenedAt) < lasting[a.Kind] {
			return old, false
		}
		return next, true
	}
	next.Repeats = old.Repeats
	switch {
	case tighter(a, old.Alert):
		next.State = Escalated
	case now.Before(old.QuietUntil):
		return old, false
	default: // it lasts: say so again
		next.State = old.State
	}
	if !old.NotifiedAt.IsZero() {
		next.Repeats++
	}
	return next, true
}

// resolve is what becomes of the stored entry when its cause is proven gone.
func resolve(old Entry, proof string, now time.Time) (next Entry, announce bool) {
	if old.Version == 0 || old.State == Resolved || old.State == Suspected || !now.Before(old.ExpiresAt) {
		return old, false
	}
	next = old
	next.State, next.Proof, next.RaisedAt = Resolved, clean(proof, maxField), now
	next.NotifiedAt, next.ExpiresAt = time.Time{}, now.Add(keepResolved)
	return next, true
}

// tighter tells whether a passes the quiet time of b.
func tighter(a, b Alert) bool {
	if a.Severity != b.Severity {
		return a.Severity > b.Severity
	}
	return a.Level > 0 && (b.Level == 0 || a.Level < b.Level)
}

// Raise stores a as due for announcement, unless the same alert is quiet. It tells whether the
// entry it returns is to be announced. Of concurrent runs raising the same, one is told so.
func Raise(ctx context.Context, s Store, a Alert, now time.Time) (e Entry, announce bool, err error) {
	if a, err = a.complete(); err != nil {
		return Entry{}, false, err
	}
	e, _, err = change(ctx, s, a.Key(), func(old Entry) (next Entry, changed bool) {
		next, announce = raise(old, a, now)
		return next, next != old
	})
	return e, announce && err == nil, err
}

// saveTries bounds how often a conflicting change is read and applied again. A conflict means that
// another run announced the same alert, so the second reading usually ends it.
const saveTries = 6

func change(ctx context.Context, s Store, key string, next func(Entry) (Entry, bool)) (Entry, bool, error) {
	for range saveTries {
		old, err := s.Load(ctx, key)
		if err != nil {
			return Entry{}, false, fmt.Errorf("load alert %s: %w", key, err)
		}
		e, changed := next(old)
		if !changed {
			return old, false, nil
		}
		e.Write = rand.Text()
		err = s.Save(ctx, e)
		if err == nil {
			e.Version++
			return e, true, nil
		}
		if !errors.Is(err, ErrConflict) {
			return Entry{}, false, fmt.Errorf("save alert %s: %w", key, err)
		}
	}
	return Entry{}, false, fmt.Errorf("save alert %s: %w, %d times", key, ErrConflict, saveTries)
}
