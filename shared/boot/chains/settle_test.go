package chains

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

var errAway = errors.New("away")

func TestWhatIsProvenOverIsResolved(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	order := func(n byte, ended bool) swap.Order {
		o := swap.Order{ID: swap.OrderID{ChainID: 8453, Escrow: common.Address{n}}}
		o.Src.ChainID, o.Src.Escrow, o.Src.Final = 8453, common.Address{n}, true
		if ended {
			o.Events = []swap.EscrowEvent{{ChainID: 8453, Escrow: o.Src.Escrow, Kind: swap.Cancelled, At: swap.Position{Block: 1, Tx: common.Hash{n}}}}
		}
		return o
	}
	ended, open, gone := order(1, true), order(2, false), order(3, false)
	about := func(kind swap.FindingCode, o swap.Order) alert.Alert {
		return toAlert(swap.Finding{Code: kind, Order: o.ID, ChainID: 8453, Escrow: o.ID.Escrow})
	}
	trouble := func(endpoint string, kind chain.TroubleKind) alert.Alert {
		a, _ := (&Parts{}).troubled(chain.Trouble{ChainID: 10, Endpoint: endpoint, Kind: kind})
		return a
	}
	raised := []alert.Alert{
		about(swap.DeadlineNear, ended), about(swap.PaidTwice, ended), about(swap.DeadlineNear, open), about(swap.SignerDry, gone), about(swap.FundsGone, gone),
		trouble("first", chain.Stale), trouble("first two", chain.Stale), trouble("second", chain.Unreachable), toAlert(swap.Finding{Code: swap.AccountStuck, ChainID: 10}),
		toAlert(swap.Finding{Code: swap.FinalityMismatch, ChainID: 10}), {Kind: alert.CallReverts, Chain: 10, Order: "no order id"},
	}
	mine := func(runs ...job.Record) func(context.Context, string, time.Time) ([]job.Record, error) {
		return func(_ context.Context, name string, after time.Time) ([]job.Record, error) {
			if name != job.ActionExecutor {
				t.Errorf("looked for runs of %s", name)
			}
			return slices.DeleteFunc(slices.Clone(runs), func(r job.Record) bool { return !r.Scheduled.After(after) }), nil
		}
	}
	done := func(ago time.Duration) job.Record {
		return job.Record{Scheduled: t0.Add(silence - ago), State: job.Done}
	}
	late := done(time.Hour)
	failed, rung := done(0), done(0)
	failed.State, rung.Cause.Queued = job.Failed, true
	all := []string{"deadline-near of 0x01", "signer-dry of 0x03", "endpoint-trouble first", "account-stuck"}
	for _, c := range []struct {
		name  string
		after time.Duration
		spoil func(*settler)
		want  []string
	}{
		{"all", silence, func(*settler) {}, all},
		{"too early for what comes and goes", silence - 1, func(*settler) {}, all[:2]},
		{"no endpoint answers", silence, func(s *settler) { s.answered = nil }, []string{all[0], all[1], all[3]}},
		{"one endpoint is not configured any more", silence, func(s *settler) { s.endpoints = s.endpoints[:2] }, append(slices.Clone(all), "endpoint-trouble second")},
		{"an endpoint of another chain answers", silence, func(s *settler) { s.answered[0].ChainID = 8453 }, []string{all[0], all[1], all[3]}},
		{"the executor has not run lately", silence, func(s *settler) { s.runs = mine(late) }, all[:3]},
		{"the executor fails", silence, func(s *settler) { s.runs = mine(failed) }, all[:3]},
		{"the executor has looked at a single account", silence, func(s *settler) { s.runs = mine(failed, rung) }, all[:3]},
		{"one run of it was good", silence, func(s *settler) { s.runs = mine(failed, done(time.Minute)) }, all},
		{"its runs cannot be read", silence, func(s *settler) {
			s.runs = func(context.Context, string, time.Time) ([]job.Record, error) { return nil, errAway }
		}, append(slices.Clone(all[:3]), "error")},
		{"some orders cannot be read", silence, func(s *settler) {
			s.load = func(context.Context, []swap.OrderID) ([]swap.Order, error) { return []swap.Order{ended}, errAway }
		}, []string{all[0], all[2], all[3], "error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := alerttest.NewMemory()
			desk := func() *alert.Desk { return alert.NewDesk(m, m, slog.New(slog.DiscardHandler)) }
			d := desk()
			for _, a := range raised {
				if err := d.Raise(t.Context(), a, t0); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Flush(t.Context(), t0); err != nil {
				t.Fatal(err)
			}
			endpoints := []chain.Answer{{ChainID: 10, Endpoint: "first"}, {ChainID: 10, Endpoint: "first two"}, {ChainID: 10, Endpoint: "second"}}
			s := settler{alerts: m, endpoints: endpoints, answered: []chain.Answer{{ChainID: 10, Endpoint: "first"}}, runs: mine(done(time.Minute)), period: time.Minute,
				load: func(_ context.Context, ids []swap.OrderID) ([]swap.Order, error) {
					if len(ids) != 3 {
						t.Errorf("asked for %v", ids)
					}
					return []swap.Order{ended, open}, nil
				}}
			c.spoil(&s)
			now := t0.Add(c.after)
			d = desk()
			err := s.settle(t.Context(), d, now)
			if errors.Is(err, errAway) != slices.Contains(c.want, "error") || err != nil && !errors.Is(err, errAway) {
				t.Errorf("error %v", err)
			}
			resolved, err := m.Resolved(t.Context(), t0, now)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range resolved {
				if e.Proof == "" {
					t.Errorf("%s has no proof", e.Key())
				}
				switch {
				case e.Escrow != "":
					got = append(got, string(e.Kind)+" of "+strings.ToLower(e.Escrow[:4]))
				case e.Account != "":
					got = append(got, string(e.Kind)+" "+e.Account[:strings.LastIndex(e.Account, " ")])
				default:
					got = append(got, string(e.Kind))
				}
			}
			want := slices.DeleteFunc(slices.Clone(c.want), func(s string) bool { return s == "error" })
			slices.Sort(want)
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("resolved %q, want %q", got, want)
			}
		})
	}
}

