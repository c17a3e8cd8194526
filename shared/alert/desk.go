package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Desk takes the alerts of one pass and announces them, together with what earlier passes could
// not deliver. Make a new one for every pass. It is safe for concurrent use.
type Desk struct {
	store Store
	pub   Publisher
	log   *slog.Logger

	mu     sync.Mutex
	due    map[string]Entry     // to be announced by Flush; Version 0: could not be stored
	held   map[string]time.Time // left to the outbox because no message was free, and since when they are due
	full   map[string]bool      // what this desk found no place under
	raised map[group]int        // how many of a sort this pass has raised
	mobs   map[crowdKey]*mob
}

// maxAlike is how many alerts of the same sort, short of critical, one pass treats one by one; the
// rest is one alert. Nothing that is told one by one is free to make, so this bounds a bad day, not an
// attack: see crowds for those.
const maxAlike = 100

// others is the account of the alert that stands for the rest.
const others = "others"

// Rest tells whether the entry stands for alerts of its kind that were too many to be told one by one.
func (e Entry) Rest() bool { return e.Account == others }

// NewDesk opens the desk of a pass.
func NewDesk(s Store, p Publisher, log *slog.Logger) *Desk {
	return &Desk{store: s, pub: p, log: log, due: map[string]Entry{}, held: map[string]time.Time{}, full: map[string]bool{},
		raised: map[group]int{}, mobs: map[crowdKey]*mob{}}
}

// Raise stores the alert, logs it if it is to be announced, and keeps it for Flush. An alert that
// cannot be stored is announced nevertheless, without dedup: twice is better than never. The
// storage error is returned all the same. What belongs to a crowd is counted, and stored by Flush as
// one alert; of more than maxAlike of another sort, short of critical, the rest becomes one alert that
// tells their number.
func (d *Desk) Raise(ctx context.Context, a Alert, now time.Time) error {
	a, err := a.complete()
	if err != nil {
		d.log.ErrorContext(ctx, "alert refused", "kind", a.Kind, "chain", a.Chain, "order", a.Order, "escrow", a.Escrow, "error", err)
		return err
	}
	if d.gather(ctx, a) || a.Severity < Critical && d.count(a) > maxAlike {
		return nil
	}
	return d.raise(ctx, a, now)
}

// count counts a and tells how many of its sort there are by now.
func (d *Desk) count(a Alert) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := groupOf(Entry{Alert: a})
	d.raised[g]++
	return d.raised[g]
}

