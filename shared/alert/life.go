package alert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// QuietTime is how long the same alert is not announced again after it was news. While it goes on it
// is announced again after twice the time before, up to a bound: see quiet.
const QuietTime = 10 * time.Minute

// The bounds of the quiet time. Who was told six times of a warning in a night needs no mail every ten
// minutes; money at risk is repeated often enough that a missed call does not last.
const (
	longestQuiet         = 4 * time.Hour
	longestQuietCritical = time.Hour
)

// How long entries are kept after their last change: an open alert that nobody raises any more
// and nobody resolves is forgotten in the end.
const (
	keepOpen     = 30 * 24 * time.Hour
	keepResolved = 7 * 24 * time.Hour
)

const (
	// seenEvery is how exactly it is noted that an alert lasts: a write each, and no more.
	seenEvery = 15 * time.Minute
	// lapse is how long an alert may go without being raised before its age starts anew. It is well
	// above the period of any job that raises warnings, and seenEvery.
	lapse = time.Hour
	// forget is after how long without being raised an alert that comes back is news, whatever was
	// announced or acknowledged of it: the next run of a daily job still continues it.
	forget = 25 * time.Hour
)

// lasting are the kinds that must be raised twice, so long apart by the wall clock, before anybody is
// told. What is judged by the time of a chain can be false in the moment after the chain stood still:
// its clock has jumped, and nobody has had the time to act. The first sight of it rings the executor, and
// the time is what it takes from there to a block.
var lasting = map[Kind]time.Duration{ActionOverdue: 45 * time.Second}

// forgetSuspicion is after how long one that was not raised again is forgotten: many periods of
// the sweeps that raise it, lest slow ones never tell.
const forgetSuspicion = 15 * time.Minute

// usualPatience is how long a warning may last with nobody looking after it before it is critical.
const usualPatience = 24 * time.Hour

// patience are the kinds with another one. Zero: age makes it no worse. Crowds have none, since anybody
// could have a person woken by keeping one up.
var patience = map[Kind]time.Duration{
	ChainBehind:     10 * time.Minute, // half of a short timelock
	EndpointTrouble: time.Hour,        // an outage of a provider is mostly over by then
	Paused:          4 * time.Hour,    // longer than any pause that was not renewed
	DeadlineNear:    0,                // it escalates by the time left
	NegativeGap:     0,                // as it was filled; nothing changes it
	Unhealthy:       0,                // it says itself how bad it is; what concerns money has an alert of its own
}

// patienceOf is how long a warning of that kind may last; zero: for ever.
func patienceOf(k Kind) time.Duration {
	if crowds[k] {
		return 0
	}
	if p, ok := patience[k]; ok {
		return p
	}
	return usualPatience
}

// known tells whether a person has been, or is to be, told of the entry, and it is not over.
func (e Entry) known(now time.Time) bool {
	return e.Version != 0 && e.State != Resolved && e.State != Suspected && now.Before(e.ExpiresAt)
}

// LastSeen is when it was last raised, to within a quarter of an hour: by so much it may have been later.
func (e Entry) LastSeen() time.Time {
	if e.SeenAt.After(e.RaisedAt) {
		return e.SeenAt
	}
	return e.RaisedAt
}

// ageFrom is what its age counts from, if it is raised now.
func (e Entry) ageFrom(now time.Time) time.Time {
	switch {
	case now.Sub(e.LastSeen()) > lapse:
		return now
	case e.AgeFrom.IsZero():
		return e.OpenedAt
	}
	return e.AgeFrom
}

// raise is the life cycle: what becomes of the stored entry when a is raised now. It has to be stored
// if it is not the old one, and announced only if announce is true. It looks at the times itself and
// never relies on TTL.
func raise(old Entry, a Alert, now time.Time) (next Entry, announce bool) {
	next, announce = raised(old, a, now)
	if announce && next.Severity == Info {
		next.NotifiedAt = now // by its log line
	}
	return next, announce
}

func raised(old Entry, a Alert, now time.Time) (next Entry, announce bool) {
	next = Entry{Alert: a, State: Open, Version: old.Version, OpenedAt: now, RaisedAt: now, SeenAt: now, AgeFrom: now,
		QuietUntil: now.Add(QuietTime), ExpiresAt: now.Add(keepOpen)}
	if old.State == Suspected && now.Before(old.ExpiresAt) {
		if now.Sub(old.OpenedAt) < lasting[a.Kind] {
			return old, false
		}
		next.OpenedAt, next.AgeFrom = old.OpenedAt, old.OpenedAt
		return next, true
	}
	if !old.known(now) || now.Sub(old.LastSeen()) >= forget {
		if lasting[a.Kind] == 0 || old.State == Resolved && old.NotifiedAt.IsZero() { // nobody knows yet that it was over
			return next, true
		}
		next.State, next.NotifiedAt, next.ExpiresAt = Suspected, now, now.Add(forgetSuspicion)
		return next, false
	}
	switch {
	case a.Severity == Info: // it stands in the list already, or takes back nothing of what people were told
		return seen(old, now), false
	case old.Severity == Info: // of which nobody was told
		return next, true
	}
	next.OpenedAt, next.EscalatedAt, next.AgeFrom, next.Repeats = old.OpenedAt, old.EscalatedAt, old.ageFrom(now), old.Repeats
	if p := patienceOf(a.Kind); p > 0 && a.Severity == Warning && old.State != Acknowledged && now.Sub(next.AgeFrom) >= p {
		next.Severity = Critical
		next.What = clean(fmt.Sprintf("It has lasted since %s and nobody has acknowledged it. %s", next.AgeFrom.UTC().Format(time.RFC3339), a.What), maxField)
	}
	switch {
	case tighter(next.Alert, old.Alert):
		next.State, next.EscalatedAt = Escalated, now
		if old.State == Acknowledged {
			next.AgeFrom = now
		}
	case old.State == Acknowledged || now.Before(old.QuietUntil):
		return seen(old, now), false
	default: // it lasts: say so again
		next.State, next.QuietUntil = old.State, now.Add(quiet(old, next.Severity))
	}
	if !old.NotifiedAt.IsZero() {
		next.Repeats++
	}
	return next, true
}

