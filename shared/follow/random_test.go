package follow_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/follow/followtest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// player plays random histories on both chains, and lets passes of every kind
// of misfortune run in between. What it does depends on its seed alone: see
// lots for the faults.
type player struct {
	*world
	*rand.Rand
	trades  []trade
	creator map[string]common.Address // of sources
	log     []string
	passed  func() // after each pass; nil: nothing
}

func (p *player) note(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf(format, args...))
}

func (p *player) chance(percent int) bool { return p.IntN(100) < percent }

func (p *player) account() common.Address {
	return []common.Address{taker, helper, stranger}[p.IntN(3)]
}

func (p *player) chain() *simChain {
	if p.chance(50) {
		return p.chains[chainA]
	}
	return p.chains[chainB]
}

// both lists the chains, always in the same order.
func (p *player) both() []*simChain { return []*simChain{p.chains[chainA], p.chains[chainB]} }

// step does one thing.
func (p *player) step() {
	switch n := p.IntN(100); {
	case n < 12 || len(p.trades) == 0:
		p.newTrade()
	case n < 50:
		p.act()
	case n < 65:
		c := p.chain()
		c.mineEmpty(1 + p.IntN(2*confirmations))
		p.note("chain %d mines to %d", c.id, c.head().Number)
	case n < 75:
		c := p.chain()
		keep := p.IntN(100)
		depth, shift := 1+p.IntN(confirmations), p.IntN(3)
		c.reorg(depth, shift, func(simTx) bool { return p.IntN(100) < keep })
		p.note("chain %d reorganises %d blocks, shift %d, keeps %d%%", c.id, depth, shift, keep)
	default:
		p.misfortune()
	}
}

func (p *player) newTrade() {
	var opts []option
	if p.chance(40) {
		opts = append(opts, reverse)
	}
	if p.chance(15) {
		opts = append(opts, unlisted)
	}
	if p.chance(10) {
		opts = append(opts, forTaker(stranger))
	}
	if p.chance(15) && len(p.trades) > 0 {
		opts = append(opts, withSecretOf(p.trades[p.IntN(len(p.trades))]))
	}
	tr := p.trade(swap.Families()[p.IntN(3)], opts...)
	p.trades = append(p.trades, tr)
	p.creator[tr.name] = p.account()
	p.note("%s: %s %d to %d", tr.name, tr.fam, tr.src, tr.dst)
	if p.chance(80) {
		p.chains[tr.src].mine(tr.createSrc(p.creator[tr.name]))
		p.note("%s src", tr.name)
	}
}

// act has something done about one of the trades.
func (p *player) act() {
	tr := p.trades[len(p.trades)-1-p.IntN(min(len(p.trades), 5))]
	src, dst := p.chains[tr.src], p.chains[tr.dst]
	what := []string{"src", "dst", "dst", "decoy", "withdraw dst", "withdraw dst", "withdraw src", "cancel dst", "cancel src", "second dst"}[p.IntN(10)]
	switch what {
	case "src":
		src.mine(tr.createSrc(p.creator[tr.name]))
	case "dst":
		dst.mine(tr.createTrueDst(p.account()))
	case "second dst":
		dst.mine(tr.createDst("second", p.account(), tr.dstImmutables()))
	case "decoy":
		im := tr.dstImmutables()
		switch p.IntN(3) {
		case 0:
			im.Amount = number(uint64(p.IntN(60)))
		case 1:
			im.OrderHash = hashOf(fmt.Sprint("forged", p.IntN(1000)))
		case 2:
			im.Maker = addressWord(stranger)
		}
		dst.mine(tr.createDst(fmt.Sprint("decoy", p.IntN(100)), p.account(), im))
	case "withdraw dst":
		dst.mine(tr.withdraw("dst"))
	case "withdraw src":
		src.mine(tr.withdraw("src"))
	case "cancel dst":
		dst.mine(tr.cancel("dst"))
	case "cancel src":
		src.mine(tr.cancel("src"))
	}
	p.note("%s: %s", tr.name, what)
}

