package daily

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/report"
)

type listed struct {
	alert.List
	open, over []alert.Entry
	since      time.Time
}

func (l *listed) Open(context.Context, time.Time) ([]alert.Entry, error) { return l.open, nil }

func (l *listed) Resolved(_ context.Context, since, _ time.Time) ([]alert.Entry, error) {
	l.since = since
	return l.over, nil
}

func TestLivesOfAlerts(t *testing.T) {
	start := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	when := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	l := &listed{
		open: []alert.Entry{
			{Alert: alert.Alert{Kind: alert.DeadlineNear, Severity: alert.Critical, Chain: 10, Order: "10:0xa", Escrow: "0xb", What: "w", AtStake: "s", UntilWhen: "u", WhatToDo: "d"},
				State: alert.Escalated, OpenedAt: when(1), EscalatedAt: when(2), RaisedAt: when(9)},
			{Alert: alert.Alert{Kind: alert.SignerDry, Chain: 5, Account: "resolver"}, State: alert.Acknowledged, OpenedAt: when(3), EscalatedAt: when(4), RaisedAt: when(4), AckedAt: when(5), AckedBy: "on call", Count: 3},
		},
		over: []alert.Entry{{Alert: alert.Alert{Kind: alert.ChainBehind, Severity: alert.Warning, Chain: 10}, State: alert.Resolved, OpenedAt: when(6), RaisedAt: when(7), AckedAt: when(6), Proof: "head"}},
	}
	got, err := alerts(l, map[uint64]string{10: "optimism"})(t.Context(), start, when(24))
	if err != nil || !l.since.Equal(start) {
		t.Fatalf("%v, since %s", err, l.since)
	}
	want := []report.Alert{
		{Key: l.open[0].Key(), Kind: "deadline-near", Severity: report.Critical, Where: "optimism, order 10:0xa, escrow 0xb", What: "w", AtStake: "s", Until: "u", WhatToDo: "d",
			Marks: []report.Mark{{At: when(1), What: report.Opened}, {At: when(2), What: report.Escalated}}},
		{Key: l.open[1].Key(), Kind: "signer-dry", Where: "chain 5, resolver", Count: 3, Marks: []report.Mark{{At: when(3), What: report.Opened}, {At: when(4), What: report.Escalated}, {At: when(5), What: report.Acknowledged, By: "on call"}}},
		{Key: l.over[0].Key(), Kind: "chain-behind", Severity: report.Warning, Where: "optimism", Marks: []report.Mark{{At: when(6), What: report.Opened}, {At: when(6), What: report.Acknowledged}, {At: when(7), What: report.Resolved, By: "head"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
