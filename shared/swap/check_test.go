package swap

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"
)

// attempt returns a call of the rule by the right caller with everything right
// but the time.
func attempt(t testing.TB, l Leg, r rule, at ChainTime) Attempt {
	t.Helper()
	a := Attempt{Call: r.call, Caller: taker, Time: at, Immutables: l.Immutables, Secret: secretOf("secret"), Target: target, Token: token, Funds: fullFunds(l)}
	if r.call == RescueFunds {
		a.Amount = l.Immutables.AmountInt()
	}
	switch r.who {
	case byHolder:
		a.Caller, a.HoldsAccessToken = stranger, true
	case bySigned:
		k := testKey(t, "resolver")
		a.Caller = stranger
		a.Whitelisted = func(x common.Address) bool { return x == crypto.PubkeyToAddress(k.PublicKey) }
		a.Signature = sign(t, k, l.PublicActionDigest(r.call, l.Immutables.OrderHash, stranger))
	}
	return a
}

// eachRule runs a test for every row of the table and each of its families.
func eachRule(t *testing.T, run func(*testing.T, Leg, rule)) {
	t.Helper()
	for _, r := range rules {
		for _, f := range r.families {
			t.Run(f.String()+"/"+r.side.String()+"/"+r.call.String(), func(t *testing.T) { run(t, testLeg(f, r.side), r) })
		}
	}
}

// opens is the first second at which the rule's call is accepted.
func (r rule) opens() ChainTime { return deployed.Add(r.from) }

// The four edges of each window, seen through the contract's answer.
func TestCheckEdges(t *testing.T) {
	eachRule(t, func(t *testing.T, l Leg, r rule) {
		edges := map[ChainTime]Revert{r.opens() - 1: RevertInvalidTime, r.opens(): RevertNone, 1 << 40: RevertNone}
		if r.until > 0 {
			edges[1<<40] = RevertInvalidTime
			edges[deployed.Add(r.until)-1] = RevertNone
			edges[deployed.Add(r.until)] = RevertInvalidTime
		}
		for at, want := range edges {
			if got := l.Check(attempt(t, l, r, at)); got != want {
				t.Errorf("at %d: %s, want %s", at-deployed, got, want)
			}
		}
	})
}

// What is not in the table does not exist: the proxy answers with nothing,
// whoever calls whenever.
func TestCheckUnknownCalls(t *testing.T) {
	n := 0
	forFamilies(t, func(t *testing.T, f Family) {
		for _, s := range []Side{Src, Dst} {
			for _, c := range Calls() {
				if _, ok := ruleOf(f, s, c); ok {
					continue
				}
				for _, at := range []ChainTime{0, deployed, deployed + 220, 1 << 40} {
					a := attempt(t, testLeg(f, s), rule{call: c, who: byHolder}, at)
					if got := testLeg(f, s).Check(a); got != RevertEmpty {
						t.Errorf("%s %s at %d: %s", s, c, at, got)
					}
				}
				n++
			}
		}
	})
	wantCount(t, "missing calls", n, 3*2*8-31)
}

// order is each call's sequence of checks, written out. A call that is wrong
// in several ways must answer the first.
var order = map[Side]map[Call][]Revert{
	Src: {
		Withdraw:             {RevertInvalidCaller, RevertInvalidTime, RevertInvalidImmutables, RevertInvalidSecret},
		WithdrawTo:           {RevertInvalidCaller, RevertInvalidTime, RevertInvalidImmutables, RevertInvalidSecret},
		PublicWithdraw:       {RevertInvalidCaller, RevertInvalidTime, RevertInvalidImmutables, RevertInvalidSecret},
		Cancel:               {RevertInvalidCaller, RevertInvalidTime, RevertInvalidImmutables},
		PublicCancel:         {RevertInvalidCaller, RevertInvalidTime, RevertInvalidImmutables},
		RescueFunds:          {RevertInvalidCaller, RevertInvalidImmutables, RevertInvalidTime},
		PublicWithdrawSigned: {RevertInvalidTime, RevertInvalidCaller, RevertInvalidImmutables, RevertInvalidSecret},
		PublicCancelSigned:   {RevertInvalidTime, RevertInvalidCaller, RevertInvalidImmutables},
	},
	Dst: {
		Withdraw:             {RevertInvalidCaller, RevertInvalidTime, RevertInvalidImmutables, RevertInvalidSecret},
		PublicWithdraw:       {RevertInvalidCaller, RevertInvalidTime, RevertInvalidImmutables, RevertInvalidSecret},
		Cancel:               {RevertInvalidCaller, RevertInvalidImmutables, RevertInvalidTime},
		RescueFunds:          {RevertInvalidCaller, RevertInvalidImmutables, RevertInvalidTime},
		PublicWithdrawSigned: {RevertInvalidTime, RevertInvalidCaller, RevertInvalidImmutables, RevertInvalidSecret},
		PublicCancelSigned:   {RevertInvalidTime, RevertInvalidCaller}, // immutables are not checked
	},
}