// misfortune runs a pass under bad conditions.
func (p *player) misfortune() {
	for _, c := range p.both() {
		c.span, c.lag = 0, 0
		if p.chance(30) {
			c.span = 1 + p.Uint64N(6)
		}
		if p.chance(10) {
			c.lag = p.Uint64N(3)
		}
		p.hide(c)
	}
	what := p.IntN(6)
	fault := func(string, string) faulttest.Fault { return faulttest.OK }
	switch what {
	case 0, 1, 2: // none
	case 3: // some calls fail
		draw, kind := lots(p.Uint64()), faulttest.Fault(1+p.IntN(2))
		every := 5 + p.Uint64N(40)
		fault = func(op, about string) faulttest.Fault {
			if draw(op, about)%every == 0 {
				return kind
			}
			return faulttest.OK
		}
	case 4: // killed
		fault = p.death()
	case 5: // a sweep moves wake times meanwhile
		for _, o := range p.inOrder() {
			if p.chance(30) && !o.Closed && !o.Held {
				_ = p.orders.SetWakes(context.Background(), o, swap.Wakes{Src: simEpoch + swap.ChainTime(p.IntN(10_000))})
			}
		}
	}
	down := "nothing"
	if what == 2 || p.chance(25) { // one chain is down, whatever else there is
		down = fmt.Sprint([]string{"rpc.head.", "rpc.logs.", "rpc.block.", "rpc.transactions."}[p.IntN(4)], 1+p.IntN(2))
	}
	p.FailAbout(func(op, about string) faulttest.Fault {
		if op == down {
			return faulttest.Refused
		}
		return fault(op, about)
	})
	_, err := p.follower().Pass(p.t.Context())
	p.Fail(nil)
	p.note("pass %d: %v", what, err)
	if p.passed != nil {
		p.passed()
	}
	for _, c := range p.chains {
		c.hidden = [2]func(swap.Log) bool{}
	}
}

// lots draws a number for each call: by what it is, what it is about and how
// often there has been the like. Goroutines cannot race for it.
func lots(seed uint64) func(op, about string) uint64 {
	seen := map[string]int{}
	return func(op, about string) uint64 {
		call := op + " " + about
		seen[call]++
		lot := hashOf(fmt.Sprint(seed, call, seen[call]))
		return binary.BigEndian.Uint64(lot[:])
	}
}

// death is the plan of a process that dies within the calls of one name. Those
// that run beside each other fare each by its own lot: some are done by then,
// and some are not. Whatever comes after them fails.
func (p *player) death() func(op, about string) faulttest.Fault {
	ops := []string{"facts.read", "orders.watched", "rpc.head", "rpc.block", "orders.due", "orders.load", "rpc.logs", "rpc.transactions",
		"parked.list", "parked.park", "orders.save", "facts.replace", "rpc.balances", "actions.live", "actions.save", "orders.wakes"}
	last, most := ops[p.IntN(len(ops))], 1+p.Uint64N(4)
	draw, dead := lots(p.Uint64()), false
	return func(op, about string) faulttest.Fault {
		switch {
		case strings.HasPrefix(op, last):
			if n := draw(op, about) % (2 * most); n < 2 {
				dead = true
				return faulttest.Fault(1 + n)
			}
			return faulttest.OK
		case dead:
			return faulttest.Refused
		}
		return faulttest.OK
	}
}

// hide lets the first endpoint keep back anything, and the second one what the
// first has shown: then somebody has seen it.
func (p *player) hide(c *simChain) {
	shown := map[common.Hash]bool{} // blocks with a provisional fact of the escrow
	facts := p.stored(c.id)
	events := map[swap.Position]bool{}
	for _, ev := range facts.Events {
		events[ev.At] = true
		shown[ev.At.BlockHash] = true
	}
	if p.chance(30) {
		c.hidden[0] = func(l swap.Log) bool { return l.At.Tx[0]%4 == 0 }
	}
	if p.chance(30) {
		c.hidden[1] = func(l swap.Log) bool { return events[l.At] }
	}
}

