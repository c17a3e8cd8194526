// Package scenetest plays scenes on chains that are mined as fast as they go,
// with a stand-in for the product that looks at the scene's own data and does
// what is right, or, for tests of the judge, what is wrong.
package scenetest

import (
	"context"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/ethereum/go-ethereum/ethclient"
)

// Begin is the block time at which plays begin: a round number, so that clocks
// are easy to read.
const Begin = 1_800_000_000

// Rules are those of the product's test profile.
var Rules = judge.Rules{Sync: 30, Net: 15}

// Resolver is what plays the product: it is called after each block.
type Resolver func(ctx context.Context, s *Stage) error

// Stage is a play under way.
type Stage struct {
	*scene.World
	Play   *scene.Play
	Ledger *judge.Ledger
	Now    uint64 // time of the newest blocks, where no chain is held still
}

// Run plays the scenes to their end, which must come within a minute of block
// time after Length, and returns the stage for judging.
func Run(t testing.TB, scenes []*scene.Scene, resolvers ...Resolver) *Stage {
	t.Helper()
	ctx := t.Context()
	w, err := scene.Build(ctx, Begin, scenes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	play, err := scene.NewPlay(w, scenes, Begin)
	if err != nil {
		t.Fatal(err)
	}
	clients := map[uint64]*ethclient.Client{}
	for _, c := range w.Chains {
		clients[c.ID] = c.Client
	}
	s := &Stage{World: w, Play: play, Ledger: judge.NewLedger(clients, scene.Signers()), Now: Begin - 1}
	s.Ledger.Theirs = w.Played
	for ; s.Now < Begin+scene.Length || !play.Over(); s.Now++ {
		if s.Now > Begin+scene.Length+60 {
			done, all := play.Doing()
			t.Fatalf("the play is not over: %d of %d steps done", done, all)
		}
		if err := w.Mine(ctx, s.Now); err != nil {
			t.Fatal(err)
		}
		if err := s.Ledger.Update(ctx); err != nil {
			t.Fatal(err)
		}
		if err := play.Tick(ctx); err != nil {
			t.Fatalf("%d s after the beginning: %v", s.Now-Begin, err)
		}
		for _, r := range resolvers {
			if err := r(ctx, s); err != nil {
				t.Fatalf("%d s after the beginning: %v", s.Now-Begin, err)
			}
		}
	}
	return s
}

// Judge judges a swap of the stage.
func (s *Stage) Judge(t testing.TB, sw *scene.Swap) judge.Verdict {
	t.Helper()
	v, err := s.Ledger.Judge(t.Context(), sw.Case(), Rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
