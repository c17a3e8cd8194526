package kmsd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/local/kmsd"
)

const alias = "alias/taker"

func testKey(t *testing.T, name string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// serve returns a double with one key, its id, and the SDK's client for it.
func serve(t *testing.T) (*kmsd.Server, string, *kms.Client) {
	t.Helper()
	s := kmsd.New()
	id, err := s.Add(testKey(t, "taker"), alias)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, id, kms.New(kms.Options{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(h.URL + "/executor/kms"),
		Credentials:      credentials.NewStaticCredentialsProvider("any", "any", ""),
		RetryMaxAttempts: 1,
	})
}

func digestSign(keyID string, digest []byte) *kms.SignInput {
	return &kms.SignInput{
		KeyId:            &keyID,
		Message:          digest,
		MessageType:      types.MessageTypeDigest,
		SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	}
}

func TestPublicKeyByEveryName(t *testing.T) {
	_, id, client := serve(t)
	want := crypto.PubkeyToAddress(testKey(t, "taker").PublicKey)
	const arn = "arn:aws:kms:us-east-1:000000000000:"
	for _, name := range []string{id, alias, arn + "key/" + id, arn + alias} {
		got, err := client.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &name})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var spki struct {
			Algorithm struct{ Algorithm, Curve asn1.ObjectIdentifier }
			Point     asn1.BitString
		}
		if rest, err := asn1.Unmarshal(got.PublicKey, &spki); err != nil || len(rest) != 0 {
			t.Fatalf("%s: not one SPKI structure: %v, %d bytes over", name, err, len(rest))
		}
		if a, c := spki.Algorithm.Algorithm.String(), spki.Algorithm.Curve.String(); a != "1.2.840.10045.2.1" || c != "1.3.132.0.10" {
			t.Errorf("%s: algorithm %s, curve %s", name, a, c)
		}
		public, err := crypto.UnmarshalPubkey(spki.Point.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if address := crypto.PubkeyToAddress(*public); address != want {
			t.Errorf("%s: address %s, want %s", name, address, want)
		}
		if aws.ToString(got.KeyId) != arn+"key/"+id || got.KeySpec != types.KeySpecEccSecgP256k1 || got.KeyUsage != types.KeyUsageTypeSignVerify {
			t.Errorf("%s: key %s, spec %s, usage %s", name, aws.ToString(got.KeyId), got.KeySpec, got.KeyUsage)
		}
		described, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &name})
		if err != nil {
			t.Fatal(err)
		}
		if m := described.KeyMetadata; aws.ToString(m.KeyId) != id || !m.Enabled || m.KeyState != types.KeyStateEnabled || m.KeySpec != types.KeySpecEccSecgP256k1 {
			t.Errorf("%s: metadata %+v", name, m)
		}
	}
}

func TestSignaturesVerifyAndComeInBothHalves(t *testing.T) {
	s, id, client := serve(t)
	public := testKey(t, "taker").PublicKey
	half := new(big.Int).Rsh(crypto.S256().Params().N, 1)
	low, high := 0, 0
	const rounds = 64 // one half alone would be seen by chance in 2 of 2^64 runs
	for i := range rounds {
		digest := crypto.Keccak256([]byte{byte(i)})
		got, err := client.Sign(t.Context(), digestSign(alias, digest))
		if err != nil {
			t.Fatal(err)
		}
		var sig struct{ R, S *big.Int }
		if rest, err := asn1.Unmarshal(got.Signature, &sig); err != nil || len(rest) != 0 {
			t.Fatalf("not one DER signature: %v", err)
		}
		if !ecdsa.Verify(&public, digest, sig.R, sig.S) {
			t.Fatalf("round %d: signature does not verify", i)
		}
		if sig.S.Cmp(half) > 0 {
			high++
			sig.S.Sub(crypto.S256().Params().N, sig.S)
		} else {
			low++
		}
		rs := append(common.LeftPadBytes(sig.R.Bytes(), 32), common.LeftPadBytes(sig.S.Bytes(), 32)...)
		if !crypto.VerifySignature(crypto.FromECDSAPub(&public), digest, rs) {
			t.Fatalf("round %d: the chain refuses the normalised signature", i)
		}
	}
	if low == 0 || high == 0 {
		t.Errorf("%d low and %d high S, want both", low, high)
	}
	if got := s.Counts()[kmsd.Count{Operation: "Sign", KeyID: id}]; got != rounds {
		t.Errorf("counted %d signatures, want %d", got, rounds)
	}
}

