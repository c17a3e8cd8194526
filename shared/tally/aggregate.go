package tally

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bridge-me-not/resolver-cron/shared/job"
)

const (
	// maxMarks is how many marks one pass takes; the next takes the rest.
	maxMarks = 2_000
	// rounds is how often an hour is counted again because another pass was
	// faster.
	rounds = 5
	// counters bounds the hours that are counted at once.
	counters = 8
	// runsKept is how old an hour may be whose runs are counted: the run items
	// of its first tick are then sure to be there still.
	runsKept = job.RunTTL - time.Hour
)

// Aggregator counts what is new.
type Aggregator struct {
	Feed   Feed
	Hours  Hours
	Latest Latest
	Runs   Since
	Jobs   []string // whose runs are counted
}

// Result is what a pass did.
type Result struct {
	Marks   int  // that were taken
	More    bool // there may be more of them
	Counted int  // hours that were counted
	Written int  // of those, the ones that had changed
	Sums    Sums
}

// Pass counts every hour that has changed, and sums them. now is the time of
// the wall clock. It may be killed anywhere and run beside another: see the
// package comment. An hour that cannot be counted does not keep the others from
// it; its marks stay, and the error is returned.
func (a *Aggregator) Pass(ctx context.Context, now time.Time) (res Result, err error) {
	now = now.UTC()
	before, err := a.Latest.Sums(ctx)
	if err != nil {
		return res, fmt.Errorf("read sums: %w", err)
	}
	marks, unread := a.Feed.Marks(ctx, maxMarks)
	if unread != nil {
		unread = fmt.Errorf("read marks: %w", unread)
	}
	res.Marks, res.More = len(marks), len(marks) >= maxMarks
	since := before.Through
	switch {
	case since.IsZero(): // the first pass: no mark was let go before it
		since = now.Add(-job.RunTTL)
	case since.After(now): // the clock went back
		since = now
	}
	todo := due(marks, since, now)
	res.Counted = len(todo)
	left, written, failed := a.count(ctx, todo, now)
	res.Written = written
	done := slices.DeleteFunc(slices.Clone(marks), func(m Mark) bool {
		return slices.ContainsFunc(m.Hours, func(h Hour) bool { return left[h] })
	})
	if len(done) > 0 {
		if err := a.Feed.Clear(ctx, done); err != nil {
			failed = errors.Join(failed, fmt.Errorf("clear marks: %w", err))
		}
	}
	through := now
	if len(left) > 0 {
		through = since
	}
	res.Sums, err = a.sum(ctx, before, now, through)
	return res, errors.Join(unread, failed, err)
}

// part says what of an hour is counted.
type part struct{ swaps, runs bool }

// due lists the hours to be counted: those that are marked, and those through
// which the clock, or Grace behind it, has gone since the last pass. So marks of
// hours ahead are let go, but for the next one, which may have begun by the clock
// of a chain.
func due(marks []Mark, since, now time.Time) map[Hour]part {
	out := map[Hour]part{}
	oldest := HourAt(now.Add(-Keep)) + 1
	oldestRuns := HourAt(now.Add(-runsKept)) + 1
	need := func(h Hour, p part) {
		was := out[h]
		p.swaps, p.runs = was.swaps || p.swaps && h >= oldest, was.runs || p.runs && h >= oldestRuns
		if p != (part{}) {
			out[h] = p
		}
	}
	for _, m := range marks {
		for _, h := range m.Hours {
			if h <= HourAt(now)+1 {
				need(h, part{swaps: !m.Runs, runs: m.Runs})
			}
		}
	}
	for h := max(oldest, HourAt(since.Add(-Grace))); h <= HourAt(now); h++ {
		need(h, part{swaps: true})
	}
	for h := max(oldestRuns, HourAt(since)-1); h <= HourAt(now); h++ {
		need(h, part{runs: true})
	}
	return out
}

// count counts hours until all are stored, and returns those that are not.
func (a *Aggregator) count(ctx context.Context, todo map[Hour]part, now time.Time) (left map[Hour]bool, written int, err error) {
	for round := 1; len(todo) > 0; round++ {
		var lost map[Hour]part
		var n int
		lost, n, err = a.round(ctx, todo, now)
		written += n
		todo = lost
		if err != nil || round == rounds {
			break
		}
	}
	left = map[Hour]bool{}
	for h := range todo {
		left[h] = true
	}
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("count %d hours: %w", len(left), ErrConflict)
	}
	return left, written, err
}

