package swap

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// abiArgs returns the call's argument types and values before the immutables.
func abiArgs(t testing.TB, c Call, f Family, a CallArgs, im Immutables) (abi.Arguments, []any) {
	t.Helper()
	typ := func(s string) abi.Argument {
		ty, err := abi.NewType(s, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return abi.Argument{Type: ty}
	}
	var args abi.Arguments
	var vals []any
	switch {
	case c == RescueFunds:
		args, vals = abi.Arguments{typ("address"), typ("uint256")}, []any{a.Token, a.Amount.ToBig()}
	case c == WithdrawTo:
		args, vals = abi.Arguments{typ("bytes32"), typ("address")}, []any{a.Secret, a.Target}
	case c.TakesSecret():
		args, vals = abi.Arguments{typ("bytes32")}, []any{a.Secret}
	}
	return append(args, abi.Argument{Type: abiTuple(t, f.HasParameters())}), append(vals, toABI(im))
}

// Every call that is sent encodes as go-ethereum's general encoder does, and
// decodes to what went in.
func TestEncodeCall(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	n := 0
	for _, row := range rules {
		for _, f := range row.families {
			if row.call.Signed() {
				continue
			}
			for params := range 70 {
				l := Leg{Family: f, Side: row.side, Immutables: randomImmutables(r, 0)}
				if f.HasParameters() {
					l.Immutables = randomImmutables(r, params)
				}
				a := CallArgs{Secret: secretOf("secret"), Target: target, Token: token, Amount: *uint256.NewInt(uint64(params))}
				l.Immutables.Hashlock = testImmutables().Hashlock
				got, err := EncodeCall(l, row.call, a)
				if err != nil {
					t.Fatal(err)
				}
				types, vals := abiArgs(t, row.call, f, a, l.Immutables)
				want, err := types.Pack(vals...)
				if err != nil {
					t.Fatal(err)
				}
				sel := row.call.Selector(f)
				if want = append(sel[:], want...); !bytes.Equal(got, want) {
					t.Fatalf("%s %s %s\n%x, want\n%x", f, row.side, row.call, got, want)
				}
				if !row.call.TakesSecret() {
					a.Secret = [32]byte{}
				}
				if row.call != WithdrawTo {
					a.Target = common.Address{}
				}
				if row.call != RescueFunds {
					a.Token, a.Amount = common.Address{}, uint256.Int{}
				}
				d, ok, err := DecodeCall(got)
				if err != nil || !ok || d.Call != row.call || d.Dynamic != f.HasParameters() || d.Args != a || !d.Immutables.Equal(l.Immutables) || d.Signature != nil {
					t.Fatalf("%s %s %s decodes to %+v, %t, %v", f, row.side, row.call, d, ok, err)
				}
			}
			n++
		}
	}
	wantCount(t, "calls", n, 27)
}

func TestEncodeCallRefusals(t *testing.T) {
	secret := secretOf("secret")
	for name, c := range map[string]struct {
		leg  Leg
		call Call
		args CallArgs
		want string
	}{
		"wrong secret":    {testLeg(OneInchV1, Src), Withdraw, CallArgs{}, "encode withdraw: secret does not fit hashlock"},
		"signed":          {testLeg(BMNv4, Src), PublicCancelSigned, CallArgs{}, "encode publicCancelSigned: signed calls are not sent"},
		"no such call":    {testLeg(OneInchV1, Dst), PublicCancel, CallArgs{}, "encode publicCancel: no such call on a dst leg of 1inch-v1"},
		"no access token": {testLeg(BMNv4, Dst), PublicWithdraw, CallArgs{Secret: secret}, "encode publicWithdraw: no such call on a dst leg of bmn-v4"},
		"no family":       {Leg{Side: Src}, Cancel, CallArgs{}, "encode cancel: no such call on a src leg of unknown"},
		"no call":         {testLeg(OneInchV1, Src), 0, CallArgs{}, "encode call(0): no such call"},
	} {
		b, err := EncodeCall(c.leg, c.call, c.args)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || b != nil {
			t.Errorf("%s: %x, %v, want %q", name, b, err, c.want)
		}
	}
}

func TestEncodeArbitraryCalls(t *testing.T) {
	typ := func(s string) abi.Argument {
		ty, err := abi.NewType(s, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return abi.Argument{Type: ty}
	}
	args := abi.Arguments{typ("address[]"), typ("bytes[]")}
	r := rand.New(rand.NewPCG(7, 8))
	for n := range 6 {
		targets, data := make([]common.Address, n), make([][]byte, n)
		for i := range n {
			targets[i] = common.Address(randomBytes(r, 20))
			data[i] = randomBytes(r, r.IntN(100))
		}
		want, err := args.Pack(targets, data)
		if err != nil {
			t.Fatal(err)
		}
		got := EncodeArbitraryCalls(targets, data)
		if want = append(selArbitraryCalls[:], want...); !bytes.Equal(got, want) {
			t.Fatalf("%d calls\n%x, want\n%x", n, got, want)
		}
		in, ok, err := Unwrap(got)
		if err != nil || !ok || len(in) != n {
			t.Fatalf("%d calls unwrap to %d, %t, %v", n, len(in), ok, err)
		}
		for i, c := range in {
			if c.Target != targets[i] || !bytes.Equal(c.Data, data[i]) {
				t.Errorf("call %d of %d unwraps to %+v", i, n, c)
			}
		}
	}
}
