package follow_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/follow"
	"github.com/bridge-me-not/resolver-cron/shared/follow/followtest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

const (
	chainA, chainB = uint64(1), uint64(2)
	confirmations  = 4
	rewindDepth    = 6
	parkRoom       = 50
)

var (
	taker    = named("taker")
	helper   = named("helper")
	stranger = named("stranger")
	maker    = named("maker")
	coin     = named("listed token")
)

// world is two chains, the stores and what follows them.
type world struct {
	t testing.TB
	*sim
	orders   followtest.Orders
	facts    *followtest.Facts
	parked   *followtest.Parked
	actions  *watchtest.Actions
	config   map[uint64]follow.ChainConfig
	policy   swap.Policy
	findings []swap.Finding
	planned  map[swap.OrderID]int
	rings    int
	n        int
}

func factoryOf(chain uint64, fam swap.Family, name string) swap.Factory {
	return swap.Factory{ChainID: chain, Address: named(fmt.Sprint("factory", chain, fam, name)), Family: fam,
		SrcImpl: named("src implementation"), DstImpl: named("dst implementation"), SrcRescueDelay: 100_000, DstRescueDelay: 100_000, FromBlock: 1}
}

func newWorld(t testing.TB) *world {
	f := new(faulttest.Faults)
	w := &world{t: t, sim: newSim(f, map[uint64]swap.ChainTime{chainA: 12, chainB: 4}), planned: map[swap.OrderID]int{},
		orders: followtest.NewOrders(f), facts: followtest.NewFacts(f), parked: followtest.NewParked(f, parkRoom, 24*time.Hour),
		actions: watchtest.NewActions(f), config: map[uint64]follow.ChainConfig{}}
	caps := map[swap.Call]uint256.Int{}
	for c := swap.Withdraw; c <= swap.RescueFunds; c++ {
		caps[c] = *uint256.NewInt(1000)
	}
	w.policy = swap.Policy{Chains: map[uint64]swap.ChainPolicy{}, WarnLevels: []int64{600, 300, 60}, Horizon: 60, SyncLag: 120, Overdue: 60}
	for _, id := range []uint64{chainA, chainB} {
		cfg := follow.ChainConfig{Confirmations: confirmations, Rewind: rewindDepth}
		for _, fam := range swap.Families() {
			cfg.Factories = append(cfg.Factories, factoryOf(id, fam, ""))
		}
		w.config[id] = cfg
		w.policy.Chains[id] = swap.ChainPolicy{MinBlockTime: 1, Inclusion: 5, FeeCap: caps,
			Tokens:  map[common.Address]swap.TokenPolicy{coin: {Symbol: "COIN", Decimals: 0, WeiPerUnit: *uint256.NewInt(1_000_000)}},
			Takers:  map[common.Address]swap.TakerPolicy{taker: {Signer: taker, Path: swap.PathEOA}},
			Helpers: map[common.Address]bool{helper: true}}
	}
	return w
}

func (w *world) follower() *follow.Follower {
	planner := &watch.Planner{Orders: w.orders, Sharing: w.orders.Sharing, Actions: w.actions, Ringer: ringer{w}, Report: w.report, Policy: w.policy}
	return &follow.Follower{Chain: w.sim, Probe: w.sim, Orders: w.orders, Facts: w.facts, Parked: w.parked,
		Replan: func(ctx context.Context, orders []swap.Order, facts map[uint64]swap.Provisional, views swap.Views) error {
			for _, o := range orders {
				w.planned[o.ID]++
				if o.Held {
					w.t.Errorf("held order %s is planned", o.ID)
				}
			}
			_, err := planner.Replan(ctx, orders, facts, views)
			return err
		},
		Report: w.report, Chains: w.config, Policy: w.policy}
}

type ringer struct{ *world }

func (r ringer) Ring(_ context.Context, rings []watch.Ring) error { r.rings += len(rings); return nil }

func (w *world) report(_ context.Context, f []swap.Finding) error {
	w.findings = append(w.findings, f...)
	return nil
}

// pass runs one that has to succeed.
func (w *world) pass() follow.Result {
	w.t.Helper()
	res, err := w.follower().Pass(w.t.Context())
	if err != nil {
		w.t.Fatalf("pass: %v", err)
	}
	return res
}

// settle mines until everything is final and closed, and passes.
func (w *world) settle() {
	w.t.Helper()
	for range 3 {
		w.later(12 * (confirmations + rewindDepth + 1))
		w.pass()
	}
}

// later mines empty blocks on both chains until they show the same time, which
// is some seconds ahead of both.
func (w *world) later(seconds swap.ChainTime) {
	to := max(w.chains[chainA].head().Time, w.chains[chainB].head().Time) + seconds
	for _, c := range w.chains {
		for c.head().Time < to {
			c.mine()
		}
	}
}

