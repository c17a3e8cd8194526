// Package ssmd is a double of AWS Systems Manager's Parameter Store for one
// operation, GetParameters, as the product uses it. Parameters are set by the
// program that runs it. What the service refuses, it refuses: more than ten names,
// one twice, and SecureStrings asked for without decryption come back encrypted.
package ssmd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

const (
	target   = "AmazonSSM.GetParameters"
	maxNames = 10
	maxBody  = 64 << 10      // above any request, in bytes
	firstPut = 1_767_225_600 // 2026-01-01
)

// Server is the double; New makes one. Serve it at any path. Safe for concurrent use.
type Server struct {
	mu        sync.Mutex
	values    map[string]stored
	puts      int
	reads     int
	decrypted int
}

// stored is a parameter: its versions count from 1, and begin anew after a deletion. Its date is that of the put-th second.
type stored struct {
	value        string
	version, put int
}

// New returns a double without parameters.
func New() *Server { return &Server{values: map[string]stored{}} }

// Set stores a SecureString under its full name, such as /stack/NAME.
func (s *Server) Set(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	s.values[name] = stored{value, s.values[name].version + 1, s.puts}
}

// Value is what a parameter holds; empty if it does not exist.
func (s *Server) Value(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[name].value
}

// Delete removes a parameter.
func (s *Server) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, name)
}

// Reads counts the requests so far.
func (s *Server) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Decrypted counts the values that KMS was asked for so far, each of which is paid for.
func (s *Server) Decrypted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.decrypted
}

// problem is an error answer of the service.
type problem struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

type parameter struct {
	Name, Type, Value, ARN string
	Version                int
	LastModifiedDate       int // seconds since the epoch
}

type answer struct {
	Parameters        []parameter
	InvalidParameters []string
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var out any
	got, bad := s.handle(r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if out = got; bad != nil {
		w.Header().Set("X-Amzn-ErrorType", bad.Type)
		w.WriteHeader(http.StatusBadRequest)
		out = bad
	}
	// A caller that is gone by now is no concern of the double.
	_ = json.NewEncoder(w).Encode(out)
}

func (s *Server) handle(r *http.Request) (answer, *problem) {
	if got := r.Header.Get("X-Amz-Target"); r.Method != http.MethodPost || got != target {
		return answer{}, &problem{"UnknownOperationException", fmt.Sprintf("this double has no %q", got)}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	var in struct {
		Names          []string
		WithDecryption bool
	}
	if err != nil || len(body) > maxBody || json.Unmarshal(body, &in) != nil {
		return answer{}, &problem{"SerializationException", "no request"}
	}
	if n := len(in.Names); n == 0 || n > maxNames {
		return answer{}, &problem{"ValidationException", fmt.Sprintf("%d names, want 1 to %d", n, maxNames)}
	}
	sorted := slices.Sorted(slices.Values(in.Names))
	if len(slices.Compact(sorted)) < len(in.Names) {
		return answer{}, &problem{"ValidationException", "a name is given twice"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	var a answer
	for _, name := range in.Names {
		p, ok := s.values[name]
		if !ok {
			a.InvalidParameters = append(a.InvalidParameters, name)
			continue
		}
		value := "encrypted"
		if in.WithDecryption {
			s.decrypted++
			value = p.value
		}
		a.Parameters = append(a.Parameters, parameter{name, "SecureString", value, "arn:aws:ssm:us-east-1:000000000000:parameter/" + strings.TrimPrefix(name, "/"),
			p.version, firstPut + p.put})
	}
	return a, nil
}
