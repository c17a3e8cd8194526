package tally

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// MaxTokens bounds the tokens of one sum of five minutes. What is created can be
// of any token that anybody makes; what is settled was moved by a call of ours.
const MaxTokens = 64

// Counts is what happened to swaps and transactions in some time. The zero value
// says that nothing did; merging two gives what counting all events in one gives,
// but for the tokens that there was no room for.
type Counts struct {
	Created   uint64 `json:"created,omitempty"`
	Completed uint64 `json:"completed,omitempty"`
	Cancelled uint64 `json:"cancelled,omitempty"`
	Rescued   uint64 `json:"rescued,omitempty"`
	// Lost are the losses by reason, see Reasons. A swap whose source expired and
	// was rescued later is in both.
	Lost Numbers `json:"lost,omitempty"`

	// By token, in its smallest unit: what makers gave into swaps that were
	// created, what both sides of completed ones moved, what was rescued and lost.
	Offered    Amounts   `json:"offered,omitempty"`
	Volume     Amounts   `json:"volume,omitempty"`
	RescuedBy  Amounts   `json:"rescued_by,omitempty"`
	LostBy     Amounts   `json:"lost_by,omitempty"`
	Unsummed   uint64    `json:"unsummed,omitempty"`  // amounts of tokens beyond the room
	Completion Histogram `json:"completion,omitzero"` // seconds from creation to completion
	Margin     Histogram `json:"margin,omitzero"`     // seconds left to the hard deadline when a swap became safe

	Gas       []Gas     `json:"gas,omitempty"`      // by chain, in their order
	Inclusion Histogram `json:"inclusion,omitzero"` // seconds from first sending to the block
	// SentMargin is the time left to the hard deadline when a transaction was
	// included, in seconds, of those that had one; Late counts those after it, and
	// LateBy is by how many seconds the latest of them was. Tight are those in
	// time with less than Objective left: a histogram's cell may lie across it.
	SentMargin Histogram `json:"sent_margin,omitzero"`
	Tight      uint64    `json:"tight,omitempty"`
	Late       uint64    `json:"late,omitempty"`
	LateBy     uint64    `json:"late_by,omitempty"`
}

// Objective is the time that should be left to the hard deadline.
const Objective = 5 * time.Minute

// Numbers are counts by a word.
type Numbers map[string]uint64

func (n *Numbers) add(what string, more uint64) {
	if more == 0 {
		return
	}
	if *n == nil {
		*n = Numbers{}
	}
	(*n)[what] = plus((*n)[what], more)
}

// Total is the sum of all.
func (n Numbers) Total() (sum uint64) {
	for _, v := range n {
		sum = plus(sum, v)
	}
	return sum
}

// Gas is what transactions of a chain cost.
type Gas struct {
	ChainID  uint64      `json:"chain"`
	Mined    uint64      `json:"mined"` // transactions, those that reverted included
	Reverted uint64      `json:"reverted,omitempty"`
	Cost     uint256.Int `json:"cost"` // wei, all fees counted
}

// GasOf is what was spent on a chain; zero if nothing was sent there.
func (c *Counts) GasOf(chain uint64) Gas {
	if i, ok := c.findGas(chain); ok {
		return c.Gas[i]
	}
	return Gas{ChainID: chain}
}

func (c *Counts) findGas(chain uint64) (int, bool) {
	return slices.BinarySearchFunc(c.Gas, chain, func(g Gas, id uint64) int { return cmp.Compare(g.ChainID, id) })
}

func (c *Counts) addGas(g Gas) {
	i, ok := c.findGas(g.ChainID)
	if !ok {
		c.Gas = slices.Insert(c.Gas, i, Gas{ChainID: g.ChainID})
	}
	at := &c.Gas[i]
	at.Mined, at.Reverted = plus(at.Mined, g.Mined), plus(at.Reverted, g.Reverted)
	addTo(&at.Cost, &g.Cost)
}

func (c *Counts) sum(to *Amounts, more []Amount, room int) {
	for _, a := range more {
		if !to.add(a, room) {
			c.Unsummed = plus(c.Unsummed, 1)
		}
	}
}

