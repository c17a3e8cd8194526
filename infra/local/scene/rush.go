package scene

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/params"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
)

// RushHour is the name of the crowd, and how the names of its swaps begin.
const RushHour = "rush hour"

// The moments of the rush hour, in seconds after the beginning. It comes when
// the other scenes are over, so that nobody waits behind it who does not belong
// to it.
const (
	rushFill, rushOpen = 20, 23 // but for the busy taker, whose key is the product's from the opening on
	rushReveal         = 50     // a whole pass before it is due
	rushLast           = 56     // the secrets of the urgent ones
	rushDue            = 92
	// Prices go up on south just before, by too few transactions for nodes to
	// suggest more; from then on, blocks have no room for what pays less.
	rushRise, rushSpike = 2, 12
)

// rushPart is a part of the crowd that is alike.
type rushPart struct {
	situation string
	taker     TakerKind
	swaps     int
	from      int
	fill      uint64
	due       uint64 // src may be claimed, or dst taken back
	reveal    uint64 // zero: nobody shows a secret
	// room is how many seconds after it is due a claim is late, zero for
	// everything that nobody waits for.
	room uint32
}

// Rush returns, afresh, the rush hour: a hundred swaps that are due in the same
// minute, each part of them by another kind of key.
//
//   - Calls of a resolver contract share transactions.
//   - A busy taker's pool is full: 16 of its transactions are in it, and wait,
//     for prices have gone up on south since they were sent. Behind them comes
//     what is urgent.
//   - Another program signs with a key that is shared, and takes a nonce for
//     which there is a transaction of ours.
//
// It is not part of All: where functions are killed at every request, or run
// under the race detector, a hundred swaps more would say nothing more.
func Rush() []*Scene {
	const claim, expire = "claims", "expires"
	var out []*Scene
	for _, p := range []rushPart{
		{situation: claim, taker: Contract, swaps: 40, from: 0, fill: rushFill, due: rushDue, reveal: rushReveal, room: 60},
		{situation: expire, taker: Contract, swaps: 20, from: 1, fill: rushFill, due: rushDue},
		{situation: expire + ", patient", taker: Busy, swaps: 20, from: 0, due: rushDue},
		{situation: claim + ", urgent", taker: Busy, swaps: 4, from: 1, due: rushDue + 1, reveal: rushLast, room: 30},
		{situation: claim, taker: Shared, swaps: 16, from: 0, fill: rushFill, due: rushDue, reveal: rushReveal, room: 60},
	} {
		out = append(out, p.scene())
	}
	const south = 1
	return append(out,
		&Scene{Name: RushHour + ", prices", Start: rushDue - rushRise, Steps: spike(south)},
		&Scene{Name: RushHour + ", another program", Start: rushDue - 5, Steps: compete(0, TakerShared)})
}

// scene makes the swaps of a part, all of which do the same in the same block.
func (p rushPart) scene() *Scene {
	open := p.fill + rushOpen - rushFill
	allowed, windows := bothCancelled, expiring(uint32(p.due-open), uint32(p.due-p.fill)+2)
	if p.reveal != 0 {
		claim := uint32(p.due - p.fill)
		allowed, windows = bothWithdrawn, contracts.Timelocks{
			SrcWithdrawal: claim, SrcPublicWithdrawal: claim + p.room, SrcCancellation: claim + p.room + 20, SrcPublicCancellation: claim + p.room + 200,
			DstWithdrawal: 2, DstPublicWithdrawal: 5, DstCancellation: uint32(p.due-open) + p.room,
		}
	}
	s := &Scene{Name: fmt.Sprintf("%s, %s, %s", RushHour, p.situation, p.taker)}
	var fill, show, reveal []Step
	for i := range p.swaps {
		f := contracts.Families()[i%len(contracts.Families())]
		sw := (&Swap{Name: fmt.Sprintf("%s, %s, %s %02d", RushHour, p.situation, p.taker, i+1), Situation: p.situation, Crowd: RushHour,
			Family: f, Taker: p.taker, From: p.from, Windows: windows, Allowed: []judge.Ends{allowed}}).direct()
		s.Swaps = append(s.Swaps, sw)
		fill, show, reveal = append(fill, sw.Fill(p.fill)), append(show, sw.Open(open)), append(reveal, sw.Reveal(p.reveal))
	}
	s.Steps = []Step{together(fill), together(show)}
	if p.reveal != 0 {
		s.Steps = append(s.Steps, together(reveal))
	}
	return s
}

