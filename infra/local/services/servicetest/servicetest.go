// Package servicetest gives tests real backing servers: one of each kind per test
// binary, started at first use and ended by the kernel with the binary, so that no
// TestMain is needed. Tests share a server; they keep apart by names from Name.
package servicetest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/bridge-me-not/resolver-cron/infra/local/services"
)

// DynamoDBEndpoint names the environment variable that replaces the DynamoDB server by
// a running one, for systems without the packaged server.
const DynamoDBEndpoint = "RESOLVER_CRON_TEST_DYNAMODB"

// startLimit bounds installation and start together.
const startLimit = 3 * time.Minute

var (
	dynamoDB = sync.OnceValues(func() (*services.Server, error) {
		return begin(services.StartDynamoDB, services.Options{Endpoint: os.Getenv(DynamoDBEndpoint)})
	})
	sqsSNS = sync.OnceValues(func() (*services.Server, error) {
		return begin(services.StartSQSSNS, services.Options{})
	})
	s3 = sync.OnceValues(services.StartS3)
)

// DynamoDB returns the endpoint of the test binary's DynamoDB. Any credentials and any
// region serve. It fails t when the server cannot be started or has died.
func DynamoDB(t testing.TB) string {
	t.Helper()
	return endpoint(t, dynamoDB)
}

// SQSSNS returns the endpoint of the test binary's SQS and SNS (one for both). Any
// credentials and any region serve. It fails t when the server cannot be started or has died.
func SQSSNS(t testing.TB) string {
	t.Helper()
	return endpoint(t, sqsSNS)
}

// S3 returns the endpoint of the test binary's S3. Any credentials and any region
// serve. It fails t when the server cannot be started or has died.
func S3(t testing.TB) string {
	t.Helper()
	return endpoint(t, s3)
}

// Bucket is a new name for a bucket.
func Bucket() string { return fmt.Sprintf("bucket-%d", names.Add(1)) }

// names makes the names of a test binary distinct, also when a test runs again.
var names atomic.Int64

// maxName is what SQS allows a queue's name, in characters; tables and topics may be longer.
const maxName = 80

// Name is a new name for a table, queue or topic, made of the test's name.
func Name(t testing.TB) string {
	t.Helper()
	plain := strings.Map(func(r rune) rune {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, t.Name())
	number := fmt.Sprintf("-%d", names.Add(1))
	return plain[:min(len(plain), maxName-len(number))] + number
}

func endpoint(t testing.TB, once func() (*services.Server, error)) string {
	t.Helper()
	s, err := once()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return s.URL
}

func begin(start func(context.Context, services.Options) (*services.Server, error), opts services.Options) (*services.Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if opts.Endpoint == "" {
		if err := services.Install(ctx, os.Stderr); err != nil {
			return nil, err
		}
	}
	return start(ctx, opts)
}
