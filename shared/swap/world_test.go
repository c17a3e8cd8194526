package swap

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// The stage of the planning tests: two chains with one block a second. Times
// are written as seconds after src was created: src can be withdrawn in
// [100,300), publicly from 200, cancelled from 300, publicly from 400. The dst
// leg is created dstLate seconds later, so that it can be withdrawn in
// [70,270), publicly from 170, and cancelled from 270.
const (
	srcChain = uint64(8453)
	dstChain = uint64(10)

	zeroTime = deployed
	dstLate  = 20
	depth    = 5 // confirmations in blocks, and thus seconds

	inclusion = 2
	overdue   = 10
	syncLag   = 15
)

var (
	signer  = named("signer")
	holder  = named("holder of the access token")
	helper  = named("helper account")
	srcCoin = named("src token")
	dstCoin = named("dst token")
	preimag = secretOf("secret")
)

// block returns the block of a chain at that second.
func block(at int64) Block {
	return Block{Number: uint64(1000 + at), Time: zeroTime.Add(at), Hash: common.BigToHash(uint256.NewInt(uint64(1000 + at)).ToBig())}
}

// place returns a position in that block; n tells transactions apart.
func place(at int64, n uint) Position {
	b := block(at)
	return Position{Block: b.Number, BlockHash: b.Hash, Time: b.Time, Index: n,
		Tx: crypto.Keccak256Hash([]byte(fmt.Sprint("tx ", at, " ", n)))}
}

// reporter is the part of testing.T that rapid.T has too.
type reporter interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// world is an order with what is known of it: the given part of a situation.
type world struct {
	order  Order
	facts  map[uint64]Provisional
	views  Views
	policy Policy
	family Family
	events uint // so far
}

// step changes a world.
type step func(*world)

// newWorld has a src leg that is final and funded, on two chains that have been
// read to second 0.
func newWorld(f Family, steps ...step) *world {
	w := &world{family: f, facts: map[uint64]Provisional{}, views: Views{}, policy: testPolicy()}
	src := testFactory(f)
	im := testImmutables()
	im.Token, im.Amount, im.SafetyDeposit = wordOf(srcCoin), word(256), word(32)
	leg := src.Leg(Src, im, place(0, 0))
	w.order = NewOrder(SrcCreated{Leg: leg, Expect: Complement{Maker: wordOf(maker), Amount: word(512),
		Token: wordOf(dstCoin), SafetyDeposit: word(16), ChainID: word(dstChain), Parameters: feeParameters(f, 0, 0)}})
	w.order.Src.Final = true
	fund(&w.order.Src, 0)
	w.at(0, 0)
	for _, s := range steps {
		s(w)
	}
	return w
}

func word(v uint64) Word { return uint256.NewInt(v).Bytes32() }

// feeParameters are those of a fee-line dst leg; nil in the other families.
func feeParameters(f Family, protocol, integrator uint64) []byte {
	if f != OneInchV11 {
		return nil
	}
	p, i := word(protocol), word(integrator)
	return append(append(p[:], i[:]...), make([]byte, 64)...)
}

// fund sets the balances to what the leg should hold.
func fund(r *LegRecord, at int64) {
	r.Balance = Balance{Block: block(at), Token: r.Immutables.AmountInt(), Native: r.Immutables.DepositInt()}
	if r.Side == Dst && r.IsNative() {
		r.Balance.Token.Add(&r.Balance.Token, &r.Balance.Native)
		r.Balance.Native = r.Balance.Token
	}
}

func testPolicy() Policy {
	caps := map[Call]uint256.Int{}
	for _, c := range []Call{Withdraw, PublicWithdraw, Cancel, PublicCancel, RescueFunds} {
		caps[c] = *uint256.NewInt(10)
	}
	chain := func(coin common.Address) ChainPolicy {
		return ChainPolicy{MinBlockTime: 1, Inclusion: inclusion, FeeCap: caps,
			Tokens: map[common.Address]TokenPolicy{coin: {Symbol: "T", WeiPerUnit: *uint256.NewInt(1)}},
			Takers: map[common.Address]TakerPolicy{taker: {Signer: taker, Path: PathEOA}}}
	}
	return Policy{Chains: map[uint64]ChainPolicy{srcChain: chain(srcCoin), dstChain: chain(dstCoin)},
		Horizon: 60, SyncLag: syncLag, Overdue: overdue}
}

