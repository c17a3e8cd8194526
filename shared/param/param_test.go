package param_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/bridge-me-not/resolver-cron/infra/local/ssmd"
	"github.com/bridge-me-not/resolver-cron/shared/param"
)

func client(url string) *ssm.Client {
	return ssm.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }})
}

func TestGet(t *testing.T) {
	s := ssmd.New()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	want, names := map[string]string{}, []string{}
	for i := range 23 {
		name := fmt.Sprintf("NAME_%d", i)
		names = append(names, name)
		if i%5 == 4 {
			continue // does not exist
		}
		want[name] = fmt.Sprintf("https://host.example/%d", i)
		s.Set("/stack/"+name, want[name])
	}
	s.Set("/stack-2/NAME_4", "another stack's")
	for _, path := range []string{"/stack", "/stack/"} {
		p, err := param.New(client(server.URL), path)
		if err != nil {
			t.Fatal(err)
		}
		before := s.Reads()
		if got, err := p.Get(t.Context(), names); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v", path, got, err)
		}
		if n := s.Reads() - before; n != 3 {
			t.Errorf("%d requests for 23 names", n)
		}
		before = s.Reads()
		if got, err := p.Get(t.Context(), nil); err != nil || len(got) != 0 || s.Reads() != before {
			t.Errorf("nothing: %v, %v", got, err)
		}
	}
	p, err := param.New(client(server.URL), "/stack")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Get(ctx, names); err == nil {
		t.Error("read after the end of its context")
	}
}

// Each decryption is paid for: what has not changed since it was read is not decrypted again.
func TestDecryptsWhatChanged(t *testing.T) {
	s := ssmd.New()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	p, err := param.New(client(server.URL), "/stack")
	if err != nil {
		t.Fatal(err)
	}
	s.Set("/stack/A", "a1")
	s.Set("/stack/B", "b1")
	names := []string{"A", "B", "NONE"}
	for i, c := range []struct {
		change           func()
		a, b             string
		decrypted, reads int
	}{
		{func() {}, "a1", "b1", 2, 1},
		{func() {}, "a1", "b1", 0, 1},
		{func() { s.Set("/stack/B", "b2") }, "a1", "b2", 1, 2},
		{func() { s.Set("/stack/B", "b2") }, "a1", "b2", 1, 2}, // put again, as it was
		{func() { s.Delete("/stack/A") }, "", "b2", 0, 1},
		{func() { s.Set("/stack/A", "a2") }, "a2", "b2", 1, 2}, // its first version again
		{func() { s.Set("/stack/NONE", "n"); s.Delete("/stack/NONE") }, "a2", "b2", 0, 1},
		{func() { s.Delete("/stack/A"); s.Delete("/stack/B") }, "", "", 0, 1},
	} {
		c.change()
		decrypted, reads := s.Decrypted(), s.Reads()
		got, err := p.Get(t.Context(), names)
		if err != nil || got["A"] != c.a || got["B"] != c.b {
			t.Errorf("%d: %v, %v", i, got, err)
		}
		if d, r := s.Decrypted()-decrypted, s.Reads()-reads; d != c.decrypted || r != c.reads {
			t.Errorf("%d: %d decryptions by %d requests, want %d by %d", i, d, r, c.decrypted, c.reads)
		}
	}
}

// If some cannot be read, nothing is known, of those that could be neither.
func TestPartlyAway(t *testing.T) {
	s, asked := ssmd.New(), 0
	for i := range 12 {
		s.Set(fmt.Sprintf("/stack/N%d", i), "https://host.example/planted")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 2 {
			http.Error(w, "away", http.StatusInternalServerError)
			return
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p, err := param.New(client(server.URL), "/stack")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for i := range 12 {
		names = append(names, fmt.Sprintf("N%d", i))
	}
	got, err := p.Get(t.Context(), names)
	if err == nil || got != nil || asked != 2 || !strings.Contains(err.Error(), "read parameters below /stack") || strings.Contains(err.Error(), "planted") {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNew(t *testing.T) {
	if _, err := param.New(nil, "/stack"); err == nil {
		t.Error("no client")
	}
	for _, path := range []string{"", "/", "stack"} {
		if _, err := param.New(client("http://host.example"), path); err == nil {
			t.Errorf("path %q", path)
		}
	}
}
