package follow_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// Decoys with our taker and hashlock, each wrong in one thing.
func TestDecoyDst(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		w := newWorld(t)
		w.later(60)
		w.pass()
		tr := w.trade(fam)
		wrong := map[string]func(*swap.Immutables){
			"amount":  func(im *swap.Immutables) { im.Amount = number(0) },
			"maker":   func(im *swap.Immutables) { im.Maker = addressWord(stranger) },
			"token":   func(im *swap.Immutables) { im.Token = addressWord(named("worthless")) },
			"windows": func(im *swap.Immutables) { im.Timelocks[31]++ },
			"order":   func(im *swap.Immutables) { im.OrderHash = hashOf("other") },
		}
		a, b := w.chains[chainA], w.chains[chainB]
		a.mine(tr.createSrc(taker))
		w.pass()
		var txs []simTx
		for name, spoil := range wrong {
			im := tr.dstImmutables()
			spoil(&im)
			txs = append(txs, tr.createDst(name, stranger, im))
		}
		mine := tr.dstImmutables()
		mine.Amount = number(69)
		b.mine(append(txs, tr.createDst("our own mistake", helper, mine), tr.createTrueDst(helper))...)
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegOpen)
		if n := w.found(swap.DecoyDst, swap.Critical); n != 1 {
			t.Errorf("%d critical findings at once, want the one about our own money", n)
		}
		w.later(12 * confirmations)
		w.findings = nil
		if res := w.pass(); res.Decoys != len(wrong)+1 {
			t.Errorf("%d decoys", res.Decoys)
		}
		if n := w.found(swap.DecoyDst, swap.Warning); n != len(wrong) {
			t.Errorf("%d warnings: %s", n, pretty(w.findings))
		}
		w.later(12 * confirmations)
		w.findings = nil
		w.pass()
		if len(w.findings) > 0 {
			t.Errorf("told again: %s", pretty(w.findings))
		}
		w.want(tr, swap.LegOpen, swap.LegOpen)
		if n := len(w.watched(chainB)); n != 1 {
			t.Errorf("%d escrows watched on dst", n)
		}
	})
}

// Thousands of them, before and after the true leg, in one block and in many:
// the work of a round is bounded, nothing is lost, and the rest goes on.
func TestDecoyFlood(t *testing.T) {
	flood := 2500
	if testing.Short() {
		flood /= 2
	}
	for _, perBlock := range []int{1, 50, flood} {
		t.Run(fmt.Sprint(perBlock, " a block"), func(t *testing.T) {
			w, other := started(t, swap.OneInchV1)
			tr := w.trade(swap.BMNv4)
			a, b := w.chains[chainA], w.chains[chainB]
			a.mine(tr.createSrc(taker))
			w.pass()
			decoys := func(n int, kind string) {
				var txs []simTx
				for i := range n {
					im := tr.dstImmutables()
					im.Amount = number(uint64(1000 + i))
					txs = append(txs, tr.createDst(fmt.Sprint(kind, i), stranger, im))
					if len(txs) == perBlock || i == n-1 {
						b.mine(txs...)
						txs = nil
					}
				}
			}
			decoys(flood, "before")
			b.mine(tr.createTrueDst(stranger), other.withdraw("dst"))
			decoys(flood/5, "after")
			b.mineEmpty(confirmations)
			for a.head().Time < b.head().Time {
				a.mine()
			}
			before := w.Calls("rpc.transactions.2")
			w.pass()
			calls := w.Calls("rpc.transactions.2") - before
			t.Logf("%d calls for transactions", calls)
			if calls > 60 {
				t.Errorf("%d calls for transactions", calls)
			}
			w.want(tr, swap.LegOpen, swap.LegOpen)
			w.want(other, swap.LegOpen, swap.LegWithdrawn)
			o := w.order(w.id(tr))
			if len(o.Dsts) != 1 || len(o.Candidates) != 0 {
				t.Errorf("%d legs, %d candidates", len(o.Dsts), len(o.Candidates))
			}
			if n := w.found(swap.DecoyDst, swap.Warning); n != 1000 {
				t.Errorf("%d findings", n)
			}
			if got := w.stored(chainB); got.To.Number != b.head().Number {
				t.Errorf("read up to %d of %d", got.To.Number, b.head().Number)
			}
			if n := len(w.watched(chainB)); n != 2 {
				t.Errorf("%d escrows watched", n)
			}
		})
	}
}

