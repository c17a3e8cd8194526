package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
)

// marks sets how far a chain's logs have been read, in seconds.
func (r *rig) marks(chain uint64, seen, final int64) {
	b := func(s int64) swap.Block { return swap.Block{Number: uint64(1000 + s), Time: epoch.Add(s)} }
	p := r.facts[chain]
	p.To, p.From = b(seen), b(final)
	r.facts[chain] = p
}

// behind lists what was told of chains since the last call: chain, severity, and what of it is
// behind.
func (r *rig) behind(t testing.TB) string {
	t.Helper()
	var out []string
	for _, f := range r.told {
		if f.Code != swap.ChainBehind {
			continue
		}
		if f != (swap.Finding{Code: f.Code, Severity: f.Severity, ChainID: f.ChainID, AtRisk: f.AtRisk, Detail: f.Detail}) {
			t.Errorf("not one finding a chain: %+v", f)
		}
		if (f.Severity == swap.Critical) == f.AtRisk.IsZero() {
			t.Errorf("at risk %s: %+v", f.AtRisk.Dec(), f)
		}
		what := ""
		for words, short := range map[string]string{"wait for it": " awaited", "head is old": " head", "logs are not read": " logs", "final blocks are not read": " final", "never been read": " never"} {
			if strings.Contains(f.Detail, words) {
				what = min(what+short, short+what)
			}
		}
		out = append(out, fmt.Sprint(f.ChainID, " ", f.Severity, what))
	}
	r.told = nil
	return strings.Join(out, "; ")
}

// A chain whose marks lie too far behind (30 s here) is told by every sweep: as
// a warning, and as critical where an order waits for it with 100 s or less to
// its deadline. src can be cancelled at 300, and a payment on dst be unseen.
func TestAChainThatIsNotFollowedIsTold(t *testing.T) {
	seen := func(chain uint64, seconds int64) func(*rig) {
		return func(r *rig) {
			at := r.heads[chain].Time.Sub(epoch)
			r.marks(chain, at-seconds, at-seconds-5)
		}
	}
	final := func(chain uint64, seconds int64) func(*rig) {
		return func(r *rig) {
			at := r.heads[chain].Time.Sub(epoch)
			r.marks(chain, at, at-seconds)
		}
	}
	later := func(o *swap.Order) { o.Wakes = swap.Wakes{Src: epoch + 300} } // nothing is due before
	for _, c := range []struct {
		name  string
		order func(*swap.Order)
		at    int64
		lag   func(*rig)
		want  string
		over  string // chains that were taken back
	}{
		{"all is well", later, 205, func(*rig) {}, "", "1 10"},
		{"logs at the limit", later, 150, final(10, 30), "", "1"},
		{"logs beyond it, no order near a deadline", later, 150, seen(10, 31), "10 warning logs", "1"},
		{"final blocks beyond it", later, 150, final(10, 31), "10 warning final", "1"},
		{"the order has time", later, 199, seen(10, 31), "10 warning logs", "1"},
		{"an order near its deadline that is not due", later, 200, seen(10, 31), "10 critical awaited logs", "1"},
		{"final blocks, and an order near its deadline", later, 200, final(10, 31), "10 critical awaited final", "1"},
		{"src is behind, and a claim may be unseen", later, 200, seen(1, 31), "1 critical awaited logs", "10"},
		{"both", later, 150, func(r *rig) { seen(1, 31)(r); seen(10, 40)(r) }, "1 warning logs; 10 warning logs", ""},
		{"a head that is old", later, 150, func(r *rig) { r.ages[10] = 31 * time.Second }, "10 warning head", "1"},
		{"a head that is old, and an order near its deadline by the wall clock", paid, 180, func(r *rig) { r.ages[1] = 31 * time.Second }, "1 critical awaited head", "10"},
		{"never read, no order near a deadline", later, 150, func(r *rig) { r.facts[10] = swap.Provisional{ChainID: 10} }, "", "1"},
		{"never read, and an order near its deadline", later, 205, func(r *rig) { r.facts[10] = swap.Provisional{ChainID: 10} }, "10 critical awaited never", "1"},
	} {
		for _, sel := range []watch.Selection{watch.Upcoming, watch.Overdue} {
			r := newRig()
			var over []string
			r.Over = func(_ context.Context, code swap.FindingCode, chain uint64, proof string) error {
				if code != swap.ChainBehind || !strings.Contains(proof, "read to") {
					t.Errorf("%s: took back %s with %q", c.name, code, proof)
				}
				over = append(over, fmt.Sprint(chain))
				return nil
			}
			r.put(t, c.order)
			r.at(c.at)
			c.lag(r)
			if _, err := r.Sweep(t.Context(), sel); err != nil {
				t.Fatal(err)
			}
			if got := r.behind(t); got != c.want {
				t.Errorf("%s (%d): told %q, want %q", c.name, sel, got, c.want)
			}
			if slices.Sort(over); strings.Join(over, " ") != c.over {
				t.Errorf("%s (%d): took back %v, want %s", c.name, sel, over, c.over)
			}
		}
	}
}

