package report

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/report/reporttest"
)

func TestDayOf(t *testing.T) {
	for _, c := range []struct{ tick, start, until, key string }{
		{"2026-11-29T00:00:00Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", "reports/2026-11-28.html"},
		{"2026-11-29T00:00:41Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", "reports/2026-11-28.html"},
		{"2026-11-29T00:14:59Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", "reports/2026-11-28.html"},
		{"2026-11-29T00:15:00Z", "2026-11-29T00:00:00Z", "2026-11-29T00:15:00Z", "reports/2026-11-29T0015.html"},
		{"2026-11-29T15:04:59Z", "2026-11-29T00:00:00Z", "2026-11-29T15:04:00Z", "reports/2026-11-29T1504.html"},
		{"2026-11-29T01:00:00+01:00", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", "reports/2026-11-28.html"},
	} {
		tick, err := time.Parse(time.RFC3339, c.tick)
		if err != nil {
			t.Fatal(err)
		}
		start, until := DayOf(tick)
		if start.Format(time.RFC3339) != c.start || until.Format(time.RFC3339) != c.until || Key(start, until) != c.key {
			t.Errorf("%s: %s to %s, %s", c.tick, start, until, Key(start, until))
		}
	}
}

var errInjected = errors.New("injected")

// world is everything around a gatherer, which can fail before or after it did
// what it was asked.
type world struct {
	day   Day
	fails map[string]bool // by source
	// effect is asked before and after each effect.
	effect func(name string) (before, after error)

	mu    sync.Mutex
	pages map[string]string
	sent  []string
	notes map[string]time.Time
	asked map[string]int // by source
}

func newWorld(d Day) *world {
	return &world{day: d, fails: map[string]bool{}, pages: map[string]string{}, notes: map[string]time.Time{}, asked: map[string]int{},
		effect: func(string) (error, error) { return nil, nil }}
}

func (w *world) do(name string, apply func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, after := w.effect(name)
	if before != nil {
		return before
	}
	apply()
	return after
}

func (w *world) Put(_ context.Context, key, contentType string, page []byte) error {
	name := "put"
	if strings.HasSuffix(key, ".json") {
		name = "record"
	}
	if strings.HasPrefix(contentType, "text/html") != (name == "put") {
		return fmt.Errorf("%s is put as %s", key, contentType)
	}
	return w.do(name, func() { w.pages[key] = string(page) })
}

func (w *world) Get(_ context.Context, key string, most int64) (page []byte, tag string, err error) {
	err = w.do("get", func() {
		if text, ok := w.pages[key]; ok && int64(len(text)) <= most {
			page = []byte(text)
		}
	})
	if err == nil && page == nil {
		err = fs.ErrNotExist
	}
	return page, "", err
}

func (w *world) Told(_ context.Context, key string, now time.Time) (told bool, err error) {
	err = w.do("told", func() { at, ok := w.notes[key]; told = ok && now.Sub(at) < NoteTTL })
	return told, err
}

func (w *world) Note(_ context.Context, key string, now time.Time) error {
	return w.do("note", func() {
		if now.After(w.notes[key]) {
			w.notes[key] = now
		}
	})
}

func TestTheWorldNotes(t *testing.T) {
	reporttest.TestNotes(t, NoteTTL, func(*testing.T) reporttest.Notes { return newWorld(Day{}) })
}

func from[T any](w *world, name string, v T) func(context.Context, time.Time, time.Time) (T, error) {
	return func(_ context.Context, start, until time.Time) (T, error) {
		if !start.Equal(w.day.Start) || !until.Equal(w.day.Until) {
			return v, fmt.Errorf("asked for %s to %s", start, until)
		}
		w.mu.Lock()
		w.asked[name]++
		w.mu.Unlock()
		if w.fails[name] {
			var none T
			return none, fmt.Errorf("%s: %w", name, errInjected)
		}
		return v, nil
	}
}

func (w *world) gatherer() *Gatherer {
	d := w.day
	return &Gatherer{Stack: d.Stack, Mode: d.Mode, Shelf: w, Notes: w,
		Sources: Sources{
			Tally:     from(w, "tally", Tallied{d.Swaps, d.Margins, d.Gas, d.Inclusion}),
			Exposures: from(w, "exposures", []Exposure{{From: at(1, 0), Until: at(2, 0), Value: gwei(7)}}),
			Alerts:    from(w, "alerts", d.Alerts),
			Jobs:      from(w, "jobs", d.Jobs),
			Balances:  from(w, "balances", d.Balances),
			Health:    from(w, "health", d.Health),
		},
		Publish: func(_ context.Context, subject, body string) error {
			return w.do("publish", func() { w.sent = append(w.sent, subject+"\n"+body) })
		},
		Link: func(key string) string { return "https://reports.test/" + key },
	}
}

func (w *world) run(ctx context.Context) (Result, error) {
	return w.gatherer().Run(ctx, w.day.Until, func() error { return nil })
}

func TestADayIsToldOnce(t *testing.T) {
	w := newWorld(richDay())
	first, err := w.run(t.Context())
	if err != nil || first.Key != "reports/2026-11-28.html" || first.Gaps != 0 || !first.Told || first.Bytes != len(w.pages[first.Key]) {
		t.Fatalf("%+v, %v", first, err)
	}
	page := w.pages[first.Key]
	if len(w.sent) != 1 || !strings.Contains(w.sent[0], "https://reports.test/reports/2026-11-28.html") {
		t.Fatalf("sent %q", w.sent)
	}
	again, err := w.run(t.Context())
	if err != nil || again.Told || len(w.sent) != 1 || w.pages[first.Key] != page {
		t.Errorf("again: %+v, %v; sent %d, same page %v", again, err, len(w.sent), w.pages[first.Key] == page)
	}
}

// Killed before or after each of its effects, and run again: the same page, and one
// message. Only death between telling and its note tells twice, in the same words.
func TestKilledAtAnyEffect(t *testing.T) {
	whole := newWorld(richDay())
	if _, err := whole.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, point := range []string{"get", "record", "put", "told", "publish", "note"} {
		for _, applied := range []bool{false, true} {
			w := newWorld(richDay())
			dead := false
			w.effect = func(name string) (before, after error) {
				if dead {
					return errInjected, nil // nothing of a dead run has any effect
				}
				if name != point {
					return nil, nil
				}
				dead = true
				if applied {
					return nil, errInjected
				}
				return errInjected, nil
			}
			if _, err := w.run(t.Context()); !errors.Is(err, errInjected) {
				t.Errorf("%s: %v", point, err)
			}
			w.effect = func(string) (error, error) { return nil, nil }
			if _, err := w.run(t.Context()); err != nil {
				t.Errorf("%s, again: %v", point, err)
			}
			if !maps.Equal(w.pages, whole.pages) {
				t.Errorf("%s, applied %v: other pages", point, applied)
			}
			want := 1
			if point == "publish" && applied || point == "note" && !applied {
				want = 2
			}
			if len(w.sent) != want || slices.ContainsFunc(w.sent, func(s string) bool { return s != whole.sent[0] }) {
				t.Errorf("%s, applied %v: sent %d, want %d", point, applied, len(w.sent), want)
			}
		}
	}
}

// Whatever cannot be read is said, the rest is told, and the run is in error.
func TestAPartThatCannotBeRead(t *testing.T) {
	for source, gaps := range map[string][]string{
		"tally": {"swaps-h", "margins-h", "gas-h", "volume-h"}, "exposures": {"risk-h"}, "alerts": {"incidents-h"},
		"jobs": {"jobs-h"}, "balances": {"balances-h"}, "health": {"health-h"},
	} {
		w := newWorld(richDay())
		w.fails[source] = true
		res, err := w.run(t.Context())
		if !errors.Is(err, errInjected) || !res.Told || res.Gaps == 0 {
			t.Errorf("%s: %+v, %v", source, res, err)
		}
		page := w.pages[res.Key]
		if n := strings.Count(page, "Not available: "+source+": injected"); n != len(gaps) {
			t.Errorf("%s: %d parts not available, want %d", source, n, len(gaps))
		}
		if !strings.Contains(w.sent[0], "not available: ") {
			t.Errorf("%s: sent %s", source, w.sent[0])
		}
		if strings.Contains(page, "Every swap is safe") {
			t.Errorf("%s: the verdict does not know", source)
		}
	}
}

// What came beside an error is told, and that it is not all.
func TestAPartThatIsIncomplete(t *testing.T) {
	w := newWorld(richDay())
	g := w.gatherer()
	g.Sources.Balances = func(context.Context, time.Time, time.Time) ([]Balance, error) {
		return w.day.Balances[:1], errInjected
	}
	res, err := g.Run(t.Context(), w.day.Until, func() error { return nil })
	page := w.pages[res.Key]
	if !errors.Is(err, errInjected) || res.Gaps != 1 || !strings.Contains(page, "Incomplete: injected") || strings.Count(page, "Balance of ") != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// A source that hangs is a gap; there is time left to tell the rest.
func TestASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(richDay())
		g := w.gatherer()
		g.Sources.Balances = func(ctx context.Context, _, _ time.Time) ([]Balance, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		res, err := g.Run(ctx, w.day.Until, func() error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) || !res.Told || res.Gaps != 1 || time.Since(began) != time.Minute-reserve {
			t.Errorf("%+v, %v after %s", res, err, time.Since(began))
		}
	})
}

