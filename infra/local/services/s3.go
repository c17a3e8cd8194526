package services

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// StartS3 starts an S3 server inside this process, in memory and empty. Buckets
// are created by its API, and addressed by path, as the SDK does where an
// endpoint is an IP address.
func StartS3() (*Server, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start S3: %w", err)
	}
	faker := gofakes3.New(s3mem.New(), gofakes3.WithTimeSkewLimit(0), gofakes3.WithLogger(gofakes3.DiscardLog()))
	h := &http.Server{Handler: faker.Server(), ReadHeaderTimeout: 10 * time.Second}
	s := &Server{URL: "http://" + l.Addr().String(), name: "S3", inside: h, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.mu.Lock()
			s.err = fmt.Errorf("S3: %w", err)
			s.mu.Unlock()
		}
	}()
	return s, nil
}
