package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

// Alerts is alert.Store.
//
// Each alert is an item. Those that still have to be announced have a second
// one in the outbox, with the key alone, written in the same transaction: so
// what is pending is found without reading what was delivered.
type Alerts struct{ s *Store }

const (
	entrySK  = "entry"
	outboxPK = "outbox"
)

func alertKey(k string) item { return key("alert#"+k, entrySK) }

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
	bell := newItem(outboxPK, e.Key())
	bell[attrExpires] = it[attrExpires]
	ring := overwrite(v.s.tables.Jobs, bell)
	if !e.NotifiedAt.IsZero() {
		ring = erase(v.s.tables.Jobs, key(outboxPK, e.Key()))
	}
	err = v.s.write(ctx, put(v.s.tables.Jobs, it, since(uint64(e.Version))), ring)
	return ours(err, 0, token, alert.ErrConflict, "save alert %s", e.Key())
}

// Pending implements alert.Store.
func (v Alerts) Pending(ctx context.Context, limit int) ([]alert.Entry, error) {
	if limit <= 0 {
		return nil, nil
	}
	in := partition(v.s.tables.Jobs, outboxPK, "")
	in.Limit = aws.Int32(int32(min(limit, 1000)))
	var keys []item
	for it, err := range v.s.query(ctx, in) {
		if err != nil {
			return nil, fmt.Errorf("read outbox: %w", err)
		}
		if keys = append(keys, alertKey(it.text(attrSK))); len(keys) == limit {
			break
		}
	}
	items, err := v.s.getAll(ctx, v.s.tables.Jobs, keys)
	if err != nil {
		return nil, fmt.Errorf("read pending alerts: %w", err)
	}
	var entries []alert.Entry
	var errs []error
	for _, it := range items {
		e, err := readAlert(it)
		switch {
		case err != nil:
			errs = append(errs, err)
		case e.NotifiedAt.IsZero():
			entries = append(entries, e)
		}
	}
	return entries, errors.Join(errs...)
}
