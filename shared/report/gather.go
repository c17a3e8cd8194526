package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Tallied is what the aggregates say of a day.
type Tallied struct {
	Swaps     Swaps
	Margins   Margins
	Gas       []Gas
	Inclusion Spread
}

// Sources read the parts of a day, each by itself and all at once. What they
// return is of [from, until) and, as far as they can, as it was known at until. A
// source that has answered without an error is not asked again, so that a day that is
// told again is told in the same words. They may return it in any order. An error makes the part, or the parts of it, a
// gap; what is returned beside it is told all the same.
type Sources struct {
	Tally     func(ctx context.Context, from, until time.Time) (Tallied, error)
	Exposures func(ctx context.Context, from, until time.Time) ([]Exposure, error)
	// Alerts returns all whose life touches the time, with their whole lives.
	Alerts   func(ctx context.Context, from, until time.Time) ([]Alert, error)
	Jobs     func(ctx context.Context, from, until time.Time) ([]Job, error)
	Balances func(ctx context.Context, from, until time.Time) ([]Balance, error)
	Health   func(ctx context.Context, from, until time.Time) (Health, error)
}

// Shelf keeps pages and records.
type Shelf interface {
	// Put stores the page under key, whole or not at all, in place of what was
	// there. After an error it may or may not be stored, and may be put again.
	Put(ctx context.Context, key, contentType string, page []byte) error
	// Get reads what was put, if it is no more than that many bytes; fs.ErrNotExist
	// if nothing was. A Put that returned nil is seen. The tag is not used.
	Get(ctx context.Context, key string, most int64) (page []byte, tag string, err error)
}

// Notes remembers which pages were told of. It is safe for concurrent use by many
// processes.
type Notes interface {
	// Told tells whether Note has succeeded for key within NoteTTL before now,
	// whether or not what is older is deleted yet. Strongly consistent.
	Told(ctx context.Context, key string, now time.Time) (bool, error)
	// Note remembers that key was told of at now. Noting it again is success. After
	// an error the outcome is unknown and the call may be repeated.
	Note(ctx context.Context, key string, now time.Time) error
}

// NoteTTL is how long a note is kept: far longer than a day can be told again by
// its schedule.
const NoteTTL = 30 * 24 * time.Hour

// Gatherer tells days. All fields but Zone have to be set.
type Gatherer struct {
	Stack, Mode string
	Zone        *time.Location // nil: UTC
	Sources     Sources
	Shelf       Shelf
	Notes       Notes
	// Publish sends a message. nil: it was taken over; after an error it may or may
	// not have been.
	Publish func(ctx context.Context, subject, body string) error
	// Link is where a page is read, by its key.
	Link func(key string) string
}

// late is how long after midnight a run still tells the day that has ended.
const late = 15 * time.Minute

// DayOf is the time that a run tells: the day that has just ended or, at any other
// time than about midnight, the day so far, to the minute.
func DayOf(tick time.Time) (start, until time.Time) {
	tick = tick.UTC()
	start = tick.Truncate(24 * time.Hour)
	if tick.Sub(start) < late {
		return start.Add(-24 * time.Hour), start
	}
	return start, tick.Truncate(time.Minute)
}

// Key is where the page of a day is kept.
func Key(start, until time.Time) string {
	if until.Sub(start) == 24*time.Hour {
		return "reports/" + start.UTC().Format(time.DateOnly) + ".html"
	}
	return "reports/" + until.UTC().Format("2006-01-02T1504") + ".html"
}

// Result is what a run did.
type Result struct {
	Key   string
	Bytes int
	Gaps  int
	Told  bool // by this run
}

// reserve is the time kept of a run for writing and telling: a source that hangs
// is a gap, and no reason for not telling the rest.
const reserve = 15 * time.Second

