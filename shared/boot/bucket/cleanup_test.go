package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/env"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
	"github.com/bridge-me-not/resolver-cron/shared/store"
)

// A damaged object is told with its key and what to do, once while it lasts, and is
// over when it is told without a reason.
func TestTellOfObject(t *testing.T) {
	m := alerttest.NewMemory()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tell := func(key string, why error) {
		t.Helper()
		desk := alert.NewDesk(m, m, slog.New(slog.DiscardHandler))
		if err := errors.Join(tellOfObject(t.Context(), desk, key, why, now), desk.Flush(t.Context(), now)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	const key = "orders/2026/03/01/1772373600000-6a41eea624ab.jsonl.gz"
	tell(key, errors.New("it is truncated after line 3"))
	tell(key, errors.New("it is truncated after line 3"))
	tell(key, nil)
	tell(key, nil)
	var subjects []string
	sent := m.Sent()
	for _, s := range sent {
		subjects = append(subjects, s.Subject)
	}
	if want := []string{"WARNING: archive-damaged", "RESOLVED: archive-damaged"}; !slices.Equal(subjects, want) {
		t.Fatalf("sent %q, want %q", subjects, want)
	}
	for _, want := range []string{key, "truncated after line 3", "earlier versions"} {
		if !strings.Contains(sent[0].Body, want) {
			t.Errorf("the message does not say %q: %s", want, sent[0].Body)
		}
	}
}

// bad is a bucket that holds nothing that can be read.
type bad struct{ looked int }

func (*bad) Create(context.Context, string, []byte) error { return errors.New("not expected") }

func (b *bad) Get(context.Context, string, int64) ([]byte, string, error) {
	b.looked++
	return []byte("no gzip"), "", nil
}

// A topic that takes nothing is an error of the invocation, tried again by itself: the
// run is done, and the archive is not looked through a second time.
func TestWhatCannotBeDeliveredCleansNothingAgain(t *testing.T) {
	client, table := servicetest.Table(t)
	cfg, arn := servicetest.Topic(t)
	s, err := store.New(client, store.Tables{Orders: table, Actions: table, Journal: table, Jobs: table}, store.Live)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Closed().SetDamaged(t.Context(), cleanup.Damaged{Keys: []string{"orders/1.jsonl.gz"}}); err != nil {
		t.Fatal(err)
	}
	b := &boot.Base{Config: env.Config{Mode: env.Live, AlertsTopicARN: arn + "-gone"}, AWS: cfg, Log: slog.New(slog.DiscardHandler), Store: s}
	runs, objects := jobtest.NewMemory(), &bad{}
	h, err := job.Scheduled(job.Deps{Locker: runs, Recorder: runs, Log: b.Log}, job.Task{Name: job.OrderCleanup, Period: time.Hour, Timeout: time.Minute,
		Margin: time.Second, Retries: 1, Backoff: []time.Duration{time.Millisecond}, Run: Cleanup(b, objects)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Invoke(t.Context(), fmt.Appendf(nil, `{"time":%q}`, time.Now().UTC().Format(time.RFC3339)))
	if err == nil || objects.looked != 1 || runs.Stats(job.OrderCleanup).Done != 1 {
		t.Errorf("%v; the object was looked at %d times, %+v", err, objects.looked, runs.Stats(job.OrderCleanup))
	}
	waiting, err := s.Alerts().Due(t.Context(), 10, time.Time{}, 0)
	if err != nil || len(waiting) != 1 || waiting[0].Kind != alert.ArchiveDamaged {
		t.Errorf("in the outbox: %+v, %v", waiting, err)
	}
}
