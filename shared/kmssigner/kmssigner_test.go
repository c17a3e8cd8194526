package kmssigner_test

import (
	"context"
	"encoding/asn1"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/local/kmsd"
	"github.com/bridge-me-not/resolver-cron/shared/kmssigner"
)

// TestSignsAsEthereumWants uses the real client against a KMS that answers with
// either half of s.
func TestSignsAsEthereumWants(t *testing.T) {
	private, err := crypto.ToECDSA(crypto.Keccak256([]byte("signer")))
	if err != nil {
		t.Fatal(err)
	}
	address := crypto.PubkeyToAddress(private.PublicKey)
	server := kmsd.New()
	if _, err := server.Add(private, "alias/signer"); err != nil {
		t.Fatal(err)
	}
	http := httptest.NewServer(server)
	defer http.Close()
	client := kms.New(kms.Options{Region: "us-east-1", BaseEndpoint: &http.URL,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	signer := kmssigner.New(client, map[common.Address]string{address: "alias/signer"})

	half := new(big.Int).Rsh(crypto.S256().Params().N, 1)
	for i := range 64 {
		digest := crypto.Keccak256Hash([]byte{byte(i)})
		sig, err := signer.Sign(t.Context(), address, digest)
		if err != nil {
			t.Fatal(err)
		}
		if new(big.Int).SetBytes(sig[32:64]).Cmp(half) > 0 {
			t.Errorf("digest %d: s is in the upper half", i)
		}
		pub, err := crypto.SigToPub(digest[:], sig[:])
		if err != nil || crypto.PubkeyToAddress(*pub) != address {
			t.Errorf("digest %d: signature recovers to another address (%v)", i, err)
		}
	}

	other := common.HexToAddress("0x01")
	if _, err := signer.Sign(t.Context(), other, common.Hash{1}); err == nil {
		t.Error("signed for an address without a key")
	}
	wrong := kmssigner.New(client, map[common.Address]string{other: "alias/signer"})
	if _, err := wrong.Sign(t.Context(), other, common.Hash{1}); err == nil || !strings.Contains(err.Error(), "does not belong to signer") {
		t.Errorf("key of another address: %v", err)
	}
	missing := kmssigner.New(client, map[common.Address]string{other: "alias/none"})
	if _, err := missing.Sign(t.Context(), other, common.Hash{1}); err == nil || !strings.Contains(err.Error(), "alias/none") {
		t.Errorf("missing key: %v", err)
	}
}

// answer is a KMS that says whatever it is told.
type answer []byte

func (a answer) Sign(context.Context, *kms.SignInput, ...func(*kms.Options)) (*kms.SignOutput, error) {
	return &kms.SignOutput{Signature: a, KeyId: aws.String("k")}, nil
}

func TestRefusesBadSignatures(t *testing.T) {
	n := crypto.S256().Params().N
	der := func(r, s *big.Int) []byte {
		b, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := big.NewInt(1)
	for name, sig := range map[string][]byte{
		"empty":     nil,
		"no DER":    []byte("signature"),
		"trailing":  append(der(one, one), 0),
		"r zero":    der(new(big.Int), one),
		"r order":   der(n, one),
		"s zero":    der(one, new(big.Int)),
		"s order":   der(one, n),
		"negative":  der(one, big.NewInt(-1)),
		"not ours":  der(one, one),
		"cut short": der(one, one)[:4],
	} {
		signer := kmssigner.New(answer(sig), map[common.Address]string{{1}: "k"})
		if got, err := signer.Sign(t.Context(), common.Address{1}, common.Hash{1}); err == nil || got != [65]byte{} {
			t.Errorf("%s: accepted", name)
		}
	}
}