// A run that has lost its lease does nothing more.
func TestALostLease(t *testing.T) {
	for allowed := range 3 {
		w, asked := newWorld(richDay()), 0
		_, err := w.gatherer().Run(t.Context(), w.day.Until, func() error {
			if asked++; asked > allowed {
				return errInjected
			}
			return nil
		})
		if !errors.Is(err, errInjected) || len(w.pages) != allowed || len(w.sent) != 0 {
			t.Errorf("allowed %d: %v, %d pages, %d sent", allowed, err, len(w.pages), len(w.sent))
		}
	}
}

// What comes after the day does not change it, and neither does what is no longer there: what was
// told is told again, byte by byte, and nobody is asked for it.
func TestADayIsToldAsItWasKnown(t *testing.T) {
	w := newWorld(richDay())
	if _, err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := maps.Clone(w.pages)
	asked := maps.Clone(w.asked)
	start, until := w.day.Start, w.day.Until
	w.day = Day{Start: start, Until: until, Stack: "another", Mode: "off"} // all of it is gone
	delete(w.pages, "reports/2026-11-28.html")
	clear(w.notes)
	if _, err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(w.pages, before) {
		t.Error("the page has changed")
	}
	if !maps.Equal(w.asked, asked) {
		t.Errorf("asked again: %v, before %v", w.asked, asked)
	}
	if len(w.sent) != 2 || w.sent[0] != w.sent[1] {
		t.Errorf("told in other words: %q", w.sent)
	}
}

