package contracts_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/contracts/evmtest"
	"github.com/bridge-me-not/resolver-cron/shared/swap"
)

// attemptsPerLeg random calls are tried on each of legsPerFamily random legs, a
// fifth of them under -short.
const (
	legsPerFamily  = 120
	attemptsPerLeg = 100
)

// What the product believes an escrow answers is what the contract answers:
// random legs of every family and side, random callers, times (mostly next to
// a boundary), secrets, mutated words, permits and receivers that refuse.
func TestProductAgreesWithEVM(t *testing.T) {
	legs := uint64(legsPerFamily)
	if testing.Short() {
		legs /= 5
	}
	atLeast := int(legs) / 6 // a test that never meets an answer does not test it
	answers := map[swap.Revert]int{}
	var mu sync.Mutex
	var coin atomic.Int64 // rescues of native coin that the contracts took
	for _, family := range contracts.Families() {
		t.Run(string(family), func(t *testing.T) {
			t.Parallel()
			seen := map[swap.Revert]int{}
			for n := range legs {
				d := newDice(family, n)
				l := d.open(t)
				for range attemptsPerLeg {
					a := d.attempt(t, l)
					a.compareCalldata(t, l.leg)
					want, got := a.answer(t, l), l.leg.Check(a.Attempt)
					seen[want]++
					if want == swap.RevertNone && a.Call == swap.RescueFunds && a.Token == (common.Address{}) && !a.Amount.IsZero() {
						coin.Add(1)
					}
					if got != want {
						t.Fatalf("leg %d of %s: swap says %q, the contract %q\nleg %+v\nattempt %+v", n, family, got, want, l.leg, a.Attempt)
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for answer, n := range seen {
				answers[answer] += n
			}
		})
	}
	t.Cleanup(func() {
		for _, answer := range []swap.Revert{
			swap.RevertNone, swap.RevertEmpty, swap.RevertInvalidCaller, swap.RevertInvalidTime, swap.RevertInvalidImmutables,
			swap.RevertInvalidSecret, swap.RevertNativeTokenSendingFailure, swap.RevertSafeTransferFailed,
			swap.RevertIndexOutOfRange, swap.RevertPanic,
		} {
			if answers[answer] < atLeast {
				t.Errorf("%q met %d times only", answer, answers[answer])
			}
		}
		if int(coin.Load()) < atLeast {
			t.Errorf("native coin was rescued %d times only", coin.Load())
		}
		t.Logf("answers: %v; native coin rescued %d times", answers, coin.Load())
	})
}

func BenchmarkAttempt(b *testing.B) {
	d := newDice(contracts.BMNv4, 1)
	l := d.open(b)
	a := d.attempt(b, l)
	for b.Loop() {
		a.answer(b, l)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "attempts/s")
}

// dice makes legs and attempts; equal numbers make equal ones.
type dice struct {
	*rand.Rand
	family contracts.Family
}

func newDice(family contracts.Family, n uint64) dice {
	seed := crypto.Keccak256Hash([]byte(family)).Big().Uint64()
	return dice{rand.New(rand.NewPCG(seed, n)), family}
}

func (d dice) oneIn(n int) bool { return d.IntN(n) == 0 }

func pick[T any](d dice, choices ...T) T { return choices[d.IntN(len(choices))] }

func (d dice) word() (w common.Hash) {
	for i := range w {
		w[i] = byte(d.Uint32())
	}
	return w
}

// soil puts dirt above the address in a word, now and then.
func (d dice) soil(a common.Address) common.Hash {
	w := contracts.AddressWord(a)
	if d.oneIn(4) {
		w[d.IntN(12)] ^= byte(1 + d.IntN(255))
	}
	return w
}

// openLeg is a leg on its own chain, known to both sides of the comparison.
type openLeg struct {
	*evmtest.Sandbox
	escrow contracts.Escrow
	leg    swap.Leg
	secret common.Hash
	barred common.Address // who may not receive the blocking token; zero = nobody
}

var sandboxes = map[contracts.Family]func() (*evmtest.Sandbox, error){
	contracts.OneInchV1:  sync.OnceValues(func() (*evmtest.Sandbox, error) { return evmtest.NewSandbox(contracts.OneInchV1, 10) }),
	contracts.OneInchV11: sync.OnceValues(func() (*evmtest.Sandbox, error) { return evmtest.NewSandbox(contracts.OneInchV11, 10) }),
	contracts.BMNv4:      sync.OnceValues(func() (*evmtest.Sandbox, error) { return evmtest.NewSandbox(contracts.BMNv4, 10) }),
}

func (d dice) open(t testing.TB) *openLeg {
	t.Helper()
	template, err := sandboxes[d.family]()
	if err != nil {
		t.Fatal(err)
	}
	s := template.Fork()
	side := pick(d, contracts.Src, contracts.Dst)
	l := &openLeg{Sandbox: s, secret: d.word()}
	ordered := side == contracts.Src && d.family != contracts.BMNv4 // made by an order fill
	im := contracts.Immutables{
		OrderHash: d.word(), Hashlock: contracts.HashSecret(l.secret),
		Maker:         d.soil(pick(d, evmtest.Maker, evmtest.Maker, s.Refuser)),
		Taker:         d.soil(pick(d, evmtest.Taker, evmtest.Taker, s.Resolver, s.Refuser)),
		Token:         d.soil(pick(d, s.Token, s.Blocking)),
		Amount:        contracts.UintWord(pick(d, 0, 1, d.Uint64())),
		SafetyDeposit: contracts.UintWord(pick(d, 0, 1, d.Uint64())),
		Timelocks:     d.timelocks(),
	}
	if side == contracts.Dst && d.oneIn(3) {
		im.Token = d.soil(common.Address{})
	}
	if d.family.HasParameters() && !ordered {
		im.Parameters = d.parameters(s)
	}
	if ordered {
		im.Taker = contracts.AddressWord(common.BytesToAddress(im.Taker[:]))
	}
	if side == contracts.Src {
		l.escrow, err = s.OpenSrc(im, contracts.Complement{}, ordered || !d.oneIn(5))
	} else {
		l.escrow, err = s.OpenDst(im)
	}
	if err != nil {
		t.Fatal(err)
	}
	factory := swap.Factory{
		ChainID: s.ID(), Address: s.Factory, Family: swapFamily(t, d.family), SrcImpl: s.Src, DstImpl: s.Dst,
		SrcRescueDelay: uint64(s.RescueDelay), DstRescueDelay: uint64(s.RescueDelay),
	}
	l.leg = factory.Leg(swapSide(side), swapImmutables(im), swap.Position{})
	if l.leg.Escrow != l.escrow.Address {
		t.Fatalf("swap computes escrow %s, the factory made %s", l.leg.Escrow, l.escrow.Address)
	}
	d.history(t, l)
	return l
}

// history is what happened to the leg before anybody tries anything.
func (d dice) history(t testing.TB, l *openLeg) {
	t.Helper()
	if d.oneIn(3) {
		l.barred = pick(d, evmtest.Maker, evmtest.Taker, evmtest.Stranger)
		l.send(t, evmtest.Admin, contracts.SetBlocked(l.Blocking, l.barred, true))
	}
	for _, token := range []common.Address{l.Token, l.Blocking} { // more than was agreed
		if d.oneIn(2) {
			l.send(t, evmtest.Admin, contracts.Mint(token, l.escrow.Address, evmtest.Rich))
		}
	}
	if d.oneIn(3) {
		l.send(t, evmtest.Admin, contracts.SendDust(l.escrow.Address, common.Big1))
	}
	if d.oneIn(6) { // spent, if the leg lets itself
		taker := common.BytesToAddress(l.escrow.Immutables.Taker[:])
		if w, ok := l.leg.Window(swap.Withdraw); ok && !w.Empty() {
			l.Time = uint64(w.From)
			l.Send(taker, l.escrow.Withdraw(l.secret))
		}
	}
}

func (l *openLeg) send(t testing.TB, from common.Address, tx contracts.Tx) {
	t.Helper()
	if r := l.Send(from, tx); !r.OK() {
		t.Fatal(r.Answer())
	}
}

func (d dice) timelocks() common.Hash {
	tl := contracts.Timelocks{DeployedAt: 1_700_000_000 + d.Uint32N(1_000_000)}
	offsets := make([]uint32, 7)
	for i := range offsets {
		offsets[i] = d.Uint32N(pick(d, uint32(10), 2_000, 1_000_000))
	}
	if !d.oneIn(4) {
		slices.Sort(offsets)
	}
	if d.oneIn(6) { // as far off as it gets
		offsets[d.IntN(7)] = 1<<32 - 1
	}
	tl.SrcWithdrawal, tl.SrcPublicWithdrawal, tl.SrcCancellation, tl.SrcPublicCancellation = offsets[0], offsets[1], offsets[2], offsets[3]
	tl.DstWithdrawal, tl.DstPublicWithdrawal, tl.DstCancellation = offsets[4], offsets[5], offsets[6]
	if d.oneIn(2) {
		tl.DstWithdrawal, tl.DstPublicWithdrawal, tl.DstCancellation = offsets[0], offsets[1], offsets[2]
	}
	return tl.Word()
}

// parameters are fees of every length that matters, and of every size.
func (d dice) parameters(s *evmtest.Sandbox) []byte {
	fee := func() []byte { w := contracts.UintWord(pick(d, 0, 1, d.Uint64N(1<<40), d.Uint64())); return w[:] }
	who := func() []byte { w := d.soil(pick(d, evmtest.Stranger, s.Refuser, evmtest.Maker)); return w[:] }
	whole := slices.Concat(fee(), fee(), who(), who(), fee())
	if d.oneIn(50) {
		whole[0] = 0xff // more than there is of anything
	}
	return whole[:pick(d, 0, 1, 32, 63, 64, 64, 95, 96, 96, 127, 128, 128, 128, 129, 160)]
}

// attempt is a call in both languages.
type attempt struct {
	swap.Attempt
	tx contracts.Tx
}

func (a attempt) answer(t testing.TB, l *openLeg) swap.Revert {
	l.Time = uint64(a.Time)
	r := l.Try(a.Caller, a.tx)
	if r.OK() {
		return swap.RevertNone
	}
	if r.Answer() == r.Err.Error() {
		t.Fatalf("the machine failed: %v", r.Err)
	}
	return swap.RevertOf(r.Return)
}

// compareCalldata: what the product would send is what the contract reads.
func (a attempt) compareCalldata(t *testing.T, leg swap.Leg) {
	t.Helper()
	leg.Immutables = a.Immutables
	data, err := swap.EncodeCall(leg, a.Call, swap.CallArgs{Secret: a.Secret, Target: a.Target, Token: a.Token, Amount: a.Amount})
	if err != nil {
		return // refused: a signed call, a call that this leg lacks, a secret that fits nothing
	}
	if !bytes.Equal(data, a.tx.Data) {
		t.Fatalf("%s of %s:\nswap encodes %x\n we encode %x", a.Call, leg.Family, data, a.tx.Data)
	}
}

func (d dice) attempt(t testing.TB, l *openLeg) attempt {
	t.Helper()
	e := l.escrow
	honest := d.oneIn(2) // nothing is forged, though the hour may be wrong
	if !honest && d.oneIn(2) {
		e.Immutables = d.mutate(l, e.Immutables)
	}
	call := pick(d, swap.Calls()...)
	for !call.ExistsOn(l.leg.Family, l.leg.Side) && !d.oneIn(20) {
		call = pick(d, swap.Calls()...)
	}
	a := attempt{Attempt: swap.Attempt{
		Call:       call,
		Immutables: swapImmutables(e.Immutables),
		Secret:     l.secret,
		Target:     pick(d, evmtest.Stranger, evmtest.Maker, l.Refuser, common.Address{}),
		Token:      pick(d, l.Token, l.Blocking, common.Address{}, evmtest.Stranger, l.Refuser),
		Amount:     *uint256.NewInt(pick(d, 0, 1, d.Uint64())),
		Whitelisted: func(a common.Address) bool {
			return a == crypto.PubkeyToAddress(evmtest.ListedKey.PublicKey)
		},
	}}
	switch d.IntN(4) { // rescue just what is there
	case 0, 1:
		a.Token = a.Immutables.TokenAddress()
		a.Amount = a.Immutables.AmountInt()
	case 2: // the deposit, whatever lies beside it, and sometimes a wei more
		a.Token = common.Address{}
		a.Amount = *uint256.MustFromBig(l.Balance(l.escrow.Address))
		if d.oneIn(4) {
			a.Amount.AddUint64(&a.Amount, 1)
		}
	}
	if a.Caller = a.Immutables.TakerAddress(); a.Call.ByToken() {
		a.Caller = evmtest.Holder
	}
	if !honest {
		a.Secret = pick(d, l.secret, l.secret, d.word())
		a.Caller = pick(d, a.Caller, a.Caller, l.leg.Immutables.TakerAddress(), evmtest.Taker, evmtest.Maker, evmtest.Stranger, l.Resolver)
	}
	a.HoldsAccessToken = l.Family != contracts.BMNv4 && (a.Caller == evmtest.Holder || a.Caller == evmtest.Taker)
	a.Time = d.time(l, a)
	a.Signature = d.signature(t, l, e, a)
	a.Funds = l.funds(a)
	a.tx = l.tx(e, a)
	return a
}

// time is mostly next to a boundary of the sent or of the true immutables.
func (d dice) time(l *openLeg, a attempt) swap.ChainTime {
	if d.oneIn(10) {
		return swap.ChainTime(1 + d.Uint64N(1<<33))
	}
	leg := l.leg
	if d.oneIn(2) {
		leg.Immutables = a.Immutables
	}
	from := leg.Immutables.At(pick(d, swap.Stages()...))
	if w, ok := leg.Window(a.Call); ok && !d.oneIn(3) {
		if from = w.From; w.Until != 0 && d.oneIn(3) {
			from = w.Until
		}
	} else if d.oneIn(5) {
		from = leg.RescueStart()
	}
	return max(1, from+pick[swap.ChainTime](d, -1, 0, 0, 1)+pick(d, 0, 0, 0, swap.ChainTime(d.IntN(100))))
}

// mutate changes one word, or the parameters, or puts in strangers.
func (d dice) mutate(l *openLeg, im contracts.Immutables) contracts.Immutables {
	words := []*common.Hash{
		&im.OrderHash, &im.Hashlock, &im.Maker, &im.Taker, &im.Token, &im.Amount, &im.SafetyDeposit, &im.Timelocks,
	}
	switch w := words[d.IntN(len(words))]; d.IntN(8) {
	case 0:
		*w = d.word()
	case 1:
		w[d.IntN(32)] ^= 1 << d.IntN(8)
	case 2: // dirt: the address in it stays
		pick(d, &im.Maker, &im.Taker, &im.Token)[d.IntN(12)] ^= 1
	case 3:
		im.Taker = contracts.AddressWord(pick(d, evmtest.Stranger, evmtest.Maker, evmtest.Holder, l.Resolver))
	case 4:
		im.Token = contracts.AddressWord(pick(d, l.Token, l.Blocking, common.Address{}, l.Refuser))
	case 5:
		im.Amount = contracts.UintWord(pick(d, 0, 1, d.Uint64()))
	case 6:
		im.Timelocks[d.IntN(4)*8+7-4*d.IntN(2)] ^= 1 // one stage or deployedAt by a second
	case 7:
		im.Parameters = pick(d, nil, append(slices.Clone(im.Parameters), 0), make([]byte, 128))
	}
	return im
}

// signature is right, or wrong in one of the ways there are.
func (d dice) signature(t testing.TB, l *openLeg, e contracts.Escrow, a attempt) []byte {
	if !a.Call.Signed() {
		return nil
	}
	key, caller, withdraw := evmtest.ListedKey, a.Caller, a.Call == swap.PublicWithdrawSigned
	damage := d.IntN(24)
	switch damage {
	case 0:
		key = otherKey
	case 1:
		caller = evmtest.Account("somebody else")
	case 2:
		withdraw = !withdraw
	}
	signature := sign(t, key, e.Permit(l.ID(), caller, withdraw))
	switch damage {
	case 3:
		signature = signature[:64]
	case 4:
		signature = append(signature, 0)
	case 5:
		signature = nil
	case 6:
		signature[64] = pick[byte](d, 0, 1, 26, 29, 255)
	case 7:
		signature[64] ^= 27 ^ 28
	case 8:
		signature[d.IntN(64)] ^= 1
	case 9:
		clear(signature[:32])
	case 10: // the same signature with the other s
		s := new(uint256.Int).SetBytes(signature[32:64])
		other := new(uint256.Int).Sub(uint256.MustFromBig(crypto.S256().Params().N), s).Bytes32()
		copy(signature[32:64], other[:])
		signature[64] ^= 27 ^ 28
	}
	return signature
}

// funds tells the product what the chain knows about money.
func (l *openLeg) funds(a attempt) *swap.Funds {
	token := a.Immutables.TokenAddress()
	if a.Call == swap.RescueFunds {
		token = a.Token
	}
	f := &swap.Funds{Native: *uint256.MustFromBig(l.Balance(l.escrow.Address))}
	if token != (common.Address{}) {
		f.Token = *uint256.MustFromBig(l.TokenBalance(token, l.escrow.Address))
	}
	f.Refuses = func(token, to common.Address) bool {
		switch token {
		case common.Address{}:
			return len(l.Code(to)) > 0 && to != l.Resolver
		case l.Token:
			return false
		case l.Blocking:
			return l.barred != common.Address{} && to == l.barred
		}
		return true
	}
	return f
}

func (l *openLeg) tx(e contracts.Escrow, a attempt) contracts.Tx {
	secret := common.Hash(a.Secret)
	switch a.Call {
	case swap.Withdraw:
		return e.Withdraw(secret)
	case swap.WithdrawTo:
		return e.WithdrawTo(secret, a.Target)
	case swap.PublicWithdraw:
		return e.PublicWithdraw(secret)
	case swap.Cancel:
		return e.Cancel()
	case swap.PublicCancel:
		return e.PublicCancel()
	case swap.RescueFunds:
		return e.RescueFunds(a.Token, a.Amount.ToBig())
	}
	if l.Family != contracts.BMNv4 { // no such function: the selector alone will tell
		selector := a.Call.Selector(swap.BMNv4)
		return contracts.Tx{To: &e.Address, Data: selector[:]}
	}
	if a.Call == swap.PublicWithdrawSigned {
		return e.PublicWithdrawSigned(secret, a.Signature)
	}
	return e.PublicCancelSigned(a.Signature)
}

func swapFamily(t testing.TB, f contracts.Family) swap.Family {
	t.Helper()
	family, err := swap.ParseFamily(string(f))
	if err != nil {
		t.Fatal(err)
	}
	return family
}

func swapSide(s contracts.Side) swap.Side {
	if s == contracts.Src {
		return swap.Src
	}
	return swap.Dst
}

func swapImmutables(im contracts.Immutables) swap.Immutables {
	return swap.Immutables{
		OrderHash: im.OrderHash, Hashlock: im.Hashlock, Maker: im.Maker, Taker: im.Taker, Token: im.Token, Amount: im.Amount,
		SafetyDeposit: im.SafetyDeposit, Timelocks: im.Timelocks, Parameters: im.Parameters,
	}
}
