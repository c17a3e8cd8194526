package swap

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Back-offs of orders that wait for a person rather than for a block, in
// seconds of block time. Nothing is lost by looking that seldom: whatever
// changes such an order arrives as a log, which plans it anew at once.
const (
	worthlessRecheck = 3600
	helplessRecheck  = 600
	// keptRecheck is for orders that are over but for funds that only a person can
	// fetch. There may be many of them, for ever, so each costs next to nothing; twice
	// a day is often enough for the alert that all of a chain share to last.
	keptRecheck = 12 * 3600
)

// minParameters is what a v1.1 dst leg must carry in bytes for withdraw to
// decode its two fees (the contract reads them at offsets 0 and 32).
const minParameters = 64

// Decision is what Plan makes of an order.
type Decision struct {
	// Actions are all calls that the order needs now or later, each with its
	// window; those with a reason in Refused must not be made.
	Actions  []Action
	Findings []Finding
	// Wakes are when the order has to be looked at again. One that has passed
	// means "in every sweep", and stays as it is, so that looking does not
	// write. Only a closed order has none.
	Wakes Wakes
	// Finished: by final facts, nothing of the order can hold funds any more.
	Finished bool
}

// Wanted returns the decision's action of that key if it is to be made.
func (d Decision) Wanted(k ActionKey) (Action, bool) {
	if i := d.find(k); i >= 0 && d.Actions[i].Refused == "" {
		return d.Actions[i], true
	}
	return Action{}, false
}

// Waits reports whether the action of that key is refused only for now. Work
// stored for it is left alone: not sent, not given up.
func (d Decision) Waits(k ActionKey) bool {
	i := d.find(k)
	return i >= 0 && d.Actions[i].Refused.Waits()
}

func (d Decision) find(k ActionKey) int {
	return slices.IndexFunc(d.Actions, func(a Action) bool { return a.Key() == k })
}

// Plan decides what an order needs. It is pure: the same state, views and
// policy give the same decision, and every time in it is block time of the
// chain it is about. "Too early" is an action whose From lies ahead.
//
// Plan puts the taker's principal first, then the maker's, then the deposits:
//
//   - src is claimed as soon as dst was paid, to the last block;
//   - src is claimed before dst is paid only if the secret is public and enough
//     time is left to pay dst afterwards, or if src would be lost by waiting;
//   - src is cancelled only when dst was not paid and cannot be any more, by
//     final facts;
//   - dst is cancelled at or after its cancellation time, and never once src
//     was claimed: then the maker is owed and one dst leg is withdrawn to him;
//   - what can be neither withdrawn nor cancelled is rescued after the rescue
//     delay, and only if it is ours by final facts;
//   - a dst leg that several orders have (State.Kin) is left to those that are
//     meant, and is not taken back while the maker of one of them is owed.
//
// A view of the dst chain that is missing or zero makes Plan cautious: nothing
// is concluded from what was not read. The error is non-nil only when the view
// or policy of the order's source chain is missing: then nothing can be said.
func Plan(s State, views Views, p Policy) (Decision, error) {
	if _, known := views[s.ID.ChainID]; !known {
		return Decision{}, fmt.Errorf("plan order %s: no view of chain %d", s.ID, s.ID.ChainID)
	}
	pl := newPlanner(&s, views, &p)
	if !pl.src.known {
		return Decision{}, fmt.Errorf("plan order %s: no policy for chain %d", s.ID, s.ID.ChainID)
	}
	if s.Closed {
		return Decision{Finished: true}, nil
	}
	if !s.Src.ended() {
		pl.Actions = make([]Action, 0, 2+len(s.Dsts))
	}
	pl.left = pl.yield()
	pl.paid, pl.payer = pl.Payment(), pl.findPayer()
	pl.claim, pl.claimWait = pl.mayClaim()
	pl.planSrc()
	for i := range s.Dsts {
		pl.planDst(i)
	}
	for i := range pl.left {
		if d := &pl.left[i]; d.open() {
			pl.refuse(&d.Leg, Cancel, OfAnother)
		}
	}
	pl.warnUnproven()
	pl.Finished = pl.finished()
	switch {
	case pl.Finished:
		// Whoever writes orders closes this one when it looks next.
		pl.Actions, pl.Wakes = nil, Wakes{Src: max(1, pl.Src.Created.Time)}
	case pl.Wakes == Wakes{} && pl.kept != nil && pl.still():
		pl.wake(&pl.kept.Leg, pl.seldom(&pl.kept.Leg))
	case pl.Wakes == Wakes{}:
		// Waits for finality or a log, which plan it anew. The sweep looks too.
		pl.wake(&pl.Src.Leg, pl.recheck(&pl.Src.Leg, helplessRecheck))
	}
	return pl.Decision, nil
}