// What is told of alerts is what was known at the end of the day.
func TestAlertsAsTheyWereKnown(t *testing.T) {
	w := newWorld(richDay())
	if _, err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := w.pages["reports/2026-11-28.html"]
	later := w.day.Until.Add(time.Minute)
	for i := range w.day.Alerts {
		w.day.Alerts[i].Marks = append(w.day.Alerts[i].Marks, Mark{later, Resolved, "later"})
	}
	w.day.Alerts = append(w.day.Alerts, Alert{Kind: "new", Severity: Critical, Marks: []Mark{{w.day.Until, Opened, ""}}},
		Alert{Kind: "old", Marks: []Mark{{at(-9, 0), Opened, ""}, {at(-8, 0), Resolved, ""}}})
	clear(w.pages) // the record too
	if _, err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.pages["reports/2026-11-28.html"] != page {
		t.Error("the page has changed")
	}
}

// A gap is read again by the next run, and nothing else: the page is then the whole one.
func TestAGapIsFilledLater(t *testing.T) {
	whole := newWorld(richDay())
	if _, err := whole.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"tally", "exposures", "alerts", "jobs", "balances", "health"} {
		w := newWorld(richDay())
		w.fails[source] = true
		if _, err := w.run(t.Context()); err == nil {
			t.Fatalf("%s: no error", source)
		}
		w.fails[source] = false
		res, err := w.run(t.Context())
		if err != nil || res.Gaps != 0 || !maps.Equal(w.pages, whole.pages) {
			t.Errorf("%s: %+v, %v; the page is whole: %v", source, res, err, maps.Equal(w.pages, whole.pages))
		}
		for name, n := range w.asked {
			if want := map[bool]int{true: 2, false: 1}[name == source]; n != want {
				t.Errorf("%s was missing, %s asked %d times", source, name, n)
			}
		}
	}
}

