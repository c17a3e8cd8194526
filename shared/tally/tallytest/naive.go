package tallytest

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

// naive counts everything anew, with lists and big integers.
type naive struct {
	created, completed, cancelled, rescued uint64
	lost                                   map[string]uint64
	offered, volume, rescuedBy, lostBy     map[tally.Token]*big.Int
	completion, margin                     []int64
	mined, reverted                        map[uint64]uint64
	cost                                   map[uint64]*big.Int
	inclusion, sentMargin                  []int64
	late, tight                            uint64
	lateBy                                 int64

	done, failed, abandoned             uint64
	errors                              map[string]uint64
	calls, failures, timeouts, throttle int64
	busy, slowest                       int64 // ms
}

// count counts what lies in [from, to).
func count(events []tally.Event, records []job.Record, from, to, now time.Time) *naive {
	n := &naive{lost: map[string]uint64{}, offered: map[tally.Token]*big.Int{}, volume: map[tally.Token]*big.Int{}, rescuedBy: map[tally.Token]*big.Int{},
		lostBy: map[tally.Token]*big.Int{}, mined: map[uint64]uint64{}, reverted: map[uint64]uint64{}, cost: map[uint64]*big.Int{}, errors: map[string]uint64{}}
	sum := func(to map[tally.Token]*big.Int, amounts []tally.Amount) {
		for _, a := range amounts {
			if to[a.Token] == nil {
				to[a.Token] = new(big.Int)
			}
			to[a.Token].Add(to[a.Token], a.Units.ToBig())
		}
	}
	for _, e := range events {
		at := time.Unix(int64(e.At), 0)
		if at.Before(from) || !at.Before(to) || e.Due && now.Sub(at) < tally.Grace {
			continue
		}
		switch e.Kind {
		case tally.Created:
			n.created++
			sum(n.offered, e.Amounts)
		case tally.Completed:
			n.completed++
			sum(n.volume, e.Amounts)
			n.completion, n.margin = append(n.completion, e.Seconds), append(n.margin, e.Margin)
		case tally.Cancelled:
			n.cancelled++
		case tally.Rescued:
			n.rescued++
			sum(n.rescuedBy, e.Amounts)
		case tally.Lost:
			n.lost[e.Reason]++
			sum(n.lostBy, e.Amounts)
		case tally.Sent:
			n.mined[e.ChainID]++
			if e.Reverted {
				n.reverted[e.ChainID]++
			}
			if n.cost[e.ChainID] == nil {
				n.cost[e.ChainID] = new(big.Int)
			}
			n.cost[e.ChainID].Add(n.cost[e.ChainID], e.Cost.ToBig())
			n.inclusion = append(n.inclusion, e.Seconds)
			if e.Timed && e.Margin < 0 {
				n.late++
				n.lateBy = max(n.lateBy, -e.Margin)
			} else if e.Timed {
				n.sentMargin = append(n.sentMargin, e.Margin)
				if e.Margin < 300 {
					n.tight++
				}
			}
		}
	}
	for _, r := range records {
		if r.Scheduled.Before(from) || !r.Scheduled.Before(to) {
			continue
		}
		switch r.State {
		case job.Done:
			n.done++
		case job.Failed:
			n.failed++
			n.errors[string(r.Class)]++
		case job.Abandoned:
			n.abandoned++
		}
		n.calls, n.failures = n.calls+r.RPC.Calls, n.failures+r.RPC.Failed
		n.timeouts, n.throttle = n.timeouts+r.RPC.TimedOut, n.throttle+r.RPC.Throttled
		n.busy += r.RPC.Busy.Milliseconds()
		n.slowest = max(n.slowest, r.RPC.Slowest.Milliseconds())
	}
	return n
}

// differs says what of a period is not as the naive count has it.
func (n *naive) differs(p tally.Period) (out []string) {
	bad := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			out = append(out, fmt.Sprintf("%s: want %v, got %v", what, want, got))
		}
	}
	c, r := &p.Swaps, &p.Runs
	bad("created", n.created, c.Created)
	bad("completed", n.completed, c.Completed)
	bad("cancelled", n.cancelled, c.Cancelled)
	bad("rescued", n.rescued, c.Rescued)
	bad("lost", n.lost, map[string]uint64(c.Lost))
	bad("unsummed", 0, c.Unsummed)
	amounts := func(what string, want map[tally.Token]*big.Int, got tally.Amounts) {
		bad(what+": tokens", len(want), len(got))
		for token, v := range want {
			units := got.Of(token)
			bad(what+" of "+token.String(), v, units.ToBig())
		}
	}
	amounts("offered", n.offered, c.Offered)
	amounts("volume", n.volume, c.Volume)
	amounts("rescued amounts", n.rescuedBy, c.RescuedBy)
	amounts("lost amounts", n.lostBy, c.LostBy)
	histogram := func(what string, values []int64, h tally.Histogram) {
		for _, why := range Distribution(values, h) {
			out = append(out, what+": "+why)
		}
	}
	histogram("completion", n.completion, c.Completion)
	histogram("margin", n.margin, c.Margin)
	histogram("inclusion", n.inclusion, c.Inclusion)
	histogram("sent margin", n.sentMargin, c.SentMargin)
	bad("late", n.late, c.Late)
	bad("late by", n.lateBy, c.LateBy)
	bad("tight", n.tight, c.Tight)
	bad("chains", len(n.mined), len(c.Gas))
	for chain, mined := range n.mined {
		g := c.GasOf(chain)
		bad("mined", mined, g.Mined)
		bad("reverted", n.reverted[chain], g.Reverted)
		bad("cost", n.cost[chain], g.Cost.ToBig())
	}
	bad("done", n.done, r.Done)
	bad("failed", n.failed, r.Failed)
	bad("abandoned", n.abandoned, r.Abandoned)
	bad("errors", n.errors, map[string]uint64(r.Errors))
	bad("calls", n.calls, r.Calls)
	bad("failures", n.failures, r.Failures)
	bad("timeouts", n.timeouts, r.Timeouts)
	bad("throttled", n.throttle, r.Throttled)
	bad("busy", n.busy, r.BusyMS)
	bad("slowest", n.slowest, r.SlowestMS)
	return out
}

