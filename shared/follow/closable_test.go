package follow

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// What a rewind would take back must not be closed: the end of a leg, and the
// rescue of what had been left in it, which may come a week later.
func TestClosableBelowTheReachOfARewind(t *testing.T) {
	leg := func(side swap.Side, chain uint64, ended uint64, rescued ...uint64) (l swap.LegState) {
		l.Side, l.ChainID, l.Created.Block, l.Ended.Block = side, chain, 10, ended
		for _, at := range rescued {
			l.Rescue = append(l.Rescue, swap.EscrowEvent{At: swap.Position{Block: at}})
		}
		return l
	}
	for _, c := range []struct {
		name     string
		src, dst swap.LegState
		want     bool
	}{
		{"both ends deep", leg(swap.Src, 1, 80), leg(swap.Dst, 2, 80), true},
		{"src within reach", leg(swap.Src, 1, 81), leg(swap.Dst, 2, 80), false},
		{"dst within reach", leg(swap.Src, 1, 80), leg(swap.Dst, 2, 81), false},
		{"rescues deep", leg(swap.Src, 1, 50, 60, 80), leg(swap.Dst, 2, 50, 80), true},
		{"the last rescue of src within reach", leg(swap.Src, 1, 50, 60, 81), leg(swap.Dst, 2, 50), false},
		{"a rescue of dst within reach", leg(swap.Src, 1, 50), leg(swap.Dst, 2, 50, 99), false},
		{"a chain that is not followed", leg(swap.Src, 1, 50), leg(swap.Dst, 3, 50), false},
	} {
		p := &pass{chains: map[uint64]*chainPass{}}
		for id := range uint64(2) {
			p.chains[id+1] = &chainPass{id: id + 1, ChainConfig: ChainConfig{Rewind: 20}, stored: swap.Provisional{From: swap.Block{Number: 100}}}
		}
		if got := p.closable(swap.State{Src: c.src, Dsts: []swap.LegState{c.dst}}); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
