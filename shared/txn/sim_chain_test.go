package txn_test

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
)

// gwei is 10^9 wei.
const gwei = 1_000_000_000

// simChain is a chain with a pool, in memory. It executes calls of escrows with
// the contracts' own answers (swap.Leg.Check), so that what is sent too early,
// twice or by the wrong account reverts as it would.
type simChain struct {
	*world
	id       uint64
	step     swap.ChainTime // usual time between blocks
	blocks   []simBlock     // canonical; the first is the genesis
	pool     map[common.Hash]*simTx
	seen     map[common.Hash]*simTx // all that were ever sent
	baseFee  uint64                 // of the next block, wei
	tip      uint64
	dataFee  uint64 // of L1, wei per byte
	legacy   bool
	balance  map[common.Address]*uint256.Int // absent: plenty
	refuses  func(token, to common.Address) bool
	mute     bool   // takes no transactions
	full     bool   // mines none
	shut     bool   // the resolver contract refuses our signer
	forgets  bool   // takes transactions and does not keep them
	knows    bool   // says of every transaction that it has it already
	silent   bool   // the resolver contract makes no call, and succeeds
	pretends uint64 // pending transactions that there are not
	perBlock int64  // transactions that a block takes; zero: any number
	halted   bool   // makes no blocks while somebody waits
	lag      uint64 // blocks that the node which rehearses is behind
	lied     uint64 // the next nonce that the node once told although it is not
	// dead are the nonces that were ever used in vain: by a foreign transaction, by
	// one that reverted, or by a replacement without some call. What was sent with
	// them may be sent again.
	dead map[uint64]bool
}

type simTx struct {
	hash     common.Hash
	from, to common.Address
	nonce    uint64
	fee, tip uint256.Int
	data     []byte
	foreign  bool // signed by our key, but not by the system
	stranger bool // of somebody else: nonces do not matter
	sentAt   swap.ChainTime
}

type simBlock struct {
	swap.Block
	state simState
	txs   []common.Hash
	base  uint64
}

// simState is what a chain looks like after a block.
type simState struct {
	nonces map[common.Address]uint64
	ended  map[common.Address]swap.EventKind
	mined  map[common.Hash]txn.Outcome
	used   map[uint64]common.Hash // which transaction of our signer used a nonce
	events []swap.EscrowEvent
}

func (s simState) clone() simState {
	return simState{maps.Clone(s.nonces), maps.Clone(s.ended), maps.Clone(s.mined), maps.Clone(s.used), slices.Clip(s.events)}
}

func newChain(w *world, id uint64, step swap.ChainTime) *simChain {
	c := &simChain{world: w, id: id, step: step, pool: map[common.Hash]*simTx{}, seen: map[common.Hash]*simTx{},
		baseFee: 2 * gwei, tip: gwei, balance: map[common.Address]*uint256.Int{}, dead: map[uint64]bool{}}
	c.blocks = []simBlock{{Block: swap.Block{Number: 100, Time: simStart, Hash: c.hash()}, state: simState{
		map[common.Address]uint64{}, map[common.Address]swap.EventKind{}, map[common.Hash]txn.Outcome{}, map[uint64]common.Hash{}, nil}}}
	return c
}

func (c *simChain) hash() (h common.Hash) {
	for i := range h {
		h[i] = byte(c.rng.Uint32())
	}
	return h
}

// at is the block so many below the head.
func (c *simChain) at(depth uint64) *simBlock {
	return &c.blocks[len(c.blocks)-1-int(min(depth, uint64(len(c.blocks)-1)))]
}

func (c *simChain) head() *simBlock { return c.at(0) }

// mine appends a block, so many seconds after the head.
func (c *simChain) mine(seconds swap.ChainTime) {
	top := c.head()
	b := simBlock{Block: swap.Block{Number: top.Number + 1, Time: top.Time + seconds, Hash: c.hash()}, state: top.state, base: c.baseFee}
	for !c.full {
		ready := c.includable(&b)
		if len(ready) == 0 {
			break
		}
		tx := ready[0]
		if left := int64(len(b.txs)); c.perBlock > 0 && left >= c.perBlock {
			break
		}
		delete(c.pool, tx.hash)
		c.execute(&b, tx)
	}
	c.blocks = append(c.blocks, b)
}

// includable lists what a block can take next. A transaction cannot be part of
// a block that was built before it was sent: in a reorg the new blocks carry
// times of the past.
func (c *simChain) includable(b *simBlock) (out []*simTx) {
	for _, tx := range c.pool {
		fits := tx.stranger || tx.nonce == b.state.nonces[tx.from] && !tx.fee.Lt(uint256.NewInt(c.baseFee))
		if fits && b.Time > tx.sentAt {
			out = append(out, tx)
		}
	}
	slices.SortFunc(out, inTurn)
	return out
}

