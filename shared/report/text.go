package report

import (
	"fmt"
	"strings"
	"time"
)

// maxMessage bounds Text in characters, without its link: a phone shows it
// without scrolling.
const maxMessage = 700

// Text is the day in a few lines, the most important first, with a link to the
// page. subject is for a list of messages.
func Text(d Day, zone *time.Location, link string) (subject, body string) {
	if zone == nil {
		zone = time.UTC
	}
	v := viewer{Day: d.sorted(), zone: zone}
	verdict := v.verdict()
	date := v.Start.UTC().Format("2 Jan 2006")
	if !v.whole() {
		date += " until " + v.Until.UTC().Format("15:04") + " UTC"
	}
	subject = date + ": " + verdict.Text
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for i, l := range v.Swaps.Losses {
		if i == 2 {
			say("… and %s more lost.", count(len(v.Swaps.Losses)-i))
			break
		}
		say("LOST %s on %s: %s", l.Amount, tame(l.Chain, 20), tame(l.What, 80))
	}
	for i, p := range verdict.Points {
		if i == 5 {
			say("… and %s more.", count(len(verdict.Points)-i))
			break
		}
		say("- %s", tame(p, 120))
	}
	if v.gap(PartSwaps) == "" {
		c := v.Swaps.Counts
		text := fmt.Sprintf("Swaps: %s created, %s completed, %s cancelled", count(c.Created), count(c.Completed), count(c.Cancelled))
		if c.Rescued > 0 {
			text += ", " + count(c.Rescued) + " rescued"
		}
		text += ", " + count(c.Lost) + " lost"
		if v.gap(PartRisk) == "" {
			text += "; " + count(v.Risk.Open) + " open"
		}
		say("%s.", text)
	}
	if v.gap(PartMargins) == "" && v.Margins.Total() > 0 {
		say("Least margin: %s; %s had %s or more.", spell(v.Margins.Least), share(v.Margins.Met, v.Margins.Total()), spell(v.Margins.Objective))
	}
	if v.gap(PartRisk) == "" && !v.Risk.Peak.IsZero() {
		say("At risk: at most %s, at %s.", Wei(v.Risk.Peak), v.Risk.PeakAt.In(zone).Format("15:04 MST"))
	}
	if v.gap(PartGas) == "" && len(v.Gas) > 0 {
		var spent []string
		for i, g := range v.Gas {
			if i == 3 {
				spent = append(spent, fmt.Sprintf("%d more", len(v.Gas)-i))
				break
			}
			spent = append(spent, g.Spent.String()+" on "+tame(g.Chain, 20))
		}
		say("Gas: %s.", strings.Join(spent, ", "))
	}
	n := 0
	for i, l := range lines {
		if n += len([]rune(l)) + 1; n > maxMessage {
			lines = append(lines[:i], "…")
			break
		}
	}
	body = strings.Join(lines, "\n") + "\n"
	if link != "" {
		body += "\n" + link + "\n"
	}
	return subject, body
}
