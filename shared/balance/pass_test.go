package balance_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/shared/alert"
	"github.com/bridge-me-not/resolver-cron/shared/alert/alerttest"
	"github.com/bridge-me-not/resolver-cron/shared/balance"
	"github.com/bridge-me-not/resolver-cron/shared/balance/balancetest"
	"github.com/bridge-me-not/resolver-cron/shared/faulttest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

const (
	one, two = 8453, 10 // chains
	gas      = 100
)

var (
	signer = common.HexToAddress("0x5100000000000000000000000000000000000051")
	taker  = common.HexToAddress("0x7a00000000000000000000000000000000000042")
	usdc   = common.HexToAddress("0xc000000000000000000000000000000000000001")
	fake   = common.HexToAddress("0xc000000000000000000000000000000000000002") // of the same symbol
	begin  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// world is everything outside of a monitor.
type world struct {
	t    *testing.T
	mon  *balance.Monitor
	book *balancetest.Memory
	desk *alerttest.Memory
	now  time.Time

	mu     sync.Mutex
	held   map[uint64]map[balance.Holding]uint256.Int
	mute   map[balance.Holding]bool // it is the token that gives no balance
	failed map[uint64]map[balance.Holding]string
	fees   balance.Fees
	legs   map[uint64][]balance.Leg
	broken map[string]error                // by operation, or operation and chain
	fault  func(op string) faulttest.Fault // of every operation
}

func n(v uint64) uint256.Int { return *uint256.NewInt(v) }

// newWorld has two chains on which everything is well: an action costs 8,300 wei.
func newWorld(t *testing.T) *world {
	w := &world{t: t, book: &balancetest.Memory{}, desk: alerttest.NewMemory(), now: begin,
		held: map[uint64]map[balance.Holding]uint256.Int{}, failed: map[uint64]map[balance.Holding]string{},
		fees: balance.Fees{BaseFee: n(10), Tip: n(3)}, legs: map[uint64][]balance.Leg{}, broken: map[string]error{}}
	w.mon = &balance.Monitor{Chain: w, Book: w.book, Legs: w.readLegs, Live: w.live, Gas: gas, Sends: true, Chains: map[uint64]balance.Config{}}
	for _, id := range []uint64{one, two} {
		w.mon.Chains[id] = balance.Config{Name: fmt.Sprintf("chain-%d", id), MinActions: 20,
			Takers: map[common.Address]balance.Taker{taker: {Signer: signer}},
			Tokens: map[common.Address]balance.Token{usdc: {Symbol: "USDC", Decimals: 6, Least: n(100_000_000)}, fake: {Symbol: "USDC", Decimals: 18}}}
		w.held[id] = map[balance.Holding]uint256.Int{{Account: signer}: n(1_000_000), {Account: taker, Token: usdc}: n(500_000_000)}
		w.failed[id] = map[balance.Holding]string{}
	}
	w.book.Fail(func(op string) faulttest.Fault { return w.ask("book." + op) })
	w.desk.Fail(func(op string) faulttest.Fault { return w.ask("desk." + op) })
	return w
}

// ask is the fault of an operation.
func (w *world) ask(op string) faulttest.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault == nil {
		return faulttest.OK
	}
	return w.fault(op)
}

func (w *world) read(op string, chain uint64) error {
	if w.ask(op) != faulttest.OK {
		return faulttest.ErrInjected
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.broken[op], w.broken[fmt.Sprintf("%s %d", op, chain)])
}

func (w *world) Head(ctx context.Context, chain uint64) (swap.Block, time.Duration, error) {
	return swap.Block{Number: 77, Time: 1, Hash: common.Hash{byte(chain)}}, time.Second, errors.Join(ctx.Err(), w.read("head", chain))
}

func (w *world) Fees(ctx context.Context, chain uint64, sample []byte) (balance.Fees, error) {
	if len(sample) < 500 {
		w.t.Errorf("sample of %d bytes", len(sample))
	}
	return w.fees, errors.Join(ctx.Err(), w.read("fees", chain))
}

