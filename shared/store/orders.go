package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

// shards is the number of index partitions per chain and side. One takes 1,000
// writes a second, and a change of both wake times is two writes in each index;
// a sweep reads all of them, at half a unit each when nothing is due. Changing
// the number needs a migration: readers ask for exactly these.
const shards = 4

const (
	orderPrefix = "order#"
	orderSK     = "order"

	// attrSaved is the version with which the order's body became what it is: those
	// after it moved its wake times alone. Items of a former release have none.
	attrSaved = "s"
)

// Orders is watch.Orders and follow.Orders.
type Orders struct{ s *Store }

func orderKey(id swap.OrderID) item { return key(orderPrefix+id.String(), orderSK) }

func shardKey(chain uint64, shard int) string {
	return strconv.FormatUint(chain, 10) + "#" + strconv.Itoa(shard)
}

func shardOf(id swap.OrderID) int { return int(id.Escrow[len(id.Escrow)-1]) % shards }

// Due implements watch.Orders.
func (v Orders) Due(ctx context.Context, chain uint64, side swap.Side, upTo swap.ChainTime) ([]swap.OrderID, error) {
	if side != swap.Src && side != swap.Dst {
		return nil, fmt.Errorf("list due orders: %s", side)
	}
	found := make([][]swap.OrderID, shards)
	g, ctx := errgroup.WithContext(ctx)
	for i := range found {
		g.Go(func() error {
			in := &dynamodb.QueryInput{
				TableName: &v.s.tables.Orders, IndexName: aws.String(side.String()),
				KeyConditionExpression: aws.String(fmt.Sprintf("#%s_shard = :shard AND #%s_wake <= :up_to", side, side)),
				ExpressionAttributeValues: map[string]types.AttributeValue{
					":shard": text(shardKey(chain, i)), ":up_to": number(upTo),
				},
			}
			for it, err := range v.s.query(ctx, in) {
				if err != nil {
					return err
				}
				id, err := swap.ParseOrderID(strings.TrimPrefix(it.text(attrPK), orderPrefix))
				if err != nil {
					return err
				}
				found[i] = append(found[i], id)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("list %s orders due on chain %d: %w", side, chain, err)
	}
	return slices.Concat(found...), nil
}

// Load implements watch.Orders. Orders that cannot be read do not hide the
// others: what was read is returned together with the error.
func (v Orders) Load(ctx context.Context, ids []swap.OrderID) ([]swap.Order, error) {
	return v.load(ctx, ids, readOrder)
}

func (v Orders) load(ctx context.Context, ids []swap.OrderID, read func(item) (swap.Order, error)) ([]swap.Order, error) {
	seen := map[swap.OrderID]bool{}
	var keys []item
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			keys = append(keys, orderKey(id))
		}
	}
	items, err := v.s.getAll(ctx, v.s.tables.Orders, keys)
	if err != nil {
		return nil, fmt.Errorf("load %d orders: %w", len(keys), err)
	}
	var orders []swap.Order
	var errs []error
	for _, it := range items {
		o, err := read(it)
		if err != nil {
			errs = append(errs, fmt.Errorf("load order: %w", err))
			continue
		}
		orders = append(orders, o)
	}
	return orders, errors.Join(errs...)
}

// readOrder reads an order item. Version and wake times stand beside the body,
// because SetWakes changes them alone.
func readOrder(it item) (o swap.Order, err error) {
	if err := it.body(&o); err != nil {
		return swap.Order{}, err
	}
	if want := orderPrefix + o.ID.String(); it.text(attrPK) != want {
		return swap.Order{}, fmt.Errorf("item %s holds the order %s", it.text(attrPK), o.ID)
	}
	o.Version = it.uint(attrVersion)
	o.Wakes = swap.Wakes{Src: swap.ChainTime(it.int("src_wake")), Dst: swap.ChainTime(it.int("dst_wake"))}
	return o, nil
}

// readSaved reads an order without what sweeps change of it; see snapshot.Chains.
func readSaved(it item) (swap.Order, error) {
	o, err := readOrder(it)
	if saved := it.uint(attrSaved); saved != 0 {
		o.Version = saved
	}
	o.Wakes = swap.Wakes{}
	return o, err
}

// orderItem builds the item of the order's next version, and its token.
func (v Orders) orderItem(o swap.Order) (item, []byte, error) {
	body := o
	body.Wakes, body.Version = swap.Wakes{}, 0
	content, packed, err := packItem(&body)
	if err != nil {
		return nil, nil, err
	}
	it := newItem(orderPrefix+o.ID.String(), orderSK)
	token := v.s.token(content, fmt.Appendf(nil, "%d %d %d", o.Version, o.Wakes.Src, o.Wakes.Dst))
	it[attrVersion], it[attrWrite], it[attrBody] = number(o.Version+1), blob(token), blob(packed)
	it[attrSaved], it[attrFed] = number(o.Version+1), number(feedRules)
	for name, value := range wakeAttributes(o, o.Wakes) {
		if value != nil {
			it[name] = value
		}
	}
	return it, token, nil
}

// wakeAttributes are the wake times and the index keys that go with them; nil
// where there is none. An item is in an index only with both of its keys, so
// an order without the shard is in none.
func wakeAttributes(o swap.Order, w swap.Wakes) item {
	it := item{"src_wake": nil, "src_shard": nil, "dst_wake": nil, "dst_shard": nil}
	set := func(side string, chain uint64, at swap.ChainTime) {
		if at <= 0 {
			return
		}
		it[side+"_wake"] = number(at)
		if chain != 0 && !o.Closed {
			it[side+"_shard"] = text(shardKey(chain, shardOf(o.ID)))
		}
	}
	set("src", o.ID.ChainID, w.Src)
	set("dst", o.DstChainID(), w.Dst)
	return it
}

// SetWakes implements watch.Orders.
func (v Orders) SetWakes(ctx context.Context, o swap.Order, w swap.Wakes) error {
	if w.Src < 0 || w.Dst < 0 {
		return fmt.Errorf("set wake times of order %s: %d and %d are before the epoch", o.ID, w.Src, w.Dst)
	}
	token := v.s.token(fmt.Appendf(nil, "%s %d %d %d", o.ID, o.Version, w.Src, w.Dst))
	set, drop := []string{"#n = :next", "#w = :token"}, []string(nil)
	values := item{":next": number(o.Version + 1), ":token": blob(token)}
	for name, value := range wakeAttributes(o, w) {
		if value == nil {
			drop = append(drop, "#"+name)
			continue
		}
		set = append(set, "#"+name+" = :"+name)
		values[":"+name] = value
	}
	update := "SET " + strings.Join(set, ", ")
	if len(drop) > 0 {
		update += " REMOVE " + strings.Join(drop, ", ")
	}
	_, err := v.s.updateItem(ctx, v.s.tables.Orders, orderKey(o.ID), update, at(o.Version), values)
	return ours(err, 0, token, swap.ErrConflict, "set wake times of order %s", o.ID)
}

// Save implements follow.Orders. What happened by the order's facts is written to
// the feed with it. The most items in one transaction are those of an order that
// fills all its lists and forgets them all at once: itself, two for each of its
// escrows (one more than swap.MaxDstLegs and swap.MaxCandidates together), two for
// each of tally.MaxEvents events, and their mark. DynamoDB allows 100. The row of the
// order's source has the tag of its body, and is thus written with each change of that,
// or, where the order is there already, before it.
func (v Orders) Save(ctx context.Context, o swap.Order) error {
	if o.ID.ChainID == 0 || o.ID != (swap.OrderID{ChainID: o.Src.ChainID, Escrow: o.Src.Escrow}) {
		return fmt.Errorf("save order %s: its id is not its source leg", o.ID)
	}
	it, token, err := v.orderItem(o)
	if err != nil {
		return fmt.Errorf("save order %s: %w", o.ID, err)
	}
	table := v.s.tables.Orders
	var old []item
	var closedAt int64
	var happened []tally.Event
	same := false
	if o.Version > 0 {
		stored, err := v.s.get(ctx, table, orderKey(o.ID))
		if err != nil {
			return fmt.Errorf("save order %s: read it: %w", o.ID, err)
		}
		switch {
		case stored.wrote(token):
			return nil
		case stored == nil || stored.uint(attrVersion) != o.Version:
			return fmt.Errorf("save order %s: %w", o.ID, swap.ErrConflict)
		}
		before, err := readOrder(stored)
		if err != nil {
			return fmt.Errorf("save order %s: read it: %w", o.ID, err)
		}
		closedAt = stored.int(attrClosed)
		old = indexRows(before, closedAt)
		if same = stored[attrSaved] != nil && bytes.Equal(stored.blob(attrBody), it.blob(attrBody)); same {
			it[attrSaved] = stored[attrSaved]
		}
		if stored.int(attrFed) == feedRules {
			happened = tally.OfOrder(before)
		}
	}
	if o.Closed {
		if closedAt == 0 {
			closedAt = v.s.now().Unix()
		}
		it[attrClosed] = number(closedAt)
	}
	rows := indexRows(o, closedAt)
	if !same {
		saved := o
		saved.Version++
		tag, err := snapshot.TagOf(saved)
		if err != nil {
			return fmt.Errorf("save order %s: %w", o.ID, err)
		}
		rows = tagged(rows, tag, saved.Version)
	}
	ops := append([]types.TransactWriteItem{put(table, it, since(o.Version))}, v.s.replaceRows(old, rows)...)
	ops = append(ops, v.s.fed(shardOf(o.ID), fmt.Sprintf("%s#%d", o.ID, o.Version), happened, tally.OfOrder(o))...)
	if o.Version > 0 && len(ops) == 2 && ops[1].Put != nil && ops[1].Put.Item[attrTag] != nil {
		first, err := v.s.tagFirst(ctx, ops[1].Put.Item)
		if err != nil {
			return fmt.Errorf("save order %s: %w", o.ID, err)
		}
		if first {
			ops = ops[:1]
		}
	}
	return ours(v.s.write(ctx, ops...), 0, token, swap.ErrConflict, "save order %s", o.ID)
}

// replaceRows writes the rows that were not there, and one that has a tag, which is a
// new one, and deletes those that are not wanted any more.
func (s *Store) replaceRows(old, rows []item) (ops []types.TransactWriteItem) {
	for _, row := range rows {
		if row[attrTag] != nil || !slices.ContainsFunc(old, row.sameKey) {
			ops = append(ops, overwrite(s.tables.Orders, row))
		}
	}
	for _, row := range old {
		if !slices.ContainsFunc(rows, row.sameKey) {
			ops = append(ops, erase(s.tables.Orders, key(row.text(attrPK), row.text(attrSK))))
		}
	}
	return ops
}

func (it item) sameKey(o item) bool {
	return it.text(attrPK) == o.text(attrPK) && it.text(attrSK) == o.text(attrSK)
}
