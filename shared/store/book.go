package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// The attributes of a row of the watch book.
const (
	attrHashlock = "h"
	attrTaker    = "t" // of the order; rows of a former release have none
	// Of the row of a source, and only there.
	attrDstChain = "d" // where its maker is to be paid
	attrTag      = "g" // a snapshot.Tag of the order, as it was last written; rows of a former release have none
)

func bookKey(chain uint64) string { return "watch#" + strconv.FormatUint(chain, 10) }

// rowPrefix begins the sort keys of an escrow's rows, one for each order.
func rowPrefix(escrow common.Address) string { return strings.ToLower(escrow.Hex()) + "#" }

// rowsOf builds the watch-book rows of an order; none for a closed one. The
// side need not be stored: an order's source escrow is its id.
func rowsOf(o swap.Order) (rows []item) {
	if o.Closed {
		return nil
	}
	hashlock, taker := o.Hashlock(), o.Src.Immutables.TakerAddress()
	for _, e := range o.Escrows() {
		row := newItem(bookKey(e.ChainID), rowPrefix(e.Escrow)+o.ID.String())
		row[attrHashlock], row[attrTaker] = blob(hashlock[:]), blob(taker[:])
		if e == o.ID {
			row[attrDstChain] = number(o.DstChainID())
		}
		if !slices.ContainsFunc(rows, row.sameKey) {
			rows = append(rows, row)
		}
	}
	return rows
}

// tagged puts the tag of an order, and the version that its item will have, into the
// row of its source, if there is one.
func tagged(rows []item, tag snapshot.Tag, version uint64) []item {
	for _, row := range rows {
		if row[attrDstChain] != nil {
			row[attrTag], row[attrVersion] = blob(tag[:]), number(version)
		}
	}
	return rows
}

// tagFirst writes the row of an order's source before the order, of which nothing else
// than the body is to be written: two writes cost half of a transaction. If the order's
// is refused, or we die before it, the row has a tag that no order has ever had, and
// whoever goes by tags reads the order. A write that comes late, when the order is
// another by then, is refused for its version. If it is, or there is no row, it
// is for a transaction to decide.
func (s *Store) tagFirst(ctx context.Context, row item) (done bool, err error) {
	err = s.write(ctx, put(s.tables.Orders, row, condition{"attribute_exists(#pk) AND (attribute_not_exists(#n) OR #n <= :n)", item{":n": row[attrVersion]}}))
	if refusedAt(err, 0) {
		return false, nil
	}
	return err == nil, err
}

// book hands each row of a chain's watch book to each, as it is stored and as it is read.
func (s *Store) book(ctx context.Context, chain uint64, each func(it item, row follow.Watched)) error {
	for it, err := range s.query(ctx, partition(s.tables.Orders, bookKey(chain), "")) {
		var row follow.Watched
		if err == nil {
			row, err = readRow(it, chain)
		}
		if err != nil {
			return fmt.Errorf("read watch book of chain %d: %w", chain, err)
		}
		each(it, row)
	}
	return nil
}

// Watched implements follow.Orders.
func (v Orders) Watched(ctx context.Context, chain uint64) (rows []follow.Watched, err error) {
	err = v.s.book(ctx, chain, func(_ item, row follow.Watched) { rows = append(rows, row) })
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Legs lists the watch book as what is open; see balance.Monitor.
func (v Orders) Legs(ctx context.Context, chain uint64) (legs []balance.Leg, err error) {
	err = v.s.book(ctx, chain, func(it item, row follow.Watched) {
		leg := balance.Leg{Order: row.Order, Escrow: row.Escrow, Side: row.Side, DstChain: it.uint(attrDstChain)}
		if taker := it.blob(attrTaker); len(taker) == common.AddressLength {
			leg.Taker = common.Address(taker)
		}
		legs = append(legs, leg)
	})
	if err != nil {
		return nil, err
	}
	return legs, nil
}

// Open counts the open orders whose source is on the chain, without reading any.
// It may lag behind for a moment; rows of a former release are not counted.
func (v Orders) Open(ctx context.Context, chain uint64) (n int, err error) {
	in := partition(v.s.tables.Orders, bookKey(chain), "")
	in.ConsistentRead, in.Select, in.FilterExpression = nil, types.SelectCount, aws.String("attribute_exists(#d)")
	in.ExpressionAttributeNames = names(*in.KeyConditionExpression, *in.FilterExpression)
	for {
		page, err := v.s.db.Query(ctx, in)
		if err != nil {
			return 0, fmt.Errorf("count the open orders of chain %d: %w", chain, err)
		}
		if n += int(page.Count); len(page.LastEvaluatedKey) == 0 {
			return n, nil
		}
		in.ExclusiveStartKey = page.LastEvaluatedKey
	}
}

// Sharing is a watch.Sharing.
func (v Orders) Sharing(ctx context.Context, chain uint64, escrow common.Address) (ids []swap.OrderID, err error) {
	for it, err := range v.s.query(ctx, partition(v.s.tables.Orders, bookKey(chain), rowPrefix(escrow))) {
		if err != nil {
			return nil, fmt.Errorf("list the orders of escrow %s on chain %d: %w", escrow, chain, err)
		}
		row, err := readRow(it, chain)
		if err != nil {
			return nil, fmt.Errorf("list the orders of escrow %s on chain %d: %w", escrow, chain, err)
		}
		ids = append(ids, row.Order)
	}
	return ids, nil
}

func readRow(it item, chain uint64) (follow.Watched, error) {
	if err := it.check(); err != nil {
		return follow.Watched{}, err
	}
	escrow, order, _ := strings.Cut(it.text(attrSK), "#")
	id, err := swap.ParseOrderID(order)
	if err != nil || !common.IsHexAddress(escrow) || len(it.blob(attrHashlock)) != common.HashLength {
		return follow.Watched{}, fmt.Errorf("row %q is malformed", it.text(attrSK))
	}
	row := follow.Watched{Escrow: common.HexToAddress(escrow), Order: id, Hashlock: common.Hash(it.blob(attrHashlock)), Side: swap.Dst}
	if id == (swap.OrderID{ChainID: chain, Escrow: row.Escrow}) {
		row.Side = swap.Src
	}
	return row, nil
}
