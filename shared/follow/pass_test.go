package follow_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

func forFamilies(t *testing.T, run func(*testing.T, swap.Family)) {
	t.Helper()
	for _, f := range swap.Families() {
		t.Run(f.String(), func(t *testing.T) { run(t, f) })
	}
}

func TestSwapFromCreationToClosing(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		w := newWorld(t)
		a, b := w.chains[chainA], w.chains[chainB]
		a.mineEmpty(3)
		b.mineEmpty(9)
		w.pass()
		tr := w.trade(fam)
		a.mine(tr.createSrc(taker))
		w.pass()
		w.want(tr, swap.LegOpen)
		b.mine(tr.createTrueDst(helper))
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegOpen)
		if s := w.fold(w.id(tr)); s.Src.Final || s.Dsts[0].Final || !s.Dsts[0].Ours {
			t.Errorf("src final %v, dst final %v, ours %v", s.Src.Final, s.Dsts[0].Final, s.Dsts[0].Ours)
		}
		b.mine(tr.withdraw("dst"))
		if res := w.pass(); res.Secrets != 1 {
			t.Errorf("secrets learned: %d", res.Secrets)
		}
		w.want(tr, swap.LegOpen, swap.LegWithdrawn)
		a.mine(tr.withdraw("src"))
		w.pass()
		w.want(tr, swap.LegWithdrawn, swap.LegWithdrawn)
		if w.order(w.id(tr)).Closed {
			t.Error("closed before the ends are final")
		}
		w.settle()
		o := w.order(w.id(tr))
		if !o.Closed || len(o.Events) != 2 || o.Secret == nil {
			t.Errorf("closed %v, %d events, secret known %v", o.Closed, len(o.Events), o.Secret != nil)
		}
		if rows := w.watched(chainA); len(rows) != 0 {
			t.Errorf("watch book still has %v", rows)
		}
		if len(w.findings) != 0 {
			t.Errorf("findings: %s", pretty(w.findings))
		}
	})
}
