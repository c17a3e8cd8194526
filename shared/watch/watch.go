package watch

import (
	"context"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// Orders is the part of the order store that a sweep needs.
type Orders interface {
	// Due lists the orders whose wake time on that side's chain is upTo or
	// earlier. It reads an index: an order written a moment ago may be missing,
	// so nothing may be concluded from absence. Cost grows with the result.
	Due(ctx context.Context, chain uint64, side swap.Side, upTo swap.ChainTime) ([]swap.OrderID, error)
	// Load reads orders consistently, in no particular order. Ids without an
	// item are left out. An order that cannot be read does not hide the others:
	// they are returned beside the error, and then nothing may be concluded
	// from one that is missing.
	Load(ctx context.Context, ids []swap.OrderID) ([]swap.Order, error)
	// SetWakes writes new wake times if the order still has o.Version, and
	// returns swap.ErrConflict if not.
	SetWakes(ctx context.Context, o swap.Order, w swap.Wakes) error
}

// Sharing lists the open orders that have the escrow among theirs, consistently:
// an order is listed from the write on that gives it the escrow.
type Sharing func(ctx context.Context, chain uint64, escrow common.Address) ([]swap.OrderID, error)

// Facts tells what state-sync has read of a chain.
type Facts interface {
	// Provisional reads the chain's facts between its final block and its head,
	// consistently. A chain never read gives the zero value with its id.
	Provisional(ctx context.Context, chain uint64) (swap.Provisional, error)
}

// Actions is the part of the action store that replanning needs.
type Actions interface {
	// Live reads all live work of a taker on a chain, consistently. Work that
	// cannot be read does not hide the rest, which is returned beside the error.
	Live(ctx context.Context, chain uint64, taker common.Address) ([]swap.Work, error)
	// Save writes one work item: creates it where Version is 0, replaces it
	// where the stored version is still w.Version. A terminal state moves the
	// item to its order's history in the same transaction. swap.ErrConflict if
	// somebody was faster; repeating a write whose response was lost succeeds.
	Save(ctx context.Context, w swap.Work) error
}

// Probe reads what escrows hold.
type Probe interface {
	// Balances reads the token and native balances of escrows at the given
	// block, in the order asked. The zero token is the native coin. One whose
	// token gives no balance is Mute.
	Balances(ctx context.Context, chain uint64, at swap.Block, of []Holding) ([]swap.Balance, error)
}

// Holding is an escrow and the token to read there.
type Holding struct{ Escrow, Token common.Address }

// Heads reads the head of a chain: the block, and its age by the wall clock.
type Heads interface {
	Head(ctx context.Context, chain uint64) (swap.Block, time.Duration, error)
}

// Ring asks the executor to look at one signer's work on one chain.
type Ring struct {
	ChainID uint64
	Signer  common.Address
	After   time.Duration // from now; the queue rounds to whole seconds, at most 15 minutes
}

// Ringer sends doorbells. Losing, doubling or delaying one must cost the
// receiver nothing but time.
type Ringer interface {
	Ring(ctx context.Context, rings []Ring) error
}

// Over says that a finding of that code about a chain is no longer true, with
// what proves it. Saying so of what was never found costs a look.
type Over func(ctx context.Context, code swap.FindingCode, chain uint64, proof string) error

// Report takes the findings of a pass to the alerts: after nil they are kept until
// people are told of them.
type Report func(ctx context.Context, findings []swap.Finding) error