// Nothing proves these, so the order keeps what it has room for; when one is
// proven later, by the final reading, it becomes a leg.
func TestUnprovenDst(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	tr := w.trade(swap.BMNv4)
	a, b := w.chains[chainA], w.chains[chainB]
	a.mine(tr.createSrc(taker))
	b.noTx = true
	b.mine(tr.createTrueDst(helper))
	w.pass()
	o := w.order(w.id(tr))
	if len(o.Dsts) != 0 || len(o.Candidates) != 1 || len(w.watched(chainB)) != 1 {
		t.Fatalf("%s", pretty(o))
	}
	b.mine(tr.withdraw("dst"))
	w.pass()
	if w.order(o.ID).Secret == nil {
		t.Error("what a candidate reveals was not learned")
	}
	b.noTx = false
	w.pass()
	o = w.order(o.ID)
	w.want(tr, swap.LegOpen, swap.LegWithdrawn)
	if len(o.Candidates) != 0 || !o.Dsts[0].Ours {
		t.Errorf("%s", pretty(o))
	}

	other := w.trade(swap.BMNv4)
	a.mine(other.createSrc(taker))
	var txs []simTx
	for i := range 3 * swap.MaxCandidates {
		im := other.dstImmutables()
		im.Amount = number(uint64(i))
		tx := other.createDst(fmt.Sprint("blind", i), stranger, im)
		tx.input = nil
		txs = append(txs, tx)
	}
	b.mine(txs...)
	w.pass()
	if o := w.order(w.id(other)); len(o.Candidates) != swap.MaxCandidates {
		t.Errorf("%d candidates", len(o.Candidates))
	}
	if w.found(swap.ParkedDst, swap.Critical) != 1 {
		t.Errorf("findings: %s", pretty(w.findings))
	}
	b.mine(other.createTrueDst(stranger))
	w.pass()
	w.want(other, swap.LegOpen, swap.LegOpen)
}

// A leg that the complement predicts is proven without its transaction; that
// it is of our making turns out later.
func TestOursTurnsOutLater(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	tr := w.trade(swap.OneInchV1)
	w.chains[chainA].mine(tr.createSrc(taker))
	b := w.chains[chainB]
	b.noTx = true
	b.mine(tr.createTrueDst(helper))
	w.pass()
	w.want(tr, swap.LegOpen, swap.LegOpen)
	if w.order(w.id(tr)).Dsts[0].Ours {
		t.Fatal("how does it know?")
	}
	b.noTx = false
	w.later(12 * confirmations)
	w.pass()
	if !w.order(w.id(tr)).Dsts[0].Ours {
		t.Error("still not ours")
	}
}

// Sources that anybody can make: refused without being stored unless they are
// worth a call or of our own making.
func TestDecoySrc(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	a := w.chains[chainA]
	decoy, mine := w.trade(swap.BMNv4, unlisted), w.trade(swap.BMNv4, unlisted)
	worth, fill := w.trade(swap.BMNv4), w.trade(swap.OneInchV11, unlisted)
	foreign := w.trade(swap.OneInchV1, forTaker(named("another resolver")))
	a.mine(decoy.createSrc(stranger), mine.createSrc(helper), worth.createSrc(stranger), fill.createSrc(stranger), foreign.createSrc(stranger))
	w.chains[chainB].mine(foreign.createTrueDst(stranger))
	w.pass()
	told := func() int {
		return len(slices.DeleteFunc(slices.Clone(w.findings), func(f swap.Finding) bool { return f.Order != w.id(decoy) }))
	}
	if told() > 0 {
		t.Errorf("told before it is final: %s", pretty(w.findings))
	}
	w.later(12 * confirmations)
	if res := w.pass(); res.Refused != 1 || told() != 1 {
		t.Errorf("%d refused, findings %s", res.Refused, pretty(w.findings))
	}
	for _, tr := range []trade{mine, worth, fill} {
		w.want(tr, swap.LegOpen)
	}
	for _, tr := range []trade{decoy, foreign} {
		if w.order(w.id(tr)) != nil {
			t.Errorf("%s is stored", tr.name)
		}
	}
	if n := w.Calls("parked.park"); n != 0 {
		t.Errorf("%d calls to park", n)
	}
}

