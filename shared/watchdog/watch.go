package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/job"
)

// Runs is what is kept of the runs of jobs. Safe for concurrent use.
type Runs interface {
	// Since reads the run items of a job whose tick is after the given time,
	// consistently, across all pages, in no particular order.
	Since(ctx context.Context, job string, after time.Time) ([]job.Record, error)
	// Holding reads a lease, consistently. One that was never taken is the zero
	// value.
	Holding(ctx context.Context, key string) (Holding, error)
}

// Book is what one pass leaves to the next, and to whoever reads how the jobs do.
// The zero value is that before the first pass.
type Book struct {
	At      time.Time // of the pass that wrote it, wall clock
	Pages   map[string]Page
	Version uint64 `json:"-"` // set by the store: 0 is not stored, and each save counts up
}

// Page is what the book says of one job.
type Page struct {
	Since  time.Time     // from when on the job is watched at this period
	Period time.Duration // of the profile that it was watched in
	// Open are the alerts that were raised and not resolved, each with the tick
	// from which on a run that ended well is the proof that it is over.
	Open   map[alert.Kind]time.Time `json:",omitempty"`
	Told   []time.Time              `json:",omitempty"` // ticks of lapses within sight that were told
	Health Health
}

// Books stores the book.
type Books interface {
	// Book reads it, consistently.
	Book(ctx context.Context) (Book, error)
	// SaveBook replaces it, if it still has b.Version, and returns ErrConflict if
	// not. Repeating a write whose answer was lost succeeds.
	SaveBook(ctx context.Context, b Book) error
}

// ErrConflict says that another pass has written the book meanwhile.
var ErrConflict = errors.New("another pass has written the watchdog's book")

// Alerts is where a person is told. alert.Desk is one.
type Alerts interface {
	Raise(ctx context.Context, a alert.Alert, now time.Time) error
	Resolve(ctx context.Context, key, proof string, now time.Time) error
}

// Watchdog looks at all jobs of a profile.
type Watchdog struct {
	Runs    Runs
	Books   Books
	Jobs    []job.Spec
	Profile job.Profile
	Outbox  Outbox
	Topic   Topic
	Heart   Beater // nil: nobody outside is pinged
	Log     *slog.Logger
}

// kinds are the alerts of bad states.
var kinds = map[State]alert.Kind{Missing: alert.JobMissing, Hung: alert.JobHung, Failing: alert.JobFailing, Slow: alert.JobSlow}

// Pass looks at every job once, the critical ones first. What is bad is raised in
// each pass; what was bad and has been seen to end well is resolved. A job that
// cannot be read does not hide the others, and its page stays as it was; the
// errors are joined.
//
// What is about to be raised for the first time is noted in the book before: if we
// die in between, or the bad state is over in the next pass, that pass resolves it.
// A note that cannot be written keeps nobody from being told. The rest of the book
// is written last: if we die before, the next pass raises and resolves again, which
// changes nothing.
func (w *Watchdog) Pass(ctx context.Context, alerts Alerts, now time.Time) ([]Health, error) {
	book, err := w.Books.Book(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the watchdog's book: %w", err)
	}
	book.Pages = maps.Clone(book.Pages)
	if book.Pages == nil {
		book.Pages = map[string]Page{}
	}
	jobs := w.scheduled()
	found, errs := make([]Health, len(jobs)), make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, s := range jobs {
		page, period := book.Pages[s.Name], s.Cadence(w.Profile).Period
		if page.Period != period { // new, or watched in another profile: its old ticks say nothing
			page.Since, page.Period = now.UTC(), period
			book.Pages[s.Name] = page
		}
		wg.Go(func() { found[i], errs[i] = w.look(ctx, s, page.Since, now) })
	}
	wg.Wait()

	var all []Health
	var reports []news
	first := false
	for i, h := range found {
		if errs[i] != nil {
			continue
		}
		all = append(all, h)
		page := book.Pages[h.Job]
		n := newsOf(page, h)
		open := maps.Clone(page.Open)
		for kind, from := range n.due {
			if open == nil {
				open = map[alert.Kind]time.Time{}
			}
			_, known := open[kind]
			first = first || !known
			open[kind] = from
		}
		page.Open = open
		book.Pages[h.Job] = page
		reports = append(reports, n)
	}
	if first {
		if err := w.Books.SaveBook(ctx, book); err != nil {
			errs = append(errs, fmt.Errorf("note in the watchdog's book what is to be told: %w", err))
		} else {
			book.Version++
		}
	}
	for _, n := range reports {
		page, err := w.tell(ctx, alerts, book.Pages[n.Job], n, now)
		if err != nil {
			errs = append(errs, err)
			continue // looked at again as it was
		}
		book.Pages[n.Job] = page
	}
	errs = append(errs, w.forget(ctx, alerts, book.Pages, jobs, now))
	book.At = now.UTC()
	if err := w.Books.SaveBook(ctx, book); err != nil {
		errs = append(errs, fmt.Errorf("save the watchdog's book: %w", err))
	}
	return all, errors.Join(errs...)
}

