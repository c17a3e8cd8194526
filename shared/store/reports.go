package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Reports is report.Notes.
type Reports struct {
	s    *Store
	kept time.Duration
}

const toldSK = "told"

func reportKey(page string) item { return key("report#"+page, toldSK) }

// Told implements report.Notes.
func (v Reports) Told(ctx context.Context, page string, now time.Time) (bool, error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, reportKey(page))
	if err == nil && it != nil {
		err = it.check()
	}
	if err != nil {
		return false, fmt.Errorf("read the note of %s: %w", page, err)
	}
	return it != nil && it.int(attrExpires) > now.Unix(), nil
}

// Note implements report.Notes. A later note replaces an earlier one, so there is
// nothing that a lost answer could make of it.
func (v Reports) Note(ctx context.Context, page string, now time.Time) error {
	k := reportKey(page)
	it := newItem(k.text(attrPK), k.text(attrSK))
	expires := number(now.Add(v.kept).Unix())
	it[attrExpires] = expires
	err := v.s.write(ctx, put(v.s.tables.Jobs, it, condition{"attribute_not_exists(#pk) OR #expires_at <= :e", item{":e": expires}}))
	var later *refusal
	if err != nil && !errors.As(err, &later) { // a later note stands: as good
		return fmt.Errorf("note %s: %w", page, err)
	}
	return nil
}