func (w *world) Holdings(ctx context.Context, chain uint64, at swap.Block, of []balance.Holding) ([]balance.Reading, error) {
	if at.Number != 77 {
		w.t.Errorf("read at block %d", at.Number)
	}
	if err := errors.Join(ctx.Err(), w.read("holdings", chain)); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]balance.Reading, len(of))
	for i, h := range of {
		out[i] = balance.Reading{Amount: w.held[chain][h], Failed: w.failed[chain][h], Mute: w.mute[h]}
	}
	return out, nil
}

func (w *world) readLegs(_ context.Context, chain uint64) ([]balance.Leg, error) {
	return w.legs[chain], w.read("legs", chain)
}

func (w *world) live(_ context.Context, chain uint64, _ common.Address) ([]swap.Work, error) {
	return nil, w.read("live", chain)
}

// open makes so many swaps of which chain one has the source and chain two has nothing yet.
func (w *world) open(swaps int) {
	for i := range swaps {
		id := swap.OrderID{ChainID: one, Escrow: common.Address{0xe, byte(i)}}
		w.legs[one] = append(w.legs[one], balance.Leg{Order: id, Escrow: id.Escrow, Side: swap.Src, Taker: taker, DstChain: two})
	}
}

// pass is a run of the job: a pass, and the delivery of its alerts.
func (w *world) pass() (balance.Result, error) {
	desk := alert.NewDesk(w.desk, w.desk, slog.New(slog.DiscardHandler))
	res, err := w.mon.Pass(w.t.Context(), desk, w.now, w.now.Add(time.Second))
	return res, errors.Join(err, desk.Flush(w.t.Context(), w.now.Add(time.Second)))
}

func (w *world) mustPass() balance.Result {
	w.t.Helper()
	res, err := w.pass()
	if err != nil {
		w.t.Fatal(err)
	}
	w.now = w.now.Add(15 * time.Minute)
	return res
}

func (w *world) latest(chain uint64) balance.Snapshot {
	w.t.Helper()
	s, err := w.book.Latest(w.t.Context(), chain, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) subjects() []string {
	var out []string
	for _, m := range w.desk.Sent() {
		out = append(out, m.Subject)
	}
	return out
}

// told counts the alerts in all messages.
func (w *world) told() (n int) {
	for _, m := range w.desk.Sent() {
		n += strings.Count(m.Body, "Where: account")
	}
	return n
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.subjects(); !slices.Equal(got, want) {
		w.t.Errorf("sent %q, want %q", got, want)
	}
}

func TestAllIsWell(t *testing.T) {
	w := newWorld(t)
	w.open(3)
	res := w.mustPass()
	if want := (balance.Result{Chains: 2, Read: 8, Least: 120, Signers: 2}); res != want {
		t.Errorf("%+v, want %+v", res, want)
	}
	w.expect()
	s := w.latest(two)
	if g := s.Gas[0]; g.Owed != 3 || g.Reserve != n(3*8300) || g.Payable != 120 || g.Level != balance.OK {
		t.Errorf("%+v", g)
	}
	if held, ok := s.Find(balance.Holding{Account: taker, Token: usdc}); !ok || held.Amount != n(500_000_000) || held.Level != balance.OK {
		t.Errorf("%+v, %v", held, ok)
	}
}

// DOMAIN §6: thresholds by token symbol and Number/1e18. Here two tokens have the same symbol, six and
// eighteen decimals, and amounts that a float cannot tell apart.
func TestThresholdsAreByAddressAndExact(t *testing.T) {
	w := newWorld(t)
	large := uint256.MustFromDecimal("340282366920938463463374607431768211456") // 2^128
	c := w.mon.Chains[one]
	c.Tokens[usdc] = balance.Token{Symbol: "USDC", Decimals: 6, Least: *large}
	c.Tokens[fake] = balance.Token{Symbol: "USDC", Decimals: 18, Least: n(1)}
	w.held[one][balance.Holding{Account: taker, Token: fake}] = n(1)
	w.held[one][balance.Holding{Account: taker, Token: usdc}] = *new(uint256.Int).Sub(large, uint256.NewInt(1))
	w.mustPass()
	w.expect("WARNING: balance-low on chain 8453")
	body := w.desk.Sent()[0].Body
	for _, want := range []string{usdc.Hex(), "holds 340282366920938463463374607431768.211455 USDC", "threshold of 340282366920938463463374607431768.211456"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in %s", want, body)
		}
	}
	if strings.Contains(body, fake.Hex()) {
		t.Errorf("the other token of that symbol is told: %s", body)
	}
}

