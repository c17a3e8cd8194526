package watch

import (
	"context"
	"slices"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/ethereum/go-ethereum/common"
)

// probeBatch is how many balances are asked for at once.
const probeBatch = 500

// news lists what has to be told of the cases. What is late, and how severe a
// deadline is, depends on the stored work too: where that could not be read,
// nothing is known to be late, and no deadline is eased.
//
// Nobody is woken over something that has been done and that only its logs have
// yet to show: a leg whose money has left it by the head of this pass is neither
// late nor near its deadline, whoever moved it. If that cannot be read, it is
// told.
func (p *Planner) news(ctx context.Context, cases []plannedCase, live liveWork, views swap.Views) []swap.Finding {
	var out []swap.Finding
	var wake []doubt
	for i := range cases {
		c := &cases[i]
		work := live.byOrder[c.State.ID]
		findings := slices.Clone(c.Decision.Findings)
		for i, f := range findings {
			findings[i] = swap.Eased(f, c.Case, work, views, p.Policy)
		}
		findings = append(findings, swap.Late(c.Case, work, views, p.Policy)...)
		for _, f := range findings {
			if f.Severity == swap.Critical && aboutTime(f) {
				wake = append(wake, doubt{f, c})
			} else {
				out = append(out, f)
			}
		}
	}
	empty := p.emptied(ctx, wake, views)
	for _, d := range wake {
		if !empty[place{d.ChainID, d.Escrow}] {
			out = append(out, d.Finding)
		}
	}
	return out
}

// doubt is a finding that may have been overtaken by the chain.
type doubt struct {
	swap.Finding
	of *plannedCase
}

// aboutTime reports whether the finding says that a leg is not emptied in time.
// A rescue is for what is left when a leg can do nothing else.
func aboutTime(f swap.Finding) bool {
	return f.Call != swap.RescueFunds && (f.Code == swap.ActionOverdue || f.Code == swap.DeadlineNear || f.Code == swap.DeadlineLost)
}

type place struct {
	chain  uint64
	escrow common.Address
}

// emptied tells which of the escrows have been emptied by the heads of this
// pass. It takes at most half of the time that is left, so that the findings
// can be told.
func (p *Planner) emptied(ctx context.Context, doubts []doubt, views swap.Views) map[place]bool {
	out := map[place]bool{}
	if p.Probe == nil {
		return out
	}
	ctx, cancel := half(ctx)
	defer cancel()
	asked := map[uint64][]Holding{}
	states := map[place]*swap.State{}
	for _, d := range doubts {
		at := place{d.ChainID, d.Escrow}
		if _, known := states[at]; known || views[d.ChainID].Head.Number == 0 {
			continue
		}
		states[at] = &d.of.State
		asked[d.ChainID] = append(asked[d.ChainID], Holding{d.Escrow, d.of.State.TokenAt(d.ChainID, d.Escrow)})
	}
	for chain, all := range asked {
		for of := range slices.Chunk(all, probeBatch) {
			// Not being able to read is no reason to be silent, and the chain's
			// adapter tells of endpoints that do not answer.
			got, err := p.Probe.Balances(ctx, chain, views[chain].Head, of)
			if err != nil || len(got) != len(of) {
				break
			}
			for i, b := range got {
				at := place{chain, of[i].Escrow}
				out[at] = states[at].Emptied(chain, of[i].Escrow, b)
			}
		}
	}
	return out
}

// half is a context with half of the time that is left.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}
