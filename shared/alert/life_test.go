package alert

import (
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestLifeCycle(t *testing.T) {
	near := Alert{Kind: DeadlineNear, Severity: Warning, Chain: 10, Order: "o", Level: 10 * time.Minute}
	with := func(level time.Duration, s Severity) Alert {
		a := near
		a.Level, a.Severity = level, s
		return a
	}
	open := Entry{Alert: near, State: Open, Version: 4, OpenedAt: t0, RaisedAt: t0, QuietUntil: t0.Add(QuietTime),
		NotifiedAt: t0.Add(time.Second), ExpiresAt: t0.Add(keepOpen), Repeats: 2}
	resolved := open
	resolved.State = Resolved
	undelivered := open
	undelivered.NotifiedAt = time.Time{}
	expired := open
	expired.ExpiresAt = t0.Add(time.Minute)
	noLevel := open
	noLevel.Level = 0

	tests := []struct {
		name     string
		old      Entry
		a        Alert
		after    time.Duration
		announce bool
		state    State
		opened   time.Duration
		repeats  int
	}{
		{"new", Entry{}, near, 0, true, Open, 0, 0},
		{"the same at once", open, near, 0, false, Open, 0, 2},
		{"the same just within the quiet time", open, near, QuietTime - 1, false, Open, 0, 2},
		{"the same after it", open, near, QuietTime, true, Open, 0, 3},
		{"undelivered: not counted as announced", undelivered, near, QuietTime, true, Open, 0, 2},
		{"tighter", open, with(5*time.Minute, Warning), time.Second, true, Escalated, 0, 3},
		{"looser", open, with(20*time.Minute, Warning), time.Second, false, Open, 0, 2},
		{"looser after the quiet time", open, with(20*time.Minute, Warning), QuietTime, true, Open, 0, 3},
		{"more severe", open, with(10*time.Minute, Critical), time.Second, true, Escalated, 0, 3},
		{"more severe, though looser", open, with(20*time.Minute, Critical), time.Second, true, Escalated, 0, 3},
		{"tighter, though less severe", open, with(time.Minute, Info), time.Second, false, Open, 0, 2},
		{"a level where none was", noLevel, near, time.Second, true, Escalated, 0, 3},
		{"no level where one was", open, with(0, Warning), time.Second, false, Open, 0, 2},
		{"resolved and back", resolved, near, time.Second, true, Open, time.Second, 0},
		{"past its expiry, though TTL left it", expired, near, time.Minute, true, Open, time.Minute, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := t0.Add(tt.after)
			got, announce := raise(tt.old, tt.a, now)
			if announce != tt.announce {
				t.Fatalf("announce %v, want %v", announce, tt.announce)
			}
			if !announce {
				if diff := cmp.Diff(tt.old, got); diff != "" {
					t.Errorf("a quiet one changed (-old +new):\n%s", diff)
				}
				return
			}
			want := Entry{Alert: tt.a, State: tt.state, Version: tt.old.Version, OpenedAt: t0.Add(tt.opened), RaisedAt: now,
				QuietUntil: now.Add(QuietTime), ExpiresAt: now.Add(keepOpen), Repeats: tt.repeats}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}

	for name, old := range map[string]Entry{"suspected": {Alert: near, State: Suspected, Version: 1, ExpiresAt: t0.Add(time.Hour)}, "absent": {}, "resolved": resolved, "expired": expired} {
		if _, announce := resolve(old, "proof", t0.Add(time.Minute)); announce {
			t.Errorf("resolving one that is %s announces", name)
		}
	}
	got, announce := resolve(open, "tx\n0x1", t0.Add(time.Minute))
	if !announce || got.State != Resolved || got.Proof != "tx 0x1" || !got.NotifiedAt.IsZero() || !got.ExpiresAt.Equal(t0.Add(time.Minute+keepResolved)) {
		t.Errorf("resolved: %v, %+v", announce, got)
	}
}

// What has to last is told when it is raised again, late enough and not too late.
func TestWhatHasToLast(t *testing.T) {
	a := Alert{Kind: ActionOverdue, Severity: Critical, Chain: 10, Order: "o"}
	hold := lasting[ActionOverdue]
	first, announce := raise(Entry{}, a, t0)
	if announce || first.State != Suspected || first.NotifiedAt.IsZero() || !first.ExpiresAt.Equal(t0.Add(forgetSuspicion)) {
		t.Fatalf("announced %t: %+v", announce, first)
	}
	first.Version = 1
	for _, c := range []struct {
		after    time.Duration
		announce bool
		state    State
		opened   time.Duration
	}{
		{hold - 1, false, Suspected, 0},
		{hold, true, Open, 0},
		{forgetSuspicion - 1, true, Open, 0},
		{forgetSuspicion, false, Suspected, forgetSuspicion},
	} {
		got, announce := raise(first, a, t0.Add(c.after))
		if announce != c.announce || got.State != c.state || !got.OpenedAt.Equal(t0.Add(c.opened)) || got.NotifiedAt.IsZero() != c.announce || got.Repeats != 0 {
			t.Errorf("after %s: announced %t, %+v", c.after, announce, got)
		}
		if c.state == Suspected && c.opened == 0 && got != first {
			t.Errorf("after %s it is written: %+v", c.after, got)
		}
		if c.announce && (!got.QuietUntil.Equal(t0.Add(c.after+QuietTime)) || !got.ExpiresAt.Equal(t0.Add(c.after+keepOpen))) {
			t.Errorf("after %s: %+v", c.after, got)
		}
	}
	// Once told, it lives as any other.
	open, _ := raise(first, a, t0.Add(hold))
	open.Version = 2
	if _, announce := raise(open, a, t0.Add(hold+time.Second)); announce {
		t.Error("told twice")
	}
}

func TestKeyHoldsNothingThatChanges(t *testing.T) {
	a := Alert{Kind: ActionOverdue, Chain: 10, Order: "o", Escrow: "e", Account: "s"}
	b := a
	b.Severity, b.Level, b.What, b.AtStake, b.UntilWhen, b.WhatToDo = Critical, time.Minute, "w", "1.5 USDC", "12:00", "x"
	if a.Key() != b.Key() {
		t.Errorf("%s and %s differ", a.Key(), b.Key())
	}
	keys := map[string]bool{a.Key(): true}
	for _, other := range []Alert{
		{Kind: DecoyDst, Chain: 10, Order: "o", Escrow: "e", Account: "s"}, {Kind: ActionOverdue, Chain: 1, Order: "o", Escrow: "e", Account: "s"},
		{Kind: ActionOverdue, Chain: 10, Order: "oe", Account: "s"}, {Kind: ActionOverdue, Chain: 10, Escrow: "oe", Account: "s"},
		{Kind: ActionOverdue, Chain: 10, Order: "o", Escrow: "es"},
	} {
		if keys[other.Key()] {
			t.Errorf("%+v shares the key %s", other, other.Key())
		}
		keys[other.Key()] = true
	}
}

func TestComplete(t *testing.T) {
	a, err := Alert{Kind: DstPaidSrcExpired, Chain: 10, AtStake: strings.Repeat("☂", 400) + "\n\x00\xff"}.complete()
	if err != nil {
		t.Fatal(err)
	}
	info := Kinds[DstPaidSrcExpired]
	if a.Severity != info.Severity || a.What != info.Meaning || a.WhatToDo != info.WhatToDo {
		t.Errorf("not filled in: %+v", a)
	}
	if len(a.AtStake) > maxField+8 || !utf8.ValidString(a.AtStake) {
		t.Errorf("at stake %q", a.AtStake)
	}
	for want, bad := range map[string]Alert{
		"not in the catalogue": {Kind: "fire"},
		"severity(7)":          {Kind: DecoyDst, Severity: 7},
		"negative":             {Kind: DecoyDst, Level: -1},
		"order is no":          {Kind: DecoyDst, Order: "a|b"},
		"escrow is no":         {Kind: DecoyDst, Escrow: "a\nb"},
		"account is no":        {Kind: DecoyDst, Account: strings.Repeat("x", 201)},
	} {
		if _, err := bad.complete(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", bad, err, want)
		}
	}
}

func TestCatalogueIsComplete(t *testing.T) {
	for kind, info := range Kinds {
		if info.Severity < Info || info.Severity > Critical || !strings.HasSuffix(info.Meaning, ".") || !strings.HasSuffix(info.WhatToDo, ".") {
			t.Errorf("%s: %+v", kind, info)
		}
		if len(info.Meaning) > maxField || len(info.WhatToDo) > maxField || strings.ContainsAny(string(kind), "| ") {
			t.Errorf("%s: too long or no key", kind)
		}
	}
	for _, s := range []Severity{Info, Warning, Critical} {
		if got, err := ParseSeverity(s.String()); err != nil || got != s {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	if _, err := ParseSeverity(""); err == nil {
		t.Error("no severity is a severity")
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain", 10)
	f.Add("\x00\n\r\x7f\u0085\u2028☂", 5)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 0 || limit > 1000 {
			return
		}
		got := clean(s, limit)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x00\u2028\u2029") || len(got) > limit+len("…") {
			t.Errorf("clean(%q, %d) = %q", s, limit, got)
		}
	})
}

func TestComposeIsBoundedAndCounts(t *testing.T) {
	var entries []Entry
	for range 1000 {
		entries = append(entries, Entry{Alert: Alert{Kind: DecoyDst, Severity: Warning, Chain: 10, Order: strings.Repeat("o", 60), What: "w"}, State: Open})
	}
	m := compose(groupOf(entries[0]), entries)
	if len(m.Body) > maxBody+200 || !strings.Contains(m.Body, "more: see the log lines") || !strings.Contains(m.Subject, "(1000)") {
		t.Errorf("subject %q, %d bytes", m.Subject, len(m.Body))
	}
	listed := strings.Count(m.Body, "Where: ")
	if !strings.Contains(m.Body, "… and "+strconv.Itoa(1000-listed)+" more") {
		t.Errorf("%d listed; the end says %q", listed, m.Body[len(m.Body)-100:])
	}
}
