package alert

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Severity says how soon a person has to look. The zero value stands for the kind's own severity.
type Severity int

// The severities, rising.
const (
	Info     Severity = iota + 1 // good to know, nothing to do
	Warning                      // look today
	Critical                     // money is at risk now
)

var severityNames = map[Severity]string{Info: "info", Warning: "warning", Critical: "critical"}

func (s Severity) String() string {
	if name, ok := severityNames[s]; ok {
		return name
	}
	return fmt.Sprintf("severity(%d)", int(s))
}

// ParseSeverity is the inverse of String.
func ParseSeverity(name string) (Severity, error) {
	for s, n := range severityNames {
		if n == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("severity %q: want info, warning or critical", name)
}

// Alert is one thing a person should know. Kind, Chain, Order, Escrow and Account identify it; the
// other fields may change from pass to pass without making it another alert.
type Alert struct {
	Kind     Kind
	Severity Severity // zero: the severity of the kind
	Chain    uint64   // chain id, 0 if it concerns no single chain
	Order    string   // id of the order, if any
	Escrow   string   // address of the escrow, if any
	Account  string   // signer, token, endpoint or job, if that is what it is about
	// Level is the time-left threshold that was crossed (10 min, 5 min, 1 min). A smaller one is
	// tighter. Zero: the kind has no levels.
	Level time.Duration

	What      string // what happened, one sentence; empty: the meaning of the kind
	AtStake   string // how much may be lost, amount and token
	UntilWhen string // until when it can still be helped
	WhatToDo  string // empty: what the kind says
}

// Key names the alert. It holds nothing that changes while the situation lasts: no amount, no
// time, no level.
func (a Alert) Key() string {
	return strings.Join([]string{string(a.Kind), strconv.FormatUint(a.Chain, 10), a.Order, a.Escrow, a.Account}, "|")
}

// maxField bounds each text of an alert in bytes; identifiers are far shorter.
const maxField = 500

// complete fills in what the kind knows, bounds the texts and refuses what cannot be keyed.
func (a Alert) complete() (Alert, error) {
	kind, ok := Kinds[a.Kind]
	if !ok {
		return a, fmt.Errorf("alert kind %q is not in the catalogue", a.Kind)
	}
	if a.Severity == 0 {
		a.Severity = kind.Severity
	}
	var errs []error
	if _, ok := severityNames[a.Severity]; !ok {
		errs = append(errs, fmt.Errorf("alert %s: %s", a.Kind, a.Severity))
	}
	if a.Level < 0 {
		errs = append(errs, fmt.Errorf("alert %s: level %s is negative", a.Kind, a.Level))
	}
	for name, id := range map[string]string{"order": a.Order, "escrow": a.Escrow, "account": a.Account} {
		if len(id) > 200 || strings.ContainsAny(id, "|\n") {
			errs = append(errs, fmt.Errorf("alert %s: %s is no identifier", a.Kind, name))
		}
	}
	if a.What == "" {
		a.What = kind.Meaning
	}
	if a.WhatToDo == "" {
		a.WhatToDo = kind.WhatToDo
	}
	for _, text := range []*string{&a.What, &a.AtStake, &a.UntilWhen, &a.WhatToDo} {
		*text = clean(*text, maxField)
	}
	return a, errors.Join(errs...)
}

// clean makes one bounded line of valid text out of s: texts quote chain data, which is hostile.
func clean(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		s = s[:limit]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '?'
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == '\u2028' || r == '\u2029':
			return ' '
		}
		return r
	}, s)
	if cut {
		s += "…"
	}
	return s
}
