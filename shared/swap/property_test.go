package swap

import (
	"bytes"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"
)

// forAll runs a property on n random cases, of which rapid prints the smallest
// that fails together with its seed.
func forAll(t *testing.T, n int, prop func(*rapid.T)) {
	t.Helper()
	if testing.Short() {
		n /= 10
	}
	if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, prop)
}

// anyWorld draws an order with anything that can be read of one: hostile
// windows, missing or contradictory events, old balances, views that lag, and
// operators who configure little.
func anyWorld(r *rapid.T) *world {
	yes := func(name string, of int) bool { return rapid.IntRange(0, of-1).Draw(r, name) == of-1 }
	second := func(name string) int64 { return rapid.Int64Range(0, 700).Draw(r, name) }
	w := newWorld(rapid.SampledFrom(Families()).Draw(r, "family"))
	if yes("odd windows", 3) {
		locks := Timelocks{DeployedAt: uint32(zeroTime)}
		for s := range locks.Offsets {
			locks.Offsets[s] = uint32(second(Stage(s).String()))
		}
		if yes("odd deployedAt", 4) {
			locks.DeployedAt = rapid.SampledFrom([]uint32{0, 1, 1<<32 - 1}).Draw(r, "deployedAt")
		}
		im := w.order.Src.Immutables
		im.Timelocks = locks.Pack()
		w.replaceSrc(im)
	}
	w.order.Src.Final = !yes("src not final", 8)
	switch {
	case yes("dst wants nothing", 12):
		w.order.Expect.Amount = Word{}
	case yes("native", 4):
		w.order.Expect.Token = Word{}
	}
	if yes("unknown dst chain", 16) {
		w.order.Expect.ChainID = word(5)
	} else {
		for i := range rapid.IntRange(0, 3).Draw(r, "dst legs") {
			name := fmt.Sprint("dst", i+1, " ")
			l := w.dstLeg(second(name+"created"), func(im *Immutables) {
				if w.family == BMNv4 && yes(name+"odd deployedAt", 4) {
					*im = im.WithDeployedAt(ChainTime(rapid.SampledFrom([]uint32{0, uint32(zeroTime) + 200, 1<<32 - 1}).Draw(r, name+"deployedAt")))
				}
				if w.family == OneInchV11 && yes(name+"odd parameters", 4) {
					im.Parameters = rapid.SampledFrom([][]byte{nil, feeParameters(w.family, 500, 0)}).Draw(r, name+"parameters")
				}
			})
			if w.order.AddDst(l, !yes(name+"of a stranger", 3)) {
				w.order.Dsts[len(w.order.Dsts)-1].Final = !yes(name+"not final", 4)
			}
		}
		for i := range rapid.IntRange(0, 2).Draw(r, "candidates") {
			w.order.AddCandidate(DstCreated{ChainID: dstChain, Escrow: named(fmt.Sprint("candidate ", i)), At: place(second("candidate created"), 5)})
		}
	}
	for _, e := range w.order.Escrows() {
		if rec := w.order.leg(e.ChainID, e.Escrow); rec != nil && yes("balance as it should be", 2) {
			fund(rec, second("balance read"))
		} else if !yes("balance unread", 3) {
			w.order.SetBalance(e.ChainID, e.Escrow, Balance{Block: block(second("balance read")),
				Token: *uint256.NewInt(rapid.Uint64Range(0, 600).Draw(r, "token")), Native: *uint256.NewInt(rapid.Uint64Range(0, 600).Draw(r, "native"))})
		}
	}
	for range rapid.IntRange(0, 5).Draw(r, "events") {
		ev := anyEvent(r, w)
		if yes("provisional", 2) {
			p := w.facts[ev.ChainID]
			p.ChainID = ev.ChainID
			p.AddEvent(ev)
			w.facts[ev.ChainID] = p
		} else {
			w.order.AddEvent(ev)
		}
		if ev.Kind == Withdrawn {
			w.order.Learn(ev.Secret)
		}
	}
	for _, e := range w.order.Escrows() {
		if yes("creation seen", 2) {
			p := w.facts[e.ChainID]
			p.ChainID, p.Legs = e.ChainID, append(p.Legs, e)
			w.facts[e.ChainID] = p
		}
	}
	if yes("secret public", 3) {
		public(w)
	}
	anyViews(r, w)
	anyPolicy(r, w)
	return w
}

