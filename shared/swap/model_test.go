package swap

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// A model of everything: two chains with escrows that answer as Leg.Check says,
// a reader of logs, an executor that sends what Plan wants, and the others: a
// resolver process that may stop at any point, holders of the access token, a
// secret that leaks. Time goes by in seconds; blocks are reorganised, chains
// halt, readers lag. At the end the money is counted.

// model is one run.
type model struct {
	t       *testing.T
	r       *rand.Rand
	seed    uint64
	family  Family
	hostile bool
	src     *simChain
	dst     *simChain
	order   Order
	policy  Policy
	now     int64 // wall clock, seconds of the tests
	nextTx  int
	sent    map[ActionKey]*simTx // in flight or mined, ours
	count   map[ActionKey]int
	early   int
	barred  bool // the src token's issuer bars the taker: he gets none of it
	// excused: something happened that no policy can make good.
	excused string
	// the resolver's script, -1 for never
	createDst, createAgain, payDst, claimSrc, leak int64
	log                                            []string
}

func (m *model) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%4d ", m.now)+fmt.Sprintf(format, args...))
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Log("\n" + strings.Join(m.log, "\n"))
	m.t.Fatalf("seed %d, %s, hostile %t: %s", m.seed, m.family, m.hostile, fmt.Sprintf(format, args...))
}

const (
	modelDelay = 700 // rescue delay, seconds
	modelEnd   = 1400
	modelRuns  = 300
	modelSlack = 400 // seconds: a halt and a lagging reader, on either chain
)

func newModel(t *testing.T, seed uint64, hostile bool) *model {
	r := rand.New(rand.NewPCG(seed, 1))
	m := &model{t: t, r: r, seed: seed, hostile: hostile, family: Families()[r.IntN(3)], policy: testPolicy(),
		sent: map[ActionKey]*simTx{}, count: map[ActionKey]int{}}
	w := newWorld(m.family)
	m.order = w.order
	m.order.Src.RescueDelay = modelDelay
	m.order.Src.Balance = Balance{}
	m.now = 10
	m.src, m.dst = m.chain(srcChain), m.chain(dstChain)
	m.src.head().legs[m.order.Src.Escrow] = m.order.Src.Leg
	m.src.head().held[m.order.Src.Escrow] = held{256, 32}
	never := func(at int64, odds int) int64 {
		if r.IntN(odds) == 0 {
			return -1
		}
		return at
	}
	// A sane resolver creates dst so early that src outlasts it.
	m.createDst = never(12+r.Int64N(20), 8)
	if hostile && r.IntN(3) == 0 {
		m.createDst = 12 + r.Int64N(250)
	}
	m.createAgain = -1
	if r.IntN(5) == 0 {
		m.createAgain = m.createDst + 5 + r.Int64N(15) // by mistake
	}
	m.payDst = never(m.createDst+50+r.Int64N(200), 2)
	m.claimSrc = never(m.payDst+r.Int64N(30), 2)
	m.leak = -1
	if r.IntN(4) == 0 {
		// Before dst can be cancelled; whoever shows it later robs himself.
		m.leak = 20 + r.Int64N(230)
	}
	m.barred = hostile && r.IntN(10) == 0
	return m
}

func (m *model) send(c *simChain, tx *simTx) {
	m.nextTx++
	tx.id, tx.after = m.nextTx, c.head().Number
	tx.due = m.now + m.r.Int64N(inclusion)
	c.pool = append(c.pool, tx)
}