// scheduled are the jobs of the profile, the critical ones first.
func (w *Watchdog) scheduled() []job.Spec {
	jobs := slices.DeleteFunc(slices.Clone(w.Jobs), func(s job.Spec) bool { return s.Cadence(w.Profile).Period == 0 })
	slices.SortStableFunc(jobs, func(a, b job.Spec) int {
		switch {
		case a.Critical == b.Critical:
			return 0
		case a.Critical:
			return -1
		}
		return 1
	})
	return jobs
}

// look reads one job. The lease comes first: a run that ends meanwhile is then in
// both, and the other way round it would be in neither.
func (w *Watchdog) look(ctx context.Context, s job.Spec, since, now time.Time) (Health, error) {
	c := s.Cadence(w.Profile)
	var hold Holding
	var err error
	if s.Exclusive {
		if hold, err = w.Runs.Holding(ctx, job.JobKey(s.Name)); err != nil {
			return Health{}, fmt.Errorf("read the lease of %s: %w", s.Name, err)
		}
	}
	runs, err := w.Runs.Since(ctx, s.Name, now.Add(-Sight(c)))
	if err != nil {
		return Health{}, fmt.Errorf("read the runs of %s: %w", s.Name, err)
	}
	return Judge(s, c, runs, hold, since, now), nil
}

// news is what there is to tell of a job.
type news struct {
	Health
	// due are the alerts to be raised, each with the tick from which on a run that
	// ends well is the proof that it is over.
	due   map[alert.Kind]time.Time
	fresh []Lapse // that were not told
}

func newsOf(page Page, h Health) news {
	n := news{Health: h, due: map[alert.Kind]time.Time{}}
	n.fresh = slices.DeleteFunc(slices.Clone(h.Lapses), func(l Lapse) bool { return page.told(l.Tick) })
	if kind, bad := kinds[h.State]; bad {
		n.due[kind] = h.proofFrom()
	}
	// Of a job that is missing or hangs the lapses are the same news, up to the last.
	gone := h.State == Missing || h.State == Hung || !page.Open[alert.JobMissing].IsZero() || !page.Open[alert.JobHung].IsZero()
	if len(n.fresh) > 0 && !gone {
		n.due[alert.JobLapsed] = n.fresh[len(n.fresh)-1].Tick
	}
	return n
}

// tell raises what is due, resolves what is over, and returns the job's page as it
// is then.
func (w *Watchdog) tell(ctx context.Context, alerts Alerts, page Page, n news, now time.Time) (Page, error) {
	h, fresh, due := n.Health, n.fresh, n.due
	open := map[alert.Kind]time.Time{}
	for _, kind := range slices.Sorted(maps.Keys(due)) {
		if err := alerts.Raise(ctx, h.alert(kind, fresh), now); err != nil {
			return page, fmt.Errorf("tell that %s is %s: %w", h.Job, h.State, err)
		}
		open[kind] = due[kind]
	}
	for _, kind := range slices.Sorted(maps.Keys(page.Open)) {
		if _, still := open[kind]; still {
			continue
		}
		if !h.over(kind, page.Open[kind]) {
			open[kind] = page.Open[kind]
			continue
		}
		if err := alerts.Resolve(ctx, alert.Alert{Kind: kind, Account: h.Job}.Key(), h.proof(kind), now); err != nil {
			return page, fmt.Errorf("tell that %s is over for %s: %w", kind, h.Job, err)
		}
	}
	w.write(ctx, page.Health.State, h, fresh)
	from := now.Add(-Sight(job.Cadence{Period: page.Period}))
	page.Told = slices.DeleteFunc(slices.Clone(page.Told), func(t time.Time) bool { return t.Before(from) })
	if !h.Hanging.IsZero() && !page.told(h.Hanging) {
		page.Told = append(page.Told, h.Hanging.UTC())
	}
	for _, l := range fresh {
		page.Told = append(page.Told, l.Tick)
	}
	page.Open, page.Health = open, h
	return page, nil
}

// told tells whether that tick was told. Ticks without a run are inferred from those
// that have one, and come out seconds apart where a rule was moved.
func (p Page) told(tick time.Time) bool {
	return slices.ContainsFunc(p.Told, func(t time.Time) bool { return absolute(t.Sub(tick)) < p.Period/2 })
}

// write logs what is news of a job.
func (w *Watchdog) write(ctx context.Context, was State, h Health, fresh []Lapse) {
	for _, l := range fresh {
		attrs := []slog.Attr{slog.String("watched_job", h.Job), slog.Time("tick", l.Tick), slog.Bool("died", l.Died), slog.Bool("late", l.Late)}
		if l.Died {
			attrs = append(attrs, slog.String("started_by", l.Cause.String()))
		}
		w.Log.LogAttrs(ctx, slog.LevelWarn, "job lapsed", attrs...)
	}
	if was == h.State && h.State == Well {
		return
	}
	level := slog.LevelInfo
	if _, bad := kinds[h.State]; bad {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("watched_job", h.Job), slog.String("state", string(h.State)), slog.String("was", string(was))}
	if !h.Last.Scheduled.IsZero() {
		attrs = append(attrs, slog.Time("last_tick", h.Last.Scheduled))
	}
	if !h.Hanging.IsZero() {
		attrs = append(attrs, slog.Time("hanging_tick", h.Hanging))
	}
	w.Log.LogAttrs(ctx, level, "job health", append(attrs, slog.Int("runs", h.Runs), slog.Int("done", h.Done), slog.Int("failed_in_a_row", h.InARow),
		slog.Int("ticks_missed", h.Missed()), slog.Int("runs_died", h.Died()), slog.Int64("usual_ms", h.Usual.Milliseconds()), slog.Int64("lately_ms", h.Lately.Milliseconds()))...)
}