// anyEvent draws an event of one of the order's escrows.
func anyEvent(r *rapid.T, w *world) EscrowEvent {
	e := rapid.SampledFrom(w.order.Escrows()).Draw(r, "escrow")
	w.events++
	ev := EscrowEvent{ChainID: e.ChainID, Escrow: e.Escrow, At: place(rapid.Int64Range(0, 700).Draw(r, "event at"), w.events),
		Kind: rapid.SampledFrom([]EventKind{Withdrawn, Withdrawn, Cancelled, Cancelled, Rescued}).Draw(r, "kind")}
	switch ev.Kind {
	case Withdrawn:
		ev.Secret = preimag
	case Rescued:
		ev.Token, ev.Amount = w.order.TokenAt(e.ChainID, e.Escrow), *uint256.NewInt(rapid.Uint64Range(0, 600).Draw(r, "rescued"))
	}
	return ev
}

func anyViews(r *rapid.T, w *world) {
	w.views = Views{}
	for _, chain := range []uint64{srcChain, dstChain} {
		if chain == dstChain && rapid.IntRange(0, 9).Draw(r, "dst unread") == 0 {
			continue
		}
		head := rapid.Int64Range(0, 800).Draw(r, "head")
		synced := max(0, head-rapid.SampledFrom([]int64{0, 0, 0, 5, 30, 300}).Draw(r, "behind"))
		w.views[chain] = ChainView{ChainID: chain, Head: block(head), SyncedTo: block(synced),
			Final:   block(max(0, synced-rapid.SampledFrom([]int64{0, depth, depth, 300}).Draw(r, "unfinal"))),
			HeadAge: time.Duration(rapid.SampledFrom([]int{0, 1, 3600}).Draw(r, "age")) * time.Second}
	}
}

func anyPolicy(r *rapid.T, w *world) {
	rare := func(name string) bool { return rapid.IntRange(0, 7).Draw(r, name) == 7 }
	for _, chain := range []uint64{srcChain, dstChain} {
		on(chain, func(c *ChainPolicy) {
			if rare("other path") {
				c.Takers = map[common.Address]TakerPolicy{taker: {signer, rapid.SampledFrom([]Path{PathNone, PathResolver}).Draw(r, "path")}}
			}
			if rare("token holder") {
				c.Takers = map[common.Address]TakerPolicy{taker: {}}
				c.AccessTokenSigner = holder
			}
			if rare("caps") {
				c.FeeCap = map[Call]uint256.Int{rapid.SampledFrom(Calls()).Draw(r, "cap"): *uint256.NewInt(100)}
			}
			if rare("tokens") {
				c.Tokens = rapid.SampledFrom([]map[common.Address]TokenPolicy{nil, {srcCoin: {}, dstCoin: {}}}).Draw(r, "list")
			}
		})(w)
	}
	if rare("warnings") {
		w.policy.WarnLevels = []int64{100, 10}
	}
	w.policy.Overdue = rapid.SampledFrom([]int64{0, overdue}).Draw(r, "overdue")
}

// What may never be wanted, whatever is read.
func TestPlanProperties(t *testing.T) { forAll(t, 4_000, planProperties) }