// TestCheckOrder tries every combination of wrongs.
func TestCheckOrder(t *testing.T) {
	eachRule(t, func(t *testing.T, l Leg, r rule) {
		wrongs := []Revert{RevertInvalidCaller, RevertInvalidTime, RevertInvalidImmutables, RevertInvalidSecret}
		for mask := range 1 << len(wrongs) {
			a := attempt(t, l, r, r.opens())
			wrong := map[Revert]bool{}
			for i, w := range wrongs {
				if mask&(1<<i) == 0 {
					continue
				}
				wrong[w] = true
				switch w {
				case RevertInvalidCaller:
					a.Caller, a.HoldsAccessToken, a.Whitelisted = maker, false, nil
				case RevertInvalidTime:
					a.Time--
				case RevertInvalidImmutables:
					a.Immutables.SafetyDeposit = Word{}
				case RevertInvalidSecret:
					a.Secret[0] ^= 1
				}
			}
			want := RevertNone
			for _, c := range order[r.side][r.call] {
				if wrong[c] {
					want = c
					break
				}
			}
			if got := l.Check(a); got != want {
				t.Errorf("wrong %v: %s, want %s", wrong, got, want)
			}
		}
	})
}

// Every word of the immutables is proven, parameters where there are any.
func TestCheckProvesEveryField(t *testing.T) {
	forFamilies(t, func(t *testing.T, f Family) {
		l := testLeg(f, Src)
		a := attempt(t, l, rule{call: Cancel}, deployed+300)
		for i, w := range []*Word{&a.Immutables.OrderHash, &a.Immutables.Hashlock, &a.Immutables.Maker, &a.Immutables.Taker, &a.Immutables.Token, &a.Immutables.Amount, &a.Immutables.SafetyDeposit, &a.Immutables.Timelocks} {
			bit := 0
			if w == &a.Immutables.Timelocks {
				bit = 31 // SrcWithdrawal: the time check does not look at it here
			}
			w[bit] ^= 0x80
			if got := l.Check(a); got != RevertInvalidImmutables {
				t.Errorf("word %d: %s", i, got)
			}
			w[bit] ^= 0x80
		}
		a.Immutables.Parameters = []byte{0}
		want := RevertInvalidImmutables
		if !f.HasParameters() {
			want = RevertNone // such calldata has no place for them
		}
		if got := l.Check(a); got != want {
			t.Errorf("parameters: %s, want %s", got, want)
		}
	})
}

type payment struct {
	Token, To common.Address
}