// together makes one step of many of one kind: their transactions are in the
// same block.
func together(steps []Step) Step {
	all := steps[0]
	all.Send = func(w *World, now uint64) (out []Sending, err error) {
		for _, s := range steps {
			sendings, err := s.Send(w, now)
			if err != nil {
				return nil, err
			}
			out = append(out, sendings...)
		}
		return out, nil
	}
	all.Done = func(w *World, time uint64) error {
		for _, s := range steps {
			if s.Done == nil {
				continue
			}
			if err := s.Done(w, time); err != nil {
				return err
			}
		}
		return nil
	}
	return all
}

var (
	// spikeTip is what strangers pay while prices are up, wei per gas, and
	// spikeLeast what a transaction has to pay to be included: more than usual.
	spikeTip   = big.NewInt(5 * params.GWei)
	spikeLeast = big.NewInt(4 * params.GWei)
)

// spike lets strangers outbid everybody for some blocks: what pays the usual
// price stays in the pool. Nodes see what the others pay and, some blocks later,
// suggest as much.
func spike(chain int) []Step {
	market := func(name string, after uint64, tip, least *big.Int) Step {
		return Step{Name: name, Chain: chain, After: after, Act: func(_ context.Context, w *World) error {
			c := w.Chains[chain]
			c.tip = tip
			return c.Dev.SetMinTip(least)
		}}
	}
	none := big.NewInt(1)
	steps := []Step{market("prices go up", 0, spikeTip, none)}
	for i := range uint64(rushSpike) {
		if i == rushRise {
			steps = append(steps, market("blocks are full", i, spikeTip, spikeLeast))
		}
		steps = append(steps, Step{Name: "strangers pay more", Chain: chain, After: i, Send: func(w *World, _ uint64) ([]Sending, error) {
			tx := contracts.SendDust(Attacker.Address, big.NewInt(1))
			return slices.Repeat([]Sending{{Attacker, tx}}, 3), nil // as many as a node looks at
		}})
	}
	return append(steps, market("prices go down", rushSpike, usualTip, none))
}

// rival is another program that signs with a key of ours and is as fast as we
// are.
type rival struct {
	key   Account
	taken bool
}

// rivalTip is well above what we pay: nodes replace ours.
var rivalTip = big.NewInt(20 * params.GWei)

// compete lets another program use a nonce for which a transaction of ours
// waits in the pool.
func compete(chain int, key Account) []Step {
	return []Step{{
		Name: "another program has something to send", Chain: chain,
		Act: func(_ context.Context, w *World) error {
			w.Chains[chain].rival = &rival{key: key}
			return nil
		},
	}, {
		Name: "another program took our nonce", Chain: chain,
		When: func(_ context.Context, w *World) (bool, error) { return w.Chains[chain].rival.taken, nil },
	}}
}

// compete is the last moment before a block: a rival whose key has something in
// the pool sends a transaction with the same nonce at a higher price.
func (c *Chain) compete(ctx context.Context) error {
	if c.rival == nil || c.rival.taken {
		return nil
	}
	key := c.rival.key
	next, err := c.Client.NonceAt(ctx, key.Address, nil)
	if err != nil {
		return fmt.Errorf("read nonce of %s on %s: %w", key.Name, c.Name, err)
	}
	pending, err := c.Client.PendingNonceAt(ctx, key.Address)
	if err != nil {
		return fmt.Errorf("read pending nonce of %s on %s: %w", key.Name, c.Name, err)
	}
	if pending == next {
		return nil // nobody is there to compete with
	}
	tx, err := c.signAt(next, key, contracts.Approve(c.USD, c.OrderEntry, plenty), gasCall, rivalTip)
	if err != nil {
		return err
	}
	if err := c.Client.SendTransaction(ctx, tx); err != nil {
		return fmt.Errorf("send for %s on %s: %w", key.Name, c.Name, err)
	}
	c.rival.taken = true
	return nil
}

// Taken counts the nonces that another program took although a transaction of
// ours with the same one was on its way.
func (w *World) Taken() (n int) {
	for _, c := range w.Chains {
		if c.rival != nil && c.rival.taken {
			n++
		}
	}
	return n
}