// forget resolves what is open of jobs that are not on the schedule any more, and
// takes their pages out.
func (w *Watchdog) forget(ctx context.Context, alerts Alerts, pages map[string]Page, jobs []job.Spec, now time.Time) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		if slices.ContainsFunc(jobs, func(s job.Spec) bool { return s.Name == name }) {
			continue
		}
		var err error
		for _, kind := range slices.Sorted(maps.Keys(pages[name].Open)) {
			err = errors.Join(err, alerts.Resolve(ctx, alert.Alert{Kind: kind, Account: name}.Key(), "it is not on the schedule of profile "+string(w.Profile)+" any more", now))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("take %s off the watchdog's book: %w", name, err))
			continue
		}
		delete(pages, name)
	}
	return errors.Join(errs...)
}

// proofFrom is the tick from which on a run that ends well shows that the job's
// bad state is over.
func (h Health) proofFrom() time.Time {
	from := h.Last.Scheduled // of failing ones the newest failure
	switch h.State {
	case Hung:
		from = h.Hanging
	case Missing:
		from = later(from, h.LastDone.Add(time.Nanosecond))
		if n := len(h.Lapses); n > 0 {
			from = later(from, h.Lapses[n-1].Tick)
		}
	}
	return from.UTC()
}

// settled is for how long nothing may have lapsed before lapses are over: a job
// that skips a tick now and then is told at most so often.
const settled = alert.QuietTime

// over tells whether it is proven that what was raised is over: a run of that tick
// or a later one ended well.
func (h Health) over(kind alert.Kind, from time.Time) bool {
	switch kind {
	case alert.JobSlow:
		return h.State == Well && h.Lately*100 < h.Budget*calm
	case alert.JobLapsed:
		from = from.Add(settled)
	}
	return !h.LastDone.IsZero() && !h.LastDone.Before(from)
}

// proof says what shows that it is over.
func (h Health) proof(kind alert.Kind) string {
	if kind == alert.JobSlow {
		return fmt.Sprintf("its runs take %s lately", h.Lately.Round(time.Millisecond))
	}
	return "its run for " + stamp(h.LastDone) + " ended well"
}

// alert words what is wrong. What changes from pass to pass is no part of its key.
func (h Health) alert(kind alert.Kind, fresh []Lapse) alert.Alert {
	a := alert.Alert{Kind: kind, Account: h.Job, Severity: alert.Warning}
	late := slices.ContainsFunc(fresh, func(l Lapse) bool { return l.Late })
	if h.Critical && kind != alert.JobSlow && (kind != alert.JobLapsed || late) {
		a.Severity = alert.Critical
	}
	last := "no run of it is known"
	if !h.Last.Scheduled.IsZero() {
		last = "its newest run was for " + stamp(h.Last.Scheduled)
		if h.Last.Cause.Queued {
			last = h.Last.Cause.String() + " started its newest run at " + stamp(h.Last.Scheduled)
		}
	}
	switch kind {
	case alert.JobMissing:
		a.What = fmt.Sprintf("%s has not run when it should have; %s", h.Job, last)
	case alert.JobHung:
		a.What = fmt.Sprintf("the run of %s for %s began and did not end; %s", h.Job, stamp(h.Hanging), last)
	case alert.JobFailing:
		a.What = fmt.Sprintf("the last %d runs of %s failed, the newest with: %s", h.InARow, h.Job, h.Last.Reason)
	case alert.JobLapsed:
		a.What = fmt.Sprintf("%s: %s", h.Job, words(fresh))
	case alert.JobSlow:
		a.What = fmt.Sprintf("runs of %s take %s lately, %s usually, and may take %s", h.Job,
			h.Lately.Round(time.Millisecond), h.Usual.Round(time.Millisecond), h.Budget)
	}
	return a
}

// shown is how many lapses are named; the others are counted.
const shown = 5

// words lists lapses.
func words(of []Lapse) string {
	var parts []string
	for i, l := range of {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(of)-shown))
			break
		}
		what := "missed"
		if l.Died {
			what = "died"
			if l.Cause.Queued {
				what += ", started by " + l.Cause.String()
			}
		}
		if l.Late {
			what += ", and not made good in time"
		}
		parts = append(parts, stamp(l.Tick)+" "+what)
	}
	return strings.Join(parts, "; ")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