// at moves both chains: heads at these seconds, logs read to the head, final
// marks as deep as the chains' confirmations.
func (w *world) at(src, dst int64) {
	set := func(chain uint64, at int64) {
		w.views[chain] = ChainView{ChainID: chain, Head: block(at), SyncedTo: block(at), Final: block(at - depth)}
	}
	set(srcChain, src)
	set(dstChain, dst)
}

// leg finds a leg by name: "src", "dst" (the first), "dst2", "dst3".
func (w *world) leg(name string) *LegRecord {
	switch name {
	case "src":
		return &w.order.Src
	case "dst":
		return &w.order.Dsts[0]
	}
	return &w.order.Dsts[name[3]-'1']
}

// dstLeg makes the dst leg that the maker expects, changed by the caller.
func (w *world) dstLeg(createdAt int64, change func(*Immutables)) Leg {
	f := testFactory(w.family)
	f.ChainID, f.Address = dstChain, named("dst factory")
	leg, ok := f.PredictDst(SrcCreated{Leg: w.order.Src.Leg, Expect: w.order.Expect}, zeroTime.Add(createdAt))
	if !ok {
		panic("no dst leg")
	}
	if change != nil {
		change(&leg.Immutables)
	}
	return f.Leg(Dst, leg.Immutables, place(createdAt, 0))
}

// withDst adds a final, funded dst leg of ours.
func withDst(w *world) { withDstAt(dstLate)(w) }

func withDstAt(createdAt int64) step {
	return func(w *world) {
		if !w.order.AddDst(w.dstLeg(createdAt, nil), true) {
			panic("dst leg not added")
		}
		d := &w.order.Dsts[len(w.order.Dsts)-1]
		d.Final = true
		fund(d, createdAt)
	}
}

// replaceSrc gives the src leg other immutables, and thus another address.
func (w *world) replaceSrc(im Immutables) {
	b := w.order.Src.Balance
	w.order = NewOrder(SrcCreated{Leg: testFactory(w.family).Leg(Src, im, place(0, 0)), Expect: w.order.Expect})
	w.order.Src.Final, w.order.Src.Balance = true, b
}

// nativeDst: the maker wants the native coin.
func nativeDst(w *world) {
	w.order.Expect.Token = Word{}
	withDst(w)
}

// final and seen add an event of a leg at a second.
func final(name string, kind EventKind, at int64) step {
	return func(w *world) {
		ev := w.event(name, kind, at)
		w.order.Learn(ev.Secret)
		if !w.order.AddEvent(ev) {
			panic("event not added")
		}
		w.spend(name, kind, at)
	}
}

func seen(name string, kind EventKind, at int64) step {
	return func(w *world) {
		ev := w.event(name, kind, at)
		w.order.Learn(ev.Secret)
		p := w.facts[ev.ChainID]
		p.ChainID = ev.ChainID
		p.AddEvent(ev)
		w.facts[ev.ChainID] = p
	}
}

func (w *world) event(name string, kind EventKind, at int64) EscrowEvent {
	l := w.leg(name)
	w.events++
	ev := EscrowEvent{ChainID: l.ChainID, Escrow: l.Escrow, Kind: kind, At: place(at, w.events)}
	switch kind {
	case Withdrawn:
		ev.Secret = preimag
	case Rescued:
		ev.Token, ev.Amount = l.Immutables.TokenAddress(), l.Immutables.AmountInt()
	case Cancelled:
		w.order.AddTrace(l.ChainID, l.Escrow, Trace{Tx: ev.At.Tx, Block: ev.At.BlockHash, Returned: l.Immutables.AmountInt()})
	}
	return ev
}

// traced replaces what was found of the leg's cancellations, which is else that
// all came back: one reading for each, of what was returned and what went astray.
func traced(name string, moved ...[2]uint64) step {
	return func(w *world) {
		l := w.leg(name)
		was := l.Traces
		l.Traces = nil
		for i, m := range moved {
			w.order.AddTrace(l.ChainID, l.Escrow, Trace{Tx: was[i].Tx, Block: was[i].Block, Returned: *uint256.NewInt(m[0]), Astray: *uint256.NewInt(m[1])})
		}
	}
}

// spend reads the balances after the leg has ended.
func (w *world) spend(name string, kind EventKind, at int64) {
	l := w.leg(name)
	deposit := l.Immutables.DepositInt()
	l.Balance = Balance{Block: block(at)}
	if kind == Rescued {
		l.Balance.Native = deposit
	}
}

