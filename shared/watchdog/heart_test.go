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
	"sync/atomic"
	"testing"
	"time"
)

// secret is the part of the address that nobody may see.
const secret = "/ping/9f2c-not-for-logs"

// beat pings a server, and tells how often it was by the time that it answered.
func beat(ctx context.Context, t *testing.T, most time.Duration, serve http.HandlerFunc) (int, error) {
	t.Helper()
	var pinged atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == secret && r.Method == http.MethodGet {
			pinged.Add(1)
		}
		serve(w, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	h, err := NewHeart(srv.URL + secret)
	if err != nil {
		t.Fatal(err)
	}
	h.client.Transport, h.client.Timeout = srv.Client().Transport, most
	err = h.Beat(ctx)
	return int(pinged.Load()), err
}

func TestBeat(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusNoContent} {
		if n, err := beat(t.Context(), t, time.Minute, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }); err != nil || n != 1 {
			t.Errorf("status %d: %v, pinged %d times", status, err, n)
		}
	}
	var elsewhere atomic.Int32
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
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
		n, err := beat(t.Context(), t, time.Minute, serve)
		if err == nil || !strings.Contains(err.Error(), name) || n == 0 {
			t.Errorf("%s: %v, pinged %d times", name, err, n)
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// A monitor that does not answer costs beatTime at most, and less if the run's own
// time is over.
func TestBeatIsTimeBoxed(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	if _, err := beat(t.Context(), t, time.Millisecond, silent); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, err := beat(ctx, t, time.Minute, func(w http.ResponseWriter, r *http.Request) { cancel(); silent(w, r) })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%v, pinged %d times", err, n)
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
