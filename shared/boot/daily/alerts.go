package daily

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/report"
)

// alerts tells the lives of the alerts of a day: those that are open now, and those
// that ended since it began. Of an alert that opened again each is told by itself. chains are the names of chains by their id.
func alerts(list alert.List, chains map[uint64]string) func(context.Context, time.Time, time.Time) ([]report.Alert, error) {
	return func(ctx context.Context, from, _ time.Time) ([]report.Alert, error) {
		now := time.Now()
		open, err := list.Open(ctx, now)
		if err != nil {
			return nil, err
		}
		over, err := list.Resolved(ctx, from, now)
		if err != nil {
			return nil, err
		}
		var all []report.Alert
		for _, e := range append(open, over...) {
			all = append(all, told(e, chains))
		}
		return all, nil
	}
}

// told is an entry in the report's words.
func told(e alert.Entry, chains map[uint64]string) report.Alert {
	a := report.Alert{Key: e.Key(), Kind: string(e.Kind), Severity: severities[e.Severity], What: e.What, AtStake: e.AtStake,
		Until: e.UntilWhen, WhatToDo: e.WhatToDo, Count: e.Count, Marks: []report.Mark{{At: e.OpenedAt, What: report.Opened}}}
	var where []string
	if e.Chain != 0 {
		name := chains[e.Chain]
		if name == "" {
			name = fmt.Sprintf("chain %d", e.Chain)
		}
		where = append(where, name)
	}
	for _, p := range []struct{ what, value string }{{"order", e.Order}, {"escrow", e.Escrow}, {"", e.Account}} {
		if p.value != "" {
			where = append(where, strings.TrimSpace(p.what+" "+p.value))
		}
	}
	a.Where = strings.Join(where, ", ")
	if !e.EscalatedAt.IsZero() {
		a.Marks = append(a.Marks, report.Mark{At: e.EscalatedAt, What: report.Escalated})
	}
	if !e.AckedAt.IsZero() {
		a.Marks = append(a.Marks, report.Mark{At: e.AckedAt, What: report.Acknowledged, By: e.AckedBy})
	}
	if e.State == alert.Resolved {
		a.Marks = append(a.Marks, report.Mark{At: e.RaisedAt, What: report.Resolved, By: e.Proof})
	}
	return a
}

// severities are those of alerts in the report's words.
var severities = map[alert.Severity]report.Severity{alert.Info: report.Info, alert.Warning: report.Warning, alert.Critical: report.Critical}
