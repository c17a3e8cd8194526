package kmsd

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
)

const (
	aliasPrefix = "alias/"
	arnPrefix   = "arn:aws:kms:us-east-1:000000000000:"
	account     = "000000000000"
)

var (
	oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSecp256k1   = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// key is one signing key; immutable.
type key struct {
	id      string // a UUID derived from the public key, so runs agree on it
	private *ecdsa.PrivateKey
	spki    []byte
}

func newKey(private *ecdsa.PrivateKey) (*key, error) {
	if private == nil || private.Curve != crypto.S256() {
		return nil, errors.New("add key: not a secp256k1 private key")
	}
	point := crypto.FromECDSAPub(&private.PublicKey)
	spki, err := asn1.Marshal(struct {
		Algorithm struct{ Algorithm, Curve asn1.ObjectIdentifier }
		Point     asn1.BitString
	}{
		Algorithm: struct{ Algorithm, Curve asn1.ObjectIdentifier }{oidECPublicKey, oidSecp256k1},
		Point:     asn1.BitString{Bytes: point, BitLength: 8 * len(point)},
	})
	if err != nil {
		return nil, fmt.Errorf("add key: %w", err)
	}
	h := crypto.Keccak256(point)
	return &key{
		id:      fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16]),
		private: private,
		spki:    spki,
	}, nil
}

func (k *key) arn() string { return arnPrefix + "key/" + k.id }

// sign returns the DER signature of a 32-byte digest, with S or its negative at random.
func (k *key) sign(digest []byte) ([]byte, error) {
	sig, err := crypto.Sign(digest, k.private)
	if err != nil {
		return nil, err
	}
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64])
	var coin [1]byte
	if _, err := rand.Read(coin[:]); err != nil {
		return nil, err
	}
	if coin[0]&1 == 1 {
		s.Sub(crypto.S256().Params().N, s)
	}
	return asn1.Marshal(struct{ R, S *big.Int }{r, s})
}

// canonicalName strips the ARN form of a key id or alias.
func canonicalName(keyID string) string {
	return strings.TrimPrefix(strings.TrimPrefix(keyID, arnPrefix), "key/")
}
