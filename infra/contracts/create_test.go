package contracts_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/contracts/evmtest"
)

const (
	insufficientEscrowBalance = "0x34f5151d"
	invalidCreationTime       = "0xf4840e96"
	failedDeployment          = "0xb06ebf3d"
	transferFromFailed        = "0xf4059071"
	nativeSendingFailure      = "0x8a0332d5"
	invalidImmutables         = "0xa269484a"
	errorString               = "0x08c379a0"
	onlyOrderEntry            = "0xb259b779"
)

func wei(n int64) *big.Int { return big.NewInt(n) }

// supplied is a sandbox whose maker and taker have tokens to spend.
func supplied(t testing.TB, family contracts.Family) *evmtest.Sandbox {
	t.Helper()
	s := sandbox(t, family)
	s.Time = start
	for _, account := range []common.Address{evmtest.Maker, evmtest.Taker} {
		s.Send(account, contracts.Mint(s.Token, account, evmtest.Rich))
		s.Send(account, contracts.Approve(s.Token, s.OrderEntry, evmtest.Rich))
		s.Send(account, contracts.Approve(s.Token, s.Factory, evmtest.Rich))
	}
	return s
}

func order(s *evmtest.Sandbox) contracts.Order {
	im := ordinary(s, contracts.Src)
	o := contracts.Order{
		OrderHash: im.OrderHash, Hashlock: im.Hashlock, Maker: im.Maker, Token: im.Token, Amount: im.Amount,
		SafetyDeposit: im.SafetyDeposit, Timelocks: im.Timelocks, Dst: contracts.Complement{Maker: im.Maker},
	}
	if s.Family == contracts.BMNv4 {
		o.Timelocks = contracts.BMNOrderTimelocks(start+500, start+100)
	}
	return o
}

// A filled order becomes the leg that Filled foretells, its deposit included.
func TestFill(t *testing.T) {
	for _, family := range contracts.Families() {
		t.Run(string(family), func(t *testing.T) {
			s := supplied(t, family)
			o := order(s)
			im := s.Filled(o, evmtest.Taker, start)
			e := s.Escrow(contracts.Src, im)
			if r := s.Send(evmtest.Taker, s.Fill(o, wei(deposit))); !r.OK() {
				t.Fatal(r.Answer())
			}
			if len(s.Code(e.Address)) == 0 || s.Balance(e.Address).Cmp(wei(deposit)) != 0 || s.TokenBalance(s.Token, e.Address).Cmp(wei(amount)) != 0 {
				t.Fatalf("escrow %s holds %d bytes of code, %s wei, %s tokens", e.Address, len(s.Code(e.Address)), s.Balance(e.Address), s.TokenBalance(s.Token, e.Address))
			}
			s.Time = stageStart(im, 2) // SrcCancellation
			if got := s.Try(evmtest.Taker, e.Cancel()).Answer(); got != "ok" {
				t.Errorf("cancel: %s", got)
			}
		})
	}
}

// BMN orders fix two moments; the gap between them and the rest is the factory's.
func TestBMNOrderTimelocks(t *testing.T) {
	s := supplied(t, contracts.BMNv4)
	im := s.Filled(order(s), evmtest.Taker, start)
	want := contracts.Timelocks{
		DeployedAt: start, SrcWithdrawal: 0, SrcPublicWithdrawal: 60, SrcCancellation: 500, SrcPublicCancellation: 560,
		DstWithdrawal: 100, DstPublicWithdrawal: 160, DstCancellation: 500,
	}.Word()
	if im.Timelocks != want {
		t.Errorf("timelocks %s, want %s", im.Timelocks, want)
	}
}

