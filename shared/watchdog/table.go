package watchdog

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// WriteTable writes how the jobs do, for a person.
func WriteTable(w io.Writer, all []Health) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "job\tstate\tlast run\tended\truns\twell\tfailed in a row\tmissed\tdied\ttakes\tusually\tof")
	for _, h := range all {
		name := h.Job
		if h.Critical {
			name += " *"
		}
		last, ended := "-", "-"
		if !h.Last.Scheduled.IsZero() {
			last, ended = h.Last.Scheduled.UTC().Format(time.DateTime), h.Last.State.String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d %%\t%d\t%d\t%d\t%s\t%s\t%s\n", name, h.State, last, ended, h.Runs, h.Rate(), h.InARow,
			h.Missed(), h.Died(), seconds(h.Lately), seconds(h.Usual), seconds(h.Budget))
	}
	fmt.Fprintln(t, "* critical; times in UTC")
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the job table: %w", err)
	}
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// Count is how many jobs there are of each state.
func Count(all []Health) map[State]int {
	out := map[State]int{}
	for _, h := range all {
		out[h.State]++
	}
	return out
}
