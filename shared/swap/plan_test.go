package swap

import (
	"strings"
	"testing"
)

// moment is what is expected when both chains (or src and dst) stand at a second.
type moment struct {
	src, dst int64
	want     string
	findings string
}

// bothAt is a moment of two chains that keep time with each other.
func bothAt(at int64, want string, findings ...string) moment {
	return moment{at, at, want, strings.Join(findings, " ")}
}

// situation is a row of the tables below: what is known, and what Plan makes
// of it as time goes by.
type situation struct {
	name    string
	given   []step
	only    []Family // all if empty
	moments []moment
}

func (s situation) run(t *testing.T) {
	t.Run(s.name, func(t *testing.T) {
		families := s.only
		if len(families) == 0 {
			families = Families()
		}
		for _, f := range families {
			w := newWorld(f, s.given...)
			for _, m := range s.moments {
				_, d := w.plan(t, m.src, m.dst)
				if got := say(w, d); got != m.want {
					t.Errorf("%s at %d/%d:\n got %s\nwant %s", f, m.src, m.dst, got, m.want)
				}
				if got := sayFindings(w, d); got != m.findings {
					t.Errorf("%s at %d/%d:\n got findings %s\n    want findings %s", f, m.src, m.dst, got, m.findings)
				}
			}
		}
	})
}

func runAll(t *testing.T, rows []situation) {
	t.Helper()
	for _, s := range rows {
		s.run(t)
	}
}

// Every window at start-1, start, stop-1 and stop, for the taker's own path and
// the public one. At stop-2 the next block is the last that can take a claim.
func TestPlanEdges(t *testing.T) {
	paid := final("dst", Withdrawn, 75)
	claimed := final("src", Withdrawn, 101)
	runAll(t, []situation{
		{name: "src withdraw by the taker", given: []step{withDst, paid}, moments: []moment{
			bothAt(99, "src.withdraw+1"),
			bothAt(100, "src.withdraw"),
			bothAt(298, "src.withdraw", "deadline-unreachable:critical@src"),
			bothAt(299, "src.cancel!dst-was-paid src.rescueFunds+690901 src.rescueFunds(coin)+690901", "dst-paid-src-expired:critical@src"),
			bothAt(300, "src.cancel!dst-was-paid src.rescueFunds+690900 src.rescueFunds(coin)+690900", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src withdraw through the resolver contract", given: []step{withDst, paid, throughResolver}, moments: []moment{
			bothAt(99, "src.withdraw+1"),
			bothAt(100, "src.withdraw"),
			bothAt(299, "src.cancel!dst-was-paid src.rescueFunds+690901 src.rescueFunds(coin)+690901", "dst-paid-src-expired:critical@src"),
		}},
		{name: "src withdraw by access token", only: oneIn, given: []step{withDst, paid, byToken}, moments: []moment{
			bothAt(199, "src.publicWithdraw+1"),
			bothAt(200, "src.publicWithdraw"),
			bothAt(298, "src.publicWithdraw", "deadline-unreachable:critical@src"),
			bothAt(299, "src.publicCancel!dst-was-paid src.rescueFunds!no-path", "cannot-act:critical@src dst-paid-src-expired:critical@src"),
		}},
		{name: "no public call in a family without access token", only: bmn, given: []step{withDst, paid, byToken}, moments: []moment{
			bothAt(99, "src.withdraw!no-path", "cannot-act:critical@src"),
			bothAt(250, "src.withdraw!no-path", "cannot-act:critical@src"),
		}},
		{name: "src cancel by the taker, no dst", moments: []moment{
			bothAt(299, "src.cancel!dst-logs-not-past"),
			bothAt(300, "src.cancel"),
			bothAt(310, "src.cancel"),
			bothAt(311, "src.cancel"),
		}},
		{name: "src cancel by access token, no dst", only: oneIn, given: []step{byToken}, moments: []moment{
			bothAt(299, "src.publicCancel!dst-logs-not-past"),
			bothAt(399, "src.publicCancel+1"),
			bothAt(400, "src.publicCancel"),
		}},
		{name: "dst cancel by the taker", given: []step{withDst}, moments: []moment{
			bothAt(269, "src.cancel!dst-logs-not-past dst.cancel+1"),
			bothAt(270, "src.cancel!dst-logs-not-past dst.cancel"),
			bothAt(275, "src.cancel+25 dst.cancel"),
			bothAt(281, "src.cancel+19 dst.cancel"),
		}},
		{name: "dst cancel has no public call", only: oneIn, given: []step{withDst, byToken}, moments: []moment{
			bothAt(269, "src.publicCancel!dst-logs-not-past dst.cancel!no-path", "cannot-act:critical@dst"),
		}},
		{name: "dst withdraw once src was claimed", given: []step{withDst, claimed}, moments: []moment{
			bothAt(110, "dst.withdraw"),
			bothAt(268, "dst.withdraw", "deadline-unreachable:critical@dst"),
			bothAt(269, "dst.cancel!src-was-claimed", "maker-unpaid:critical@src"),
			bothAt(270, "dst.cancel!src-was-claimed", "maker-unpaid:critical@src"),
		}},
		{name: "dst withdraw not before its stage", given: []step{withDst, final("src", Withdrawn, 60)}, moments: []moment{
			bothAt(69, "dst.withdraw+1"),
			bothAt(70, "dst.withdraw"),
		}},
		{name: "dst withdraw by access token", only: oneIn, given: []step{withDst, claimed, byToken}, moments: []moment{
			bothAt(169, "dst.publicWithdraw+1"),
			bothAt(170, "dst.publicWithdraw"),
			bothAt(268, "dst.publicWithdraw", "deadline-unreachable:critical@dst"),
			bothAt(269, "dst.cancel!src-was-claimed", "maker-unpaid:critical@src"),
		}},
		{name: "src rescue after the delay", given: []step{withDst, paid}, moments: []moment{
			bothAt(691199, "src.cancel!dst-was-paid src.rescueFunds+1 src.rescueFunds(coin)+1", "dst-paid-src-expired:critical@src"),
			bothAt(691200, "src.cancel!dst-was-paid src.rescueFunds src.rescueFunds(coin)", "dst-paid-src-expired:critical@src"),
		}},
	})
}