// Distribution says what of a histogram does not fit the values: the number, sum
// and ends are exact, a percentile is never below the true one and less than a
// part in 32 above it, and what so many reach never above it and as little below.
func Distribution(values []int64, h tally.Histogram) (out []string) {
	sorted := make([]uint64, len(values))
	sum := uint64(0)
	for i, v := range values {
		sorted[i] = uint64(max(v, 0))
		sum += sorted[i]
	}
	slices.Sort(sorted)
	want := tally.Histogram{N: uint64(len(sorted)), Sum: sum}
	mean := uint64(0)
	if len(sorted) > 0 {
		want.Min, want.Max = sorted[0], sorted[len(sorted)-1]
		mean = sum / want.N
	}
	if h.N != want.N || h.Sum != want.Sum || h.Min != want.Min || h.Max != want.Max || h.Mean() != mean {
		out = append(out, fmt.Sprintf("%d values of sum %d from %d to %d with mean %d, want %d of %d from %d to %d with %d",
			h.N, h.Sum, h.Min, h.Max, h.Mean(), want.N, want.Sum, want.Min, want.Max, mean))
		return out
	}
	for _, p := range []uint64{0, 1, 10, 50, 90, 95, 99, 100} {
		exact := uint64(0)
		if len(sorted) > 0 {
			rank := (want.N*p + 99) / 100
			exact = sorted[max(rank, 1)-1]
		}
		if got := h.Percentile(p); got < exact || got-exact > exact/32 {
			out = append(out, fmt.Sprintf("percentile %d is %d, and truly %d", p, got, exact))
		}
		n := (want.N*p + 99) / 100
		if exact = 0; n > 0 {
			exact = sorted[want.N-n]
		}
		if got := h.Reached(n); got > exact || exact-got > exact/32 {
			out = append(out, fmt.Sprintf("%d of %d reach %d, and truly %d", n, want.N, got, exact))
		}
	}
	return out
}

// Check holds everything that is stored against the naive count, step by step,
// and the sums of a pass at now too.
func (p *Play) Check(t testing.TB, res tally.Result, now time.Time) {
	t.Helper()
	var events []tally.Event
	for _, o := range p.orders {
		events = append(events, tally.OfOrder(*o)...)
	}
	for _, e := range p.mined {
		events = append(events, EventOf(e))
	}
	var records []job.Record
	for _, r := range p.records {
		records = append(records, r)
	}
	reader := tally.Reader{Hours: p.Hours, Latest: p.Latest}
	from, to := Epoch.Add(-10*time.Hour), now.Truncate(time.Hour).Add(time.Hour)
	steps, err := reader.Series(t.Context(), from, to, tally.Step)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	report := func(what string, period tally.Period) {
		for _, why := range count(events, records, period.From, period.To, now).differs(period) {
			if wrong++; wrong < 10 {
				t.Errorf("%s from %s to %s: %s", what, period.From.Format(time.RFC3339), period.To.Format(time.RFC3339), why)
			}
		}
	}
	if want := int(to.Sub(from) / tally.Step); len(steps) != want {
		t.Errorf("%d steps, want %d", len(steps), want)
	}
	for _, s := range steps {
		report("step", s)
	}
	sums, err := reader.Sums(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	end := now.Truncate(tally.Step)
	for _, w := range []struct {
		period tally.Period
		length time.Duration
	}{{sums.Hour, time.Hour}, {sums.Day, 24 * time.Hour}, {sums.Week, 7 * 24 * time.Hour}} {
		if !w.period.To.Equal(end) || !w.period.From.Equal(end.Add(-w.length)) {
			t.Errorf("sums from %s to %s, want %s up to %s", w.period.From, w.period.To, w.length, end)
		}
		report("sums", w.period)
	}
	if !res.Sums.Through.Equal(sums.Through) {
		t.Errorf("counted through %s, stored %s", res.Sums.Through, sums.Through)
	}
}
