package tally

import (
	"context"
	"fmt"
	"time"
)

// Reader reads what was counted. It is the only reader of these items beside the
// Aggregator. What was not counted, because nothing happened or because it is
// older than Keep, is zero.
type Reader struct {
	Hours  Hours
	Latest Latest
}

// Sums are those over the last hour, day and week, as of the last pass.
func (r Reader) Sums(ctx context.Context) (Sums, error) {
	s, err := r.Latest.Sums(ctx)
	if err != nil {
		return Sums{}, fmt.Errorf("read sums: %w", err)
	}
	return s, nil
}

// Between sums the steps in [from, to): both are cut down to the start of theirs.
func (r Reader) Between(ctx context.Context, from, to time.Time) (Period, error) {
	from, to = from.Truncate(Step), to.Truncate(Step)
	hours, err := r.read(ctx, from, to)
	if err != nil {
		return Period{}, err
	}
	return between(from, to, hours), nil
}

// Day is the day of UTC in which the given instant lies.
func (r Reader) Day(ctx context.Context, day time.Time) (Period, error) {
	from := day.UTC().Truncate(24 * time.Hour)
	return r.Between(ctx, from, from.Add(24*time.Hour))
}

// Series divides [from, to) into periods of the given length, in order, the last
// one perhaps shorter. The length is a multiple of Step.
func (r Reader) Series(ctx context.Context, from, to time.Time, length time.Duration) ([]Period, error) {
	if length <= 0 || length%Step != 0 {
		return nil, fmt.Errorf("periods of %s: want a multiple of %s", length, Step)
	}
	from, to = from.Truncate(Step), to.Truncate(Step)
	hours, err := r.read(ctx, from, to)
	if err != nil {
		return nil, err
	}
	var out []Period
	for at := from; at.Before(to); at = at.Add(length) {
		end := at.Add(length)
		if end.After(to) {
			end = to
		}
		out = append(out, between(at, end, hours))
	}
	return out, nil
}

func (r Reader) read(ctx context.Context, from, to time.Time) (map[Hour]Tally, error) {
	if !from.Before(to) {
		return nil, nil
	}
	stored, err := r.Hours.Range(ctx, HourAt(from), HourAt(to.Add(-1)))
	if err != nil {
		return nil, fmt.Errorf("read hours from %s to %s: %w", from.Format(time.RFC3339), to.Format(time.RFC3339), err)
	}
	return byHour(stored), nil
}
