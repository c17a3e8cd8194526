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
// store. What finds no place stays in the outbox, and one summary for the criticals and one for all others
// tell of it at once: what a summary lists has been announced by it; what does not fit is counted there, and
// announced in a later window, the most severe first.
//
// What is not critical may take only a part of the places, so that a critical waits behind criticals alone.
// If the places cannot be counted, everything is announced: too many is better than none.
const (
	window       = 10 * time.Minute
	mostMessages = 18 // and the two summaries
	mostOthers   = 9  // of those, what is not critical
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

func inWindow(what string, now time.Time) string {
	return what + "@" + now.Truncate(window).UTC().Format(time.RFC3339)
}

func messages(now time.Time) string { return inWindow("messages", now) }

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

// summarise announces, in the two summaries of the window, what found no place.
func (d *Desk) summarise(ctx context.Context, held []Entry, now time.Time) error {
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
	}{{inWindow("summary-critical", now), urgent}, {inWindow("summary", now), others}} {
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

// maxLine bounds what a summary says of one alert, in bytes.
const maxLine = 300

// summary writes the message that stands for entries, and tells how many of them, from the first, it
// lists. They are in the order in which they would have been announced.
func summary(entries []Entry) (m Message, told int) {
	if g := groupOf(entries[0]); !slices.ContainsFunc(entries, func(e Entry) bool { return groupOf(e) != g }) {
		return compose(g, entries), len(entries)
	}
	severity := slices.MaxFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Severity, b.Severity) }).Severity
	var b strings.Builder
	fmt.Fprintf(&b, "More has to be told than %d messages in %s may say, so this one stands for all of the following.\n", mostMessages, spell(window))
	var last group
	for ; told < len(entries); told++ {
		e := entries[told]
		var text strings.Builder
		if g := groupOf(e); told == 0 || g != last {
			last = g
			fmt.Fprintf(&text, "\n%s\n", g.head())
			if todo := Kinds[g.kind].WhatToDo; e.State != Resolved && todo != "" {
				fmt.Fprintf(&text, "What to do: %s\n", todo)
			}
		}
		fmt.Fprintf(&text, "- %s\n", clean(line(e), maxLine))
		if b.Len()+text.Len() > maxBody {
			break
		}
		b.WriteString(text.String())
	}
	kinds := map[string]bool{}
	for _, e := range entries {
		kinds[string(e.Kind)] = true
	}
	if left := entries[told:]; len(left) > 0 {
		counts := map[Kind]int{}
		for _, e := range left {
			counts[e.Kind]++
		}
		fmt.Fprintf(&b, "\nAnd %d more, which are announced when there is room; those that are open are listed by the operator command `alerts`:\n", len(left))
		for _, k := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(&b, "%d %s\n", counts[k], k)
		}
	}
	return Message{Kind: Summary, Severity: severity, Body: b.String(),
		Subject: fmt.Sprintf("%s: %d more alerts: %s", strings.ToUpper(severity.String()), len(entries), strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))}, told
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
