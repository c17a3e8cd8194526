package e2e

import "testing"

// State-sync stands still while the chains go on: either sweep tells of each
// chain, once, and takes it back when the chains are followed again.
func TestAChainThatNobodyFollowsIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	states := func() map[string]int {
		out := map[string]int{}
		for _, l := range r.lines("alert") {
			if l["kind"] == "chain-behind" {
				out[l["state"].(string)]++
			}
		}
		return out
	}
	mine := func(upTo uint64) {
		t.Helper()
		var times []uint64
		for at := r.clock() + 1; at <= upTo; at++ {
			times = append(times, at)
		}
		if err := r.mine(times...); err != nil {
			t.Fatal(err)
		}
	}
	mine(r.begin + 10)
	r.mustRun(stateSync, tick(stateSync))
	r.mustRun(timelockMonitor, tick(timelockMonitor))
	if got := states(); len(got) != 0 {
		t.Fatalf("told of chains that have just been read: %v", got)
	}
	mine(r.begin + 10 + 90) // more than 75 s, which are two and a half periods of state-sync
	r.mustRun(cancellationCheck, tick(cancellationCheck))
	r.mustRun(timelockMonitor, tick(timelockMonitor))
	if got := states(); got["open"] != 2 || len(got) != 1 {
		t.Errorf("alerts %v, want one for each of two chains", got)
	}
	r.mustRun(stateSync, tick(stateSync))
	r.mustRun(cancellationCheck, tick(cancellationCheck))
	r.mustRun(timelockMonitor, tick(timelockMonitor))
	if got := states(); got["open"] != 2 || got["resolved"] != 2 || len(got) != 2 {
		t.Errorf("alerts %v, want both taken back", got)
	}
}
