package scene_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene/scenetest"
)

// With somebody who does what is right every situation ends as it should, in
// the time that the demonstration has.
func TestAllEndSafe(t *testing.T) {
	s := scenetest.Run(t, scene.All(), scenetest.Perfect())
	allWell(t, s)
	if n := len(s.Play.Swaps()); n < 30 {
		t.Errorf("%d swaps", n)
	}
}

func allWell(t *testing.T, s *scenetest.Stage) {
	t.Helper()
	for _, sw := range s.Play.Swaps() {
		v := s.Judge(t, sw)
		if !v.Safe || v.Lost || v.Late() {
			t.Errorf("%s: safe %v, lost %v, late %v: %s, moves %+v", sw, v.Safe, v.Lost, v.Late(), v.Why, v.Moves)
		}
	}
	for _, tx := range s.Ledger.Ours() {
		if !tx.OK {
			t.Errorf("transaction %s at %d reverted, early %v", tx.Hash, tx.Block.Time-scenetest.Begin, tx.Early)
		}
	}
}

// The rush hour too, and what comes first in it is due in the same block for all
// but the urgent, who come a block later.
func TestRushHourEndsSafe(t *testing.T) {
	s := scenetest.Run(t, scene.Rush(), scenetest.Perfect())
	allWell(t, s)
	parts, due := map[scene.TakerKind]int{}, map[uint64]int{}
	for _, sw := range s.Play.Swaps() {
		if sw.Crowd != scene.RushHour || !strings.HasPrefix(sw.Name, scene.RushHour) {
			t.Errorf("%s is not of the rush hour", sw)
		}
		parts[sw.Taker]++
		from := uint64(1<<63 - 1)
		for _, m := range s.Judge(t, sw).Moves {
			from = min(from, m.From)
		}
		due[from]++
	}
	if parts[scene.Contract] < 60 || parts[scene.Busy] <= 16 || parts[scene.Shared] < 10 || len(s.Play.Swaps()) != 100 {
		t.Errorf("swaps by taker: %v", parts)
	}
	if first := slices.Min(slices.Collect(maps.Keys(due))); len(due) != 2 || due[first] != 96 || due[first+1] != 4 {
		t.Errorf("swaps by the time at which they are due: %v", due)
	}
	if s.Taken() != 1 {
		t.Errorf("another program took %d nonces of ours", s.Taken())
	}
	// What the other program sent is on the chain, and not counted as ours.
	for _, tx := range s.Ledger.Ours() {
		if s.Played(tx.Hash) {
			t.Errorf("%s counts as ours", tx.Hash)
		}
	}
}

// Nobody who plays all scenes plays a hundred swaps more.
func TestRushHourIsApart(t *testing.T) {
	if len(scene.Named(scene.All(), scene.RushHour)) != 0 {
		t.Error("the rush hour is one of all scenes")
	}
	if n := len(scene.Named(scene.Rush(), scene.RushHour)); n == 0 {
		t.Error("no scene of the rush hour has its name")
	}
}
