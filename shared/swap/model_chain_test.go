package swap

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// held is what an escrow holds, in small numbers.
type held struct{ token, native uint64 }

// ending is a call that emptied an escrow.
type ending struct {
	escrow common.Address
	call   Call
	by     string
	coin   bool // of a rescue: of native coin
}

func (e ending) what() string {
	if e.coin {
		return e.call.String() + " of coin"
	}
	return e.call.String()
}

// simState is the state of a chain after a block.
type simState struct {
	legs map[common.Address]Leg
	held map[common.Address]held
	ends []ending
}

// clone copies what a block is about to change.
func (s simState) clone() simState {
	return simState{maps.Clone(s.legs), maps.Clone(s.held), slices.Clone(s.ends)}
}

type simBlock struct {
	Block
	made    int64 // the second at which it was made, whatever its timestamp
	created []Leg
	events  []EscrowEvent
	txs     []*simTx
	simState
}

// simTx is a transaction on its way or mined.
type simTx struct {
	id     int
	by     string
	due    int64  // the earliest second of inclusion
	after  uint64 // the head when it was sent: no block up to there can have it
	create func(at ChainTime) Leg
	leg    Leg
	call   Attempt
	key    ActionKey
	answer Revert
}

type simChain struct {
	id     uint64
	blocks []simBlock
	pool   []*simTx
	halted int64 // second until which no block is made
	slow   bool  // after a halt it catches up with past timestamps
	forks  int
	// facts as stored by the reader.
	facts Provisional
	// lag: the reader comes by every so many seconds.
	lag int64
}

func (c *simChain) head() *simBlock { return &c.blocks[len(c.blocks)-1] }

func (m *model) chain(id uint64) *simChain {
	c := &simChain{id: id, lag: 1 + m.r.Int64N(5)}
	if m.hostile && m.r.IntN(4) == 0 {
		c.lag = 1 + m.r.Int64N(40)
	}
	for at := int64(-depth - 1); at <= m.now; at++ {
		c.blocks = append(c.blocks, simBlock{Block: block(at), simState: simState{map[common.Address]Leg{}, map[common.Address]held{}, nil}})
	}
	// The history is empty but for what the model starts with.
	last := c.head().simState
	for i := range c.blocks {
		c.blocks[i].simState = last
	}
	c.facts = Provisional{ChainID: id, From: c.blocks[0].Block, To: c.blocks[0].Block}
	return c
}

func (m *model) on(id uint64) *simChain {
	if id == srcChain {
		return m.src
	}
	return m.dst
}

// mine adds a block with what was due in the pool at that second.
func (m *model) mine(c *simChain, at ChainTime, made int64) {
	parent := c.head()
	b := simBlock{simState: parent.simState, made: made}
	if len(c.pool) > 0 {
		b.simState = parent.clone()
	}
	b.Number, b.Time = parent.Number+1, at
	b.Hash = crypto.Keccak256Hash([]byte(fmt.Sprint(c.id, b.Number, at, c.forks)))
	m.r.Shuffle(len(c.pool), func(i, j int) { c.pool[i], c.pool[j] = c.pool[j], c.pool[i] })
	var later []*simTx
	for i, tx := range c.pool {
		if tx.due > made || tx.after >= b.Number {
			later = append(later, tx)
			continue
		}
		m.apply(c, &b, tx, uint(i))
	}
	c.pool = later
	c.blocks = append(c.blocks, b)
}