// A chain none of whose endpoints answers is judged by the last block that was
// read, and orders by the wall clock.
func TestAChainWithoutAHeadIsTold(t *testing.T) {
	for _, c := range []struct {
		name     string
		down     uint64
		at, wall int64
		want     string
	}{
		{"for a moment", dstChain, 150, 160, ""},
		{"for as long as it may be", dstChain, 150, 180, ""},
		{"for too long, no order near a deadline", dstChain, 150, 181, "10 warning head"},
		{"dst for too long, an order near its deadline", dstChain, 200, 231, "10 critical awaited head"},
		{"src for too long, no order near a deadline", srcChain, 150, 181, "1 warning head"},
		// Src was last seen at 150. By the wall clock 100 s are left.
		{"src for too long, an order near its deadline", srcChain, 150, 200, "1 critical awaited head"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			r.Over = func(_ context.Context, _ swap.FindingCode, chain uint64, _ string) error {
				if chain == c.down {
					t.Errorf("%s: took it back", c.name)
				}
				return nil
			}
			r.put(t, func(o *swap.Order) { o.Wakes = swap.Wakes{Src: epoch + 300} })
			r.at(c.at)
			r.broken[fmt.Sprint("head ", c.down)] = true
			time.Sleep(time.Until(time.Unix(int64(epoch.Add(c.wall)), 0)))
			if _, err := r.Sweep(t.Context(), watch.Overdue); err == nil {
				t.Errorf("%s: no error", c.name)
			}
			if got := r.behind(t); got != c.want {
				t.Errorf("%s: told %q, want %q", c.name, got, c.want)
			}
		})
	}
}

// Whatever else fails, a chain that is not followed is told, and failures to
// take it back are returned.
func TestLagsUnderFailures(t *testing.T) {
	failing := errors.New("no store")
	for _, op := range []string{"orders.load", "orders.due", "ring", "actions.live", "orders.wakes"} {
		r := newRig()
		r.put(t, paid)
		r.at(210)
		r.marks(dstChain, 170, 165)
		r.faults.Fail(func(call string) faulttest.Fault { return map[string]faulttest.Fault{op: faulttest.Refused}[call] })
		if _, err := r.Sweep(t.Context(), watch.Upcoming); err == nil {
			t.Errorf("%s failed without an error", op)
		}
		if got := r.behind(t); got != "10 warning logs" {
			t.Errorf("%s failed: told %q", op, got)
		}
	}
	r := newRig()
	r.at(210)
	r.Over = func(context.Context, swap.FindingCode, uint64, string) error { return failing }
	if _, err := r.Sweep(t.Context(), watch.Upcoming); !errors.Is(err, failing) {
		t.Errorf("%v", err)
	}
	r.broken["facts 10"] = true
	if _, err := r.Sweep(t.Context(), watch.Upcoming); err == nil {
		t.Error("no error")
	}
	if got := r.behind(t); got != "" {
		t.Errorf("facts cannot be read: told %q", got)
	}
}

// Several orders' stakes are added up in one finding.
func TestStakesAreAddedUp(t *testing.T) {
	r := newRig()
	for range 3 {
		r.put(t, nil)
	}
	r.at(210)
	r.marks(dstChain, 170, 165)
	r.sweep(t)
	var stake, one uint64
	for _, f := range r.told {
		switch f.Code {
		case swap.ChainBehind:
			stake = f.AtRisk.Uint64()
		case swap.DeadlineNear:
			one = max(one, f.AtRisk.Uint64())
		}
	}
	if one == 0 || stake != 3*one {
		t.Errorf("%d at stake, of %d each", stake, one)
	}
}

// What is overdue does not look done because its chain is out of sight: from one period (60 s) after
// a claim that is legal from 100 on counts by the wall clock, once for its order. An order that a
// chain in sight shows to be late counts as before.
func TestOutOfSightIsNotDone(t *testing.T) {
	for _, c := range []struct {
		name string
		down uint64
		wall int64
		want int
	}{
		{"within the period", srcChain, 160, 0},
		{"after it", srcChain, 161, 1},
		{"long after it", srcChain, 290, 1},
		{"the other chain", dstChain, 290, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			r.put(t, paid)
			r.at(90)
			r.broken[fmt.Sprint("head ", c.down)] = true
			time.Sleep(time.Until(time.Unix(int64(epoch.Add(c.wall)), 0)))
			res, err := r.Sweep(t.Context(), watch.Overdue)
			if err == nil || res.Overdue != c.want {
				t.Errorf("%s: %d overdue, want %d; %v", c.name, res.Overdue, c.want, err)
			}
		})
	}
}
