package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The cap: no more messages than these in each window of wall-clock time, whatever is raised and by how
// many processes, so that a bad day does not hide what matters in a thousand mails. It is counted in the
// store. What finds no place stays in the outbox, and summaries tell of it, one for the criticals and one
// for all others in every third of a window: what a summary tells has been announced by it, and what has no
// room even there waits for the next, the most severe first. Twenty messages in ten minutes at most.
//
// What is not critical may take only a part of the places, so that a critical waits behind criticals alone.
// If the places cannot be counted, everything is announced: too many is better than none.
const (
	window       = 10 * time.Minute
	mostMessages = 14
	mostOthers   = 7 // of those, what is not critical
	summaryEvery = window / 3
)

// Summary is the kind of the message that stands for alerts that the cap held back. Nothing is raised under it.
const Summary Kind = "summary"

// most is how many messages of a window those of a severity may make it.
func most(s Severity) int {
	if s >= Critical {
		return mostMessages
	}
	return mostOthers
}

func windowEnd(now time.Time) time.Time { return now.Truncate(window).Add(window) }

// place names what is booked in a span of time.
func place(what string, now time.Time, span time.Duration) string {
	return what + "@" + now.Truncate(span).UTC().Format(time.RFC3339)
}

// book takes a place, and does not ask again where this desk has found none.
func (d *Desk) book(ctx context.Context, name string, limit int, until time.Time) (bool, error) {
	asked := fmt.Sprintf("%s/%d", name, limit)
	d.mu.Lock()
	full := d.full[asked]
	d.mu.Unlock()
	if full {
		return false, nil
	}
	free, err := d.store.Book(ctx, name, 1, limit, until)
	if err != nil {
		return true, fmt.Errorf("count the alert messages of %s: %w", name, err)
	}
	if !free {
		d.mu.Lock()
		d.full[asked] = true
		d.mu.Unlock()
	}
	return free, nil
}

// giveBack returns the place of a message that was not delivered, so that trying again does not use up the
// window. It may have been delivered all the same: then there is one message more.
func (d *Desk) giveBack(ctx context.Context, name string, now time.Time) error {
	if _, err := d.store.Book(ctx, name, -1, 0, windowEnd(now)); err != nil {
		return fmt.Errorf("give back the place of an alert message of %s: %w", name, err)
	}
	return nil
}

// summarise announces, in the two summaries of the time, what found no place.
func (d *Desk) summarise(ctx context.Context, held []Entry, now time.Time) error {
	if len(held) == 0 {
		return nil
	}
	d.log.WarnContext(ctx, "no room for alerts", "alerts", len(held))
	d.mu.Lock()
	for _, e := range held {
		d.held[e.Key()] = e.RaisedAt
	}
	d.mu.Unlock()
	urgent, others := []Entry{}, []Entry{}
	for _, e := range held {
		if e.Severity >= Critical {
			urgent = append(urgent, e)
		} else {
			others = append(others, e)
		}
	}
	var errs []error
	for _, s := range []struct {
		place   string
		entries []Entry
	}{{place("summary-critical", now, summaryEvery), urgent}, {place("summary", now, summaryEvery), others}} {
		if len(s.entries) == 0 {
			continue
		}
		free, err := d.book(ctx, s.place, 1, windowEnd(now))
		errs = append(errs, err)
		told := 0
		if free {
			var m Message
			m, told = summary(s.entries)
			errs = append(errs, d.announce(ctx, m, s.place, s.entries[:told], now))
		}
		d.keepUnstored(s.entries[told:])
	}
	return errors.Join(errs...)
}

// keepUnstored keeps for another Flush what is held back and in no store.
func (d *Desk) keepUnstored(entries []Entry) {
	d.putBack(slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Version != 0 }))
	d.mu.Lock()
	defer d.mu.Unlock()
	for key := range d.due {
		delete(d.held, key)
	}
}

const (
	// maxSummary bounds the list of a summary, maxLine what it says of one alert, in bytes.
	maxSummary = 24_000
	maxLine    = 250
	// maxLines is how many of a group it lists; the others are counted, as in any message that is full.
	maxLines = 6
)

// summary writes the message that stands for entries, which are in the order in which they would have been
// announced. It tells of how many of them, from the first, it does: whole groups.
func summary(entries []Entry) (m Message, told int) {
	groups := byGroup(entries)
	if len(groups) == 1 {
		return compose(groupOf(entries[0]), entries), len(entries)
	}
	severity := slices.MaxFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Severity, b.Severity) }).Severity
	var b strings.Builder
	fmt.Fprintf(&b, "There is more to tell than %d messages in %s may say: this one stands for all of the following.\n", mostMessages, spell(window))
	explained := Kind("")
	for _, all := range groups {
		g, text := groupOf(all[0]), strings.Builder{}
		fmt.Fprintf(&text, "\n%s (%d)\n", g.head(), len(all))
		if todo := Kinds[g.kind].WhatToDo; g.state != Resolved && todo != "" && g.kind != explained {
			fmt.Fprintf(&text, "What to do: %s\n", todo)
		}
		for _, e := range all[:min(len(all), maxLines)] {
			fmt.Fprintf(&text, "- %s\n", clean(line(e), maxLine))
		}
		if n := len(all) - maxLines; n > 0 {
			fmt.Fprintf(&text, "… and %d more: see the log lines \"alert\" of kind %s.\n", n, g.kind)
		}
		if told > 0 && b.Len()+text.Len() > maxSummary {
			break
		}
		b.WriteString(text.String())
		explained, told = g.kind, told+len(all)
	}
	kinds, left := map[string]bool{}, map[Kind]int{}
	for i, e := range entries {
		kinds[string(e.Kind)] = true
		if i >= told {
			left[e.Kind]++
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(&b, "\nAnd %d more, which follow within %s; the operator command `alerts` lists what is open:\n", len(entries)-told, spell(summaryEvery))
		for _, k := range slices.Sorted(maps.Keys(left)) {
			fmt.Fprintf(&b, "%d %s\n", left[k], k)
		}
	}
	return Message{Kind: Summary, Severity: severity, Body: b.String(),
		Subject: fmt.Sprintf("%s: %d more alerts: %s", strings.ToUpper(severity.String()), len(entries), strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))}, told
}

// byGroup cuts entries into their groups, which stand together.
func byGroup(entries []Entry) (groups [][]Entry) {
	for i, e := range entries {
		if i == 0 || groupOf(e) != groupOf(entries[i-1]) {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], e)
	}
	return groups
}

// line says of an alert what a person must know, in one line.
func line(e Entry) string {
	parts := slices.DeleteFunc([]string{name("order", e.Order), name("escrow", e.Escrow), name("account", e.Account)},
		func(s string) bool { return s == "" })
	where := strings.Join(parts, ", ")
	if e.State == Resolved {
		return strings.TrimPrefix(where+": proof: "+e.Proof, ": ")
	}
	out := where
	for _, part := range []string{name("at stake", e.AtStake), name("until", e.UntilWhen), e.What} {
		if part != "" {
			out += "; " + part
		}
	}
	return strings.TrimPrefix(out, "; ")
}