// verify compares what is stored with what the canonical chains say.
func (p *player) verify() {
	t := p.t
	stored := map[swap.OrderID]swap.State{}
	for _, o := range p.orders.All() {
		stored[o.ID] = p.fold(o.ID)
		if o.Held {
			t.Errorf("order %s is held", o.ID)
		}
	}
	expected := map[swap.OrderID]bool{}
	for _, tr := range p.trades {
		leg, ok := p.chains[tr.src].head().state[tr.name+" src"]
		ours := addressIn(tr.im.Taker) == taker
		worth := tr.fam != swap.BMNv4 || tr.im.Token == addressWord(coin) || p.creator[tr.name] != stranger
		if !ok || !ours || !worth {
			continue
		}
		id := swap.OrderID{ChainID: tr.src, Escrow: leg.Escrow}
		expected[id] = true
		s, ok := stored[id]
		if !ok {
			t.Errorf("%s: order %s is not stored", tr.name, id)
			continue
		}
		p.compare(tr, s.Src, leg)
		var secret bool
		for _, dst := range p.chains[tr.dst].head().state {
			if dst.Side != swap.Dst || s.Matches(*dst.Leg) != "" {
				continue
			}
			i := slices.IndexFunc(s.Dsts, func(l swap.LegState) bool { return l.Escrow == dst.Escrow })
			if i < 0 || s.Closed && s.Dsts[i].Status == swap.LegAbsent {
				if !p.late(s, dst, stored) && !p.takenBack(dst, stored) {
					t.Errorf("%s: dst %s is not known, closed %v", tr.name, dst.Escrow, s.Closed)
				}
				continue
			}
			p.compare(tr, s.Dsts[i], dst)
			secret = secret || s.Dsts[i].Status == swap.LegWithdrawn
		}
		if (secret || s.Src.Status == swap.LegWithdrawn) && s.Secret == nil {
			t.Errorf("%s: the secret is not known", tr.name)
		}
		for _, ev := range s.Events {
			if ev.At.BlockHash != p.chains[ev.ChainID].blocks[ev.At.Block].Hash {
				t.Errorf("%s: an event of a block that is no more", tr.name)
			}
		}
	}
	for id, s := range stored {
		if !expected[id] && s.Src.Status != swap.LegAbsent {
			t.Errorf("order %s is stored, and its src is %s", id, s.Src.Status)
		}
	}
	for _, c := range p.chains {
		f := p.stored(c.id)
		if f.To.Number != c.head().Number || !f.Sync.Done || f.Sync.Trail != (swap.Block{}) || len(f.Sync.Seek) > 0 || f.Sync.Rewound {
			t.Errorf("chain %d, head %d: %+v", c.id, c.head().Number, f)
		}
		for _, row := range p.watched(c.id) {
			if stored[row.Order].Closed {
				t.Errorf("closed order %s is watched", row.Order)
			}
		}
	}
}

// late reports whether a dst leg that a closed order lacks came, or came back,
// after everything had ended: it is parked then, or with another open order of
// the same swap, whose source is gone.
func (p *player) late(s swap.State, dst simLeg, stored map[swap.OrderID]swap.State) bool {
	parked, err := p.parked.Parked(context.Background(), dst.ChainID, dst.Immutables.Hashlock)
	if err != nil || !s.Closed {
		return false
	}
	for _, other := range stored {
		if other.ID != s.ID && has(other, dst) {
			return true
		}
	}
	return slices.ContainsFunc(parked, func(d swap.DstCreated) bool { return d.Escrow == dst.Escrow })
}

