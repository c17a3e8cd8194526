package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// What a page tells is kept beside it as data, and a page that is made again is
// made of that: what has changed in the stores since, or is no longer there,
// changes nothing of it. Only what could not be read is read again. So the same day
// gives the same bytes for as long as its record is kept, which is as long as its
// page. Whoever wants a day told anew, with what became known later, deletes the
// record first.

// recordSchema is the version of what is written. Another one is refused.
const recordSchema = 1

// maxRecord bounds what is read of a record, in bytes.
const maxRecord = 64 << 20

type record struct {
	Schema int
	Day    Day
}

// recordKey is where the record of a page is kept.
func recordKey(page string) string { return strings.TrimSuffix(page, ".html") + ".json" }

// write encodes a day and returns it as it is read back, too: what cannot be
// written, such as half a character, must not be in the first page either.
func write(d Day) (data []byte, as Day, err error) {
	if data, err = json.Marshal(&record{recordSchema, d}); err != nil {
		return nil, Day{}, fmt.Errorf("write down the report of %s: %w", d.Start.Format(time.DateOnly), err)
	}
	as, err = read(data)
	return data, as, err
}

func read(data []byte) (Day, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return Day{}, fmt.Errorf("record of a report: %w", err)
	}
	if r.Schema != recordSchema {
		return Day{}, fmt.Errorf("record of a report: schema %d, want %d", r.Schema, recordSchema)
	}
	return r.Day, nil
}

// recorded reads what was told of a time; false: nothing was yet.
func (g *Gatherer) recorded(ctx context.Context, key string, start, until time.Time) (Day, bool, error) {
	data, _, err := g.Shelf.Get(ctx, key, maxRecord)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Day{}, false, nil
	case err != nil:
		return Day{}, false, fmt.Errorf("look what was told before: %w", err)
	}
	d, err := read(data)
	if err == nil && (!d.Start.Equal(start) || !d.Until.Equal(until)) {
		err = fmt.Errorf("record of a report: it is of %s to %s", d.Start.Format(time.RFC3339), d.Until.Format(time.RFC3339))
	}
	if err != nil {
		return Day{}, false, fmt.Errorf("look what was told before in %s: %w", key, err)
	}
	return d, true, nil
}

// late is what is counted of the day before now that its own report did not know: what happened shortly
// before midnight is final on its chain only after the report was made. Without that report, or its
// numbers, nothing is late; and a day that is not over says nothing of it.
func (g *Gatherer) late(ctx context.Context, start, until time.Time, now *Counts) (Counts, error) {
	if now == nil || until.Sub(start) != 24*time.Hour {
		return Counts{}, nil
	}
	before := start.Add(-24 * time.Hour)
	then, known, err := g.recorded(ctx, recordKey(Key(before, start)), before, start)
	if err != nil || !known || slices.ContainsFunc(then.Gaps, func(g Gap) bool { return g.Part == PartSwaps }) {
		return Counts{}, err
	}
	return now.beyond(then.Swaps.Counts), nil
}
