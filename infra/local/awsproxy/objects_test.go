package awsproxy_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/services/servicetest"
	"github.com/bridge-me-not/resolver-cron/shared/archive"
)

// The product's own client finds its objects through the proxy without knowing of
// it, and each request is seen as what it is.
func TestObjectsThroughTheProxy(t *testing.T) {
	w := newWorld(t)
	client := s3.NewFromConfig(w.config("s3", 3))
	name := servicetest.Bucket()
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	b, err := archive.New(client, name)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("snapshot "), 10_000)
	remove := w.proxy.Use(awsproxy.When(awsproxy.Match{Service: "s3", Actions: []string{"PutObject"}}, awsproxy.First(1, awsproxy.LoseReply())))
	if err := b.Create(t.Context(), "snapshots/data/one.gz", body); err != nil {
		t.Fatal(err)
	}
	remove()
	got, _, err := b.Get(t.Context(), "snapshots/data/one.gz", 1<<20)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(body))
	}
	object := name + "/snapshots/data/one.gz"
	usage := w.proxy.Usage()
	if u := usage[awsproxy.Key{Function: function, Service: "s3", Action: "PutObject", Resource: object}]; u.Requests != 2 || u.Refused != 1 {
		t.Errorf("%+v; want one that was lost, and one refused by its success", u)
	}
	// One to look what is there instead, one of the test.
	if u := usage[awsproxy.Key{Function: function, Service: "s3", Action: "GetObject", Resource: object}]; u.Requests != 2 {
		t.Errorf("%+v; want two readings", u)
	}
	defer w.proxy.Use(awsproxy.When(awsproxy.Match{Service: "s3"}, awsproxy.Fail(http.StatusForbidden, "AccessDenied", "no")))()
	if _, _, err := b.Get(t.Context(), "snapshots/data/one.gz", 1<<20); err == nil {
		t.Error("read what was refused")
	}
}