// DOMAIN §6: the balance alert key contains the changing amount, so that each pass was another alert.
func TestBalanceAlertKeyHasNoAmount(t *testing.T) {
	w := newWorld(t)
	h := balance.Holding{Account: taker, Token: usdc}
	for i := range 20 {
		w.held[one][h] = n(50_000_000 - uint64(i))
		w.now = begin.Add(time.Duration(i) * time.Second)
		if _, err := w.pass(); err != nil {
			t.Fatal(err)
		}
	}
	w.expect("WARNING: balance-low on chain 8453")
	if key := balance.LowAlert(one, h).Key(); strings.Contains(key, "50000000") || strings.Contains(key, "49999") {
		t.Errorf("key %s", key)
	}
	if balance.LowAlert(one, h).Key() == balance.LowAlert(two, h).Key() ||
		balance.LowAlert(one, h).Key() == balance.LowAlert(one, balance.Holding{Account: taker, Token: fake}).Key() ||
		balance.LowAlert(one, h).Key() == balance.LowAlert(one, balance.Holding{Account: signer, Token: usdc}).Key() ||
		balance.LowAlert(one, h).Key() == balance.LowAlert(one, balance.Holding{Account: taker}).Key() {
		t.Error("chain, account and token are not all in the key")
	}
}

func TestATokenRunsLowEscalatesAndIsRefilled(t *testing.T) {
	w := newWorld(t)
	h := balance.Holding{Account: taker, Token: usdc}
	for _, amount := range []uint64{100_000_000, 99_999_999, 25_000_000, 24_999_999, 30_000_000, 31_250_000, 124_999_999, 125_000_000, 100_000_000} {
		w.held[one][h] = n(amount)
		w.mustPass()
	}
	// 15 minutes apart: each pass is past the first quiet time and not past the next, so what lasts is said again once.
	w.expect("WARNING: balance-low on chain 8453", "WARNING: balance-low on chain 8453", "CRITICAL, ESCALATED: balance-low on chain 8453",
		"CRITICAL, ESCALATED: balance-low on chain 8453", "WARNING, ESCALATED: balance-low on chain 8453",
		"RESOLVED: balance-low on chain 8453")
	if body := w.desk.Sent()[5].Body; !strings.Contains(body, "Proof: holds 125 at block 77") {
		t.Errorf("resolved by %s", body)
	}
}

func TestASignerRunsDryAndIsRefilled(t *testing.T) {
	w := newWorld(t)
	w.open(4) // a reserve of 33,200 wei on both chains; low below 199,200
	for _, amount := range []uint64{199_200, 199_199, 33_199, 41_500, 249_000} {
		w.held[two][balance.Holding{Account: signer}] = n(amount)
		w.mustPass()
	}
	w.expect("WARNING: balance-low on chain 10", "CRITICAL: signer-dry on chain 10",
		// Enough for what is open, and not for more: the same pass tells both.
		"RESOLVED: signer-dry on chain 10", "WARNING: balance-low on chain 10",
		"RESOLVED: balance-low on chain 10")
	if body := w.desk.Sent()[1].Body; !strings.Contains(body, "pays for 3 actions at 8 times the present base fee; 4 are open") ||
		!strings.Contains(body, "Send at least 0.000000000000215801 of native coin") || !strings.Contains(body, "4 actions of open swaps") {
		t.Errorf("told %s", body)
	}
}

