package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/job/jobtest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

func TestOneAlertUntilNothingIsWrong(t *testing.T) {
	m := alerttest.NewMemory()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hour := func(wrong ...swap.OrderID) error {
		now = now.Add(time.Hour)
		desk := alert.NewDesk(m, m, slog.New(slog.DiscardHandler))
		return errors.Join(compared(t.Context(), desk, wrong, now), desk.Flush(t.Context(), now))
	}
	one, other := swap.OrderID{ChainID: 10, Escrow: common.Address{1}}, swap.OrderID{ChainID: 10, Escrow: common.Address{2}}
	for _, wrong := range [][]swap.OrderID{nil, {one, other}, {other}, nil, nil} {
		if err := hour(wrong...); err != nil {
			t.Fatal(err)
		}
	}
	messages := m.Sent()
	if len(messages) != 3 || !strings.Contains(messages[0].Body, "2 open orders, such as "+one.String()) || !strings.Contains(messages[1].Body, other.String()) ||
		!strings.Contains(messages[2].Body, "Proof: all open orders were read") {
		t.Errorf("messages %+v", messages)
	}
	m.Fail(func(string) faulttest.Fault { return faulttest.Refused })
	if err := hour(one); !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("untold: %v", err)
	}
}

// A run whose snapshot is taken is done, whatever becomes of the alerts, and nothing is
// read twice for them. What was wrong is stored first: without that there is no snapshot.
func TestWhatCannotBeToldTakesNothingAgain(t *testing.T) {
	one := swap.OrderID{ChainID: 10, Escrow: common.Address{1}}
	for _, c := range []struct {
		name, failing string
		wrong         []swap.OrderID
		times         int // of its failing; 0: always
		takes         int
		done          int64
		good, told    bool
	}{
		{"nothing wrong, not told at first", "load", nil, 1, 1, 1, true, true},
		{"nothing wrong, never told", "load", nil, 0, 1, 1, false, false},
		{"wrong, not delivered at first", "publish", []swap.OrderID{one}, 1, 1, 1, true, true},
		{"wrong, never delivered", "publish", []swap.OrderID{one}, 0, 1, 1, false, false},
		{"wrong, not stored at first", "save", []swap.OrderID{one}, 1, 2, 1, true, true},
		{"wrong, never stored", "save", []swap.OrderID{one}, 0, 2, 0, false, true}, // it is sent without
	} {
		t.Run(c.name, func(t *testing.T) {
			m, runs := alerttest.NewMemory(), jobtest.NewMemory()
			log := slog.New(slog.DiscardHandler)
			desk := func() (*alert.Desk, error) { return alert.NewDesk(m, m, log), nil }
			if c.wrong == nil {
				d, _ := desk()
				if err := errors.Join(compared(t.Context(), d, []swap.OrderID{one}, time.Now()), d.Flush(t.Context(), time.Now())); err != nil {
					t.Fatal(err)
				}
			}
			before, failed := len(m.Sent()), 0
			m.Fail(func(op string) faulttest.Fault {
				if op == c.failing && (c.times == 0 || failed < c.times) {
					failed++
					return faulttest.Refused
				}
				return faulttest.OK
			})
			takes := 0
			h, err := job.Scheduled(job.Deps{Locker: runs, Recorder: runs, Log: log}, job.Task{Name: job.StatePersistence, Period: time.Hour, Timeout: time.Minute,
				Margin: time.Second, Retries: 1, Backoff: []time.Duration{time.Millisecond},
				Run: telling(desk, func(ctx context.Context, _ *job.Run, compared func(context.Context, []swap.OrderID) error) error {
					takes++
					return compared(ctx, c.wrong)
				})})
			if err != nil {
				t.Fatal(err)
			}
			_, err = h.Invoke(t.Context(), fmt.Appendf(nil, `{"time":%q}`, time.Now().UTC().Format(time.RFC3339)))
			if (err == nil) != c.good || takes != c.takes || runs.Stats(job.StatePersistence).Done != c.done {
				t.Errorf("%v; taken %d times, %+v", err, takes, runs.Stats(job.StatePersistence))
			}
			if told := len(m.Sent()) > before; told != c.told {
				t.Errorf("told %t", told)
			}
		})
	}
}
