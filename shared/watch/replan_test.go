package watch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/watch"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

const (
	srcChain = uint64(1)
	dstChain = uint64(10)
	horizon  = int64(60)
	epoch    = swap.ChainTime(1_750_000_000)
)

// rig is a sweeper over stores in memory, all of whose calls can fail.
type rig struct {
	watch.Sweeper
	faults  *watchtest.Faults
	orders  *watchtest.Orders
	actions *watchtest.Actions
	mu      sync.Mutex
	heads   map[uint64]swap.Block
	facts   map[uint64]swap.Provisional
	ages    map[uint64]time.Duration
	broken  map[string]bool // "head 10", "facts 1"
	rung    []watch.Ring
	told    []swap.Finding
}

func newRig() *rig {
	f := &watchtest.Faults{}
	r := &rig{faults: f, orders: watchtest.NewOrders(f), actions: watchtest.NewActions(f),
		heads: map[uint64]swap.Block{}, facts: map[uint64]swap.Provisional{}, ages: map[uint64]time.Duration{}, broken: map[string]bool{}}
	policy := swap.Policy{Chains: map[uint64]swap.ChainPolicy{}, Horizon: horizon, SyncLag: 30, Overdue: 60, WarnLevels: []int64{100}}
	for _, chain := range []uint64{srcChain, dstChain} {
		caps := map[swap.Call]uint256.Int{}
		for _, c := range swap.Calls() {
			caps[c] = *uint256.NewInt(1)
		}
		policy.Chains[chain] = swap.ChainPolicy{MinBlockTime: 1, Inclusion: 1, FeeCap: caps, Takers: map[common.Address]swap.TakerPolicy{}}
	}
	r.Sweeper = watch.Sweeper{Heads: r, Facts: r, Planner: watch.Planner{Orders: r.orders, Actions: r.actions, Ringer: r, Policy: policy,
		Report: func(ctx context.Context, findings []swap.Finding) error {
			return f.Do(ctx, "report", func() error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.told = append(r.told, findings...)
				return nil
			})
		}}}
	r.at(0)
	return r
}

// at sets both heads, with all logs read and the last five blocks not final.
func (r *rig) at(second int64) {
	b := func(s int64) swap.Block { return swap.Block{Number: uint64(1000 + s), Time: epoch.Add(s)} }
	for _, chain := range []uint64{srcChain, dstChain} {
		r.heads[chain] = b(second)
		p := r.facts[chain]
		p.ChainID, p.From, p.To = chain, b(second-5), b(second)
		r.facts[chain] = p
	}
}

func (r *rig) Head(ctx context.Context, chain uint64) (b swap.Block, age time.Duration, err error) {
	err = r.faults.Do(ctx, "head", func() error {
		if r.broken[fmt.Sprint("head ", chain)] {
			return errors.New("no answer")
		}
		b, age = r.heads[chain], r.ages[chain]
		return nil
	})
	return b, age, err
}

func (r *rig) Provisional(ctx context.Context, chain uint64) (p swap.Provisional, err error) {
	err = r.faults.Do(ctx, "facts", func() error {
		if r.broken[fmt.Sprint("facts ", chain)] {
			return errors.New("no answer")
		}
		p = watchtest.Copy(r.facts[chain])
		return nil
	})
	return p, err
}

func (r *rig) Ring(ctx context.Context, rings []watch.Ring) error {
	return r.faults.Do(ctx, "ring", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rung = append(r.rung, rings...)
		return nil
	})
}

// put stores an order: src claimable in [100,300) and cancellable from 300, its
// dst leg withdrawable in [50,250) and cancellable from 250, all of ours.
func (r *rig) put(t testing.TB, edit func(*swap.Order)) swap.Order {
	t.Helper()
	o, _ := watchtest.Order(srcChain, dstChain)
	locks := swap.Timelocks{DeployedAt: uint32(epoch)}
	for i, s := range []uint32{100, 200, 300, 400, 50, 150, 250} {
		locks.Offsets[swap.Stages()[i]] = s
	}
	o.Src.Immutables.Timelocks, o.Dsts[0].Immutables.Timelocks = locks.Pack(), locks.Pack()
	o.Dsts[0].Immutables.Parameters = make([]byte, 128)
	o.Dsts[0].Final = true
	o.Src.Created.Time, o.Dsts[0].Created.Time = epoch, epoch
	o.Wakes = swap.Wakes{Src: epoch}
	if edit != nil {
		edit(&o)
	}
	for _, l := range []swap.LegRecord{o.Src, o.Dsts[0]} {
		taker := l.Immutables.TakerAddress()
		r.Policy.Chains[l.ChainID].Takers[taker] = swap.TakerPolicy{Signer: taker, Path: swap.PathEOA}
	}
	if err := r.orders.Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return r.load(t, o.ID)
}

