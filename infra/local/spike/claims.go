package spike

import (
	"fmt"
	"slices"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

const (
	// blockTime is the pace of the chains once the claims are open, in seconds:
	// that of Ethereum.
	blockTime = 12
	// quiet is how long after its src leg was made a claim becomes due, in
	// seconds. The secrets are known by then.
	quiet = 25 * blockTime
	// each is how many claims there are of each taker and deadline.
	each = 5
)

// margins are the times from due to the hard deadline, in seconds.
var margins = [...]uint32{8 * 60, 12 * 60, 16 * 60, 20 * 60, 25 * 60}

// cast are the takers: one whose key sends each claim by itself, and a contract
// that takes many at once.
var cast = [...]struct {
	kind   scene.TakerKind
	family contracts.Family
}{{scene.EOA, contracts.OneInchV1}, {scene.Contract, contracts.OneInchV11}}

// Claim is a swap whose dst is paid and whose src is ours to withdraw, until
// its cancellation.
type Claim struct {
	*scene.Swap
	Margin uint32 // seconds from due to the deadline
}

// claims are the swaps and their scenes. All src legs are made in one block, all
// secrets are published in one block.
func claims() (out []Claim, scenes []*scene.Scene) {
	bystander := scene.NewAccount("bystanders")
	for _, taker := range cast {
		for _, margin := range margins {
			for n := range each {
				end := uint32(quiet) + margin
				s := &scene.Swap{
					Name: fmt.Sprintf("claim %d, %s, %d s", n+1, taker.kind, margin), Situation: "base fee spike",
					Family: taker.family, Taker: taker.kind,
					Windows: contracts.Timelocks{
						SrcWithdrawal: quiet, SrcPublicWithdrawal: end, SrcCancellation: end, SrcPublicCancellation: end + 600,
						DstWithdrawal: 2, DstPublicWithdrawal: 5, DstCancellation: quiet,
					},
					Allowed: []judge.Ends{{Src: judge.Withdrawn, Dst: judge.Withdrawn}},
				}
				out = append(out, Claim{s, margin})
				scenes = append(scenes, &scene.Scene{Name: s.Name, Swaps: []*scene.Swap{s},
					Steps: []scene.Step{s.Fill(0), s.Open(2), s.Reveal(8)}, Cast: []scene.Account{bystander}})
			}
		}
	}
	for _, s := range scenes[1:] {
		s.Cast = nil // once is enough
	}
	return out, slices.Clip(scenes)
}
