package follow

import (
	"context"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Query is one reading of logs.
type Query struct {
	ChainID   uint64
	From      uint64 // first block
	To        uint64 // last block wanted
	Factories []common.Address
	Topics    []common.Hash    // of the factories' events, topic0
	Escrows   []common.Address // known ones; all three of their events are read
	// Again asks for another endpoint than the one that read these blocks
	// before, where one is configured: the second reading is the proof of the
	// first.
	Again bool
}

// Span is a reading that may end early, never late: the logs of blocks
// [Query.From, End.Number], complete for the addresses asked.
type Span struct {
	Logs []swap.Log // in block order, with block times
	End  swap.Block // the last block covered
}

// Chain reads one or more chains. Implementations chunk addresses, shrink
// spans on range errors only, and compare the hash of the span's last block
// before and after.
type Chain interface {
	// Head reads the head and its age by the wall clock.
	Head(ctx context.Context, chain uint64) (swap.Block, time.Duration, error)
	// Block reads a block by number.
	Block(ctx context.Context, chain, number uint64) (swap.Block, error)
	// Logs reads a span; End.Number < Query.From means nothing could be read.
	Logs(ctx context.Context, q Query) (Span, error)
}

// Probe reads what logs do not say.
type Probe interface {
	// Balances reads the token and native balances of escrows at the given
	// block, in the order asked, batched. The zero token is the native coin. One
	// whose token gives no balance is Mute.
	Balances(ctx context.Context, chain uint64, at swap.Block, of []Holding) ([]swap.Balance, error)
	// Transactions reads sender, receiver and calldata by hash, batched, in the order
	// asked; an unknown hash gives the zero value.
	Transactions(ctx context.Context, chain uint64, hashes []common.Hash) ([]Transaction, error)
	// Payouts reads what cancellations moved of a token out of an escrow,
	// batched, in the order asked, what can be read beside the error of the rest.
	Payouts(ctx context.Context, chain uint64, of []Payout) ([]Paid, error)
}

// Payout is a transaction that cancelled an escrow, and the escrow's token.
type Payout struct {
	Tx, Block     common.Hash
	Escrow, Token common.Address
}

// Paid is what a transaction moved of the token out of the escrow by the token's
// own events. Known is false if no endpoint has the cancellation in that block.
type Paid struct {
	Known     bool
	Transfers []Transfer
}

// Transfer is one of them, in base units.
type Transfer struct {
	To     common.Address
	Amount uint256.Int
}

// Holding is an escrow and the token to read there.
type Holding struct{ Escrow, Token common.Address }

// Transaction is the part of a transaction that adoption needs.
type Transaction struct {
	From  common.Address
	To    common.Address // zero if it creates a contract
	Input []byte
}

// Watched is an escrow in the watch book of a chain: one small row per escrow
// of an open order, so that the list of what to read costs little and is
// consistent. An escrow may belong to several orders.
type Watched struct {
	Escrow   common.Address
	Order    swap.OrderID
	Hashlock common.Hash
	Side     swap.Side
}

// Orders is the part of the order store that follow needs.
type Orders interface {
	// Load reads orders consistently; ids without an item are left out. Orders
	// may come beside an error: then those missing may be there all the same.
	Load(ctx context.Context, ids []swap.OrderID) ([]swap.Order, error)
	// Save creates (Version 0) or replaces an order under the condition that
	// nobody wrote it since, together with the watch-book rows of its escrows
	// that were not there before, in one transaction. A closed order loses its
	// rows and its place in the indexes. swap.ErrConflict if somebody was
	// faster; repeating a write whose response was lost succeeds.
	Save(ctx context.Context, o swap.Order) error
	// Due lists the orders whose wake time on that side's chain is upTo or
	// earlier; see watch.Orders.
	Due(ctx context.Context, chain uint64, side swap.Side, upTo swap.ChainTime) ([]swap.OrderID, error)
	// Watched reads the chain's watch book, consistently and whole.
	Watched(ctx context.Context, chain uint64) ([]Watched, error)
}

// Facts stores the marks and provisional facts of a chain as one item.
type Facts interface {
	// Provisional reads them consistently; a chain never read gives the zero
	// value with its id.
	Provisional(ctx context.Context, chain uint64) (swap.Provisional, error)
	// Replace stores next if the stored facts still have prev's marks and
	// revision, and returns swap.ErrConflict if not. Repeating a write whose
	// response was lost succeeds.
	Replace(ctx context.Context, prev, next swap.Provisional) error
}

// Parked keeps dst escrows that name our takers and fit no known order, until
// one appears or they expire. Room is bounded per chain.
type Parked interface {
	// Park stores the event, idempotently; false if the chain's room is full.
	Park(ctx context.Context, d swap.DstCreated) (bool, error)
	// Parked lists the unexpired ones of a chain with that hashlock.
	Parked(ctx context.Context, chain uint64, hashlock common.Hash) ([]swap.DstCreated, error)
}

// Replan plans orders anew; see watch.Planner.
type Replan func(ctx context.Context, orders []swap.Order, facts map[uint64]swap.Provisional, views swap.Views) error

// Report takes the findings of a pass to the alerts; see watch.Report.
type Report func(ctx context.Context, findings []swap.Finding) error