// ground is the chain a leg stands on: what the operator says of it and what
// has been read of it.
type ground struct {
	ChainPolicy
	view  ChainView
	known bool // the operator configures it
}

// next is the earliest time of the block that a transaction sent now could be
// part of.
func (g *ground) next() ChainTime { return g.view.Head.Time + ChainTime(g.MinBlockTime) }

// now is what the chain's clock shows if it is not halted: head time plus age.
func (g *ground) now() ChainTime {
	return g.view.Head.Time + ChainTime(g.view.HeadAge/time.Second)
}

// finality is how far the final mark is behind the head, in seconds.
func (g *ground) finality() ChainTime { return max(0, g.view.Head.Time-g.view.Final.Time) }

// unread reports that the chain's logs are not read close to its head.
func (g *ground) unread(lag int64) bool {
	return g.view.SyncedTo.Number == 0 || int64(g.view.Head.Time-g.view.SyncedTo.Time) > lag
}

type planner struct {
	*State
	Decision
	policy   *Policy
	views    Views
	src, dst ground
	left     []LegState // dst legs that are left to other orders; State.Dsts is without them
	paid     *LegState  // the dst leg that paid the maker, nil if none is known
	payer    int        // index of the dst leg to pay the maker by, if src was taken; -1: none can
	claim    bool       // src may be claimed now
	kept     *LegState  // an escrow that has ended and keeps the order open for a person, nil if there is none
	// claimWait is why a claim that may become due has to wait.
	claimWait Reason
}

func newPlanner(s *State, views Views, p *Policy) *planner {
	pl := &planner{State: s, policy: p, views: views}
	src, dst := s.ID.ChainID, s.DstChainID()
	pl.src.view, pl.dst.view = views[src], views[dst]
	pl.src.ChainPolicy, pl.src.known = p.Chains[src]
	pl.dst.ChainPolicy, pl.dst.known = p.Chains[dst]
	return pl
}

func (pl *planner) on(l *Leg) *ground {
	if l.Side == Dst {
		return &pl.dst
	}
	return &pl.src
}

// reaction is the time to be reckoned with from a decision to the inclusion of
// a call, a second attempt included, in seconds: until the next look notices
// and until the transaction is mined, twice.
func (pl *planner) reaction(g *ground) ChainTime { return pl.policy.reaction(g) }

func (p *Policy) reaction(g *ground) ChainTime { return ChainTime(p.Overdue + 2*g.Inclusion) }

// call fills in what every call of a leg has in common, choosing the path: the
// taker's own, or the public one where an access token opens it. Nothing is
// done for a taker that is not configured.
func (pl *planner) call(l *Leg, c Call) Action {
	on := pl.on(l)
	taker := l.Immutables.TakerAddress()
	a := Action{Order: pl.ID, ChainID: l.ChainID, Escrow: l.Escrow, Side: l.Side, Call: c, Taker: taker}
	t, ours := on.Takers[taker]
	switch {
	case !ours:
	case t.Signer != common.Address{} && t.Path != PathNone:
		a.Path, a.Signer = t.Path, t.Signer
	case on.AccessTokenSigner != common.Address{}:
		if public, ok := publicCall(c); ok {
			if w, exists := l.Window(public); exists && !w.Empty() {
				a.Path, a.Signer, a.Call = PathPublic, on.AccessTokenSigner, public
			}
		}
	}
	w, _ := l.Window(a.Call)
	a.From, a.Until = w.From, w.Until
	a.AtRisk, a.Priceless = on.legValue(l)
	var priced bool
	a.FeeCap, priced = on.FeeCap[a.Call]
	if a.Path == PathNone {
		a.refuse(NoPath)
	}
	if !priced {
		a.refuse(NoFeeCap)
	}
	return a
}

