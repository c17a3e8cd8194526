package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
)

// crowd is swaps that are claimed at the same time: some in one transaction of a
// resolver contract, some by an account, with a nonce for each.
type crowd struct{ batch, window []*scene.Swap }

const crowdSize = 3 // of each

func newCrowd(i int) story {
	var c crowd
	for n := range crowdSize {
		one := func(taker scene.TakerKind, f contracts.Family) *scene.Swap {
			return &scene.Swap{Name: fmt.Sprintf("%s %d of %d", taker, n, i), Family: f, Taker: taker, From: 0, Tries: 1, Direct: f == contracts.BMNv4,
				Windows: contracts.Timelocks{SrcWithdrawal: 4, SrcPublicWithdrawal: 900, SrcCancellation: 1000, SrcPublicCancellation: 1100,
					DstWithdrawal: 2, DstPublicWithdrawal: 3, DstCancellation: 500},
				Allowed: []judge.Ends{{Src: judge.Withdrawn, Dst: judge.Withdrawn}}}
		}
		c.batch = append(c.batch, one(scene.Contract, contracts.Families()[n]))
		c.window = append(c.window, one(scene.EOA, contracts.BMNv4)) // whose orders the key does not fill itself
	}
	return c
}

func (c crowd) swaps() []*scene.Swap {
	return append(append([]*scene.Swap(nil), c.batch...), c.window...)
}

// run lets a function do its work undisturbed.
func (l *lane) run(function string) error {
	l.Watch("", nil)
	res, err := l.Host.Invoke(l.t.Context(), function, tick(function))
	if err == nil && res.Failed() {
		err = fmt.Errorf("%s: %s: %s", function, res.Outcome, res.Payload)
	}
	return err
}

// call gathers the doorbells of one signer; those of others stay.
func (l *lane) call(signer common.Address) error {
	mine := strings.ToLower(signer.Hex())
	var bodies []string
	for _, body := range l.ring(^uint64(0)) {
		if strings.Contains(strings.ToLower(body), mine) {
			bodies = append(bodies, body)
		}
	}
	if l.event = queueEvent(bodies...); len(bodies) == 0 {
		return fmt.Errorf("nobody has rung for %s", signer)
	}
	return nil
}

// live opens all, shows all secrets, and has each kind of taker claim.
func (c crowd) live(l *lane) error {
	var fill, open, reveal []scene.Step
	for _, s := range c.swaps() {
		fill, open, reveal = append(fill, s.Fill(0)), append(open, s.Open(0)), append(reveal, s.Reveal(0))
	}
	more := func() error {
		return l.mine(l.clock()+1, l.clock()+2, l.clock()+3, l.clock()+4, l.clock()+5, l.clock()+6)
	}
	sync := func() error { return l.run(stateSync) }
	return l.play(
		func() error { return l.act(&scene.Scene{Name: "open", Swaps: c.swaps(), Steps: append(fill, open...)}) },
		sync,
		func() error { l.ring(^uint64(0)); return l.act(&scene.Scene{Name: "reveal", Steps: reveal}) },
		sync,
		func() error { return l.call(scene.ContractKey.Address) },
		func() error { return l.step("batch", actionExecutor, l.ringing) },
		func() error { return l.run(timelockMonitor) }, // rings for what has not been sent
		func() error { return l.call(scene.TakerBMN.Address) },
		func() error { return l.step("window", actionExecutor, l.ringing) },
		more,
		func() error { return c.together(l) },
		sync,
		func() error { return l.step("settle", transactionTracker, ticking(transactionTracker)) },
		sync,
		l.deepen,
		sync,
	)
}

// together checks that the contract's calls were one transaction, and that the
// account's were one each.
func (c crowd) together(l *lane) error {
	seen := map[common.Hash]bool{}
	count := func(swaps []*scene.Swap) (n int, err error) {
		for _, s := range swaps {
			v, err := l.ledger.Judge(l.t.Context(), s.Case(), rules, nil)
			if err != nil {
				return 0, err
			}
			if len(v.Moves) != 1 {
				return 0, fmt.Errorf("%s: %d calls of ours", s, len(v.Moves))
			}
			if tx := v.Moves[0].Tx.Hash; !seen[tx] {
				seen[tx] = true
				n++
			}
		}
		return n, nil
	}
	batch, err := count(c.batch)
	if err != nil {
		return err
	}
	window, err := count(c.window)
	if err != nil {
		return err
	}
	if batch != 1 || window != crowdSize {
		return fmt.Errorf("%d transactions of the contract, %d of the account; want 1 and %d", batch, window, crowdSize)
	}
	return nil
}

// A kill before, and after but before the reply of, every request of a drain
// that fills a batch, of one that fills a window of the pool, and of the look
// that settles both: every swap is claimed once, the contract's still together.
func TestKillWhileManyAreSent(t *testing.T) {
	(&hunt{tell: newCrowd, spread: 16, most: 40}).run(t)
}
