// Package archive keeps objects in S3: snapshots of the state, what became of
// finished swaps, reports.
//
// An object is there whole or not at all: it is sent in one request with its
// SHA-256, which the service compares before it stores anything. So an upload
// that is cut short leaves nothing, and none can be taken for a finished one.
// Writes that must not destroy anything say what they expect to find; one whose
// answer was lost meets its own success when it is sent again, and has succeeded.
//
// Missing objects are fs.ErrNotExist, and what is there instead of what was
// expected fs.ErrExist, so that nobody needs this package for its errors.
package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// maxPut is the largest object of one request: https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
// allows 5 GB, and what a function holds in memory ends far below.
const maxPut = 256 << 20

// Bucket is one bucket. It is safe for concurrent use.
type Bucket struct {
	client *s3.Client
	name   string
}

// New returns a bucket by name. Retries of throttled and failed requests are the
// client's.
func New(client *s3.Client, name string) (*Bucket, error) {
	switch {
	case client == nil:
		return nil, errors.New("open bucket: no client")
	case name == "":
		return nil, errors.New("open bucket: no name")
	}
	return &Bucket{client, name}, nil
}

// Put stores an object whatever is there; the bucket keeps the former version.
func (b *Bucket) Put(ctx context.Context, key, contentType string, body []byte) error {
	if err := b.put(ctx, key, body, func(in *s3.PutObjectInput) { in.ContentType = &contentType }); err != nil {
		return fmt.Errorf("put object %s: %w", key, err)
	}
	return nil
}

// Create stores an object under a key that is free; fs.ErrExist if something
// else is there. If the same bytes are there it has succeeded.
func (b *Bucket) Create(ctx context.Context, key string, body []byte) error {
	return b.swap(ctx, "create", key, "", body)
}

// Replace stores an object in place of the one with that tag, which Get returned;
// without a tag the key must be free. fs.ErrExist if something else is there, or
// nothing any more. If the same bytes are there it has succeeded.
func (b *Bucket) Replace(ctx context.Context, key, tag string, body []byte) error {
	return b.swap(ctx, "replace", key, tag, body)
}

func (b *Bucket) swap(ctx context.Context, verb, key, tag string, body []byte) error {
	err := b.put(ctx, key, body, func(in *s3.PutObjectInput) {
		if tag == "" {
			in.IfNoneMatch = aws.String("*")
		} else {
			in.IfMatch = &tag
		}
	})
	if err == nil {
		return nil
	}
	if status := statusOf(err); status != http.StatusPreconditionFailed && status != http.StatusConflict && status != http.StatusNotFound {
		return fmt.Errorf("%s object %s: %w", verb, key, err)
	}
	there, _, e := b.Get(ctx, key, int64(len(body)))
	switch {
	case e == nil && bytes.Equal(there, body):
		return nil
	case e == nil || errors.Is(e, ErrTooLarge) || errors.Is(e, fs.ErrNotExist) && tag != "":
		return fmt.Errorf("%s object %s: %w: %w", verb, key, fs.ErrExist, err)
	}
	return fmt.Errorf("%s object %s: %w", verb, key, errors.Join(err, e))
}

func (b *Bucket) put(ctx context.Context, key string, body []byte, more func(*s3.PutObjectInput)) error {
	if len(body) > maxPut {
		return fmt.Errorf("%d bytes, and one request takes %d", len(body), maxPut)
	}
	sum := sha256.Sum256(body)
	in := &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:]))}
	more(in)
	_, err := b.client.PutObject(ctx, in)
	return err
}

// ErrTooLarge: the object is larger than the reader allows.
var ErrTooLarge = errors.New("object is too large")

// Get reads an object of at most so many bytes, and its tag for Replace.
// fs.ErrNotExist if there is none, ErrTooLarge if it is larger. What the service
// says of the object's checksum is compared with what arrived.
func (b *Bucket) Get(ctx context.Context, key string, most int64) (body []byte, tag string, err error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		if statusOf(err) == http.StatusNotFound && codeOf(err) != "NoSuchBucket" {
			err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		}
		return nil, "", fmt.Errorf("get object %s: %w", key, err)
	}
	defer out.Body.Close()
	if n := aws.ToInt64(out.ContentLength); n > most {
		return nil, "", fmt.Errorf("get object %s: %d bytes, at most %d: %w", key, n, most, ErrTooLarge)
	}
	var in bytes.Buffer
	in.Grow(int(max(0, aws.ToInt64(out.ContentLength))) + bytes.MinRead) // large ones fit but once
	if _, err = in.ReadFrom(io.LimitReader(out.Body, most+1)); err != nil {
		return nil, "", fmt.Errorf("get object %s: %w", key, err)
	}
	body = in.Bytes()
	if int64(len(body)) > most {
		return nil, "", fmt.Errorf("get object %s: more than %d bytes: %w", key, most, ErrTooLarge)
	}
	if n := out.ContentLength; n != nil && *n != int64(len(body)) {
		return nil, "", fmt.Errorf("get object %s: %d bytes of %d: %w", key, len(body), *n, io.ErrUnexpectedEOF)
	}
	return body, aws.ToString(out.ETag), nil
}

func statusOf(err error) int {
	var r *awshttp.ResponseError
	if errors.As(err, &r) {
		return r.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
