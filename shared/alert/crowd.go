package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// crowds are the kinds of which anybody can make as many as he likes for the
// price of their gas: escrows that name our takers, logs that lie; and what has
// one cause for all of a chain, a taker without a path. Short of
// critical they are told together, one alert for each kind and chain, with how
// many there were and one of them as an example: a flood of them must not drown
// what matters, fill the store or cost a message each. What is critical keeps an
// alert of its own, whatever its kind.
var crowds = map[Kind]bool{DecoyDst: true, FundsHeld: true, ParkedDst: true, HostileLog: true, UnprovenDst: true, Worthless: true}

// keepCrowd is after how long without a new one a crowd is over: what comes then
// is announced as new.
const keepCrowd = 24 * time.Hour

// mob is what a pass has raised of one crowd.
type mob struct {
	Alert // the first of the most severe
	n     int
}

type crowdKey struct {
	kind  Kind
	chain uint64
}

// gather counts a in, if it belongs to a crowd. The log has each by itself, up to
// maxAlike of a pass: it is where they are looked up.
func (d *Desk) gather(ctx context.Context, a Alert) bool {
	if !crowds[a.Kind] || a.Severity >= Critical {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.mobs[crowdKey{a.Kind, a.Chain}]
	if m == nil {
		m = &mob{Alert: a}
		d.mobs[crowdKey{a.Kind, a.Chain}] = m
	}
	if a.Severity > m.Severity {
		m.Alert = a
	}
	if m.n++; m.n <= maxAlike {
		d.log.InfoContext(ctx, "counted", "kind", string(a.Kind), "chain", a.Chain, "order", a.Order, "escrow", a.Escrow, "account", a.Account, "what", a.What)
	}
	return true
}

// raiseMobs stores what was gathered, one entry for each crowd.
func (d *Desk) raiseMobs(ctx context.Context, now time.Time) error {
	d.mu.Lock()
	mobs := d.mobs
	d.mobs = map[crowdKey]*mob{}
	d.mu.Unlock()
	var errs []error
	for _, m := range mobs {
		a := m.Alert
		a.Order, a.Escrow, a.Account = "", "", ""
		var announce bool
		e, err := change(ctx, d.store, a.Key(), func(old Entry) (next Entry, changed bool) {
			next, announce = join(old, *m, now)
			return next, true
		})
		switch {
		case err != nil:
			// Not stored, so said at once: twice is better than never.
			first, _ := join(Entry{}, *m, now)
			d.keep(ctx, first)
			errs = append(errs, err)
		case announce:
			d.keep(ctx, e)
		default:
			d.renew(e)
		}
	}
	return errors.Join(errs...)
}

// renew replaces an entry that waits for its delivery by its newer version.
func (d *Desk) renew(e Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, waits := d.due[e.Key()]; waits {
		d.due[e.Key()] = e
	}
}

// join is the life cycle of a crowd: raise, with the number kept. Unlike raise
// it always changes the entry, because of the number.
func join(old Entry, m mob, now time.Time) (next Entry, announce bool) {
	a := m.Alert
	a.Order, a.Escrow, a.Account = "", "", ""
	next, announce = raise(old, a, now)
	if next.OpenedAt.Equal(old.OpenedAt) {
		next.Count = old.Count
	} else {
		next.Count = 0
	}
	next.Count += m.n
	next.ExpiresAt = now.Add(keepCrowd)
	if announce {
		next.What = clean(m.say(next), maxField)
	}
	return next, announce
}

// say tells how many there are, and shows one.
func (m mob) say(e Entry) string {
	var b strings.Builder
	switch {
	case e.Count > m.n:
		fmt.Fprintf(&b, "%d more, %d since %s", m.n, e.Count, e.OpenedAt.UTC().Format(time.RFC3339))
	case m.n > 1:
		fmt.Fprintf(&b, "%d of them", m.n)
	}
	where := slices.DeleteFunc([]string{name("escrow", m.Escrow), name("order", m.Order), name("account", m.Account)},
		func(s string) bool { return s == "" })
	if len(where) > 0 {
		if b.Len() > 0 {
			b.WriteString(", one is ")
		}
		b.WriteString(strings.Join(where, " of "))
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(m.What)
	return b.String()
}

func name(what, value string) string {
	if value == "" {
		return ""
	}
	return what + " " + value
}
