package evmtest

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
)

func newSandbox(t *testing.T) *Sandbox {
	t.Helper()
	s, err := NewSandbox(contracts.OneInchV1, 10)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTryLeavesNoTrace(t *testing.T) {
	s := newSandbox(t)
	mint := contracts.Mint(s.Token, Maker, big.NewInt(7))
	r := s.Try(Maker, mint)
	if !r.OK() || len(r.Logs) != 1 || r.Gas < 21_000 {
		t.Fatalf("%+v", r)
	}
	if got := s.TokenBalance(s.Token, Maker); got.Sign() != 0 {
		t.Errorf("balance %s after a try", got)
	}
	s.Send(Maker, mint)
	if got := s.TokenBalance(s.Token, Maker); got.Int64() != 7 {
		t.Errorf("balance %s after sending", got)
	}
}

func TestForksAreIndependent(t *testing.T) {
	s := newSandbox(t)
	fork := s.Fork()
	fork.Send(Maker, contracts.Mint(s.Token, Maker, big.NewInt(7)))
	fork.Time++
	if got := s.TokenBalance(s.Token, Maker); got.Sign() != 0 || s.Time == fork.Time {
		t.Errorf("balance %s, time %d and %d", got, s.Time, fork.Time)
	}
}

func TestAnswers(t *testing.T) {
	s := newSandbox(t)
	for _, c := range []struct {
		name string
		tx   contracts.Tx
		want string
	}{
		{"success", contracts.Mint(s.Token, Maker, big.NewInt(1)), "ok"},
		{"named error", contracts.Transfer(s.Token, Taker, big.NewInt(1)), "0x4e487b71"}, // underflow
		{"no reason", contracts.Tx{To: &s.Token, Data: []byte{1, 2, 3, 4}}, "0x"},
		{"invalid code", contracts.Tx{Data: []byte{0xfe}}, "invalid opcode: INVALID"},
	} {
		if got := s.Try(Maker, c.tx).Answer(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	poor := Account("poor")
	if r := s.Try(poor, contracts.Tx{To: &Maker, Value: big.NewInt(1)}); !errors.Is(r.Err, core.ErrInsufficientFunds) {
		t.Errorf("without money: %v", r.Err)
	}
}

func TestPlaceRefusesCodeThatReverts(t *testing.T) {
	s := newSandbox(t)
	at := common.HexToAddress("0x1234")
	if err := s.Place(at, Admin, contracts.Tx{Data: []byte{0xfe}}); err == nil {
		t.Error("placed")
	}
	if err := s.Place(at, Admin, contracts.DeployResolver(Maker)); err != nil {
		t.Fatal(err)
	}
	if got := s.Try(Maker, contracts.ArbitraryCalls(at)).Answer(); got != "ok" {
		t.Errorf("the placed contract answers %s", got)
	}
}

func TestOpenNamesWhatFailed(t *testing.T) {
	s := newSandbox(t)
	im := contracts.Immutables{
		Maker: contracts.AddressWord(Maker), Taker: contracts.AddressWord(Taker), Token: contracts.AddressWord(s.Token),
		SafetyDeposit: contracts.UintWord(1), Timelocks: contracts.Timelocks{DeployedAt: 1_800_000_000}.Word(),
	}
	_, err := s.OpenSrc(im, contracts.Complement{}, false)
	if want := "open src leg: 0x34f5151d"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	im.Token = contracts.AddressWord(s.Resolver) // no token
	if _, err := s.OpenDst(im); err == nil {
		t.Error("opened a leg of a token that is none")
	}
}