// others do what they may do.
func (m *model) others() {
	if m.createDst == m.now || m.createAgain == m.now {
		expect := SrcCreated{Leg: m.order.Src.Leg, Expect: m.order.Expect}
		f := testFactory(m.family)
		f.ChainID, f.Address, f.DstRescueDelay = dstChain, named("dst factory"), modelDelay
		m.send(m.dst, &simTx{by: "resolver", create: func(at ChainTime) Leg {
			l, _ := f.PredictDst(expect, at)
			return l
		}})
	}
	legs := func(c *simChain, side Side) (out []Leg) {
		s := c.head().simState
		for _, l := range s.legs {
			if l.Side == side && s.held[l.Escrow].token > 0 {
				out = append(out, l)
			}
		}
		slices.SortFunc(out, func(a, b Leg) int { return a.Escrow.Cmp(b.Escrow) })
		return out
	}
	do := func(c *simChain, l Leg, by string, call Call) {
		m.send(c, &simTx{by: by, leg: l, call: Attempt{Call: call, Caller: map[bool]common.Address{true: taker, false: stranger}[by == "resolver"],
			HoldsAccessToken: by == "holder", Immutables: l.Immutables, Secret: preimag}})
	}
	if m.payDst >= 0 && m.now >= m.payDst {
		for _, l := range legs(m.dst, Dst) {
			if w, _ := l.Window(Withdraw); w.Contains(m.dst.head().Time + 1) {
				do(m.dst, l, "resolver", Withdraw)
				m.payDst = -1
				break
			}
		}
	}
	if m.claimSrc >= 0 && m.now >= m.claimSrc && slices.ContainsFunc(m.dst.head().ends, func(e ending) bool { return e.call.TakesSecret() }) {
		for _, l := range legs(m.src, Src) {
			do(m.src, l, "resolver", Withdraw)
		}
		m.claimSrc = -1
	}
	if m.leak == m.now {
		m.note("the secret leaks")
		m.order.Learn(preimag)
	}
	if !m.secretPublic() || m.family == BMNv4 {
		return
	}
	for _, c := range []*simChain{m.src, m.dst} {
		for _, side := range []Side{Src, Dst} {
			for _, l := range legs(c, side) {
				w, _ := l.Window(PublicWithdraw)
				if w.Contains(c.head().Time+1) && m.r.IntN(60) == 0 {
					do(c, l, "holder", PublicWithdraw)
				}
			}
		}
	}
}

func (m *model) secretPublic() bool {
	return m.order.Secret != nil || slices.ContainsFunc(append(slices.Clone(m.src.head().ends), m.dst.head().ends...), func(e ending) bool { return e.call.TakesSecret() })
}

// read is what state-sync does: final facts for good, the rest anew.
func (m *model) read(c *simChain) {
	head := c.head()
	final := c.blocks[len(c.blocks)-1-depth]
	next := Provisional{ChainID: c.id, From: final.Block, To: head.Block}
	for i := int(c.facts.From.Number - c.blocks[0].Number + 1); i < len(c.blocks); i++ {
		b := &c.blocks[i]
		isFinal := b.Number <= final.Number
		for _, l := range b.created {
			m.order.AddDst(l, true)
			m.order.Confirm(c.id, l.Escrow, l.Created, isFinal)
			if !isFinal {
				next.Legs = append(next.Legs, OrderID{c.id, l.Escrow})
			}
		}
		for _, ev := range b.events {
			if ev.Kind == Withdrawn {
				m.order.Learn(ev.Secret)
			}
			if isFinal {
				m.order.AddEvent(ev)
			} else if m.order.knows(ev.ChainID, ev.Escrow) {
				next.AddEvent(ev)
			}
		}
	}
	c.facts = next
	s := Fold(m.order, m.facts())
	for _, id := range s.WantBalances(m.views()) {
		if id.ChainID == c.id {
			h := head.held[id.Escrow]
			m.order.SetBalance(id.ChainID, id.Escrow, Balance{Block: head.Block, Token: *uint256.NewInt(h.token), Native: *uint256.NewInt(h.native)})
		}
	}
	for _, w := range s.WantTraces() {
		if w.ChainID == c.id { // in this model all that is cancelled comes back
			m.order.AddTrace(w.ChainID, w.Escrow, Trace{Tx: w.At.Tx, Block: w.At.BlockHash, Returned: w.Immutables.AmountInt()})
		}
	}
}

