package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
)

var alertsCommand = command{"alerts", "[-resolved] [-json]", "list the open alerts", listAlerts}

var ackCommand = command{"ack", "KEY -by NAME [-note TEXT] [-json]", "acknowledge an alert: it is not repeated", acknowledge}

var resolveCommand = command{"resolve", "KEY -by NAME -proof TEXT [-json]", "end an alert that no program can end, such as a maker paid twice", resolveAlert}

// alertView is an alert as -json prints it.
type alertView struct {
	Key       string    `json:"key"`
	State     string    `json:"state"`
	Severity  string    `json:"severity"`
	Kind      string    `json:"kind"`
	Chain     uint64    `json:"chain,omitempty"`
	Order     string    `json:"order,omitempty"`
	Escrow    string    `json:"escrow,omitempty"`
	Account   string    `json:"account,omitempty"`
	What      string    `json:"what"`
	AtStake   string    `json:"atStake,omitempty"`
	Until     string    `json:"until,omitempty"`
	WhatToDo  string    `json:"whatToDo,omitempty"`
	OpenedAt  time.Time `json:"openedAt"`
	Announced int       `json:"announced"` // times
	Delivered bool      `json:"delivered"`
	AckedBy   string    `json:"ackedBy,omitempty"`
	AckedAt   time.Time `json:"ackedAt,omitzero"`
	AckNote   string    `json:"ackNote,omitempty"`
	Proof     string    `json:"proof,omitempty"`
	Resolved  time.Time `json:"resolvedAt,omitzero"`
}

func viewAlert(e alert.Entry) alertView {
	v := alertView{Key: e.Key(), State: string(e.State), Severity: e.Severity.String(), Kind: string(e.Kind), Chain: e.Chain, Order: e.Order, Escrow: e.Escrow,
		Account: e.Account, What: e.What, AtStake: e.AtStake, Until: e.UntilWhen, WhatToDo: e.WhatToDo, OpenedAt: e.OpenedAt, Announced: e.Repeats,
		Delivered: !e.NotifiedAt.IsZero() && e.Severity > alert.Info, AckedBy: e.AckedBy, AckedAt: e.AckedAt, AckNote: e.AckNote, Proof: e.Proof}
	if v.Delivered {
		v.Announced++
	}
	if e.State == alert.Resolved {
		v.Resolved = e.RaisedAt
	}
	return v
}

func listAlerts(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	resolved := f.Bool("resolved", false, "list those resolved within a day instead")
	if err := f.none(args); err != nil {
		return err
	}
	s, err := t.open(ctx, f)
	if err != nil {
		return err
	}
	now := t.now()
	var list []alert.Entry
	if *resolved {
		list, err = s.Alerts().Resolved(ctx, now.Add(-24*time.Hour), now)
	} else {
		list, err = s.Alerts().Open(ctx, now)
	}
	waiting, oldest, unread := s.Alerts().Undelivered(ctx)
	slices.SortStableFunc(list, func(a, b alert.Entry) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.OpenedAt.Compare(b.OpenedAt))
	})
	views := make([]alertView, len(list))
	for i, e := range list {
		views[i] = viewAlert(e)
	}
	if f.json {
		return errors.Join(err, unread, t.printJSON(struct {
			Alerts      []alertView `json:"alerts"`
			Undelivered int         `json:"undelivered"`
			Oldest      time.Time   `json:"undeliveredSince,omitzero"`
		}{views, waiting, oldest}))
	}
	rows := [][]string{{"SEVERITY", "STATE", "KIND", "CHAIN", "SINCE", "TOLD", "BY", "KEY", "WHAT"}}
	for _, v := range views {
		chain := ""
		if v.Chain != 0 {
			chain = strconv.FormatUint(v.Chain, 10)
		}
		what := v.What
		if v.Proof != "" {
			what = v.Proof
		}
		rows = append(rows, []string{v.Severity, v.State, v.Kind, chain, stamp(v.OpenedAt), strconv.Itoa(v.Announced), v.AckedBy, v.Key, short(what)})
	}
	errs := []error{err, unread, t.table(rows)}
	if waiting > 0 {
		errs = append(errs, t.say("\n%d not delivered yet, the oldest due for %s", waiting, ago(oldest, now)))
	}
	return errors.Join(errs...)
}

// short makes a text fit a line of a table.
func short(s string) string {
	const most = 80
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return strings.TrimSpace(string(r[:most-1])) + "…"
	}
	return s
}

func acknowledge(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	by, note := f.String("by", "", "who looks after it"), f.String("note", "", "what to tell the others")
	key, err := f.key(args, by)
	if err != nil {
		return err
	}
	s, err := t.open(ctx, f)
	if err != nil {
		return err
	}
	e, err := alert.Acknowledge(ctx, s.Alerts(), key, *by, *note, t.now())
	if err != nil {
		return err
	}
	if f.json {
		return t.printJSON(viewAlert(e))
	}
	return t.say("%s is acknowledged by %s since %s", e.Key(), e.AckedBy, stamp(e.AckedAt))
}

// key parses the flags of a command about one alert, by somebody.
func (f *flags) key(args []string, by *string) (string, error) {
	rest, err := f.parse(args)
	switch {
	case err != nil:
		return "", err
	case len(rest) != 1 || rest[0] == "":
		return "", usage("want the key of one alert, as the list of alerts and each message has it")
	case strings.TrimSpace(*by) == "":
		return "", usage("-by is missing: who are you?")
	}
	return rest[0], nil
}

func resolveAlert(ctx context.Context, t tool, args []string) error {
	f := t.flags()
	by, proof := f.String("by", "", "who says so"), f.String("proof", "", "what shows that it is over: a transaction, a balance, an agreement")
	key, err := f.key(args, by)
	if err != nil {
		return err
	}
	if strings.TrimSpace(*proof) == "" {
		return usage("-proof is missing: what shows that it is over?")
	}
	s, err := t.open(ctx, f)
	if err != nil {
		return err
	}
	e, was, err := alert.Resolve(ctx, s.Alerts(), key, *by+": "+*proof, t.now())
	if err == nil && !was {
		err = fmt.Errorf("%s: %w", key, alert.ErrNotOpen)
	}
	if err != nil {
		return err
	}
	if f.json {
		return t.printJSON(viewAlert(e))
	}
	return t.say("%s is resolved; the next run announces it. If its cause lasts, it comes back.", e.Key())
}
