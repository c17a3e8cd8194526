package judge

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

// Case is a swap to be judged.
type Case struct {
	Src, Dst Leg // Dst is the zero value if none was ever made
	// Others are escrows around the swap that nobody of ours may touch: decoys,
	// legs of other takers.
	Others []Leg
	// Allowed are the ends that are right for the situation; the first is the
	// one to expect.
	Allowed []Ends
	Secret  common.Hash
	// Published is the block time at which the secret became public where a
	// reorganisation has since removed the event that showed it; else zero.
	Published uint64
	// Undone is the block time at which a reorganisation took away what had been
	// done, so that it had to be done again; else zero.
	Undone uint64
	// Tries is how many transactions of ours may touch the swap's legs;
	// zero means DefaultTries.
	Tries int
	// Untouched: none at all may.
	Untouched bool
}

// DefaultTries leaves room for one call of each leg and one repetition of each:
// more is a loop.
const DefaultTries = 4

// Rules are the periods that lateness is measured by.
type Rules struct {
	// Sync is how long a published cause may take to be seen, Net how long an
	// action without a soft deadline may then take; both in seconds.
	Sync, Net uint64
}

// Verdict is what the judge says of a swap.
type Verdict struct {
	Ends Ends
	// Safe: the ends are allowed and nothing forbidden was done on the way.
	Safe bool
	// Lost: value ended where it should not.
	Lost bool
	// Why says what is wrong with a swap that is not safe.
	Why   string
	Moves []Move
}

// Late reports whether any transaction of ours was.
func (v Verdict) Late() bool {
	return slices.ContainsFunc(v.Moves, func(m Move) bool { return m.Late })
}

// Judge reads a case's legs and says how it stands now.
func (l *Ledger) Judge(ctx context.Context, c Case, r Rules, passes []Pass) (Verdict, error) {
	var legs [2]Outcome
	var err error
	if legs[0], err = l.leg(ctx, c.Src); err != nil {
		return Verdict{}, err
	}
	if legs[1], err = l.leg(ctx, c.Dst); err != nil {
		return Verdict{}, err
	}
	v := Verdict{Ends: Ends{legs[0].End, legs[1].End}}
	v.Why, v.Lost = c.wrong(v.Ends)
	if v.Why == "" {
		v.Why = l.misconduct(c, legs)
	}
	for i, leg := range []Leg{c.Src, c.Dst} {
		if v.Why == "" {
			if v.Why, err = l.deposit(ctx, leg, legs[i]); err != nil {
				return Verdict{}, err
			}
			v.Lost = v.Why != ""
		}
	}
	v.Safe = v.Why == ""
	for i, leg := range []Leg{c.Src, c.Dst} {
		if legs[i].Ours != nil {
			v.Moves = append(v.Moves, l.move(c, leg, legs[i], legs, r, passes))
		}
	}
	return v, nil
}

func (l *Ledger) leg(ctx context.Context, leg Leg) (Outcome, error) {
	if !leg.Exists() {
		return Outcome{End: Absent}, nil
	}
	return l.Leg(ctx, leg)
}

// wrong compares the ends with the allowed ones, and, whatever a case allows,
// with what is never right.
func (c Case) wrong(e Ends) (why string, lost bool) {
	taken := e.Src == Withdrawn || e.Src == Rescued
	returned := e.Dst == Cancelled || e.Dst == Rescued
	switch {
	case e.Src == Elsewhere || e.Dst == Elsewhere:
		return "value went to a stranger", true
	case e.Src == Cancelled && e.Dst == Withdrawn:
		return "the maker was paid twice", true
	case taken && returned:
		return "the maker was paid nothing", true
	case slices.Contains(c.Allowed, e):
		return "", false
	case len(c.Allowed) == 0:
		return "no end is allowed", true
	}
	// What has ended can only get worse if no allowed end agrees with it.
	for _, a := range c.Allowed {
		if (e.Src == a.Src || e.Src == Open || e.Src == Absent) && (e.Dst == a.Dst || e.Dst == Open || e.Dst == Absent) {
			return fmt.Sprintf("stands at %s, wants %s", e, c.Allowed[0]), false
		}
	}
	return fmt.Sprintf("ended %s, wants %s", e, c.Allowed[0]), true
}

// misconduct names what must not be done on the way to whatever end.
func (l *Ledger) misconduct(c Case, legs [2]Outcome) string {
	tries := 0
	for _, t := range l.Ours() {
		for _, other := range c.Others {
			if t.touches(other) {
				return "touched " + other.String() + ", which is not ours"
			}
		}
		if t.touches(c.Src) || t.touches(c.Dst) {
			tries++
		}
	}
	limit := c.Tries
	if limit == 0 {
		limit = DefaultTries
	}
	switch {
	case c.Untouched && tries > 0:
		return fmt.Sprintf("%d transactions touched what is not ours", tries)
	case tries > limit:
		return fmt.Sprintf("%d transactions where %d are enough", tries, limit)
	}
	// src may not be given back while the maker can still be paid on dst. What
	// counts is what the other chain showed at that moment, not its block times:
	// a chain that catches up stamps its blocks with the past.
	src, dst := legs[0], legs[1]
	if src.End == Cancelled && src.Ours != nil && dst.End != Absent {
		gone := dst.Block != nil && dst.Block.Tick <= src.Block.Tick
		if !gone && l.asOf(c.Dst.Chain, src.Block.Tick) < c.Dst.at(dstCancellation) {
			return "src was cancelled while dst could be withdrawn"
		}
	}
	return ""
}

// asOf is a chain's time at a moment.
func (l *Ledger) asOf(chain uint64, tick int) (time uint64) {
	for _, b := range l.chains[chain] {
		if b.Tick > tick {
			break
		}
		time = b.Time
	}
	return time
}