// takenBack reports whether a dst leg had been cancelled, and its order closed
// with its source gone, before the source came again as another order: that
// one need not know of a leg in which nothing is left.
func (p *player) takenBack(dst simLeg, stored map[swap.OrderID]swap.State) bool {
	for _, other := range stored {
		i := slices.IndexFunc(other.Dsts, func(l swap.LegState) bool { return l.ChainID == dst.ChainID && l.Escrow == dst.Escrow })
		if i >= 0 && other.Closed && other.Src.Status == swap.LegAbsent && other.Dsts[i].Status == swap.LegCancelled {
			return true
		}
	}
	return false
}

func has(s swap.State, dst simLeg) bool {
	return slices.ContainsFunc(s.Dsts, func(l swap.LegState) bool { return l.ChainID == dst.ChainID && l.Escrow == dst.Escrow })
}

// compare checks a leg against the chain's own state.
func (p *player) compare(tr trade, got swap.LegState, want simLeg) {
	status := swap.LegOpen
	for _, l := range p.chains[want.ChainID].logs() {
		if l.Address == want.Escrow {
			status = swap.LegCancelled
			if l.Topics[0] == swap.EscrowTopics()[0] {
				status = swap.LegWithdrawn
			}
		}
	}
	if got.Status != status || !got.Final || !got.LegRecord.Final {
		p.t.Errorf("%s %s %s: %s, final %v; want %s", tr.name, want.Side, want.Escrow, got.Status, got.Final, status)
	}
	if got.Immutables.Equal(want.Immutables) == false {
		p.t.Errorf("%s %s: other immutables", tr.name, want.Side)
	}
}

// After the dust has settled, the stored orders are those that the canonical
// chains have, however they came to be.
func TestRandomHistories(t *testing.T) {
	histories := 100
	if testing.Short() {
		histories = 10
	}
	for seed := range histories {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			playHistory(t, uint64(seed), 90)
		})
	}
}

// A seed plays the same history whenever it is played, pass by pass, however
// goroutines are scheduled: what fails can be looked into.
func TestRandomHistoriesRepeat(t *testing.T) {
	for seed := range uint64(5) {
		play := func() (stored []string) {
			p := newPlayer(t, seed)
			p.passed = func() {
				stored = append(stored, pretty([]any{p.inOrder(), p.stored(chainA), p.stored(chainB)}))
			}
			p.play(90)
			return stored
		}
		first, second := play(), play()
		for i := range first {
			if i >= len(second) || first[i] != second[i] {
				t.Errorf("seed %d: pass %d of %d left something else the second time: %s", seed, i, len(first), diff(first[i], second[i]))
				break
			}
		}
	}
}

func playHistory(t *testing.T, seed uint64, steps int) { newPlayer(t, seed).play(steps) }

func newPlayer(t *testing.T, seed uint64) *player {
	p := &player{world: newWorld(t), Rand: rand.New(rand.NewPCG(seed, 7)), creator: map[string]common.Address{}}
	p.parked = followtest.NewParked(p.Faults, 5000, 1<<40)
	return p
}

// play plays the history and verifies its end.
func (p *player) play(steps int) {
	full := map[uint64]follow.ChainConfig{}
	for _, c := range p.both() {
		cfg := p.config[c.id]
		full[c.id] = cfg
		cfg.Factories = cfg.Factories[:p.IntN(3)+1]
		p.config[c.id] = cfg
	}
	complete := p.IntN(steps)
	for i := range steps {
		if i == complete {
			p.config = full
			p.note("all factories configured")
		}
		p.step()
	}
	for _, c := range p.chains {
		c.span, c.lag = 0, 0
	}
	p.pass()
	p.settle()
	p.later(700)
	p.pass()
	p.verify()
	if p.t.Failed() {
		for i, l := range p.log {
			p.t.Log(i, l)
		}
	}
}

// inOrder lists the stored orders, always in the same order.
func (p *player) inOrder() []swap.Order {
	all := p.orders.All()
	slices.SortFunc(all, func(a, b swap.Order) int {
		return cmp.Or(cmp.Compare(a.ID.ChainID, b.ID.ChainID), a.ID.Escrow.Cmp(b.ID.Escrow))
	})
	return all
}
