package daily

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/report"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/tally"
)

// feed is what is read of tally.Feed.
type feed interface {
	// Between reads all events from the first hour to the last, both included, consistently
	// and in no order.
	Between(ctx context.Context, first, last tally.Hour) ([]tally.Event, error)
}

// lookback is how far before the day a swap may have begun that is still open in
// it: as long as its beginning is in the feed, which is far longer than the rescue
// delay of eight days.
const lookback = tally.KeepEvents - 24*time.Hour

// exposed tells which swaps had funds in escrows, from when until when, worth what
// the maker gave for them.
func exposed(f feed, file env.Chains) func(context.Context, time.Time, time.Time) ([]report.Exposure, error) {
	return func(ctx context.Context, from, until time.Time) ([]report.Exposure, error) {
		b := book{prices: prices(file), begun: map[swap.OrderID]report.Exposure{}, ended: map[swap.OrderID]time.Time{}}
		// A day at a time: what has ended by then is not kept.
		for at := from.Add(-lookback); at.Before(until); at = at.Add(24 * time.Hour) {
			next := at.Add(24 * time.Hour)
			if next.After(until) {
				next = until
			}
			events, err := eventsOf(ctx, f, at, next, until)
			if err != nil {
				return nil, err
			}
			b.enter(events)
			if next.Before(from) {
				b.forget(next)
			}
		}
		return b.exposures(), nil
	}
}

// book joins the beginnings and ends of swaps.
type book struct {
	prices pricing
	begun  map[swap.OrderID]report.Exposure
	ended  map[swap.OrderID]time.Time
}

func (b *book) enter(events []tally.Event) {
	for _, e := range events {
		at := time.Unix(int64(e.At), 0).UTC()
		switch {
		case e.Kind == tally.Created:
			x := report.Exposure{From: at}
			for _, a := range e.Amounts {
				_, value, _ := b.prices.amount(a)
				if _, beyond := x.Value.AddOverflow(&x.Value, &value); beyond {
					x.Value.SetAllOne()
				}
			}
			b.begun[e.Order] = x
		case over(e):
			if was, ok := b.ended[e.Order]; !ok || at.Before(was) {
				b.ended[e.Order] = at
			}
		}
	}
}

// forget drops what ended before now. An end is kept a day longer: the clocks of two
// chains may put it before its beginning.
func (b *book) forget(now time.Time) {
	for id, at := range b.ended {
		if _, there := b.begun[id]; there {
			delete(b.begun, id)
			delete(b.ended, id)
		} else if at.Before(now.Add(-24 * time.Hour)) {
			delete(b.ended, id)
		}
	}
}

func (b *book) exposures() (out []report.Exposure) {
	for id, x := range b.begun {
		x.Until = b.ended[id]
		out = append(out, x)
	}
	slices.SortFunc(out, func(x, y report.Exposure) int {
		return cmp.Or(x.From.Compare(y.From), x.Until.Compare(y.Until), x.Value.Cmp(&y.Value))
	})
	return out
}

// over tells whether an event ends what a swap has at risk: what waits for its
// rescue still lies in its escrow.
func over(e tally.Event) bool {
	switch e.Kind {
	case tally.Completed, tally.Cancelled, tally.Rescued:
		return true
	case tally.Lost:
		return e.Reason != tally.DstPaidSrcExpired
	}
	return false
}

// eventsOf reads the events in [from, until) that count at now.
func eventsOf(ctx context.Context, f feed, from, until, now time.Time) ([]tally.Event, error) {
	if !from.Before(until) {
		return nil, nil
	}
	all, err := f.Between(ctx, tally.HourAt(from), tally.HourAt(until.Add(-1)))
	all = slices.DeleteFunc(all, func(e tally.Event) bool {
		at := time.Unix(int64(e.At), 0)
		return at.Before(from) || !at.Before(until) || e.Due && at.Add(tally.Grace).After(now)
	})
	slices.SortFunc(all, func(a, b tally.Event) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Key(), b.Key())) })
	return all, err
}
