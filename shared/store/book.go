package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// attrHashlock is the hashlock in a row of the watch book.
const attrHashlock = "h"

func bookKey(chain uint64) string { return "watch#" + strconv.FormatUint(chain, 10) }

// rowPrefix begins the sort keys of an escrow's rows, one for each order.
func rowPrefix(escrow common.Address) string { return strings.ToLower(escrow.Hex()) + "#" }

// rowsOf builds the watch-book rows of an order; none for a closed one. The
// side need not be stored: an order's source escrow is its id.
func rowsOf(o swap.Order) (rows []item) {
	if o.Closed {
		return nil
	}
	hashlock := o.Hashlock()
	for _, e := range o.Escrows() {
		row := newItem(bookKey(e.ChainID), rowPrefix(e.Escrow)+o.ID.String())
		row[attrHashlock] = blob(hashlock[:])
		if !slices.ContainsFunc(rows, row.sameKey) {
			rows = append(rows, row)
		}
	}
	return rows
}

// Watched implements follow.Orders.
func (v Orders) Watched(ctx context.Context, chain uint64) (rows []follow.Watched, err error) {
	for it, err := range v.s.query(ctx, partition(v.s.tables.Orders, bookKey(chain), "")) {
		if err != nil {
			return nil, fmt.Errorf("read watch book of chain %d: %w", chain, err)
		}
		row, err := readRow(it, chain)
		if err != nil {
			return nil, fmt.Errorf("read watch book of chain %d: %w", chain, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
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