// Without the price nobody knows that a signer can pay again, and nobody says that it cannot.
func TestWithoutThePriceNothingIsSaidOfARefill(t *testing.T) {
	w := newWorld(t)
	w.held[one][balance.Holding{Account: signer}], w.held[two][balance.Holding{Account: signer}] = n(0), n(100_000)
	w.mustPass()
	before := []string{"CRITICAL: signer-dry on chain 8453", "WARNING: balance-low on chain 10"}
	w.expect(before...)
	w.held[one][balance.Holding{Account: signer}], w.held[two][balance.Holding{Account: signer}] = n(1_000_000), n(1_000_000)
	w.broken["fees"] = errors.New("no price")
	if _, err := w.pass(); err == nil {
		t.Error("no error")
	}
	w.now = w.now.Add(15 * time.Minute)
	w.expect(before...)
	delete(w.broken, "fees")
	w.mustPass()
	w.expect(append(before, "RESOLVED: signer-dry on chain 8453", "RESOLVED: balance-low on chain 10")...)
}

// What is gone from the file is remembered until its alert is.
func TestAnAlertOfWhatIsGoneIsNotForgotten(t *testing.T) {
	w := newWorld(t)
	w.held[one][balance.Holding{Account: taker, Token: usdc}] = n(50_000_000)
	w.mustPass()
	delete(w.mon.Chains[one].Tokens, usdc)
	low := balance.LowAlert(one, balance.Holding{Account: taker, Token: usdc}).Key()
	desk := deskThatFails{alert.NewDesk(w.desk, w.desk, slog.New(slog.DiscardHandler)), func(key string) bool { return key == low }}
	if _, err := w.mon.Pass(t.Context(), desk, w.now, w.now); !errors.Is(err, faulttest.ErrInjected) {
		t.Errorf("error %v", err)
	}
	w.mustPass()
	w.expect("WARNING: balance-low on chain 8453", "RESOLVED: balance-low on chain 8453")
}

type deskThatFails struct {
	*alert.Desk
	fails func(key string) bool
}

func (d deskThatFails) Resolve(ctx context.Context, key, proof string, now time.Time) error {
	if d.fails(key) {
		return faulttest.ErrInjected
	}
	return d.Desk.Resolve(ctx, key, proof, now)
}

// The executor may find a signer dry between two passes that see enough: who else should take it back?
func TestADrySignerThatTheExecutorToldOfIsResolved(t *testing.T) {
	w := newWorld(t)
	w.mustPass()
	raised := balance.DryAlert(one, signer)
	if _, _, err := alert.Raise(t.Context(), w.desk, raised, w.now); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	w.mustPass()
	w.expect("RESOLVED: signer-dry on chain 8453")
}

func TestWhereNothingIsSentNoSignerIsDry(t *testing.T) {
	w := newWorld(t)
	w.mon.Sends = false
	w.held[one][balance.Holding{Account: signer}] = n(0)
	w.broken["fees 10"] = errors.New("no price")
	w.held[two][balance.Holding{Account: signer}] = n(0)
	if _, err := w.pass(); err == nil {
		t.Error("no error")
	}
	w.expect("WARNING: balance-low on chain 10", "WARNING: balance-low on chain 8453")
	if g := w.latest(one).Gas[0]; g.Level != balance.Low {
		t.Errorf("level %s", g.Level)
	}
}

func TestWhatIsTakenOutOfTheFileIsResolved(t *testing.T) {
	w := newWorld(t)
	w.held[one][balance.Holding{Account: taker, Token: usdc}] = n(50_000_000)
	w.held[one][balance.Holding{Account: signer}] = n(0)
	w.mustPass()
	c := w.mon.Chains[one]
	c.Takers = map[common.Address]balance.Taker{fake: {}}
	w.mon.Chains[one] = c
	w.held[one][balance.Holding{Account: fake, Token: usdc}] = n(500_000_000)
	w.mustPass()
	w.expect("CRITICAL: signer-dry on chain 8453", "WARNING: balance-low on chain 8453",
		"RESOLVED: signer-dry on chain 8453", "RESOLVED: balance-low on chain 8453")
}

