package health

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is how a component, or all of them, stand.
type Status uint8

// The statuses, getting worse. They are stored and put out as their numbers, less one.
const (
	Unknown   Status = iota // nothing measured yet
	Healthy                 // as it should be
	Degraded                // works, and somebody should look
	Unhealthy               // does not work
)

var statusNames = [...]string{"unknown", "healthy", "degraded", "unhealthy"}

func (s Status) String() string { return statusNames[min(s, Unhealthy)] }

// Metric is the status as a number: 0 healthy, 1 degraded, 2 unhealthy.
func (s Status) Metric() int64 { return max(0, int64(s)-int64(Healthy)) }

// MarshalText implements encoding.TextMarshaler.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(b []byte) error {
	i := slices.Index(statusNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("status: unknown %q", b)
	}
	*s = Status(i)
	return nil
}

// Component is one part as it was found.
type Component struct {
	Name   string `json:"name"` // stable, such as "endpoint 8453/base-1"
	Status Status `json:"status"`
	// Critical: nothing goes on without it.
	Critical bool `json:"critical,omitempty"`
	// Latency is how long the look took, in milliseconds; zero: nothing was asked.
	Latency int64  `json:"ms,omitempty"`
	Detail  string `json:"detail,omitempty"` // for a person; no secret
	// Numbers are what was measured, by the names of log fields.
	Numbers map[string]int64 `json:"numbers,omitempty"`
	// ToDo is what a person has to do where it is not well. A component that has it is told by itself,
	// too: no other alert tells of it.
	ToDo string `json:"-"`

	// Since is the first check in a row that found it as well, or not as well, as this one, and Row how
	// many such checks there are, counted up to longestRow; zero while it is unknown. What a check
	// finds may have begun at any time after the one before. Own: it had ToDo. State.Next sets them.
	Since time.Time `json:"since,omitzero"`
	Row   int       `json:"row,omitempty"`
	Own   bool      `json:"own,omitempty"`
}

// well reports whether it is; what is unknown is neither well nor not.
func (c *Component) well() bool { return c.Status == Healthy }

// bad reports whether somebody should look at it.
func (c *Component) bad() bool { return c.Status >= Degraded }

// worsen takes the worse status, with its words.
func (c *Component) worsen(s Status, format string, args ...any) {
	detail := cut(fmt.Sprintf(format, args...))
	switch {
	case s > c.Status:
		c.Status, c.Detail = s, detail
	case s == c.Status && s > Healthy:
		c.Detail = strings.TrimPrefix(c.Detail+"; "+detail, "; ")
	}
}

// maxDetail bounds the words of a component, in bytes: they quote errors.
const maxDetail = 300

func cut(s string) string {
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}

// Overall joins the components by the rule of the package.
func Overall(all []Component) Status {
	s := Healthy
	for _, c := range all {
		switch {
		case c.Status == Unhealthy && c.Critical:
			return Unhealthy
		case c.Status >= Degraded:
			s = Degraded
		}
	}
	return s
}

// Probe looks at one part.
type Probe struct {
	Name string
	// Critical: what the part is for cannot go on without it, should it not answer at all.
	Critical bool
	Look     func(ctx context.Context) []Component
}

// Limit is how long one probe may take: an order of magnitude above what anything here usually takes,
// and a third of the shortest time that a check has.
const Limit = 10 * time.Second

// Look runs all probes at once and returns their components in the order of the probes, each probe's in
// its own. It takes no longer than Limit, or the time that ctx has: what does not answer by then is
// left behind, and is a component that says so.
func Look(ctx context.Context, probes []Probe) []Component {
	found := make([]chan []Component, len(probes))
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	for i, p := range probes {
		found[i] = make(chan []Component, 1) // a probe left behind can still leave
		go func() { found[i] <- look(ctx, p) }()
	}
	var all []Component
	for i, p := range probes {
		select {
		case got := <-found[i]:
			all = append(all, got...)
			continue
		default:
		}
		select {
		case got := <-found[i]:
			all = append(all, got...)
		case <-ctx.Done():
			// Those that end with ctx are given the moment that it takes.
			select {
			case got := <-found[i]:
				all = append(all, got...)
			case <-time.After(lastMoment):
				all = append(all, Component{Name: p.Name, Status: Unhealthy, Critical: p.Critical, Detail: "does not answer"})
			}
		}
	}
	return all
}

// lastMoment is what a probe has, once its time is over, to say what it knows.
const lastMoment = 50 * time.Millisecond

// look runs a probe. A panic is what was found.
func look(ctx context.Context, p Probe) (found []Component) {
	defer func() {
		if r := recover(); r != nil {
			found = []Component{{Name: p.Name, Status: Unhealthy, Critical: p.Critical, Detail: fmt.Sprintf("panic: %v", r)}}
		}
	}()
	return p.Look(ctx)
}
