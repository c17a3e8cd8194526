package daily

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/report"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

// The objective: the time that should be left to the hard deadline when a transaction
// is included, and the share of them, in 1/100 of a percent, that should have it.
const (
	objective = tally.Objective
	target    = 9990
)

// edges divide the margins: the lower edge of each bucket, of which objective is one.
var edges = []time.Duration{0, time.Minute, 2 * time.Minute, objective, 15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour}

// counted tells what the aggregates say of the day, and what was lost in it. count has
// all counted that is there, which the aggregator's last pass before midnight cannot have
// seen: a report that left that to the next would leave it out for ever.
func counted(count func(context.Context) error, r tally.Reader, feed feed, file env.Chains) func(context.Context, time.Time, time.Time) (report.Tallied, error) {
	return func(ctx context.Context, from, until time.Time) (report.Tallied, error) {
		behind := count(ctx) // what is counted already is told all the same
		end := stepEnd(until)
		hours, err := r.Series(ctx, from, end, time.Hour)
		if err != nil {
			return report.Tallied{}, err
		}
		day, err := r.Between(ctx, from, end)
		if err != nil {
			return report.Tallied{}, err
		}
		before, err := r.Between(ctx, from.Add(-24*time.Hour), from)
		if err != nil {
			return report.Tallied{}, err
		}
		t := tell(day, hours, before, from, prices(file))
		events, err := eventsOf(ctx, feed, from, until, until)
		for _, e := range events {
			if e.Kind == tally.Lost {
				t.Swaps.Losses = append(t.Swaps.Losses, lost(e, prices(file)))
			}
		}
		return t, errors.Join(behind, err)
	}
}

// caughtUp makes passes until none has left anything for the next: one takes only so much.
func caughtUp(pass func(context.Context) (tally.Result, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			res, err := pass(ctx)
			switch {
			case err != nil:
				return err
			case !res.More:
				return nil
			case ctx.Err() != nil:
				return fmt.Errorf("count what is new: %w", context.Cause(ctx))
			}
		}
	}
}

// stepEnd is the end of the step that is under way at a time: the aggregates know no
// finer one, and a report of a day that is not over tells what has happened in it so
// far. Midnight is the end of one.
func stepEnd(at time.Time) time.Time {
	if end := at.Truncate(tally.Step); !end.Equal(at) {
		return end.Add(tally.Step)
	}
	return at
}

// tell is what is counted of a day in the report's words.
func tell(day tally.Period, hours []tally.Period, before tally.Period, from time.Time, p pricing) report.Tallied {
	c := day.Swaps
	t := report.Tallied{Swaps: report.Swaps{Counts: counts(c), Duration: spread(c.Completion)}, Inclusion: spread(c.Inclusion)}
	if (before.Swaps.Created | before.Swaps.Completed | before.Runs.Done) != 0 { // else nothing is known of it
		was := counts(before.Swaps)
		t.Swaps.Before = &was
	}
	for _, h := range hours {
		if n := counts(h.Swaps); n != (report.Counts{}) {
			t.Swaps.Hours = append(t.Swaps.Hours, report.Hour{Hour: int(h.From.Sub(from) / time.Hour), Counts: n})
		}
	}
	for _, a := range c.Volume {
		amount, value, chain := p.amount(a)
		t.Swaps.Volume = append(t.Swaps.Volume, report.Volume{Chain: chain, Token: amount, Value: value})
	}
	for class, n := range day.Runs.Errors {
		t.Swaps.Errors = append(t.Swaps.Errors, report.ErrorClass{Class: class, N: whole(n)})
	}
	t.Margins = margins(c)
	for _, g := range c.Gas {
		gas := report.Gas{Chain: p.chain(g.ChainID), Transactions: whole(g.Mined), Reverted: whole(g.Reverted), Spent: report.Wei(g.Cost)}
		if was := before.Swaps.GasOf(g.ChainID); was.Mined > 0 {
			gas.Before = &was.Cost
		}
		t.Gas = append(t.Gas, gas)
	}
	return t
}

func counts(c tally.Counts) report.Counts {
	return report.Counts{Created: whole(c.Created), Completed: whole(c.Completed), Cancelled: whole(c.Cancelled), Rescued: whole(c.Rescued), Lost: whole(c.Lost.Total())}
}