// inTurn orders transactions as a block takes them: the same ones always alike.
func inTurn(a, b *simTx) int { return cmp.Or(cmp.Compare(a.nonce, b.nonce), a.hash.Cmp(b.hash)) }

// drop takes out of the pool what which says of each, in turn: it may draw.
func (c *simChain) drop(which func(*simTx) bool) {
	for _, tx := range slices.SortedFunc(maps.Values(c.pool), inTurn) {
		if which(tx) {
			c.note("chain %d drops nonce %d", c.id, tx.nonce)
			delete(c.pool, tx.hash)
		}
	}
}

// execute runs a transaction: all of its calls, or none of them.
func (c *simChain) execute(b *simBlock, tx *simTx) {
	if len(b.txs) == 0 {
		b.state = b.state.clone() // until now it was the one of the block before
	}
	b.txs = append(b.txs, tx.hash)
	before := b.state.clone()
	calls := []swap.InnerCall{{Target: tx.to, Data: tx.data}}
	caller := tx.from
	if inner, ok, err := swap.Unwrap(tx.data); ok && err == nil && tx.to == c.resolver {
		calls, caller = inner, c.resolver
		if c.silent {
			calls = nil
		}
	}
	out := txn.Outcome{Known: true, Mined: true, Success: true, Block: b.Block, GasUsed: 50_000 * uint64(max(1, len(calls)))}
	if c.shut && tx.to == c.resolver {
		out.Success, calls = false, nil
	}
	for _, call := range calls {
		ev, r := c.call(b, tx, caller, call)
		if r != swap.RevertNone {
			b.state, out.Success, out.Events = before, false, nil
			break
		}
		if ev.Kind != 0 {
			out.Events = append(out.Events, ev)
		}
	}
	if tx.from == c.signer && (tx.foreign || !out.Success || c.leavesOut(tx)) {
		c.dead[tx.nonce] = true
	}
	if !tx.stranger {
		b.state.nonces[tx.from]++
		if tx.from == c.signer {
			b.state.used[tx.nonce] = tx.hash
		}
	}
	b.state.mined[tx.hash] = out
}

// leavesOut reports whether a transaction of ours holds fewer calls than its
// nonce was taken for.
func (c *simChain) leavesOut(tx *simTx) bool {
	held := min(1, len(tx.data))
	if inner, ok, err := swap.Unwrap(tx.data); ok && err == nil && tx.to == c.resolver {
		held = len(inner)
	}
	return slices.ContainsFunc(c.journal.All(c.account(c.id)), func(e txn.Entry) bool {
		return e.Nonce == tx.nonce && held < len(e.Acts)
	})
}

// call runs one call of an escrow; anything else succeeds and does nothing.
func (c *simChain) call(b *simBlock, tx *simTx, caller common.Address, call swap.InnerCall) (ev swap.EscrowEvent, r swap.Revert) {
	leg, ok := c.legs[call.Target]
	if !ok || leg.ChainID != c.id {
		return ev, swap.RevertNone
	}
	in, ok, err := swap.DecodeCall(call.Data)
	if !ok || err != nil {
		return ev, swap.RevertEmpty
	}
	r = c.answer(b.state, leg, in, caller, b.Time, tx.stranger)
	if w, _ := leg.Window(in.Call); r == swap.RevertInvalidTime && b.Time < w.From {
		c.fail("%s of escrow %s was included at %d, before %d", in.Call, leg.Escrow, b.Time, w.From)
	}
	if r != swap.RevertNone {
		return ev, r
	}
	ev = swap.EscrowEvent{ChainID: c.id, Escrow: leg.Escrow, Kind: swap.Cancelled,
		At: swap.Position{Block: b.Number, BlockHash: b.Hash, Time: b.Time, Tx: tx.hash, Index: uint(len(b.txs))}}
	if in.Call.TakesSecret() {
		ev.Kind, ev.Secret = swap.Withdrawn, in.Args.Secret
	}
	b.state.ended[leg.Escrow] = ev.Kind
	b.state.events = append(b.state.events, ev)
	return ev, swap.RevertNone
}

func (c *simChain) answer(s simState, leg swap.Leg, in swap.EscrowCall, caller common.Address, at swap.ChainTime, token bool) swap.Revert {
	funds := &swap.Funds{Token: leg.Immutables.AmountInt(), Native: leg.Immutables.DepositInt(), Refuses: c.refuses}
	if s.ended[leg.Escrow] != 0 {
		funds.Token, funds.Native = uint256.Int{}, uint256.Int{}
	}
	return leg.Check(swap.Attempt{Call: in.Call, Caller: caller, HoldsAccessToken: token, Time: at,
		Immutables: in.Immutables, Secret: in.Args.Secret, Token: in.Args.Token, Amount: in.Args.Amount, Funds: funds})
}

