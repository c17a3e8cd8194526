package store

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// transport stands between the SDK and the server. fault is asked for each
// request, by its number from 1 on and its operation, and may answer it.
type transport struct {
	mu    sync.Mutex
	sent  int
	ops   []string
	fault func(n int, op string, forward func() (*http.Response, error)) (*http.Response, error)
}

var errCut = errors.New("connection cut")

func (tr *transport) Do(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	tr.mu.Lock()
	tr.sent++
	n, fault := tr.sent, tr.fault
	tr.ops = append(tr.ops, op)
	tr.mu.Unlock()
	forward := func() (*http.Response, error) { return http.DefaultClient.Do(r) }
	if fault == nil {
		return forward()
	}
	return fault(n, op, forward)
}

// reset forgets what was sent and installs a fault.
func (tr *transport) reset(fault func(n int, op string, forward func() (*http.Response, error)) (*http.Response, error)) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.sent, tr.ops, tr.fault = 0, nil, fault
}

// through makes a client send by this transport, with so many tries and without
// long pauses between them.
func (tr *transport) through(tries int) func(*dynamodb.Options) {
	return func(o *dynamodb.Options) {
		o.HTTPClient = tr
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff, o.RateLimiter = tries, time.Millisecond, ratelimit.None
		})
	}
}

// lose forwards a request and loses its answer.
func lose(forward func() (*http.Response, error)) (*http.Response, error) {
	res, err := forward()
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return nil, errors.Join(errCut, err, res.Body.Close())
}

// answer makes up an answer.
func answer(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(bytes.NewBufferString(body)), ContentLength: int64(len(body))}, nil
}

// failing makes up the service's error of that name.
func failing(name, more string) (*http.Response, error) {
	return answer(http.StatusBadRequest, `{"__type":"com.amazonaws.dynamodb.v20120810#`+name+`","message":"made up"`+more+`}`)
}

// collision is a transaction turned away because of another one.
const collision = `,"CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"made up"}]`

// offline returns a store whose requests are all answered by fault.
func offline(tr *transport) *Store {
	o := dynamodb.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://dynamodb.test"),
		Credentials: aws.AnonymousCredentials{}, HTTPClient: tr, RetryMaxAttempts: 1}
	s, err := New(dynamodb.New(o), testTables, Live)
	if err != nil {
		panic(err)
	}
	return s
}