// Run tells the day of the run that was due at tick. check is asked before each
// effect. What is to be told is written down first, then the page, then it is told of,
// then that is noted: a run that is repeated makes the same page of the same record,
// and tells of it if no run has noted that. If it dies between telling and its note,
// the same few lines are sent twice, which is better than never. Gaps are an error,
// after all the rest was done; a run that is repeated reads those parts again, and only
// those.
func (g *Gatherer) Run(ctx context.Context, tick time.Time, check func() error) (Result, error) {
	start, until := DayOf(tick)
	res := Result{Key: Key(start, until)}
	day, known, broken := g.recorded(ctx, recordKey(res.Key), start, until)
	if broken != nil {
		return res, broken
	}
	if !known {
		day = Day{Start: start, Until: until, Stack: g.Stack, Mode: g.Mode}
	}
	var err error
	if !known || len(day.Gaps) > 0 {
		err = g.gather(ctx, &day, known)
		var data []byte
		if data, day, broken = write(day); broken != nil {
			return res, errors.Join(err, broken)
		}
		if lost := check(); lost != nil {
			return res, errors.Join(err, lost)
		}
		if broken = g.Shelf.Put(ctx, recordKey(res.Key), "application/json", data); broken != nil {
			return res, errors.Join(err, fmt.Errorf("store %s: %w", recordKey(res.Key), broken))
		}
	}
	res.Gaps = len(day.Gaps)
	page, broken := HTML(day, g.Zone)
	if broken != nil {
		return res, errors.Join(err, broken)
	}
	res.Bytes = len(page)
	if lost := check(); lost != nil {
		return res, errors.Join(err, lost)
	}
	if broken = g.Shelf.Put(ctx, res.Key, "text/html; charset=utf-8", page); broken != nil {
		return res, errors.Join(err, fmt.Errorf("store %s: %w", res.Key, broken))
	}
	told, broken := g.Notes.Told(ctx, res.Key, tick)
	if broken != nil {
		return res, errors.Join(err, fmt.Errorf("look whether %s was told of: %w", res.Key, broken))
	}
	if told {
		return res, err
	}
	if lost := check(); lost != nil {
		return res, errors.Join(err, lost)
	}
	subject, body := Text(day, g.Zone, g.Link(res.Key))
	if broken = g.Publish(ctx, subject, body); broken != nil {
		return res, errors.Join(err, fmt.Errorf("tell of %s: %w", res.Key, broken))
	}
	res.Told = true
	if broken = g.Notes.Note(ctx, res.Key, tick); broken != nil {
		err = errors.Join(err, fmt.Errorf("note that %s was told of: %w", res.Key, broken))
	}
	return res, err
}

// gather reads all parts of a day at once or, of one that is known, those that are
// missing. The error says what still is.
func (g *Gatherer) gather(ctx context.Context, d *Day, known bool) error {
	start, until, gaps := d.Start, d.Until, d.Gaps
	d.Gaps = nil
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs []error
	read := func(what string, parts []Part, from func() error) {
		if known && !slices.ContainsFunc(gaps, func(g Gap) bool { return slices.Contains(parts, g.Part) }) {
			return
		}
		wg.Go(func() {
			err := from()
			if err == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, fmt.Errorf("read %s of %s: %w", what, start.Format(time.DateOnly), err))
			for _, p := range parts {
				d.Gaps = append(d.Gaps, Gap{p, err.Error()})
			}
		})
	}
	s := g.Sources
	// Each writes fields of its own.
	read("the tallies", []Part{PartSwaps, PartMargins, PartGas}, func() error {
		t, err := s.Tally(ctx, start, until)
		d.Swaps, d.Margins, d.Gas, d.Inclusion = t.Swaps, t.Margins, t.Gas, t.Inclusion
		var unread error
		if d.Swaps.Late, unread = g.late(ctx, start, until, t.Swaps.Before); unread != nil {
			unread = fmt.Errorf("compare with the day before: %w", unread)
		}
		return errors.Join(err, unread)
	})
	read("the funds at risk", []Part{PartRisk}, func() error {
		all, err := s.Exposures(ctx, start, until)
		d.Risk = RiskOf(start, until, all)
		return err
	})
	read("the alerts", []Part{PartAlerts}, func() error {
		all, err := s.Alerts(ctx, start, until)
		d.Alerts = touching(all, start, until)
		return err
	})
	read("the jobs", []Part{PartJobs}, func() (err error) {
		d.Jobs, err = s.Jobs(ctx, start, until)
		return err
	})
	read("the balances", []Part{PartBalances}, func() (err error) {
		d.Balances, err = s.Balances(ctx, start, until)
		return err
	})
	read("the health", []Part{PartHealth}, func() (err error) {
		d.Health, err = s.Health(ctx, start, until)
		return err
	})
	wg.Wait()
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// touching are the alerts that were open at any time of the day, as they were known
// at its end.
func touching(all []Alert, start, until time.Time) []Alert {
	var out []Alert
	for _, a := range all {
		a, existed := a.asOf(until)
		if !existed {
			continue
		}
		slices.SortStableFunc(a.Marks, Mark.compare)
		if end, over := a.last(Resolved); over && !a.open() && end.At.Before(start) {
			continue
		}
		out = append(out, a)
	}
	return out
}