// margins are those of transactions with a hard deadline: the late ones, and by
// how much time was left of the others. What reached the objective is exact; the
// other edges are to within a histogram's cell.
func margins(c tally.Counts) report.Margins {
	h := c.SentMargin
	m := report.Margins{Objective: objective, Target: target}
	total := c.Late + h.N
	if total == 0 {
		return m
	}
	if c.Late > 0 {
		m.Buckets = append(m.Buckets, report.Bucket{From: -1, N: whole(c.Late)})
	}
	m.Met = whole(h.N - min(c.Tight, h.N))
	under := func(edge time.Duration) uint64 {
		switch edge {
		case 0:
			return 0
		case objective:
			return min(c.Tight, h.N)
		}
		return below(h, uint64(edge/time.Second)-1)
	}
	for i, from := range edges {
		end := h.N
		if i+1 < len(edges) {
			end = under(edges[i+1])
		}
		m.Buckets = append(m.Buckets, report.Bucket{From: from, N: whole(end - under(from))})
	}
	// reached is what that share of all had, in percent; of those that were late it is known that
	// none was later than the latest.
	reached := func(percent uint64) time.Duration {
		n := (total*percent + 99) / 100
		if n > h.N {
			return -seconds(c.LateBy)
		}
		return seconds(h.Reached(n))
	}
	m.Least, m.P01, m.P50 = reached(100), reached(99), reached(50)
	return m
}

// below is how many values of a histogram do not exceed most, to within its cells.
func below(h tally.Histogram, most uint64) (n uint64) {
	for _, c := range h.Cells {
		cell := tally.Histogram{N: 1, Max: math.MaxUint64, Cells: []tally.Cell{c}} // whose greatest value is the cell's end
		if cell.Percentile(100) > most {
			break
		}
		n += c[1]
	}
	return n
}

func spread(h tally.Histogram) report.Spread {
	return report.Spread{N: whole(h.N), P50: seconds(h.Percentile(50)), P95: seconds(h.Percentile(95)), Max: seconds(h.Max)}
}

func seconds(n uint64) time.Duration { return time.Duration(min(n, 1<<32)) * time.Second }

func whole(n uint64) int { return int(min(n, math.MaxInt32)) }

// lost is a loss in the report's words.
func lost(e tally.Event, p pricing) report.Loss {
	l := report.Loss{At: time.Unix(int64(e.At), 0).UTC(), Chain: p.chain(e.ChainID), Order: e.Order.String(), What: e.Reason}
	for _, a := range e.Amounts { // the largest; where two were lost the other is of the same swap
		if amount, _, _ := p.amount(a); amount.Raw.Gt(&l.Amount.Raw) {
			l.Amount = amount
		}
	}
	return l
}

// pricing knows the chains and tokens of the chains file.
type pricing map[uint64]env.Chain

func prices(file env.Chains) pricing {
	p := pricing{}
	for _, c := range file.Chains {
		p[c.ID] = c
	}
	return p
}

func (p pricing) chain(id uint64) string {
	if c, ok := p[id]; ok {
		return c.Name
	}
	return fmt.Sprintf("chain %d", id)
}

// amount names a token and values it, zero without a reference price.
func (p pricing) amount(a tally.Amount) (amount report.Amount, value uint256.Int, chain string) {
	chain = p.chain(a.Token.ChainID)
	if a.Token.Address == (common.Address{}) {
		return report.Wei(a.Units), a.Units, chain
	}
	t, ok := p[a.Token.ChainID].Tokens[a.Token.Address]
	if !ok {
		return report.Amount{Raw: a.Units, Symbol: a.Token.Address.Hex()[:10] + "…"}, value, chain
	}
	unit := new(uint256.Int).Exp(uint256.NewInt(10), uint256.NewInt(uint64(t.Decimals)))
	if _, over := value.MulDivOverflow(&a.Units, &t.WeiPerUnit, unit); over {
		value.SetAllOne()
	}
	return report.Amount{Raw: a.Units, Decimals: t.Decimals, Symbol: t.Symbol}, value, chain
}
