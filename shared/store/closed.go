package store

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Closed is cleanup.Orders, cleanup.Batches and cleanup.Damages.
//
// A closed order has a row in a partition of its own, sorted by the time of its
// closing, which Orders.Save writes in the transaction that closes it and takes
// away in one that opens it again. That time stands beside the order's body, so
// that the row can be found.
type Closed struct{ s *Store }

const (
	closedPK   = "closed#orders"
	attrClosed = "closed_at" // of an order: epoch seconds
	cleanupPK  = "cleanup"
	batchSK    = "batch"
	damagedSK  = "damaged"
	attrKey    = "key"

	everyHistory = "hist#"
	// deletes is the most items that BatchWriteItem takes.
	deletes = 25
)

func closedTime(seconds int64) string { return fmt.Sprintf("%020d", seconds) }

func closedRow(id swap.OrderID, at int64) item {
	return newItem(closedPK, closedTime(at)+"#"+id.String())
}

// indexRows are all rows that go with an order: those of the watch book, or its
// place among the closed ones.
func indexRows(o swap.Order, closedAt int64) []item {
	if o.Closed {
		return []item{closedRow(o.ID, closedAt)}
	}
	return rowsOf(o)
}

// Due implements cleanup.Orders.
func (v Closed) Due(ctx context.Context, upTo time.Time, limit int) (due []cleanup.Due, err error) {
	if limit < 1 {
		return nil, nil
	}
	in := between(v.s.tables.Orders, closedPK, closedTime(0), closedTime(max(0, upTo.Unix())+1))
	in.Limit = aws.Int32(int32(min(limit, 1000)))
	for it, err := range v.s.query(ctx, in) {
		if err != nil {
			return nil, fmt.Errorf("list closed orders: %w", err)
		}
		d, err := readClosedRow(it)
		if err != nil {
			return nil, fmt.Errorf("list closed orders: %w", err)
		}
		if due = append(due, d); len(due) == limit {
			break
		}
	}
	return due, nil
}

func readClosedRow(it item) (cleanup.Due, error) {
	if err := it.check(); err != nil {
		return cleanup.Due{}, err
	}
	at, order, _ := strings.Cut(it.text(attrSK), "#")
	id, err := swap.ParseOrderID(order)
	var seconds int64
	if err == nil {
		_, err = fmt.Sscanf(at, "%d", &seconds)
	}
	if err != nil || closedTime(seconds) != at {
		return cleanup.Due{}, fmt.Errorf("row %q is malformed", it.text(attrSK))
	}
	return cleanup.Due{Order: id, ClosedAt: time.Unix(seconds, 0).UTC()}, nil
}

// Read implements cleanup.Orders. Live work is looked for before the history is read:
// it moves there when it ends, so that what is no longer live is there by then.
func (v Closed) Read(ctx context.Context, d cleanup.Due) (f cleanup.Finished, ok bool, err error) {
	for it, err := range v.s.query(ctx, partition(v.s.tables.Orders, orderPrefix+d.Order.String(), orderSK)) {
		var o swap.Order
		if err == nil {
			o, err = readOrder(it)
		}
		if err == nil && o.Closed {
			err = v.settled(ctx, o)
		}
		if err != nil {
			return f, false, err
		}
	}
	for it, err := range v.s.query(ctx, partition(v.s.tables.Orders, orderPrefix+d.Order.String(), "")) {
		if err != nil {
			return f, false, err
		}
		switch sk := it.text(attrSK); {
		case sk == orderSK:
			if f.Order, err = readOrder(it); err != nil {
				return f, false, err
			}
			ok = f.Order.Closed && it.int(attrClosed) == d.ClosedAt.Unix()
		case strings.HasPrefix(sk, everyHistory):
			h, err := readHistory(it)
			if err != nil {
				return f, false, err
			}
			f.History = append(f.History, h)
		default:
			return f, false, fmt.Errorf("item %s %s is of a sort that this program does not know", it.text(attrPK), sk)
		}
	}
	f.ClosedAt = d.ClosedAt
	return f, ok, nil
}

// settled returns cleanup.ErrUnsettled while there is live work of the order.
func (v Closed) settled(ctx context.Context, o swap.Order) error {
	for _, l := range append([]swap.LegRecord{o.Src}, o.Dsts...) {
		pk := v.s.accountKey(l.ChainID, l.Immutables.TakerAddress())
		for it, err := range v.s.query(ctx, partition(v.s.tables.Actions, pk, rowPrefix(l.Escrow))) {
			var w swap.Work
			if err == nil {
				w, err = readWork(it)
			}
			if err != nil {
				return fmt.Errorf("read live work of escrow %s on chain %d: %w", l.Escrow, l.ChainID, err)
			}
			if w.Order == o.ID { // an escrow may be in several orders
				return fmt.Errorf("%s on chain %d is %s: %w", w.Key(), w.ChainID, w.State, cleanup.ErrUnsettled)
			}
		}
	}
	return nil
}