func TestAThresholdThatIsTakenBackEndsItsAlert(t *testing.T) {
	w := newWorld(t)
	w.held[one][balance.Holding{Account: taker, Token: usdc}] = n(50_000_000)
	w.mustPass()
	w.mon.Chains[one].Tokens[usdc] = balance.Token{Symbol: "USDC", Decimals: 6}
	w.mustPass()
	w.mustPass()
	w.expect("WARNING: balance-low on chain 8453", "RESOLVED: balance-low on chain 8453")
}

// One failing token or chain does not hide the others, and the run ends in error.
func TestWhatFailsHidesNothingElse(t *testing.T) {
	low := balance.Holding{Account: taker, Token: usdc}
	for _, c := range []struct {
		name   string
		breaks func(w *world)
		want   string   // in the error
		sent   []string // with a token that is low and a signer without coin on chain 10
		kept   bool     // chain 8453 has a snapshot
	}{
		{"a token", func(w *world) { w.failed[one][balance.Holding{Account: taker, Token: fake}] = "reverted" }, fake.Hex() + " on chain 8453: reverted",
			[]string{"CRITICAL: signer-dry on chain 10", "WARNING: balance-low on chain 8453"}, true},
		{"a head", func(w *world) { w.broken["head 8453"] = errors.New("no endpoint answers") }, "balances of chain 8453: no endpoint answers",
			[]string{"CRITICAL: signer-dry on chain 10"}, false},
		{"all holdings", func(w *world) { w.broken["holdings 8453"] = errors.New("cut off") }, "balances of chain 8453: cut off",
			[]string{"CRITICAL: signer-dry on chain 10"}, false},
		{"the fees", func(w *world) { w.broken["fees"] = errors.New("no price") }, "price of an action on chain 8453: no price",
			[]string{"CRITICAL: signer-dry on chain 10", "WARNING: balance-low on chain 8453"}, true},
		{"a watch book", func(w *world) { w.broken["legs 8453"] = errors.New("throttled") }, "count what is open on chain 8453: throttled",
			[]string{"CRITICAL: signer-dry on chain 10", "WARNING: balance-low on chain 8453"}, true},
		{"live work", func(w *world) { w.broken["live 8453"] = errors.New("torn") }, "torn",
			[]string{"CRITICAL: signer-dry on chain 10", "WARNING: balance-low on chain 8453"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.held[one][low] = n(50_000_000)
			w.held[two][balance.Holding{Account: signer}] = n(0)
			c.breaks(w)
			res, err := w.pass()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if res.Failed == 0 && c.kept {
				t.Error("nothing counted as failed")
			}
			w.expect(c.sent...)
			if got := w.latest(one).ChainID == one; got != c.kept {
				t.Errorf("chain 8453 kept: %v, want %v", got, c.kept)
			}
			if w.latest(two).ChainID != two {
				t.Error("chain 10 is not kept")
			}
		})
	}
}

// A holding that cannot be read is neither low nor well: the second time in a row it is told by itself,
// until it is read. That a token gives no balance fails no run, since every run would fail; that an
// endpoint does, does.
func TestAHoldingThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	h := balance.Holding{Account: taker, Token: usdc}
	w.mute = map[balance.Holding]bool{h: true}
	fail := func(why string) {
		w.failed[one] = map[balance.Holding]string{}
		if why != "" {
			w.failed[one][h] = why
		}
	}
	step := func(sent ...string) balance.Result {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		res, err := w.pass()
		if err != nil {
			t.Fatal(err)
		}
		w.expect(sent...)
		return res
	}
	step()
	fail("reverted")
	w.held[one][h] = n(0) // what is read with a failure counts for nothing
	if res := step(); res.Low != 0 || res.Failed != 1 {
		t.Errorf("%+v", res)
	}
	told := []string{"WARNING: balance-unreadable on chain 8453"}
	step(told...)
	step(told...)
	if held, _ := w.latest(one).Find(h); held.Low() || held.Level != balance.OK {
		t.Errorf("%+v", held)
	}
	fail("")
	w.held[one][h] = n(50_000_000)
	told = append(told, "WARNING: balance-low on chain 8453", "RESOLVED: balance-unreadable on chain 8453")
	step(told...)
	fail("reverted") // once
	if res := step(told...); res.Low != 0 {
		t.Errorf("what cannot be read counts as low: %+v", res)
	}
	fail("")
	step(told...)
	fail("answers nothing")
	step(told...)
	told = append(told, "WARNING: balance-unreadable on chain 8453")
	step(told...)
	c := w.mon.Chains[one]
	c.Tokens = map[common.Address]balance.Token{}
	w.mon.Chains[one] = c
	step(append(told, "RESOLVED: balance-low on chain 8453", "RESOLVED: balance-unreadable on chain 8453")...)
}

