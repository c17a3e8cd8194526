package bill

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteFigures prints the README's table of what starting and running a function takes, in Markdown: of the functions of
// s, by name. One that was not measured is an error.
//
// The time that Lambda takes is the one on a core, stretched by the part of it that the function's memory buys. What a
// start waits for, which are answers, comes on top.
func WriteFigures(w io.Writer, p Prices, m Measured, s Shape) error {
	rows := slices.SortedFunc(slices.Values(s.Functions), func(a, b Runs) int { return strings.Compare(a.Name, b.Name) })
	var table strings.Builder
	table.WriteString("| function | memory, MB | held at most, MB | ready after, ms | start and first run, ms of a core | the same with its share of one, ms |\n|---|---|---|---|---|---|\n")
	for _, f := range rows {
		n, ok := m.Functions[f.Name]
		if !ok {
			return fmt.Errorf("%s was not measured: go run ./infra/local measure", f.Name)
		}
		fmt.Fprintf(&table, "| `%s` | %d | %s | %s | %s | %s |\n", f.Name, f.MemoryMB, n.PeakMB.Rat().FloatString(0), n.InitMillis.Rat().FloatString(0),
			n.FirstCPU.Rat().FloatString(0), mul(n.FirstCPU.Rat(), stretch(p.Assumed, f.MemoryMB)).FloatString(0))
	}
	_, err := io.WriteString(w, table.String())
	return err
}