func (w *world) found(code swap.FindingCode, severity swap.Severity) (n int) {
	for _, f := range w.findings {
		if f.Code == code && f.Severity == severity {
			n++
		}
	}
	return n
}

// order reads one back, nil if there is none.
func (w *world) order(id swap.OrderID) (found *swap.Order) {
	w.orders.Each(func(o *swap.Order) {
		if o.ID == id {
			c := watchtest.Copy(*o)
			found = &c
		}
	})
	return found
}

func (w *world) stored(chain uint64) swap.Provisional {
	p, err := w.facts.Provisional(context.Background(), chain)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// fold is an order as a plan would see it now.
func (w *world) fold(id swap.OrderID) swap.State {
	w.t.Helper()
	o := w.order(id)
	if o == nil {
		w.t.Fatalf("order %s is not stored", id)
	}
	return swap.Fold(*o, map[uint64]swap.Provisional{chainA: w.stored(chainA), chainB: w.stored(chainB)})
}

// trade is one swap as its people intend it.
type trade struct {
	name     string
	fam      swap.Family
	src, dst uint64
	secret   [32]byte
	factory  map[uint64]swap.Factory
	im       swap.Immutables // of src, without deployedAt
	expect   swap.Complement
}

type option func(*trade)

func unlisted(tr *trade) {
	tr.im.Token, tr.im.SafetyDeposit = addressWord(named("unlisted")), number(1)
}

func forTaker(a common.Address) option { return func(tr *trade) { tr.im.Taker = addressWord(a) } }

func reverse(tr *trade) {
	tr.src, tr.dst = tr.dst, tr.src
	tr.expect.ChainID = number(tr.dst)
}

func withSecretOf(other trade) option {
	return func(tr *trade) { tr.secret, tr.im.Hashlock = other.secret, other.im.Hashlock }
}

func onFactory(name string) option {
	return func(tr *trade) {
		for _, id := range []uint64{chainA, chainB} {
			tr.factory[id] = factoryOf(id, tr.fam, name)
		}
	}
}

func (w *world) trade(fam swap.Family, opts ...option) trade {
	w.n++
	tr := trade{name: fmt.Sprintf("trade%d", w.n), fam: fam, src: chainA, dst: chainB, factory: map[uint64]swap.Factory{}}
	tr.secret = hashOf("secret" + tr.name)
	locks := swap.Timelocks{}
	for i, s := range []swap.Stage{swap.DstWithdrawal, swap.SrcWithdrawal, swap.DstPublicWithdrawal, swap.SrcPublicWithdrawal, swap.DstCancellation, swap.SrcCancellation, swap.SrcPublicCancellation} {
		locks.Offsets[s] = uint32(1000 * (i + 1))
	}
	tr.im = swap.Immutables{OrderHash: hashOf("order" + tr.name), Hashlock: crypto.Keccak256Hash(tr.secret[:]), Maker: addressWord(maker),
		Taker: addressWord(taker), Token: addressWord(coin), Amount: number(100), SafetyDeposit: number(5000), Timelocks: locks.Pack()}
	tr.expect = swap.Complement{Maker: addressWord(maker), Amount: number(70), Token: addressWord(coin), SafetyDeposit: number(4000), ChainID: number(tr.dst)}
	if fam == swap.OneInchV11 {
		tr.expect.Parameters = make([]byte, 128)
	}
	onFactory("")(&tr)
	for _, o := range opts {
		o(&tr)
	}
	return tr
}

// createSrc creates the source escrow.
func (tr trade) createSrc(from common.Address) simTx {
	f := tr.factory[tr.src]
	return simTx{name: tr.name + " src", from: from, run: func(st simState, at swap.ChainTime) []swap.Log {
		if st.has(tr.name + " src") {
			return nil
		}
		im := tr.im.WithDeployedAt(at)
		if tr.fam == swap.BMNv4 {
			im = tr.im.WithDeployedAt(simEpoch) // the creator's word
		}
		st[tr.name+" src"] = open(f.Leg(swap.Src, im, swap.Position{}))
		return []swap.Log{srcLog(f, im, tr.expect)}
	}}
}

// dstImmutables are those of the true dst leg.
func (tr trade) dstImmutables() swap.Immutables {
	im := tr.im
	im.Maker, im.Token, im.Amount, im.SafetyDeposit, im.Parameters = tr.expect.Maker, tr.expect.Token, tr.expect.Amount, tr.expect.SafetyDeposit, tr.expect.Parameters
	return im
}

// createDst creates a dst escrow with the immutables, by calldata nested deep.
func (tr trade) createDst(leg string, from common.Address, im swap.Immutables) simTx {
	f := tr.factory[tr.dst]
	if tr.fam == swap.BMNv4 {
		im = im.WithDeployedAt(simEpoch + 7)
	}
	return simTx{name: tr.name + " " + leg, from: from, input: calldata(im, 4+len(tr.name)%3), run: func(st simState, at swap.ChainTime) []swap.Log {
		if st.has(tr.name + " " + leg) {
			return nil
		}
		im := im
		if f.Family.FactoryStampsDst() {
			im = im.WithDeployedAt(at)
		}
		l := f.Leg(swap.Dst, im, swap.Position{})
		for _, old := range st {
			if old.Escrow == l.Escrow {
				return nil
			}
		}
		st[tr.name+" "+leg] = open(l)
		return []swap.Log{dstLog(f, l.Escrow, im)}
	}}
}

func (tr trade) createTrueDst(from common.Address) simTx {
	return tr.createDst("dst", from, tr.dstImmutables())
}

func (st simState) has(name string) bool { _, ok := st[name]; return ok }

// withdraw and cancel end a leg, if it is there and open.
func (tr trade) withdraw(leg string) simTx {
	return tr.end(leg, "withdraw", func(e common.Address) swap.Log { return withdrawnLog(e, tr.secret) })
}

func (tr trade) cancel(leg string) simTx { return tr.end(leg, "cancel", cancelledLog) }

func (tr trade) end(leg, call string, log func(common.Address) swap.Log) simTx {
	return simTx{name: tr.name + " " + leg + " " + call, from: taker, run: func(st simState, _ swap.ChainTime) []swap.Log {
		l, ok := st[tr.name+" "+leg]
		if !ok || l.ended {
			return nil
		}
		l.ended = true
		st[tr.name+" "+leg] = l
		return []swap.Log{log(l.Escrow)}
	}}
}

// id is the trade's order on the canonical chain; escrow one of its legs.
func (w *world) id(tr trade) swap.OrderID { return w.escrow(tr, "src") }

func (w *world) escrow(tr trade, leg string) swap.OrderID {
	w.t.Helper()
	chain := tr.dst
	if leg == "src" {
		chain = tr.src
	}
	l, ok := w.chains[chain].head().state[tr.name+" "+leg]
	if !ok {
		w.t.Fatalf("%s has no %s", tr.name, leg)
	}
	return swap.OrderID{ChainID: chain, Escrow: l.Escrow}
}

// want checks how the legs of a trade stand, as "src status, dst status".
func (w *world) want(tr trade, src swap.LegStatus, dsts ...swap.LegStatus) {
	w.t.Helper()
	s := w.fold(w.id(tr))
	got := []string{s.Src.Status.String()}
	for _, d := range s.Dsts {
		got = append(got, d.Status.String())
	}
	want := []string{src.String()}
	for _, d := range dsts {
		want = append(want, d.String())
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("%s %s: legs are %v, want %v", tr.fam, tr.name, got, want)
	}
}

// snapshot is what the stores hold, without what may differ between two ways
// to the same end: versions, wake times, the order of lists.
func (w *world) snapshot() []swap.Order {
	out := w.orders.All()
	for i := range out {
		o := &out[i]
		o.Version, o.Wakes = 0, swap.Wakes{}
		o.Src.Balance = swap.Balance{}
		for j := range o.Dsts {
			o.Dsts[j].Balance, o.Dsts[j].Traces = swap.Balance{}, nil
		}
		for j := range o.Candidates {
			o.Candidates[j].Balance = swap.Balance{}
		}
		slices.SortFunc(o.Dsts, func(a, b swap.LegRecord) int { return a.Escrow.Cmp(b.Escrow) })
		slices.SortFunc(o.Candidates, func(a, b swap.Candidate) int { return a.Escrow.Cmp(b.Escrow) })
		slices.SortFunc(o.Events, func(a, b swap.EscrowEvent) int {
			return cmp.Or(cmp.Compare(a.ChainID, b.ChainID), cmp.Compare(a.At.Block, b.At.Block), cmp.Compare(a.At.Index, b.At.Index))
		})
	}
	slices.SortFunc(out, func(a, b swap.Order) int {
		return cmp.Or(cmp.Compare(a.ID.ChainID, b.ID.ChainID), a.ID.Escrow.Cmp(b.ID.Escrow))
	})
	return out
}

// diff is empty mostly, and then it is quick: the long way is slow.
func diff(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return gocmp.Diff(want, got, cmpopts.EquateEmpty())
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func pretty(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Sprintf("%+v", v)
	}
	return string(b)
}

func (w *world) watched(chain uint64) []follow.Watched {
	w.t.Helper()
	rows, err := w.orders.Watched(w.t.Context(), chain)
	return must(w.t, rows, err)
}
