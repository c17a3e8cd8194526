package health

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/watchdog"
)

// asked runs a question and notes how long it took. An error is what the component says.
func asked(c *Component, bad Status, ask func() error) (ok bool) {
	began := time.Now()
	err := ask()
	if c.Latency = max(1, time.Since(began).Milliseconds()); err != nil {
		c.worsen(bad, "%s", err)
	}
	return err == nil
}

// slowStore is the latency of a read from which the store is degraded: it usually takes a few
// milliseconds, and everything waits for it.
const slowStore = time.Second

// StoreProbe reads from every table.
func StoreProbe(read func(context.Context) error) Probe {
	return Probe{Name: "store", Critical: true, Look: func(ctx context.Context) []Component {
		c := Component{Name: "store", Status: Healthy, Critical: true}
		if asked(&c, Unhealthy, func() error { return read(ctx) }) && c.Latency > slowStore.Milliseconds() {
			c.worsen(Degraded, "a read takes %d ms", c.Latency)
		}
		return []Component{c}
	}}
}

// Depth is how many messages a queue holds, about.
type Depth struct{ Waiting, InFlight, Delayed int64 }

// Queue is one queue. What lies in a dead one nobody reads: a person has to look, and then empty it. It is
// kept for two weeks, and the queue is degraded for as long.
type Queue struct {
	Name string
	URL  string
	Dead bool
	ToDo string // what a person has to do, see Component
}

// backlog is how many messages may wait, their time come, before a queue is degraded: each sweep rings
// once for each account and second that is due, so that hundreds are a rush and a thousand is nobody
// listening.
const backlog = 1000