// seen notes that the cause lasts, if that was not noted lately.
func seen(old Entry, now time.Time) Entry {
	if now.Sub(old.LastSeen()) < seenEvery {
		return old
	}
	next := old
	next.SeenAt, next.AgeFrom = now, old.ageFrom(now)
	next.ExpiresAt = now.Add(keepOpen)
	return next
}

// quiet is how long an alert is quiet that is announced again: twice as long as before, within its bound.
// What could not be delivered meanwhile was told nobody, so it counts for nothing.
func quiet(old Entry, s Severity) time.Duration {
	if old.NotifiedAt.IsZero() {
		return QuietTime
	}
	bound := longestQuiet
	if s == Critical {
		bound = longestQuietCritical
	}
	return min(bound, 2*max(QuietTime, old.QuietUntil.Sub(old.RaisedAt)))
}

// resolve is what becomes of the stored entry when its cause is proven gone.
func resolve(old Entry, proof string, now time.Time) (next Entry, announce bool) {
	if !old.known(now) {
		return old, false
	}
	next = old
	next.State, next.Proof, next.RaisedAt = Resolved, clean(proof, maxField), now
	next.NotifiedAt, next.ExpiresAt = time.Time{}, now.Add(keepResolved)
	if next.Severity == Info {
		next.NotifiedAt = now
	}
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
// entry it returns is to be announced. Of concurrent runs raising the same, one is told so. An Info
// waits for no message: announced is its log line, and it stands in the list of what is open.
func Raise(ctx context.Context, s Store, a Alert, now time.Time) (e Entry, announce bool, err error) {
	if a, err = a.complete(); err != nil {
		return Entry{}, false, err
	}
	e, err = change(ctx, s, a.Key(), func(old Entry) (next Entry, changed bool) {
		next, announce = raise(old, a, now)
		return next, next != old
	})
	return e, announce && err == nil, err
}

// Resolve ends the alert of that key, if it is open; proof says what shows that it is over, as the hash of a
// final transaction. It tells whether that is to be announced: of what is not open nothing changes.
func Resolve(ctx context.Context, s Store, key, proof string, now time.Time) (e Entry, announce bool, err error) {
	if strings.TrimSpace(proof) == "" {
		return Entry{}, false, fmt.Errorf("resolve alert %s: no proof", key)
	}
	e, err = change(ctx, s, key, func(old Entry) (next Entry, changed bool) {
		next, announce = resolve(old, proof, now)
		return next, announce
	})
	return e, announce && err == nil, err
}

// ErrNotOpen says that there is no open alert of a key.
var ErrNotOpen = errors.New("no such alert is open")

// Acknowledge notes that a person looks after the open alert of that key: it is not repeated any more,
// nor does its age make it worse, until it is raised tighter or more severe, or has not been raised for a
// day and comes back. An announcement that still waits is withdrawn. It returns the entry as it is then.
// One that is acknowledged stays as it is, so a repeated call is a success and the first one stands.
// ErrNotOpen if there is none, or if it is over.
func Acknowledge(ctx context.Context, s Store, key, by, note string, now time.Time) (Entry, error) {
	if by = clean(strings.TrimSpace(by), maxName); by == "" {
		return Entry{}, fmt.Errorf("acknowledge alert %s: nobody is named who looks after it", key)
	}
	open := false
	e, err := change(ctx, s, key, func(old Entry) (next Entry, changed bool) {
		if open = old.known(now); !open || old.State == Acknowledged {
			return old, false
		}
		next = old
		next.State, next.AckedAt, next.AckedBy, next.AckNote = Acknowledged, now, by, clean(strings.TrimSpace(note), maxField)
		if next.NotifiedAt.IsZero() {
			next.NotifiedAt = now
		}
		return next, true
	})
	if err == nil && !open {
		err = fmt.Errorf("acknowledge alert %s: %w", key, ErrNotOpen)
	}
	return e, err
}

// maxName bounds the name of a person, in bytes.
const maxName = 100