// A record that cannot be read, or is of something else, is not overwritten: the run ends with an
// error that names it.
func TestABadRecordIsRefused(t *testing.T) {
	const key = "reports/2026-11-28.json"
	for name, text := range map[string]string{
		"cut short": `{"Schema":1,"Day":{"Start":"2026-11-28T00:00:00Z"`,
		"newer":     `{"Schema":2,"Day":{"Start":"2026-11-28T00:00:00Z","Until":"2026-11-29T00:00:00Z"}}`,
		"other day": `{"Schema":1,"Day":{"Start":"2026-11-27T00:00:00Z","Until":"2026-11-28T00:00:00Z"}}`,
		"no day":    `null`,
	} {
		w := newWorld(richDay())
		w.pages[key] = text
		_, err := w.run(t.Context())
		if err == nil || !strings.Contains(err.Error(), key) || len(w.sent) != 0 || len(w.pages) != 1 || w.pages[key] != text {
			t.Errorf("%s: %v; %d pages, sent %q", name, err, len(w.pages), w.sent)
		}
	}
}

// The record holds all of a day: what is read back makes the same page, whatever strangers wrote into it.
func TestTheRecordHoldsTheDay(t *testing.T) {
	d := richDay()
	d.Alerts[0].What = "half a character \xe2\x82, <script>, and \u2028 a line"
	d.Swaps.Volume[0].Token.Raw.SetAllOne()
	_, as, err := write(d)
	if err != nil {
		t.Fatal(err)
	}
	was, err := HTML(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	is, err := HTML(as, nil)
	if err != nil || string(is) != string(was) {
		t.Errorf("what is read back makes another page: %v", err)
	}
}

// What became final after a day was told is counted by the next day's report, a loss at its very top; what
// that day's report could not read, or where there is none, is not taken for late.
func TestWhatCameTooLateForItsDay(t *testing.T) {
	first := richDay()
	first.Start, first.Until = first.Start.Add(-24*time.Hour), first.Until.Add(-24*time.Hour)
	told := newWorld(first)
	if _, err := told.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := first.Swaps.Counts
	now.Completed, now.Lost, now.Created = now.Completed+2, now.Lost+1, now.Created-1 // one was undone
	for name, c := range map[string]struct {
		change func(w *world)
		late   Counts
		fails  bool
	}{
		"three":     {func(*world) {}, Counts{Completed: 2, Lost: 1}, false},
		"no report": {func(w *world) { delete(w.pages, "reports/2026-11-27.json") }, Counts{}, false},
		"a report without them": {func(w *world) {
			first := first
			first.Gaps = []Gap{{PartSwaps, "no store"}}
			data, _, err := write(first)
			if err != nil {
				t.Fatal(err)
			}
			w.pages["reports/2026-11-27.json"] = string(data)
		}, Counts{}, false},
		"a report that is broken": {func(w *world) { w.pages["reports/2026-11-27.json"] = "{" }, Counts{}, true},
	} {
		w := newWorld(richDay())
		w.pages = maps.Clone(told.pages)
		w.day.Swaps.Before = &now
		c.change(w)
		res, err := w.run(t.Context())
		if (err != nil) != c.fails || !res.Told || c.fails != (res.Gaps > 0) {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
		day, err := read([]byte(w.pages["reports/2026-11-28.json"]))
		if err != nil || day.Swaps.Late != c.late {
			t.Errorf("%s: late %+v, want %+v; %v", name, day.Swaps.Late, c.late, err)
		}
		page := w.pages[res.Key]
		if got := strings.Contains(page, "not in the report of the day before: 1 lost, 2 completed"); got != (c.late != Counts{}) {
			t.Errorf("%s: on the page: %v", name, got)
		}
		if got := strings.Contains(w.sent[0], "1 swap lost funds of ours the day before"); got != (c.late.Lost > 0) {
			t.Errorf("%s: sent %s", name, w.sent[0])
		}
	}
}
