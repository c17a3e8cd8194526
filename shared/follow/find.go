package follow

import (
	"context"
	"fmt"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// maxFindings is how many findings of one sort a pass passes on per chain.
// Package alert bounds what becomes of them; this bounds our memory.
const maxFindings = 1000

// sort is what findings are counted by.
type sort struct {
	code  swap.FindingCode
	chain uint64
}

// find notes a finding, once in a pass.
func (p *pass) find(f swap.Finding) {
	k := sort{f.Code, f.ChainID}
	if p.found[f] || p.counts[k] >= maxFindings {
		return
	}
	p.found[f] = true
	p.counts[k]++
	p.findings = append(p.findings, f)
}

// hostile notes a log that does not decode or lies.
func (p *pass) hostile(c *chainPass, l swap.Log, detail string) {
	p.find(swap.Finding{Code: swap.HostileLog, Severity: swap.Warning, ChainID: c.id, Escrow: l.Address, Detail: detail})
}

// report hands on what was found. That it fails must not stop the pass: the
// desk announces what it cannot store, and money is watched even when nobody
// can be told.
func (p *pass) report(ctx context.Context) {
	if len(p.findings) == 0 {
		return
	}
	findings := p.findings
	p.findings = nil
	if err := p.Report(ctx, findings); err != nil {
		p.errs = append(p.errs, fmt.Errorf("report %d findings: %w", len(findings), err))
	}
}
