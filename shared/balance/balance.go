package balance

import (
	"context"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Holding is an account and a token to read there. The zero token is the native coin.
type Holding struct{ Account, Token common.Address }

// Reading is what a chain answers for a holding, in base units.
type Reading struct {
	Amount uint256.Int
	// Failed says why there is no amount, in constant words; empty: there is one.
	Failed string
	// Mute: nobody who was asked had an amount, and as far as can be told that is the
	// token's doing; an error that nobody foresaw counts, too. To ask again at once
	// would not help.
	Mute bool
}

// Fees are the prices of a chain at a head.
type Fees struct {
	// BaseFee and Tip are wei per gas. Where fees are legacy, BaseFee is the gas price and Tip zero.
	BaseFee, Tip uint256.Int
	// Data is what a rollup takes for publishing the sample that was asked about, in wei; zero
	// where nothing is taken, or it is taken as gas.
	Data uint256.Int
}

// Chain reads one or more chains.
type Chain interface {
	// Head reads the head and its age by the wall clock.
	Head(ctx context.Context, chain uint64) (swap.Block, time.Duration, error)
	// Fees reads the present prices; sample is an unsigned transaction of the usual size.
	Fees(ctx context.Context, chain uint64, sample []byte) (Fees, error)
	// Holdings reads balances at the given block, in the order asked, batched. What an account or
	// token fails to answer is Failed in its own reading; the error means that nothing was read.
	Holdings(ctx context.Context, chain uint64, at swap.Block, of []Holding) ([]Reading, error)
}

// Book keeps the snapshots. It is safe for concurrent use by many processes.
type Book interface {
	// Latest reads the newest snapshot of a chain that is not older than Keep at now, strongly
	// consistent; the zero Snapshot if there is none.
	Latest(ctx context.Context, chain uint64, now time.Time) (Snapshot, error)
	// Save keeps a snapshot under its chain and At, until Keep after At. One that is there already
	// is replaced only by one with fewer readings missing; otherwise nothing changes, and that is
	// success: a tick has one snapshot, however often it runs. Safe to repeat after any error.
	Save(ctx context.Context, s Snapshot) error
}

// History reads the snapshots of a chain from first to last, both included, oldest first. Those
// older than Keep at now are left out, whatever is stored; one that cannot be read is an error
// beside the rest.
type History interface {
	Snapshots(ctx context.Context, chain uint64, first, last, now time.Time) ([]Snapshot, error)
}

// Keep is how long a snapshot is kept.
const Keep = 7 * 24 * time.Hour

// Snapshot is what the accounts of one chain held at one head.
type Snapshot struct {
	ChainID uint64     `json:"chain"`
	At      time.Time  `json:"at"` // the scheduled time of the pass
	Head    swap.Block `json:"head"`
	// Holdings are by account, then token. The coin of a signer has the level of its gas.
	Holdings []Held `json:"holdings"`
	Gas      []Gas  `json:"gas"` // by signer
}

// Missing is how many readings there are none of.
func (s Snapshot) Missing() int {
	n := 0
	for _, h := range s.Holdings {
		if h.Failed != "" {
			n++
		}
	}
	for _, g := range s.Gas {
		if !g.Priced || !g.Counted {
			n++
		}
	}
	return n
}

// Find returns what an account held of a token; false if that was not read.
func (s Snapshot) Find(h Holding) (Held, bool) {
	for _, held := range s.Holdings {
		if held.Holding() == h {
			return held, held.Failed == ""
		}
	}
	return Held{}, false
}

// Held is one holding as read and judged.
type Held struct {
	Account  common.Address `json:"account"`
	Token    common.Address `json:"token"` // zero: native coin
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Amount   uint256.Int    `json:"amount"` // base units; meaningless if Failed
	// Least is the operator's threshold in base units, zero where he set none.
	Least uint256.Int `json:"least"`
	// Level is how it stands or, of a failed one, what it was before: see Low.
	Level  Level  `json:"level"`
	Failed string `json:"failed,omitempty"`
}

// Low tells whether it was read and found below its threshold. What was not read is
// neither low nor well.
func (h Held) Low() bool { return h.Failed == "" && h.Level >= Low }

// Holding is the account and token.
func (h Held) Holding() Holding { return Holding{h.Account, h.Token} }

// Gas is a signer's native coin in actions.
type Gas struct {
	Signer  common.Address `json:"signer"`
	Balance uint256.Int    `json:"balance"` // wei
	Price   uint256.Int    `json:"price"`   // of one action at the stressed fee, in wei
	// Payable is how many actions the balance pays at that price, at most MaxPayable.
	Payable uint64 `json:"payable"`
	Owed    int    `json:"owed"` // actions that are open or still to come
	// Reserve is what those take at that price, in wei.
	Reserve uint256.Int `json:"reserve"`
	Level   Level       `json:"level"`
	// Read, Priced and Counted say whether the balance, the price and Owed are known.
	Read    bool `json:"read"`
	Priced  bool `json:"priced"`
	Counted bool `json:"counted"`
}

// Level is how a holding stands.
type Level uint8

// The levels, getting worse. A level is stored as its number, so the numbers never change.
const (
	Unknown  Level = iota // never judged
	OK                    // above its threshold
	Low                   // below it
	Critical              // so low that something will fail
)

func (l Level) String() string {
	return [...]string{"unknown", "ok", "low", "critical"}[min(l, Critical)]
}

// Config is what the operator says of one chain.
type Config struct {
	Name   string
	Takers map[common.Address]Taker
	// AccessTokenSigner makes public calls for takers without a key; zero where nobody does.
	AccessTokenSigner common.Address
	Tokens            map[common.Address]Token
	// MinNative is the least that a signer should hold in wei, and MinActions how many actions it
	// should be able to pay beside all that is open. The tighter of the two counts.
	MinNative  uint256.Int
	MinActions uint64
	// MaxFee is the dearest of the fee caps, in wei: nothing costs more, it is rather not sent.
	MaxFee uint256.Int
}

// Taker is an account whose tokens are watched.
type Taker struct {
	Signer common.Address // zero: no key of ours acts for it
	// Least overrides the thresholds of tokens, by address; the zero address is the native coin.
	Least map[common.Address]uint256.Int
}

// Token is a token that takers hold.
type Token struct {
	Symbol   string
	Decimals uint8
	Least    uint256.Int // that each taker should hold, in base units; zero: no threshold
}

// signers lists the keys that act on the chain, in the order of their addresses.
func (c Config) signers() []common.Address {
	all := map[common.Address]bool{c.AccessTokenSigner: true}
	for _, t := range c.Takers {
		all[t.Signer] = true
	}
	delete(all, common.Address{})
	return sorted(all)
}

// signerFor is who acts for a taker; zero if nobody does.
func (c Config) signerFor(taker common.Address) common.Address {
	t, ours := c.Takers[taker]
	switch {
	case !ours:
		return common.Address{}
	case t.Signer == (common.Address{}):
		return c.AccessTokenSigner
	}
	return t.Signer
}

// holdings lists what is read, by account and then token.
func (c Config) holdings() []Holding {
	accounts := map[common.Address]bool{}
	for _, s := range c.signers() {
		accounts[s] = true
	}
	for t := range c.Takers {
		accounts[t] = true
	}
	var out []Holding
	for _, a := range sorted(accounts) {
		out = append(out, Holding{Account: a})
		if _, taker := c.Takers[a]; !taker {
			continue // a signer that is no taker holds gas only
		}
		for _, t := range sorted(c.Tokens) {
			out = append(out, Holding{a, t})
		}
	}
	return out
}

// least is the threshold of a holding.
func (c Config) least(h Holding) uint256.Int {
	own, ok := c.Takers[h.Account].Least[h.Token]
	switch {
	case ok:
		return own
	case h.Token != (common.Address{}):
		return c.Tokens[h.Token].Least
	case slices.Contains(c.signers(), h.Account):
		return c.MinNative
	}
	return uint256.Int{}
}