func TestCreationRefused(t *testing.T) {
	dirty := contracts.AddressWord(evmtest.Taker)
	dirty[0] = 1
	for _, family := range contracts.Families() {
		s := supplied(t, family)
		o := order(s)
		dst := ordinary(s, contracts.Dst)
		native := dst
		native.Token = common.Hash{}
		src := ordinary(s, contracts.Src)
		with := func(tx contracts.Tx, value int64) contracts.Tx { tx.Value = wei(value); return tx }
		twice := func(tx contracts.Tx) contracts.Tx { s.Send(evmtest.Taker, tx); return tx }
		type row struct {
			name string
			from common.Address
			tx   contracts.Tx
			want string
		}
		poor := dst
		poor.Amount = contracts.AddressWord(evmtest.Taker) // more than anyone has
		rows := []row{
			{"dst without tokens", evmtest.Stranger, s.CreateDst(dst, 1<<40), transferFromFailed},
			{"dst beyond the taker's means", evmtest.Taker, s.CreateDst(poor, 1<<40), transferFromFailed},
			{"src reported by a stranger", evmtest.Stranger, reported(s, o), onlyOrderEntry},
			{"src without tokens", evmtest.Taker, s.Fill(orderOf(o, evmtest.Stranger), wei(deposit)), transferFromFailed},
			{"dst for any taker", evmtest.Taker, s.CreateDst(withTaker(dst, contracts.AddressWord(evmtest.Stranger)), 1<<40), "ok"},
			{"dst for a dirty taker", evmtest.Taker, s.CreateDst(withTaker(dst, dirty), 1<<40), "ok"},
			{"native dst", evmtest.Taker, s.CreateDst(native, 1<<40), "ok"},
		}
		if family == contracts.BMNv4 {
			rows = append(rows,
				row{"short of the deposit", evmtest.Taker, with(s.CreateDst(dst, 0), deposit-1), "ok"},
				row{"no coin for a native leg", evmtest.Taker, with(s.CreateDst(native, 0), 0), "ok"},
				row{"src without deposit", evmtest.Maker, s.CreateSrc(src, contracts.Complement{}), "ok"},
				row{"src order without deposit", evmtest.Taker, s.Fill(o, nil), "ok"},
				row{"src by anybody with tokens", evmtest.Taker, s.CreateSrc(src, contracts.Complement{}), "ok"},
				row{"src by somebody without", evmtest.Stranger, s.CreateSrc(src, contracts.Complement{}), transferFromFailed},
			)
		} else {
			rows = append(rows,
				row{"short of the deposit", evmtest.Taker, with(s.CreateDst(dst, 1<<40), deposit-1), insufficientEscrowBalance},
				row{"more than the deposit", evmtest.Taker, with(s.CreateDst(dst, 1<<40), deposit+1), insufficientEscrowBalance},
				row{"native without the amount", evmtest.Taker, with(s.CreateDst(native, 1<<40), deposit), insufficientEscrowBalance},
				row{"dst cancellation with src's", evmtest.Taker, s.CreateDst(dst, start+31), "ok"},
				row{"dst cancellation after src's", evmtest.Taker, s.CreateDst(dst, start+30), invalidCreationTime},
				row{"src order without deposit", evmtest.Taker, s.Fill(o, nil), insufficientEscrowBalance},
				row{"src order short of it", evmtest.Taker, s.Fill(o, wei(deposit-1)), insufficientEscrowBalance},
			)
		}
		for _, r := range rows {
			if got := s.Try(r.from, r.tx).Answer(); got != r.want {
				t.Errorf("%s: %s: %s, want %s", family, r.name, got, r.want)
			}
		}
		if got := s.Try(evmtest.Taker, twice(s.CreateDst(dst, 1<<40))).Answer(); got != failedDeployment {
			t.Errorf("%s: the same dst twice: %s", family, got)
		}
	}
}

func withTaker(im contracts.Immutables, taker common.Hash) contracts.Immutables {
	im.Taker = taker
	return im
}

func orderOf(o contracts.Order, maker common.Address) contracts.Order {
	o.Maker = contracts.AddressWord(maker)
	return o
}

// reported is Fill's last step by someone who is not the order entry.
func reported(s *evmtest.Sandbox, o contracts.Order) contracts.Tx {
	fill := s.Fill(o, nil)
	id := contracts.ABI(s.Family.Factory()).Methods["orderFilled"].ID
	data := append(append([]byte(nil), id...), fill.Data[4+32:4+64]...) // offset of the order
	data = append(append(data, common.LeftPadBytes(evmtest.Taker[:], 32)...), fill.Data[4+64:]...)
	return contracts.Tx{To: &s.Factory, Data: data}
}

// An unfunded BMN src can be neither withdrawn nor cancelled, and no deposit
// can be added once it exists; rescue alone gets the tokens out.
func TestUnfundedBMNSource(t *testing.T) {
	s := supplied(t, contracts.BMNv4)
	im := ordinary(s, contracts.Src)
	if r := s.Send(evmtest.Maker, s.CreateSrc(im, contracts.Complement{})); !r.OK() {
		t.Fatal(r.Answer())
	}
	e := s.Escrow(contracts.Src, im)
	if r := s.Send(evmtest.Taker, s.FundDeposit(contracts.Src, im)); r.OK() {
		t.Error("a deposit was taken after creation")
	}
	for _, c := range []struct {
		after uint64
		tx    contracts.Tx
		want  string
	}{
		{10, e.Withdraw(theSecret), nativeSendingFailure},
		{30, e.Cancel(), nativeSendingFailure},
		{uint64(contracts.BMNv4.RescueDelay()), e.RescueFunds(s.Token, wei(amount)), "ok"},
	} {
		s.Time = start + c.after
		if got := s.Try(evmtest.Taker, c.tx).Answer(); got != c.want {
			t.Errorf("%d s after creation: %s, want %s", c.after, got, c.want)
		}
	}
}

