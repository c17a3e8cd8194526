package alert

import (
	"fmt"
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

	escalated := open
	escalated.State, escalated.RaisedAt = Escalated, t0.Add(-10*time.Minute) // quiet for 20 minutes
	escalated.EscalatedAt = t0.Add(-2 * time.Hour)
	acked := open
	acked.State, acked.AckedAt, acked.AckedBy = Acknowledged, t0, "somebody"
	tests := []struct {
		name     string
		old      Entry
		a        Alert
		after    time.Duration
		announce bool
		state    State
		opened   time.Duration
		repeats  int
		quiet    time.Duration
	}{
		{"new", Entry{}, near, 0, true, Open, 0, 0, QuietTime},
		{"the same at once", open, near, 0, false, Open, 0, 2, 0},
		{"the same just within the quiet time", open, near, QuietTime - 1, false, Open, 0, 2, 0},
		{"the same after it", open, near, QuietTime, true, Open, 0, 3, 2 * QuietTime},
		{"the same after it, again", escalated, near, QuietTime, true, Escalated, 0, 3, 4 * QuietTime},
		{"undelivered: not counted as announced", undelivered, near, QuietTime, true, Open, 0, 2, QuietTime},
		{"tighter", open, with(5*time.Minute, Warning), time.Second, true, Escalated, 0, 3, QuietTime},
		{"looser", open, with(20*time.Minute, Warning), time.Second, false, Open, 0, 2, 0},
		{"looser after the quiet time", open, with(20*time.Minute, Warning), QuietTime, true, Open, 0, 3, 2 * QuietTime},
		{"more severe", open, with(10*time.Minute, Critical), time.Second, true, Escalated, 0, 3, QuietTime},
		{"more severe, though looser", open, with(20*time.Minute, Critical), time.Second, true, Escalated, 0, 3, QuietTime},
		{"tighter, though less severe", open, with(time.Minute, Info), time.Second, false, Open, 0, 2, 0},
		{"a level where none was", noLevel, near, time.Second, true, Escalated, 0, 3, QuietTime},
		{"no level where one was", open, with(0, Warning), time.Second, false, Open, 0, 2, 0},
		{"resolved and back", resolved, near, time.Second, true, Open, time.Second, 0, QuietTime},
		{"past its expiry, though TTL left it", expired, near, time.Minute, true, Open, time.Minute, 0, QuietTime},
		{"not raised for less than a day", open, near, forget - 1, true, Open, 0, 3, 2 * QuietTime},
		{"not raised for a day", open, near, forget, true, Open, forget, 0, QuietTime},
		{"acknowledged", acked, near, QuietTime, false, Acknowledged, 0, 2, 0},
		{"acknowledged, less severe", acked, with(10*time.Minute, Info), QuietTime, false, Acknowledged, 0, 2, 0},
		{"acknowledged and tighter", acked, with(5*time.Minute, Warning), time.Second, true, Escalated, 0, 3, QuietTime},
		{"acknowledged and more severe", acked, with(10*time.Minute, Critical), time.Second, true, Escalated, 0, 3, QuietTime},
		{"acknowledged, and back after a day", acked, near, forget, true, Open, forget, 0, QuietTime},
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
			want := Entry{Alert: tt.a, State: tt.state, Version: tt.old.Version, OpenedAt: t0.Add(tt.opened), RaisedAt: now, SeenAt: now,
				AgeFrom: got.AgeFrom, QuietUntil: now.Add(tt.quiet), ExpiresAt: now.Add(keepOpen), Repeats: tt.repeats}
			switch { // when it became worse, and not when it was last told
			case tt.state == Escalated && tt.old.State != Escalated:
				want.EscalatedAt = now
			case tt.state == Escalated:
				want.EscalatedAt = tt.old.EscalatedAt
			}
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
	for _, old := range []Entry{open, escalated, acked} {
		if _, announce := resolve(old, "proof", t0.Add(time.Minute)); !announce {
			t.Errorf("resolving one that is %s does not announce", old.State)
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
	// As long as nobody was told that it is over, it is no suspicion: that would take the word
	// out of the outbox, and a person would take it for open for ever.
	open.NotifiedAt = t0.Add(hold)
	over, _ := resolve(open, "done", t0.Add(time.Minute))
	over.Version = 3
	if got, announce := raise(over, a, t0.Add(2*time.Minute)); !announce || got.State != Open {
		t.Errorf("while its end waits to be told: announced %t, %s", announce, got.State)
	}
	over.NotifiedAt = t0.Add(time.Minute)
	if got, announce := raise(over, a, t0.Add(2*time.Minute)); announce || got.State != Suspected {
		t.Errorf("after its end was told: announced %t, %s", announce, got.State)
	}
}

// A raise every minute for a day: told when it is news, then ever less often.
func TestQuietTimesGrowAndAreBounded(t *testing.T) {
	minutes := func(of ...int) (out []time.Duration) {
		for _, m := range of {
			out = append(out, time.Duration(m)*time.Minute)
		}
		return out
	}
	for s, want := range map[Severity][]time.Duration{
		Critical: minutes(0, 10, 30, 70, 130, 190, 250, 310, 370, 430, 490, 550, 610, 670),
		Warning:  minutes(0, 10, 30, 70, 150, 310, 550),
		Info:     minutes(0), // nobody is told in any case
	} {
		var e Entry
		var got []time.Duration
		for at := time.Duration(0); at < 12*time.Hour; at += time.Minute {
			next, announce := raise(e, Alert{Kind: NegativeGap, Severity: s}, t0.Add(at))
			if announce {
				got = append(got, at)
				next.NotifiedAt = t0.Add(at)
			}
			if next != e {
				next.Version++
			}
			e = next
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: announced after %v\nwant %v", s, got, want)
		}
	}
}

func TestAWarningThatLastsBecomesCritical(t *testing.T) {
	const minute = time.Minute
	hour := patience[EndpointTrouble]
	for _, c := range []struct {
		name   string
		kind   Kind
		s      Severity
		every  time.Duration
		pause  [2]time.Duration // without a raise from … to …
		ack    time.Duration    // acknowledged after; zero: never
		worse  time.Duration    // critical after; zero: never
		within time.Duration
	}{
		{"in time for its kind", EndpointTrouble, Warning, minute, [2]time.Duration{}, 0, hour, 3 * hour},
		{"raised by a slow job", EndpointTrouble, Warning, 15 * minute, [2]time.Duration{}, 0, hour, 3 * hour},
		{"another kind", ChainBehind, Warning, minute, [2]time.Duration{}, 0, 10 * minute, hour},
		{"a kind without a time of its own", CallReverts, Warning, 5 * minute, [2]time.Duration{}, 0, usualPatience, usualPatience + hour},
		{"information", EndpointTrouble, Info, minute, [2]time.Duration{}, 0, 0, 3 * hour},
		{"by the time left only", DeadlineNear, Warning, minute, [2]time.Duration{}, 0, 0, 48 * hour},
		{"a crowd, which anybody can keep up", DecoyDst, Warning, minute, [2]time.Duration{}, 0, 0, 48 * hour},
		{"acknowledged", EndpointTrouble, Warning, minute, [2]time.Duration{}, hour - minute, 0, 24 * hour},
		{"acknowledged too late", EndpointTrouble, Warning, minute, [2]time.Duration{}, hour + minute, hour, 24 * hour},
		{"gone meanwhile", EndpointTrouble, Warning, minute, [2]time.Duration{30 * minute, 30*minute + lapse + seenEvery}, 0, 30*minute + lapse + seenEvery + hour, 5 * hour},
		{"a short break", EndpointTrouble, Warning, minute, [2]time.Duration{5 * minute, 35 * minute}, 0, hour, 3 * hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e Entry
			told := 0
			for at := time.Duration(0); at < c.within; at += c.every {
				now := t0.Add(at)
				if c.ack != 0 && at == c.ack {
					e.State, e.AckedAt = Acknowledged, now
				}
				if at >= c.pause[0] && at < c.pause[1] {
					continue
				}
				next, announce := raise(e, Alert{Kind: c.kind, Severity: c.s, What: "w"}, now)
				if next != e {
					next.Version = e.Version + 1
				}
				if announce {
					next.NotifiedAt = now
				}
				if announce && next.Severity == Critical {
					if told++; told == 1 && (at != c.worse || c.worse == 0 || next.State != Escalated || !strings.HasPrefix(next.What, "It has lasted since ")) {
						t.Errorf("critical after %s, want %s: %+v", at, c.worse, next)
					}
				}
				e = next
			}
			if told == 0 && c.worse != 0 {
				t.Errorf("not critical within %s", c.within)
			}
		})
	}
}

// It is noted now and then that an alert lasts, and not each time.
func TestLastingCostsFewWrites(t *testing.T) {
	e, _ := raise(Entry{}, Alert{Kind: EndpointTrouble, Severity: Critical}, t0)
	e.Version, e.State, e.NotifiedAt = 1, Acknowledged, t0
	writes := 0
	for at := time.Duration(0); at < 24*time.Hour; at += 10 * time.Second {
		next, announce := raise(e, e.Alert, t0.Add(at))
		if announce {
			t.Fatalf("announced after %s", at)
		}
		if next != e {
			writes++
		}
		e = next
	}
	if want := int(24*time.Hour/seenEvery) - 1; writes != want || e.LastSeen().Before(t0.Add(24*time.Hour-seenEvery)) {
		t.Errorf("%d writes, want %d; last seen %s", writes, want, e.LastSeen())
	}
}

// What an earlier release stored has no time of being seen and no age.
func TestAnEntryOfAnEarlierReleaseLivesOn(t *testing.T) {
	old := Entry{Alert: Alert{Kind: EndpointTrouble, Severity: Warning}, State: Open, Version: 1, OpenedAt: t0.Add(-time.Hour), RaisedAt: t0.Add(-5 * time.Minute),
		QuietUntil: t0.Add(5 * time.Minute), NotifiedAt: t0.Add(-5 * time.Minute), ExpiresAt: t0.Add(time.Hour)}
	if next, announce := raise(old, old.Alert, t0); !announce || next.Severity != Critical || next.State != Escalated || !next.AgeFrom.Equal(old.OpenedAt) {
		t.Errorf("announced %t: %+v", announce, next)
	}
}

// The seed made alerts of these sorts twice over, or never again: the page of
// facts lists them as its mistakes.
func TestSeedMistakeTheBalanceAlertHasTheAmountInItsKey(t *testing.T) {
	low := Alert{Kind: SignerDry, Severity: Warning, Chain: 10, Account: "0xsigner", AtStake: "3 actions", What: "holds 0.031 ETH"}
	e, announce := raise(Entry{}, low, t0)
	e.Version, e.NotifiedAt = 1, t0
	if !announce {
		t.Fatal("not told at all")
	}
	for i := range 9 {
		low.What = fmt.Sprintf("holds 0.0%d ETH", 30-i)
		if low.Key() != e.Key() {
			t.Fatalf("another amount makes another key: %s", low.Key())
		}
		if _, announce := raise(e, low, t0.Add(time.Duration(i)*time.Minute)); announce {
			t.Errorf("told again with %q", low.What)
		}
	}
}

func TestSeedMistakeTheMessageIsTheKey(t *testing.T) {
	a := Alert{Kind: CallReverts, Chain: 10, Order: "o", Escrow: "e", Account: "s", What: "reverted"}
	b := a
	b.What, b.WhatToDo, b.AtStake, b.UntilWhen, b.Severity, b.Level = "reverted 3 times", "look", "1 USDC", "12:05", Warning, time.Minute
	if a.Key() != b.Key() {
		t.Errorf("two messages about one thing are two alerts: %s and %s", a.Key(), b.Key())
	}
	for _, other := range []Alert{{Kind: CallReverts, Chain: 1, Order: "o", Escrow: "e", Account: "s", What: a.What}, {Kind: TxReverted, Chain: 10, Order: "o", Escrow: "e", Account: "s", What: a.What}} {
		if other.Key() == a.Key() {
			t.Errorf("one message about two things is one alert: %s", a.Key())
		}
	}
}

// DynamoDB deletes expired items days late: what silences an alert must be judged
// by its times and not by its being there.
func TestSeedMistakeDedupLastsAsLongAsTheItem(t *testing.T) {
	a := Alert{Kind: DeadlineNear, Severity: Warning, Chain: 10, Order: "o", Level: 5 * time.Minute}
	stored, _ := raise(Entry{}, a, t0)
	stored.Version, stored.NotifiedAt = 1, t0
	if _, announce := raise(stored, a, t0.Add(QuietTime-1)); announce {
		t.Error("told again within its ten minutes")
	}
	if _, announce := raise(stored, a, t0.Add(QuietTime)); !announce {
		t.Error("an item that is still there silences what its time does not")
	}
	stored.QuietUntil = t0.Add(1000 * time.Hour) // a damaged one
	stored.ExpiresAt = t0.Add(time.Hour)
	if next, announce := raise(stored, a, t0.Add(time.Hour)); !announce || !next.OpenedAt.Equal(t0.Add(time.Hour)) {
		t.Errorf("an expired item still silences: %+v", next)
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
