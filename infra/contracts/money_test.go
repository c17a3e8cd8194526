package contracts_test

import (
	"bytes"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/contracts/evmtest"
)

const (
	start   = 1_750_000_000 // deployedAt of the legs below
	amount  = 1_000_000
	deposit = 77
)

var (
	theSecret = common.HexToHash("0x5ec4e7")
	stages    = contracts.Timelocks{
		DeployedAt:    start,
		SrcWithdrawal: 10, SrcPublicWithdrawal: 20, SrcCancellation: 30, SrcPublicCancellation: 40,
		DstWithdrawal: 11, DstPublicWithdrawal: 21, DstCancellation: 31,
	}
)

func sandbox(t testing.TB, family contracts.Family) *evmtest.Sandbox {
	t.Helper()
	s, err := sandboxes[family]()
	if err != nil {
		t.Fatal(err)
	}
	return s.Fork()
}

// ordinary is a leg without any peculiarity.
func ordinary(s *evmtest.Sandbox, side contracts.Side) contracts.Immutables {
	im := contracts.Immutables{
		OrderHash: common.HexToHash("0x04de4"), Hashlock: contracts.HashSecret(theSecret),
		Maker: contracts.AddressWord(evmtest.Maker), Taker: contracts.AddressWord(evmtest.Taker),
		Token: contracts.AddressWord(s.Token), Amount: contracts.UintWord(amount),
		SafetyDeposit: contracts.UintWord(deposit), Timelocks: stages.Word(),
	}
	if side == contracts.Dst && s.Family == contracts.OneInchV11 {
		im.Parameters = make([]byte, 128)
	}
	return im
}