// QueueProbe asks how deep a queue is. No queue is critical: the schedules are the net under doorbells.
func QueueProbe(q Queue, depth func(ctx context.Context, url string) (Depth, error)) Probe {
	name := "queue " + q.Name
	return Probe{Name: name, Look: func(ctx context.Context) []Component {
		c := Component{Name: name, Status: Healthy, ToDo: q.ToDo}
		var d Depth
		if asked(&c, Unhealthy, func() (err error) { d, err = depth(ctx, q.URL); return err }) {
			c.Numbers = map[string]int64{"waiting": d.Waiting, "in_flight": d.InFlight, "delayed": d.Delayed}
			switch {
			case q.Dead && d.Waiting+d.InFlight > 0:
				c.worsen(Degraded, "%s in it, which nobody reads", plural(d.Waiting+d.InFlight, "message lies", "messages lie"))
			case d.Waiting >= backlog:
				c.worsen(Degraded, "%d messages wait", d.Waiting)
			}
		}
		return []Component{c}
	}}
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// SubscriptionsProbe asks who gets what a topic delivers, the alerts or the alarms. Without anybody, or
// while somebody has not confirmed, it may reach no one: nothing else here matters then.
func SubscriptionsProbe(name string, count func(context.Context) (confirmed, pending int, err error)) Probe {
	return Probe{Name: name, Look: func(ctx context.Context) []Component {
		c := Component{Name: name, Status: Healthy, Critical: true}
		var confirmed, pending int
		// Not to be told proves nothing: what cannot be delivered is seen in the outbox.
		if asked(&c, Degraded, func() (err error) { confirmed, pending, err = count(ctx); return err }) {
			c.Numbers = map[string]int64{"confirmed": int64(confirmed), "pending": int64(pending)}
			if confirmed == 0 {
				c.worsen(Unhealthy, "nobody is subscribed")
			}
			if pending > 0 {
				c.worsen(Unhealthy, "%d subscriptions are not confirmed", pending)
			}
		}
		return []Component{c}
	}}
}

const (
	// outboxLimit bounds how many undelivered alerts are looked at.
	outboxLimit = 500
	// An alert is late when it waits longer than lateAlert, about one period of what delivers it, and
	// stuck after stuckAlert.
	lateAlert  = 2 * time.Minute
	stuckAlert = 10 * time.Minute
)

// OutboxProbe looks for alerts that are not delivered, with alert.Store's Due.
func OutboxProbe(due func(ctx context.Context, limit int, now time.Time, age time.Duration) ([]alert.Entry, error), now time.Time) Probe {
	return Probe{Name: "outbox", Look: func(ctx context.Context) []Component {
		c := Component{Name: "outbox", Status: Healthy, Critical: true}
		var waiting []alert.Entry
		ok := asked(&c, Degraded, func() (err error) { waiting, err = due(ctx, outboxLimit, now, 0); return err })
		late, stuck := 0, 0
		for _, e := range waiting {
			if age := now.Sub(e.RaisedAt).Abs(); age >= stuckAlert { // after now by a clock that was ahead
				stuck++
			} else if age >= lateAlert {
				late++
			}
		}
		if c.Numbers = map[string]int64{"waiting": int64(len(waiting)), "late": int64(late + stuck)}; !ok && len(waiting) == 0 {
			c.Numbers = nil
		}
		if late > 0 {
			c.worsen(Degraded, "%d alerts wait longer than %s", late, lateAlert)
		}
		if stuck > 0 {
			c.worsen(Unhealthy, "%d alerts wait longer than %s", stuck, stuckAlert)
		}
		return []Component{c}
	}}
}

// CapacityProbe compares the number of open swaps with what the operator has planned for: at nine
// tenths of it degraded, at all of it unhealthy, though nothing is refused.
func CapacityProbe(chains []uint64, open func(ctx context.Context, chain uint64) (int, error), limit int) Probe {
	return Probe{Name: "capacity", Look: func(ctx context.Context) []Component {
		c := Component{Name: "capacity", Status: Healthy,
			ToDo: "Fill fewer orders or, if the jobs have time and memory to spare, raise maxOpenSwaps in the chains file."}
		total := 0
		if asked(&c, Degraded, func() error {
			for _, id := range chains {
				n, err := open(ctx, id)
				if err != nil {
					return err
				}
				total += n
			}
			return nil
		}) {
			c.Numbers = map[string]int64{"open": int64(total), "limit": int64(limit)}
			switch {
			case total >= limit:
				c.worsen(Unhealthy, "%d swaps are open, and the limit is %d", total, limit)
			case 10*total >= 9*limit:
				c.worsen(Degraded, "%d swaps are open, nine tenths of the limit of %d", total, limit)
			}
		}
		return []Component{c}
	}}
}

// FactoriesProbe proves the factories of a chain; see DOMAIN 4.14. bad are those that are not what they
// have to be, each in words, the error what could not be read.
func FactoriesProbe(chain uint64, prove func(context.Context) (proven int, bad []string, err error)) Probe {
	name := fmt.Sprintf("factories %d", chain)
	return Probe{Name: name, Look: func(ctx context.Context) []Component {
		c := Component{Name: name, Status: Healthy}
		var proven int
		var bad []string
		asked(&c, Degraded, func() (err error) { proven, bad, err = prove(ctx); return err })
		c.Numbers = map[string]int64{"proven": int64(proven), "refuted": int64(len(bad))}
		if len(bad) > 0 {
			c.Critical = true
			c.worsen(Unhealthy, "%s", strings.Join(bad, "; "))
		}
		return []Component{c}
	}}
}

// Signer is a key on a chain as it stands.
type Signer struct {
	Chain   uint64
	Address common.Address
	Custody string
	// Flying tells how many of its transactions are not settled, and when the oldest was signed.
	Flying func(context.Context) (n int, oldest time.Time, err error)
	// Foreign tells whether the alert is open that it sent what this system did not sign.
	Foreign func(context.Context) (bool, error)
}

// oldFlight is how long a transaction may be on its way: what has no deadline waits an hour for a
// patient price.
const oldFlight = 2 * time.Hour

// SignersProbe tells of the balances of a chain, and of each of its signers: its gas as balance-monitor
// read it last, what it has on its way, and whether somebody else uses its key. fresh is how old a
// reading may be.
func SignersProbe(chain uint64, latest func(ctx context.Context, chain uint64, now time.Time) (balance.Snapshot, error), signers []Signer, fresh time.Duration, now time.Time) Probe {
	name := fmt.Sprintf("balances %d", chain)
	return Probe{Name: name, Look: func(ctx context.Context) []Component {
		all := Component{Name: name, Status: Healthy}
		var s balance.Snapshot
		known := asked(&all, Degraded, func() (err error) { s, err = latest(ctx, chain, now); return err })
		if known {
			judgeBalances(&all, s, fresh, now)
		}
		out := []Component{all}
		for _, k := range signers {
			out = append(out, k.look(ctx, s, now))
		}
		return out
	}}
}

func judgeBalances(c *Component, s balance.Snapshot, fresh time.Duration, now time.Time) {
	if s.At.IsZero() {
		c.Status, c.Detail = Unknown, "not read yet"
		return
	}
	low := 0
	for _, h := range s.Holdings {
		if h.Low() {
			low++
		}
	}
	age := max(0, now.Sub(s.At))
	c.Numbers = map[string]int64{"holdings": int64(len(s.Holdings)), "low": int64(low), "missing": int64(s.Missing()), "age_s": int64(age / time.Second)}
	if low > 0 {
		c.worsen(Degraded, "%d holdings are low", low)
	}
	if n := s.Missing(); n > 0 {
		c.worsen(Degraded, "%d readings are missing", n)
	}
	if age > fresh {
		c.worsen(Degraded, "last read %s ago", age.Round(time.Second))
	}
}

func (k Signer) look(ctx context.Context, s balance.Snapshot, now time.Time) Component {
	c := Component{Name: fmt.Sprintf("signer %d/%s", k.Chain, k.Address.Hex()), Status: Unknown, Numbers: map[string]int64{}}
	for _, g := range s.Gas {
		if g.Signer != k.Address {
			continue
		}
		if g.Read && g.Priced {
			c.Numbers["payable"] = int64(g.Payable)
		}
		c.Numbers["owed"] = int64(g.Owed)
		if c.Status = Healthy; !g.Read {
			c.worsen(Degraded, "its gas could not be read")
		}
		switch g.Level { // of one that was not read, what it was before
		case balance.Unknown:
			c.worsen(Degraded, "its gas was never read")
		case balance.Low:
			c.worsen(Degraded, "its gas is low")
		case balance.Critical:
			c.Critical = true
			c.worsen(Unhealthy, "its gas does not pay for what it has to do")
		}
	}
	n, oldest, err := 0, time.Time{}, error(nil)
	if asked(&c, Degraded, func() error { n, oldest, err = k.Flying(ctx); return err }) {
		c.Numbers["flying"] = int64(n)
		if n > 0 {
			age := max(0, now.Sub(oldest))
			if c.Numbers["oldest_s"] = int64(age / time.Second); age > oldFlight {
				c.worsen(Degraded, "a transaction of it is on its way for %s", age.Round(time.Minute))
			}
		}
	}
	switch foreign, err := k.Foreign(ctx); {
	case err != nil:
		c.worsen(Degraded, "%s", err)
	case foreign:
		c.worsen(Degraded, "%s, and it has foreign transactions", k.Custody)
	}
	return c
}

// JobsProbe tells of every job as job-watchdog has judged it, but for the one that asks, which runs. read
// returns what the watchdog found and when its last pass was, zero before the first; fresh is how old that
// may be. A watchdog that stands still says nothing of the others, and is what is told.
func JobsProbe(read func(context.Context) (jobs []watchdog.Health, at time.Time, err error), self string, fresh time.Duration, now time.Time) Probe {
	return Probe{Name: "jobs", Look: func(ctx context.Context) []Component {
		whole := Component{Name: "jobs", Status: Healthy}
		var jobs []watchdog.Health
		var at time.Time
		if !asked(&whole, Degraded, func() (err error) { jobs, at, err = read(ctx); return err }) {
			return []Component{whole}
		}
		if at.IsZero() {
			whole.Status, whole.Detail = Unknown, "the watchdog has not looked yet"
			return []Component{whole}
		}
		age := max(0, now.Sub(at))
		if whole.Numbers = map[string]int64{"age_s": int64(age / time.Second)}; age > fresh {
			whole.worsen(Unhealthy, "the watchdog last looked %s ago", age.Round(time.Second))
			return []Component{whole}
		}
		out := []Component{whole}
		for _, j := range jobs {
			if j.Job != self {
				out = append(out, judgeJob(j, at, now))
			}
		}
		return out
	}}
}

// judgeJob is what the watchdog's judgement means for the whole. A job that fails is degraded, however
// critical: what it could do it has done, and what it could not is what its error names.
func judgeJob(j watchdog.Health, at, now time.Time) Component {
	c := Component{Name: "job " + j.Job, Status: Healthy, Critical: j.Critical, Numbers: map[string]int64{"rate": int64(j.Rate()), "failed_in_a_row": int64(j.InARow)}}
	if !j.Last.Ended.IsZero() {
		c.Numbers["age_s"] = int64(max(0, now.Sub(j.Last.Ended)) / time.Second)
		c.Numbers["took_ms"] = j.Last.Ended.Sub(j.Last.Started).Milliseconds()
	}
	switch j.State {
	case watchdog.Well:
	case watchdog.New:
		c.Status, c.Detail = Unknown, "has not run yet"
	case watchdog.Slow:
		c.worsen(Degraded, "its runs take %s of %s", j.Lately.Round(time.Millisecond), j.Budget)
	case watchdog.Failing:
		c.worsen(Degraded, "its last %d runs failed", j.InARow)
	case watchdog.Hung:
		c.worsen(Unhealthy, "its run for %s began and did not end", stamp(j.Hanging))
	case watchdog.Missing:
		if j.Last.Scheduled.IsZero() {
			c.worsen(Unhealthy, "no run of it is known")
		} else {
			c.worsen(Unhealthy, "has not run since %s", stamp(j.Last.Scheduled))
		}
	default:
		c.worsen(Degraded, "is %q", j.State)
	}
	if j.At.Before(at) { // its page could not be read since
		c.worsen(Degraded, "last looked at %s", stamp(j.At))
	}
	return c
}
