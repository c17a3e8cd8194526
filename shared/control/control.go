package control

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Max is the longest that a pause lasts unless it is renewed: a forgotten one must not outlast a night's
// timelocks.
const Max = 4 * time.Hour

// Skew is by how much the clock that a pause was made by, which is the store's, may be ahead of its readers'. What
// claims to be made later than that is not in force yet: else a clock that is a day ahead would make a pause of a day.
const Skew = 10 * time.Second

// remember is how long a pause that is over is kept: so long those that it held back, a daily job among
// them, can say that it is over.
const remember = 48 * time.Hour

// Scope is what a pause stops. The zero value: sending, on every chain.
type Scope struct {
	Job   string `json:"job,omitempty"`   // the runs of this job; of the executor, its sending
	Chain uint64 `json:"chain,omitempty"` // sending on this chain
}

// All is sending on every chain.
var All Scope

func (s Scope) String() string {
	switch {
	case s.Job != "":
		return "job " + s.Job
	case s.Chain != 0:
		return "sending on chain " + strconv.FormatUint(s.Chain, 10)
	}
	return "all sending"
}

// Pause is one decision of an operator. Times are wall clock, by the store's clock.
type Pause struct {
	Scope
	By     string    `json:"by"`               // who
	Why    string    `json:"why"`              // for whoever finds it
	Since  time.Time `json:"since"`            // when it was first made
	From   time.Time `json:"from"`             // when it was made, or renewed last
	Until  time.Time `json:"until"`            // its end as asked for; see Ends
	Claims bool      `json:"claims,omitempty"` // source legs whose secret is public are not claimed either
}

// Ends is when the pause ends: never more than Max after it was made or renewed.
func (p Pause) Ends() time.Time {
	if last := p.From.Add(Max); p.Until.After(last) {
		return last
	}
	return p.Until
}

// InForce tells whether the pause holds at now: up to its end, and not at it; and not if it was made more than Skew
// later than now. So whatever the clocks say that it was made by, it holds for Max at most, and Skew.
func (p Pause) InForce(now time.Time) bool { return !p.over(now) && !p.From.After(now.Add(Skew)) }

func (p Pause) over(now time.Time) bool { return !now.Before(p.Ends()) }

// Limits of what a person writes, in bytes.
const (
	maxBy  = 100
	maxWhy = 300
)

// Validate names everything that is wrong with a new pause that is to last so long.
func (p Pause) Validate(lasts time.Duration) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.Job != "" && p.Chain != 0 {
		bad("it names a job and a chain: want one of them, or neither for all sending")
	}
	for _, text := range []struct {
		name, value string
		most        int
	}{{"who", p.By, maxBy}, {"why", p.Why, maxWhy}, {"job", cmp.Or(p.Job, "-"), maxBy}} {
		if strings.TrimSpace(text.value) == "" {
			bad("it does not say %s", text.name)
		}
		if len(text.value) > text.most || strings.ContainsFunc(text.value, unicode.IsControl) {
			bad("%s is longer than %d bytes or than a line", text.name, text.most)
		}
	}
	switch {
	case lasts <= 0:
		bad("it does not say for how long")
	case lasts > Max:
		bad("it lasts %s, and %s is the most", lasts, Max)
	}
	if len(errs) > 0 {
		return fmt.Errorf("pause of %s: %w", p.Scope, errors.Join(errs...))
	}
	return nil
}

// State is all pauses, at most one for each scope, some of them over. The zero value: nothing was paused.
type State struct {
	Pauses  []Pause   `json:"pauses,omitempty"`
	Version int64     `json:"-"` // set by the store: 0 = not stored, else counts up with each Save
	Write   string    `json:"-"` // token of the write, fresh for every one
	At      time.Time `json:"-"` // set by the store: when it was read, by the store's clock
}

// Work is what somebody is about to do.
type Work struct {
	Job   string // which job does it
	Chain uint64 // where it sends; 0: it is a run that may send nothing
	Claim bool   // it claims a source leg whose secret is public
}

// Allows tells whether the work may be done at now; if not, the pause that holds it back longest.
func (s State) Allows(w Work, now time.Time) (by Pause, ok bool) {
	ok = true
	for _, p := range s.Pauses {
		if !p.InForce(now) || !p.stops(w) {
			continue
		}
		if ok || p.Ends().After(by.Ends()) {
			by, ok = p, false
		}
	}
	return by, ok
}

func (p Pause) stops(w Work) bool {
	if w.Chain == 0 {
		return p.Job != "" && p.Job == w.Job
	}
	if w.Claim && !p.Claims {
		return false
	}
	return p.Scope == All || p.Chain == w.Chain || p.Job != "" && p.Job == w.Job
}

// Concerning lists the pauses that hold a job back, in force or over; sends: it is the one that sends, and
// so those of chains and of everything concern it too.
func (s State) Concerning(job string, sends bool) (out []Pause) {
	for _, p := range s.Pauses {
		if p.Job == job || sends && p.Job == "" {
			out = append(out, p)
		}
	}
	return out
}

// with returns the state with p in the place of the pause of its scope, without what is over for long.
func (s State) with(p Pause) State {
	next := State{Version: s.Version}
	for _, q := range s.Pauses {
		if q.Scope != p.Scope && s.At.Sub(q.Ends()) < remember {
			next.Pauses = append(next.Pauses, q)
		}
	}
	next.Pauses = append(next.Pauses, p)
	slices.SortFunc(next.Pauses, func(a, b Pause) int { return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Chain, b.Chain)) })
	return next
}

// of finds the pause of a scope that is not over.
func (s State) of(scope Scope) (Pause, bool) {
	for _, p := range s.Pauses {
		if p.Scope == scope && !p.over(s.At) {
			return p, true
		}
	}
	return Pause{}, false
}