// add counts an event.
func (c *Counts) add(e *Event) {
	switch e.Kind {
	case Created:
		c.Created++
		c.sum(&c.Offered, e.Amounts, MaxTokens)
	case Completed:
		c.Completed++
		c.sum(&c.Volume, e.Amounts, MaxTokens)
		c.Completion.Add(e.Seconds)
		if e.Timed {
			c.Margin.Add(e.Margin)
		}
	case Cancelled:
		c.Cancelled++
	case Rescued:
		c.Rescued++
		c.sum(&c.RescuedBy, e.Amounts, MaxTokens)
	case Lost:
		c.Lost.add(e.Reason, 1)
		c.sum(&c.LostBy, e.Amounts, MaxTokens)
	case Sent:
		g := Gas{ChainID: e.ChainID, Mined: 1, Cost: e.Cost}
		if e.Reverted {
			g.Reverted = 1
		}
		c.addGas(g)
		c.Inclusion.Add(e.Seconds)
		switch {
		case e.Timed && e.Margin < 0:
			c.Late++
			c.LateBy = max(c.LateBy, -uint64(e.Margin)) // right of the least number, too
		case e.Timed:
			c.SentMargin.Add(e.Margin)
			if e.Margin < int64(Objective/time.Second) {
				c.Tight++
			}
		}
	}
}

// merge adds all of another one.
func (c *Counts) merge(o Counts) {
	c.Created, c.Completed = plus(c.Created, o.Created), plus(c.Completed, o.Completed)
	c.Cancelled, c.Rescued = plus(c.Cancelled, o.Cancelled), plus(c.Rescued, o.Rescued)
	for reason, n := range o.Lost {
		c.Lost.add(reason, n)
	}
	room := MaxSummed
	c.sum(&c.Offered, o.Offered, room)
	c.sum(&c.Volume, o.Volume, room)
	c.sum(&c.RescuedBy, o.RescuedBy, room)
	c.sum(&c.LostBy, o.LostBy, room)
	c.Unsummed = plus(c.Unsummed, o.Unsummed)
	c.Completion.Merge(o.Completion)
	c.Margin.Merge(o.Margin)
	for _, g := range o.Gas {
		c.addGas(g)
	}
	c.Inclusion.Merge(o.Inclusion)
	c.SentMargin.Merge(o.SentMargin)
	c.Tight, c.Late, c.LateBy = plus(c.Tight, o.Tight), plus(c.Late, o.Late), max(c.LateBy, o.LateBy)
}

// MaxSummed bounds the tokens of a sum over hours and days.
const MaxSummed = 300

// Runs is how runs of jobs ended in some time, by the times of their ticks, and
// what they asked of the chains' endpoints. The zero value says that none ran.
type Runs struct {
	Done      uint64  `json:"done,omitempty"`
	Failed    uint64  `json:"failed,omitempty"`
	Abandoned uint64  `json:"abandoned,omitempty"`
	Errors    Numbers `json:"errors,omitempty"` // failed runs by job.Class

	Calls     uint64 `json:"calls,omitempty"`     // requests to endpoints
	Failures  uint64 `json:"failures,omitempty"`  // of those
	Timeouts  uint64 `json:"timeouts,omitempty"`  // of the failures
	Throttled uint64 `json:"throttled,omitempty"` // of the failures
	BusyMS    uint64 `json:"busy_ms,omitempty"`   // sum of the requests' times, in milliseconds
	SlowestMS uint64 `json:"slowest_ms,omitempty"`
}

// Latency is the mean time of a request in milliseconds, rounded down; zero if
// there was none.
func (r *Runs) Latency() uint64 {
	if r.Calls == 0 {
		return 0
	}
	return r.BusyMS / r.Calls
}

func (r *Runs) add(rec *job.Record) {
	one := Runs{
		Calls: count(rec.RPC.Calls), Failures: count(rec.RPC.Failed), Timeouts: count(rec.RPC.TimedOut), Throttled: count(rec.RPC.Throttled),
		BusyMS: count(rec.RPC.Busy.Milliseconds()), SlowestMS: count(rec.RPC.Slowest.Milliseconds()),
	}
	switch rec.State {
	case job.Done:
		one.Done = 1
	case job.Failed:
		one.Failed = 1
		one.Errors.add(string(cmp.Or(rec.Class, job.ClassOther)), 1)
	case job.Abandoned:
		one.Abandoned = 1
	}
	r.merge(one)
}

func count(n int64) uint64 { return uint64(max(n, 0)) }