// round counts each hour once. What is stored of an hour is read before anything
// that it is counted from, so that a write under its version never replaces what
// was counted from a later reading. It returns the hours that are not stored.
func (a *Aggregator) round(ctx context.Context, todo map[Hour]part, now time.Time) (left map[Hour]part, written int, err error) {
	hours := slices.Sorted(maps.Keys(todo))
	stored := make([]Stored, len(hours))
	errs := make([]error, len(hours))
	each(hours, func(i int, h Hour) {
		if stored[i], errs[i] = a.Hours.Hour(ctx, h); errs[i] != nil {
			errs[i] = fmt.Errorf("read hour %s: %w", h, errs[i])
		}
	})
	records, runsErr := a.records(ctx, todo)
	changed := make([]bool, len(hours))
	each(hours, func(i int, h Hour) {
		if errs[i] == nil {
			changed[i], errs[i] = a.hour(ctx, stored[i], todo[h], records, runsErr, now)
		}
	})
	left = map[Hour]part{}
	var real []error
	for i, h := range hours {
		switch {
		case errs[i] != nil:
			left[h] = todo[h]
			if !errors.Is(errs[i], ErrConflict) {
				real = append(real, errs[i])
			}
		case changed[i]:
			written++
		}
	}
	return left, written, errors.Join(real...)
}

// hour counts one hour and stores it if that changes anything.
func (a *Aggregator) hour(ctx context.Context, was Stored, p part, records []job.Record, runsErr error, now time.Time) (changed bool, err error) {
	next := was
	if p.swaps {
		events, err := a.Feed.Events(ctx, was.Hour)
		if err != nil {
			return false, fmt.Errorf("read events of hour %s: %w", was.Hour, err)
		}
		next.countSwaps(was.Hour, events, now)
	}
	if p.runs && runsErr == nil {
		next.countRuns(was.Hour, records)
	}
	if !next.equal(was.Tally) {
		if err := a.Hours.Put(ctx, next); err != nil {
			return false, fmt.Errorf("store hour %s: %w", was.Hour, err)
		}
		changed = true
	}
	if p.runs && runsErr != nil { // what could be counted is stored
		return changed, fmt.Errorf("count runs of hour %s: %w", was.Hour, runsErr)
	}
	return changed, nil
}

// records reads the runs of the hours whose runs are counted.
func (a *Aggregator) records(ctx context.Context, todo map[Hour]part) ([]job.Record, error) {
	first, any := Hour(0), false
	for h, p := range todo {
		if p.runs && (!any || h < first) {
			first, any = h, true
		}
	}
	if !any {
		return nil, nil
	}
	found := make([][]job.Record, len(a.Jobs))
	var g errgroup.Group
	g.SetLimit(counters)
	for i, name := range a.Jobs {
		g.Go(func() (err error) {
			if found[i], err = a.Runs(ctx, name, first.Start().Add(-1)); err != nil {
				return fmt.Errorf("read runs of %s: %w", name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// each does something for every hour, several at a time.
func each(hours []Hour, do func(i int, h Hour)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, counters)
	for i, h := range hours {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(i, h)
		})
	}
	wg.Wait()
}

// sum adds up the hours of the last week and stores the sums, unless a pass beside
// this one has stored those of a later time. Later ones that stood there before are
// replaced: they are of a clock that was ahead, and would else stand until it is right.
func (a *Aggregator) sum(ctx context.Context, before Sums, now, through time.Time) (Sums, error) {
	to := now.Truncate(Step)
	const week = 7 * 24 * time.Hour
	for round := 1; ; round++ {
		stored, err := a.Hours.Range(ctx, HourAt(to.Add(-week)), HourAt(to))
		if err != nil {
			return Sums{}, fmt.Errorf("read the hours of a week: %w", err)
		}
		hours := byHour(stored)
		s := Sums{Through: through, Version: before.Version,
			Hour: between(to.Add(-time.Hour), to, hours), Day: between(to.Add(-24*time.Hour), to, hours), Week: between(to.Add(-week), to, hours)}
		err = a.Latest.SetSums(ctx, s)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, ErrConflict) || round == rounds {
			return s, fmt.Errorf("store sums: %w", err)
		}
		if before, err = a.Latest.Sums(ctx); err != nil {
			return s, fmt.Errorf("read sums: %w", err)
		}
		if before.Through.After(now) {
			return before, nil
		}
	}
}

func byHour(stored []Stored) map[Hour]Tally {
	out := make(map[Hour]Tally, len(stored))
	for _, s := range stored {
		out[s.Hour] = s.Tally
	}
	return out
}