// A second attempt at the same tick says nothing new about what cannot be read.
func TestAHoldingIsNotUnreadableByTheSecondAttempt(t *testing.T) {
	w := newWorld(t)
	w.failed[one] = map[balance.Holding]string{{Account: taker, Token: usdc}: "timeout"}
	for range 2 {
		if _, err := w.pass(); err == nil {
			t.Error("no error")
		}
		w.expect()
	}
	w.now = w.now.Add(15 * time.Minute)
	if _, err := w.pass(); err == nil {
		t.Error("no error")
	}
	w.expect("WARNING: balance-unreadable on chain 8453")
}

// What could not be read is not over.
func TestAFailedReadingResolvesNothing(t *testing.T) {
	w := newWorld(t)
	h := balance.Holding{Account: taker, Token: usdc}
	w.held[one][h], w.held[one][balance.Holding{Account: signer}] = n(50_000_000), n(0)
	w.mustPass()
	w.failed[one][h], w.failed[one][balance.Holding{Account: signer}] = "answers nothing", "timeout"
	if _, err := w.pass(); err == nil {
		t.Error("no error")
	}
	w.failed[one] = map[balance.Holding]string{}
	w.held[one][h], w.held[one][balance.Holding{Account: signer}] = n(124_999_999), n(1_000_000)
	w.now = w.now.Add(15 * time.Minute)
	w.broken["fees 8453"] = errors.New("no price")
	if _, err := w.pass(); err == nil {
		t.Error("no error")
	}
	if got := w.subjects(); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "RESOLVED") }) {
		t.Errorf("sent %q", got)
	}
	s := w.latest(one)
	if held, _ := s.Find(h); held.Level != balance.Low || s.Gas[0].Level != balance.Critical {
		t.Errorf("levels %s and %s", held.Level, s.Gas[0].Level)
	}
}

// Without the levels of before nobody knows whether a balance was below its margin.
func TestWithoutTheLastSnapshotNothingIsOver(t *testing.T) {
	w := newWorld(t)
	h := balance.Holding{Account: taker, Token: usdc}
	w.held[one][h] = n(50_000_000)
	w.mustPass()
	w.held[one][h] = n(110_000_000)
	w.fault = func(op string) faulttest.Fault {
		if op == "book.latest" {
			return faulttest.Refused
		}
		return faulttest.OK
	}
	if _, err := w.pass(); err == nil || !strings.Contains(err.Error(), "read the last balances of chain 8453") {
		t.Errorf("error %v", err)
	}
	w.fault = nil
	w.now = w.now.Add(15 * time.Minute)
	w.mustPass()
	if got := w.subjects(); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "RESOLVED") }) {
		t.Errorf("sent %q", got)
	}
}

func TestOneTickIsOneEffect(t *testing.T) {
	w := newWorld(t)
	w.held[one][balance.Holding{Account: taker, Token: usdc}] = n(50_000_000)
	for range 3 {
		if _, err := w.pass(); err != nil {
			t.Fatal(err)
		}
	}
	w.expect("WARNING: balance-low on chain 8453")
	all, err := w.book.Snapshots(t.Context(), one, begin.Add(-time.Hour), begin.Add(time.Hour), begin)
	if err != nil || len(all) != 1 {
		t.Errorf("%d snapshots, %v", len(all), err)
	}
}

