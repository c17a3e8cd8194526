package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

// Alerts is alert.Store and alert.List.
//
// Each alert is an item. Rows that hold its key alone are written in the same
// transaction: one in the outbox while it still has to be announced, one among
// the open ones while it is open. Each of its lives that has ended has a row with all
// of it. So what is pending, open or lately resolved is found without reading the rest.
type Alerts struct{ s *Store }

const (
	entrySK    = "entry"
	outboxPK   = "outbox"
	openPK     = "open-alerts"
	resolvedPK = "resolved-alerts"
	rateSK     = "count"

	attrSince = "since" // epoch milliseconds

	// listResolved is how long a life is kept that has ended: as long as it is listed, and somewhat more.
	listResolved = alert.Listed + time.Hour
	// resolvedLayout sorts as text in the order of time.
	resolvedLayout = "2006-01-02T15:04:05.000Z"
)

func alertKey(k string) item { return key("alert#"+k, entrySK) }

func rateKey(name string) item { return key("alert-rate#"+name, rateSK) }

// Load implements alert.Store.
func (v Alerts) Load(ctx context.Context, k string) (alert.Entry, error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, alertKey(k))
	if err != nil || it == nil {
		return alert.Entry{}, err
	}
	return readAlert(it)
}

func readAlert(it item) (e alert.Entry, err error) {
	err = it.body(&e)
	e.Version = int64(it.uint(attrVersion))
	return e, err
}

// Save implements alert.Store.
func (v Alerts) Save(ctx context.Context, e alert.Entry) error {
	body := e
	body.Version = 0
	_, packed, err := packItem(&body)
	if err != nil {
		return fmt.Errorf("save alert %s: %w", e.Key(), err)
	}
	k := alertKey(e.Key())
	it := newItem(k.text(attrPK), k.text(attrSK))
	token := []byte(e.Write)
	it[attrVersion], it[attrWrite], it[attrBody] = number(e.Version+1), blob(token), blob(packed)
	it[attrExpires] = number(e.ExpiresAt.Unix())
	it.by(ctx)
	row := func(pk string, wanted bool) types.TransactWriteItem {
		if !wanted {
			return erase(v.s.tables.Jobs, key(pk, e.Key()))
		}
		r := newItem(pk, e.Key())
		r[attrExpires], r[attrRank], r[attrSince] = it[attrExpires], number(int(e.Severity)), number(e.RaisedAt.UnixMilli())
		return overwrite(v.s.tables.Jobs, r)
	}
	ops := []types.TransactWriteItem{put(v.s.tables.Jobs, it, since(uint64(e.Version))), row(outboxPK, e.NotifiedAt.IsZero()),
		row(openPK, e.State != alert.Resolved && e.State != alert.Suspected)}
	if e.State == alert.Resolved {
		r := newItem(resolvedPK, e.RaisedAt.UTC().Format(resolvedLayout)+"#"+e.Key())
		r[attrVersion], r[attrBody], r[attrExpires] = it[attrVersion], it[attrBody], number(e.RaisedAt.Add(listResolved).Unix())
		ops = append(ops, overwrite(v.s.tables.Jobs, r))
	}
	err = v.s.write(ctx, ops...)
	return ours(err, 0, token, alert.ErrConflict, "save alert %s", e.Key())
}

// Due implements alert.Store. It reads the row of all that waits, to find what is
// most severe and that far away, and no other entries.
func (v Alerts) Due(ctx context.Context, limit int, now time.Time, age time.Duration) ([]alert.Entry, error) {
	if limit <= 0 {
		return nil, nil
	}
	var rows []item
	for it, err := range v.s.query(ctx, partition(v.s.tables.Jobs, outboxPK, "")) {
		if err != nil {
			return nil, fmt.Errorf("read outbox: %w", err)
		}
		if alert.Away(millis(it.int(attrSince)), now, age) {
			rows = append(rows, it)
		}
	}
	if len(rows) > limit {
		slices.SortStableFunc(rows, func(a, b item) int {
			return cmp.Or(cmp.Compare(b.severity(), a.severity()), cmp.Compare(a.int(attrSince), b.int(attrSince)))
		})
		rows = rows[:limit]
	}
	keys := make([]string, len(rows))
	for i, it := range rows {
		keys[i] = it.text(attrSK)
	}
	entries, err := v.load(ctx, keys, func(e alert.Entry) bool { return e.NotifiedAt.IsZero() && alert.Away(e.RaisedAt, now, age) })
	if err != nil {
		err = fmt.Errorf("read pending alerts: %w", err)
	}
	slices.SortFunc(entries, func(a, b alert.Entry) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.RaisedAt.Compare(b.RaisedAt), cmp.Compare(a.Key(), b.Key()))
	})
	return entries, err
}

