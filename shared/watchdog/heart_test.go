package watchdog

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// secret is the part of the address that nobody may see.
const secret = "/ping/9f2c-not-for-logs"

// beat pings a server, and tells how often it was.
func beat(ctx context.Context, t *testing.T, serve http.HandlerFunc) (int, error) {
	t.Helper()
	pinged := 0
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == secret && r.Method == http.MethodGet {
			pinged++
		}
		serve(w, r)
	}))
	defer srv.Close()
	h, err := NewHeart(srv.URL + secret)
	if err != nil {
		t.Fatal(err)
	}
	h.client.Transport = srv.Client().Transport
	err = h.Beat(ctx)
	return pinged, err
}

func TestBeat(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusNoContent} {
		if n, err := beat(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }); err != nil || n != 1 {
			t.Errorf("status %d: %v, pinged %d times", status, err, n)
		}
	}
	elsewhere := 0
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for name, serve := range map[string]http.HandlerFunc{
		"answered with status 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"answered with status 404": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"answered with status 302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"could not be reached": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				err = c.Close()
			}
			if err != nil {
				t.Error(err)
			}
		},
	} {
		n, err := beat(t.Context(), t, serve)
		if err == nil || !strings.Contains(err.Error(), name) || n == 0 {
			t.Errorf("%s: %v, pinged %d times", name, err, n)
		}
	}
	if elsewhere != 0 {
		t.Error("a redirect was followed")
	}
}

// A monitor that does not answer costs beatTime at most, and less if the run's own
// time is over.
func TestBeatIsTimeBoxed(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if n, err := beat(ctx, t, silent); !errors.Is(err, context.DeadlineExceeded) || n != 1 {
		t.Errorf("%v, pinged %d times", err, n)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := beat(canceled, t, silent); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	h, err := NewHeart("https://monitor.example" + secret)
	if err != nil || h.client.Timeout != beatTime || beatTime > 5*time.Second {
		t.Errorf("waits for %s, %v", h.client.Timeout, err)
	}
}

func TestHeartTakesHTTPSAlone(t *testing.T) {
	for _, address := range []string{"", "none", "http://monitor.example" + secret, "https://", "https://:443" + secret, "monitor.example" + secret,
		"ftp://monitor.example" + secret, "https://monitor.example:port" + secret, "https://monitor.example/%zz" + secret} {
		if _, err := NewHeart(address); err == nil || strings.Contains(err.Error(), "monitor") || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// Whatever goes wrong, no error holds any part of the address.
func TestAddressStaysSecret(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := refused.Addr().String()
	if err := refused.Close(); err != nil {
		t.Fatal(err)
	}
	untrusted := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	for name, address := range map[string]string{
		"connection refused":           "https://user:word@" + gone + secret,
		"its certificate is not valid": untrusted.URL + secret,
		"its name does not resolve":    "https://monitor.invalid" + secret,
	} {
		h, err := NewHeart(address)
		if err != nil {
			t.Fatal(err)
		}
		if name == "its name does not resolve" { // without asking anybody
			h.client.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: h.url.Host, IsNotFound: true}}
			}}
		}
		err = h.Beat(t.Context())
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range []string{h.url.Hostname(), h.url.Host, secret, "word"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is in %q", name, part, err)
			}
		}
	}
}