// touches reports whether a transaction calls the escrow, directly or through
// a contract of ours, or made it emit something.
func (t *Tx) touches(leg Leg) bool {
	if !leg.Exists() || t.Block.Chain != leg.Chain {
		return false
	}
	if t.To != nil && *t.To == leg.Address || bytes.Contains(t.Data, leg.Address[:]) {
		return true
	}
	for _, e := range t.Logs {
		if e.Address == leg.Address {
			return true
		}
	}
	return false
}

// Move is a transaction of ours that ended a leg.
type Move struct {
	Side contracts.Side
	Call string // withdraw, cancel, rescue, publicWithdraw, publicCancel
	Tx   *Tx
	Time uint64 // of its block
	// From is the first block time at which it was legal; Cause that of what
	// made it right: the secret's publication, the other leg's end, a time gone by.
	From, Cause uint64
	// Deadline is the block time from which it counts as late.
	Deadline uint64
	Late     bool
	// BehindLegal counts the ticks (blocks) since the first one in which the
	// call was legal and its cause published, BehindPass those since the first
	// one after the pass that saw the cause; -1 if no such pass is known.
	BehindLegal, BehindPass int
}

func (l *Ledger) move(c Case, leg Leg, o Outcome, legs [2]Outcome, r Rules, passes []Pass) Move {
	m := Move{Side: leg.Side, Tx: o.Ours, Time: o.Block.Time}
	public := o.Ours.From != leg.taker() && (o.Ours.To == nil || *o.Ours.To != leg.taker())
	var soft uint64
	src, dst := legs[0], legs[1]
	switch {
	case o.End == Rescued:
		m.Call, m.From = "rescue", leg.deployedAt()+uint64(leg.RescueDelay)
		if dst.Block != nil {
			m.Cause = dst.Block.Time
		}
	case o.End == Withdrawn && leg.Side == contracts.Src:
		m.Call, m.From, m.Cause = "withdraw", leg.at(srcWithdrawal), l.published(c)
		soft = min(leg.at(srcPublicWithdrawal), leg.at(srcCancellation))
		if public {
			m.Call, m.From, soft = "publicWithdraw", leg.at(srcPublicWithdrawal), 0
		}
	case o.End == Withdrawn:
		m.Call, m.From = "withdraw", leg.at(dstWithdrawal)
		soft = min(leg.at(dstPublicWithdrawal), leg.at(dstCancellation))
		if src.Block != nil {
			m.Cause = src.Block.Time
		}
	case leg.Side == contracts.Src:
		m.Call, m.From, m.Cause = "cancel", leg.at(srcCancellation), leg.at(srcCancellation)
		if dst.Block != nil {
			m.Cause = max(m.Cause, dst.Block.Time)
		}
		if soft = leg.at(srcPublicCancellation); public {
			m.Call, m.From, soft = "publicCancel", soft, 0
		}
	default:
		m.Call, m.From = "cancel", leg.cancellation()
	}
	if o.Created != nil {
		m.Cause = max(m.Cause, o.Created.Time)
	}
	if c.Undone < m.Time {
		m.Cause = max(m.Cause, c.Undone)
	}
	m.Deadline = soft
	if soft == 0 {
		m.Deadline = max(m.From, m.Cause+r.Sync) + r.Net
	}
	m.Late = m.Time >= m.Deadline
	m.BehindLegal = l.behind(o.Block, func(b *Block) bool { return b.Time >= m.From && b.Time > m.Cause })
	m.BehindPass = -1
	if seen, ok := l.seen(m.Cause, passes); ok {
		m.BehindPass = l.behind(o.Block, func(b *Block) bool { return b.Time >= m.From && b.Arrived.After(seen) })
	}
	return m
}

// published is when the secret of a case came out.
func (l *Ledger) published(c Case) uint64 {
	at := l.Published(c.Secret)
	if c.Published != 0 && (at == 0 || c.Published < at) {
		return c.Published
	}
	return at
}

// Published is the block time at which a secret was first shown by an event,
// on whatever chain and for whatever order; 0 if never.
func (l *Ledger) Published(secret common.Hash) (at uint64) {
	for _, blocks := range l.chains {
		for _, b := range blocks {
			for _, e := range b.Logs {
				if len(e.Topics) > 0 && e.Topics[0] == topicWithdrawal && common.BytesToHash(e.Data) == secret && (at == 0 || b.Time < at) {
					at = b.Time
				}
			}
		}
	}
	return at
}

// behind counts the ticks from the first block that fits to the block; 0 if
// the block itself is the first, or came even before.
func (l *Ledger) behind(b *Block, fits func(*Block) bool) int {
	first := l.first(b.Chain, fits)
	if first == nil || first.Number >= b.Number {
		return 0
	}
	ticks := map[int]bool{}
	for _, between := range l.chains[b.Chain][first.Number:b.Number] {
		if between.Tick != b.Tick {
			ticks[between.Tick] = true
		}
	}
	return len(ticks)
}

// Pass is a run of ours that reads the chains.
type Pass struct{ Start, End time.Time }

// seen is when the first pass ended that started after a block time had come
// on all chains.
func (l *Ledger) seen(cause uint64, passes []Pass) (time.Time, bool) {
	var come time.Time
	for chain := range l.chains {
		b := l.first(chain, func(b *Block) bool { return b.Time >= cause })
		if b == nil {
			return time.Time{}, false
		}
		if b.Arrived.After(come) {
			come = b.Arrived
		}
	}
	for _, p := range passes {
		if p.Start.After(come) {
			return p.End, true
		}
	}
	return time.Time{}, false
}