func TestAClockThatGoesBackHarmsNothing(t *testing.T) {
	w := newWorld(t)
	h := balance.Holding{Account: taker, Token: usdc}
	w.held[one][h] = n(50_000_000)
	w.mustPass()
	w.now = begin.Add(-time.Hour)
	w.held[one][h] = n(110_000_000) // within the margin of what the later tick saw
	if _, err := w.pass(); err != nil {
		t.Fatal(err)
	}
	w.expect("WARNING: balance-low on chain 8453")
	w.now = begin.Add(time.Hour)
	w.held[one][h] = n(500_000_000)
	w.mustPass()
	w.expect("WARNING: balance-low on chain 8453", "RESOLVED: balance-low on chain 8453")
}

// Killed at any of its effects, or with one of them failing alone, its answer lost or not done at all,
// and run again, the end is the same: the same levels, the same alerts open, and nothing told twice but
// what may have been told when the killer came.
func TestKilledAnywhereAndRunAgain(t *testing.T) {
	play := func(w *world) {
		w.held[one][balance.Holding{Account: taker, Token: usdc}] = n(50_000_000)
		w.held[one][balance.Holding{Account: signer}] = n(100_000) // low
		w.held[two][balance.Holding{Account: signer}] = n(0)
	}
	refill := func(w *world) {
		w.held[one][balance.Holding{Account: taker, Token: usdc}] = n(500_000_000)
		w.held[one][balance.Holding{Account: signer}] = n(1_000_000)
		w.held[two][balance.Holding{Account: signer}] = n(1_000_000)
	}
	state := func(w *world) (out []any) {
		for _, id := range []uint64{one, two} {
			s := w.latest(id)
			out = append(out, s.Holdings, s.Gas)
			for _, h := range s.Holdings {
				e, err := w.desk.Load(w.t.Context(), balance.LowAlert(id, h.Holding()).Key())
				out = append(out, e.State, err)
			}
			e, err := w.desk.Load(w.t.Context(), balance.DryAlert(id, signer).Key())
			out = append(out, e.State, err)
		}
		return out
	}
	clean := newWorld(t)
	play(clean)
	clean.mustPass()
	low := state(clean)
	told := clean.told()
	refill(clean)
	clean.mustPass()
	full := state(clean)
	all := clean.told()

	for _, kind := range []faulttest.Fault{faulttest.Refused, faulttest.Lost} {
		for _, dead := range []bool{true, false} {
			for second := range 2 { // killed while it gets low, or while it is refilled
				for at := 1; ; at++ {
					w := newWorld(t)
					play(w)
					if second == 1 {
						w.mustPass()
						refill(w)
					}
					ops, killed := 0, ""
					w.fault = func(op string) faulttest.Fault {
						ops++
						switch {
						case ops == at:
							killed = op
							return kind
						case ops > at && dead:
							return faulttest.Refused
						}
						return faulttest.OK
					}
					_, err := w.pass()
					if killed == "" {
						if err != nil || at < 20 {
							t.Fatalf("%d effects, %v", at-1, err)
						}
						break
					}
					w.fault = nil
					w.now = w.now.Add(time.Minute) // the outbox is older than what another run may be at
					w.mustPass()
					want, most := low, told
					if second == 1 {
						want, most = full, all
					}
					if diff := cmp.Diff(want, state(w)); diff != "" {
						t.Fatalf("killed at %d (%s), fault %d, dead %v (-want +got):\n%s", at, killed, kind, dead, diff)
					}
					// Delivery is at least once: killed between a message and its note, it is sent again,
					// and what cannot be stored is told at once.
					twice := 0
					if killed == "desk.publish" && kind == faulttest.Lost || killed == "desk.load" || killed == "desk.save" {
						twice = 1
					}
					if got := w.told(); got < most || got > most+2*twice {
						t.Errorf("killed at %d (%s), fault %d, dead %v: %d alerts told, want %d", at, killed, kind, dead, got, most)
					}
				}
			}
		}
	}
}

