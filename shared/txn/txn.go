package txn

import (
	"context"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Account is one signing key on one chain: the unit of nonces, of the lease
// and of doorbells.
type Account struct {
	ChainID uint64
	Signer  common.Address
}

// Signer signs with one key. It never sees more than a digest; what is signed
// is guarded by Guard before.
type Signer interface {
	// Sign returns the signature as r ‖ s ‖ v, 32 bytes each for r and s with
	// low s (EIP-2), v 0 or 1. The address is the key's own: an implementation
	// that finds another one returns an error.
	Sign(ctx context.Context, signer common.Address, digest common.Hash) ([65]byte, error)
}

// Backend is a chain as the executor and the tracker need it. Every method
// names the endpoint in its errors, without its path or token.
type Backend interface {
	// Head reads the head and its age by the wall clock.
	Head(ctx context.Context, chain uint64) (swap.Block, time.Duration, error)
	// Account reads the nonces and fee market for a signer, at one head. depth
	// is the number of blocks below the head at which Settled is read.
	Account(ctx context.Context, a Account, depth uint64) (AccountState, error)
	// Rehearse runs a call as it would run in a block at the given time. Where
	// the node has no block-time override it runs at the head's time, and
	// says so. A revert is a result, not an error.
	Rehearse(ctx context.Context, c Call, at swap.ChainTime) (Rehearsal, error)
	// DataFee reads what a rollup charges for publishing a transaction on L1, in
	// wei, beside its gas; zero on chains that charge nothing or charge it as
	// gas. unsigned is the transaction without its signature, as it is signed.
	DataFee(ctx context.Context, chain uint64, unsigned []byte) (uint256.Int, error)
	// Send broadcasts raw bytes to every endpoint that takes them. Success
	// includes "already known" and "nonce too low": the journal decides what
	// became of a nonce, not the node's answer.
	Send(ctx context.Context, chain uint64, raw []byte) error
	// Outcomes looks transactions up by hash, batched, in the order given.
	Outcomes(ctx context.Context, chain uint64, hashes []common.Hash) ([]Outcome, error)
}

// Call is what a transaction executes. Value is always zero: nothing we call
// takes money.
type Call struct {
	ChainID  uint64
	From, To common.Address
	Data     []byte
	Gas      uint64
}

// AccountState is what one endpoint says of an account and the fee market.
type AccountState struct {
	Head    swap.Block
	Latest  uint64 // transactions mined up to the head: the next nonce on chain
	Settled uint64 // like Latest, depth blocks below the head: nonces below it are used up for good
	Pending uint64 // including the node's pool; a node may lie about it, so it only informs
	Balance uint256.Int
	// BaseFee is the head's, wei per gas; zero on chains with legacy fees.
	BaseFee uint256.Int
	// Tip is the node's suggestion: priority fee, or gas price on legacy chains.
	Tip    uint256.Int
	Legacy bool
}

// Rehearsal is the outcome of a call that was not sent.
type Rehearsal struct {
	Revert swap.Revert // RevertNone: it would succeed
	AtHead bool        // run at the head's time, the override not being available
}

// Outcome is what a chain knows of a transaction hash.
type Outcome struct {
	Known   bool // in a pool or mined
	Mined   bool
	Success bool
	Block   swap.Block
	GasUsed uint64
	Cost    uint256.Int // wei, all fees counted, the L1 data fee included
	// Events are those of the receipt's logs that read as an escrow's. Anybody
	// can emit a look-alike: one counts for the escrow whose address it bears.
	Events []swap.EscrowEvent
}

// Version is an opaque token of a store: the zero value means "not stored".
type Version uint64

// EntryState is what is true of a journalled nonce.
type EntryState string

const (
	Open    EntryState = "open"    // signed, perhaps broadcast, not mined for good
	Mined   EntryState = "mined"   // our transaction is final
	Foreign EntryState = "foreign" // the nonce was mined with a hash that is not ours
)

// Entry is one nonce of an account in the journal.
type Entry struct {
	Account
	Nonce uint64
	// Acts are the actions that the nonce was taken for, the most urgent first:
	// one, or several calls of one resolver contract. Empty only where the nonce
	// was a gap that nothing else could fill. They never change.
	Acts    []Act
	State   EntryState
	Txs     []Tx // oldest first; never empty
	Version Version
	// SettledAt is the head at which the entry was settled: at it the nonce was
	// used. Zero while it never was, and where a former release did it.
	SettledAt swap.Block `json:",omitzero"`
	// Result is what became of a mined entry's transaction. Zero of any other,
	// and of one that a former release settled; of one that is open again it is
	// of before.
	Result Result `json:",omitzero"`
	// UndoneAt is the head at which what the entry had been settled by was found
	// to have left the chain; zero: never. Such an entry is open again.
	UndoneAt swap.Block `json:",omitzero"`
}

// Result is what a mined transaction did and cost.
type Result struct {
	Tx       common.Hash
	Block    swap.Block
	Reverted bool `json:",omitempty"`
	GasUsed  uint64
	Cost     uint256.Int // wei, all fees counted
	// Hard is the nearest hard deadline of what it did, zero if it had none.
	Hard swap.ChainTime `json:",omitempty"`
}

// Act is an action of an order.
type Act struct {
	Order  swap.OrderID
	Action swap.ActionKey
}

// MaxActs is the most actions of one entry. Settling one takes two items of
// work and two of its own in one transaction of the store, and DynamoDB allows
// 100; the gas of so many calls stays a small share of a block, see maxBatchGas.
const MaxActs = 32

// Has reports whether the action is one of the entry's.
func (e Entry) Has(k swap.ActionKey) bool {
	return slices.ContainsFunc(e.Acts, func(a Act) bool { return a.Action == k })
}

// last is the entry's latest transaction.
func (e Entry) last() Tx { return e.Txs[len(e.Txs)-1] }

// undone reports whether the entry is open although it had been settled.
func (e Entry) undone() bool { return e.State == Open && e.UndoneAt != (swap.Block{}) }

// unmined is the time since when a transaction of the entry has been waiting.
func (e Entry) unmined(t Tx) swap.ChainTime { return max(t.Head.Time, e.UndoneAt.Time) }

// Tx is one signed transaction of an entry.
type Tx struct {
	Hash common.Hash
	Raw  []byte // signed bytes as broadcast
	// Acts are the indexes of the entry's acts whose calls the transaction
	// holds; nil: all of them, or none if it only uses the nonce up. A
	// replacement may leave out what is no longer wanted.
	Acts     []int `json:",omitempty"`
	Gas      uint64
	FeeCap   uint256.Int // wei per gas
	TipCap   uint256.Int // wei per gas
	SignedAt time.Time
	Head     swap.Block // at which it was decided
}

// Hold is a lease that is checked before each effect.
type Hold interface {
	// Check returns an error once the lease may belong to somebody else.
	Check() error
	// Fence identifies the holder to the store, which refuses the writes of
	// any other.
	Fence() Fence
}

// Fence is the store's view of a lease: the item's key, its owner and the
// generation that the owner holds.
type Fence struct {
	Lease      string
	Owner      string
	Generation uint64
}

// Journal is where signed transactions are written before they are sent.
type Journal interface {
	// Entries reads all open entries of an account, consistently, by nonce,
	// and the highest nonce ever journalled plus one (0 if none).
	Entries(ctx context.Context, a Account) (open []Entry, next uint64, err error)
	// Record writes an entry and the step of the work of all its acts to
	// submitted in one transaction that also checks the fence. For a new entry
	// (Version 0) the nonce must be free, and works are those of its acts, in
	// their order; for a bump the stored version must be e.Version, and there
	// are no works. swap.ErrConflict if a condition fails; a repeated write whose
	// response was lost succeeds. Nothing may be broadcast before it returns.
	Record(ctx context.Context, f Fence, e Entry, works []swap.Work) error
	// Settle moves an entry to a terminal state, and the given works of its acts
	// (each at most once; the others are left as they are) to their states, in
	// one transaction. Needs no lease: it sends nothing.
	Settle(ctx context.Context, e Entry, works []swap.Work) error
	// Done reads the settled entries of an account whose nonce is from or
	// higher, consistently, by nonce, no more than limit.
	Done(ctx context.Context, a Account, from uint64, limit int) ([]Entry, error)
	// Reopen makes a settled entry, as it was read but for State and UndoneAt,
	// open again, in one transaction that also checks the fence. It moves no
	// work: what the entry did may be in the history. swap.ErrConflict if a
	// condition fails; a repeated write whose response was lost succeeds.
	Reopen(ctx context.Context, f Fence, e Entry) error
}

// Works is the part of the action store that the drain and the tracker need.
type Works interface {
	// Live reads all live work of a taker on a chain, consistently. Work that
	// cannot be read does not hide the rest, which is returned beside the error.
	Live(ctx context.Context, chain uint64, taker common.Address) ([]swap.Work, error)
	// Save writes one work item; see watch.Actions.
	Save(ctx context.Context, w swap.Work) error
}

// Facts tells how far a chain's logs have been read; see watch.Facts.
type Facts interface {
	Provisional(ctx context.Context, chain uint64) (swap.Provisional, error)
}

// Report takes the findings of a run to the alerts; see watch.Report.
type Report func(ctx context.Context, findings []swap.Finding) error

// Decide plans orders on fresh views without writing anything. It is the last
// word before a signature.
type Decide func(ctx context.Context, ids []swap.OrderID) (map[swap.OrderID]swap.Case, swap.Views, error)