// readHistory reads an item of whatever sort, as it is.
func readHistory(it item) (cleanup.Item, error) {
	h := cleanup.Item{Key: it.text(attrSK), Version: it.uint(attrVersion)}
	content, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(it.blob(attrBody))), maxContent+1))
	switch {
	case err != nil:
		return h, fmt.Errorf("item %s %s: %w", it.text(attrPK), h.Key, err)
	case len(content) > maxContent || !json.Valid(content):
		return h, fmt.Errorf("item %s %s: %d bytes that are no JSON", it.text(attrPK), h.Key, len(content))
	}
	h.Body = content
	return h, nil
}

// Remove implements cleanup.Orders.
func (v Closed) Remove(ctx context.Context, f cleanup.Finished) (bool, error) {
	id, at := f.Order.ID, f.ClosedAt.Unix()
	table := v.s.tables.Orders
	same := condition{"#n = :at AND #closed_at = :closed", item{":at": number(f.Order.Version), ":closed": number(at)}}
	row := closedRow(id, at)
	err := v.s.write(ctx, remove(table, orderKey(id), same), erase(table, key(row.text(attrPK), row.text(attrSK))))
	var r *refusal
	switch {
	case errors.As(err, &r):
		if r.stored[0] != nil {
			return false, nil
		}
		// Gone: deleted before, by a request whose answer was lost or a run that was.
	case err != nil:
		return false, err
	}
	var keys []item
	for _, h := range f.History {
		keys = append(keys, key(orderPrefix+id.String(), h.Key))
	}
	for some := range slices.Chunk(keys, deletes) {
		if err := v.s.deleteAll(ctx, table, some); err != nil {
			return false, fmt.Errorf("delete its history: %w", err)
		}
	}
	return true, nil
}

// deleteAll deletes up to 25 items, whatever they are. The service may do a part
// of it; the rest is asked for again for as long as the context allows.
func (s *Store) deleteAll(ctx context.Context, table string, keys []item) error {
	var left []types.WriteRequest
	for _, k := range keys {
		left = append(left, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k}})
	}
	for tries := 0; ; tries++ {
		out, err := s.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: left}})
		if err != nil {
			return err
		}
		if left = out.UnprocessedItems[table]; len(left) == 0 {
			return nil
		}
		if err := pause(ctx, tries); err != nil {
			return fmt.Errorf("%d items not deleted yet: %w", len(left), err)
		}
	}
}

// Batch implements cleanup.Batches.
func (v Closed) Batch(ctx context.Context) (b cleanup.Batch, ok bool, err error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, key(cleanupPK, batchSK))
	if err != nil || it == nil {
		return b, false, err
	}
	return b, true, it.body(&b)
}

// Begin implements cleanup.Batches.
func (v Closed) Begin(ctx context.Context, b cleanup.Batch) (bool, error) {
	_, packed, err := packItem(&b)
	if err != nil {
		return false, err
	}
	it := newItem(cleanupPK, batchSK)
	it[attrKey], it[attrBody] = text(b.Key), blob(packed)
	err = v.s.write(ctx, put(v.s.tables.Jobs, it, absent))
	var r *refusal
	if errors.As(err, &r) { // a key is made once: it was ours if it is there
		return r.stored[0].text(attrKey) == b.Key, nil
	}
	return err == nil, err
}

// End implements cleanup.Batches.
func (v Closed) End(ctx context.Context, name string) error {
	err := v.s.write(ctx, remove(v.s.tables.Jobs, key(cleanupPK, batchSK), condition{"#key = :key", item{":key": text(name)}}))
	if refusedAt(err, 0) {
		return nil // gone, or another one by now
	}
	return err
}

// Damaged implements cleanup.Damages.
func (v Closed) Damaged(ctx context.Context) (d cleanup.Damaged, err error) {
	it, err := v.s.get(ctx, v.s.tables.Jobs, key(cleanupPK, damagedSK))
	if err != nil || it == nil {
		return d, err
	}
	d.Version = it.uint(attrVersion)
	return d, it.body(&d)
}

// SetDamaged implements cleanup.Damages.
func (v Closed) SetDamaged(ctx context.Context, d cleanup.Damaged) error {
	const what = "note damaged objects"
	content, packed, err := packItem(&d)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	it := newItem(cleanupPK, damagedSK)
	token := v.s.token(fmt.Appendf(nil, "%d", d.Version), content)
	it[attrVersion], it[attrWrite], it[attrBody] = number(d.Version+1), blob(token), blob(packed)
	return ours(v.s.write(ctx, put(v.s.tables.Jobs, it, since(d.Version))), 0, token, cleanup.ErrConflict, what)
}