// Thousands of sources with one hashlock, each worth a call: only so many are
// taken up, but one of our own making always.
func TestSrcFlood(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	a, b := w.chains[chainA], w.chains[chainB]
	first := w.trade(swap.BMNv4)
	a.mine(first.createSrc(taker))
	w.pass()
	for range 30 {
		var txs []simTx
		for range 100 {
			txs = append(txs, w.trade(swap.BMNv4, withSecretOf(first)).createSrc(stranger))
		}
		a.mine(txs...)
	}
	last := w.trade(swap.BMNv4, withSecretOf(first))
	a.mine(last.createSrc(taker))
	b.mine(first.createTrueDst(taker), last.createTrueDst(taker))
	w.later(12 * confirmations)
	w.pass()
	w.want(first, swap.LegOpen, swap.LegOpen)
	w.want(last, swap.LegOpen, swap.LegOpen)
	if n := len(w.orders.All()); n > 40 {
		t.Errorf("%d orders", n)
	}
	if n := w.found(swap.Worthless, swap.Critical); n != 1000 {
		t.Errorf("%d findings", n)
	}
	b.mine(first.withdraw("dst"))
	w.pass()
	if w.order(w.id(last)).Secret == nil {
		t.Error("the secret was not learned by all")
	}
}

// Logs that no contract emits, or that were not asked for.
func TestHostileLogs(t *testing.T) {
	w, tr := started(t, swap.OneInchV1)
	src, dst := w.id(tr), w.escrow(tr, "dst")
	f := tr.factory[chainB]
	b := w.chains[chainB]
	topics := swap.EscrowTopics()
	lie := func(l swap.Log, block int) swap.Log {
		l.ChainID, l.At = chainB, swap.Position{Block: b.blocks[block].Number, BlockHash: b.blocks[block].Hash, Time: b.blocks[block].Time, Tx: hashOf("lie"), Index: 7}
		return l
	}
	b.mine(tr.withdraw("dst"))
	now := len(b.blocks) - 1
	foreign := lie(withdrawnLog(dst.Escrow, hashOf("no secret of this order")), now)
	otherChain := lie(cancelledLog(dst.Escrow), now)
	otherChain.ChainID = chainA
	b.extra = func(q follow.Query) []swap.Log {
		true1 := b.blocks[now].logs[0]
		return []swap.Log{
			lie(swap.Log{Address: f.Address, Topics: swap.FactoryTopics(f.Family)[1:2], Data: []byte{1}}, now),
			lie(swap.Log{Address: dst.Escrow, Topics: topics[:1]}, now),
			lie(swap.Log{Address: dst.Escrow, Topics: append(topics[:1:1], common.Hash{}), Data: make([]byte, 32)}, now),
			lie(swap.Log{Address: dst.Escrow}, now),
			lie(swap.Log{}, now),
			lie(cancelledLog(stranger), now),
			lie(cancelledLog(dst.Escrow), 1),
			otherChain, foreign, true1, true1,
			lie(dstLog(f, src.Escrow, tr.im), now),
		}
	}
	for range 3 {
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegWithdrawn)
		w.later(24)
	}
	w.pass()
	o := w.order(src)
	if len(o.Events) != 1 || o.Secret == nil || *o.Secret != tr.secret || len(o.Dsts) != 1 {
		t.Errorf("%s", pretty(o))
	}
	if n := w.found(swap.HostileLog, swap.Warning); n == 0 || n > 20 {
		t.Errorf("%d findings", n)
	}
}

