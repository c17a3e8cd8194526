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
	Suspected    State = "suspected"    // raised once, of a kind that has to last; announced to nobody
	Open         State = "open"         // announced, or waiting to be
	Escalated    State = "escalated"    // open, and raised again tighter or more severe, or too old
	Acknowledged State = "acknowledged" // open, and a person looks after it
	Resolved     State = "resolved"     // over, on proof
)

// Entry is one alert as it is stored, under Alert.Key. Times are wall clock, kept to the
// millisecond.
type Entry struct {
	Alert
	State       State
	Version     int64     // set by the store: 0 = not stored, else counts up with each Save
	Write       string    // token of the write that stored this version, fresh for every write
	OpenedAt    time.Time // of this life: a resolved alert that comes back opens anew
	RaisedAt    time.Time // when the present announcement became due
	EscalatedAt time.Time // when it last became tighter or more severe in this life; zero: it has not
	SeenAt      time.Time // when it was last raised, to within seenEvery; zero: not noted since RaisedAt
	AgeFrom     time.Time // since when it has lasted with no break and nobody looking after it; zero: OpenedAt
	QuietUntil  time.Time // until then the same alert, not tighter, not more severe, is not announced again
	NotifiedAt  time.Time // zero: the present announcement is not delivered yet
	ExpiresAt   time.Time // for TTL only; nothing may depend on its being deleted in time
	Repeats     int       // how often it was announced before in this life
	Count       int       // of a crowd: how many there were in this life
	Proof       string    // of a resolved one: what shows that it is over
	AckedAt     time.Time // when a person took it over; zero: nobody has
	AckedBy     string    // who
	AckNote     string    // what that person has to say
}

// ErrConflict says that the stored version is another than the one the entry was read at.
var ErrConflict = errors.New("alert was changed by another run")

// Store keeps alert entries. It is safe for concurrent use by many processes; a Save that returned
// nil is durable and seen by every later Load and Due.
type Store interface {
	// Load reads one entry, strongly consistent. An absent one is the zero Entry. One past its
	// ExpiresAt is returned as it is: the caller looks at the times.
	Load(ctx context.Context, key string) (Entry, error)

	// Save writes e as version e.Version+1, on the condition that version e.Version is stored
	// (0: no entry is). Otherwise ErrConflict, unless the stored entry carries e.Write: then it
	// is our own write whose answer was lost, and that is success. After any other error the
	// outcome is unknown and the call may be repeated with the same entry.
	Save(ctx context.Context, e Entry) error

	// Due returns entries whose NotifiedAt is zero and whose RaisedAt is at least age away from
	// now, be it before or, by a clock that was ahead, after it; of all kinds and states,
	// strongly consistent and across all pages, at most limit of them: the most severe first,
	// and of those the ones that became due first.
	Due(ctx context.Context, limit int, now time.Time, age time.Duration) ([]Entry, error)

	// Book takes n places of limit under a name, unless that many are not left: then it is false
	// and nothing is taken. Of concurrent callers no more get places than there are. A negative n
	// gives places back. The name is forgotten some time after until, when nobody may use it any
	// more. After an error, or where the service repeats a call whose answer was lost, places
	// may have been taken, or given back, twice.
	Book(ctx context.Context, name string, n, limit int, until time.Time) (bool, error)
}

// Listed is how long the life of an alert is listed after its end: two days, so that a day can still be told
// a day after it is over, and somewhat more.
const Listed = 50 * time.Hour

// List is what those who report on alerts read. Its cost follows what it returns, not what was ever
// stored. It is strongly consistent, across all pages, and safe for concurrent use.
type List interface {
	// Open returns the alerts that are open, escalated or acknowledged and not past their
	// ExpiresAt at now, in the order of their keys.
	Open(ctx context.Context, now time.Time) ([]Entry, error)

	// Resolved returns the lives of alerts that ended at since or later, at most Listed before now,
	// the oldest first, each as it ended: an alert that has opened again since is there with its
	// former lives.
	Resolved(ctx context.Context, since, now time.Time) ([]Entry, error)

	// Undelivered tells how many alerts wait for their announcement, and since when the oldest
	// does; zero if none does.
	Undelivered(ctx context.Context) (n int, oldest time.Time, err error)
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

// saveTries bounds how often a conflicting change is read and applied again. A conflict means that
// another run announced the same alert, so the second reading usually ends it.
const saveTries = 6

func change(ctx context.Context, s Store, key string, next func(Entry) (Entry, bool)) (Entry, error) {
	for range saveTries {
		old, err := s.Load(ctx, key)
		if err != nil {
			return Entry{}, fmt.Errorf("load alert %s: %w", key, err)
		}
		e, changed := next(old)
		if !changed {
			return old, nil
		}
		e.Write = rand.Text()
		err = s.Save(ctx, e)
		if err == nil {
			e.Version++
			return e, nil
		}
		if !errors.Is(err, ErrConflict) {
			return Entry{}, fmt.Errorf("save alert %s: %w", key, err)
		}
	}
	return Entry{}, fmt.Errorf("save alert %s: %w, %d times", key, ErrConflict, saveTries)
}

// Away tells whether t is at least age before now, or as far after it.
func Away(t, now time.Time, age time.Duration) bool { return now.Sub(t).Abs() >= age }
