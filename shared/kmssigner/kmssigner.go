// Package kmssigner signs digests with secp256k1 keys in KMS. Private keys
// never leave it. Only action-executor links this package.
package kmssigner

import (
	"context"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// KMS is the part of the KMS client that is used.
type KMS interface {
	Sign(ctx context.Context, in *kms.SignInput, opts ...func(*kms.Options)) (*kms.SignOutput, error)
}

// Signer signs with the configured keys. It implements txn.Signer and is safe
// for concurrent use.
type Signer struct {
	client KMS
	keys   map[common.Address]string
}

// New returns a signer for the given keys: KMS key id, ARN or alias by the
// address that the key is said to have. That it has it is checked with each
// signature.
func New(client KMS, keys map[common.Address]string) *Signer {
	return &Signer{client: client, keys: keys}
}

var (
	order     = crypto.S256().Params().N
	halfOrder = new(big.Int).Rsh(order, 1)
)

// Sign has the digest signed by the key of the address. KMS answers in DER with
// either of the two valid s: the result is normalised to the low one (EIP-2),
// and the recovery id is the one that recovers to the address. An answer that
// recovers to another address is an error: the key is not what the
// configuration says.
func (s *Signer) Sign(ctx context.Context, signer common.Address, digest common.Hash) ([65]byte, error) {
	var sig [65]byte
	key, ok := s.keys[signer]
	if !ok {
		return sig, fmt.Errorf("no key is configured for signer %s", signer)
	}
	out, err := s.client.Sign(ctx, &kms.SignInput{KeyId: &key, Message: digest[:],
		MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	if err != nil {
		return sig, fmt.Errorf("sign with key %s: %w", key, err)
	}
	r, sv, err := parse(out.Signature)
	if err != nil {
		return sig, fmt.Errorf("sign with key %s: %w", key, err)
	}
	r.FillBytes(sig[:32])
	sv.FillBytes(sig[32:64])
	for v := range byte(2) {
		sig[64] = v
		if pub, err := crypto.SigToPub(digest[:], sig[:]); err == nil && crypto.PubkeyToAddress(*pub) == signer {
			return sig, nil
		}
	}
	return [65]byte{}, fmt.Errorf("key %s does not belong to signer %s", key, signer)
}

// parse reads a DER signature and lowers s.
func parse(der []byte) (r, s *big.Int, err error) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("decode signature: %w", err)
	case len(rest) > 0:
		return nil, nil, fmt.Errorf("decode signature: %d bytes too many", len(rest))
	case sig.R.Sign() <= 0 || sig.R.Cmp(order) >= 0:
		return nil, nil, errors.New("decode signature: r is out of range")
	case sig.S.Sign() <= 0 || sig.S.Cmp(order) >= 0:
		return nil, nil, errors.New("decode signature: s is out of range")
	}
	if sig.S.Cmp(halfOrder) > 0 {
		sig.S.Sub(order, sig.S)
	}
	return sig.R, sig.S, nil
}
