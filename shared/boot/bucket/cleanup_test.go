package bucket

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
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