// public: the secret is known from elsewhere, another order with the same hashlock.
func public(w *world) { w.order.Learn(preimag) }

// holding sets the balances read of a leg.
func holding(name string, at int64, token, native uint64) step {
	return func(w *world) {
		w.leg(name).Balance = Balance{Block: block(at), Token: *uint256.NewInt(token), Native: *uint256.NewInt(native)}
	}
}

// mute: the token gives no balance.
func mute(name string, at int64, native uint64) step {
	return func(w *world) {
		w.leg(name).Balance = Balance{Block: block(at), Native: *uint256.NewInt(native), Mute: true}
	}
}

// silent: the token gave no balance to a reading, which is stored as readings are.
func silent(name string, at int64, native uint64) step {
	return func(w *world) {
		l, s := w.leg(name), Fold(w.order, w.facts)
		b := Balance{Block: block(at), Native: *uint256.NewInt(native), Mute: true}
		w.order.SetBalance(l.ChainID, l.Escrow, s.Heard(l.ChainID, l.Escrow, b))
	}
}

// change edits the world in any other way.
func change(f func(*world)) step { return f }

// on edits the policy of a chain.
func on(chain uint64, f func(*ChainPolicy)) step {
	return func(w *world) {
		c := w.policy.Chains[chain]
		f(&c)
		w.policy.Chains[chain] = c
	}
}

func takerPath(path Path, signer common.Address) step {
	return func(w *world) {
		for chain := range w.policy.Chains {
			on(chain, func(c *ChainPolicy) { c.Takers = map[common.Address]TakerPolicy{taker: {signer, path}} })(w)
		}
	}
}

// throughResolver: the taker is a contract. byToken: no key of the taker, but
// somebody holds an access token.
func throughResolver(w *world) { takerPath(PathResolver, signer)(w) }

func byToken(w *world) {
	takerPath(PathNone, common.Address{})(w)
	for chain := range w.policy.Chains {
		on(chain, func(c *ChainPolicy) { c.AccessTokenSigner = holder })(w)
	}
}

// plan decides at the given heads.
func (w *world) plan(t reporter, src, dst int64) (State, Decision) {
	t.Helper()
	w.at(src, dst)
	return w.decide(t)
}

// decide decides as things stand.
func (w *world) decide(t reporter) (State, Decision) {
	t.Helper()
	s := Fold(w.order, w.facts)
	d, err := Plan(s, w.views, w.policy)
	if err != nil {
		t.Fatal(err)
	}
	checkDecision(t, s, w.views, d)
	return s, d
}

// say writes what a decision wants, in the order of the legs: "src.withdraw"
// for a call that is legal in a block at the head's time, "src.withdraw+7" for
// one that becomes so in 7 seconds, "src.cancel!reason" for one refused. A rescue
// of native coin from a leg of another token is "src.rescueFunds(coin)".
func say(w *world, d Decision) string {
	var out []string
	for _, a := range d.Actions {
		s := w.name(a.Escrow) + "." + a.Call.String()
		if a.Call == RescueFunds && a.Token == zeroAddress && w.order.TokenAt(a.ChainID, a.Escrow) != zeroAddress {
			s += "(coin)"
		}
		switch ahead := a.From.Sub(w.views[a.ChainID].Head.Time); {
		case a.Refused != "":
			s += "!" + string(a.Refused)
		case ahead > 0:
			s += fmt.Sprintf("+%d", ahead)
		}
		out = append(out, s)
	}
	if d.Finished {
		out = append(out, "finished")
	}
	return strings.Join(out, " ")
}

// sayFindings writes the findings: "code:severity@leg".
func sayFindings(w *world, d Decision) string {
	var out []string
	for _, f := range d.Findings {
		s := fmt.Sprintf("%s:%s@%s", f.Code, f.Severity, w.name(f.Escrow))
		if f.Level != 0 {
			s += fmt.Sprint("<", f.Level)
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (w *world) name(escrow common.Address) string {
	if escrow == w.order.ID.Escrow {
		return "src"
	}
	for i, d := range w.order.Dsts {
		if d.Escrow == escrow {
			return cmp.Or(map[int]string{0: "dst"}[i], fmt.Sprint("dst", i+1))
		}
	}
	return "candidate"
}

// halt returns a view whose chain has been silent for that long.
func halt(chain uint64, age time.Duration) step {
	return func(w *world) {
		v := w.views[chain]
		v.HeadAge = age
		w.views[chain] = v
	}
}