func FuzzPlan(f *testing.F) {
	for _, seed := range []string{"", "a", "swap", "a longer seed with more choices in it, of which some are strange"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(rapid.MakeFuzz(planProperties))
}

func planProperties(r *rapid.T) {
	w := anyWorld(r)
	s := Fold(w.order, w.facts)
	before := fmt.Sprintf("%+v %+v %+v", s, w.views, w.policy)
	d, err := Plan(s, w.views, w.policy)
	if err != nil {
		r.Fatal(err)
	}
	if after := fmt.Sprintf("%+v %+v %+v", s, w.views, w.policy); after != before {
		r.Error("Plan changed its input")
	}
	if again, _ := Plan(s, w.views, w.policy); !reflect.DeepEqual(again, d) {
		r.Error("the same input gave another decision")
	}
	checkDecision(r, s, w.views, d)
	checkCancelSrc(r, s, w.views, d)
	for i, a := range d.Actions {
		if slices.ContainsFunc(d.Actions[:i], func(b Action) bool { return a.Key() == b.Key() }) {
			r.Errorf("%s twice", a.Key())
		}
		if a.Refused.Waits() && a.Refused == "" {
			r.Error("wanted and waiting")
		}
	}
	seen := map[string]bool{}
	for _, f := range d.Findings {
		if k := fmt.Sprint(f.Code, f.ChainID, f.Escrow, f.Level); seen[k] && f.Code != CannotAct && f.Code != DepositMissing {
			r.Errorf("%s twice", k)
		} else {
			seen[k] = true
		}
		if f.Order != w.order.ID {
			r.Errorf("finding of another order: %+v", f)
		}
	}
}

// checkCancelSrc: when src is to be cancelled, every dst leg that could have
// paid with anybody's money is over by final facts.
func checkCancelSrc(t reporter, s State, views Views, d Decision) {
	t.Helper()
	cancels := slices.ContainsFunc(d.Actions, func(a Action) bool {
		return a.Side == Src && a.Refused == "" && (a.Call == Cancel || a.Call == PublicCancel)
	})
	if !cancels {
		return
	}
	v := views[s.DstChainID()]
	for i := range s.Dsts {
		l := &s.Dsts[i]
		amount := l.Immutables.AmountInt()
		neverPays := amount.IsZero() || l.Status == LegAbsent ||
			shortOf(l) || l.Family == OneInchV11 && !l.Ours && !bytes.Equal(l.Immutables.Parameters, s.Expect.Parameters) ||
			l.Family == BMNv4 && l.IsNative() && l.open() && l.Balance.Known() && l.Balance.Block.Number <= v.Final.Number && l.Balance.Token.Lt(&amount)
		gaveBack := l.Final && (l.Status == LegCancelled || l.Status == LegRescued)
		if over := v.Final.Time >= l.At(DstCancellation); !neverPays && !gaveBack && !over {
			t.Errorf("src is to be cancelled while dst %s is %s (final %t), its end %d, final logs to %d",
				l.Escrow, l.Status, l.Final, l.At(DstCancellation), v.Final.Time)
		}
	}
	if v.SyncedTo.Number == 0 {
		t.Error("src is to be cancelled though nothing of dst was read")
	}
}

// Fold does not depend on the order of events, on repetition, nor on whether a
// final event is still among the provisional ones.
func TestFoldProperties(t *testing.T) {
	forAll(t, 1_500, func(r *rapid.T) {
		w := anyWorld(r)
		want := Fold(w.order, w.facts)
		o, facts := w.order, map[uint64]Provisional{}
		o.Events = rapid.Permutation(o.Events).Draw(r, "final events")
		for chain, p := range w.facts {
			var again []EscrowEvent
			for _, ev := range append(slices.Clone(p.Events), o.Events...) {
				if ev.ChainID == chain && rapid.Bool().Draw(r, "twice") {
					again = append(again, ev)
				}
			}
			p.Events = rapid.Permutation(append(slices.Clone(p.Events), again...)).Draw(r, "provisional events")
			facts[chain] = p
		}
		got := Fold(o, facts)
		got.Events = want.Events
		if !reflect.DeepEqual(got, want) {
			r.Errorf("got %+v\nwant %+v", got, want)
		}
	})
}

// A reorganisation is as if the facts had never been seen, but for the secret.
func TestFoldReorg(t *testing.T) {
	forAll(t, 1_500, func(r *rapid.T) {
		w := anyWorld(r)
		never := Fold(w.order, nil)
		withFacts := Fold(w.order, w.facts)
		if withFacts.Secret == nil && never.Secret != nil {
			r.Error("a fact unlearned the secret")
		}
		for i, l := range legsOf(&never) {
			if m := legsOf(&withFacts)[i]; l.ended() && l.Final && !m.ended() {
				r.Errorf("a provisional fact undid a final end: %s became %s", l.Status, m.Status)
			}
		}
		if withFacts.Secret != nil {
			w.order.Learn(*withFacts.Secret)
		}
		w.facts = map[uint64]Provisional{srcChain: {ChainID: srcChain}, dstChain: {ChainID: dstChain}}
		after := Fold(w.order, w.facts)
		never.Secret, after.Secret = nil, nil
		never.Order.Secret, after.Order.Secret = nil, nil
		never.Wakes, after.Wakes = Wakes{}, Wakes{}
		if !reflect.DeepEqual(after, never) {
			r.Errorf("after the reorg %+v\nnever seen %+v", after, never)
		}
	})
}

// Storing what Diff says leaves nothing to say; work in flight stays.
func TestDiffProperties(t *testing.T) {
	forAll(t, 1_500, func(r *rapid.T) {
		w := anyWorld(r)
		st := stored{}
		for range 3 {
			s, d := w.decide(r)
			inFlight := map[ActionKey]Work{}
			for k, x := range st {
				if x.State == WorkSubmitted {
					inFlight[k] = x
				}
			}
			st.apply(r, Diff(s, d, st.live()))
			if n := len(Diff(s, d, st.live())); n != 0 {
				r.Errorf("%d items to write after all was written", n)
			}
			for k, x := range inFlight {
				if st[k] != x {
					r.Errorf("changed work in flight: %+v", x)
				}
			}
			for _, a := range d.Actions {
				if x, ok := st[a.Key()]; a.Refused == "" && !ok || ok && a.Refused == "" && x.Action != a && x.State != WorkSubmitted {
					r.Errorf("%s is wanted and not stored so", a.Key())
				}
			}
			for k, x := range st {
				x.State = rapid.SampledFrom([]WorkState{WorkPlanned, WorkRefused, WorkSubmitted}).Draw(r, "state")
				st[k] = x
			}
			w.order.AddEvent(anyEvent(r, w))
			anyViews(r, w)
		}
	})
}

// Balances that Plan needs are asked for, and asking comes to an end.
func TestWantBalancesProperties(t *testing.T) {
	forAll(t, 1_500, func(r *rapid.T) {
		w := anyWorld(r)
		s := Fold(w.order, w.facts)
		for _, id := range s.WantBalances(w.views) {
			if !w.order.knows(id.ChainID, id.Escrow) || w.views[id.ChainID].Head.Number == 0 {
				r.Errorf("asks for %s", id)
			}
			w.order.SetBalance(id.ChainID, id.Escrow, Balance{Block: w.views[id.ChainID].Head})
		}
		s = Fold(w.order, w.facts)
		for _, id := range s.WantBalances(w.views) {
			// Only an end that lies beyond the head that was read asks again.
			if l := w.order.leg(id.ChainID, id.Escrow); l == nil || l.Balance.Block != w.views[id.ChainID].Head {
				r.Errorf("asks twice for %s", id)
			} else if ls := foldLeg(&w.order, l, w.facts[id.ChainID]); !(ls.ended() && !ls.balanceSince() || len(ls.Rescue) > 0) {
				r.Errorf("asks again for %s (%s) at the same head", id, ls.Status)
			}
		}
	})
}