func (r *Runs) merge(o Runs) {
	r.Done, r.Failed, r.Abandoned = plus(r.Done, o.Done), plus(r.Failed, o.Failed), plus(r.Abandoned, o.Abandoned)
	for class, n := range o.Errors {
		r.Errors.add(class, n)
	}
	r.Calls, r.Failures = plus(r.Calls, o.Calls), plus(r.Failures, o.Failures)
	r.Timeouts, r.Throttled = plus(r.Timeouts, o.Timeouts), plus(r.Throttled, o.Throttled)
	r.BusyMS, r.SlowestMS = plus(r.BusyMS, o.BusyMS), max(r.SlowestMS, o.SlowestMS)
}

// Hour is an hour of UTC, by its number since the epoch.
type Hour int64

// HourOf is the hour in which a block lies.
func HourOf(t swap.ChainTime) Hour { return Hour(floor(int64(t), 3600)) }

// HourAt is the hour of an instant.
func HourAt(t time.Time) Hour { return Hour(floor(t.Unix(), 3600)) }

// Start is when it begins.
func (h Hour) Start() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// String is the text that stands in keys; it sorts in the order of time.
func (h Hour) String() string { return h.Start().Format(hourLayout) }

const hourLayout = "2006-01-02T15"

// ParseHour is the inverse of String.
func ParseHour(s string) (Hour, error) {
	t, err := time.Parse(hourLayout, s)
	if err != nil {
		return 0, fmt.Errorf("hour %q: %w", s, err)
	}
	return HourAt(t), nil
}

func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Step is how finely time is divided. Slots is how many there are in an hour.
const (
	Step  = 5 * time.Minute
	Slots = int(time.Hour / Step)
)

// Tally is what is counted of an hour, by its steps of five minutes. A step that
// is not there has nothing in it.
type Tally struct {
	Swaps map[int]*Counts `json:"swaps,omitempty"`
	Runs  map[int]*Runs   `json:"runs,omitempty"`
	// Passed is the time of the latest Due event that was counted. One that is
	// no later counts, whatever the clock of who counts: else one that runs behind
	// would undo what nobody looks at again.
	Passed swap.ChainTime `json:"passed,omitempty"`
}

// equal reports whether both say the same, by what a store writes of them.
func (t Tally) equal(o Tally) bool {
	a, errA := json.Marshal(t)
	b, errB := json.Marshal(o)
	return errA == nil && errB == nil && string(a) == string(b)
}

// countSwaps counts the events of an hour, in the order of their keys.
func (t *Tally) countSwaps(h Hour, events []Event, now time.Time) {
	out := map[int]*Counts{}
	byKey := map[string]*Event{}
	for i := range events {
		byKey[events[i].Key()] = &events[i]
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		e := byKey[key]
		if e.Hour() != h || e.At > t.Passed && !e.counts(now) {
			continue
		}
		if e.Due {
			t.Passed = max(t.Passed, e.At)
		}
		slot := int(int64(e.At)-int64(h)*3600) / int(Step/time.Second)
		if out[slot] == nil {
			out[slot] = &Counts{}
		}
		out[slot].add(e)
	}
	t.Swaps = out
}

// countRuns counts the runs whose tick lies in an hour.
func (t *Tally) countRuns(h Hour, records []job.Record) {
	out := map[int]*Runs{}
	for i := range records {
		at := records[i].Scheduled
		if HourAt(at) != h {
			continue
		}
		slot := int(at.Sub(h.Start()) / Step)
		if out[slot] == nil {
			out[slot] = &Runs{}
		}
		out[slot].add(&records[i])
	}
	t.Runs = out
}

// Period is what is counted of some time, From included, To not.
type Period struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Swaps Counts    `json:"swaps,omitzero"`
	Runs  Runs      `json:"runs,omitzero"`
}

// between sums the steps that lie in [from, to) of hours. Both are at the start
// of a step.
func between(from, to time.Time, hours map[Hour]Tally) Period {
	p := Period{From: from.UTC(), To: to.UTC()}
	for h := HourAt(from); h.Start().Before(to); h++ {
		t := hours[h]
		for slot := range Slots {
			at := h.Start().Add(time.Duration(slot) * Step)
			if at.Before(from) || !at.Before(to) {
				continue
			}
			if c := t.Swaps[slot]; c != nil {
				p.Swaps.merge(*c)
			}
			if r := t.Runs[slot]; r != nil {
				p.Runs.merge(*r)
			}
		}
	}
	return p
}
