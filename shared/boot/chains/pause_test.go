package chains

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/chain"
	"github.com/bridge-me-not/resolver-cron/shared/control"
	"github.com/bridge-me-not/resolver-cron/shared/control/controltest"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
	"github.com/bridge-me-not/resolver-cron/shared/notify"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

func TestHeldBack(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	act := func(side swap.Side, call swap.Call) swap.Action {
		return swap.Action{ChainID: 10, Side: side, Call: call}
	}
	for _, c := range []struct {
		name       string
		a          swap.Action
		held, even bool // even: though claims are to stop too
	}{
		{"claim", act(swap.Src, swap.Withdraw), false, true},
		{"public claim", act(swap.Src, swap.PublicWithdraw), false, true},
		{"paying the maker", act(swap.Dst, swap.Withdraw), true, true},
		{"dst cancel", act(swap.Dst, swap.Cancel), true, true},
		{"src cancel", act(swap.Src, swap.Cancel), true, true},
		{"src rescue", act(swap.Src, swap.RescueFunds), true, true},
	} {
		p := control.Pause{From: t0, Until: t0.Add(time.Hour)}
		for _, claims := range []bool{false, true} {
			want := c.held
			if p.Claims = claims; claims {
				want = c.even
			}
			s := control.State{Pauses: []control.Pause{p}}
			if got := heldBack(s, c.a, t0); got != want {
				t.Errorf("%s, claims stop %t: held back %t", c.name, p.Claims, got)
			}
			if heldBack(s, c.a, t0.Add(time.Hour)) {
				t.Errorf("%s: held back after the end", c.name)
			}
		}
	}
}

