package swap

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func mustEncode(t testing.TB, l Leg, c Call, a CallArgs) []byte {
	t.Helper()
	b, err := EncodeCall(l, c, a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// patched returns calldata with the n-th word after the selector replaced.
func patched(b []byte, n int, w Word) []byte {
	b = bytes.Clone(b)
	copy(b[4+32*n:], w[:])
	return b
}

func TestDecodeCallRefusals(t *testing.T) {
	secret := CallArgs{Secret: secretOf("secret"), Target: target}
	v1 := mustEncode(t, testLeg(OneInchV1, Src), WithdrawTo, secret)
	v11 := mustEncode(t, testLeg(OneInchV11, Dst), Withdraw, secret)
	rescue := mustEncode(t, testLeg(BMNv4, Dst), RescueFunds, CallArgs{Token: token})
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"no arguments":      {v1[:4], "decode withdrawTo: arguments: 0 bytes, want 96"},
		"no immutables":     {v1[:4+96], "decode withdrawTo: immutables: 32 bytes, want 256"},
		"a byte short":      {v1[:len(v1)-1], "decode withdrawTo: immutables: 255 bytes, want 256"},
		"dirty target":      {patched(v1, 1, common.MaxHash), "decode withdrawTo: target: not an address"},
		"dirty token":       {patched(rescue, 0, common.MaxHash), "decode rescueFunds: token: not an address"},
		"struct offset":     {patched(v11, 1, common.MaxHash), "decode withdraw: immutables: offset"},
		"struct cut":        {v11[:4+64+256], "decode withdraw: immutables: 256 bytes"},
		"parameters offset": {patched(v11, 2+8, common.Hash{30: 0xff}), "decode withdraw: immutables.parameters: offset"},
		"parameters length": {patched(v11, 2+9, common.Hash{31: 0x81}), "decode withdraw: immutables.parameters: length"},
		"signature": {append(PublicCancelSigned.Selector(BMNv4).bytes(), patched(
			mustEncode(t, testLeg(BMNv4, Src), Cancel, CallArgs{}), 0, common.Hash{31: 32})[4:]...), "decode publicCancelSigned: signature: "},
	} {
		t.Run(name, func(t *testing.T) {
			d, ok, err := DecodeCall(c.data)
			if err == nil || ok || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%+v, %t, %v, want %q", d, ok, err, c.want)
			}
		})
	}
	for _, foreign := range [][]byte{nil, v1[:3], {0xa9, 0x05, 0x9c, 0xbb}, EncodeArbitraryCalls(nil, nil)} {
		if _, ok, err := DecodeCall(foreign); ok || err != nil {
			t.Errorf("%x: %t, %v", foreign, ok, err)
		}
	}
}

func (s Selector) bytes() []byte { return s[:] }

func TestUnwrapRefusals(t *testing.T) {
	b := EncodeArbitraryCalls([]common.Address{target, taker}, [][]byte{{1, 2, 3}, {4}})
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"no arguments":    {b[:4], "decode arbitraryCalls: targets: offset"},
		"huge offset":     {patched(b, 0, common.MaxHash), "decode arbitraryCalls: targets: offset"},
		"huge count":      {patched(b, 2, common.MaxHash), "decode arbitraryCalls: targets: length"},
		"count too large": {patched(b, 2, common.Hash{30: 1}), "decode arbitraryCalls: targets: length: 256 entries"},
		"unequal":         {patched(b, 2, common.Hash{31: 1}), "decode arbitraryCalls: data: 2 entries for 1 targets"},
		"dirty target":    {patched(b, 3, common.MaxHash), "decode arbitraryCalls: targets[0]: not an address"},
		"data offset":     {patched(b, 6, common.MaxHash), "decode arbitraryCalls: data[0]: offset"},
		"data cut":        {b[:len(b)-32], "decode arbitraryCalls: data[1]: length"},
	} {
		t.Run(name, func(t *testing.T) {
			in, ok, err := Unwrap(c.data)
			if err == nil || ok || in != nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%+v, %t, %v, want %q", in, ok, err, c.want)
			}
		})
	}
	if _, ok, err := Unwrap([]byte{1, 2, 3, 4}); ok || err != nil {
		t.Errorf("foreign calldata: %t, %v", ok, err)
	}
}

// FuzzDecodeCall: what decodes and may be sent encodes to calldata that
// decodes alike; wrappers never reach outside what they were given.
func FuzzDecodeCall(f *testing.F) {
	secret := CallArgs{Secret: secretOf("secret"), Target: target, Token: token}
	for _, r := range rules {
		if !r.call.Signed() {
			b := mustEncode(f, testLeg(r.families[0], r.side), r.call, secret)
			f.Add(b)
			f.Add(EncodeArbitraryCalls([]common.Address{target}, [][]byte{b}))
		}
	}
	f.Add(append(PublicWithdrawSigned.Selector(BMNv4).bytes(), make([]byte, 400)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, ok, err := DecodeCall(data)
		if ok && err != nil {
			t.Fatalf("%+v with error %v", d, err)
		}
		if ok && !d.Call.Signed() && (!d.Call.TakesSecret() || Unlocks(d.Args.Secret, d.Immutables.Hashlock)) {
			l := Leg{Side: Src, Family: OneInchV1, Immutables: d.Immutables}
			if d.Dynamic {
				l.Family = OneInchV11
			}
			again, ok, err := DecodeCall(mustEncode(t, l, d.Call, d.Args))
			if err != nil || !ok || again.Call != d.Call || again.Args != d.Args || !again.Immutables.Equal(d.Immutables) {
				t.Fatalf("%+v became %+v, %v", d, again, err)
			}
		}
		in, ok, err := Unwrap(data)
		if ok && err != nil || len(in) > len(data)/32 {
			t.Fatalf("%d calls with error %v", len(in), err)
		}
		for _, c := range in {
			if len(c.Data) > len(data) {
				t.Fatalf("%d bytes out of %d", len(c.Data), len(data))
			}
		}
	})
}
