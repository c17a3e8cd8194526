package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/local/kmsd"
)

// TestAddress reads a key as KMS gives it, and refuses what is something else.
func TestAddress(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	server := kmsd.New()
	if _, err := server.Add(key, "alias/signer"); err != nil {
		t.Fatal(err)
	}
	at := httptest.NewServer(server)
	defer at.Close()
	client := kms.New(kms.Options{Region: "us-east-1", BaseEndpoint: &at.URL, Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")})
	public, err := client.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: aws.String("alias/signer")})
	if err != nil {
		t.Fatal(err)
	}
	given, want := base64.StdEncoding.EncodeToString(public.PublicKey), crypto.PubkeyToAddress(key.PublicKey).Hex()

	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := x509.MarshalPKIXPublicKey(&other.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	offCurve := append([]byte{}, public.PublicKey...)
	offCurve[len(offCurve)-1] ^= 1
	for name, c := range map[string]struct {
		in   string
		code int
		says string
	}{
		"as it is printed": {given + "\n", exitDone, want},
		"nothing":          {"", exitUsage, "not what KMS prints"},
		"no base64":        {"-----BEGIN", exitUsage, "no base64"},
		"cut":              {given[:40], exitUsage, "not what KMS prints"},
		"more than a key":  {base64.StdEncoding.EncodeToString(append(public.PublicKey, 0)), exitUsage, "not what KMS prints"},
		"another curve":    {base64.StdEncoding.EncodeToString(p256), exitUsage, "ECC_SECG_P256K1"},
		"no point":         {base64.StdEncoding.EncodeToString(offCurve), exitUsage, "invalid"},
	} {
		d := &desk{T: t, in: c.in}
		out, errs := d.ops(c.code, "address")
		if !strings.Contains(out+errs, c.says) {
			t.Errorf("%s: %s%s", name, out, errs)
		}
		if c.code == exitDone {
			if out, _ := d.ops(exitDone, "address", "-json"); !strings.Contains(out, `"`+want+`"`) {
				t.Errorf("%s: %s", name, out)
			}
		}
	}
}
