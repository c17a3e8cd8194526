package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// Holding implements watchdog.Runs.
func (v Runs) Holding(ctx context.Context, lease string) (h watchdog.Holding, err error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, key(lease, leaseSK))
	if err != nil {
		return h, fmt.Errorf("read lease %s: %w", lease, err)
	}
	if it == nil {
		return h, nil
	}
	if err := it.check(); err != nil {
		return h, fmt.Errorf("read lease %s: %w", lease, err)
	}
	return watchdog.Holding{Held: it.flag("held"), Token: it.text("holder"), Tick: tick(it.text("tick")), Ends: millis(it.int("ends"))}, nil
}

// The watchdog's book is one item: kilobytes even if every job has lapsed all the
// time. It does not expire.
const (
	watchdogPK = "watchdog"
	bookSK     = "book"
)

// Book implements watchdog.Books.
func (v Runs) Book(ctx context.Context) (b watchdog.Book, err error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, key(watchdogPK, bookSK))
	if err != nil || it == nil {
		return b, err
	}
	err = it.body(&b)
	b.Version = it.uint(attrVersion)
	return b, err
}

// SaveBook implements watchdog.Books.
func (v Runs) SaveBook(ctx context.Context, b watchdog.Book) error {
	content, packed, err := packItem(&b)
	if err != nil {
		return fmt.Errorf("save the book: %w", err)
	}
	token := v.s.token(content, fmt.Appendf(nil, "%d", b.Version))
	it := newItem(watchdogPK, bookSK)
	it[attrVersion], it[attrWrite], it[attrBody] = number(b.Version+1), blob(token), blob(packed)
	return ours(v.s.write(ctx, put(v.s.tables.Jobs, it, since(b.Version))), 0, token, watchdog.ErrConflict, "save the book")
}

// ErrNoHealth says that the watchdog has never looked.
var ErrNoHealth = errors.New("the watchdog has not looked at the jobs yet")

// JobHealth is how each job did when the watchdog last looked at it, by name, and
// when its newest pass was. A job that it could not read then has an older
// Health.At. Whoever shows them compares both with the clock: a watchdog that
// stands still leaves what it saw last.
func (v Runs) JobHealth(ctx context.Context) ([]watchdog.Health, time.Time, error) {
	b, err := v.Book(ctx)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read how the jobs do: %w", err)
	}
	if b.Version == 0 {
		return nil, time.Time{}, ErrNoHealth
	}
	var all []watchdog.Health
	for _, p := range b.Pages {
		if p.Health.Job != "" { // not looked at yet: its first reading failed
			all = append(all, p.Health)
		}
	}
	slices.SortFunc(all, func(a, b watchdog.Health) int { return strings.Compare(a.Job, b.Job) })
	return all, b.At, nil
}
