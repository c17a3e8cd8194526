package report

import (
	"time"

	"github.com/holiman/uint256"
)

// Day is what is told: plain data of one day, of [Start, Until) by the wall
// clock. All its texts may come from chains and are taken to be hostile. The zero
// value of every part is a day on which nothing of it happened; a part that could
// not be read is named in Gaps.
type Day struct {
	Start time.Time // midnight UTC
	Until time.Time // the next midnight, or earlier: the day so far
	Stack string    // whose day it is
	Mode  string

	Swaps   Swaps
	Risk    Risk
	Margins Margins
	Gas     []Gas
	// Inclusion is the time from the first sending of a transaction to its block.
	Inclusion Spread
	Alerts    []Alert // whose life touches the day
	Jobs      []Job
	Balances  []Balance
	Health    Health

	Gaps []Gap
}

// Part is one part of the report, which is read by itself.
type Part string

// The parts.
const (
	PartSwaps    Part = "swaps"
	PartRisk     Part = "funds at risk"
	PartMargins  Part = "deadline margins"
	PartGas      Part = "gas"
	PartAlerts   Part = "alerts"
	PartJobs     Part = "jobs"
	PartBalances Part = "balances"
	PartHealth   Part = "health"
)

// Gap says that a part is missing, and why.
type Gap struct {
	Part Part
	Why  string
}

// Amount is an amount of a token or coin, in its smallest unit.
type Amount struct {
	Raw      uint256.Int
	Decimals uint8
	Symbol   string
}

// Wei is an amount of native coin.
func Wei(raw uint256.Int) Amount { return Amount{Raw: raw, Decimals: 18, Symbol: reference} }

// reference is the unit of values: wei of native coin at the operator's reference
// price, shown as ether.
const reference = "ETH"

// Counts are numbers of swaps, by the time of the event that made them so.
type Counts struct {
	Created   int
	Completed int // both legs paid as agreed
	Cancelled int // funds returned to whoever put them in
	Rescued   int // funds taken back after the rescue delay
	Lost      int // funds of ours gone
}

// Ended is how many came to an end.
func (c Counts) Ended() int { return c.Completed + c.Cancelled + c.Rescued + c.Lost }

// beyond is by how much each number is above the other's.
func (c Counts) beyond(d Counts) Counts {
	return Counts{max(0, c.Created-d.Created), max(0, c.Completed-d.Completed), max(0, c.Cancelled-d.Cancelled), max(0, c.Rescued-d.Rescued), max(0, c.Lost-d.Lost)}
}

func (c Counts) add(d Counts) Counts {
	return Counts{c.Created + d.Created, c.Completed + d.Completed, c.Cancelled + d.Cancelled, c.Rescued + d.Rescued, c.Lost + d.Lost}
}

// Swaps is what happened.
type Swaps struct {
	Counts
	Before   *Counts // of the day before; nil: not known
	Late     Counts  // of those, the ones that its own report did not know of yet
	Hours    []Hour  // those in which anything happened, in any order
	Volume   []Volume
	Duration Spread // from creation to completion, of those that were completed
	Losses   []Loss
	Errors   []ErrorClass
}

// Hour is one hour of the day.
type Hour struct {
	Hour int // 0 to 23, UTC
	Counts
}

// Volume is what was moved of one token.
type Volume struct {
	Chain string
	Token Amount
	Value uint256.Int // wei; zero: no reference price
}

// Loss is one swap that lost funds of ours.
type Loss struct {
	At     time.Time
	Chain  string
	Order  string
	Amount Amount
	What   string
}

// ErrorClass counts errors of one sort.
type ErrorClass struct {
	Class string
	N     int
}

// Spread is a distribution of durations. N = 0: there is none.
type Spread struct {
	N             int
	P50, P95, Max time.Duration
}

// Margins is how much time was left to the hard deadline when transactions were included.
type Margins struct {
	Objective time.Duration // the time that should be left
	Target    int           // the share that has to reach it, in 1/100 of a percent
	Met       int           // how many reached it
	Buckets   []Bucket      // of all, in any order
	Least     time.Duration // negative: too late
	P01, P50  time.Duration // 99 % had at least P01, half at least P50; never too much
}

// Bucket counts margins of at least From.
type Bucket struct {
	From time.Duration // negative: all that were too late
	N    int
}

// Total is how many margins there are.
func (m Margins) Total() (n int) {
	for _, b := range m.Buckets {
		n += b.N
	}
	return n
}

// Gas is what one chain's transactions cost.
type Gas struct {
	Chain        string
	Transactions int // included
	Reverted     int // of these
	Spent        Amount
	Before       *uint256.Int // the day before; nil: not known
}

// Alert is one alert with its life.
type Alert struct {
	Key      string // the same for as long as it lives; never shown
	Kind     string
	Severity Severity
	Where    string // chain, order, account
	What     string
	AtStake  string
	Until    string
	WhatToDo string
	Count    int // of a crowd; 0: one
	Marks    []Mark
}

// Severity of an alert. The zero value is Info.
type Severity int

// The severities.
const (
	Info Severity = iota
	Warning
	Critical
)

func (s Severity) String() string {
	switch {
	case s >= Critical:
		return "critical"
	case s == Warning:
		return "warning"
	}
	return "info"
}

// Mark is a moment in the life of an alert.
type Mark struct {
	At   time.Time
	What Turn
	By   string // who acknowledged, what proved that it is over
}

// Turn is what becomes of an alert.
type Turn int

// The turns of a life.
const (
	Opened Turn = iota + 1
	Escalated
	Acknowledged
	Resolved
)

func (t Turn) String() string {
	switch t {
	case Opened:
		return "opened"
	case Escalated:
		return "escalated"
	case Acknowledged:
		return "acknowledged"
	case Resolved:
		return "resolved"
	}
	return "unknown"
}

// Job is how one job ran.
type Job struct {
	Name     string
	Critical bool
	Period   time.Duration
	Runs     Runs
	Hours    []RunHour // those in which anything was to run, in any order
	Last     time.Time // the last run that began; zero: none
	Duration Spread    // Max is compared with Timeout
	Before   time.Duration
	Timeout  time.Duration
}

// Runs counts runs by their end.
type Runs struct{ Done, Failed, Abandoned, Missed int }

// RunHour is a job's hour.
type RunHour struct {
	Hour int // 0 to 23, UTC
	Runs
}

// due is how many there should have been.
func (r Runs) due() int { return r.Done + r.Failed + r.Abandoned + r.Missed }

// Balance is what an account holds of one token, over time.
type Balance struct {
	Chain   string
	Account string
	Token   Amount      // at the end of the day
	Points  []Point     // of the day, in any order
	Low     uint256.Int // threshold; zero: there is none
	// Short: it was judged low by more than its threshold, such as by what is open and has to be paid for.
	Short bool
	// Unread: it could not be read at the end of the day. Token is what was read last.
	Unread bool
	// Runway is how many actions the balance still pays for; negative: it pays
	// for none by its nature, as a token does not.
	Runway int
}

// Point is a balance at a time.
type Point struct {
	At  time.Time
	Raw uint256.Int
}

// Health is how the system fared as a whole.
type Health struct {
	First   string // state when the day began; empty: not known
	Changes []HealthChange
}

// HealthChange is a change of the overall state, or of one component.
type HealthChange struct {
	At        time.Time
	Component string // empty: overall
	To        string
	Why       string
}