// Parameters that no store would hold: the source is told and left alone, and
// everything else goes on. As long as is allowed, it is followed.
func TestLongParameters(t *testing.T) {
	const huge = 400 << 10
	for _, size := range []int{swap.MaxParameters, swap.MaxParameters + 1, huge} {
		long := func(tr *trade) { tr.expect.Parameters = bytes.Repeat([]byte{0xab}, size) }
		dirty := func(tr *trade) { tr.im.Parameters = bytes.Repeat([]byte{0xcd}, size) }
		for _, c := range []struct {
			name     string
			fam      swap.Family
			by       common.Address
			opt      option
			code     swap.FindingCode
			severity swap.Severity
		}{
			{"complement of a stranger's", swap.BMNv4, stranger, long, swap.HostileLog, swap.Warning},
			{"stranger's own", swap.BMNv4, stranger, dirty, swap.HostileLog, swap.Warning},
			{"complement of ours", swap.BMNv4, helper, long, swap.CannotAct, swap.Critical},
			{"complement of a fill", swap.OneInchV11, stranger, long, swap.CannotAct, swap.Critical},
		} {
			t.Run(fmt.Sprint(c.name, " ", size), func(t *testing.T) {
				w, other := started(t, swap.OneInchV1)
				tr := w.trade(c.fam, c.opt)
				a := w.chains[chainA]
				a.mine(tr.createSrc(c.by))
				w.chains[chainB].mine(other.withdraw("dst"))
				w.pass()
				followed := size <= swap.MaxParameters
				atOnce := !followed && c.severity == swap.Critical
				if n := w.found(c.code, c.severity); (n > 0) != atOnce {
					t.Errorf("%d findings before it is final: %s", n, pretty(w.findings))
				}
				w.later(12 * confirmations)
				w.pass()
				if got := w.order(w.id(tr)) != nil; got != followed {
					t.Errorf("stored: %v", got)
				}
				if n := w.found(c.code, c.severity); (n > 0) == followed {
					t.Errorf("%d findings: %s", n, pretty(w.findings))
				}
				w.want(other, swap.LegOpen, swap.LegWithdrawn)
				if got := w.stored(chainA); got.To.Number != a.head().Number {
					t.Errorf("the marks stopped at %d of %d", got.To.Number, a.head().Number)
				}
			})
		}
	}
}

// A source that a reorganisation brings back at its old address may have
// another complement; one with too long parameters does not get into the order.
func TestReorganisedToLongParameters(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	tr := w.trade(swap.BMNv4)
	a := w.chains[chainA]
	a.mine(tr.createSrc(taker))
	w.pass()
	before := w.order(w.id(tr)).Expect
	a.reorg(1, 0, func(simTx) bool { return false })
	tr.expect.Parameters = make([]byte, 400<<10)
	a.mine(tr.createSrc(taker))
	w.pass()
	w.later(12 * confirmations)
	w.pass()
	if o := w.order(w.id(tr)); len(o.Expect.Parameters) != len(before.Parameters) || w.fold(o.ID).Src.Status != swap.LegAbsent {
		t.Errorf("%d bytes of parameters, src %s", len(o.Expect.Parameters), w.fold(o.ID).Src.Status)
	}
	if w.found(swap.CannotAct, swap.Critical) == 0 {
		t.Error("nobody was told")
	}
}

// Whose making a source is may become known only when it is final.
func TestSourceOfOursTurnsOutLater(t *testing.T) {
	for _, from := range []common.Address{helper, stranger} {
		w := newWorld(t)
		w.later(60)
		w.pass()
		tr := w.trade(swap.BMNv4)
		a := w.chains[chainA]
		a.noTx = true
		a.mine(tr.createSrc(from))
		w.pass()
		if w.order(w.id(tr)).Src.Ours {
			t.Error("ours without a transaction")
		}
		a.noTx = false
		w.later(12 * confirmations)
		w.pass()
		if o := w.order(w.id(tr)); o.Src.Ours != (from == helper) || !o.Src.Final {
			t.Errorf("created by %s: ours %v, final %v", from, o.Src.Ours, o.Src.Final)
		}
	}
}

