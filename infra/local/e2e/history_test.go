package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// The first reading of a long history, by many invocations that die in the
// middle, from endpoints that give little at a time: nothing is planned on half
// a history, and what it holds is done at its end.
func TestFirstSyncOverLongHistory(t *testing.T) {
	t.Parallel()
	const blocks = 3000
	swap := func(name string, f contracts.Family, from int, allowed judge.Ends, claimed uint32) *scene.Swap {
		return &scene.Swap{Name: name, Family: f, Taker: scene.Contract, From: from, Allowed: []judge.Ends{allowed},
			Windows: contracts.Timelocks{SrcWithdrawal: 4, SrcPublicWithdrawal: claimed, SrcCancellation: claimed, SrcPublicCancellation: 90_000,
				DstWithdrawal: 2, DstPublicWithdrawal: 1000, DstCancellation: 2000}}
	}
	// Long ended; to be claimed; to be cancelled on both sides.
	old := swap("old", contracts.OneInchV1, 0, judge.Ends{Src: judge.Withdrawn, Dst: judge.Withdrawn}, 80_000)
	owed := swap("owed", contracts.OneInchV11, 1, judge.Ends{Src: judge.Withdrawn, Dst: judge.Withdrawn}, 80_000)
	expired := swap("expired", contracts.OneInchV1, 0, judge.Ends{Src: judge.Cancelled, Dst: judge.Cancelled}, 2500)
	past := &scene.Scene{Name: "past", Swaps: []*scene.Swap{old, owed, expired}}
	r := newRig(t, setup{scenes: []*scene.Scene{past}})

	play := func(steps ...scene.Step) {
		t.Helper()
		if err := r.act(&scene.Scene{Name: "past", Steps: steps}); err != nil {
			t.Fatal(err)
		}
	}
	play(old.Fill(0), old.Open(1), old.Reveal(10), old.Claim(15))
	play(owed.Fill(0), owed.Flood(0, 60), owed.Open(1), owed.Reveal(10))
	play(expired.Fill(0), expired.Open(1))
	for _, c := range r.world.Chains {
		for c.Dev.Head().Number.Uint64() < blocks {
			if _, err := c.Dev.MineEmpty(c.Dev.Head().Time + 1); err != nil {
				t.Fatal(err)
			}
		}
	}

	r.RPC.Inject(rpcproxy.LimitLogs(rpcproxy.LogLimits{Span: 50}))
	remove := r.RPC.Inject(rpcproxy.When(rpcproxy.KillAfter(func(c *rpcproxy.Call) {
		_, id, _ := strings.Cut(c.Function, "@")
		if n, err := strconv.Atoi(id); err == nil {
			r.Host.KillProcess(n)
		}
	}), rpcproxy.Method("eth_getLogs"), rpcproxy.Every(60)))
	invocations := 0
	for complete := false; !complete; invocations++ {
		if invocations == 50 {
			t.Fatalf("not read after %d invocations", invocations)
		}
		for _, c := range r.world.Chains {
			live, err := r.store.Actions().Live(t.Context(), c.ID, c.Resolver)
			if err != nil {
				t.Fatal(err)
			}
			if len(live) > 0 {
				t.Fatalf("planned on half a history: %v", live)
			}
		}
		before := len(r.runs(stateSync))
		res, err := r.Host.Invoke(t.Context(), stateSync, tick(stateSync))
		if err != nil {
			t.Fatal(err)
		}
		if complete = !res.Failed(); complete {
			r.until(func() bool { return len(r.runs(stateSync)) > before })
			complete = r.runs(stateSync)[before]["complete"] == true
		}
		if err := r.expire(); err != nil {
			t.Fatal(err)
		}
	}
	remove()
	if invocations < 4 {
		t.Errorf("%d invocations: nobody died in the middle", invocations)
	}
	if len(r.lines("reading history")) == 0 {
		t.Error("no progress was told")
	}
	t.Logf("%d blocks on each chain read by %d invocations", r.world.Chains[0].Dev.Head().Number, invocations)

	// From here on as always.
	d := r.drive([]*scene.Scene{past})
	for _, f := range d.failures {
		t.Error(f)
	}
}
