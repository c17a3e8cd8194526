package scene_test

import (
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene/scenetest"
)

// With somebody who does what is right every situation ends as it should, in
// the time that the demonstration has.
func TestAllEndSafe(t *testing.T) {
	s := scenetest.Run(t, scene.All(), scenetest.Perfect())
	swaps := s.Play.Swaps()
	for _, sw := range swaps {
		v := s.Judge(t, sw)
		if !v.Safe || v.Lost || v.Late() {
			t.Errorf("%s: safe %v, lost %v, late %v: %s, moves %+v", sw, v.Safe, v.Lost, v.Late(), v.Why, v.Moves)
		}
	}
	if len(swaps) < 30 {
		t.Errorf("%d swaps", len(swaps))
	}
	for _, tx := range s.Ledger.Ours() {
		if !tx.OK {
			t.Errorf("transaction %s at %d reverted, early %v", tx.Hash, tx.Block.Time-scenetest.Begin, tx.Early)
		}
	}
}
