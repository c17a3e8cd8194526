package swap

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func TestPublicActionDigestBindsEverything(t *testing.T) {
	l := testLeg(BMNv4, Src)
	order := l.Immutables.OrderHash
	other := l
	other.Escrow = stranger
	chain := l
	chain.ChainID++
	dst := l
	dst.Side = Dst
	seen := map[common.Hash]string{}
	for name, d := range map[string]common.Hash{
		"src withdraw": l.PublicActionDigest(PublicWithdrawSigned, order, taker), "src cancel": l.PublicActionDigest(PublicCancelSigned, order, taker),
		"dst withdraw": dst.PublicActionDigest(PublicWithdrawSigned, order, taker), "dst cancel": dst.PublicActionDigest(PublicCancelSigned, order, taker),
		"order": l.PublicActionDigest(PublicWithdrawSigned, common.Hash{1}, taker), "caller": l.PublicActionDigest(PublicWithdrawSigned, order, maker),
		"escrow": other.PublicActionDigest(PublicWithdrawSigned, order, taker), "chain": chain.PublicActionDigest(PublicWithdrawSigned, order, taker),
	} {
		if was, ok := seen[d]; ok || d == (common.Hash{}) {
			t.Errorf("%s and %s share digest %s", name, was, d)
		}
		seen[d] = name
	}
	if d := l.PublicActionDigest(Withdraw, order, taker); d != (common.Hash{}) {
		t.Errorf("an unsigned call has digest %s", d)
	}
}

func TestRecoverPublicAction(t *testing.T) {
	k := testKey(t, "resolver")
	signer := crypto.PubkeyToAddress(k.PublicKey)
	digest := crypto.Keccak256Hash([]byte("digest"))
	good := sign(t, k, digest)

	// The same signature with s mirrored and v flipped: the precompile takes it.
	high := bytes.Clone(good)
	s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(good[32:64]))
	s.FillBytes(high[32:64])
	high[64] ^= 27 ^ 28

	with := func(at int, v byte) []byte { b := bytes.Clone(good); b[at] = v; return b }
	zeroR := bytes.Clone(good)
	clear(zeroR[:32])
	for name, c := range map[string]struct {
		sig  []byte
		want common.Address
	}{
		"good": {good, signer}, "high s": {high, signer},
		"empty": {nil, common.Address{}}, "short": {good[:64], common.Address{}}, "long": {append(bytes.Clone(good), 0), common.Address{}},
		"v 0": {with(64, 0), common.Address{}}, "v 1": {with(64, 1), common.Address{}}, "v 26": {with(64, 26), common.Address{}},
		"v 29": {with(64, 29), common.Address{}}, "r 0": {zeroR, common.Address{}},
		"s too large": {append(append(bytes.Clone(good[:32]), bytes.Repeat([]byte{0xff}, 32)...), good[64]), common.Address{}},
	} {
		if got := RecoverPublicAction(digest, c.sig); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := RecoverPublicAction(common.Hash{}, good); got == signer {
		t.Error("another digest recovers to the signer")
	}
}