func publicCall(c Call) (Call, bool) {
	switch c {
	case Withdraw:
		return PublicWithdraw, true
	case Cancel:
		return PublicCancel, true
	}
	return c, false
}

// soft notes from when somebody else may take the deposit, unless that is no
// later than we may ourselves.
func (a *Action) soft(at ChainTime) {
	if at > a.From && (a.Until == 0 || at < a.Until) {
		a.Soft = at
	}
}

// want adds the action, unless it is not worth its gas. committed: our side
// has been given already, so the question does not arise. Whether it is late
// only its stored work can tell, see Late.
//
// An action wakes its order when it becomes legal, and from then on in every
// sweep until the chain shows that it is done or it is refused; what only a
// person can help is looked at again after a back-off.
func (pl *planner) want(a Action, l *Leg, committed bool) {
	head := pl.on(l).view.Head.Time
	backoff := ChainTime(0)
	switch worth := committed || a.Priceless || a.AtRisk.Gt(&a.FeeCap); {
	case a.Refused == NoPath || a.Refused == NoFeeCap:
		backoff = helplessRecheck
		// With a hard deadline a person needs all the time there is.
		if severity := Warning; committed || a.Hard != 0 || head >= a.From {
			if committed || a.Hard != 0 {
				severity = Critical
			}
			pl.find(CannotAct, severity, l, string(a.Refused))
		}
	case !worth:
		a.Refused, backoff = NotWorthIt, worthlessRecheck
		severity := Info
		if l.Side == Dst {
			severity = Warning // the leg is what a maker of ours expects
		}
		pl.find(Worthless, severity, l, "no listed token and a deposit below the fee")
	case a.Refused != "" && !a.Refused.Waits():
		backoff = helplessRecheck
	}
	if a.From > head || backoff == 0 {
		pl.wake(l, a.From)
	} else {
		pl.wake(l, pl.recheck(l, backoff))
	}
	pl.Actions = append(pl.Actions, a)
}

// needDeposit reports an escrow that cannot pay its safety deposit out, so that
// every withdraw and cancel reverts until somebody sends it. What cannot wait is
// wanted all the same: the balance on record may be wrong or old, and the
// executor rehearses on the chain as it is.
func (pl *planner) needDeposit(l *LegState, a *Action, urgent bool) {
	if !l.unfunded() || a.Refused == NoPath || a.Refused == NoFeeCap {
		return
	}
	severity := Warning
	if urgent || l.Side == Dst && l.Ours {
		severity = Critical
	}
	if !urgent {
		a.refuse(Unfunded)
	}
	pl.find(DepositMissing, severity, &l.Leg, "the escrow cannot pay its safety deposit out: every call reverts")
}

// refuse records a call that policy forbids, so that the reason can be read.
func (pl *planner) refuse(l *Leg, c Call, why Reason) {
	a := pl.call(l, c)
	a.Refused = why
	pl.Actions = append(pl.Actions, a)
	if head := pl.on(l).view.Head.Time; a.From > head {
		pl.wake(l, a.From)
	} else {
		pl.wake(l, pl.recheck(l, helplessRecheck))
	}
}

// deadline announces a time that comes near, and a hard one that can hardly be
// met any more. What is lost when it passes is announced at each level; of what is
// not, once is enough.
func (pl *planner) deadline(l *Leg, a *Action, at ChainTime, severity Severity) {
	if a.Refused == NotWorthIt {
		return
	}
	on := pl.on(l)
	head := on.view.Head.Time
	if a.Hard != 0 && head+ChainTime(on.Inclusion) >= a.Hard {
		pl.Findings = append(pl.Findings, pl.finding(DeadlineLost, Critical, l, a, "less time is left than inclusion takes"))
	}
	left := at.Sub(head)
	if left <= 0 {
		return
	}
	// A balance is probed then; see WantBalances.
	if probe := at - probeAhead; probe > head && probe > l.Created.Time {
		pl.wake(l, probe)
	} else if s := pl.legAt(l.ChainID, l.Escrow); s != nil && at == s.deadline() && s.unprobed() {
		pl.wake(l, pl.recheck(l, probeAgain)) // until it answers
	}
	level, levels := int64(0), pl.policy.WarnLevels
	if severity < Critical {
		levels = levels[:min(1, len(levels))]
	}
	for _, lv := range levels {
		if left <= lv {
			level = lv
		} else {
			pl.wake(l, at-ChainTime(lv))
		}
	}
	if level > 0 {
		f := pl.finding(DeadlineNear, severity, l, a, "")
		f.Deadline, f.Level = at, level
		pl.Findings = append(pl.Findings, f)
	}
}

