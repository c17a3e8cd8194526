package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// group is what shares one message.
type group struct {
	state    State
	kind     Kind
	severity Severity
	chain    uint64
	level    time.Duration
}

func groupOf(e Entry) group {
	return group{state: e.State, kind: e.Kind, severity: e.Severity, chain: e.Chain, level: e.Level}
}

// compare puts the most severe first: if time runs out, the least matters most.
func (g group) compare(h group) int {
	return cmp.Or(cmp.Compare(h.severity, g.severity), cmp.Compare(g.kind, h.kind), cmp.Compare(g.chain, h.chain),
		cmp.Compare(g.level, h.level), cmp.Compare(g.state, h.state))
}

// spell writes a time as people say it.
func spell(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return d.String()
}

// maxBody bounds a message in bytes. A pager and a mail reader show far less.
const maxBody = 12_000

// head names what the entries of a group have in common.
func (g group) head() string {
	var head strings.Builder
	switch g.state {
	case Resolved:
		head.WriteString("RESOLVED")
	case Escalated:
		head.WriteString(strings.ToUpper(g.severity.String()) + ", ESCALATED")
	default:
		head.WriteString(strings.ToUpper(g.severity.String()))
	}
	fmt.Fprintf(&head, ": %s", g.kind)
	if g.chain != 0 {
		fmt.Fprintf(&head, " on chain %d", g.chain)
	}
	if g.level > 0 && g.state != Resolved {
		fmt.Fprintf(&head, ", less than %s left", spell(g.level))
	}
	return head.String()
}

// compose writes the message of a group. The body starts with what they have in common; each entry
// then says where, how much is at stake and until when. What does not fit is counted.
func compose(g group, entries []Entry) Message {
	head := g.head()
	if n := len(entries); n > 1 {
		head += fmt.Sprintf(" (%d)", n)
	}

	info := Kinds[g.kind]
	var body strings.Builder
	fmt.Fprintf(&body, "%s\n", info.Meaning)
	if g.state != Resolved && info.WhatToDo != "" {
		fmt.Fprintf(&body, "What to do: %s\n", info.WhatToDo)
	}
	for i, e := range entries {
		text := paragraph(e, info)
		if body.Len()+len(text) > maxBody {
			fmt.Fprintf(&body, "\n… and %d more: see the log lines \"alert\" of kind %s.\n", len(entries)-i, g.kind)
			break
		}
		body.WriteString(text)
	}
	return Message{Kind: g.kind, Severity: g.severity, Chain: g.chain, Subject: head, Body: body.String()}
}

func paragraph(e Entry, info KindInfo) string {
	var b strings.Builder
	b.WriteString("\n")
	var where []string
	for _, part := range []struct{ name, value string }{{"order", e.Order}, {"escrow", e.Escrow}, {"account", e.Account}} {
		if part.value != "" {
			where = append(where, part.name+" "+part.value)
		}
	}
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	line("Where", strings.Join(where, ", "))
	if e.What != info.Meaning {
		line("What", e.What)
	}
	if e.State == Resolved {
		line("Proof", e.Proof)
		return b.String()
	}
	line("At stake", e.AtStake)
	line("Until", e.UntilWhen)
	if e.WhatToDo != info.WhatToDo {
		line("What to do", e.WhatToDo)
	}
	if e.Repeats > 0 {
		fmt.Fprintf(&b, "Announced %d times before, since %s.\n", e.Repeats, e.OpenedAt.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(&b, "Key: %s\n", e.Key())
	return b.String()
}
