package bill

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Load is what the stack has to do.
type Load struct {
	// Open is how many swaps are open at any time, Swaps how many come each day.
	Open, Swaps int64
	// Live: transactions are signed.
	Live bool
}

// Line is one price and how much of it is needed in a month.
type Line struct {
	Price
	Quantity *big.Rat
	// Cost is with what is free for an account, Full without: as for a second stack in it.
	Cost, Full *big.Rat
}

// Item is what a function costs without what is free.
type Item struct {
	Name string
	// Runs, Millis of a run that are paid for, read and write units, bytes of logs: in a month.
	Runs, Millis, Reads, Writes, Logs *big.Rat
	Full                              *big.Rat
}

// Bill is a month of a stack.
type Bill struct {
	Lines     []Line
	Functions []Item
	Cost      *big.Rat // of the first stack of an account
	Full      *big.Rat // of each other one
}

// tally adds up quantities by the names of prices.
type tally map[string]*big.Rat

func (t tally) add(name string, n *big.Rat) {
	if t[name] == nil {
		t[name] = new(big.Rat)
	}
	t[name].Add(t[name], n)
}

func whole(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func mul(a *big.Rat, more ...*big.Rat) *big.Rat {
	p := new(big.Rat).Set(a)
	for _, m := range more {
		p.Mul(p, m)
	}
	return p
}

func add(a *big.Rat, more ...*big.Rat) *big.Rat {
	s := new(big.Rat).Set(a)
	for _, m := range more {
		s.Add(s, m)
	}
	return s
}

func over(a, b *big.Rat) *big.Rat { return new(big.Rat).Quo(a, b) }

var gigabyte = whole(1_000_000_000)

// Compute makes the bill. A function that was not measured is an error.
func Compute(p Prices, m Measured, s Shape, l Load) (Bill, error) {
	all := tally{}
	swaps := whole(l.Swaps * int64(month/(24*time.Hour)))
	b := Bill{Cost: new(big.Rat), Full: new(big.Rat)}
	var errs []error
	runs := new(big.Rat)
	traced := s.tracedRings(m)
	for _, f := range s.Functions {
		measured, ok := m.Functions[f.Name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s was not measured: go run ./infra/local measure", f.Name))
			continue
		}
		one := tally{}
		item := measured.of(one, p.Assumed, f, l, swaps, traced)
		item.Full = one.full(p)
		b.Functions = append(b.Functions, item)
		for name, n := range one {
			all.add(name, n)
		}
		runs.Add(runs, item.Runs)
	}
	if err := errors.Join(errs...); err != nil {
		return Bill{}, err
	}
	s.standing(all, p.Assumed, m, l, swaps, runs)
	for name := range all {
		if !slices.ContainsFunc(p.Prices, func(price Price) bool { return price.Name == name }) {
			errs = append(errs, fmt.Errorf("no price for %s", name))
		}
	}
	for _, price := range p.Prices {
		n := all[price.Name]
		if n == nil {
			n = new(big.Rat)
		}
		paid := new(big.Rat).Sub(n, whole(price.Free))
		if paid.Sign() < 0 {
			paid.SetInt64(0)
		}
		line := Line{Price: price, Quantity: n, Cost: price.of(paid), Full: price.of(n)}
		b.Lines = append(b.Lines, line)
		b.Cost.Add(b.Cost, line.Cost)
		b.Full.Add(b.Full, line.Full)
	}
	return b, errors.Join(errs...)
}

// of is what a quantity costs.
func (p Price) of(n *big.Rat) *big.Rat {
	usd, err := decimal(p.USD)
	if err != nil {
		return new(big.Rat) // not of a table that was read
	}
	return over(mul(n, usd), whole(p.Per))
}

func (t tally) full(p Prices) *big.Rat {
	sum := new(big.Rat)
	for _, price := range p.Prices {
		if n := t[price.Name]; n != nil {
			sum.Add(sum, price.of(n))
		}
	}
	return sum
}

// tracedRings is the share of the doorbells that is rung by who is traced. Whoever answers the others does not decide anew
// whether it is: they carry the decision.
func (s Shape) tracedRings(m Measured) *big.Rat {
	all, traced := new(big.Rat), new(big.Rat)
	for _, f := range s.Functions {
		n := m.Functions[f.Name].Swap.Messages.Rat()
		all.Add(all, n)
		if f.Traced {
			traced.Add(traced, n)
		}
	}
	if all.Sign() == 0 {
		return whole(1)
	}
	return over(traced, all)
}

// of adds what a function takes. tracedRings is the share of its rings that comes with a trace.
func (m Function) of(t tally, a Assumed, f Runs, l Load, swaps, tracedRings *big.Rat) Item {
	rings := mul(m.Rings.Rat(), swaps)
	scheduled := whole(f.Scheduled)
	runs := add(scheduled, rings)
	// A month of one kind of figure: runs by the clock, and what swaps take.
	total := func(of func(Cost) Number) *big.Rat {
		run := add(of(m.Idle).Rat(), mul(of(m.Open).Rat(), whole(l.Open)))
		return add(mul(scheduled, run), mul(swaps, of(m.Swap).Rat()))
	}
	cpu, rpc, aws := total(func(c Cost) Number { return c.CPUMillis }), total(func(c Cost) Number { return c.RPCRequests }), total(func(c Cost) Number { return c.AWSRequests })
	cold := whole(int64(month / time.Hour / time.Duration(a.ColdHours)))
	if f.Period > time.Duration(a.IdleMinutes)*time.Minute {
		cold = scheduled // the last process is gone when the next run comes
	}
	cpu = add(cpu, mul(cold, m.FirstCPU.Rat()))
	if f.Secrets {
		t.add("kms-symmetric", mul(cold, whole(a.Secrets)))
	}
	millis := add(mul(cpu, stretch(a, f.MemoryMB)), mul(rpc, whole(a.RPCMillis)), mul(aws, whole(a.AWSMillis)),
		mul(total(func(c Cost) Number { return c.Blocks }), whole(a.BlockMillis)))
	logs := add(total(func(c Cost) Number { return c.LogBytes }), mul(runs, whole(a.SystemLogBytes)))

	t.add("lambda-requests", runs)
	t.add("lambda-gbs", over(mul(millis, whole(f.MemoryMB)), whole(1000*1024)))
	if f.Traced {
		t.add("traces", mul(add(scheduled, mul(rings, tracedRings)), whole(a.TracedShare)))
	}
	reads, writes := total(func(c Cost) Number { return c.ReadUnits }), total(func(c Cost) Number { return c.WriteUnits })
	t.add("ddb-reads", reads)
	t.add("ddb-writes", writes)
	t.add("log-bytes", over(logs, gigabyte))
	// A message is sent, received and deleted. That a poll which brings one is over early makes one more of those that the
	// standing ones are counted by.
	messages := total(func(c Cost) Number { return c.Messages })
	t.add("sqs-requests", mul(add(messages, whole(f.Ticks)), whole(3)))
	t.add("s3-puts", total(func(c Cost) Number { return c.Puts }))
	t.add("s3-gets", total(func(c Cost) Number { return c.Gets }))
	t.add("sns-publishes", total(func(c Cost) Number { return c.Notes }))
	if l.Live {
		t.add("kms-asymmetric", total(func(c Cost) Number { return c.KMS }))
	}
	t.add("traffic", over(mul(rpc, whole(a.RPCRequestBytes)), gigabyte))
	item := Item{Name: f.Name, Runs: runs, Millis: new(big.Rat), Reads: reads, Writes: writes, Logs: logs}
	if runs.Sign() > 0 {
		item.Millis = over(millis, runs)
	}
	return item
}

// stretch is how much longer work takes that a whole core does in one: memory buys a part of it.
func stretch(a Assumed, memoryMB int64) *big.Rat {
	if by := over(whole(a.FullCoreMB), whole(memoryMB)); by.Cmp(whole(1)) > 0 {
		return by
	}
	return whole(1)
}

// standing adds what no function takes by itself.
func (s Shape) standing(t tally, a Assumed, m Measured, l Load, swaps, runs *big.Rat) {
	minutes := int64(month / time.Minute)
	t.add("sqs-requests", whole(int64(s.Mappings)*a.PollsPerMinute*minutes))
	t.add("kms-keys", whole(int64(s.Keys)))
	t.add("alarms", whole(int64(s.AlarmMetrics)))
	t.add("composite-alarms", whole(int64(s.CompositeAlarms)))
	t.add("dashboards", whole(int64(s.Dashboards)))
	t.add("metrics", whole(int64(len(m.Metrics))))

	days := int64(month / (24 * time.Hour))
	// What swaps make functions tell, and what else happens. Each goes by mail and to chat.
	t.add("sns-publishes", whole(a.AlertsPerDay*days))
	told := new(big.Rat).Set(t["sns-publishes"])
	t.add("sns-mails", add(told, whole(days))) // and the daily report
	t.add("sns-https", told)

	// Runs are kept for a day, finished swaps for two more, in the tables.
	stored := add(mul(m.RunBytes.Rat(), over(runs, whole(days))), mul(m.OpenBytes.Rat(), whole(l.Open+2*l.Swaps)))
	t.add("ddb-storage", over(stored, gigabyte))
	t.add("ddb-backup", over(stored, gigabyte))

	logs := new(big.Rat)
	if n := t["log-bytes"]; n != nil {
		logs.Set(n)
	}
	compression, err := decimal(a.LogCompression)
	if err != nil {
		compression = whole(1)
	}
	t.add("log-storage", mul(logs, compression, over(whole(int64(s.LogDays)), whole(days))))
	share := over(whole(a.LookHours), whole(days*24)) // of a month's logs
	t.add("log-scans", mul(logs, share, whole(a.LooksPerDay*days*int64(s.LogQueries))))

	snapshots := new(big.Rat)
	for _, f := range s.Functions {
		if f.Name == "state-persistence" {
			snapshots = over(whole(f.Scheduled*int64(s.SnapshotDays+s.FormerDays)), whole(days))
		}
	}
	objects := add(mul(snapshots, m.SnapshotBytes.Rat(), whole(l.Open)),
		mul(m.ArchiveBytes.Rat(), swaps, over(whole(int64(s.ArchiveDays+s.FormerDays)), whole(days))))
	t.add("s3-storage", over(objects, gigabyte))
}