func (pl *planner) find(code FindingCode, severity Severity, l *Leg, detail string) {
	pl.Findings = append(pl.Findings, pl.finding(code, severity, l, nil, detail))
}

func (pl *planner) finding(code FindingCode, severity Severity, l *Leg, a *Action, detail string) Finding {
	f := Finding{Code: code, Severity: severity, Order: pl.ID, ChainID: l.ChainID, Escrow: l.Escrow, Detail: detail}
	f.AtRisk, _ = pl.on(l).legValue(l)
	if a != nil {
		f.Call, f.Deadline = a.Call, a.Hard
	}
	return f
}

// wake asks to be looked at no later than at, on the leg's own chain. A time
// that has passed stays as it is: the order then is due in every sweep, and
// its item need not be written again to say so.
func (pl *planner) wake(l *Leg, at ChainTime) {
	w := &pl.Wakes.Src
	if l.Side == Dst {
		w = &pl.Wakes.Dst
	}
	if at = max(at, 1); *w == 0 || at < *w {
		*w = at
	}
}

// recheck is the next multiple of the period: a constant between two looks, so
// that looking does not write.
func (pl *planner) recheck(l *Leg, period ChainTime) ChainTime {
	return (pl.on(l).view.Head.Time/period + 1) * period
}

// still reports whether every leg has ended for good: nothing more comes of an
// order by itself.
func (pl *planner) still() bool {
	ended := func(l *LegState) bool {
		return l.ended() && l.Final || l.Status == LegAbsent || l.Side == Dst && pl.hollow(l)
	}
	for i := range pl.Dsts {
		if !ended(&pl.Dsts[i]) {
			return false
		}
	}
	return ended(&pl.Src)
}

// seldom is the next of the times, one in each keptRecheck, at which this leg is
// looked at. Each has times of its own, so that not all of them come at once.
func (pl *planner) seldom(l *Leg) ChainTime {
	own := ChainTime(binary.BigEndian.Uint32(l.Escrow[common.AddressLength-4:]) % keptRecheck)
	return ((pl.on(l).view.Head.Time-own)/keptRecheck+1)*keptRecheck + own
}

// finished: every leg that exists has ended for good and has been seen empty
// since, whoever could fetch what it holds; a leg that does not exist cannot come
// back; and no dst leg can be waiting unseen.
func (pl *planner) finished() bool {
	closed := func(l *LegState) bool {
		on := pl.on(&l.Leg)
		switch {
		case l.Status == LegAbsent:
			return on.view.Final.Number >= l.Created.Block && on.view.Final.Number > 0
		case l.open():
			never := pl.hollow(l) || l.uncheckedFunding() && on.view.Final.Time >= l.At(DstCancellation)
			return l.Side == Dst && never && pl.readFinal(l) && !pl.strays(l).any()
		}
		return l.Final && pl.seenSince(l) && !l.untraced() && !pl.strays(l).any()
	}
	if !closed(&pl.Src) {
		return false
	}
	for i := range pl.Dsts {
		if !closed(&pl.Dsts[i]) {
			return false
		}
	}
	for i := range pl.Unproven {
		if !pl.settled(&pl.Unproven[i]) {
			return false
		}
	}
	return !pl.dst.known || pl.dst.view.Final.Time >= pl.quiet()
}

// quiet is the time on dst's clock after which no dst leg comes any more that
// the order would have to act on. Where src was taken and the maker is owed, a
// leg may still come, or come back, to pay him, and without the order it would
// be nobody's; as long as src could be claimed one is waited for.
func (pl *planner) quiet() ChainTime {
	at := max(pl.Src.Created.Time, pl.Src.Ended.Time)
	if pl.Src.taken() && pl.paid == nil && len(pl.left) == 0 {
		at = max(at, pl.Src.At(SrcCancellation))
	}
	return at
}

func ptr[T any](v T) *T { return &v }