func TestRefusals(t *testing.T) {
	s, _, client := serve(t)
	digest := crypto.Keccak256([]byte("transaction"))
	with := func(change func(*kms.SignInput)) *kms.SignInput {
		in := digestSign(alias, digest)
		change(in)
		return in
	}
	for _, tt := range []struct {
		name string
		in   *kms.SignInput
		code string
	}{
		{"unknown alias", with(func(in *kms.SignInput) { in.KeyId = aws.String("alias/nobody") }), "NotFoundException"},
		{"unknown id", with(func(in *kms.SignInput) { in.KeyId = aws.String("00000000-0000-0000-0000-000000000000") }), "NotFoundException"},
		{"alias without its prefix", with(func(in *kms.SignInput) { in.KeyId = aws.String("taker") }), "NotFoundException"},
		{"other algorithm", with(func(in *kms.SignInput) { in.SigningAlgorithm = types.SigningAlgorithmSpecEcdsaSha384 }), "InvalidKeyUsageException"},
		{"raw message", with(func(in *kms.SignInput) { in.MessageType = types.MessageTypeRaw }), "ValidationException"},
		{"no message type", with(func(in *kms.SignInput) { in.MessageType = "" }), "ValidationException"},
		{"31 bytes", with(func(in *kms.SignInput) { in.Message = digest[:31] }), "ValidationException"},
		{"33 bytes", with(func(in *kms.SignInput) { in.Message = append(digest[:32:32], 0) }), "ValidationException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := client.Sign(t.Context(), tt.in)
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorCode() != tt.code {
				t.Errorf("got %v, want %s", err, tt.code)
			}
		})
	}
	var missing *types.NotFoundException
	if _, err := client.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: aws.String("alias/nobody")}); !errors.As(err, &missing) {
		t.Errorf("public key of nobody: %v", err)
	}
	var api smithy.APIError
	if _, err := client.ListAliases(t.Context(), &kms.ListAliasesInput{}); !errors.As(err, &api) || api.ErrorCode() != "UnknownOperationException" {
		t.Errorf("list aliases: %v", err)
	}
	if got := s.Counts()[kmsd.Count{Operation: "Sign"}]; got != 3 {
		t.Errorf("counted %d signings by nobody, want 3", got)
	}
}

func TestGarbageIsRefused(t *testing.T) {
	s := kmsd.New()
	for name, r := range map[string]*http.Request{
		"no target": httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")),
		"not json":  target(httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{"))),
		"endless":   target(httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat(" ", 1<<20)+"{}"))),
		"get":       target(httptest.NewRequest(http.MethodGet, "/", nil)),
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"__type"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func target(r *http.Request) *http.Request {
	r.Header.Set("X-Amz-Target", "TrentService.Sign")
	return r
}

func TestSignTakesItsTime(t *testing.T) {
	s, _, client := serve(t)
	const delay = 30 * time.Millisecond
	s.SetSignDelay(delay)
	digest := crypto.Keccak256([]byte("transaction"))
	start := time.Now()
	if _, err := client.Sign(t.Context(), digestSign(alias, digest)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < delay {
		t.Errorf("signed in %v, want at least %v", took, delay)
	}
	s.SetSignDelay(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Sign(ctx, digestSign(alias, digest)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("sign beyond the deadline: %v", err)
	}
}

func TestAdd(t *testing.T) {
	s := kmsd.New()
	id, err := s.Add(testKey(t, "taker"), alias)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Add(testKey(t, "taker"), alias, "alias/second"); err != nil || again != id {
		t.Errorf("again: id %s, error %v; want %s", again, err, id)
	}
	if _, err := s.Add(testKey(t, "other"), alias); err == nil || !strings.Contains(err.Error(), alias) {
		t.Errorf("another key under the same alias: %v", err)
	}
	for _, bad := range []string{"taker", "alias/", ""} {
		if _, err := s.Add(testKey(t, "other"), bad); err == nil {
			t.Errorf("alias %q was taken", bad)
		}
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*ecdsa.PrivateKey{"P-256": p256, "nil": nil} {
		if _, err := s.Add(k, "alias/other"); err == nil {
			t.Errorf("%s key was taken", name)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	s, id, client := serve(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := client.Sign(t.Context(), digestSign(id, crypto.Keccak256([]byte{byte(i)}))); err != nil {
				t.Error(err)
			}
			if _, err := s.Add(testKey(t, "other"), "alias/other"); err != nil {
				t.Error(err)
			}
			s.SetSignDelay(time.Duration(i) * time.Millisecond)
			s.Counts()
		})
	}
	wg.Wait()
}