func (m *model) facts() map[uint64]Provisional {
	return map[uint64]Provisional{srcChain: m.src.facts, dstChain: m.dst.facts}
}

func (m *model) views() Views {
	v := Views{}
	for _, c := range []*simChain{m.src, m.dst} {
		synced, final := c.facts.Marks()
		age := max(0, m.now-c.head().Time.Sub(zeroTime))
		v[c.id] = ChainView{ChainID: c.id, Head: c.head().Block, SyncedTo: synced, Final: final, HeadAge: time.Duration(age) * time.Second}
	}
	return v
}

// act is what monitor and executor do: plan, and send what is wanted and can be
// included by the next block.
func (m *model) act() (finished bool) {
	s, views := Fold(m.order, m.facts()), m.views()
	d, err := Plan(s, views, m.policy)
	if err != nil {
		m.fail("%v", err)
	}
	for _, a := range d.Actions {
		if a.Refused == "" {
			if why := illegal(s, a); why != "" {
				m.fail("%s %s: %s", a.Side, a.Call, why)
			}
		}
	}
	checkWakes(m.t, s, views, d)
	// What is no longer wanted is replaced by nothing, if that is still in time.
	keys := slices.SortedFunc(maps.Keys(m.sent), func(a, b ActionKey) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		tx := m.sent[k]
		if _, ok := d.Wanted(k); ok || tx.answer != unsent {
			continue
		}
		c := m.on(k.ChainID)
		if i := slices.Index(c.pool, tx); i >= 0 && m.r.IntN(5) > 0 {
			m.note("chain %d: %s of ours is withdrawn", c.id, k.Call)
			c.pool = slices.Delete(c.pool, i, i+1)
			delete(m.sent, k)
		}
	}
	for _, a := range d.Actions {
		c := m.on(a.ChainID)
		if a.Refused != "" || c.head().Time+1 < a.From || !m.idle(c, a.Key()) {
			continue
		}
		l := c.head().legs[a.Escrow]
		for _, x := range legsOf(&s) {
			if x.Escrow == a.Escrow {
				l = x.Leg
			}
		}
		call := Attempt{Call: a.Call, Caller: taker, Immutables: l.Immutables, Token: a.Token, Amount: a.Amount}
		if a.Call.TakesSecret() {
			call.Secret = *s.Secret
		}
		if !m.rehearse(c, l, call) {
			continue
		}
		tx := &simTx{by: "us", leg: l, call: call, key: a.Key(), answer: unsent}
		m.note("chain %d: we send %s %s", c.id, a.Side, a.Call)
		m.send(c, tx)
		m.sent[a.Key()], m.count[a.Key()] = tx, m.count[a.Key()]+1
	}
	return d.Finished
}

// step lets one second go by.
func (m *model) step() {
	m.now++
	m.others()
	for _, c := range []*simChain{m.src, m.dst} {
		switch {
		case m.now < c.halted:
			continue
		case c.slow && c.head().Time < zeroTime.Add(m.now):
			for range 3 { // catches up with timestamps of the past
				if c.head().Time < zeroTime.Add(m.now) {
					m.mine(c, c.head().Time+1, m.now)
				}
			}
		default:
			c.slow = false
			m.mine(c, zeroTime.Add(m.now), m.now)
		}
		if m.r.IntN(40) == 0 {
			m.reorg(c, 1+m.r.IntN(depth-1))
		}
		if m.hostile && m.r.IntN(400) == 0 {
			c.halted, c.slow = m.now+m.r.Int64N(200), m.r.IntN(2) == 0
			m.note("chain %d halts until %d", c.id, c.halted)
		}
		if m.now%c.lag == 0 {
			m.read(c)
		}
	}
}

func (m *model) run() {
	finished := false
	for m.now < modelEnd {
		m.step()
		if m.r.IntN(3) > 0 && m.act() {
			finished = true
			break
		}
	}
	m.tally(finished)
}

