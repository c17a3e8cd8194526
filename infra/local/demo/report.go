package demo

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// Report is how the demonstration ended.
type Report struct {
	Rows []Row
	// Sent counts the transactions of the product's keys in the chains, Reverted
	// those that failed, Early those that failed because their time had not come.
	Sent, Reverted, Early int
	// Overpaid names the transactions that cost more than the caps of their calls.
	Overpaid []string
	// Alerts counts alerts by kind, as text; Missing names alerts that a
	// situation demands and nobody raised.
	Alerts, Missing []string
	// Lifted counts transactions that were replaced at a higher price for what is
	// urgent and waits behind them, Taken nonces that another program used although
	// a transaction of ours had been sent with them.
	Lifted, Taken int
	// Secrets counts swaps whose secret never became public. Were one of them seen
	// in what the functions logged, stored or sent, the demonstration had failed.
	Secrets int
	// Timetable is what the other jobs have kept.
	Timetable Timetable
	// Unwatched says what the functions emit and nobody looks at, or what is looked
	// at and nobody emits; nil where only some scenes were played.
	Unwatched error
	// Failed names the runs that did not end well.
	Failed  []string
	Elapsed time.Duration
}

// Row is one swap.
type Row struct {
	Swap *scene.Swap
	judge.Verdict
}

// OK reports whether there were swaps, all are safe, nothing was late, every
// alert that was due was raised, no transaction cost more than it may, and a restored snapshot decides as its original;
// and that what the functions emit is what alarms and dashboards are made for.
func (r Report) OK() bool {
	safe, lost, late := r.counts()
	return len(r.Rows) > 0 && safe == len(r.Rows) && lost == 0 && late == 0 && len(r.Missing) == 0 && len(r.Overpaid) == 0 && r.Timetable.Same() && r.Unwatched == nil
}

func (r Report) counts() (safe, lost, late int) {
	for _, row := range r.Rows {
		if row.Safe {
			safe++
		}
		if row.Lost {
			lost++
		}
		if row.Late() {
			late++
		}
	}
	return safe, lost, late
}

// report judges every swap for good.
func (r *run) report(ctx context.Context) (Report, error) {
	if err := r.ledger.Update(ctx); err != nil {
		return Report{}, err
	}
	var out Report
	passes := r.watch.seen()
	counts, raised := r.watch.kinds()
	out.Alerts, out.Failed, out.Lifted, out.Taken = counts, r.watch.failed, r.watch.lifts(), r.world.Taken()
	for _, sw := range r.acting.Swaps() {
		v, err := r.ledger.Judge(ctx, sw.Case(), rules, passes)
		if err != nil {
			return Report{}, err
		}
		out.Rows = append(out.Rows, Row{sw, v})
		escrows := []string{sw.Src.Address.Hex(), sw.Dst.Address.Hex()}
		for _, o := range sw.Others {
			escrows = append(escrows, o.Address.Hex())
		}
		if sw.Alert != "" && !raised(sw.Alert, escrows...) {
			out.Missing = append(out.Missing, sw.Name+": "+sw.Alert)
		}
	}
	var err error
	if out.Overpaid, err = r.ledger.Overpaid(ctx, big.NewInt(maxFee)); err != nil {
		return Report{}, err
	}
	for _, tx := range r.ledger.Ours() {
		out.Sent++
		if !tx.OK {
			out.Reverted++
		}
		if tx.Early {
			out.Early++
		}
	}
	return out, nil
}

// Write prints the table, the figures and, last, the line that says it all.
func (r Report) Write(w io.Writer) error {
	alone, many := split(r.Rows)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(alone) > 0 {
		fmt.Fprintln(t, "\n#\tfamily\ttaker\tsituation\texpected end (src / dst)\tactual end\tour transaction\tbehind legal\tbehind pass\t")
	}
	for i, row := range alone {
		actual := row.Ends.String()
		if row.Ends == row.Swap.Allowed[0] {
			actual = "as expected"
		}
		head := fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s", i+1, row.Swap.Family, row.Swap.Taker, row.Swap.Situation, row.Swap.Allowed[0], actual)
		for _, m := range row.Moves {
			fmt.Fprintf(t, "%s\t%s %s %s\t%d\t%s\t%s\n", head, m.Side, m.Call, m.Tx.Hash.Hex()[:12], m.BehindLegal, orDash(m.BehindPass), mark(row, m.Late))
			head = "\t\t\t\t\t"
		}
		if len(row.Moves) == 0 {
			fmt.Fprintf(t, "%s\t-\t-\t-\t%s\n", head, mark(row, false))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := many.write(w); err != nil {
		return err
	}
	if len(many.names) > 0 {
		fmt.Fprintf(w, "replaced at a higher price for what is urgent behind them: %d transactions; nonces that another program took from ours: %d\n", r.Lifted, r.Taken)
	}
	fmt.Fprintln(w)
	for _, row := range r.Rows {
		if !row.Safe {
			fmt.Fprintf(w, "not safe: %s: %s\n", row.Swap.Name, row.Why)
		}
	}
	for _, o := range r.Overpaid {
		fmt.Fprintf(w, "too dear: %s\n", o)
	}
	for _, f := range r.Failed {
		fmt.Fprintf(w, "a run failed: %s\n", f)
	}
	if r.Unwatched != nil {
		fmt.Fprintf(w, "alarms and dashboards: %v\n", r.Unwatched)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(w, "no alert was raised: %s\n", m)
	}
	fmt.Fprintf(w, "alerts: %s\n", strings.Join(r.Alerts, ", "))
	var legal, pass behind
	for _, row := range alone {
		for _, m := range row.Moves {
			legal.add(m.BehindLegal)
			pass.add(m.BehindPass)
		}
	}
	fmt.Fprintf(w, "blocks behind the first legal one with its cause published: %s\n", legal)
	fmt.Fprintf(w, "blocks behind the pass that saw the cause: %s\n", pass)
	fmt.Fprintf(w, "transactions: %d sent, %d reverted, %d of them for being early\n", r.Sent, r.Reverted, r.Early)
	fmt.Fprintf(w, "in nothing that was logged, stored or sent: %d secrets that are not public, the signing keys, the endpoints' tokens\n", r.Secrets)
	if err := r.Timetable.Write(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "time: %.0f s\n", r.Elapsed.Seconds())
	safe, lost, late := r.counts()
	_, err := fmt.Fprintf(w, "demo: %d swaps, %d safe, %d lost, %d late\n", len(r.Rows), safe, lost, late)
	return err
}

func mark(row Row, late bool) string {
	switch {
	case row.Lost:
		return "LOST"
	case !row.Safe:
		return "NOT SAFE"
	case late:
		return "LATE"
	}
	return ""
}

func orDash(n int) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// behind are how many blocks actions came behind the first possible one.
type behind []int

// add takes one that is known.
func (b *behind) add(n int) {
	if n >= 0 {
		*b = append(*b, n)
	}
}

// spread is the median and the worst; b is not empty.
func (b behind) spread() (median, worst int) {
	s := slices.Sorted(slices.Values(b))
	return s[len(s)/2], s[len(s)-1]
}

func (b behind) String() string {
	if len(b) == 0 {
		return "no transaction"
	}
	median, worst := b.spread()
	return fmt.Sprintf("median %d, worst %d, of %d", median, worst, len(b))
}
