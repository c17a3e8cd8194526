package tally

import (
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Kind says what happened.
type Kind string

// The kinds. A swap is created once and, but for losses, ends once.
const (
	Created   Kind = "created"   // its source leg exists
	Completed Kind = "completed" // source claimed and maker paid
	Cancelled Kind = "cancelled" // both sides have their own back
	Rescued   Kind = "rescued"   // what no other call could move was taken after the rescue delay
	Lost      Kind = "lost"      // somebody has lost money; Reason says how
	Sent      Kind = "tx"        // a transaction of ours is final
)

// Why something is lost: the words of the alert about it.
const (
	DstPaidSrcExpired = string(swap.DstPaidSrcExpired) // the source leg was not claimed in time
	PaidTwice         = string(swap.PaidTwice)         // the maker has both amounts
	MakerUnpaid       = string(swap.MakerUnpaid)       // the source was claimed, and nothing pays the maker
	TokensAstray      = string(swap.TokensAstray)      // a cancellation sent our tokens elsewhere
)

// Event is something that happened on a chain, by final facts.
type Event struct {
	At      swap.ChainTime `json:"at"` // block time, on ChainID
	Kind    Kind           `json:"kind"`
	ChainID uint64         `json:"chain"`
	Order   swap.OrderID   `json:"order,omitzero"`
	// Account is the escrow of the leg by which it happened; of a transaction
	// its signer.
	Account common.Address `json:"account"`
	Reason  string         `json:"reason,omitempty"` // of Lost
	// Amounts are what it moved: of a creation what the maker gave, of a
	// completion both sides, else what was rescued or lost.
	Amounts []Amount `json:"amounts,omitempty"`
	// Seconds are from the creation of the source leg to the end of the swap,
	// each on its own chain's clock; of a transaction from the head at which it
	// was first sent to its block. Never negative.
	Seconds int64 `json:"seconds,omitempty"`
	// Margin is the time that was left to the hard deadline when the swap became
	// safe, or when the transaction was included, in seconds; it means nothing
	// unless Timed.
	Margin int64 `json:"margin,omitempty"`
	Timed  bool  `json:"timed,omitempty"`
	// Due: it is not so yet, but will be at At unless something final says
	// otherwise; see Grace.
	Due bool `json:"due,omitempty"`

	// Of transactions.
	Nonce    uint64      `json:"nonce,omitempty"`
	Cost     uint256.Int `json:"cost,omitzero"` // wei, all fees counted
	Reverted bool        `json:"reverted,omitempty"`
}

// Grace is how long after its time a Due event counts: what was done in time is
// final and stored by then.
const Grace = 30 * time.Minute

// Key names the event in its hour, and orders the events of an hour by time. Two
// events of one order never have the same.
func (e *Event) Key() string {
	what, subject := string(e.Kind), e.Order.String()
	if e.Kind == Sent {
		subject = fmt.Sprintf("%d:%d", e.ChainID, e.Nonce)
	}
	if e.Reason != "" {
		what += "-" + e.Reason
	}
	return fmt.Sprintf("%011d#%s#%s#%s", e.At, subject, what, strings.ToLower(e.Account.Hex()))
}

// Hour is the hour in which the event lies.
func (e *Event) Hour() Hour { return HourOf(e.At) }

// counts reports whether the event counts at that time of the wall clock.
func (e *Event) counts(now time.Time) bool {
	return !e.Due || !time.Unix(int64(e.At), 0).Add(Grace).After(now)
}

// MaxEvents is the most events of one order: its creation, its end, the loss of
// one side, and what went astray of each dst leg.
const MaxEvents = 3 + swap.MaxDstLegs

// OfOrder lists what has happened to a swap by the facts that its order holds,
// and what is due. It is pure: the same order has the same events.
func OfOrder(o swap.Order) []Event {
	s := swap.Fold(o, nil) // final facts alone
	a := account{&s, payment(&s), nil}
	if o.Src.Final {
		a.tell(Event{Kind: Created, At: s.Src.Created.Time, Amounts: held(&s.Src)}, &s.Src)
	}
	switch s.Src.Status {
	case swap.LegAbsent, swap.LegOpen:
		if a.paid != nil {
			a.expired(true)
		}
	case swap.LegWithdrawn:
		if a.paid != nil {
			a.completed()
		} else {
			a.unpaid()
		}
	case swap.LegRescued:
		if a.paid != nil {
			a.expired(false)
			a.tell(Event{Kind: Rescued, At: s.Src.Ended.Time, Amounts: held(&s.Src)}, &s.Src)
		} else {
			a.unpaid()
		}
	case swap.LegCancelled:
		if a.paid != nil {
			last := later(&s.Src, a.paid)
			a.tell(Event{Kind: Lost, Reason: PaidTwice, At: last.Ended.Time, Amounts: held(&s.Src)}, last)
		} else {
			a.cancelled()
		}
	}
	a.astray()
	return a.events
}

// payment is the leg that paid the maker: a proven one, or else one that held his
// due and was withdrawn with the order's secret, though nobody knows the words that
// it was made with. Those it is taken to have that the order asks for.
func payment(s *swap.State) *swap.LegState {
	if paid := s.Payment(); paid != nil {
		return paid
	}
	due := *new(uint256.Int).SetBytes32(s.Expect.Amount[:])
	for _, c := range s.Unproven {
		if c.Status != swap.LegWithdrawn || due.IsZero() || !c.Balance.Known() || c.Balance.Token.Lt(&due) {
			continue
		}
		var l swap.LegState
		l.ChainID, l.Side, l.Escrow, l.Created = c.ChainID, swap.Dst, c.Escrow, c.Created
		l.Immutables = s.Src.Immutables.WithDeployedAt(c.Created.Time)
		l.Immutables.Token, l.Immutables.Amount = s.Expect.Token, s.Expect.Amount
		l.Status, l.Final, l.Ended = c.Status, c.Final, c.Ended
		return &l
	}
	return nil
}

// account gathers the events of an order.
type account struct {
	*swap.State
	paid   *swap.LegState // the leg that paid the maker, nil if none did
	events []Event
}

// tell adds an event that happened by a leg. One without a block time is of a
// chain that nobody has read.
func (a *account) tell(e Event, by *swap.LegState) {
	if e.At <= 0 {
		return
	}
	e.Order, e.ChainID, e.Account = a.ID, by.ChainID, by.Escrow
	if e.Kind != Created {
		e.Seconds = max(0, e.At.Sub(a.Src.Created.Time))
	}
	a.events = append(a.events, e)
}

// completed: the later of the two withdrawals made the swap safe, so its
// deadline is the one that was kept.
func (a *account) completed() {
	last := later(&a.Src, a.paid)
	e := Event{Kind: Completed, At: last.Ended.Time, Timed: true, Amounts: append(held(&a.Src), held(a.paid)...)}
	src := a.Src.At(swap.SrcCancellation).Sub(a.Src.Ended.Time)
	dst := a.paid.At(swap.DstCancellation).Sub(a.paid.Ended.Time)
	switch {
	case a.Src.Ended.Time > a.paid.Ended.Time:
		e.Margin = src
	case a.Src.Ended.Time < a.paid.Ended.Time:
		e.Margin = dst
	default:
		e.Margin = min(src, dst)
	}
	a.tell(e, last)
}

// expired: the maker was paid, and the source was not claimed in time. due: it
// still may be.
func (a *account) expired(due bool) {
	at := max(a.Src.At(swap.SrcCancellation), a.paid.Ended.Time)
	a.tell(Event{Kind: Lost, Reason: DstPaidSrcExpired, At: at, Due: due, Amounts: held(&a.Src)}, &a.Src)
}

// unpaid: the source was taken, and the maker has nothing yet. That is lost when
// the last leg that could pay him has ended otherwise or is past its window; where
// no such leg is known, one may have yet to be found.
func (a *account) unpaid() {
	last, at, open, over := &a.Src, a.Src.Ended.Time, false, false
	for i := range a.Dsts {
		d := &a.Dsts[i]
		if a.Void(d) {
			continue
		}
		end := d.Ended.Time
		if ended(d) {
			over = true
		} else {
			end, open = d.At(swap.DstCancellation), true
		}
		if end >= at {
			last, at = d, end
		}
	}
	lost := Amount{Token{a.DstChainID(), common.Address(a.Expect.Token[12:])}, *new(uint256.Int).SetBytes32(a.Expect.Amount[:])}
	if lost.Token.ChainID == 0 {
		return // the maker asked to be paid nowhere
	}
	a.tell(Event{Kind: Lost, Reason: MakerUnpaid, At: at, Due: open || !over, Amounts: []Amount{lost}}, last)
}

// cancelled: the source went back to the maker and no dst leg still holds its
// amount, so far as that is known.
func (a *account) cancelled() {
	last := &a.Src
	var rescued *swap.LegState
	for i := range a.Dsts {
		d := &a.Dsts[i]
		switch {
		case ended(d):
			last = later(last, d)
			if d.Status == swap.LegRescued {
				rescued = d
			}
		case d.Status == swap.LegOpen && !a.Void(d) && !short(d):
			return
		}
	}
	e := Event{Kind: Cancelled, At: last.Ended.Time}
	if rescued != nil {
		e.Kind, e.Amounts = Rescued, held(rescued)
	}
	a.tell(e, last)
}

// astray: what cancellations of dst legs sent to somebody else.
func (a *account) astray() {
	for i := range a.Dsts {
		d := &a.Dsts[i]
		var sum uint256.Int
		for _, t := range d.Traces {
			addTo(&sum, &t.Astray)
		}
		if !sum.IsZero() && ended(d) {
			a.tell(Event{Kind: Lost, Reason: TokensAstray, At: d.Ended.Time, Amounts: []Amount{{tokenOf(d), sum}}}, d)
		}
	}
}

func ended(l *swap.LegState) bool {
	return l.Status == swap.LegWithdrawn || l.Status == swap.LegCancelled || l.Status == swap.LegRescued
}

// short reports that a leg is known not to hold its amount.
func short(l *swap.LegState) bool {
	amount := l.Immutables.AmountInt()
	return l.Balance.Known() && l.Balance.Token.Lt(&amount)
}

// later is the leg that ended later. The clocks of two chains may differ.
func later(a, b *swap.LegState) *swap.LegState {
	if b.Ended.Time > a.Ended.Time {
		return b
	}
	return a
}

func tokenOf(l *swap.LegState) Token { return Token{l.ChainID, l.Immutables.TokenAddress()} }

// held is what a leg was made to hold.
func held(l *swap.LegState) []Amount { return []Amount{{tokenOf(l), l.Immutables.AmountInt()}} }