// The 1inch factories put the block's time in place of the caller's, BMN's does not.
func TestDeployedAtOfDst(t *testing.T) {
	for _, family := range contracts.Families() {
		s := supplied(t, family)
		im := ordinary(s, contracts.Dst)
		s.Time = start + 5
		if r := s.Send(evmtest.Taker, s.CreateDst(im, 1<<40)); !r.OK() {
			t.Fatal(r.Answer())
		}
		made, other := s.Created(im, s.Time), im
		if family == contracts.BMNv4 {
			other = im.WithDeployedAt(s.Time)
		}
		if len(s.Code(s.Escrow(contracts.Dst, made).Address)) == 0 || len(s.Code(s.Escrow(contracts.Dst, other).Address)) != 0 {
			t.Errorf("%s: the escrow is not where it should be", family)
		}
	}
}

// Implementations that were made for another factory never find immutables valid.
func TestImplementationOfAnotherFactory(t *testing.T) {
	for _, family := range contracts.Families() {
		s := supplied(t, family)
		wrong := s.Setup
		wrong.Src, wrong.Dst = common.Address{}, common.Address{}
		deploy := func(tx contracts.Tx) common.Address {
			r := s.Send(evmtest.Admin, tx)
			if !r.OK() {
				t.Fatal(r.Answer())
			}
			return r.Created
		}
		wrong.Src = deploy(wrong.DeployImplementation(contracts.Src, s.Factory))
		wrong.Dst = deploy(wrong.DeployImplementation(contracts.Dst, s.Factory))
		s.Deployment = wrong.At(deploy(wrong.Deploy()))
		e := open(t, s, contracts.Dst, ordinary(s, contracts.Dst))
		s.Time = start + 11
		if got := s.Try(evmtest.Taker, e.Withdraw(theSecret)).Answer(); got != invalidImmutables {
			t.Errorf("%s: withdraw: %s", family, got)
		}
	}
}

// Addresses computed here are those that the factory computes itself.
func TestAddressFormula(t *testing.T) {
	for _, family := range contracts.Families() {
		s := sandbox(t, family)
		for side, function := range map[contracts.Side]string{contracts.Src: "addressOfEscrowSrc", contracts.Dst: "addressOfEscrowDst"} {
			im := ordinary(s, side)
			im.Maker[0] = 0xd1
			cancel := s.Escrow(side, im).Cancel() // takes the immutables alone, like the getters
			data := append(append([]byte(nil), contracts.ABI(family.Factory()).Methods[function].ID...), cancel.Data[4:]...)
			got := common.BytesToAddress(s.Try(evmtest.Stranger, contracts.Tx{To: &s.Factory, Data: data}).Return)
			if want := s.Escrow(side, im).Address; got != want {
				t.Errorf("%s of %s: %s, computed %s", function, family, got, want)
			}
		}
	}
}

func TestBMNAdministration(t *testing.T) {
	s := supplied(t, contracts.BMNv4)
	im := ordinary(s, contracts.Dst)
	listed := crypto.PubkeyToAddress(evmtest.ListedKey.PublicKey)
	s.SetBalance(listed, evmtest.Rich)
	for _, tx := range []contracts.Tx{
		s.AddResolver(evmtest.Taker), s.RemoveResolver(listed), s.SetWhitelistBypassed(false), s.SetEmergencyPaused(true),
	} {
		if got := s.Try(evmtest.Stranger, tx).Answer(); got != errorString {
			t.Errorf("administered by a stranger: %s", got)
		}
	}
	ask := func(what string, from common.Address, tx contracts.Tx, want string) {
		t.Helper()
		if got := s.Try(from, tx).Answer(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	admin := func(tx contracts.Tx) {
		t.Helper()
		if r := s.Send(evmtest.Admin, tx); !r.OK() {
			t.Fatal(r.Answer())
		}
	}
	ask("bypassed at first", evmtest.Taker, s.CreateDst(im, 0), "ok")
	admin(s.SetWhitelistBypassed(false))
	ask("not listed", evmtest.Taker, s.CreateDst(im, 0), errorString)
	admin(s.AddResolver(evmtest.Taker))
	ask("listed", evmtest.Taker, s.CreateDst(im, 0), "ok")
	admin(s.SetEmergencyPaused(true))
	ask("dst while paused", evmtest.Taker, s.CreateDst(im, 0), errorString)
	ask("src while paused", evmtest.Maker, s.CreateSrc(im, contracts.Complement{}), errorString)
	ask("order while paused", evmtest.Taker, s.Fill(order(s), wei(deposit)), errorString)
	admin(s.SetEmergencyPaused(false))
	e := open(t, s, contracts.Dst, im)
	s.Time = start + 31
	cancel := e.PublicCancelSigned(sign(t, evmtest.ListedKey, e.Permit(s.ID(), evmtest.Stranger, false)))
	ask("permit of a listed resolver", evmtest.Stranger, cancel, "ok")
	admin(s.RemoveResolver(listed))
	ask("permit of a removed one", evmtest.Stranger, cancel, "0x48f5c3ed")
}