// paid: the dst leg was withdrawn, so that src has to be claimed.
func paid(o *swap.Order) {
	secret := [32]byte{1}
	lock := hashOf(secret)
	o.Src.Immutables.Hashlock, o.Dsts[0].Immutables.Hashlock = lock, lock
	o.Learn(secret)
	o.AddEvent(watchtest.Withdrawn(o.Dsts[0].Leg, secret))
}

func (r *rig) load(t testing.TB, id swap.OrderID) swap.Order {
	t.Helper()
	for _, o := range r.orders.All() {
		if o.ID == id {
			return o
		}
	}
	t.Fatalf("order %s is gone", id)
	return swap.Order{}
}

func (r *rig) sweep(t testing.TB) watch.Result {
	t.Helper()
	res, err := r.Sweep(t.Context(), watch.Upcoming)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// state is all that a sweep leaves behind, without the counters of the stores.
func (r *rig) state() string {
	var out []string
	for _, w := range r.actions.All() {
		out = append(out, fmt.Sprint(w.Side, " ", w.Call, " ", w.State, " ", w.Attempt, " ", w.From))
	}
	for _, o := range r.orders.All() {
		out = append(out, fmt.Sprintf("wakes %d %d", o.Wakes.Src, o.Wakes.Dst))
	}
	told := map[string]bool{}
	for _, f := range r.told {
		told[string(f.Code)] = true
	}
	out = append(out, fmt.Sprint("told ", slices.Sorted(maps.Keys(told))), fmt.Sprint("rung ", len(r.rung) > 0))
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func TestReplan(t *testing.T) {
	r := newRig()
	o := r.put(t, paid)
	r.at(210)
	res := r.sweep(t)
	if res.Orders != 1 || res.Saved != 1 || res.Rung != 1 || res.Findings == 0 || res.Conflicts != 0 {
		t.Errorf("%+v", res)
	}
	work := r.actions.All()
	if len(work) != 1 || work[0].Call != swap.Withdraw || work[0].Order != o.ID || work[0].State != swap.WorkPlanned {
		t.Fatalf("%+v", work)
	}
	if got := r.load(t, o.ID).Wakes; got != (swap.Wakes{Src: epoch + 100}) {
		t.Errorf("wakes %+v", got)
	}
	// Looking again rings again and writes nothing.
	r.sweep(t)
	before := r.state()
	for range 3 {
		if res := r.sweep(t); res.Saved != 0 || res.Rung != 1 {
			t.Errorf("again: %+v", res)
		}
	}
	if got := r.state(); got != before || r.faults.Calls("orders.wakes") != 1 || r.faults.Calls("actions.save") != 1 {
		t.Errorf("looking writes: %d wakes, %d actions\n%s", r.faults.Calls("orders.wakes"), r.faults.Calls("actions.save"), got)
	}
	// Done: the work ends, and the order waits to be closed by who writes it.
	p := r.facts[srcChain]
	p.Events = []swap.EscrowEvent{{ChainID: srcChain, Escrow: o.ID.Escrow, Kind: swap.Withdrawn, Secret: [32]byte{1}, At: watchtest.Position(1205)}}
	r.facts[srcChain] = p
	if res := r.sweep(t); res.Saved != 1 || len(r.actions.All()) != 0 || r.actions.History(o.ID)[0].State != swap.WorkByOther {
		t.Errorf("%+v %v", res, r.actions.History(o.ID))
	}
	if got := r.load(t, o.ID).Wakes; got.Src == 0 {
		t.Error("an order that is not closed never wakes")
	}
}

// The order of effects: work, rings and findings, wakes. Whatever fails,
// whether it was applied or not, the next sweep finds the order and ends in the
// same state.
func TestReplanSurvivesEveryFailure(t *testing.T) {
	scene := func() *rig {
		r := newRig()
		r.put(t, paid)
		r.put(t, nil) // dst to be cancelled
		r.at(260)
		return r
	}
	clean := scene()
	prepared := len(clean.faults.Log())
	clean.sweep(t)
	calls := clean.faults.Log()[prepared:]
	clean.sweep(t) // as often as the others
	want := clean.state()
	if i, j := slices.Index(calls, "actions.save"), slices.Index(calls, "orders.wakes"); i < 0 || j < 0 || i > j ||
		j < slices.Index(calls, "ring") || j < slices.Index(calls, "report") {
		t.Fatalf("order of effects: %v", calls)
	}
	for n, call := range calls {
		for _, fault := range []watchtest.Fault{watchtest.Refused, watchtest.LostSent} {
			r, i := scene(), 0
			var mu sync.Mutex
			r.faults.Fail(func(string) watchtest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if i++; i == n+1 {
					return fault
				}
				return watchtest.OK
			})
			if _, err := r.Sweep(t.Context(), watch.Overdue); err == nil {
				t.Errorf("%s (call %d, fault %d): no error", call, n, fault)
			}
			r.faults.Fail(nil)
			r.sweep(t)
			r.sweep(t) // a delay is told of work that was stored before
			if got := r.state(); got != want {
				t.Errorf("%s (call %d, fault %d) leaves\n%s\nwant\n%s", call, n, fault, got, want)
			}
		}
	}
}

// Who was not told is told by the next sweep: the order stays due.
func TestReplanKeepsOrdersDueUntilAllIsTold(t *testing.T) {
	for _, op := range []string{"ring", "report", "actions.save"} {
		r := newRig()
		o := r.put(t, paid)
		r.at(210)
		r.faults.Fail(func(call string) watchtest.Fault { return map[string]watchtest.Fault{op: watchtest.Refused}[call] })
		if _, err := r.Sweep(t.Context(), watch.Upcoming); err == nil {
			t.Errorf("%s failed without an error", op)
		}
		if got := r.load(t, o.ID).Wakes; got != o.Wakes {
			t.Errorf("after %s failed the order wakes at %+v", op, got)
		}
	}
}

// One chain that does not answer hides no order of another.
func TestSweepWithAChainDown(t *testing.T) {
	for _, c := range []struct {
		broken string
		orders int    // looked at
		want   string // state of the work
	}{
		{"head 10", 1, "src withdraw"},
		{"facts 10", 1, "src withdraw"},
		{"head 1", 0, ""},
		{"facts 1", 0, ""},
	} {
		r := newRig()
		o := r.put(t, paid)
		r.at(210)
		r.broken[c.broken] = true
		res, err := r.Sweep(t.Context(), watch.Upcoming)
		if err == nil || res.Orders != c.orders {
			t.Errorf("%s: %+v, %v", c.broken, res, err)
		}
		var got []string
		for _, w := range r.actions.All() {
			got = append(got, fmt.Sprint(w.Side, " ", w.Call))
		}
		if strings.Join(got, ",") != c.want {
			t.Errorf("%s: %v, want %s", c.broken, got, c.want)
		}
		if w := r.load(t, o.ID).Wakes; w.Src == 0 || w.Src > epoch+210 {
			t.Errorf("%s: the order is not due any more: %+v", c.broken, w)
		}
	}
}

// What cannot be seen is no reason to give up what was decided on it.
func TestReplanLeavesUnreadChainsAlone(t *testing.T) {
	r := newRig()
	o := r.put(t, nil)
	r.at(260)
	r.sweep(t)
	before, wakes := r.state(), r.load(t, o.ID).Wakes
	if len(r.actions.All()) != 2 || wakes.Dst == 0 {
		t.Fatalf("%s", before)
	}
	r.broken["head 10"] = true
	for range 2 {
		if _, err := r.Sweep(t.Context(), watch.Upcoming); err == nil {
			t.Error("no error")
		}
	}
	if got := r.load(t, o.ID).Wakes; got.Dst != wakes.Dst {
		t.Errorf("dst wake moved from %d to %d", wakes.Dst, got.Dst)
	}
	if n := len(r.actions.All()); n != 2 {
		t.Errorf("%d items of work", n)
	}
	writes := r.faults.Calls("orders.wakes")
	delete(r.broken, "head 10")
	r.sweep(t)
	if got := r.state(); got != before || r.faults.Calls("orders.wakes") > writes+1 {
		t.Errorf("after the outage\n%s\nbefore\n%s", got, before)
	}
}

func TestSweepSelections(t *testing.T) {
	r := newRig()
	o := r.put(t, func(o *swap.Order) { o.Wakes = swap.Wakes{Src: epoch + 300, Dst: epoch + 250} })
	for _, c := range []struct {
		at              int64
		upcoming, after int // orders seen
	}{{189, 0, 0}, {190, 1, 0}, {249, 1, 0}, {250, 1, 1}} {
		r.at(c.at)
		for sel, want := range map[watch.Selection]int{watch.Upcoming: c.upcoming, watch.Overdue: c.after} {
			res, err := r.Sweep(t.Context(), sel)
			if err != nil || res.Orders != want {
				t.Errorf("at %d selection %d: %+v, %v", c.at, sel, res, err)
			}
			cur := r.load(t, o.ID)
			cur.Wakes = swap.Wakes{Src: epoch + 300, Dst: epoch + 250}
			if err := r.orders.Save(t.Context(), cur); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An order that will most likely end before any call of ours is due costs no
// item of work until then.
func TestReplanStoresWithinTheHorizon(t *testing.T) {
	r := newRig()
	r.put(t, nil)
	for _, c := range []struct{ at, items int }{{10, 0}, {189, 0}, {190, 1}, {260, 2}} {
		r.at(int64(c.at))
		r.sweep(t)
		if n := len(r.actions.All()); n != c.items {
			t.Errorf("at %d: %d items, want %d", c.at, n, c.items)
		}
	}
}

// Somebody faster is not an error, and does not move the wake times.
func TestReplanConflicts(t *testing.T) {
	r := newRig()
	o := r.put(t, paid)
	r.at(210)
	r.Actions = faster{r.actions}
	res, err := r.Sweep(t.Context(), watch.Upcoming)
	if err != nil || res.Conflicts != 1 || res.Saved != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if got := r.load(t, o.ID); got.Wakes != o.Wakes {
		t.Errorf("wakes moved to %+v", got.Wakes)
	}
	r.Actions = r.actions
	r.Orders = fasterOrders{r.orders}
	if res, err = r.Sweep(t.Context(), watch.Upcoming); err != nil || res.Conflicts != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// faster writes every item before the caller does.
type faster struct{ *watchtest.Actions }

func (f faster) Save(ctx context.Context, w swap.Work) error {
	first := w
	first.AtRisk.AddUint64(&first.AtRisk, 1)
	if err := f.Actions.Save(ctx, first); err != nil {
		return err
	}
	return f.Actions.Save(ctx, w)
}

type fasterOrders struct{ *watchtest.Orders }

func (f fasterOrders) SetWakes(ctx context.Context, o swap.Order, w swap.Wakes) error {
	if err := f.Orders.SetWakes(ctx, o, swap.Wakes{Src: 1}); err != nil {
		return err
	}
	return f.Orders.SetWakes(ctx, o, w)
}

// A taker whose work cannot be read keeps his orders due, and nobody else's.
func TestReplanWithUnreadableWork(t *testing.T) {
	r := newRig()
	bad, good := r.put(t, paid), r.put(t, paid)
	r.at(210)
	r.Actions = unreadable{r.actions, bad.Src.Immutables.TakerAddress()}
	res, err := r.Sweep(t.Context(), watch.Upcoming)
	if err == nil || res.Saved != 1 || res.Rung == 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if w := r.actions.All(); len(w) != 1 || w[0].Order != good.ID {
		t.Errorf("%+v", w)
	}
	if r.load(t, bad.ID).Wakes != bad.Wakes {
		t.Error("the order is not due any more")
	}
}

type unreadable struct {
	*watchtest.Actions
	taker common.Address
}

func (u unreadable) Live(ctx context.Context, chain uint64, taker common.Address) ([]swap.Work, error) {
	if taker == u.taker {
		return nil, errors.New("throttled")
	}
	return u.Actions.Live(ctx, chain, taker)
}

// Work of a closed order is given up; closed orders are not swept.
func TestReplanClosedOrder(t *testing.T) {
	r := newRig()
	o := r.put(t, paid)
	r.at(210)
	r.sweep(t)
	o = r.load(t, o.ID)
	o.Closed, o.Wakes = true, swap.Wakes{}
	views, facts, err := r.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Replan(t.Context(), []swap.Order{o}, facts, views)
	if err != nil || res.Saved != 1 || len(r.actions.All()) != 0 || r.faults.Calls("orders.wakes") != 1 {
		t.Errorf("%+v, %v, %d items", res, err, len(r.actions.All()))
	}
}

// An order found in a history that is still being read is not planned, even if
// an index shows it.
func TestSweepLeavesHeldOrdersAlone(t *testing.T) {
	r := newRig()
	r.put(t, func(o *swap.Order) { paid(o); o.Held = true })
	r.at(210)
	if res := r.sweep(t); res.Orders != 0 || len(r.actions.All()) != 0 || len(r.rung) != 0 {
		t.Errorf("%+v", res)
	}
}

func TestDecide(t *testing.T) {
	r := newRig()
	o := r.put(t, paid)
	r.at(210)
	missing := swap.OrderID{ChainID: srcChain, Escrow: common.Address{9}}
	cases, views, err := r.Decide(t.Context(), []swap.OrderID{o.ID, missing})
	if err != nil || len(cases) != 1 || len(views) != 2 || cases[o.ID].Decision.Actions[0].Call != swap.Withdraw {
		t.Errorf("%v, %v", cases, err)
	}
	for _, write := range []string{"actions.save", "orders.wakes", "orders.save", "ring", "report"} {
		if n := r.faults.Calls(write); n != map[string]int{"orders.save": 1}[write] {
			t.Errorf("deciding calls %s %d times", write, n)
		}
	}
	r.broken["head 10"] = true // the dst view is Plan's business
	if cases, views, err = r.Decide(t.Context(), []swap.OrderID{o.ID}); err == nil || len(cases) != 1 || len(views) != 1 {
		t.Errorf("%v, %v", cases, err)
	}
	r.broken["head 1"] = true
	if cases, _, err = r.Decide(t.Context(), []swap.OrderID{o.ID}); err == nil || len(cases) != 0 {
		t.Errorf("decided without the source chain: %v, %v", cases, err)
	}
	r.broken = map[string]bool{}
	r.faults.Fail(func(op string) watchtest.Fault {
		return map[string]watchtest.Fault{"orders.load": watchtest.Refused}[op]
	})
	if cases, _, err = r.Decide(t.Context(), []swap.OrderID{o.ID}); err == nil || cases != nil {
		t.Errorf("decided without the order: %v, %v", cases, err)
	}
}

// Many orders at once: all are written, and never too many at a time.
func TestReplanBoundsItsWrites(t *testing.T) {
	r := newRig()
	const n = 60
	for range n {
		r.put(t, paid)
	}
	r.at(210)
	slow := &counting{Actions: r.actions}
	r.Actions = slow
	if res := r.sweep(t); res.Saved != n {
		t.Errorf("%+v", res)
	}
	if slow.most > 16 {
		t.Errorf("%d writes at once", slow.most)
	}
}

type counting struct {
	*watchtest.Actions
	mu        sync.Mutex
	now, most int
}

func (c *counting) Save(ctx context.Context, w swap.Work) error {
	c.mu.Lock()
	c.now++
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	err := c.Actions.Save(ctx, w)
	c.mu.Lock()
	c.now--
	c.mu.Unlock()
	return err
}

// A sweep that is told to stop stops.
func TestSweepHonoursItsContext(t *testing.T) {
	r := newRig()
	r.put(t, paid)
	r.at(210)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Sweep(ctx, watch.Upcoming); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if len(r.actions.All()) != 0 {
		t.Error("wrote after it was told to stop")
	}
}

func hashOf(secret [32]byte) swap.Word { return crypto.Keccak256Hash(secret[:]) }
