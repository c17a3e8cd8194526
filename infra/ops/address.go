package main

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

var addressCommand = command{"address", "", "the account of a signing key, whose public key is read as `aws kms get-public-key --query PublicKey --output text` prints it", address}

func address(_ context.Context, t tool, args []string) error {
	f := t.flags()
	if err := f.none(args); err != nil {
		return err
	}
	const most = 4096
	text, err := io.ReadAll(io.LimitReader(t.in, most))
	if err != nil {
		return fmt.Errorf("read the public key: %w", err)
	}
	a, err := accountOf(text)
	if err != nil {
		return usage("public key: %w", err)
	}
	if f.json {
		return t.printJSON(map[string]string{"address": a.Hex()})
	}
	return t.say("%s", a.Hex())
}

var (
	ecPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	secp256k1   = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// accountOf reads a DER-encoded public key in base64.
func accountOf(text []byte) (common.Address, error) {
	der, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		return common.Address{}, fmt.Errorf("no base64: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 {
		return common.Address{}, errors.Join(errors.New("not what KMS prints"), err)
	}
	var curve asn1.ObjectIdentifier
	_, err = asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &curve)
	if err != nil || !info.Algorithm.Algorithm.Equal(ecPublicKey) || !curve.Equal(secp256k1) {
		return common.Address{}, errors.New("not of a key of spec ECC_SECG_P256K1")
	}
	key, err := crypto.UnmarshalPubkey(info.Key.RightAlign())
	if err != nil {
		return common.Address{}, err
	}
	return crypto.PubkeyToAddress(*key), nil
}
