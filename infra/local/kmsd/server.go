package kmsd

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	targetPrefix = "TrentService."
	// maxBody is above any request of the three operations, in bytes.
	maxBody = 64 << 10

	keySpec   = "ECC_SECG_P256K1"
	keyUsage  = "SIGN_VERIFY"
	algorithm = "ECDSA_SHA_256"
	digestLen = 32
)

// Server is the double; New makes one. Serve it at any path. Safe for concurrent use.
type Server struct {
	mu     sync.Mutex
	keys   map[string]*key // by id and by alias/name
	delay  time.Duration
	counts map[Count]int
}

// Count names what is counted: an operation ("Sign") and the key's id. The id is empty
// for requests that name no known key.
type Count struct{ Operation, KeyID string }

// New returns a double without keys.
func New() *Server {
	return &Server{keys: map[string]*key{}, counts: map[Count]int{}}
}

// Add loads a secp256k1 private key under aliases (each with its "alias/" prefix) and
// returns its key id. The same key gets the same id everywhere; adding it again adds
// aliases. An alias of another key is refused, and then nothing is added.
func (s *Server) Add(private *ecdsa.PrivateKey, aliases ...string) (string, error) {
	k, err := newKey(private)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, alias := range aliases {
		if name, ok := strings.CutPrefix(alias, aliasPrefix); !ok || name == "" {
			return "", fmt.Errorf("add key: alias %q: want %sNAME", alias, aliasPrefix)
		}
		if other, taken := s.keys[alias]; taken && other.id != k.id {
			return "", fmt.Errorf("add key: alias %q belongs to key %s", alias, other.id)
		}
	}
	s.keys[k.id] = k
	for _, alias := range aliases {
		s.keys[alias] = k
	}
	return k.id, nil
}

// SetSignDelay makes every later Sign take at least d. Real KMS needs about 30 ms.
func (s *Server) SetSignDelay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// Counts returns a copy of the number of requests received so far, refused ones included.
func (s *Server) Counts() map[Count]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// request holds the fields of all three operations.
type request struct {
	KeyId            string //nolint:revive // the protocol's spelling
	Message          []byte
	MessageType      string
	SigningAlgorithm string
}

// problem is an error answer of KMS.
type problem struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

// ServeHTTP answers one KMS request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, bad := s.handle(r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if bad != nil {
		w.Header().Set("X-Amzn-ErrorType", bad.Type)
		w.WriteHeader(http.StatusBadRequest)
		answer = bad
	}
	// A caller that is gone by now is no concern of the double.
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Server) handle(r *http.Request) (any, *problem) {
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	if r.Method != http.MethodPost || !ok {
		return nil, &problem{"UnknownOperationException", "want POST with X-Amz-Target: " + targetPrefix + "…"}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return nil, &problem{"SerializationException", "request too long or cut off"}
	}
	var req request
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, &problem{"SerializationException", err.Error()}
	}
	k, delay := s.find(operation, req.KeyId)
	switch operation {
	case "GetPublicKey", "DescribeKey", "Sign":
	default:
		return nil, &problem{"UnknownOperationException", "this double has no " + operation}
	}
	if k == nil {
		return nil, notFound(req.KeyId)
	}
	switch operation {
	case "GetPublicKey":
		return publicKey(k), nil
	case "DescribeKey":
		return metadata(k), nil
	default:
		return sign(r.Context(), k, req, delay)
	}
}

// find looks the key up and counts the request.
func (s *Server) find(operation, keyID string) (*key, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[canonicalName(keyID)]
	count := Count{Operation: operation}
	if k != nil {
		count.KeyID = k.id
	}
	s.counts[count]++
	return k, s.delay
}

func notFound(keyID string) *problem {
	if strings.HasPrefix(canonicalName(keyID), aliasPrefix) {
		return &problem{"NotFoundException", "Alias " + arnPrefix + canonicalName(keyID) + " is not found."}
	}
	return &problem{"NotFoundException", "Key '" + arnPrefix + "key/" + canonicalName(keyID) + "' does not exist"}
}

func publicKey(k *key) any {
	return map[string]any{
		"KeyId":                 k.arn(),
		"PublicKey":             k.spki,
		"CustomerMasterKeySpec": keySpec,
		"KeySpec":               keySpec,
		"KeyUsage":              keyUsage,
		"SigningAlgorithms":     []string{algorithm},
	}
}

func metadata(k *key) any {
	return map[string]any{"KeyMetadata": map[string]any{
		"AWSAccountId":          account,
		"Arn":                   k.arn(),
		"KeyId":                 k.id,
		"CustomerMasterKeySpec": keySpec,
		"KeySpec":               keySpec,
		"KeyUsage":              keyUsage,
		"SigningAlgorithms":     []string{algorithm},
		"KeyManager":            "CUSTOMER",
		"Origin":                "EXTERNAL",
		"KeyState":              "Enabled",
		"Enabled":               true,
		"MultiRegion":           false,
	}}
}

func sign(ctx context.Context, k *key, req request, delay time.Duration) (any, *problem) {
	switch {
	case req.SigningAlgorithm != algorithm:
		return nil, &problem{"InvalidKeyUsageException", "Algorithm " + req.SigningAlgorithm + " is incompatible with key spec " + keySpec + "."}
	case req.MessageType != "DIGEST":
		// KMS would sign the SHA-256 of the message: nothing a chain accepts.
		return nil, &problem{"ValidationException", fmt.Sprintf("MessageType is %q: this double signs DIGEST only", req.MessageType)}
	case len(req.Message) != digestLen:
		return nil, &problem{"ValidationException", "Digest is invalid length for algorithm " + algorithm + "."}
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, &problem{"KMSInternalException", "the caller left"}
		}
	}
	signature, err := k.sign(req.Message)
	if err != nil {
		return nil, &problem{"KMSInternalException", err.Error()}
	}
	return map[string]any{"KeyId": k.arn(), "Signature": signature, "SigningAlgorithm": algorithm}, nil
}
