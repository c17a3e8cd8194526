package archive_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/archive"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot"
	"github.com/bridge-me-not/resolver-cron/shared/snapshot/snapshottest"
)

var (
	_ snapshot.Bucket = (*archive.Bucket)(nil)
	_ cleanup.Bucket  = (*archive.Bucket)(nil)
)

func client(t testing.TB, options ...func(*s3.Options)) *s3.Client {
	t.Helper()
	endpoint := servicetest.S3(t)
	return s3.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")}, options...)
}

// newBucket creates a bucket with versions and opens it.
func newBucket(t testing.TB, options ...func(*s3.Options)) (*archive.Bucket, string) {
	t.Helper()
	name := servicetest.Bucket()
	plain := client(t)
	if _, err := plain.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := plain.PutBucketVersioning(context.Background(), &s3.PutBucketVersioningInput{Bucket: &name,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
		t.Fatal(err)
	}
	b, err := archive.New(client(t, options...), name)
	if err != nil {
		t.Fatal(err)
	}
	return b, name
}

func TestConformance(t *testing.T) {
	snapshottest.TestBucket(t, func(t *testing.T) snapshot.Bucket { b, _ := newBucket(t); return b })
}

// What is overwritten can be had again for as long as the bucket keeps versions.
func TestFormerVersionsStay(t *testing.T) {
	b, name := newBucket(t)
	for _, body := range []string{"one", "two"} {
		if err := b.Put(t.Context(), "report", "text/plain", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := client(t).ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &name})
	if err != nil || len(out.Versions) != 2 {
		t.Errorf("%d versions, %v; want 2", len(out.Versions), err)
	}
}

// transport lets a test answer requests itself.
type transport func(r *http.Request, forward func() (*http.Response, error)) (*http.Response, error)

func (tr transport) Do(r *http.Request) (*http.Response, error) {
	return tr(r, func() (*http.Response, error) { return http.DefaultClient.Do(r) })
}

func through(tries int, tr transport) func(*s3.Options) {
	return func(o *s3.Options) {
		o.HTTPClient = tr
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.Backoff = tries, retry.BackoffDelayerFunc(atOnce) })
	}
}

func atOnce(int, error) (time.Duration, error) { return 0, nil }

type readCloser struct{ io.Reader }

func (readCloser) Close() error { return nil }

// Every object is sent with its checksum, so that one that arrives damaged is
// not stored.
func TestObjectsAreSentWithTheirChecksum(t *testing.T) {
	var sums []string
	b, _ := newBucket(t, through(1, func(r *http.Request, forward func() (*http.Response, error)) (*http.Response, error) {
		if r.Method == http.MethodPut {
			sums = append(sums, r.Header.Get("X-Amz-Checksum-Sha256"))
		}
		return forward()
	}))
	if err := b.Create(t.Context(), "k", []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if want := "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; len(sums) != 1 || sums[0] != want {
		t.Errorf("checksums %q, want %q", sums, want)
	}
}

// A write whose answer was lost is sent again by the SDK, and fails on its own
// success.
func TestLostAnswers(t *testing.T) {
	lost := 0
	cut := through(3, func(r *http.Request, forward func() (*http.Response, error)) (*http.Response, error) {
		res, err := forward()
		if r.Method != http.MethodPut || err != nil || lost > 0 {
			return res, err
		}
		lost++
		return nil, errors.Join(errors.New("connection cut"), res.Body.Close())
	})
	b, _ := newBucket(t, cut)
	for what, write := range map[string]func() error{
		"create":  func() error { return b.Create(t.Context(), "a", []byte("one")) },
		"replace": func() error { return b.Replace(t.Context(), "b", "", []byte("one")) },
	} {
		lost = 0
		if err := write(); err != nil || lost != 1 {
			t.Errorf("%s: %v, %d answers lost; want success", what, err, lost)
		}
	}
}

// An S3 that refuses is an error that names the object and the reason.
func TestRefusals(t *testing.T) {
	for status, code := range map[int]string{403: "AccessDenied", 500: "InternalError", 503: "SlowDown", 409: "ConditionalRequestConflict"} {
		b, _ := newBucket(t, through(2, func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			body := fmt.Sprintf("<Error><Code>%s</Code><Message>made up</Message></Error>", code)
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/xml"}}, ContentLength: int64(len(body)),
				Body: readCloser{strings.NewReader(body)}, Request: r}, nil
		}))
		for what, err := range map[string]error{
			"put": b.Put(t.Context(), "the/key", "text/plain", []byte("x")), "create": b.Create(t.Context(), "the/key", []byte("x")),
			"replace": b.Replace(t.Context(), "the/key", `"1"`, []byte("x")), "get": func() error { _, _, err := b.Get(t.Context(), "the/key", 10); return err }(),
		} {
			if err == nil || !strings.Contains(err.Error(), "the/key") || !strings.Contains(err.Error(), code) || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s with %s: %v", what, code, err)
			}
		}
	}
}

// A bucket that does not exist is not an object that does not exist: nothing may
// be concluded from it.
func TestMissingBucket(t *testing.T) {
	b, err := archive.New(client(t), "no-such-bucket")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Get(t.Context(), "k", 10); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want an error that is not fs.ErrNotExist", err)
	}
	if err := b.Create(t.Context(), "k", []byte("x")); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want an error that is not fs.ErrExist", err)
	}
}

// What arrives damaged is not taken for the object.
func TestDamagedOnTheWay(t *testing.T) {
	spoil := false
	b, _ := newBucket(t, through(1, func(r *http.Request, forward func() (*http.Response, error)) (*http.Response, error) {
		res, err := forward()
		if err == nil && spoil && r.Method == http.MethodGet {
			res.Body = readCloser{bytes.NewReader(make([]byte, 5))} // cut short
		}
		return res, err
	}))
	body := make([]byte, 4000)
	_, _ = rand.Read(body) // never fails
	if err := b.Create(t.Context(), "k", body); err != nil {
		t.Fatal(err)
	}
	spoil = true
	if got, _, err := b.Get(t.Context(), "k", 5000); err == nil {
		t.Errorf("got %d bytes of %d", len(got), len(body))
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	if _, err := archive.New(nil, "b"); err == nil {
		t.Error("opened without a client")
	}
	if _, err := archive.New(client(t), ""); err == nil {
		t.Error("opened without a name")
	}
}