// apply runs a transaction in a block.
func (m *model) apply(c *simChain, b *simBlock, tx *simTx, index uint) {
	at := Position{Block: b.Number, BlockHash: b.Hash, Time: b.Time, Index: index, Tx: crypto.Keccak256Hash([]byte(fmt.Sprint("tx", tx.id)))}
	b.txs = append(b.txs, tx)
	if tx.create != nil {
		l := tx.create(b.Time)
		l.Created = at
		if _, there := b.legs[l.Escrow]; !there {
			b.legs[l.Escrow] = l
			b.held[l.Escrow] = held{l.Immutables.Amount.Big().Uint64(), l.Immutables.SafetyDeposit.Big().Uint64()}
			b.created = append(b.created, l)
			m.note("chain %d: %s creates a leg, block time %d", c.id, tx.by, b.Time.Sub(zeroTime))
		}
		return
	}
	l, there := b.legs[tx.leg.Escrow]
	if !there {
		tx.answer = RevertNone
		return // no code at the address: nothing happens
	}
	h := b.held[l.Escrow]
	a := tx.call
	a.Time = b.Time
	a.Funds = m.funds(h)
	tx.answer = l.Check(a)
	m.note("chain %d: %s %s by %s at %d: %s", c.id, l.Side, a.Call, tx.by, b.Time.Sub(zeroTime), tx.answer)
	if tx.by == "us" {
		if w, _ := l.Window(a.Call); b.Time < w.From {
			m.early++
		}
	}
	if !tx.answer.OK() {
		return
	}
	ev := EscrowEvent{ChainID: c.id, Escrow: l.Escrow, At: at}
	switch a.Call {
	case Withdraw, PublicWithdraw:
		ev.Kind, ev.Secret = Withdrawn, a.Secret
		b.held[l.Escrow] = held{}
	case Cancel, PublicCancel:
		ev.Kind = Cancelled
		b.held[l.Escrow] = held{}
	case RescueFunds:
		ev.Kind, ev.Token, ev.Amount = Rescued, a.Token, a.Amount
		if a.Token == (common.Address{}) {
			h.native -= a.Amount.Uint64()
		} else {
			h.token -= a.Amount.Uint64()
		}
		b.held[l.Escrow] = h
	}
	b.ends = append(b.ends, ending{l.Escrow, a.Call, tx.by, a.Call == RescueFunds && a.Token == zeroAddress})
	b.events = append(b.events, ev)
}

// funds is what an escrow holds, and who is barred from it.
func (m *model) funds(h held) *Funds {
	return &Funds{Token: *uint256.NewInt(h.token), Native: *uint256.NewInt(h.native),
		Refuses: func(token, to common.Address) bool { return m.barred && token == srcCoin && to == taker }}
}

// reorg replaces the last blocks by others of the same times. Transactions go
// back to the pool; of strangers' some are lost where the run is hostile.
func (m *model) reorg(c *simChain, n int) {
	cut := len(c.blocks) - n
	gone := slices.Clone(c.blocks[cut:])
	c.blocks = c.blocks[:cut]
	c.forks++
	m.note("chain %d: reorg of %d blocks", c.id, n)
	for _, b := range gone {
		for _, tx := range b.txs {
			if tx.by != "us" && m.hostile && m.r.IntN(4) == 0 {
				continue
			}
			// Another block of that time may have it too, or a later one.
			tx.due += m.r.Int64N(3)
			c.pool = append(c.pool, tx)
			if tx.leg.Side == Dst && tx.call.Call.TakesSecret() && tx.answer.OK() && b.Time > tx.leg.At(DstCancellation)-20 {
				m.excused = "the payment was reorganised away at the end of its window"
			}
		}
	}
	for _, b := range gone {
		m.mine(c, b.Time, b.made)
	}
}

// unsent marks a transaction that no block has answered yet.
const unsent Revert = "waiting"

// idle reports whether no transaction of the action is under way: the former
// one, if any, was mined for good and did not help.
func (m *model) idle(c *simChain, k ActionKey) bool {
	tx, ok := m.sent[k]
	if !ok {
		return true
	}
	if slices.Contains(c.pool, tx) {
		return false
	}
	for i := len(c.blocks) - 1; i >= 0; i-- {
		if b := &c.blocks[i]; slices.Contains(b.txs, tx) {
			return b.Number <= c.head().Number-depth
		}
	}
	return true
}

// rehearse asks the head's state as a node does.
func (m *model) rehearse(c *simChain, l Leg, call Attempt) bool {
	h, there := c.head().held[l.Escrow]
	if _, ok := c.head().legs[l.Escrow]; !ok || !there {
		return true // no code: a call succeeds
	}
	call.Time = c.head().Time + 1
	call.Funds = m.funds(h)
	return l.Check(call).OK()
}