// Whatever happened in between, once all can be read and told again, exactly what is low is told.
func TestRandomFailuresLeaveNoAlertBehind(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	holdings := []balance.Holding{{Account: signer}, {Account: taker, Token: usdc}}
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		w := newWorld(t)
		rate := r.IntN(30) // percent
		fault := func(string) faulttest.Fault {
			if r.IntN(100) < rate {
				return faulttest.Fault(1 + r.IntN(2))
			}
			return faulttest.OK
		}
		for range 30 {
			for _, id := range []uint64{one, two} {
				for _, h := range holdings {
					if r.IntN(3) == 0 {
						w.held[id][h] = n([]uint64{0, 20_000, 100_000, 199_000, 210_000, 1_000_000, 24_999_999, 99_999_999, 110_000_000, 500_000_000}[r.IntN(10)])
					}
					if w.failed[id][h] = ""; r.IntN(100) < rate {
						w.failed[id][h] = "reverted"
					}
				}
			}
			w.legs = map[uint64][]balance.Leg{}
			w.open(r.IntN(5))
			w.fault = fault
			if _, err := w.pass(); err != nil && rate == 0 {
				t.Fatal(err)
			}
			w.now = w.now.Add(time.Duration(r.IntN(30)-5) * time.Minute)
		}
		w.fault, w.failed = nil, map[uint64]map[balance.Holding]string{one: {}, two: {}}
		for range 2 {
			w.now = w.now.Add(6 * time.Hour)
			w.mustPass()
		}
		state := func(a alert.Alert) alert.State {
			e, err := w.desk.Load(t.Context(), a.Key())
			if err != nil {
				t.Fatal(err)
			}
			if e.NotifiedAt.IsZero() && e.State != "" {
				t.Errorf("round %d: %s is not delivered", round, a.Key())
			}
			return e.State
		}
		open := func(s alert.State) bool { return s == alert.Open || s == alert.Escalated }
		for _, id := range []uint64{one, two} {
			s := w.latest(id)
			for _, h := range holdings {
				held, ok := s.Find(h)
				if !ok {
					t.Fatalf("round %d: %v was not read", round, h)
				}
				if open(state(balance.UnreadAlert(id, h))) {
					t.Errorf("round %d: %s is told as unreadable, and is not", round, h.Account)
				}
				low, dry := open(state(balance.LowAlert(id, h))), open(state(balance.DryAlert(id, h.Account)))
				switch signs := h.Account == signer; {
				case held.Level == balance.OK && (low || signs && dry),
					held.Level == balance.Low && (!low || signs && dry),
					held.Level == balance.Critical && (signs && !dry || !signs && !low):
					t.Errorf("round %d: %s of %s at %s is told low %v, dry %v", round, held.Level, h.Account, &held.Amount, low, dry)
				}
			}
		}
	}
}

// A chain that stalls costs its own readings and nobody else's.
func TestAStalledChainLeavesTimeForTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.now = time.Now()
		w.held[two][balance.Holding{Account: signer}] = n(0)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		w.mon.Chain = stalled{w}
		desk := alert.NewDesk(w.desk, w.desk, slog.New(slog.DiscardHandler))
		_, err := w.mon.Pass(ctx, desk, w.now, w.now)
		if took := time.Since(w.now); err == nil || took > 20*time.Second {
			t.Errorf("%v after %s of 30 s", err, took)
		}
		if err := desk.Flush(ctx, w.now); err != nil {
			t.Fatal(err)
		}
		w.expect("CRITICAL: signer-dry on chain 10")
		if w.latest(two).ChainID != two {
			t.Error("chain 10 is not kept")
		}
	})
}

type stalled struct{ *world }

func (s stalled) Head(ctx context.Context, chain uint64) (swap.Block, time.Duration, error) {
	if chain == one {
		<-ctx.Done()
		return swap.Block{}, 0, ctx.Err()
	}
	return s.world.Head(ctx, chain)
}