// copySrc creates a BMN source with the trade's complement and hashlock, of some
// worth and with a deployedAt of a stranger's choice.
func (w *world) copySrc(tr trade, deployedAt swap.ChainTime) (simTx, swap.OrderID) {
	f := factoryOf(tr.src, swap.BMNv4, "")
	im := tr.im.WithDeployedAt(deployedAt)
	im.Amount = number(50)
	return simTx{name: tr.name + " copy", from: stranger, run: func(st simState, _ swap.ChainTime) []swap.Log {
		st[tr.name+" copy"] = open(f.Leg(swap.Src, im, swap.Position{}))
		return []swap.Log{srcLog(f, im, tr.expect)}
	}}, swap.OrderID{ChainID: tr.src, Escrow: f.Escrow(swap.Src, im)}
}

// onDst lists the live work on dst legs.
func (w *world) onDst() []swap.Work {
	return slices.DeleteFunc(w.actions.All(), func(x swap.Work) bool { return x.Side != swap.Dst })
}

// The copy came first and has work planned: with the order that is meant it is
// given up at once.
func TestCopyGivesWay(t *testing.T) {
	w := newWorld(t)
	w.later(60)
	w.pass()
	tr := w.trade(swap.OneInchV1)
	tx, id := w.copySrc(tr, simEpoch)
	w.chains[chainA].mine(tx)
	w.chains[chainB].mine(tr.createTrueDst(taker))
	w.later(5100)
	w.pass()
	if got := w.onDst(); len(got) != 1 || got[0].Order != id {
		t.Fatalf("planned: %s", pretty(got))
	}
	w.chains[chainA].mine(tr.createSrc(taker))
	w.pass()
	if got := w.onDst(); len(got) != 1 || got[0].Order != w.id(tr) {
		t.Errorf("planned: %s", pretty(got))
	}
}

// Somebody copies a source before the dst leg comes, with windows of his own.
// The payment is reorganised away when ours has been claimed: the leg is our
// maker's, and the copy must not get it back for us.
func TestCopiedSource(t *testing.T) {
	forFamilies(t, func(t *testing.T, fam swap.Family) {
		w := newWorld(t)
		w.later(60)
		w.pass()
		tr := w.trade(fam)
		a, b := w.chains[chainA], w.chains[chainB]
		tx, id := w.copySrc(tr, simEpoch-7000) // expired
		a.mine(tx)
		a.mine(tr.createSrc(taker))
		w.pass()
		b.mine(tr.createTrueDst(taker))
		w.later(2100)
		w.pass()
		w.want(tr, swap.LegOpen, swap.LegOpen)
		if c := w.order(id); c == nil || len(c.Dsts) != 1 || c.Src.Ours || !w.order(w.id(tr)).Src.Ours && fam == swap.BMNv4 {
			t.Fatalf("the copy: %s", pretty(c))
		}
		b.mine(tr.withdraw("dst"))
		w.pass()
		a.mine(tr.withdraw("src"))
		b.reorg(1, 1, func(simTx) bool { return false })
		w.later(12 * confirmations)
		w.pass()
		w.want(tr, swap.LegWithdrawn, swap.LegOpen)
		if got := w.onDst(); len(got) != 1 || got[0].Call != swap.Withdraw || got[0].Order != w.id(tr) {
			t.Errorf("planned: %s", pretty(got))
		}
		w.later(3500) // past the leg's cancellation time
		for range 2 {
			w.pass()
			for _, x := range w.onDst() {
				if x.Call != swap.Withdraw {
					t.Errorf("planned for %s: %s", x.Order, x.Call)
				}
			}
			w.later(12)
		}
	})
}