// tally counts the money.
func (m *model) tally(finished bool) {
	by := func(c *simChain, side Side, calls ...Call) (who []string) {
		s := c.head().simState
		for _, e := range s.ends {
			if !e.coin && s.legs[e.escrow].Side == side && slices.Contains(calls, e.call) && s.legs[e.escrow].ChainID == c.id {
				who = append(who, e.by)
			}
		}
		return who
	}
	paid := by(m.dst, Dst, Withdraw, PublicWithdraw)
	back := by(m.dst, Dst, Cancel, RescueFunds)
	taken := by(m.src, Src, Withdraw, PublicWithdraw, RescueFunds)
	given := by(m.src, Src, Cancel, PublicCancel)
	ours := func(who []string) bool { return slices.Contains(who, "us") }

	// By our own hand never, whatever happens.
	if m.early > 0 {
		m.fail("%d calls of ours were too early", m.early)
	}
	if len(paid) > 0 && ours(given) {
		m.fail("lost: dst was paid and we cancelled src")
	}
	// A second leg that somebody else withdraws with the public secret is lost.
	if first := slices.Index(paid, "us"); first >= 0 && slices.Contains(paid[first+1:], "us") {
		m.fail("lost: we paid the maker twice")
	}
	if len(taken) > 0 && len(paid) == 0 && ours(back) && (ours(taken) || !m.hostile) {
		m.fail("robbed: src was taken, dst taken back")
	}
	for k, n := range m.count {
		if n > 8 {
			m.fail("%s was sent %d times", k, n)
		}
	}
	if slices.ContainsFunc(m.src.head().ends, func(e ending) bool { return e.coin && e.by == "us" }) && len(paid) == 0 {
		m.fail("src's deposit was taken though dst was not paid: nobody can cancel src")
	}
	// Where the taker is barred from src's tokens, the deposit still comes out
	// after the rescue delay.
	if head := m.src.head(); m.barred && len(paid) > 0 && len(given) == 0 && head.Time >= m.order.Src.RescueStart().Add(modelSlack) {
		if left := head.held[m.order.Src.Escrow]; left.native > 0 {
			m.fail("left behind: %d of src's deposit", left.native)
		}
		m.note("the deposit came out alone")
	}
	if m.hostile {
		return
	}
	// With sane windows and chains that go on, everybody gets his due.
	switch {
	case m.excused != "":
	case len(paid) > 0 && len(taken) == 0:
		m.fail("lost: dst was paid and src not claimed")
	case len(paid) == 0 && len(taken) > 0 && len(m.dst.head().legs) > 0:
		// A stranger who claims src for us with a leaked secret, when it is too
		// late to pay, leaves dst's funds for a person to decide on.
		if ours(taken) || m.leak < 0 {
			m.fail("robbed: src was taken and dst not paid")
		}
	case !finished:
		m.fail("not finished: paid %v, taken %v, back %v, given %v", paid, taken, back, given)
	}
}

// The money of sane swaps ends where it should, whoever stops working when.
func TestModelSane(t *testing.T) {
	runModels(t, modelRuns, false)
}

// Whatever happens, nothing is lost or taken by our own hand.
func TestModelHostile(t *testing.T) {
	runModels(t, modelRuns, true)
}

func runModels(t *testing.T, n int, hostile bool) {
	t.Helper()
	if testing.Short() {
		n /= 10
	}
	done := map[string]int{}
	for seed := range n {
		m := newModel(t, uint64(seed), hostile)
		m.run()
		for _, c := range []*simChain{m.src, m.dst} {
			for _, e := range c.head().ends {
				if e.by == "us" {
					done[fmt.Sprint(c.head().legs[e.escrow].Side, " ", e.what())]++
				}
			}
		}
	}
	t.Log(done)
	want := []string{"src withdraw", "src cancel", "dst cancel", "dst withdraw"}
	if hostile {
		want = append(want, "src rescueFunds", "src rescueFunds of coin")
	}
	for _, call := range want {
		if done[call] == 0 {
			t.Errorf("no run needed %s", call)
		}
	}
}
