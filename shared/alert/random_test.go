package alert_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
)

// Two hours of passes of which every dependency fails now and then, while
// conditions come and go and people acknowledge: in the end what is open is what
// is true, all of it was told, and no failure was kept quiet.
func TestTwoHoursOfFailures(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			w := newWatch(t)
			failing, failed := true, false
			w.Fail(func(string) faulttest.Fault {
				if !failing || rng.IntN(6) > 0 {
					return faulttest.OK
				}
				failed = true
				return []faulttest.Fault{faulttest.Refused, faulttest.Lost}[rng.IntN(2)]
			})
			conditions := make([]alert.Alert, 12)
			holds := make([]bool, len(conditions))
			loose := make([]bool, len(conditions)) // told, maybe, although it could not be stored
			for i := range conditions {
				conditions[i] = alert.Alert{Kind: []alert.Kind{alert.EndpointTrouble, alert.CallReverts, alert.ChainBehind, alert.ActionOverdue}[i%4], Severity: alert.Severity(1 + rng.IntN(3)),
					Chain: uint64(1 + i%2), Account: fmt.Sprintf("condition-%02d", i)}
			}
			at := t0
			pass := func() {
				t.Helper()
				failed = false
				d := w.desk()
				var errs []error
				open, err := w.Open(t.Context(), at)
				errs = append(errs, err)
				for i, a := range conditions {
					stored := slices.ContainsFunc(open, func(e alert.Entry) bool { return e.Key() == a.Key() })
					switch {
					case holds[i]:
						err := d.Raise(t.Context(), a, at)
						loose[i] = err != nil || loose[i] && !stored
						errs = append(errs, err)
					case stored:
						errs = append(errs, d.Resolve(t.Context(), a.Key(), "it holds no more", at))
					}
				}
				errs = append(errs, d.Flush(t.Context(), at))
				if err := errors.Join(errs...); (err != nil) != failed {
					t.Fatalf("a dependency failed: %t; told: %v", failed, err)
				}
			}
			for at.Sub(t0) < 2*time.Hour {
				// What was told although the store would not have it, and is over before it has, nobody can take back.
				if i := rng.IntN(len(conditions)); rng.IntN(5) == 0 && !loose[i] {
					holds[i] = !holds[i]
				}
				if rng.IntN(20) == 0 {
					_, err := alert.Acknowledge(t.Context(), w, conditions[rng.IntN(len(conditions))].Key(), "somebody", "", at)
					if err != nil && !errors.Is(err, alert.ErrNotOpen) && !errors.Is(err, faulttest.ErrInjected) {
						t.Fatal(err)
					}
				}
				pass()
				at = at.Add(time.Duration(10+rng.IntN(20)) * time.Second)
			}
			failing = false
			for range 30 {
				pass()
				at = at.Add(20 * time.Second)
			}
			open, err := w.Open(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			for i, a := range conditions {
				j := slices.IndexFunc(open, func(e alert.Entry) bool { return e.Key() == a.Key() })
				if (j >= 0) != holds[i] {
					t.Errorf("condition %d holds: %t, is open: %t", i, holds[i], j >= 0)
				}
				switch last := lastWord(w.Sent(), a.Account); {
				case j >= 0 && open[j].State == alert.Acknowledged:
				case a.Severity == alert.Info:
					if last != "" {
						t.Errorf("condition %d is no more than good to know, and a person takes it for %q", i, last)
					}
				case holds[i] && last != "open":
					t.Errorf("condition %d holds, and a person takes it for %q", i, last)
				case !holds[i] && last == "open":
					t.Errorf("condition %d (%s) is over, and nobody was told", i, a.Severity)
				}
			}
			if n, _, err := w.Undelivered(t.Context()); err != nil || n != 0 {
				t.Errorf("%d undelivered, %v", n, err)
			}
		})
	}
}

// lastWord is what a person takes an alert of that account for who has read all messages: "open", "over", or ""
// who never heard of it.
func lastWord(sent []alert.Message, account string) (word string) {
	for _, m := range sent {
		head := m.Subject
		for line := range strings.Lines(m.Body) {
			if m.Kind == alert.Summary && strings.Contains(line, ": ") && strings.HasSuffix(line, ")\n") && !strings.HasPrefix(line, "- ") {
				head = line
			}
			if !strings.Contains(line, account) {
				continue
			}
			if word = "open"; strings.HasPrefix(head, "RESOLVED") {
				word = "over"
			}
		}
	}
	return word
}