// severity is that of a row; one that was written without has the highest.
func (it item) severity() alert.Severity {
	if it[attrRank] == nil {
		return alert.Critical
	}
	return alert.Severity(it.int(attrRank))
}

// load reads the alerts of different keys and returns those that are wanted, in
// no order. What cannot be read does not hide the rest.
func (v Alerts) load(ctx context.Context, keys []string, wanted func(alert.Entry) bool) ([]alert.Entry, error) {
	items := make([]item, len(keys))
	for i, k := range keys {
		items[i] = alertKey(k)
	}
	items, err := v.s.getAll(ctx, v.s.tables.Jobs, items)
	if err != nil {
		return nil, err
	}
	var entries []alert.Entry
	var errs []error
	for _, it := range items {
		e, err := readAlert(it)
		switch {
		case err != nil:
			errs = append(errs, err)
		case wanted(e):
			entries = append(entries, e)
		}
	}
	return entries, errors.Join(errs...)
}

// Book implements alert.Store.
func (v Alerts) Book(ctx context.Context, name string, n, limit int, until time.Time) (bool, error) {
	c := condition{"attribute_not_exists(#used) OR #used <= :room", item{":room": number(limit - n)}}
	switch {
	case n < 0:
		c = condition{"#used >= :back", item{":back": number(-n)}}
	case n > limit:
		return false, nil
	}
	_, err := v.s.updateItem(ctx, v.s.tables.Jobs, rateKey(name), "ADD #used :n SET #v = :v, #expires_at = :until", c,
		item{":n": number(n), ":v": number(schema), ":until": number(until.Unix())})
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("book %s: %w", name, err)
	}
	return true, nil
}

// Open implements alert.List.
func (v Alerts) Open(ctx context.Context, now time.Time) ([]alert.Entry, error) {
	var keys []string
	for it, err := range v.s.query(ctx, partition(v.s.tables.Jobs, openPK, "")) {
		if err != nil {
			return nil, fmt.Errorf("list open alerts: %w", err)
		}
		keys = append(keys, it.text(attrSK))
	}
	entries, err := v.load(ctx, keys, func(e alert.Entry) bool {
		return e.State != alert.Resolved && e.State != alert.Suspected && now.Before(e.ExpiresAt)
	})
	if err != nil {
		err = fmt.Errorf("read open alerts: %w", err)
	}
	slices.SortFunc(entries, func(a, b alert.Entry) int { return cmp.Compare(a.Key(), b.Key()) })
	return entries, err
}

// Resolved implements alert.List.
func (v Alerts) Resolved(ctx context.Context, since, now time.Time) ([]alert.Entry, error) {
	if first := now.Add(-alert.Listed); since.Before(first) {
		since = first
	}
	var entries []alert.Entry
	var errs []error
	for it, err := range v.s.query(ctx, between(v.s.tables.Jobs, resolvedPK, since.UTC().Format(resolvedLayout), now.UTC().Format(resolvedLayout)+"~")) {
		if err != nil {
			return nil, fmt.Errorf("list resolved alerts: %w", err)
		}
		if e, err := readAlert(it); err != nil { // it does not hide the others
			errs = append(errs, fmt.Errorf("read resolved alert %s: %w", it.text(attrSK), err))
		} else if !e.RaisedAt.Before(since) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b alert.Entry) int {
		return cmp.Or(a.RaisedAt.Compare(b.RaisedAt), cmp.Compare(a.Key(), b.Key()))
	})
	return entries, errors.Join(errs...)
}

// Undelivered implements alert.List.
func (v Alerts) Undelivered(ctx context.Context) (n int, oldest time.Time, err error) {
	for it, err := range v.s.query(ctx, partition(v.s.tables.Jobs, outboxPK, "")) {
		if err != nil {
			return 0, time.Time{}, fmt.Errorf("read outbox: %w", err)
		}
		n++
		if ms := it.int(attrSince); ms > 0 && (oldest.IsZero() || ms < oldest.UnixMilli()) {
			oldest = millis(ms)
		}
	}
	return n, oldest, nil
}
