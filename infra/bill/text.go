package bill

import (
	"fmt"
	"io"
	"math/big"
	"text/tabwriter"
)

// Trade is what an operator can do, and what a month costs less with it; negative is more.
type Trade struct {
	What string
	// Saves is of the first stack of an account, Full of each other one.
	Saves, Full *big.Rat
}

// Trades are what can be had for less money, or more for more.
func Trades(p Prices, m Measured, s Shape, l Load) ([]Trade, error) {
	was, err := Compute(p, m, s, l)
	if err != nil {
		return nil, err
	}
	var out []Trade
	try := func(what string, change func(s *Shape, l *Load)) error {
		other, load := s, l
		other.Functions = append([]Runs(nil), s.Functions...)
		change(&other, &load)
		is, err := Compute(p, m, other, load)
		if err != nil {
			return err
		}
		out = append(out, Trade{what, new(big.Rat).Sub(was.Cost, is.Cost), new(big.Rat).Sub(was.Full, is.Full)})
		return nil
	}
	slower := func(name string, by int64) func(s *Shape, _ *Load) {
		return func(s *Shape, _ *Load) {
			for i := range s.Functions {
				if f := &s.Functions[i]; f.Name == name {
					f.Scheduled /= by
				}
			}
		}
	}
	traced := func(is func(Runs) bool) func(s *Shape, _ *Load) {
		return func(s *Shape, _ *Load) {
			for i := range s.Functions {
				s.Functions[i].Traced = is(s.Functions[i])
			}
		}
	}
	for _, t := range []struct {
		what   string
		change func(s *Shape, l *Load)
	}{
		{"Tracing: None", traced(func(Runs) bool { return false })},
		{"Tracing: All", traced(func(Runs) bool { return true })},
		{"tracing timelock-monitor too, and what it rings for", traced(func(f Runs) bool { return f.Traced || f.Name == "timelock-monitor" })},
		{"a snapshot a third as often (state-persistence)", slower("state-persistence", 3)},
		{"health-check half as often", slower("health-check", 2)},
		{"job-watchdog half as often", slower("job-watchdog", 2)},
		{"no composite alarm", func(s *Shape, _ *Load) { s.CompositeAlarms = 0 }},
		{"no dashboards", func(s *Shape, _ *Load) { s.Dashboards, s.LogQueries = 0, 0 }},
		{"snapshots kept for 7 days", func(s *Shape, _ *Load) { s.SnapshotDays = min(s.SnapshotDays, 7) }},
		{"1,000 more open swaps", func(_ *Shape, l *Load) { l.Open += 1000 }},
		{"100 more swaps a day", func(_ *Shape, l *Load) { l.Swaps += 100 }},
	} {
		if err := try(t.what, t.change); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Write prints the bill. The last line is its sum.
func (b Bill) Write(w io.Writer, trades []Trade) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "quantity\t free\tUSD\tshare\twithout free\t  for")
	for _, l := range b.Lines {
		if l.Quantity.Sign() == 0 {
			continue
		}
		fmt.Fprintf(t, "%s\t %s\t%s\t%s\t%s\t  %s: %s\n", amount(l.Quantity), amount(whole(l.Free)), usd(l.Cost), share(l.Cost, b.Cost), usd(l.Full), l.Part, l.Unit)
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "runs\tms\tread units\twrite units\tMB of logs\tUSD, nothing free\t  function")
	for _, f := range b.Functions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", amount(f.Runs), amount(f.Millis), amount(f.Reads), amount(f.Writes), amount(over(f.Logs, whole(1_000_000))), usd(f.Full), f.Name)
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "saves USD\twithout free\t  what can be traded")
	for _, x := range trades {
		fmt.Fprintf(t, "%s\t%s\t  %s\n", usd(x.Saves), usd(x.Full), x.What)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nwithout what is free, as for a second stack of the account: %s USD a month\ntotal: %s USD a month\n", usd(b.Full), usd(b.Cost))
	return err
}

// usd is an amount to the cent.
func usd(r *big.Rat) string { return r.FloatString(2) }

// amount is a quantity for people: three digits behind the point of what is small, none of what is large.
func amount(r *big.Rat) string {
	if r.IsInt() || r.Cmp(whole(100)) >= 0 {
		return r.FloatString(0)
	}
	return r.FloatString(3)
}

func share(of, all *big.Rat) string {
	if all.Sign() == 0 {
		return "0 %"
	}
	return mul(over(of, all), whole(100)).FloatString(0) + " %"
}
