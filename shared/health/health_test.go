package health

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestOverall(t *testing.T) {
	c := func(s Status, critical bool) Component { return Component{Status: s, Critical: critical} }
	for _, k := range []struct {
		name string
		all  []Component
		want Status
	}{
		{"nothing", nil, Healthy},
		{"all are well", []Component{c(Healthy, true), c(Healthy, false)}, Healthy},
		{"unknown counts as nothing", []Component{c(Unknown, true), c(Unknown, false)}, Healthy},
		{"one is degraded", []Component{c(Healthy, true), c(Degraded, false)}, Degraded},
		{"a critical one is degraded", []Component{c(Degraded, true)}, Degraded},
		{"what others stand in for is unhealthy", []Component{c(Unhealthy, false), c(Healthy, true)}, Degraded},
		{"many such", []Component{c(Unhealthy, false), c(Unhealthy, false), c(Unhealthy, false)}, Degraded},
		{"a critical one is unhealthy", []Component{c(Healthy, true), c(Unhealthy, true)}, Unhealthy},
	} {
		if got := Overall(k.all); got != k.want {
			t.Errorf("%s: %s, want %s", k.name, got, k.want)
		}
	}
}

func TestStatusText(t *testing.T) {
	for s := Unknown; s <= Unhealthy; s++ {
		text, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Status
		if err := back.UnmarshalText(text); err != nil || back != s {
			t.Errorf("%s: %s, %v", text, back, err)
		}
	}
	var s Status
	if err := s.UnmarshalText([]byte("fine")); err == nil {
		t.Error("fine is a status")
	}
	if Unknown.Metric() != 0 || Healthy.Metric() != 0 || Degraded.Metric() != 1 || Unhealthy.Metric() != 2 {
		t.Error("the metric is not 0, 1, 2")
	}
}

// The letters are checks: h, d, u; capital ones are what is settled after each.
func TestHysteresis(t *testing.T) {
	letters := map[rune]Status{'h': Healthy, 'd': Degraded, 'u': Unhealthy}
	for _, k := range []struct{ found, settled string }{
		{"h", "H"},
		{"d", "D"}, // the first check settles at once
		{"u", "U"},
		{"hd", "HH"},
		{"hdd", "HHD"},
		{"hdhdhdh", "HHHHHHH"}, // flapping
		{"hu", "HU"},
		{"hdu", "HHU"},
		{"udddd", "UUUDD"},
		{"uhhh", "UUUH"},
		{"uhhuhhh", "UUUUUUH"},
		{"udhhhhh", "UUUDDDH"}, // as far as the worst of the three, and then again
		{"uhdhhhh", "UUUDDDH"},
		{"dhh", "DDD"},
		{"dhhh", "DDDH"},
		{"dhhdhhh", "DDDDDDH"},
		{"duhhh", "DUUUH"},
		{"hdddhhh", "HHDDDDH"},
		{"dhuhhh", "DDUUUH"},
	} {
		var s State
		for i, found := range k.found {
			before := s
			s = s.Next(Report{At: begin.Add(time.Duration(i) * time.Minute), Found: letters[found]})
			want := map[byte]Status{'H': Healthy, 'D': Degraded, 'U': Unhealthy}[k.settled[i]]
			if s.Settled != want {
				t.Errorf("%s: %s after check %d, want %s", k.found, s.Settled, i+1, want)
			}
			if changed := before.Settled != s.Settled; changed && i > 0 && (!s.Since.Equal(s.Latest.At) || s.Previous.Found != before.Latest.Found) {
				t.Errorf("%s: since %s, previous %s", k.found, s.Since, s.Previous.Found)
			}
		}
	}
}

// A tick that runs twice, or late, is one check.
func TestARepeatedTickCountsOnce(t *testing.T) {
	var s State
	var newest time.Time
	for _, c := range []struct {
		at    time.Duration
		found Status
		want  Status
		row   int
	}{
		{0, Healthy, Healthy, 0},
		{time.Minute, Degraded, Healthy, 1},
		{time.Minute, Degraded, Healthy, 1},
		{0, Degraded, Healthy, 1}, // the clock went back
		{time.Minute, Unhealthy, Unhealthy, 0},
		{2 * time.Minute, Healthy, Unhealthy, 1},
		{2 * time.Minute, Degraded, Unhealthy, 1},
		{3 * time.Minute, Healthy, Unhealthy, 2},
		{4 * time.Minute, Healthy, Degraded, 0},
	} {
		s = s.Next(Report{At: begin.Add(c.at), Found: c.found})
		if s.Settled != c.want || s.Row != c.row {
			t.Errorf("%s at %s: %s in a row of %d, want %s and %d", c.found, c.at, s.Settled, s.Row, c.want, c.row)
		}
		if s.Latest.At.Before(newest) {
			t.Errorf("the latest is of %s, after one of %s", s.Latest.At, newest)
		}
		newest = s.Latest.At
	}
	if !s.Latest.At.Equal(begin.Add(4 * time.Minute)) {
		t.Errorf("latest is of %s", s.Latest.At)
	}
}

// Whatever a probe does, the others are told, in time.
func TestLookContainsWhatProbesDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fine := func(name string) Probe {
			return Probe{Name: name, Look: func(context.Context) []Component { return []Component{{Name: name, Status: Healthy}} }}
		}
		release := make(chan struct{})
		defer close(release)
		began := time.Now()
		got := Look(t.Context(), []Probe{
			fine("a"),
			{Name: "panics", Critical: true, Look: func(context.Context) []Component { panic("out of cheese") }},
			{Name: "deaf", Critical: true, Look: func(context.Context) []Component { <-release; return nil }},
			{Name: "slow", Look: func(ctx context.Context) []Component {
				<-ctx.Done()
				return []Component{{Name: "slow", Status: Degraded, Detail: "what is known so far"}}
			}},
			{Name: "several", Look: func(context.Context) []Component { return []Component{{Name: "one"}, {Name: "two"}} }},
			fine("z"),
		})
		want := []Component{
			{Name: "a", Status: Healthy},
			{Name: "panics", Status: Unhealthy, Critical: true, Detail: "panic: out of cheese"},
			{Name: "deaf", Status: Unhealthy, Critical: true, Detail: "does not answer"},
			{Name: "slow", Status: Degraded, Detail: "what is known so far"},
			{Name: "one"}, {Name: "two"},
			{Name: "z", Status: Healthy},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if took := time.Since(began); took < Limit || took > Limit+time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestManyDeafProbesCostOneTimeBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		var probes []Probe
		for i := range 20 {
			probes = append(probes, Probe{Name: fmt.Sprint(i), Look: func(context.Context) []Component { <-release; return nil }})
		}
		began := time.Now()
		if got := Look(t.Context(), probes); len(got) != 20 {
			t.Errorf("%d components", len(got))
		}
		if took := time.Since(began); took > Limit+2*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestDetailsAreBounded(t *testing.T) {
	c := Component{Status: Healthy}
	c.worsen(Unhealthy, "%s", strings.Repeat("☂", 500))
	if len(c.Detail) > maxDetail+3 || !strings.HasSuffix(c.Detail, "☂…") {
		t.Errorf("%d bytes: %q", len(c.Detail), c.Detail)
	}
}