// rest raises one alert for each sort of which there were too many. Its number is no part of its key.
func (d *Desk) rest(ctx context.Context, now time.Time) error {
	d.mu.Lock()
	raised := d.raised
	d.raised = map[group]int{}
	d.mu.Unlock()
	var errs []error
	for g, n := range raised {
		if n > maxAlike {
			a, err := Alert{Kind: g.kind, Severity: g.severity, Chain: g.chain, Level: g.level, Account: others,
				What: fmt.Sprintf("%d more like these, not listed.", n-maxAlike)}.complete()
			if err == nil {
				err = d.raise(ctx, a, now)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (d *Desk) raise(ctx context.Context, a Alert, now time.Time) error {
	e, announce, err := Raise(ctx, d.store, a, now)
	if err != nil {
		e, announce = Entry{Alert: a, State: Open, OpenedAt: now, RaisedAt: now}, true
	}
	if announce {
		d.keep(ctx, e)
	}
	return err
}

// Resolve is the function Resolve, announced by Flush.
func (d *Desk) Resolve(ctx context.Context, key, proof string, now time.Time) error {
	e, announce, err := Resolve(ctx, d.store, key, proof, now)
	if announce {
		d.keep(ctx, e)
	}
	return err
}

// keep logs e, and has Flush tell it, unless it is no more than good to know.
func (d *Desk) keep(ctx context.Context, e Entry) {
	level := slog.LevelWarn
	switch {
	case e.State == Resolved || e.Severity == Info:
		level = slog.LevelInfo
	case e.Severity == Critical:
		level = slog.LevelError
	}
	d.log.LogAttrs(ctx, level, "alert", slog.String("kind", string(e.Kind)), slog.String("state", string(e.State)),
		slog.String("severity", e.Severity.String()), slog.Uint64("chain", e.Chain), slog.String("order", e.Order),
		slog.String("escrow", e.Escrow), slog.String("account", e.Account), slog.Int64("left_s", int64(e.Level/time.Second)),
		slog.String("what", e.What), slog.String("at_stake", e.AtStake), slog.String("until_when", e.UntilWhen),
		slog.String("proof", e.Proof))
	if e.Severity == Info {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.due[e.Key()] = e
}

const (
	// outboxLimit bounds how many undelivered alerts of earlier passes one pass takes up.
	outboxLimit = 500
	// outboxAge is how long another pass is left to deliver what it raised itself; so long, too, is
	// the outbox left to the first pass that takes it up.
	outboxAge = 15 * time.Second
)

// Flush announces what this pass raised and resolved and what earlier passes left undelivered: one
// message for each (state, kind, severity, chain, level), the most severe first and no more than the
// cap allows; see cap.go. What cannot be delivered stays in the outbox for a later pass and counts as
// Waiting; the error says so after all the rest was tried. That the cap holds something back is no error.
// Delivery is at least once: a crash between delivery and its note announces again.
func (d *Desk) Flush(ctx context.Context, now time.Time) error {
	errs := []error{d.rest(ctx, now), d.raiseMobs(ctx, now)}
	d.mu.Lock()
	due := d.due
	d.due = map[string]Entry{}
	d.mu.Unlock()

	old, err := d.outbox(ctx, due, now)
	errs = append(errs, err)
	for _, e := range old {
		due[e.Key()] = e
	}

	groups := map[group][]Entry{}
	for _, e := range due {
		g := groupOf(e)
		groups[g] = append(groups[g], e)
	}
	order := make([]group, 0, len(groups))
	for g := range groups {
		order = append(order, g)
	}
	slices.SortFunc(order, group.compare)
	var held []Entry
	for _, g := range order {
		entries := groups[g]
		slices.SortFunc(entries, func(a, b Entry) int {
			switch { // the number of the rest comes first, lest it is cut
			case a.Rest() && !b.Rest():
				return -1
			case b.Rest() && !a.Rest():
				return 1
			}
			return cmp.Compare(a.Key(), b.Key())
		})
		name := place("messages", now, window)
		free, err := d.book(ctx, name, most(g.severity), windowEnd(now))
		errs = append(errs, err)
		if !free {
			held = append(held, entries...)
			continue
		}
		errs = append(errs, d.announce(ctx, compose(g, entries), name, entries, now))
	}
	errs = append(errs, d.summarise(ctx, held, now))
	return errors.Join(errs...)
}

// outbox reads what earlier passes left undelivered, if no other pass is at it. What claims to have become due in the
// future, as what an operator resolves by a clock that is ahead, waits for no such time.
func (d *Desk) outbox(ctx context.Context, due map[string]Entry, now time.Time) ([]Entry, error) {
	all, err := d.store.Due(ctx, outboxLimit, now, outboxAge)
	if err != nil {
		err = fmt.Errorf("read the alert outbox: %w", err)
	}
	old := all[:0]
	for _, e := range all {
		if _, ours := due[e.Key()]; !ours {
			old = append(old, e)
		}
	}
	if len(old) == 0 {
		return nil, err
	}
	first, failed := d.book(ctx, place("outbox", now, outboxAge), 1, now.Add(outboxAge))
	if !first {
		old = nil
	}
	return old, errors.Join(err, failed)
}

// announce publishes a message and notes that its entries are delivered. What could not be published
// is kept for another Flush, and its place is given back.
func (d *Desk) announce(ctx context.Context, m Message, place string, entries []Entry, now time.Time) error {
	if err := d.pub.Publish(ctx, m); err != nil {
		d.putBack(entries)
		return errors.Join(fmt.Errorf("announce %d alerts as %q: %w", len(entries), m.Subject, err), d.giveBack(ctx, place, now))
	}
	var errs []error
	for _, e := range entries {
		d.mu.Lock()
		delete(d.held, e.Key())
		d.mu.Unlock()
		errs = append(errs, d.delivered(ctx, e, now))
	}
	return errors.Join(errs...)
}

// Waiting is how many alerts of this desk are not delivered: after a Flush, those it could not
// deliver and those that the cap held back.
func (d *Desk) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.due) + len(d.held)
}

// Safe tells whether nothing that this desk has taken can be lost: what is not delivered is stored, and so every
// later pass announces it. Ask after a Flush.
func (d *Desk) Safe() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.due {
		if e.Version == 0 {
			return false
		}
	}
	return true
}

// Oldest is how long the oldest of those has been waiting at now; zero if there is none.
func (d *Desk) Oldest(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	since := now
	for _, e := range d.due {
		since = earlier(since, e.RaisedAt)
	}
	for _, at := range d.held {
		since = earlier(since, at)
	}
	return now.Sub(since)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// putBack keeps for another Flush what could not be delivered: maybe no store holds it.
func (d *Desk) putBack(entries []Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range entries {
		if _, newer := d.due[e.Key()]; !newer {
			d.due[e.Key()] = e
		}
	}
}

// delivered notes that e needs no further announcement.
func (d *Desk) delivered(ctx context.Context, e Entry, now time.Time) error {
	if e.Version == 0 { // was never stored
		return nil
	}
	_, err := change(ctx, d.store, e.Key(), func(stored Entry) (Entry, bool) {
		if !stored.NotifiedAt.IsZero() || stored.Version != e.Version {
			return stored, false // another run noted it, or it changed since and is due anew
		}
		stored.NotifiedAt = now
		return stored, true
	})
	if err != nil {
		return fmt.Errorf("note the delivery of alert %s: %w", e.Key(), err)
	}
	return nil
}