// The alert for those that were too many to be told one by one ends when no
// other of its kind is open there any more.
func TestTheRestOfTooManyIsResolved(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := alerttest.NewMemory()
	desk := func() *alert.Desk { return alert.NewDesk(m, m, slog.New(slog.DiscardHandler)) }
	var first []string
	d := desk()
	for i := range 110 {
		a := alert.Alert{Kind: alert.DeadlineNear, Chain: 10, Account: fmt.Sprint("a", i)}
		if i < 100 {
			first = append(first, a.Key())
		}
		if err := d.Raise(t.Context(), a, t0); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(d.Flush(t.Context(), t0), d.Raise(t.Context(), alert.Alert{Kind: alert.DeadlineNear, Chain: 11, Account: "elsewhere"}, t0)); err != nil {
		t.Fatal(err)
	}
	open := func(now time.Time) (keys []string) {
		t.Helper()
		d := desk()
		if err := errors.Join((settler{alerts: m}).settle(t.Context(), d, now), d.Flush(t.Context(), now)); err != nil {
			t.Fatal(err)
		}
		list, err := m.Open(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			keys = append(keys, e.Key())
		}
		return keys
	}
	end := t0.Add(silence)
	if n := len(open(end)); n != 102 {
		t.Errorf("%d are open, want a hundred, the rest of them, and one elsewhere", n)
	}
	for _, key := range first {
		if err := d.Resolve(t.Context(), key, "done", t0); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(open(end.Add(-1))); n != 2 {
		t.Errorf("%d are open, want the rest as long as it may come back, and one elsewhere", n)
	}
	if got := open(end); len(got) != 1 || got[0] != "deadline-near|11|||elsewhere" {
		t.Errorf("open are %q", got)
	}
}

// Nothing open costs one look.
func TestNothingOpenAsksNobody(t *testing.T) {
	m := alerttest.NewMemory()
	s := settler{alerts: m}
	if err := s.settle(t.Context(), alert.NewDesk(m, m, slog.New(slog.DiscardHandler)), time.Now()); err != nil {
		t.Error(err)
	}
	m.Fail(func(string) faulttest.Fault { return faulttest.Refused })
	if err := s.settle(t.Context(), alert.NewDesk(m, m, slog.New(slog.DiscardHandler)), time.Now()); !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("error %v", err)
	}
}

// What is cured is resolved, and again if that could not be written.
func TestWhatIsCuredIsResolved(t *testing.T) {
	p, m := onDuty()
	f := swap.Finding{Code: swap.FactoryUnproven, Severity: swap.Critical, ChainID: 10, Escrow: common.Address{7}, Detail: "other code"}
	if err := p.Report(t.Context(), []swap.Finding{f}); err != nil {
		t.Fatal(err)
	}
	p.healed = []cure{{f, "it is what the configuration says"}}
	m.Fail(func(op string) faulttest.Fault {
		if op == "save" {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	if err := p.endHealed(t.Context(), p.desk.Load(), time.Now()); !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("error %v", err)
	}
	m.Fail(nil)
	if err := errors.Join(p.endHealed(t.Context(), p.desk.Load(), time.Now()), p.desk.Load().Flush(t.Context(), time.Now())); err != nil || len(p.healed) != 0 {
		t.Errorf("%v, left %v", err, p.healed)
	}
	if got := subjects(m); got != "CRITICAL: factory-proof-failed on chain 10; RESOLVED: factory-proof-failed on chain 10" {
		t.Errorf("sent %q", got)
	}
}