// reorg replaces the last blocks by one more of their number, each as late as
// the one it replaces or later. What they held is in the pool again, but for
// what keep refuses.
func (c *simChain) reorg(depth int, keep func(*simTx) bool) {
	at := len(c.blocks) - depth
	gone := slices.Clone(c.blocks[at:])
	c.blocks = c.blocks[:at:at]
	for _, b := range gone {
		for _, h := range b.txs {
			if tx := c.seen[h]; keep(tx) || tx.stranger {
				c.pool[h] = tx
			}
		}
	}
	for _, b := range gone {
		c.mine(max(1, b.Time-c.head().Time))
	}
	c.mine(c.step)
}

var (
	errUnderpriced = errors.New("replacement transaction underpriced")
	errMute        = errors.New("connection refused")
)

// take is a node's answer to a broadcast.
func (c *simChain) take(raw []byte, foreign bool) error {
	switch {
	case c.mute:
		return errMute
	case c.forgets, c.knows:
		return nil // "already known" is success at the seam
	}
	var t types.Transaction
	if err := t.UnmarshalBinary(raw); err != nil {
		return err
	}
	signer := types.LatestSignerForChainID(t.ChainId())
	from, err := types.Sender(signer, &t)
	if err != nil || t.ChainId().Uint64() != c.id {
		return errors.Join(err, errors.New("of another chain"))
	}
	if c.legacy && t.Type() != types.LegacyTxType && !foreign {
		return types.ErrTxTypeNotSupported
	}
	tx := &simTx{hash: t.Hash(), from: from, to: *t.To(), nonce: t.Nonce(), data: t.Data(), foreign: foreign, sentAt: c.head().Time}
	tx.fee.SetFromBig(t.GasFeeCap())
	tx.tip.SetFromBig(t.GasTipCap())
	if known, ok := c.seen[tx.hash]; ok {
		tx = known
	}
	if c.pool[tx.hash] != nil || tx.nonce < c.head().state.nonces[from] {
		return nil
	}
	if waiting := c.waiting(from); waiting >= poolSlots && !c.holds(from, tx.nonce) && !foreign {
		c.fail("more than %d transactions of one sender in the pool", poolSlots)
	}
	for _, old := range c.pool {
		if old.from != from || old.nonce != tx.nonce {
			continue
		}
		if !raisedEnough(old.fee, tx.fee) || !raisedEnough(old.tip, tx.tip) {
			return errUnderpriced
		}
		delete(c.pool, old.hash)
	}
	c.pool[tx.hash], c.seen[tx.hash] = tx, tx
	return nil
}

// poolSlots is what a node keeps of one sender.
const poolSlots = 16

// waiting counts the transactions of a sender in the pool.
func (c *simChain) waiting(from common.Address) (n int) {
	for _, tx := range c.pool {
		if tx.from == from {
			n++
		}
	}
	return n
}

func (c *simChain) holds(from common.Address, nonce uint64) bool {
	for _, tx := range c.pool {
		if tx.from == from && tx.nonce == nonce {
			return true
		}
	}
	return false
}

func raisedEnough(old, cur uint256.Int) bool {
	least := new(uint256.Int).Mul(&old, uint256.NewInt(110))
	return !new(uint256.Int).Mul(&cur, uint256.NewInt(100)).Lt(least)
}

// strange puts a call of somebody else into the pool.
func (c *simChain) strange(leg swap.Leg, call swap.Call, secret [32]byte) {
	data, err := swap.EncodeCall(leg, call, swap.CallArgs{Secret: secret})
	if err != nil {
		c.fail("encode %s: %v", call, err)
	}
	tx := &simTx{hash: c.hash(), from: named("stranger"), to: leg.Escrow, data: data, stranger: true, sentAt: c.head().Time}
	c.pool[tx.hash], c.seen[tx.hash] = tx, tx
}

// foreign signs a transaction with our key behind the system's back.
func (c *simChain) foreign(nonce uint64, fee uint64) error {
	to := named("elsewhere")
	signer := types.LatestSignerForChainID(uint256.NewInt(c.id).ToBig())
	tx, err := types.SignNewTx(c.key, signer, &types.DynamicFeeTx{ChainID: uint256.NewInt(c.id).ToBig(), Nonce: nonce,
		GasFeeCap: uint256.NewInt(fee).ToBig(), GasTipCap: uint256.NewInt(fee).ToBig(), Gas: 21_000, To: &to})
	if err != nil {
		return err
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return err
	}
	return c.take(raw, true)
}

func named(s string) common.Address { return common.BytesToAddress(crypto.Keccak256([]byte(s))) }

func wordOf(a common.Address) swap.Word { return common.BytesToHash(a[:]) }