// All accounts of a run go by one reading; its error is told once.
func TestPausesAreReadOnceInARun(t *testing.T) {
	m, reads, fail := controltest.NewMemory(), 0, false
	m.Fail(func(op string) faulttest.Fault {
		if reads++; fail {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	var p pauses
	from := control.NewReader(m)
	for i, run := range []*job.Run{{Token: "a"}, {Token: "a"}, {Token: "b"}} {
		if _, err := p.of(t.Context(), run, from); err != nil || reads != []int{1, 1, 2}[i] {
			t.Errorf("%d: %d reads, %v", i, reads, err)
		}
	}
	fail = true
	for i := range 2 {
		if _, err := p.of(t.Context(), &job.Run{Token: "c"}, from); errors.Is(err, faulttest.ErrInjected) != (i == 0) || reads != 3 {
			t.Errorf("%d: %d reads, %v", i, reads, err)
		}
	}
}

// onServers are parts with the real database and topics, and one chain whose node
// is not there.
func onServers(t *testing.T) *Parts {
	t.Helper()
	client, table := servicetest.Table(t)
	cfg, arn := servicetest.Topic(t)
	s, err := store.New(client, store.Tables{Orders: "o", Actions: "a", Journal: "j", Jobs: table}, store.Live)
	if err != nil {
		t.Fatal(err)
	}
	runs, log := jobtest.NewMemory(), slog.New(slog.DiscardHandler)
	p := &Parts{Base: &boot.Base{File: &boot.File{}, Config: env.Config{Mode: env.Live, AlertsTopicARN: arn}, Profile: job.Test, AWS: cfg, Log: log, Store: s,
		Control: control.NewReader(s.Control()), Jobs: job.Deps{Locker: runs, Recorder: runs, Log: log}}}
	if p.topic, err = p.Topic(); err != nil {
		t.Fatal(err)
	}
	if p.Chain, err = chain.New([]chain.Config{{ID: 10, BlockTime: time.Second, Confirmations: 1, Endpoints: []chain.Endpoint{{Name: "node", URL: "http://127.0.0.1:1"}}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Chain.Close)
	return p
}

// told are the keys of the open alerts, each of which must have been delivered.
func (p *Parts) told(t *testing.T) string {
	t.Helper()
	list, err := p.Store.Alerts().Open(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, e := range list {
		if e.NotifiedAt.IsZero() {
			t.Errorf("%s was not delivered", e.Key())
		}
		keys = append(keys, e.Key())
	}
	return strings.Join(keys, " ")
}

func tickAt(at time.Time) []byte {
	return fmt.Appendf(nil, `{"detail-type":"Scheduled Event","source":"aws.events","time":%q}`, at.UTC().Format(time.RFC3339))
}

// A run that waits for endpoints until its time is over tells of them all the same.
func TestThereIsTimeToTell(t *testing.T) {
	p := onServers(t)
	h, err := p.Scheduled(job.TransactionTracker, func(ctx context.Context, _ *job.Run) error {
		_, _, err := p.Chain.Head(ctx, 10)
		<-ctx.Done()
		return errors.Join(err, ctx.Err())
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // a second of which is the margin
	defer cancel()
	if _, err := h.Invoke(ctx, tickAt(time.Now())); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if got := p.told(t); got != "endpoint-trouble|10|||node unreachable" {
		t.Errorf("open are %q", got)
	}
}

// mute is a topic that takes no message while it is closed.
type mute struct {
	notify.API
	tries, closed int // so many of them, first
}

func (m *mute) Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error) {
	if m.tries++; m.tries <= m.closed {
		return nil, errClosed
	}
	return &sns.PublishOutput{}, nil
}

var errClosed = errors.New("no message is taken")

// What cannot be told makes no work be done again: it is stored, tried again by itself, and at last left to the next run.
func TestUntoldIsNotUndone(t *testing.T) {
	for _, c := range []struct {
		closed, waiting int
		fails           bool
	}{{0, 0, false}, {2, 0, false}, {99, 1, true}} {
		p := onServers(t)
		m := &mute{closed: c.closed}
		var err error
		if p.topic, err = notify.New(m, p.Config.AlertsTopicARN); err != nil {
			t.Fatal(err)
		}
		var lines bytes.Buffer
		p.Jobs.Log = slog.New(slog.NewJSONHandler(&lines, nil))
		works := 0
		h, err := p.Scheduled(job.TransactionTracker, func(ctx context.Context, _ *job.Run) error {
			works++
			return p.Report(ctx, []swap.Finding{{Code: swap.ChainBehind, Severity: swap.Critical, ChainID: 10, Detail: "its head is old"}})
		})
		if err != nil {
			t.Fatal(err)
		}
		tick := time.Now().UTC().Truncate(time.Second)
		if _, err = h.Invoke(t.Context(), tickAt(tick)); works != 1 || errors.Is(err, errClosed) != c.fails {
			t.Errorf("closed for %d messages: worked %d times, %v", c.closed, works, err)
		}
		if done, err := p.Jobs.Recorder.Finished(t.Context(), job.TransactionTracker, tick); err != nil || !done {
			t.Errorf("closed for %d messages: done %t, %v", c.closed, done, err)
		}
		pending, err := p.Store.Alerts().Due(t.Context(), 10, time.Time{}, 0)
		if err != nil || len(pending) != c.waiting {
			t.Errorf("closed for %d messages: %d wait, %v", c.closed, len(pending), err)
		}
		if strings.Contains(lines.String(), "alerts_oldest_s") != (c.waiting > 0) {
			t.Errorf("closed for %d messages: %s", c.closed, &lines)
		}
	}
}

// A report leaves to the outbox what is stored, and says so of what is neither stored nor delivered.
func TestAReportIsMadeOnceItIsStored(t *testing.T) {
	p, m := onDuty()
	m.Fail(func(op string) faulttest.Fault {
		if op == "publish" {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	finding := []swap.Finding{{Code: swap.ChainBehind, Severity: swap.Critical, ChainID: 10, Detail: "its head is old"}}
	if err := p.Report(t.Context(), finding); err != nil {
		t.Errorf("stored and not delivered: %v", err)
	}
	if list, err := m.Due(t.Context(), 10, time.Time{}, 0); err != nil || len(list) != 1 {
		t.Errorf("%d wait, %v", len(list), err)
	}
	decoy := []swap.Finding{{Code: swap.DecoyDst, Severity: swap.Warning, ChainID: 10, Detail: "not what the maker expects"}}
	m.Fail(func(op string) faulttest.Fault {
		if op == "publish" || op == "save" {
			return faulttest.Refused
		}
		return faulttest.OK
	})
	if err := p.Report(t.Context(), decoy); !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("neither stored nor delivered: %v", err)
	}
}

// The executor, on the real servers, says of every pause of its sending that it
// holds, also when nothing is due, and that it is over; one of another job is
// not its business.
func TestThePausedExecutorSaysSo(t *testing.T) {
	p := onServers(t)
	s := p.Store
	h, err := p.Executor(nil)
	if err != nil {
		t.Fatal(err)
	}
	ticks, start := 0, time.Now() // each a second earlier, lest two are one
	open := func() string {
		t.Helper()
		ticks++
		if _, err := h.Invoke(t.Context(), tickAt(start.Add(-time.Duration(ticks)*time.Second))); err != nil {
			t.Fatal(err)
		}
		return p.told(t)
	}
	if got := open(); got != "" {
		t.Errorf("nothing is paused, and open are %s", got)
	}
	for _, scope := range []control.Scope{control.All, {Chain: 10}, {Job: "daily-report"}} {
		if _, err := control.Set(t.Context(), s.Control(), control.Pause{Scope: scope, By: "anna", Why: "reorg"}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if got := open(); got != "paused|0||| paused|10|||" {
		t.Errorf("open are %s", got)
	}
	if was, err := control.Lift(t.Context(), s.Control(), control.Scope{Chain: 10}); err != nil || !was {
		t.Fatal(was, err)
	}
	if got := open(); got != "paused|0|||" {
		t.Errorf("after one was lifted, open are %s", got)
	}
}