func open(t testing.TB, s *evmtest.Sandbox, side contracts.Side, im contracts.Immutables) contracts.Escrow {
	t.Helper()
	var e contracts.Escrow
	var err error
	if side == contracts.Src {
		e, err = s.OpenSrc(im, contracts.Complement{}, true)
	} else {
		e, err = s.OpenDst(im)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Every call that succeeds pays the tokens to whom the table of windows says,
// and the deposit to whoever called.
func TestWhoIsPaid(t *testing.T) {
	type row struct {
		side   contracts.Side
		call   string
		by, to common.Address
		at     uint32 // seconds after deployedAt
		tx     func(contracts.Escrow, *evmtest.Sandbox) contracts.Tx
	}
	holder, maker, taker, stranger := evmtest.Holder, evmtest.Maker, evmtest.Taker, evmtest.Stranger
	permit := func(e contracts.Escrow, s *evmtest.Sandbox, withdraw bool) []byte {
		return sign(t, evmtest.ListedKey, e.Permit(s.ID(), stranger, withdraw))
	}
	both := []row{
		{contracts.Src, "withdraw", taker, taker, 10, func(e contracts.Escrow, _ *evmtest.Sandbox) contracts.Tx { return e.Withdraw(theSecret) }},
		{contracts.Src, "withdrawTo", taker, stranger, 29, func(e contracts.Escrow, _ *evmtest.Sandbox) contracts.Tx {
			return e.WithdrawTo(theSecret, stranger)
		}},
		{contracts.Src, "cancel", taker, maker, 30, func(e contracts.Escrow, _ *evmtest.Sandbox) contracts.Tx { return e.Cancel() }},
		{contracts.Dst, "withdraw", taker, maker, 11, func(e contracts.Escrow, _ *evmtest.Sandbox) contracts.Tx { return e.Withdraw(theSecret) }},
		{contracts.Dst, "cancel", taker, taker, 31, func(e contracts.Escrow, _ *evmtest.Sandbox) contracts.Tx { return e.Cancel() }},
	}
	byToken := []row{
		{contracts.Src, "publicWithdraw", holder, taker, 20, func(e contracts.Escrow, _ *evmtest.Sandbox) contracts.Tx { return e.PublicWithdraw(theSecret) }},
		{contracts.Src, "publicCancel", holder, maker, 40, func(e contracts.Escrow, _ *evmtest.Sandbox) contracts.Tx { return e.PublicCancel() }},
		{contracts.Dst, "publicWithdraw", holder, maker, 21, func(e contracts.Escrow, _ *evmtest.Sandbox) contracts.Tx { return e.PublicWithdraw(theSecret) }},
	}
	byPermit := []row{
		{contracts.Src, "publicWithdrawSigned", stranger, taker, 20, func(e contracts.Escrow, s *evmtest.Sandbox) contracts.Tx {
			return e.PublicWithdrawSigned(theSecret, permit(e, s, true))
		}},
		{contracts.Src, "publicCancelSigned", stranger, maker, 40, func(e contracts.Escrow, s *evmtest.Sandbox) contracts.Tx {
			return e.PublicCancelSigned(permit(e, s, false))
		}},
		{contracts.Dst, "publicWithdrawSigned", stranger, maker, 21, func(e contracts.Escrow, s *evmtest.Sandbox) contracts.Tx {
			return e.PublicWithdrawSigned(theSecret, permit(e, s, true))
		}},
		{contracts.Dst, "publicCancelSigned", stranger, taker, 31, func(e contracts.Escrow, s *evmtest.Sandbox) contracts.Tx {
			return e.PublicCancelSigned(permit(e, s, false))
		}},
	}
	for _, family := range contracts.Families() {
		rows := append(append([]row(nil), both...), byToken...)
		if family == contracts.BMNv4 {
			rows = append(append([]row(nil), both...), byPermit...)
		}
		for _, r := range rows {
			t.Run(fmt.Sprintf("%s/%s/%s", family, r.side, r.call), func(t *testing.T) {
				s := sandbox(t, family)
				im := ordinary(s, r.side)
				im.Maker[0], im.Taker[0] = 0xd1, 0x00 // dirt above the maker must not matter
				e := open(t, s, r.side, im)
				tokens, coin := s.TokenBalance(s.Token, r.to), s.Balance(r.by)
				s.Time = start + uint64(r.at)
				if got := s.Send(r.by, r.tx(e, s)); !got.OK() {
					t.Fatal(got.Answer())
				}
				gained(t, "tokens", s.TokenBalance(s.Token, r.to), tokens, amount)
				gained(t, "deposit", s.Balance(r.by), coin, deposit)
				if left := s.TokenBalance(s.Token, e.Address); left.Sign() != 0 || s.Balance(e.Address).Sign() != 0 {
					t.Errorf("left in the escrow: %s tokens, %s wei", left, s.Balance(e.Address))
				}
			})
		}
	}
}

func gained(t *testing.T, what string, now, before *big.Int, want int64) {
	t.Helper()
	if got := new(big.Int).Sub(now, before); got.Cmp(big.NewInt(want)) != 0 {
		t.Errorf("%s gained: %s, want %d", what, got, want)
	}
}

// v1.1 pays integrator, protocol and maker, in tokens or in coin.
func TestFees(t *testing.T) {
	s := sandbox(t, contracts.OneInchV11)
	protocol, integrator := evmtest.Account("protocol"), evmtest.Account("integrator")
	for _, token := range []common.Address{s.Token, {}} {
		im := ordinary(s, contracts.Dst)
		im.Token = contracts.AddressWord(token)
		var words [][]byte
		for _, w := range []common.Hash{
			contracts.UintWord(300), contracts.UintWord(5), contracts.AddressWord(protocol), contracts.AddressWord(integrator),
		} {
			words = append(words, w[:])
		}
		im.Parameters = bytes.Join(words, nil)
		s := s.Fork()
		e := open(t, s, contracts.Dst, im)
		balance := func(a common.Address) *big.Int {
			if token == (common.Address{}) {
				return s.Balance(a)
			}
			return s.TokenBalance(token, a)
		}
		maker := balance(evmtest.Maker)
		s.Time = start + 11
		if r := s.Send(evmtest.Taker, e.Withdraw(theSecret)); !r.OK() {
			t.Fatal(r.Answer())
		}
		gained(t, "protocol", balance(protocol), new(big.Int), 300)
		gained(t, "integrator", balance(integrator), new(big.Int), 5)
		gained(t, "maker", balance(evmtest.Maker), maker, amount-305)
	}
}

// BMN's hole: a permit for another order, and with it somebody else's words,
// empties a dst leg.
func TestPublicCancelSignedBelievesAnyImmutables(t *testing.T) {
	s := sandbox(t, contracts.BMNv4)
	e := open(t, s, contracts.Dst, ordinary(s, contracts.Dst))
	e.Immutables.Taker = contracts.AddressWord(evmtest.Stranger)
	e.Immutables.Timelocks = common.Hash{} // cancellable since ever
	e.Immutables.OrderHash = common.HexToHash("0xf00")
	if r := s.Send(evmtest.Stranger, e.PublicCancelSigned(sign(t, evmtest.ListedKey, e.Permit(s.ID(), evmtest.Stranger, false)))); !r.OK() {
		t.Fatal(r.Answer())
	}
	gained(t, "stranger", s.TokenBalance(s.Token, evmtest.Stranger), new(big.Int), amount)
}

// Receivers that refuse block the call, whatever their own reason was.
func TestRefusedPayments(t *testing.T) {
	for _, family := range contracts.Families() {
		s := sandbox(t, family)
		im := ordinary(s, contracts.Dst)
		im.Maker, im.Token = contracts.AddressWord(s.Refuser), common.Hash{}
		native := open(t, s, contracts.Dst, im)
		im.Maker, im.Token = contracts.AddressWord(evmtest.Maker), contracts.AddressWord(s.Blocking)
		blocked := open(t, s, contracts.Dst, im)
		s.Time = start + 11
		if got := s.Try(evmtest.Taker, native.Withdraw(theSecret)).Answer(); got != "0x8a0332d5" {
			t.Errorf("%s: native to a contract that refuses: %s", family, got)
		}
		if got := s.Try(evmtest.Taker, blocked.Withdraw(theSecret)).Answer(); got != "ok" {
			t.Errorf("%s: nobody is barred: %s", family, got)
		}
		s.Send(evmtest.Admin, contracts.SetBlocked(s.Blocking, evmtest.Maker, true))
		if got := s.Try(evmtest.Taker, blocked.Withdraw(theSecret)).Answer(); got != "0xfb7f5079" {
			t.Errorf("%s: token to a barred account: %s", family, got)
		}
	}
}

// A contract taker: its owner and his operators command it, the escrow's reason comes
// through, all calls or none, and the deposit stays with it.
func TestResolver(t *testing.T) {
	for _, family := range contracts.Families() {
		t.Run(string(family), func(t *testing.T) {
			s := sandbox(t, family)
			im := ordinary(s, contracts.Dst)
			im.Taker = contracts.AddressWord(s.Resolver)
			first := open(t, s, contracts.Dst, im)
			im.OrderHash[0]++
			second := open(t, s, contracts.Dst, im)
			s.Time = start + 11
			good := []contracts.Tx{first.Withdraw(theSecret), second.Withdraw(theSecret)}
			for _, c := range []struct {
				name string
				from common.Address
				tx   contracts.Tx
				want string
			}{
				{"two at once", evmtest.Admin, contracts.ArbitraryCalls(s.Resolver, good...), "ok"},
				{"none", evmtest.Admin, contracts.ArbitraryCalls(s.Resolver), "ok"},
				{"not the owner", evmtest.Taker, contracts.ArbitraryCalls(s.Resolver, good...), "0x30cd7471"},
				{"exec by another", evmtest.Taker, contracts.Exec(s.Resolver, good[0]), "0x30cd7471"},
				{"the second fails", evmtest.Admin, contracts.ArbitraryCalls(s.Resolver, good[0], second.Withdraw(common.Hash{})), "0xabab6bd7"},
				{"the same twice", evmtest.Admin, contracts.ArbitraryCalls(s.Resolver, good[0], good[0]), "0xfb7f5079"},
				{"the owner himself", evmtest.Admin, good[0], "0x48f5c3ed"},
			} {
				if got := s.Try(c.from, c.tx).Answer(); got != c.want {
					t.Errorf("%s: %s, want %s", c.name, got, c.want)
				}
			}
			operator := evmtest.Stranger
			if got := s.Try(operator, contracts.SetOperator(s.Resolver, operator, true)).Answer(); got != "0x30cd7471" {
				t.Errorf("a stranger names an operator: %s", got)
			}
			s.Send(evmtest.Admin, contracts.SetOperator(s.Resolver, operator, true))
			if got := s.Try(operator, contracts.ArbitraryCalls(s.Resolver, good...)).Answer(); got != "ok" {
				t.Errorf("calls of an operator: %s", got)
			}
			if got := s.Try(operator, contracts.Exec(s.Resolver, good[0])).Answer(); got != "0x30cd7471" {
				t.Errorf("an operator spends: %s", got)
			}
			s.Send(evmtest.Admin, contracts.SetOperator(s.Resolver, operator, false))
			if got := s.Try(operator, contracts.ArbitraryCalls(s.Resolver, good...)).Answer(); got != "0x30cd7471" {
				t.Errorf("calls of a former operator: %s", got)
			}
			coin := s.Balance(s.Resolver)
			s.Send(evmtest.Admin, contracts.ArbitraryCalls(s.Resolver, good...))
			gained(t, "resolver contract", s.Balance(s.Resolver), coin, 2*deposit)
		})
	}
}

// Plain transfers to an escrow fail, yet dust gets in. Rescue takes out what lies
// there, the deposit and dust as the zero token, each by a call of its own and in
// either order: for the taker alone, from the delay on, on both legs. Once the
// deposit is out, nobody can withdraw or cancel any more.
func TestDustAndRescue(t *testing.T) {
	const dust = 1
	coin := common.Address{}
	for _, family := range contracts.Families() {
		for _, side := range []contracts.Side{contracts.Src, contracts.Dst} {
			t.Run(fmt.Sprintf("%s/%s", family, side), func(t *testing.T) {
				s := sandbox(t, family)
				e := open(t, s, side, ordinary(s, side))
				if r := s.Send(evmtest.Admin, contracts.Tx{To: &e.Address, Value: big.NewInt(dust)}); r.OK() {
					t.Error("the escrow took a plain transfer")
				}
				if r := s.Send(evmtest.Admin, contracts.SendDust(e.Address, big.NewInt(dust))); !r.OK() {
					t.Fatal(r.Answer())
				}
				open := start + uint64(family.RescueDelay())
				for _, c := range []struct {
					name   string
					at     uint64
					by     common.Address
					token  common.Address
					amount int64
					want   string
				}{
					{"a second early", open - 1, evmtest.Taker, coin, deposit, "0x6f7eac26"},
					{"tokens a second early", open - 1, evmtest.Taker, s.Token, amount, "0x6f7eac26"},
					{"by the maker", open, evmtest.Maker, coin, deposit, "0x48f5c3ed"},
					{"more than there is", open, evmtest.Taker, coin, deposit + dust + 1, "0x8a0332d5"},
					{"more tokens than there are", open, evmtest.Taker, s.Token, amount + 1, "0xfb7f5079"},
					{"deposit and dust", open, evmtest.Taker, coin, deposit + dust, "ok"},
					{"a part", open, evmtest.Taker, coin, 1, "ok"},
					{"tokens", open, evmtest.Taker, s.Token, amount, "ok"},
				} {
					s.Time = c.at
					if got := s.Try(c.by, e.RescueFunds(c.token, big.NewInt(c.amount))).Answer(); got != c.want {
						t.Errorf("%s: %s, want %s", c.name, got, c.want)
					}
				}
				rescue := func(s *evmtest.Sandbox, token common.Address, n int64) {
					t.Helper()
					balance := s.Balance
					if token != coin {
						balance = func(a common.Address) *big.Int { return s.TokenBalance(token, a) }
					}
					before := balance(evmtest.Taker)
					if r := s.Send(evmtest.Taker, e.RescueFunds(token, big.NewInt(n))); !r.OK() {
						t.Fatal(r.Answer())
					}
					gained(t, token.Hex(), balance(evmtest.Taker), before, n)
					if left := balance(e.Address); left.Sign() != 0 {
						t.Errorf("left in the escrow: %s", left)
					}
				}
				s.Time = open
				tokensFirst := s.Fork()
				rescue(tokensFirst, s.Token, amount)
				rescue(tokensFirst, coin, deposit+dust)
				rescue(s, coin, deposit+dust)
				if got := s.Try(evmtest.Taker, e.Cancel()).Answer(); got != "0x8a0332d5" {
					t.Errorf("cancel without a deposit: %s", got)
				}
				rescue(s, s.Token, amount)
			})
		}
	}
}

// A taker that is a contract gets the deposit itself.
func TestResolverRescuesCoin(t *testing.T) {
	for _, family := range contracts.Families() {
		s := sandbox(t, family)
		im := ordinary(s, contracts.Src)
		im.Taker = contracts.AddressWord(s.Resolver)
		e := open(t, s, contracts.Src, im)
		s.Time = start + uint64(family.RescueDelay())
		before := s.Balance(s.Resolver)
		if r := s.Send(evmtest.Admin, contracts.ArbitraryCalls(s.Resolver, e.RescueFunds(s.Token, big.NewInt(amount)), e.RescueFunds(common.Address{}, big.NewInt(deposit)))); !r.OK() {
			t.Fatal(r.Answer())
		}
		gained(t, "resolver contract", s.Balance(s.Resolver), before, deposit)
	}
}