// Who is paid, in which order, and what each failure answers.
func TestCheckPayments(t *testing.T) {
	eachRule(t, func(t *testing.T, l Leg, r rule) {
		a := attempt(t, l, r, r.opens())
		want := []payment{{token, r.pays}, {common.Address{}, a.Caller}}
		if r.call == RescueFunds {
			want = want[:1]
		}
		var got []payment
		a.Funds.Refuses = func(token, to common.Address) bool {
			got = append(got, payment{token, to})
			return false
		}
		if rv := l.Check(a); rv != RevertNone {
			t.Fatal(rv)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		for _, p := range want {
			a.Funds.Refuses = func(token, to common.Address) bool { return (payment{token, to}) == p }
			fail := RevertSafeTransferFailed
			if p.Token == (common.Address{}) {
				fail = RevertNativeTokenSendingFailure
			}
			if rv := l.Check(a); rv != fail {
				t.Errorf("%v refused: %s, want %s", p, rv, fail)
			}
		}
		a.Funds.Refuses = nil
		one := uint256.NewInt(1)
		short := *a.Funds
		short.Token.Sub(&short.Token, one)
		a.Funds = &short
		if rv := l.Check(a); rv != RevertSafeTransferFailed {
			t.Errorf("token short: %s", rv)
		}
		short = *fullFunds(l)
		short.Native.Sub(&short.Native, one)
		wantRv := RevertNativeTokenSendingFailure
		if r.call == RescueFunds {
			wantRv = RevertNone // pays no deposit
		}
		if rv := l.Check(a); rv != wantRv {
			t.Errorf("deposit short: %s, want %s", rv, wantRv)
		}
		a.Funds = nil
		if rv := l.Check(a); rv != RevertNone {
			t.Errorf("funds unknown: %s", rv)
		}
	})
}

// A native dst pays amount and deposit from one balance.
func TestCheckNative(t *testing.T) {
	forFamilies(t, func(t *testing.T, f Family) {
		l := testLeg(f, Dst)
		l.Immutables.Token = Word{}
		for _, c := range []Call{Withdraw, Cancel} {
			r, _ := ruleOf(f, Dst, c)
			a := attempt(t, l, r, r.opens())
			if rv := l.Check(a); rv != RevertNone {
				t.Errorf("%s: %s", c, rv)
			}
			a.Funds.Native.Sub(&a.Funds.Native, uint256.NewInt(1))
			if rv := l.Check(a); rv != RevertNativeTokenSendingFailure {
				t.Errorf("%s one wei short: %s", c, rv)
			}
		}
		r, _ := ruleOf(f, Dst, RescueFunds)
		a := attempt(t, l, r, r.opens())
		a.Token = common.Address{}
		a.Amount = a.Funds.Native
		if rv := l.Check(a); rv != RevertNone {
			t.Errorf("rescue of everything: %s", rv)
		}
		a.Amount.AddUint64(&a.Amount, 1)
		if rv := l.Check(a); rv != RevertNativeTokenSendingFailure {
			t.Errorf("rescue of too much: %s", rv)
		}
	})
}

// A src leg has no native branch: a zero token is a token without code.
func TestCheckSrcWithoutToken(t *testing.T) {
	l := testLeg(BMNv4, Src)
	l.Immutables.Token = Word{}
	for _, c := range []Call{Withdraw, Cancel} {
		r, _ := ruleOf(BMNv4, Src, c)
		if rv := l.Check(attempt(t, l, r, r.opens())); rv != RevertSafeTransferFailed {
			t.Errorf("%s: %s", c, rv)
		}
	}
	r, _ := ruleOf(BMNv4, Src, RescueFunds)
	a := attempt(t, l, r, r.opens())
	a.Token = common.Address{}
	if rv := l.Check(a); rv != RevertNone {
		t.Errorf("rescue of its coin: %s", rv)
	}
}

func feeWords(protocol, integrator uint64) []byte {
	b := appendUint(appendUint(nil, protocol), integrator)
	return appendAddress(appendAddress(b, named("protocol")), named("integrator"))
}

// The fee line reads its dst parameters only on withdraw, and only as far as
// the fees need. The amount is 256.
func TestCheckFees(t *testing.T) {
	for name, c := range map[string]struct {
		params []byte
		want   Revert
		pays   []payment
	}{
		"none":                        {nil, RevertIndexOutOfRange, nil},
		"one word":                    {feeWords(0, 0)[:32], RevertIndexOutOfRange, nil},
		"two words less a byte":       {feeWords(0, 0)[:63], RevertIndexOutOfRange, nil},
		"two words, no fees":          {feeWords(0, 0)[:64], RevertNone, []payment{{token, maker}, {To: taker}}},
		"two words, protocol fee":     {feeWords(1, 0)[:64], RevertIndexOutOfRange, nil},
		"protocol fee, recipient cut": {feeWords(1, 0)[:95], RevertIndexOutOfRange, nil},
		"protocol fee, three words":   {feeWords(1, 0)[:96], RevertNone, []payment{{token, named("protocol")}, {token, maker}, {To: taker}}},
		"integrator fee, three words": {feeWords(0, 1)[:96], RevertIndexOutOfRange, nil},
		"integrator, recipient cut":   {feeWords(0, 1)[:127], RevertIndexOutOfRange, nil},
		"integrator fee":              {feeWords(0, 1), RevertNone, []payment{{token, named("integrator")}, {token, maker}, {To: taker}}},
		"both, cut":                   {feeWords(1, 1)[:96], RevertIndexOutOfRange, nil},
		"both":                        {feeWords(2, 3), RevertNone, []payment{{token, named("integrator")}, {token, named("protocol")}, {token, maker}, {To: taker}}},
		"both, surplus bytes":         {append(feeWords(2, 3), 9), RevertNone, []payment{{token, named("integrator")}, {token, named("protocol")}, {token, maker}, {To: taker}}},
		"fees take all":               {feeWords(156, 100), RevertNone, []payment{{token, named("integrator")}, {token, named("protocol")}, {token, maker}, {To: taker}}},
		"fees above the balance":      {feeWords(157, 100), RevertSafeTransferFailed, []payment{{token, named("integrator")}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := testLeg(OneInchV11, Dst)
			l.Immutables.Parameters = c.params
			r, _ := ruleOf(OneInchV11, Dst, Withdraw)
			a := attempt(t, l, r, r.opens())
			var got []payment
			a.Funds.Refuses = func(token, to common.Address) bool {
				got = append(got, payment{token, to})
				return false
			}
			if rv := l.Check(a); rv != c.want {
				t.Errorf("%s, want %s", rv, c.want)
			}
			if c.want == RevertNone || c.want == RevertSafeTransferFailed {
				if d := cmp.Diff(c.pays, got); d != "" {
					t.Error(d)
				}
			}
			for _, fam := range []Family{OneInchV11, BMNv4} {
				// Cancel never looks at them, and BMN never does.
				l := testFactory(fam).Leg(Dst, l.Immutables, Position{})
				calls := map[Call]bool{Cancel: true, Withdraw: fam == BMNv4}
				for call, free := range calls {
					r, _ := ruleOf(fam, Dst, call)
					if rv := l.Check(attempt(t, l, r, r.opens())); free && rv != RevertNone {
						t.Errorf("%s %s: %s", fam, call, rv)
					}
				}
			}
		})
	}

	// With tokens to spare, fees above the amount fail in the subtraction.
	l := testLeg(OneInchV11, Dst)
	l.Immutables.Parameters = feeWords(157, 100)
	r, _ := ruleOf(OneInchV11, Dst, Withdraw)
	a := attempt(t, l, r, r.opens())
	a.Funds.Token.SetUint64(1 << 40)
	if rv := l.Check(a); rv != RevertPanic {
		t.Errorf("fees above the amount: %s", rv)
	}
	a.Funds = nil
	if rv := l.Check(a); rv != RevertPanic {
		t.Errorf("fees above the amount, funds unknown: %s", rv)
	}
}

// The hole: a whitelisted resolver's signature empties a dst leg into whatever
// immutables he sends.
func TestCheckSignedDstCancelTakesAnyImmutables(t *testing.T) {
	l := testLeg(BMNv4, Dst)
	r, _ := ruleOf(BMNv4, Dst, PublicCancelSigned)
	a := attempt(t, l, r, deployed) // long before the leg's own cancellation
	a.Immutables.Taker = wordOf(stranger)
	a.Immutables.Timelocks = Word{}
	if rv := l.Check(a); rv != RevertNone {
		t.Errorf("refused: %s", rv)
	}
}
