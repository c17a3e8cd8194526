package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

func TestOneAlertUntilNothingIsWrong(t *testing.T) {
	m := alerttest.NewMemory()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hour := func(wrong ...swap.OrderID) error {
		now = now.Add(time.Hour)
		return compared(t.Context(), alert.NewDesk(m, m, slog.New(slog.DiscardHandler)), wrong, now)
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
