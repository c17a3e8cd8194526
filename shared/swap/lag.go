package swap

import (
	"slices"
	"time"

	"github.com/holiman/uint256"
)

// Lag says whether a chain is followed as closely as it should be.
type Lag uint8

const (
	// Fresh: everything is where it should be, with room to spare. It takes more
	// to be called fresh than not to be called behind, so that a lag near its
	// limit does not begin and end at every look.
	Fresh Lag = iota
	// Slack: neither fresh nor behind.
	Slack
	// Unread: no log of the chain has ever been read.
	Unread
	// Behind: the head is old, or a mark lies too far behind it.
	Behind
)

// What a head's age and the distance of the marks may be.
const (
	// staleBlocks usual block times without a block, and more than Policy.SyncLag
	// seconds, are no chance: the chain stands still, or nobody can see it move.
	staleBlocks = 20
	// uneven is how much longer than usual blocks may take before their number
	// counts and no longer their time. After a halt the head's time jumps far
	// ahead of marks that lie only a few blocks behind it.
	uneven = 4
)

// Lag judges how a chain is followed, and says in constant words what is wrong
// if it is behind. The seen mark may lie Policy.SyncLag seconds behind the head;
// the final mark one and a half times the confirmations more, since block times
// vary. Fresh is what keeps to three quarters of that.
func (p Policy) Lag(v ChainView) (Lag, string) {
	if v.SyncedTo.Number == 0 || v.Final.Number == 0 {
		return Unread, "its logs have never been read"
	}
	c := p.Chains[v.ChainID]
	worst, detail := Fresh, ""
	judge := func(have, limit int64, what string) {
		switch {
		case have > limit && worst < Behind:
			worst, detail = Behind, what
		case have > limit*3/4 && worst < Slack:
			worst = Slack
		}
	}
	behind := func(mark Block) int64 {
		seconds := v.Head.Time.Sub(mark.Time)
		if blocks := int64(v.Head.Number) - int64(mark.Number); c.BlockTime > 0 {
			seconds = min(seconds, uneven*blocks*c.BlockTime)
		}
		return seconds
	}
	depth := int64(c.Confirmations) * c.BlockTime
	judge(int64(v.HeadAge/time.Second), max(p.SyncLag, staleBlocks*c.BlockTime), "its head is old: the chain stands still, or no endpoint shows how it goes on")
	judge(behind(v.SyncedTo), p.SyncLag, "its logs are not read: state-sync does not run, or no endpoint hands them out")
	judge(behind(v.Final), p.SyncLag+depth*3/2, "its final blocks are not read: state-sync or the endpoint of the second reading does not answer")
	return worst, detail
}

// Waiting lists the chains that an order waits for near a deadline, with the
// most that one action of it puts at risk, in wei. A claim or payment whose hard
// deadline is at most the first warning level away waits for its own chain to
// move. What is refused only until more of a chain has been read, and is legal
// by then, waits for that chain too.
func Waiting(c Case, views Views, p Policy) map[uint64]uint256.Int {
	var near int64
	if len(p.WarnLevels) > 0 {
		near = p.WarnLevels[0]
	}
	out := map[uint64]uint256.Int{}
	for i := range c.Decision.Actions {
		a := &c.Decision.Actions[i]
		now, waits := (&ground{view: views[a.ChainID]}).now(), a.Refused.Waits()
		pressing := a.Hard != 0 && a.Hard.Sub(now) <= near || waits && a.From.Sub(now) <= near
		if !pressing || a.Refused != "" && !waits { // what no reading helps waits for none
			continue
		}
		for _, chain := range []uint64{a.ChainID, c.State.readFor(a.Refused)} {
			if most := out[chain]; chain != 0 && !a.AtRisk.Lt(&most) {
				out[chain] = a.AtRisk
			}
		}
	}
	return out
}

// Past reports whether an action of an order on a chain should have been done by the wall clock: it
// has been legal for longer than one period of the net, as far as v shows, and nothing but what is
// not read of a chain speaks against it.
func Past(c Case, chain uint64, v ChainView, p Policy) bool {
	now := (&ground{view: v}).now()
	return slices.ContainsFunc(c.Decision.Actions, func(a Action) bool {
		return a.ChainID == chain && (a.Refused == "" || a.Refused.Waits()) && now.Sub(a.From) > p.Overdue
	})
}

// readFor is the chain that has to be read further for a refusal to end; zero if
// it is none that waits.
func (s *State) readFor(why Reason) uint64 {
	switch why {
	case WaitDstLogs, WaitDstFinal, WaitDstOutcome, WaitCandidate:
		return s.DstChainID()
	case WaitSrcLogs, WaitSrcFinal, WaitSrcEnd:
		return s.ID.ChainID
	}
	return 0
}
